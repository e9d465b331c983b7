"""`vienphi run` as a newcomer runs it: the addresses open, the bank simulator pays, the process ends cleanly."""

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
EXAMPLES = Path(__file__).parents[2] / "examples"


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


@pytest.fixture
def running() -> Iterator[Running]:
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
    yield Running(process, printed)
    if process.poll() is None:
        process.kill()
    process.wait()


def pay(running: Running, page: str, behaviour: str) -> str:
    """Press a button of the bank for the code of a page; returns the bank's page afterwards."""
    bank = httpx.get(running.bank).text
    codes = re.findall(r'<code>(\w{9})</code>.*?href="([^"]+)"', bank)
    reference = next(code for code, address in codes if address == page)
    return httpx.post(f"{running.bank}/codes/{reference}/{behaviour}", follow_redirects=True, timeout=20).text


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
    added = httpx.post(f"{running.bank}/codes", follow_redirects=True, timeout=20).text
    assert added.count("<section>") == 3

    running.process.send_signal(signal.SIGINT)

    rest, _ = running.process.communicate(timeout=TIME_LIMIT_S)
    assert rest.strip() == "Stopped."
    assert running.process.returncode == 0


def test_unknown_codes_and_ways_to_pay_are_not_found(running: Running) -> None:
    for path in ("/codes/K7ABCDEFR/exact", "/codes/K7ABCDEFR/steal", "/nowhere"):
        assert httpx.post(running.bank + path).status_code in (404, 405)
    assert httpx.post(running.bank + "/queries", content=b"{}").status_code == 401


def test_example_becomes_another_visit_each_time() -> None:
    content = (EXAMPLES / "ngoai-tru-dong-chi-tra.xml").read_bytes()

    files = {another_visit(content, number) for number in (1, 2)}

    assert len(files) == 2
    assert content not in files
