"""The bank simulator: reads a QR code like a phone, pays, and calls the callback address, correctly or with faults.

All calls use HTTP, as with a real bank. Clock, randomness and sleep are arguments, so that a scenario is
reproducible.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from random import Random

import httpx

from providers.emvqr import NotAVietQr, ParsedQr, parse
from providers.sandbox.bank_day import AMOUNT_BY, UNREPORTED, CardPayment, FileFault
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, SandboxPayer, SandboxSettings, signature_header
from providers.sandbox.query import TransactionLog
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson

OVER_BY = 10_000
"""The overpayment of a payer who rounds up, in đồng."""
ATTEMPTS_MAX = 5
_RETRY_AFTER_MAX_S = 30
VIETNAM_TIME = timezone(timedelta(hours=7))


class Behaviour(StrEnum):
    """The behaviour of the bank, or its customer, with a code."""

    EXACT = "exact"
    TWICE = "twice"  # one transaction, reported twice
    SHORT = "short"  # half the amount
    OVER = "over"  # OVER_BY above the amount
    LATE = "late"  # reported with a delay
    WRAPPED = "wrapped"  # the transfer text inside a bank's own narrative
    SPLIT = "split"  # a space or line break inside the first word of the transfer text
    FORGED = "forged"  # signed with another secret
    ALTERED = "altered"  # one byte changed after signing
    NEVER = "never"


class ScanRefused(Exception):
    """A code that no banking application would pay: unreadable, broken, without amount, or for another account."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The final reply of the callback address, after `attempts` deliveries of the same message."""

    status: int
    result: str
    receipt: str
    attempts: int


class BankSimulator:
    """A bank that holds the account of the settings and pays codes into it.

    `callback_url` is the complete address of the account's callbacks; `clock` returns timestamps with a zone; `pause`
    waits a number of seconds. `late_by_s` is the delay of Behaviour.LATE. `typed_amount` is what a payer types for a
    code without an amount, in đồng; None: such a code is refused. Every transfer is in the `transactions`, reported or
    not.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        callback_url: str,
        settings: SandboxSettings,
        *,
        clock: Callable[[], datetime],
        random: Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        late_by_s: float = 2.0,
        typed_amount: int | None = None,
    ) -> None:
        self.transactions = TransactionLog(settings, clock)
        self._client = client
        self._callback_url = callback_url
        self._settings = settings
        self._clock = clock
        self._random = random
        self._pause = pause
        self._late_by_s = late_by_s
        self._typed_amount = typed_amount

    async def pay(self, qr_payload: str, behaviour: Behaviour, *, fault: FileFault | None = None) -> tuple[Answer, ...]:
        """Scan a code, pay by the behaviour, deliver, and return each delivery's reply; none for NEVER.

        `fault` makes the files of the day disagree; some faults have no callback (`UNREPORTED`).
        Raises ScanRefused for a code this bank does not pay, httpx.TransportError if there is no answer.
        """
        message = self.transfer(qr_payload, behaviour, fault=fault)
        if fault in UNREPORTED:
            return ()
        match behaviour:
            case Behaviour.NEVER:
                return ()
            case Behaviour.FORGED:
                return (await self.deliver_forged(message),)
            case Behaviour.ALTERED:
                return (await self.deliver_altered(message),)
            case Behaviour.TWICE:
                return (await self.deliver(message), await self.deliver(message))
            case Behaviour.LATE:
                await self._pause(self._late_by_s)
        return (await self.deliver(message),)

    def transfer(
        self, qr_payload: str, behaviour: Behaviour = Behaviour.EXACT, *, fault: FileFault | None = None
    ) -> SandboxMessage:
        """Scan a code and make the transfer without a callback; return the message for `deliver`."""
        code = self._scan(qr_payload)
        amount = code.amount or self._typed_amount or 0
        if fault is not None and amount <= 2 * AMOUNT_BY:
            raise ScanRefused(f"a fault of the files needs more than {2 * AMOUNT_BY} đồng")
        is_named = fault is not FileFault.BANK_ONLY
        purpose = code.purpose if is_named else ""
        payer = SandboxPayer(name="NGUYEN VAN TEST", account=self._digits(10))
        message = SandboxMessage(
            transaction_id=f"SB{self._digits(14)}",
            bank_reference=f"FT{self._digits(11)}",
            merchant_id=self._settings.merchant_id,
            account_number=self._settings.account_number,
            amount=_amount(amount, behaviour),
            status="SUCCEEDED",
            direction="credit",
            content=self._content(purpose or f"{payer.name} chuyen tien", payer, behaviour),
            reference=code.bill_number if is_named else None,
            occurred_at=self._clock().astimezone(VIETNAM_TIME).replace(microsecond=0),
            payer=payer,
        )
        self.transactions.write(message, fault)
        return message

    def pay_by_card(self, amount: int) -> CardPayment:
        """A payment at the card terminal of the account; its approval code is on the slip."""
        cards = self.transactions.cards
        payment = CardPayment(approval_code=f"{len(cards) + 1:06d}", amount=amount, occurred_at=self._clock())
        cards.append(payment)
        return payment

    async def deliver(self, message: SandboxMessage) -> Answer:
        """Call the callback address with a new signature; delivering one message again is a retry of the bank."""
        return await self._post(_body(message), self._settings.key)

    async def deliver_forged(self, message: SandboxMessage) -> Answer:
        """Deliver the message signed with another secret."""
        return await self._post(_body(message), self._settings.key[::-1] + b"forged")

    async def deliver_altered(self, message: SandboxMessage) -> Answer:
        """Deliver the message with one byte of the signed part changed in transit."""
        body = bytearray(_body(message))
        body[self._random.randrange(len(body))] ^= 0x01
        return await self._post(_body(message), self._settings.key, sent=bytes(body))

    async def _post(self, body: bytes, key: bytes, *, sent: bytes | None = None) -> Answer:
        """Sign `body`, post it (or `sent` in its place), and repeat after a TRY_LATER reply or without an answer."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            headers = {
                "content-type": "application/json",
                SIGNATURE_HEADER: signature_header(key, self._clock(), body),
            }
            wait_s = 1.0
            try:
                response = await self._client.post(
                    self._callback_url, content=body if sent is None else sent, headers=headers
                )
            except httpx.TransportError:
                if attempt == ATTEMPTS_MAX:
                    raise
            else:
                if response.status_code < 500 or attempt == ATTEMPTS_MAX:
                    return _answer(response, attempt)
                wait_s = _retry_after_s(response)
            await self._pause(wait_s)
        raise AssertionError("the last attempt answers or raises")

    def _scan(self, qr_payload: str) -> ParsedQr:
        try:
            code = parse(qr_payload)
        except NotAVietQr as error:
            raise ScanRefused("this is no VietQR code") from error
        if not code.crc_valid:
            raise ScanRefused("the code is damaged")
        if (code.bank_bin, code.account_number) != (self._settings.bank_bin, self._settings.account_number):
            raise ScanRefused("the code pays into an account of another bank")
        if not (code.amount or self._typed_amount):
            raise ScanRefused("the code has no amount")
        return code

    def _content(self, purpose: str, payer: SandboxPayer, behaviour: Behaviour) -> str:
        if behaviour is Behaviour.WRAPPED:
            return (
                f"MBVCB.{self._digits(10)}.{self._digits(6)}.{purpose}.CT tu {payer.account} {payer.name} "
                f"toi {self._settings.account_number} {self._settings.account_holder}"
            )
        if behaviour is Behaviour.SPLIT:
            first_word_length = len(purpose.partition(" ")[0])
            position = self._random.randrange(1, max(first_word_length, 2))
            return purpose[:position] + self._random.choice(" \n") + purpose[position:]
        return purpose

    def _digits(self, count: int) -> str:
        return "".join(self._random.choice("0123456789") for _ in range(count))


def _amount(amount_due: int, behaviour: Behaviour) -> int:
    if behaviour is Behaviour.SHORT:
        if amount_due < 2:
            raise ScanRefused("less than 1 đồng cannot be paid")
        return amount_due // 2
    return amount_due + OVER_BY if behaviour is Behaviour.OVER else amount_due


def _body(message: SandboxMessage) -> bytes:
    return message.model_dump_json().encode("utf-8")


def _retry_after_s(response: httpx.Response) -> float:
    header = response.headers.get("retry-after", "1")
    return (
        float(min(int(header), _RETRY_AFTER_MAX_S))
        if header.isascii() and header.isdigit() and len(header) < 5
        else 1.0
    )


def _answer(response: httpx.Response, attempts: int) -> Answer:
    try:
        content = read_json_object(response.content)
    except NotStrictJson:
        content = {}
    return Answer(
        status=response.status_code,
        result=str(content.get("result", "")),
        receipt=str(content.get("receipt", "")),
        attempts=attempts,
    )
