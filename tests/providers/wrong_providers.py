"""Deliberately wrong providers: each is the example provider with one fault that the conformance suite must name."""

import hashlib
import hmac
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from providers.contract import (
    BadSignature,
    Callback,
    Movement,
    Notice,
    Notices,
    Outcome,
    PaymentInstruction,
    PendingPayment,
    Reply,
    Unreadable,
    Verdict,
)
from providers.settings import active_secrets

EXAMPLE = Path(__file__).parents[2] / "examples" / "piggybank"
sys.path[:0] = [str(EXAMPLE), str(EXAMPLE / "tests")]

from piggybank import SIGNATURE_HEADER, Piggybank, PiggyMessage  # noqa: E402
from test_piggybank import TestPiggybank as PiggybankSuite  # noqa: E402

PiggybankSuite.__test__ = False


class Altered(Piggybank):
    """The example with its notices changed by `alter`."""

    def alter(self, notice: Notice, message: Any) -> Notice:
        return notice

    def _notice(self, message: Any) -> Notice:
        return self.alter(super()._notice(message), message)


class QueryKeysDiffer(Piggybank):
    async def query_payment(self, known: PendingPayment) -> Notices:
        found = await super().query_payment(known)
        renamed = [replace(each, movement_keys=frozenset({f"transaction:q-{each.amount}"})) for each in found.notices]
        return replace(found, notices=tuple(renamed))


class QueryEventKeyDiffers(Piggybank):
    async def query_payment(self, known: PendingPayment) -> Notices:
        found = await super().query_payment(known)
        return replace(
            found, notices=tuple(replace(each, event_key=f"query:{each.event_key}") for each in found.notices)
        )


class EventKeyWithoutStatus(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, event_key=message.id)


class EveryStatusPaid(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, outcome=Outcome.SUCCEEDED)


class UnknownStatusFailed(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, outcome=Outcome.FAILED) if notice.outcome is Outcome.UNKNOWN else notice


class StatusByPrefix(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, outcome=Outcome.SUCCEEDED) if message.status.startswith("paid") else notice


class ReferenceDropped(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, transfer_text="")

    async def query_payment(self, known: PendingPayment) -> Notices:
        return Notices((_status_only(known, Outcome.UNKNOWN),))


class ForeignMerchantAccepted(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, names_other_account=False)


class UnsignedAnswerBelieved(Piggybank):
    async def query_payment(self, known: PendingPayment) -> Notices:
        self._is_signed = lambda *_: True
        return await super().query_payment(known)


class AlgorithmOfTheMessage(Piggybank):
    def _is_signed(self, body: bytes, signature: str | None) -> bool:
        algorithm, _, received = (signature or "").partition("=")
        if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
            return False
        secrets = active_secrets(self._settings.secrets)
        return any(hmac.compare_digest(hmac.new(key, body, algorithm).hexdigest(), received) for key in secrets)


class AlgorithmOfAHeader(Piggybank):
    def read_callback(self, callback: Callback) -> Notices | Reply:
        self._named = callback.header("x-piggy-algorithm") or "sha256"
        return super().read_callback(callback)

    def _is_signed(self, body: bytes, signature: str | None) -> bool:
        named = getattr(self, "_named", "sha256")
        if named == "none":
            return True
        if named not in {"md5", "sha1", "sha256", "sha512"}:
            return False
        secrets = active_secrets(self._settings.secrets)
        received = (signature or "").partition("=")[2]
        return any(hmac.compare_digest(hmac.new(key, body, named).hexdigest(), received) for key in secrets)


class DuplicateKeysAccepted(Piggybank):
    def _read(self, body: bytes) -> tuple[Notice, datetime]:
        try:
            message = PiggyMessage.model_validate(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise ValueError("unreadable") from error
        return self._notice(message), message.occurred_at


class ConstantFingerprint(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, fingerprint=b"piggy")


class LooseAmount(Piggybank):
    """Amounts are converted by `int(float(…))` before the message is checked."""

    def convert(self, value: Any) -> int:
        return int(value)

    def _read(self, body: bytes) -> tuple[Notice, datetime]:
        try:
            found = json.loads(body)
            found["amount"] = self.convert(found["amount"])
            body = json.dumps(found).encode()
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ValueError("unreadable") from error
        return super()._read(body)


class FloatAmount(LooseAmount):
    def convert(self, value: Any) -> int:
        return int(value) if type(value) in (int, float) else value


class TextAmount(LooseAmount):
    def convert(self, value: Any) -> int:
        return int(value) if isinstance(value, str) else value


class BooleanAmount(LooseAmount):
    def convert(self, value: Any) -> int:
        return int(value) if isinstance(value, bool) else value


class UtcReadAsVietnameseTime(Altered):
    """The time has the right digits and the wrong zone."""

    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, occurred_at=datetime.strptime(message.time, "%Y%m%d%H%M%S").replace(tzinfo=UTC))


class MachineTime(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, occurred_at=datetime.strptime(message.time, "%Y%m%d%H%M%S").astimezone())


class OneSecretOnly(Piggybank):
    def _is_signed(self, body: bytes, signature: str | None) -> bool:
        secret = active_secrets(self._settings.secrets)[0]
        return hmac.compare_digest(f"sha256={hmac.new(secret, body, 'sha256').hexdigest()}", signature or "")


class ForeignCurrencyAccepted(Piggybank):
    def _read(self, body: bytes) -> tuple[Notice, datetime]:
        try:
            found = json.loads(body)
            return super()._read(json.dumps({**found, "currency": "VND"}).encode() if "currency" in found else body)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError("unreadable") from error


class PartOfTheMessageSigned(Piggybank):
    """The signature is compared by its first eight digits."""

    def _is_signed(self, body: bytes, signature: str | None) -> bool:
        secrets = active_secrets(self._settings.secrets)
        received = (signature or "")[:15]
        return any(f"sha256={hmac.new(key, body, 'sha256').hexdigest()}"[:15] == received for key in secrets)


class BodyStripped(Piggybank):
    def _is_signed(self, body: bytes, signature: str | None) -> bool:
        return super()._is_signed(body.strip(), signature)


class OldDeliveryAccepted(Piggybank):
    def read_callback(self, callback: Callback) -> Notices | Reply:
        _, occurred_at = self._checked(callback)
        return super().read_callback(replace(callback, received_at=occurred_at))

    def _checked(self, callback: Callback) -> tuple[Notice, datetime]:
        if not self._is_signed(callback.body, callback.header(SIGNATURE_HEADER)):
            raise BadSignature(Reply(401))
        try:
            return self._read(callback.body)
        except ValueError:
            raise Unreadable("unreadable", Reply(422)) from None


class RefundReadAsInflow(Altered):
    def alter(self, notice: Notice, message: Any) -> Notice:
        return replace(notice, movement=Movement.RECEIVED)


class ExceptionInsteadOfRejection(Piggybank):
    def _read(self, body: bytes) -> tuple[Notice, datetime]:
        found = json.loads(body)
        found["amount"] += 0
        return super()._read(body)


class ExceptionInsteadOfReply(Piggybank):
    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        return {Verdict.ACCEPTED: Reply(200), Verdict.DUPLICATE: Reply(200), Verdict.TRY_LATER: Reply(503)}[verdict]


class SecretInAnError(Piggybank):
    def read_callback(self, callback: Callback) -> Notices | Reply:
        try:
            return super().read_callback(callback)
        except Unreadable as error:
            raise Unreadable(f"not signed with {active_secrets(self._settings.secrets)!r}", error.reply) from None


class ExpectedSignatureInTheReply(Piggybank):
    def read_callback(self, callback: Callback) -> Notices | Reply:
        try:
            return super().read_callback(callback)
        except BadSignature:
            secret = active_secrets(self._settings.secrets)[0]
            expected = hmac.new(secret, callback.body, "sha256").hexdigest()
            raise BadSignature(Reply(401, json.dumps({"expected": f"sha256={expected}"}).encode())) from None


class ReadBeforeVerified(Piggybank):
    def read_callback(self, callback: Callback) -> Notices | Reply:
        try:
            self._read(callback.body)
        except ValueError:
            raise Unreadable("unreadable", Reply(422)) from None
        return super().read_callback(callback)


class EventKeyOfTheArrival(Piggybank):
    def read_callback(self, callback: Callback) -> Notices | Reply:
        read = super().read_callback(callback)
        assert isinstance(read, Notices)
        arrival = callback.received_at.isoformat()
        return Notices(tuple(replace(each, event_key=f"{each.event_key}:{arrival}") for each in read.notices))


class AnswerOfAnotherPayment(Piggybank):
    async def query_payment(self, known: PendingPayment) -> Notices:
        found = await super().query_payment(SimpleNamespace(**{**_values(known), "reference": ""}))
        return replace(found, notices=tuple(replace(each, reference=known.reference) for each in found.notices))


class QueryRaises(Piggybank):
    async def query_payment(self, known: PendingPayment) -> Notices:
        response = await self._client.get(self._settings.query_url)
        return Notices((self._read(response.content)[0],))


class NeverTryLater(Piggybank):
    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        return Reply(200, b"{}")


class QrOfAnotherAmount(Piggybank):
    async def create_payment(self, request: Any) -> PaymentInstruction:
        return await super().create_payment(replace(request, amount=request.amount + 1))


def _values(known: PendingPayment) -> Mapping[str, Any]:
    return {name: getattr(known, name) for name in known.__slots__}


def _status_only(known: PendingPayment, outcome: Outcome) -> Notice:
    return Notice(
        event_key=f"query:{known.reference}",
        outcome=outcome,
        provider_status="",
        occurred_at=known.queried_at,
        amount=known.amount,
    )


@dataclass(frozen=True)
class WrongProvider:
    """A provider with one fault, and words of the message by which the suite names it."""

    provider: type[Piggybank]
    message: str


WRONG = tuple(
    WrongProvider(provider, message)
    for provider, message in (
        (QueryKeysDiffer, "movement_keys of the queried payment differs from that of its callback"),
        (QueryEventKeyDiffers, "event_key of the queried payment differs from that of its callback"),
        (EventKeyWithoutStatus, "does not include the status"),
        (EveryStatusPaid, "the status 'failed' is read as SUCCEEDED|the status 'pending' is read as SUCCEEDED"),
        (UnknownStatusFailed, "a status that the document does not list is read as FAILED, not as UNKNOWN"),
        (StatusByPrefix, "the status 'paidx', which the document does not list, is read as a payment"),
        (ReferenceDropped, "the reference was dropped"),
        (ForeignMerchantAccepted, "a payment of another merchant or bank account was accepted"),
        (UnsignedAnswerBelieved, "an unsigned or changed answer to a status query was believed"),
        (AlgorithmOfTheMessage, "the algorithm that the message names was used"),
        (AlgorithmOfAHeader, "the algorithm that the message names was used"),
        (DuplicateKeysAccepted, "twice was accepted: two readers could differ"),
        (ConstantFingerprint, "the fingerprint is constant"),
        (LooseAmount, "the amount .* was accepted as"),
        (FloatAmount, r"the amount .* \(float\) was accepted as"),
        (TextAmount, r"the amount .* \(str\) was accepted as"),
        (BooleanAmount, r"the amount True \(bool\) was accepted as"),
        (UtcReadAsVietnameseTime, "a time zone was mistaken"),
        (MachineTime, "a time zone was mistaken"),
        (OneSecretOnly, "only one secret is accepted"),
        (ForeignCurrencyAccepted, "an amount in the currency USD was accepted"),
        (PartOfTheMessageSigned, "a delivery with a shortened or altered signature was accepted"),
        (BodyStripped, "the signature is not verified over the whole signed part"),
        (OldDeliveryAccepted, "before its arrival was accepted"),
        (RefundReadAsInflow, "a notice of money that left .* was read as an inflow"),
        (ExceptionInsteadOfRejection, "instead of BadSignature or Unreadable"),
        (ExceptionInsteadOfReply, "answer_callback raised KeyError for the verdict"),
        (SecretInAnError, "a secret is visible"),
        (ExpectedSignatureInTheReply, "the rejection contains the expected signature"),
        (ReadBeforeVerified, "the body is read before the signature is verified"),
        (EventKeyOfTheArrival, "the second delivery of a message has another event key"),
        (AnswerOfAnotherPayment, "the answer about another payment was taken for the queried one"),
        (QueryRaises, "query_payment raised"),
        (NeverTryLater, "the reply to TRY_LATER equals the reply to"),
        (QrOfAnotherAmount, "the QR has"),
    )
)
