"""SePay's messages about one movement on a bank account: webhook, Bank Hub variant and list, as one type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from providers.contract import Notice, Outcome
from providers.notices import VIETNAM, fingerprint
from providers.references import is_placeholder, without_placeholder
from providers.sepay.settings import FeedFields

AMOUNT_MAX = 9_999_999_999_999
_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")
_REFERENCE = re.compile(r"[!-~]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One movement. `is_in` marks money in; `code` is the code that SePay recognised in the text."""

    id: str
    is_in: bool
    amount: int
    account_number: str
    sub_account: str
    code: str
    text: str
    bank_reference: str
    occurred_at: datetime

    @property
    def _name(self) -> str:
        """SePay's id; if it is a placeholder, the fields that identify the transfer."""
        if not is_placeholder(self.id):
            return f"transaction:{self.id}"
        timestamp = self.occurred_at.isoformat()
        return (
            f"transfer:{fingerprint(self.account_number, self.amount, self.bank_reference, self.text, timestamp).hex()}"
        )

    def notice(self, outcome: Outcome, *, is_other_account: bool) -> Notice:
        """The notice of money in; SUCCEEDED, or UNKNOWN while only a credential authenticates it."""
        name = self._name
        keys = {name} | ({f"bank:{self.bank_reference}"} if self.bank_reference else set())
        return Notice(
            event_key=f"{name.removeprefix('transaction:')}:in:{outcome.value}",
            outcome=outcome,
            provider_status="in",
            occurred_at=self.occurred_at,
            amount=self.amount,
            movement_keys=frozenset(keys),
            fingerprint=fingerprint(self.id, self.account_number, self.amount, "in"),
            reference=self.code or None,
            transfer_text=self.text,
            virtual_account=self.sub_account,
            provider_reference=self.id,
            bank_reference=self.bank_reference,
            names_other_account=is_other_account,
            payee=(("account_number", self.account_number),),
        )


def read_webhook(parsed: Mapping[str, object]) -> Transfer:
    """The movement of a webhook, in either of its forms. Raises ValueError naming the invalid field."""
    is_hub = "transfer_type" in parsed
    kind = parsed.get("transfer_type" if is_hub else "transferType")
    if not isinstance(kind, str) or kind not in {"in", "out", "credit", "debit"}:
        raise ValueError("transferType makes no sense")
    amount = parsed.get("amount" if is_hub else "transferAmount")
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        raise ValueError("transferAmount is no whole đồng")
    timestamp = (
        parsed.get("transaction_date", parsed.get("transactionDate")) if is_hub else parsed.get("transactionDate")
    )
    return Transfer(
        id=_identifier(parsed.get("transaction_id" if is_hub else "id")),
        is_in=kind in {"in", "credit"},
        amount=amount,
        account_number=_text(parsed, "account_number" if is_hub else "accountNumber"),
        sub_account=_text(parsed, "va" if is_hub else "subAccount")[:40],
        code=_text(parsed, "payment_code" if is_hub else "code")[:40],
        text=_joined(_text(parsed, "content"), _text(parsed, "description")),
        bank_reference=_reference(_text(parsed, "reference_code" if is_hub else "referenceCode")),
        occurred_at=_parse_timestamp(timestamp),
    )


def read_row(row: Mapping[str, object], names: FeedFields) -> Transfer:
    """The movement of a row of the list. Raises ValueError naming the invalid field."""
    came, left = _decimal(row.get(names.amount_in)), _decimal(row.get(names.amount_out))
    if (came == 0) == (left == 0):
        raise ValueError("a row with both amounts, or none")
    return Transfer(
        id=_identifier(row.get(names.id)),
        is_in=came > 0,
        amount=came or left,
        account_number=_text(row, names.account_number),
        sub_account=_text(row, names.sub_account)[:40],
        code=_text(row, names.code)[:40],
        text=_text(row, names.content)[:500],
        bank_reference=_reference(_text(row, names.bank_reference)),
        occurred_at=_parse_timestamp(row.get(names.timestamp)),
    )


def _joined(content: str, description: str) -> str:
    """The code may be in either text; the bank's text usually repeats the content."""
    if content and content in description:
        return description[:500]
    return f"{content} {description}".strip()[:500]


def _identifier(value: object) -> str:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError("the id of the transaction is missing or makes no sense")
    return text


def _reference(text: str) -> str:
    reference = without_placeholder(text)
    return reference if _REFERENCE.fullmatch(reference) else ""


def _text(parsed: Mapping[str, object], name: str) -> str:
    value = parsed.get(name)
    return value if isinstance(value, str) else ""


def _decimal(value: object) -> int:
    """A text of đồng with decimals that must be zero, as the list writes amounts."""
    if value is None or value == "":
        return 0
    try:
        amount = Decimal(value) if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= AMOUNT_MAX or amount != int(amount):
        raise ValueError("an amount that is no whole đồng")
    return int(amount)


def _parse_timestamp(value: object) -> datetime:
    try:
        timestamp = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        timestamp = None
    if timestamp is None:
        raise ValueError("transactionDate is no timestamp")
    return timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=VIETNAM)
