"""The sandbox provider: VietQR built offline, callbacks signed with HMAC-SHA256. Behaves like a correct provider.

The message and its signature are described in `message.py`. Status words of the bank:

    PENDING CANCELLED EXPIRED FAILED REVIEW SUCCEEDED      as named
    SUCCEEDED with direction debit                         refund that we sent: refunded
    REVERSED with direction debit                          money the bank took back: reversed
    every other word                                       UNKNOWN, queried and never guessed
"""

import json
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import httpx
from pydantic import BaseModel, ValidationError

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    LocalQr,
    Movement,
    Notice,
    Notices,
    Outcome,
    Payer,
    PaymentInstruction,
    PaymentRequest,
    PendingPayment,
    Provider,
    Queries,
    Reply,
    SettlementFiles,
    SettlementLine,
    Unreadable,
    Verdict,
)
from providers.csv_report import read_report
from providers.local_qr import local_qr_instruction
from providers.notices import fingerprint
from providers.references import is_placeholder, without_placeholder
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, SandboxSettings, is_signed
from providers.sandbox.query import query_bank
from providers.sandbox.settlement_report import REPORT
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson

_QUERIES_PER_MINUTE = 120

_OUTCOMES = {
    "PENDING": Outcome.PENDING,
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "CANCELLED": Outcome.CANCELLED,
    "EXPIRED": Outcome.EXPIRED,
    "REVIEW": Outcome.REVIEW,
}
_RESULTS = {
    Verdict.ACCEPTED: "ok",
    Verdict.DUPLICATE: "duplicate",
    Verdict.UNKNOWN_REFERENCE: "unknown_reference",
    Verdict.AMOUNT_DIFFERS: "amount_differs",
    Verdict.STORED: "stored",
    Verdict.TRY_LATER: "try_later",
}


class Sandbox(Provider, Callbacks, Queries, LocalQr, SettlementFiles):
    """One account at the sandbox bank. Calls only the query address of its settings, if any."""

    signed_part: ClassVar[str] = "the timestamp, a dot and the whole body"
    settings_type: ClassVar[type[BaseModel]] = SandboxSettings
    evidence_headers: ClassVar[frozenset[str]] = frozenset({SIGNATURE_HEADER})

    def __init__(self, settings: SandboxSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = _QUERIES_PER_MINUTE if settings.query_url else 0

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """No call to the bank is made: a code suffices. Raises PaymentRefused."""
        return self.qr_for(request)

    def qr_for(self, request: PaymentRequest) -> PaymentInstruction:
        """A dynamic VietQR for the account of the settings, read back before it is returned.

        Raises PaymentRefused if the amount or purpose is not allowed in a code, or if the built code is wrong.
        """
        settings = self._settings
        return local_qr_instruction(
            request,
            bank_bin=settings.bank_bin,
            account_number=settings.account_number,
            account_holder=settings.account_holder,
        )

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the signature over the raw body, then read the one notice of the message."""
        if callback.method != "POST":
            return _reply(405, "method_not_allowed", headers={"Allow": "POST"})
        self._verify(callback)
        try:
            message = SandboxMessage.model_validate(read_json_object(callback.body))
        except NotStrictJson as error:
            raise Unreadable(str(error), _reply(422, "unreadable")) from error
        except ValidationError as error:
            wrong = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
            # The error itself would repeat names and accounts: only the fields are reported.
            raise Unreadable("wrong or missing: " + ", ".join(wrong)[:200], _reply(422, "unreadable")) from None
        return Notices((self._notice(message),))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """`{"result": …, "receipt": …}`; TRY_LATER is 503, so that the bank delivers again."""
        if verdict is Verdict.TRY_LATER:
            return _reply(503, _RESULTS[verdict], receipt_id, headers={"Retry-After": "1"})
        return _reply(200, _RESULTS[verdict], receipt_id)

    async def query_payment(self, known: PendingPayment) -> Notices:
        """The bank's transactions of our reference, each as in its callback."""
        return await query_bank(self._client, self._settings, known, self._notice)

    def read_settlement(self, file: BinaryIO) -> Iterator[SettlementLine]:
        """The lines of a daily report (`settlement_report`). Raises SettlementUnreadable."""
        return read_report(file, REPORT)

    def _verify(self, callback: Callback) -> None:
        if not is_signed(self._settings, callback.header(SIGNATURE_HEADER), callback.body, at=callback.received_at):
            raise BadSignature(_reply(401, "bad_signature"))

    def _notice(self, message: SandboxMessage) -> Notice:
        movement, outcome = _meaning(message)
        meaning = _fingerprint(message)
        name = message.transaction_id
        keys = {f"transaction:{name}"}
        if is_placeholder(name):
            name = meaning.hex()
            keys = {f"transfer:{name}"}
        bank_reference = without_placeholder(message.bank_reference)
        if bank_reference:
            keys.add(f"bank:{bank_reference}")
        original = message.original_transaction_id if message.direction == "debit" else ""
        payer = message.payer
        return Notice(
            event_key=f"{name}:{message.status}",
            outcome=outcome,
            provider_status=message.status,
            occurred_at=message.occurred_at,
            amount=message.amount,
            movement=movement,
            movement_keys=frozenset(keys),
            reverses=frozenset({f"transaction:{original}"} if original else ()),
            fingerprint=meaning,
            reference=message.reference,
            transfer_text=message.content,
            provider_reference=message.transaction_id,
            bank_reference=bank_reference,
            payer=Payer(name=payer.name, account=payer.account) if payer else None,
            names_other_account=self._names_other_account(message),
            payee=(
                ("account_number", message.account_number),
                *((("merchant_id", message.merchant_id),) if message.merchant_id is not None else ()),
            ),
        )

    def _names_other_account(self, message: SandboxMessage) -> bool:
        is_our_merchant = message.merchant_id in {None, self._settings.merchant_id}
        return message.account_number != self._settings.account_number or not is_our_merchant


def _meaning(message: SandboxMessage) -> tuple[Movement, Outcome]:
    if message.direction == "credit":
        return Movement.RECEIVED, _OUTCOMES.get(message.status, Outcome.UNKNOWN)
    if message.status == "REVERSED":
        return Movement.REVERSED, Outcome.SUCCEEDED
    return Movement.REFUNDED, _OUTCOMES.get(message.status, Outcome.UNKNOWN)


def _fingerprint(message: SandboxMessage) -> bytes:
    """SHA-256 over the fields that decide amount, account and target.

    The payer decides none of them, and a bank reference that only a later message has is a further name, not another
    content: both are excluded.
    """
    return fingerprint(
        message.transaction_id,
        message.merchant_id,
        message.account_number,
        message.amount,
        message.currency,
        message.status,
        message.direction,
        message.content,
        message.reference,
        message.occurred_at.isoformat(),
        *((message.original_transaction_id,) if message.original_transaction_id else ()),
    )


def _reply(status: int, result: str, receipt_id: str = "", *, headers: dict[str, str] | None = None) -> Reply:
    content = {"result": result, "receipt": receipt_id} if receipt_id else {"result": result}
    return Reply(status=status, body=json.dumps(content).encode("ascii"), headers=headers or {})
