"""`vienphi demo`: the payment flow on a real visit file, step by step, on a database of its own. Ends by itself."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from billing.app import Service, open_service
from billing.checkout.formats.qr_image import qr_terminal
from billing.cli.demo_hospital import ACCOUNT, CALLBACK_PATH, HOSPITAL, sandbox_settings, set_up_hospital
from billing.cli.demo_messages import MESSAGES
from billing.cli.ledger import verify_books
from billing.cli.quote_table import render_quote
from billing.core.errors import BillingError
from billing.coverage.domain.explain import Language, money_text
from billing.coverage.service.quote_file import quote_file
from billing.db.context import utc_now
from billing.db.migrator import migrate
from billing.devserver.embedded import EmbeddedPostgres
from billing.ledger.service.verify import read_books
from billing.logs import configure_logs
from billing.web.server import serving
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from providers.sandbox.message import SandboxMessage

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ngoai-tru-dong-chi-tra.xml"
_KEY_LIFE = timedelta(hours=1)
_WIDTH_WITHOUT_TERMINAL = 120


class DemoFailed(BillingError):
    """The demo did not come out as it must; it ends with a status other than 0."""

    code = "demo_failed"


@click.command()
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=lambda: "vi" if os.environ.get("LANG", "").startswith("vi") else "en",
    help="Language of the story. [default: that of LANG, else en]",
)
@click.option("--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=EXAMPLE, hidden=True)
def demo(lang: str, file: Path) -> None:
    """Watch a hospital visit become a price, a bank QR, a payment and a balanced ledger."""
    configure_logs(is_json=False, level=logging.ERROR)  # a refused forgery is part of the story, not of the log
    started = time.monotonic()
    messages = MESSAGES[Language(lang)]
    with EmbeddedPostgres() as server:
        _title(messages["setup"].format(version=server.version))
        asyncio.run(_run(server, file, Language(lang), started))
    click.echo(messages["done"].format(seconds=_seconds_since(started)))


async def _run(server: EmbeddedPostgres, file: Path, language: Language, started: float) -> None:
    await migrate(server.owner_url)
    settings = sandbox_settings()
    key = await set_up_hospital(server.owner_url, settings, key_life=_KEY_LIFE)
    async with (
        open_service(server.app_url, secret_of=lambda _: settings.secret.get_secret_value()) as service,
        serving(service.application) as address,
        httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {key}"}) as desk,
        httpx.AsyncClient() as line,
    ):
        callback_url = address + CALLBACK_PATH
        bank = BankSimulator(line, callback_url, settings, clock=utc_now, random=Random())  # noqa: S311 - a bank simulator
        click.echo("   " + MESSAGES[language]["ready"].format(seconds=_seconds_since(started)))
        await DemoSteps(service, desk, bank, language).run(file)
    _title(MESSAGES[language]["verify"])
    verdict = await verify_books(server.app_url)
    if verdict.mismatches:
        raise DemoFailed(f"the books do not hold: {verdict}")
    click.echo("   " + MESSAGES[language]["verified"].format(checks=verdict.checks))


class DemoSteps:
    """The steps after set-up; all but the bank simulator use HTTP, as a desk does."""

    def __init__(self, service: Service, desk: httpx.AsyncClient, bank: BankSimulator, language: Language) -> None:
        self._service = service
        self._desk = desk
        self._bank = bank
        self._language = language
        self._messages = MESSAGES[language]

    async def run(self, file: Path) -> None:
        visit = await self._record_visit(file)
        invoice = await self._issue(visit["id"])
        intent = await self._open_intent(invoice)
        transfer = await self._pay(intent)
        await self._show_books()
        await self._forge(transfer, intent)

    async def _record_visit(self, file: Path) -> Mapping[str, Any]:
        _title(self._messages["visit"])
        content = await asyncio.to_thread(file.read_bytes)
        answer = await self._post("/v1/visits", content=content, media_type="application/xml")
        visit: Mapping[str, Any] = answer["visits"][0]
        quote = quote_file(
            content, file=file.name, parameters=self._service.context.parameters, policy=self._service.context.policy
        )
        self._print(
            "visit_recorded",
            ma_lk=visit["ma_lk"],
            lines=len(quote.visits[0].priced.lines),
            findings=len(visit["findings"]) + len(answer["findings"]),
        )
        _title(self._messages["price"])
        click.echo(render_quote(file.name, quote, self._language, is_terminal=False))
        return visit

    async def _issue(self, visit_id: str) -> Mapping[str, Any]:
        _title(self._messages["invoice"])
        invoice = await self._post("/v1/invoices", json={"visit_id": visit_id})
        shares = {name: money_text(amount) for name, amount in invoice["shares"].items()}
        self._print("invoice_issued", number=invoice["number"], **shares)
        return invoice

    async def _open_intent(self, invoice: Mapping[str, Any]) -> Mapping[str, Any]:
        _title(self._messages["qr"])
        intent = await self._post("/v1/intents", json={"account": ACCOUNT, "invoice_ids": [invoice["id"]]})
        instruction = intent["instruction"]
        click.echo(qr_terminal(instruction["qr_payload"], is_coloured=Console().is_terminal))
        self._print(
            "qr_shown",
            code=intent["reference_code"],
            amount=money_text(intent["amount"]),
            account=instruction["account_number"],
            holder=instruction["account_holder"],
        )
        return intent

    async def _pay(self, intent: Mapping[str, Any]) -> SandboxMessage:
        _title(self._messages["pay"])
        transfer = self._bank.transfer(intent["instruction"]["qr_payload"], Behaviour.SPLIT)
        self._print("transfer_text", content=transfer.content.replace("\n", "⏎"))
        answers = [await self._bank.deliver(transfer), await self._bank.deliver(transfer)]
        for number, answer in enumerate(answers, start=1):
            self._print("answer", number=number, result=f"{answer.status} {answer.result}")
        paid = await self._state(intent["id"])
        self._print(
            "state",
            code=intent["reference_code"],
            state=self._messages[paid["state"]],
            received=money_text(paid["received"]),
            payments=len(paid["payments"]),
        )
        _expect([answer.result for answer in answers], ["ok", "duplicate"])
        _expect((paid["state"], paid["received"], len(paid["payments"])), ("succeeded", intent["amount"], 1))
        return transfer

    async def _show_books(self) -> None:
        _title(self._messages["books"])
        rows = await read_books(self._service.context, HOSPITAL)
        table = Table(box=None, pad_edge=False)
        for heading in ("account", "name"):
            table.add_column(self._messages[heading])
        for heading in ("debit", "credit"):
            table.add_column(self._messages[heading], justify="right")
        for row in rows:
            if row.debit or row.credit:
                table.add_row(row.number, row.name, money_text(row.debit), money_text(row.credit))
        Console(width=None if Console().is_terminal else _WIDTH_WITHOUT_TERMINAL).print(table)
        debit, credit = sum(row.debit for row in rows), sum(row.credit for row in rows)
        self._print("balanced", debit=money_text(debit), credit=money_text(credit))
        _expect(debit, credit)

    async def _forge(self, transfer: SandboxMessage, intent: Mapping[str, Any]) -> None:
        _title(self._messages["forged"])
        answer = await self._bank.deliver_forged(transfer)
        after = await self._state(intent["id"])
        self._print(
            "refused",
            status=answer.status,
            result=answer.result,
            payments=len(after["payments"]),
            received=money_text(after["received"]),
        )
        _expect((answer.status, after["received"], len(after["payments"])), (401, intent["amount"], 1))

    async def _state(self, intent_id: str) -> Mapping[str, Any]:
        response = await self._desk.get(f"/v1/intents/{intent_id}")
        return _read(response)

    async def _post(self, path: str, *, media_type: str | None = None, **body: Any) -> Mapping[str, Any]:
        headers = {"Idempotency-Key": secrets.token_urlsafe(16)}
        if media_type is not None:
            headers["Content-Type"] = media_type
        return _read(await self._desk.post(path, headers=headers, **body))

    def _print(self, sentence: str, **values: object) -> None:
        click.echo("   " + self._messages[sentence].format(**values))


def _read(response: httpx.Response) -> Mapping[str, Any]:
    if response.is_error:
        raise DemoFailed(f"{response.request.method} {response.request.url.path}: {response.text}")
    document: Mapping[str, Any] = response.json()
    return document


def _expect(found: object, expected: object) -> None:
    if found != expected:
        raise DemoFailed(f"{expected} expected, {found} found")


def _title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _seconds_since(started: float) -> str:
    return f"{time.monotonic() - started:.1f}"
