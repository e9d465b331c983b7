"""A rude bank: repeats messages, mixes their order, jumps with its clock, reuses its references, sends money
back before it has reported the payment, and is imitated by forgers; it never gives up.

It records the sent and the acknowledged messages; the checks afterwards rely on this record alone.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import aiohttp

from billing.db.context import utc_now
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.bench.stock import AMOUNT, Order
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET

KEY = SANDBOX_SECRET.encode()
CALLERS = 16
JUMPS_S = (0, 0, 0, 0, -200, 200, -5_000, 5_000)
"""The error of the bank's clock at signing: up to 300 s are tolerated, above that a 401 makes the bank correct it."""

_ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=8)
_DAYS_OFF = (0, 0, 0, 0, -3, 2)
_PAUSE_MAX_S = 0.12
_UNANSWERED_PAUSE_MAX_S = 0.5


REUSED_REFERENCES = ("-", "0", "NONREF", "null", "FT26330", "FT26331")
"""Values in place of a unique bank reference: placeholders, and references that the bank uses again."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came to the bank's account, or left it again where `refund_of` names the refunded transfer.

    `code` is None where the payer wrote nothing useful.
    """

    transaction_id: str
    organization: int
    code: str | None
    amount: int
    bank_reference: str = ""
    refund_of: str = ""


@dataclass(slots=True)
class Message:
    """One delivery still to be acknowledged."""

    transfer: Transfer
    body: bytes
    succeeded: bool
    forged: bool
    jump_s: int


@dataclass(slots=True)
class BankRecord:
    """The bank's record of transfers, refunds, acknowledgements and answers."""

    transfers: dict[str, Transfer] = field(default_factory=dict)
    refunds: dict[str, Transfer] = field(default_factory=dict)
    acknowledged: Counter[str] = field(default_factory=Counter)  # successful transfers, by transaction
    answers: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)


class RudeBank:
    """Sends transfers to the callback address until each callback is acknowledged."""

    def __init__(self, address: str, random: Random) -> None:
        self._address = address
        self._random = random
        self._waiting: deque[Message] = deque()
        self._under_way = 0
        self.record = BankRecord()

    def take(self, orders: Sequence[Order]) -> None:
        """Payers pay these bills in every way; the messages to send are shuffled."""
        messages = [message for order in orders for message in self._messages(order)]
        self._random.shuffle(messages)
        self._waiting.extend(messages)

    async def send_all(self, *, timeout_s: float) -> None:
        """Send until every message is acknowledged. Raises TimeoutError with the number of messages that still wait."""
        connector = aiohttp.TCPConnector(limit=CALLERS)
        async with aiohttp.ClientSession(connector=connector, timeout=_ANSWER_TIMEOUT) as session:
            callers = [asyncio.create_task(self._call(session)) for _ in range(CALLERS)]
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.gather(*callers)
            except TimeoutError:
                raise TimeoutError(f"{len(self._waiting)} callbacks are not acknowledged") from None
            finally:
                for caller in callers:
                    caller.cancel()
                await asyncio.gather(*callers, return_exceptions=True)

    def _messages(self, order: Order) -> Iterator[Message]:
        random = self._random
        amounts = random.choice([[AMOUNT]] * 6 + [[AMOUNT // 2], [AMOUNT + 10_000], [AMOUNT, AMOUNT]])
        for number, amount in enumerate(amounts):
            code = order.code if random.random() > 0.04 else None
            name = f"C{order.number}-{number}"
            reference = random.choice(REUSED_REFERENCES) if random.random() < 0.2 else f"FT{name}"
            transfer = Transfer(name, order.organization, code, amount, reference)
            self.record.transfers[name] = transfer
            if random.random() < 0.1:
                yield from self._refund(transfer)
            bodies = {"SUCCEEDED": self._body(transfer, "SUCCEEDED"), "PENDING": self._body(transfer, "PENDING")}
            for status in random.choice(
                [["SUCCEEDED"], ["SUCCEEDED"] * 2, ["SUCCEEDED"] * 3, ["PENDING", "SUCCEEDED"]]
            ):
                yield self._message(transfer, bodies[status], succeeded=status == "SUCCEEDED")
            if random.random() < 0.2:
                yield self._forgery(transfer)

    def _refund(self, transfer: Transfer) -> Iterator[Message]:
        """The whole transfer leaves again; where the messages are shuffled, often before it was reported."""
        refund = Transfer(
            f"R{transfer.transaction_id}",
            transfer.organization,
            transfer.code,
            transfer.amount,
            self._random.choice(REUSED_REFERENCES),
            refund_of=transfer.transaction_id,
        )
        self.record.refunds[refund.transaction_id] = refund
        body = self._body(refund, "SUCCEEDED")
        for _ in range(self._random.randint(1, 3)):
            yield self._message(refund, body, succeeded=True)

    def _forgery(self, transfer: Transfer) -> Message:
        """More money under the same transaction, or money that never came: never booked, shadows nothing."""
        forged = Transfer(
            self._random.choice([transfer.transaction_id, f"F{transfer.transaction_id}"]),
            transfer.organization,
            transfer.code,
            transfer.amount + 1,
        )
        return self._message(forged, self._body(forged, "SUCCEEDED"), succeeded=False, forged=True)

    def _message(self, transfer: Transfer, body: bytes, *, succeeded: bool, forged: bool = False) -> Message:
        return Message(transfer, body, succeeded, forged, self._random.choice(JUMPS_S))

    def _body(self, transfer: Transfer, status: str) -> bytes:
        occurred_at = utc_now() + timedelta(days=self._random.choice(_DAYS_OFF))
        original = {"original_transaction_id": transfer.refund_of} if transfer.refund_of else {}
        return json.dumps(
            {
                **original,
                "transaction_id": transfer.transaction_id,
                "bank_reference": transfer.bank_reference,
                "merchant_id": f"hospital-{transfer.organization}",
                "account_number": f"0110{transfer.organization:06d}",
                "amount": transfer.amount,
                "currency": "VND",
                "status": status,
                "direction": "debit" if transfer.refund_of else "credit",
                "content": f"MBVCB.{transfer.code}.CT tu 0123" if transfer.code else "chuc mau khoe",
                "reference": None,
                "occurred_at": occurred_at.replace(microsecond=0).isoformat(),
                "payer": {"name": "NGUYEN VAN THU", "account": "0123456789"},
            }
        ).encode()

    async def _call(self, session: aiohttp.ClientSession) -> None:
        while self._waiting or self._under_way:
            if not self._waiting:
                await asyncio.sleep(0.02)  # another caller may still put its message back
                continue
            message = self._waiting.popleft()
            self._under_way += 1
            try:
                is_done = await self._send(session, message)
            finally:
                self._under_way -= 1
            if not is_done:
                self._waiting.insert(self._random.randrange(len(self._waiting) + 1), message)
            await asyncio.sleep(self._random.uniform(0, _PAUSE_MAX_S))

    async def _send(self, session: aiohttp.ClientSession, message: Message) -> bool:
        """One delivery; True once it needs no other."""
        key = b"somebody else's secret" if message.forged else KEY
        signed_at = utc_now() + timedelta(seconds=message.jump_s)
        headers = {
            "content-type": "application/json",
            SIGNATURE_HEADER: signature_header(key, signed_at, message.body),
        }
        url = f"{self._address}/callbacks/{message.transfer.organization}/{ACCOUNT_NAME}"
        try:
            async with session.post(url, data=message.body, headers=headers) as answer:
                status, words = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.record.answers[type(error).__name__] += 1
            await asyncio.sleep(self._random.uniform(0, _UNANSWERED_PAUSE_MAX_S))
            return False
        self.record.answers[str(status)] += 1
        return self._note_answer(message, status, words)

    def _note_answer(self, message: Message, status: int, words: bytes) -> bool:
        if status == 503:
            return False
        if message.forged or (status == 401 and abs(message.jump_s) <= 300):
            if (status == 401) is not message.forged:
                self.record.wrongs.append(f"{'forged' if message.forged else 'genuine'} callback: {status} {words!r}")
            return True
        if status == 401:
            message.jump_s = 0
            return False
        if status != 200:
            self.record.wrongs.append(f"genuine callback: {status} {words!r}")
            return True
        if abs(message.jump_s) > 300:
            self.record.wrongs.append("a signature far off in time was taken")
        if message.succeeded:
            self.record.acknowledged[message.transfer.transaction_id] += 1
        return True
