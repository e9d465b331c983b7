"""The page of the bank simulator: codes are paid with a fault of the files, and the files of a day are downloaded."""

import re
from datetime import UTC, datetime
from io import BytesIO
from random import Random

import httpx
import pytest
from aiohttp import web

from providers.contract import Movement
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_day import FileFault, FileTerms, Payouts
from providers.sandbox.bank_simulator import BankSimulator
from providers.sandbox.control import ControlPage, OpenCode
from providers.sandbox.control_messages import MESSAGES
from tests.providers.sandbox_samples import SETTINGS

NOW = datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC)
CODE = "K7ABCDEFR"


@pytest.fixture
def delivered():
    return []


@pytest.fixture
async def page(aiohttp_server, aiohttp_client, delivered):
    async def receive(request):
        delivered.append(await request.json())
        return web.json_response({"result": "ok", "receipt": "r"})

    application = web.Application()
    application.router.add_post("/callbacks/1/a", receive)
    server = await aiohttp_server(application)
    payload = build_vietqr(
        VietQr(
            bank_bin=SETTINGS.bank_bin,
            account_number=SETTINGS.account_number,
            amount=350_000,
            particulars=Particulars(purpose=f"{CODE} VIEN PHI"),
        )
    )

    async def list_codes():
        return [OpenCode(reference=CODE, amount="350.000 đ", state="open", payload=payload, page="http://pay.test/")]

    async def add_code():
        return None

    async with httpx.AsyncClient(timeout=5) as client:
        bank = BankSimulator(
            client, str(server.make_url("/callbacks/1/a")), SETTINGS, clock=lambda: NOW, random=Random(7)
        )
        control = ControlPage(
            bank,
            list_codes=list_codes,
            add_code=add_code,
            clock=lambda: NOW,
            language="en",
            terms=FileTerms(payouts=Payouts.EACH),
        )
        yield await aiohttp_client(control.application())


async def text(page, path="/"):
    return await (await page.get(path)).text()


@pytest.mark.parametrize("fault", FileFault)
async def test_code_is_paid_with_a_fault_of_the_files(page, delivered, fault):
    answer = await page.post(f"/codes/{CODE}/faults", data={"fault": fault.value})

    assert MESSAGES["en"][fault.value] in await answer.text()
    is_reported = fault.value not in {"callback_missing", "provider_only", "bank_only"}
    assert len(delivered) == int(is_reported)
    statement = await text(page, "/files/2026-01-02/statement.csv")
    assert (str(350_000) in statement) == (
        fault.value
        in {"callback_missing", "fee_wrong", "duplicate_transfer", "returned_transfer", "text_unreadable", "bank_only"}
    )


async def test_every_file_that_the_page_offers_is_downloaded(page):
    await page.post(f"/codes/{CODE}/exact")
    await page.post("/cards", data={"amount": "136000"})
    shown = await text(page)
    addresses = re.findall(r'href="(/files/[^"]+)"', shown)

    answers = {address: await page.get(address) for address in addresses}

    assert len(answers) == 3 * 4
    missing = [address for address, answer in answers.items() if answer.status != 200]
    assert missing == ["/files/2026-01-01/card-batch.json", "/files/2026-01-03/card-batch.json"]
    report = await answers["/files/2026-01-02/settlement.csv"].read()
    [line] = Sandbox(SETTINGS, client=None).read_settlement(BytesIO(report))
    assert (line.amount, line.movement) == (350_000, Movement.RECEIVED)
    assert "approval code 000001" in shown


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        (f"/codes/{CODE}/faults", {"fault": "steal"}, 400),
        (f"/codes/{CODE}/faults", {}, 400),
        ("/codes/K7ABCDEFS/faults", {"fault": "fee_wrong"}, 404),
        ("/cards", {"amount": "0"}, 400),
        ("/cards", {"amount": "-1"}, 400),
        ("/cards", {"amount": "１"}, 400),
        ("/cards", {"amount": "9" * 5000}, 400),
        ("/cards", {}, 400),
    ],
)
async def test_wrong_requests_are_refused(page, delivered, path, data, status):
    assert (await page.post(path, data=data)).status == status
    assert delivered == []


@pytest.mark.parametrize("path", ["2026-01-02/passwords", "2026-13-02/statement.csv", "today/statement.csv"])
async def test_unknown_files_are_not_found(page, path):
    assert (await page.get(f"/files/{path}")).status == 404


def test_every_fault_has_a_label_in_each_language():
    assert all(fault.value in messages for messages in MESSAGES.values() for fault in FileFault)
