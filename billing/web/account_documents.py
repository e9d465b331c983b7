"""The documents of visit accounts, charges and patients."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from billing.payments.domain.deposit import Deposit, DepositRequest, DepositState, RequestKind, RequestState
from billing.visit_accounts.domain.account import AccountState, VisitAccount
from billing.visit_accounts.domain.charge import Charge, ChargeKind, ChargeStage, ChargeState
from billing.web.responses import isoformat
from billing.web.schemas import EXACTLY, SharesDocument


@with_config(EXACTLY)
class DepositSummary(TypedDict):
    """The deposit of a visit in đồng: `held` is received less applied less returned."""

    id: str
    state: DepositState
    version: int
    received: int
    applied: int
    returned: int
    held: int


@with_config(EXACTLY)
class AccountDocument(TypedDict):
    """The account of a visit. `price_error` states why lines, or the visit, have no price; "" where all have one.

    `sender_version` is the newest version of the header, `version` grows with every change of the account.
    `gap_since`: a version of the header was skipped and has not arrived.
    """

    id: str
    facility: str
    ma_lk: str
    patient_id: str
    state: AccountState
    version: int
    sender_version: int
    gap_since: str | None
    is_inpatient: bool
    is_emergency: bool
    is_provisional: bool
    department: str
    shares: SharesDocument
    price_error: str
    priced_at: str | None
    opened_at: str
    ended_at: str | None
    deposit: DepositSummary | None


@with_config(EXACTLY)
class ChargeDocument(TypedDict):
    """A charge with its state and its amounts, texts of two decimals; null where it has no price.

    `gap_since`: a version was skipped and has not arrived. `item` is the charge item without its STT.
    """

    line: str
    order_number: str
    version: int
    gap_since: str | None
    kind: ChargeKind
    state: ChargeState
    stage: ChargeStage
    is_elective: bool
    is_emergency: bool
    department: str
    stt: int
    item: dict[str, Any]
    hospital_amount: str | None
    patient_amount: str | None
    insurer_amount: str | None
    other_amount: str | None
    ordered_at: str
    changed_at: str


@with_config(EXACTLY)
class RequestSummary(TypedDict):
    """A deposit request that is still open, in đồng."""

    id: str
    kind: RequestKind
    state: RequestState
    amount: int
    received: int
    remaining: int
    requested_at: str


def account_document(account: VisitAccount, deposit: Deposit | None) -> AccountDocument:
    """The document of an account."""
    shares = account.shares
    return {
        "id": str(account.visit_id),
        "facility": account.facility_code,
        "ma_lk": account.ma_lk,
        "patient_id": str(account.patient_id),
        "state": account.state,
        "version": account.version,
        "sender_version": account.sender_version,
        "gap_since": isoformat(account.gap_since),
        "is_inpatient": account.is_inpatient,
        "is_emergency": account.is_emergency,
        "is_provisional": account.is_provisional,
        "department": account.department,
        "shares": {
            "patient": shares.patient,
            "insurer": shares.insurer,
            "other": shares.other,
            "private": shares.private,
            "total": shares.total,
        },
        "price_error": account.price_error,
        "priced_at": isoformat(account.priced_at),
        "opened_at": account.opened_at.isoformat(),
        "ended_at": isoformat(account.ended_at),
        "deposit": None if deposit is None else deposit_summary(deposit),
    }


def deposit_summary(deposit: Deposit) -> DepositSummary:
    """The document of a deposit."""
    return {
        "id": str(deposit.id),
        "state": deposit.state,
        "version": deposit.version,
        "received": deposit.received,
        "applied": deposit.applied,
        "returned": deposit.returned,
        "held": deposit.held,
    }


def charge_document(charge: Charge) -> ChargeDocument:
    """The document of a charge."""
    return {
        "line": charge.line,
        "order_number": charge.order_number,
        "version": charge.version,
        "gap_since": isoformat(charge.gap_since),
        "kind": charge.kind,
        "state": charge.state,
        "stage": charge.stage,
        "is_elective": charge.is_elective,
        "is_emergency": charge.is_emergency,
        "department": charge.department,
        "stt": charge.stt,
        "item": exact_texts(charge.document),
        "hospital_amount": _amount(charge.hospital_amount),
        "patient_amount": _amount(charge.patient_amount),
        "insurer_amount": _amount(charge.insurer_amount),
        "other_amount": _amount(charge.other_amount),
        "ordered_at": charge.ordered_at.isoformat(),
        "changed_at": charge.changed_at.isoformat(),
    }


def request_summary(request: DepositRequest) -> RequestSummary:
    """The document of an open request."""
    return {
        "id": str(request.id),
        "kind": request.kind,
        "state": request.state,
        "amount": request.amount,
        "received": request.received,
        "remaining": request.remaining,
        "requested_at": request.requested_at.isoformat(),
    }


def exact_texts(value: Any) -> Any:
    """A stored JSON value with its decimal numbers as texts."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {key: exact_texts(each) for key, each in value.items()}
    return [exact_texts(each) for each in value] if isinstance(value, list | tuple) else value


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
