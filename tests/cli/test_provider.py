"""The operator's commands: providers, the state of an account, a captured callback; nothing is written."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from billing.db.database import Database
from billing.payments.service.intake import Intake
from billing.web.server import create_application, serving
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, signature_header
from tests.builders import SANDBOX_SECRET, DemoHospital, add_demo_hospital, build_context
from tests.cli.commands import run
from tests.conftest import DatabaseAddress
from tests.web.site import Site


@dataclass(slots=True)
class Desk:
    """An operator at a terminal, while the service is running."""

    site: Site
    folder: Path

    async def do(self, *arguments: str, secret: str | None = SANDBOX_SECRET) -> CompletedProcess[str]:
        given = {} if secret is None else {"VIENPHI_SECRET_SANDBOX": secret}
        environment = {"VIENPHI_DATABASE_URL": self.site.database.app_url, **given}
        return await asyncio.to_thread(lambda: run("provider", *arguments, **environment))

    async def check(self, *captured: dict[str, Any]) -> CompletedProcess[str]:
        names = []
        for number, each in enumerate(captured):
            path = self.folder / f"{number}.json"
            path.write_text(json.dumps(each), encoding="utf-8")
            names.append(str(path))
        return await self.do("check-callback", "--organization", "1", "sandbox", *names)

    def captured(self, **changes: Any) -> dict[str, Any]:
        """What a proxy kept of an authentic callback."""
        now = self.site.context.clock()
        message = SandboxMessage(
            transaction_id="T77",
            merchant_id="hospital-1",
            account_number=self.site.hospital.settings.account_number,
            amount=136_000,
            status="SUCCEEDED",
            direction="credit",
            content="K7ABCDEFR VIEN PHI",
            occurred_at=now,
        )
        body = message.model_dump_json()
        signature = signature_header(SANDBOX_SECRET.encode(), now, body.encode())
        return {
            "method": "POST",
            "path": "/callbacks/1/sandbox",
            "headers": {"X-Sandbox-Signature": signature, "Authorization": "Bearer not-for-your-eyes"},
            "body": body,
            "received_at": now.isoformat(),
            **changes,
        }


@pytest.fixture
async def desk(database: DatabaseAddress, app_database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    hospital: DemoHospital = await add_demo_hospital(database.owner_url)
    context = build_context(app_database)
    async with Intake(context) as intake:
        application = create_application(context=context, intake=intake)
        async with serving(application) as address, httpx.AsyncClient(base_url=address) as client:
            site = Site(
                address=address,
                application=application,
                context=context,
                intake=intake,
                hospital=hospital,
                database=database,
                client=client,
                anonymous_client=client,
            )
            yield Desk(site, tmp_path)


def test_installed_providers_are_listed_with_what_they_can() -> None:
    listed = run("provider", "list")

    assert listed.returncode == 0
    [line] = [line for line in listed.stdout.splitlines() if line.startswith("sandbox ")]
    assert line.split(maxsplit=1)[1] == "Provider, Callbacks, Queries, LocalQr, SettlementFiles"


async def test_account_is_shown_without_its_secret(desk: Desk) -> None:
    shown = await desk.do("show", "--organization", "1", "sandbox")
    bare = await desk.do("show", "--organization", "1", "sandbox", secret=None)
    nobody = await desk.do("show", "--organization", "1", "elsewhere")

    assert (shown.returncode, bare.returncode, nobody.returncode) == (0, 0, 1), shown.stderr
    assert "merchant_id = hospital-1" in shown.stdout
    assert "secret     secret: given" in shown.stdout
    assert shown.stdout.endswith("usable\n")
    assert "secret     secret: missing" in bare.stdout
    assert "UNUSABLE   set VIENPHI_SECRET_SANDBOX__SECRET" in bare.stdout
    assert SANDBOX_SECRET not in shown.stdout + shown.stderr


async def test_captured_callback_is_read_and_books_nothing(desk: Desk) -> None:
    async with desk.site.nothing_written():
        checked = await desk.check(desk.captured())

    assert checked.returncode == 0, checked.stderr
    for expected in (
        "AUTHENTIC: notices: 1",
        "received 136000 đ: 'SUCCEEDED' is succeeded",
        "K7ABCDEFR",
        "T77:SUCCEEDED",
    ):
        assert expected in checked.stdout
    assert "if duplicate:" in checked.stdout
    assert 'answer 200 {"result": "duplicate"' in checked.stdout
    assert "not-for-your-eyes" not in checked.stdout
    assert SANDBOX_SECRET not in checked.stdout + checked.stderr


async def test_forged_altered_and_old_captures_are_distinguished_from_good_ones(desk: Desk) -> None:
    good = desk.captured()
    altered = {**good, "body": good["body"].replace("136000", "136001")}
    unsigned = {**good, "headers": {"content-type": "application/json"}}
    old = {**good, "received_at": "2026-12-31T00:00:00+00:00"}
    with_line_break = {**good, "body": good["body"] + "\n"}

    async with desk.site.nothing_written():
        checked = await desk.check(good, altered, unsigned, old, with_line_break)

    assert checked.returncode == 1
    lines = {number: [line for line in checked.stdout.splitlines() if f"/{number}.json" in line] for number in range(5)}
    assert "NOT AUTHENTIC" not in "".join(lines[0])
    for number in (1, 2, 3, 4):
        assert "NOT AUTHENTIC: the signature or credential does not hold; signed is the timestamp" in "".join(
            lines[number]
        )
        assert '401 {"result": "bad_signature"}' in "".join(lines[number])
    assert f"missing: {SIGNATURE_HEADER}" in "".join(lines[2])
    assert "it holds without the line break at its end" in "".join(lines[4])
    assert "it holds" not in "".join(lines[1] + lines[2] + lines[3])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bodies": "x"}, "a captured request has no bodies"),
        ({"body": 7}, "body is a text"),
        ({"body_base64": "e30="}, "give body or body_base64"),
        ({"headers": "x"}, "headers are an object"),
        ({"received_at": "yesterday"}, "received_at is a timestamp"),
        ({"received_at": "2026-01-01T00:00:00"}, "received_at needs a zone"),
    ],
)
async def test_file_that_is_no_captured_request_is_refused(desk: Desk, changes: dict[str, Any], reason: str) -> None:
    refused = await desk.check(desk.captured(**changes))

    assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr


async def test_made_up_money_reaches_a_test_account_alone(desk: Desk) -> None:
    simulate = ("simulate", "--organization", "1", "--url", desk.site.address, "--amount", "1000", "sandbox")
    done = await desk.do(*simulate)
    payments = await desk.site.as_owner("SELECT amount FROM payment")
    await desk.site.as_owner("UPDATE provider_account SET provider = 'vnpay' WHERE organization_id = 1")

    async with desk.site.nothing_written():
        refused = await desk.do(*simulate)

    assert (done.returncode, " 200 unknown_reference " in done.stdout) == (0, True), done.stderr
    assert [row["amount"] for row in payments] == [1000]
    assert (refused.returncode, "not_a_test_account" in refused.stderr) == (1, True)
