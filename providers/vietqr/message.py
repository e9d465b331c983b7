"""vietqr.vn's messages about one movement, from callback or query, as one type.

Field names are in lower case or camel case, depending on the vendor's document that the sender follows. `sign` repeats
our own value and proves nothing. Source: vietqr.vn, API document, transaction sync and check order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from providers.contract import Notice, Outcome
from providers.notices import fingerprint
from providers.references import is_placeholder
from providers.vietqr.settings import OrderFields

AMOUNT_MAX = 9_999_999_999_999
_NAME = re.compile(r"[!-~]{1,100}")
_DIGITS = re.compile(r"[0-9]{1,13}")
_CREDIT, _DEBIT = "C", "D"
_REFUND = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One movement. `occurred_at` is None if it is not reported; empty texts are absent values."""

    is_in: bool
    amount: int
    account_number: str
    text: str
    transaction_id: str
    bank_reference: str
    order_id: str
    occurred_at: datetime | None

    @property
    def name(self) -> str:
        """The identity of this transfer: vietqr.vn's id; without an id, all reported fields; else none.

        The bank's reference alone is no identity, since banks restart and repeat them.
        """
        if self.transaction_id:
            return f"transaction:{self.transaction_id}"
        if not self.bank_reference and self.occurred_at is None:
            return ""
        timestamp = None if self.occurred_at is None else self.occurred_at.isoformat()
        identifying = (self.account_number, self.amount, self.bank_reference, self.order_id, self.text, timestamp)
        return f"transfer:{fingerprint(*identifying).hex()}"

    def notice(self, outcome: Outcome, *, reported_at: datetime, is_other_account: bool) -> Notice:
        """The notice of money in; a person reviews a transfer without an identity."""
        meaning = fingerprint(self.account_number, self.name or self.text, self.amount, _CREDIT)
        keys = {self.name} if self.name else set()
        if self.bank_reference:
            keys.add(f"bank:{self.bank_reference}")
        if not self.name:
            outcome = Outcome.REVIEW
        named = self.name.removeprefix("transaction:") or meaning.hex()
        return Notice(
            event_key=f"{named}:{_CREDIT}:{outcome.value}",
            outcome=outcome,
            provider_status=_CREDIT,
            occurred_at=self.occurred_at or reported_at,
            amount=self.amount,
            movement_keys=frozenset(keys),
            fingerprint=meaning,
            reference=self.order_id or None,
            names_order=self.order_id != "",
            transfer_text=self.text,
            provider_reference=self.transaction_id,
            bank_reference=self.bank_reference,
            names_other_account=is_other_account,
            payee=(("account_number", self.account_number),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A line of check-order's answer. `transfer` is None if it is not money in."""

    status: object
    transfer: Transfer | None


def read_sync(parsed: Mapping[str, object]) -> Transfer:
    """The movement of a callback. Raises ValueError naming the invalid field."""
    direction, amount = parsed.get("transType"), parsed.get("amount")
    if direction not in (_CREDIT, _DEBIT):  # a tuple: input of an unknown client may not be hashable
        raise ValueError("transType is neither C nor D")
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        raise ValueError("amount is no whole đồng")
    account = _name(_spelt(parsed, "bankAccount"))
    if not account:
        raise ValueError("bankaccount is missing")
    if not isinstance(parsed.get("content"), str):
        raise ValueError("content is missing")  # noqa: TRY004 - invalid input of an unknown client
    return Transfer(
        is_in=direction == _CREDIT,
        amount=amount,
        account_number=account,
        text=str(parsed["content"])[:500],
        transaction_id=_reference(_spelt(parsed, "transactionId")),
        bank_reference=_reference(_spelt(parsed, "referenceNumber")),
        order_id=_name(_spelt(parsed, "orderId")),
        occurred_at=_parse_timestamp(_spelt(parsed, "transactionTime")),
    )


def read_order(parsed: Mapping[str, object], names: OrderFields, *, account_number: str) -> Order:
    """A line of check-order. Raises ValueError naming the invalid field."""
    status, reference = parsed.get(names.status), _reference(parsed.get(names.bank_reference))
    is_ours = parsed.get(names.direction, _CREDIT) == _CREDIT and parsed.get(names.kind) != _REFUND
    if not reference or not is_ours:
        return Order(status=status, transfer=None)
    text = parsed.get(names.content)
    transfer = Transfer(
        is_in=True,
        amount=_dong(parsed.get(names.amount)),
        account_number=account_number,
        text=text[:500] if isinstance(text, str) else "",
        transaction_id="",
        bank_reference=reference,
        order_id=_name(parsed.get(names.order_id)),
        occurred_at=_parse_timestamp(parsed.get(names.timestamp)),
    )
    return Order(status=status, transfer=transfer)


def _spelt(parsed: Mapping[str, object], name: str) -> object:
    """A field in either spelling; if both are present they must agree."""
    low, camel = parsed.get(name.lower()), parsed.get(name)
    if low is not None and camel is not None and low != camel:
        raise ValueError(f"{name} stands in two spellings that differ")
    return camel if low is None else low


def _name(value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("an account, a reference or an id that makes no sense")
    return value


def _reference(value: object) -> str:
    """A reference or an id; empty if it is a placeholder."""
    if isinstance(value, str) and is_placeholder(value):
        return ""
    return _name(value.strip() if isinstance(value, str) else value)


def _dong(value: object) -> int:
    if isinstance(value, bool) or not _DIGITS.fullmatch(str(value)) or int(str(value)) == 0:
        raise ValueError("amount is no whole đồng")
    return int(str(value))


def _parse_timestamp(value: object) -> datetime | None:
    """Seconds or milliseconds of the epoch, by their ten or thirteen digits."""
    if value in (None, "", 0):
        return None
    digits = str(value)
    if isinstance(value, bool) or not re.fullmatch("[0-9]{10}(?:[0-9]{3})?", digits):
        raise ValueError("transactiontime has neither 10 nor 13 digits")
    return datetime.fromtimestamp(int(digits[:10]), UTC)
