"""`vienphi run`: the service, its worker and the bank simulator on the loopback address, with bills to pay.

Everything lives in one process and on a PostgreSQL of its own, made fresh each time and gone at the end.
"""

import asyncio
import base64
import logging
import os
import re
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import click
import httpx

from billing.app import open_service
from billing.cli.demo_day import Morning
from billing.cli.demo_hospital import (
    ACCOUNT,
    CALLBACK_PATH,
    add_screens,
    add_terminal,
    sandbox_settings,
    set_up_hospital,
)
from billing.cli.demo_night import work_night
from billing.cli.demo_staff import PASSWORD, PIN, STAFF
from billing.core.actor import Role
from billing.core.errors import BillingError
from billing.core.reference_code import ReferenceCode, purpose_text
from billing.coverage.domain.explain import money_text
from billing.db.context import utc_now
from billing.db.migrator import migrate
from billing.devserver.embedded import EmbeddedPostgres
from billing.logs import configure_logs
from billing.notifications.service.webhooks import Dispatch
from billing.secrets import find_secret, variable_of
from billing.web.screens.texts import ScreenLanguage, translate
from billing.web.server import serving
from billing.worker.running import Intervals, run_worker
from billing.worker.sender import Sender
from providers.addresses import AddressRules
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.sandbox.bank_day import FileTerms, Payouts
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from providers.sandbox.control import QUERY_PATH, ControlPage, OpenCode, serving_control_page
from providers.sandbox.message import SandboxSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_FILES = ("ngoai-tru-dong-chi-tra.xml", "noi-tru.xml")
_KEY_LIFE = timedelta(days=1)
_LATE_BY_S = 20.0
_TYPED_AMOUNT = 500_000
"""What the payer of a standing code types, in đồng."""
_LISTED_MAX = 25
_PAYOUT_FEE = 50  # basis points
_MORNING_VISITS = 14
_MORNING_TRANSFERS = (
    *(Behaviour.EXACT, Behaviour.EXACT, Behaviour.WRAPPED, Behaviour.EXACT, Behaviour.SPLIT),
    *(Behaviour.SHORT, Behaviour.OVER, Behaviour.TWICE),
)
"""Transfers that the bank has reported before the service opens, so that finance has a day to look at."""
_MESSAGES = {
    "vi": {
        "starting": "Đang chuẩn bị PostgreSQL riêng, bệnh viện thử nghiệm và ngân hàng thử nghiệm …",
        "bank": "Ngân hàng thử nghiệm (chọn cách trả từng mã):",
        "screens": "Màn hình của nhân viên: mở địa chỉ này và đăng nhập (mật khẩu {password}, PIN {pin}):",
        "page": "Trang của người bệnh, mã {code}, {amount}:",
        "docs": "Tài liệu API, với khóa {key}:",
        "device": "Máy lấy số và bảng gọi số: mở địa chỉ này, dán khóa {key}\n   {address}/device",
        "fresh": "Dữ liệu mới mỗi lần chạy và mất khi dừng. Chỉ máy này mở được. Dừng: Ctrl-C.",
        "stopped": "Đã dừng.",
    },
    "en": {
        "starting": "Preparing a PostgreSQL of its own, a demo hospital and the bank simulator …",
        "bank": "The bank simulator (choose how each code is paid):",
        "screens": "The screens of the staff: open this address and sign in (password {password}, PIN {pin}):",
        "page": "The patient's page, code {code}, {amount}:",
        "docs": "The API, with the key {key}:",
        "device": "The kiosk and the queue display: open this address and enter {key}\n   {address}/device",
        "fresh": "The data are new each time and gone at the end. Only this machine can open it. Stop: Ctrl-C.",
        "stopped": "Stopped.",
    },
}


class RunFailed(BillingError):
    """Something of the demonstration could not be made."""

    code = "run_broken"


@click.command()
@click.option(
    "--lang",
    type=click.Choice(["vi", "en"]),
    default=lambda: "vi" if os.environ.get("LANG", "").startswith("vi") else "en",
    help="Language of what is printed and of the bank's page. [default: that of LANG, else en]",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Port of the service.")
@click.option("--bank-port", type=click.IntRange(0, 65_535), default=8081, show_default=True, help="Port of the bank.")
@click.option(
    "--payouts",
    type=click.Choice([each.value for each in Payouts]),
    default=Payouts.EACH.value,
    show_default=True,
    help="How the bank's files state collected money: each transfer, or one payout a day net of a fee of 0.5 %.",
)
@click.option("--training", "is_training", is_flag=True, help="Make it a training hospital: marked on every page.")
def run(*, lang: str, port: int, bank_port: int, payouts: str, is_training: bool) -> None:
    """Serve a demo hospital and the bank simulator on the loopback address until Ctrl-C; data are fresh each time.

    A port that is taken is replaced by a free one; the addresses are printed.
    """
    configure_logs(is_json=False, level=logging.ERROR)
    click.echo(_MESSAGES[lang]["starting"])
    with EmbeddedPostgres() as server:
        terms = FileTerms(
            payouts=Payouts(payouts), fee_basis_points=_PAYOUT_FEE if payouts == Payouts.DAILY.value else 0
        )
        ports = _free_port(port), _free_port(bank_port)
        asyncio.run(_run(server, lang, terms, ports=ports, is_training=is_training))
    click.echo(_MESSAGES[lang]["stopped"])


async def _run(
    server: EmbeddedPostgres, lang: str, terms: FileTerms, *, ports: tuple[int, int], is_training: bool
) -> None:
    port, bank_port = ports
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    await migrate(server.owner_url)
    address = f"http://127.0.0.1:{port}"
    settings = sandbox_settings(query_url=f"http://127.0.0.1:{bank_port}{QUERY_PATH}")
    roles = (Role.CASHIER, Role.INTEGRATOR, Role.FINANCE)
    here = AddressRules(allow_private=True, allow_http=True)  # the bank simulator answers on the loopback address
    key = await set_up_hospital(
        server.owner_url,
        settings,
        key_life=_KEY_LIFE,
        roles=roles,
        outgoing=here,
        is_training=is_training,
    )
    device_key = await add_screens(server.owner_url)
    # Workers of documents are processes of their own, which find the secret in their environment.
    os.environ[variable_of(ACCOUNT)] = settings.secret.get_secret_value()
    async with (
        open_service(
            server.app_url,
            public_base_url=address,
            outgoing=here,
            secret_of=lambda _: settings.secret.get_secret_value(),
        ) as service,
        serving(service.application, port=port),
        httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {key}"}) as client,
        httpx.AsyncClient() as line,
    ):
        await add_terminal(service.context)
        desk = _Desk(client, lang, settings)
        bank = BankSimulator(
            line,
            address + CALLBACK_PATH,
            settings,
            clock=utc_now,
            random=Random(),  # noqa: S311 - a bank simulator
            late_by_s=_LATE_BY_S,
            typed_amount=_TYPED_AMOUNT,
        )
        page = ControlPage(
            bank, list_codes=desk.list_codes, add_code=desk.add_code, clock=utc_now, language=lang, terms=terms
        )
        for behaviour in _MORNING_TRANSFERS:
            await desk.add_code()
            await bank.pay((await desk.list_codes())[0].payload, behaviour)
        for _ in _FILES:
            await desk.add_code()
        morning = Morning(client, utc_now, Random())  # noqa: S311 - invented patients
        await work_night(service.context, morning)
        await morning.begin(_MORNING_VISITS)
        arrivals = asyncio.create_task(morning.arrive(stop))
        worker = asyncio.create_task(
            run_worker(
                service.context,
                dispatch=Dispatch(send=Sender().send, secret_of=find_secret, random=SystemRandom()),
                intervals=Intervals(poll_s=2.0),
                stop=stop,
                listen=service.listen,
                random=SystemRandom(),
            )
        )
        async with serving_control_page(page, port=bank_port) as bank_address:
            await _print_addresses(desk, lang, bank_address=bank_address, address=address, key=key)
            click.echo(_MESSAGES[lang]["device"].format(address=address, key=device_key))
            click.echo(f"\n{_MESSAGES[lang]['fresh']}")
            await stop.wait()
        await arrivals
        await worker


async def _print_addresses(desk: "_Desk", lang: str, *, bank_address: str, address: str, key: str) -> None:
    messages = _MESSAGES[lang]
    click.echo(f"\n{messages['screens'].format(password=PASSWORD, pin=PIN)}\n   {address}/")
    for person in STAFF:
        click.echo(
            f"   {person.login_name:<10} {translate(ScreenLanguage(lang), f'role.{person.role}')}: {person.name}"
        )
    click.echo(f"{messages['bank']}\n   {bank_address}")
    for code in (await desk.list_codes())[: len(_FILES)]:
        click.echo(f"{messages['page'].format(code=code.reference, amount=code.amount)}\n   {code.page}")
    click.echo(f"{messages['docs'].format(key=key)}\n   {address}/docs")


class _Desk:
    """The hospital's side of the demonstration: records visits and opens intents, all over HTTP."""

    def __init__(self, client: httpx.AsyncClient, lang: str, settings: SandboxSettings) -> None:
        self._settings = settings
        self._client = client
        self._lang = lang
        self._visits = 0

    async def add_code(self) -> None:
        """One more visit, its invoice, and a code for it; the example files in turn, each time another visit."""
        name = _FILES[self._visits % len(_FILES)]
        self._visits += 1
        content = another_visit(await asyncio.to_thread((EXAMPLES / name).read_bytes), self._visits)
        taken = await self._post("/v1/visits", content=content, media_type="application/xml")
        invoice = await self._post("/v1/invoices", json={"visit_id": taken["visits"][0]["id"]})
        await self._post("/v1/intents", json={"account": ACCOUNT, "invoice_ids": [invoice["id"]]})

    async def list_codes(self) -> Sequence[OpenCode]:
        """The newest codes, each with the amount of its payment page."""
        listed = _read(await self._client.get("/v1/intents", params={"limit": _LISTED_MAX}))["items"]
        return [await self._code(each["id"]) for each in listed]

    async def _code(self, intent_id: str) -> OpenCode:
        intent = _read(await self._client.get(f"/v1/intents/{intent_id}"))
        amount = intent["remaining"] or intent["amount"] or _TYPED_AMOUNT
        return OpenCode(
            reference=intent["reference_code"],
            amount=money_text(amount),
            state=intent["state_label"][self._lang],
            payload=self._payload(intent["reference_code"], None if intent["is_standing"] else amount),
            page=intent["pay_url"] + ("?lang=en" if self._lang == "en" else ""),
        )

    def _payload(self, reference: str, amount: int | None) -> str:
        """The payload of the code, also when nothing is owed any more: the bank can pay it again. None: standing."""
        return build_vietqr(
            VietQr(
                bank_bin=self._settings.bank_bin,
                account_number=self._settings.account_number,
                amount=amount,
                particulars=Particulars(purpose=purpose_text(ReferenceCode(reference))),
            )
        )

    async def _post(self, path: str, *, media_type: str | None = None, **body: Any) -> Mapping[str, Any]:
        headers = {"Idempotency-Key": secrets.token_urlsafe(16)}
        if media_type is not None:
            headers["Content-Type"] = media_type
        return _read(await self._client.post(path, headers=headers, **body))


def another_visit(content: bytes, number: int) -> bytes:
    """An example file as the file of another visit: the same but for MA_LK, in each table that it wraps."""

    def renumber(found: re.Match[str]) -> str:
        table = base64.b64decode(found[1]).decode("utf-8")
        table = re.sub(r"(<MA_LK>)([^<]+)(</MA_LK>)", rf"\g<1>\g<2>-{number}\g<3>", table)
        return f"<NOIDUNGFILE>{base64.b64encode(table.encode()).decode()}</NOIDUNGFILE>"

    return re.sub(r"<NOIDUNGFILE>([^<]+)</NOIDUNGFILE>", renumber, content.decode("utf-8")).encode()


def _read(response: httpx.Response) -> Mapping[str, Any]:
    if response.is_error:
        raise RunFailed(f"{response.request.method} {response.request.url.path}: {response.text}")
    document: Mapping[str, Any] = response.json()
    return document


def _free_port(wanted: int) -> int:
    """The port that is wanted, or one that the system chooses where somebody else has it."""
    for port in (wanted, 0):
        with socket.socket() as tried:
            # As asyncio does when it listens: a port that was closed shortly before is free.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise RunFailed("no port of the loopback address is free")
