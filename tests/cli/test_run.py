"""`vienphi run` as a newcomer runs it: the addresses open, the bank simulator pays, the process ends cleanly.

The five calls of README are sent to it too.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from billing.cli.run import another_visit
from billing.core.clock import VIETNAM

TIME_LIMIT_S = 60
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
HEADER = {
    "version": 1,
    "MA_LOAI_KCB": "03",
    "MA_DOITUONG_KCB": "9",
    "NGAY_VAO": "202611020800",
    "patient": {"HO_TEN": "Nguyễn Văn Mẫu", "NGAY_SINH": "19800101"},
}
README = (ROOT / "README.md").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Running:
    """The process, what it printed until it was ready, and the addresses in it."""

    process: subprocess.Popen[str]
    printed: str

    @property
    def bank(self) -> str:
        return re.findall(r"http://127\.0\.0\.1:\d+$", self.printed, re.MULTILINE)[0]

    @property
    def pages(self) -> list[str]:
        return re.findall(r"http://\S+/pay/\S+", self.printed)


@pytest.fixture(scope="module")
def _processes() -> Iterator[list[Running]]:
    """The process of the module, and those that replaced one that a test had stopped."""
    started: list[Running] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()


@pytest.fixture
def running(_processes: list[Running]) -> Running:
    """A process for bills of their own; a test may stop it."""
    if not _processes or _processes[-1].process.poll() is not None:
        _processes.append(_start())
    return _processes[-1]


def _start() -> Running:
    process = subprocess.Popen(
        [sys.executable, "-m", "billing", "run", "--lang", "en", "--port", "0", "--bank-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"},
    )
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    return Running(process, printed)


def pay(running: Running, page: str, behaviour: str) -> str:
    """Press a button of the bank for the code of a page; returns the bank's page afterwards."""
    bank = httpx.get(running.bank).text
    codes = re.findall(r'<code>(\w{9})</code>.*?href="([^"]+)"', bank)
    reference = next(code for code, address in codes if address == page)
    return httpx.post(f"{running.bank}/codes/{reference}/{behaviour}", follow_redirects=True, timeout=20).text


def test_unknown_codes_and_ways_to_pay_are_not_found(running: Running) -> None:
    for path in ("/codes/K7ABCDEFR/exact", "/codes/K7ABCDEFR/steal", "/nowhere"):
        assert httpx.post(running.bank + path).status_code in (404, 405)
    assert httpx.post(running.bank + "/queries", content=b"{}").status_code == 401


def test_every_printed_person_signs_in_to_the_screens(running: Running) -> None:
    [address] = re.findall(r"sign in .*\n   (http://\S+)/$", running.printed, re.MULTILINE)
    [password] = re.findall(r"password (\S+),", running.printed)
    persons = re.findall(r"^   ([a-z]+2?) +[A-Z][a-z ]+: ", running.printed, re.MULTILINE)
    assert len(persons) == 10

    for login_name in persons:
        with httpx.Client(base_url=address, follow_redirects=True) as client:
            form = {"login_name": login_name, "password": password, "place": "1/"}
            page = client.post("/sign-in", data=form)
            assert page.status_code == 200, (login_name, page.text)
            assert "/sign-out" in client.get("/my/sessions").text


def test_safe_of_the_demo_has_the_cash_of_the_night_shift(running: Running) -> None:
    """The floats of the day are issued from it: it does not fall below zero."""
    [address] = re.findall(r"sign in .*\n   (http://\S+)/$", running.printed, re.MULTILINE)
    [password] = re.findall(r"password (\S+),", running.printed)
    with httpx.Client(base_url=address, follow_redirects=True) as client:
        client.post("/sign-in", data={"login_name": "thuquy", "password": password, "place": "1/"})
        safe = client.get("/safe").text

    assert "10.000.000" in safe
    assert "Két âm" not in safe


def test_visits_of_the_morning_wait_at_the_desks(running: Running) -> None:
    key = re.findall(r"key (vp_\S+):", running.printed)[0]
    service = re.findall(r"(http://127\.0\.0\.1:\d+)/docs", running.printed)[0]
    headers = {"Authorization": f"Bearer {key}"}

    listed = httpx.get(f"{service}/v1/desks", headers=headers).json()["items"]
    messages = httpx.get(f"{service}/v1/integration-messages?limit=100", headers=headers).json()["items"]

    assert [desk["name"] for desk in listed] == ["Quầy 1", "Quầy 2", "Quầy 3"]
    assert len(messages) > 40
    assert {message["outcome"] for message in messages} == {"accepted"}


def calls_of_readme() -> list[str]:
    section = README.split("\n## Connect a hospital", 1)[1].split("\n## ", 1)[0]
    lines = "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))
    return re.findall(r"^curl (?:.*\\\n)*.*$", lines, re.MULTILINE)


def test_five_calls_of_the_readme_end_in_a_paid_invoice(running: Running) -> None:
    key = re.findall(r"key (vp_\S+):", running.printed)[0]
    service = re.findall(r"(http://127\.0\.0\.1:\d+)/docs", running.printed)[0]
    known = {"KEY": key}
    calls = calls_of_readme()
    assert len(calls) == 5
    answer = ""
    for call in calls:
        command = call.replace("http://127.0.0.1:8080", service).replace("http://127.0.0.1:8081", running.bank)
        done = subprocess.run(
            command.replace("curl ", "curl --silent --show-error --fail-with-body ", 1),
            shell=True,
            cwd=ROOT,
            env={"PATH": os.defpath, **known},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (call, done.stdout, done.stderr)
        answer = done.stdout
        for name, path in re.findall(r"# (\w+) = (\S+)", call):
            value = json.loads(answer)
            for step in re.findall(r"\w+", path):
                value = value[int(step)] if step.isdecimal() else value[step]
            known[name] = value
    invoice = json.loads(answer)
    assert (invoice["owed"], invoice["shares"]["patient"] > 0) == (0, True)


def test_standing_code_of_a_visit_takes_what_the_payer_types(running: Running) -> None:
    key = re.findall(r"key (vp_\S+):", running.printed)[0]
    service = re.findall(r"(http://127\.0\.0\.1:\d+)/docs", running.printed)[0]
    with httpx.Client(base_url=f"{service}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=20) as client:
        visit = client.put("/facilities/01001/visits/LK-STANDING", json=HEADER).raise_for_status().json()
        request = {"account": "sandbox", "visit_id": visit["id"], "is_standing": True}
        intent = (
            client.post("/intents", json=request, headers={"Idempotency-Key": "standing"}).raise_for_status().json()
        )

        for _ in range(2):
            assert "200 ok" in pay(running, intent["pay_url"] + "?lang=en", "exact")

        after = client.get(f"/intents/{intent['id']}").raise_for_status().json()
    assert (after["received"], len(after["payments"])) == (1_000_000, 2)


def test_settlement_file_of_the_bank_is_imported(running: Running) -> None:
    [key] = re.findall(r"key (vp_\S+):", running.printed)
    [service] = re.findall(r"(http://127\.0\.0\.1:\d+)/docs", running.printed)
    file = httpx.get(f"{running.bank}/files/{datetime.now(VIETNAM):%Y-%m-%d}/settlement.csv").content

    answer = httpx.post(
        f"{service}/v1/settlements?account=sandbox&file_name=settlement.csv",
        content=file,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"},
        timeout=TIME_LIMIT_S,
    )

    assert answer.status_code == 201, answer.text


def test_run_serves_bills_that_the_bank_pays_well_and_badly_and_ends_at_once(running: Running) -> None:
    first, second = running.pages

    assert "Waiting for your transfer" in httpx.get(first).text
    assert "401 bad_signature" in pay(running, first, "forged")
    assert "Waiting for your transfer" in httpx.get(first).text
    assert "200 amount_differs" in pay(running, first, "short")
    assert "Not complete" in httpx.get(first).text
    pay(running, first, "exact")
    assert "Paid." in httpx.get(first).text.replace("</b>", "")
    assert "200 ok, 200 duplicate" in pay(running, second, "twice")
    listed_at = re.findall(r"<li>(\d\d:\d\d:\d\d) ", httpx.get(running.bank).text)
    now = datetime.now(VIETNAM)
    assert listed_at[0] in {f"{now - timedelta(seconds=ago):%H:%M:%S}" for ago in range(TIME_LIMIT_S)}
    listed = httpx.get(running.bank).text.count("<section>")
    added = httpx.post(f"{running.bank}/codes", follow_redirects=True, timeout=20).text
    assert added.count("<section>") == listed + 1

    running.process.send_signal(signal.SIGINT)

    rest, _ = running.process.communicate(timeout=TIME_LIMIT_S)
    assert rest.strip() == "Stopped."
    assert running.process.returncode == 0


def test_example_becomes_another_visit_each_time() -> None:
    content = (EXAMPLES / "ngoai-tru-dong-chi-tra.xml").read_bytes()

    files = {another_visit(content, number) for number in (1, 2)}

    assert len(files) == 2
    assert content not in files
