"""The ledger: the balances of the accounts, and the journal with its postings.

GET  /v1/ledger/balances        ?on (a day; without it: now)
GET  /v1/ledger/entries
GET  /v1/ledger/entries/{id}
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.core.actor import ActorKind
from billing.core.ids import EntryId
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Side
from billing.ledger.domain.balances import AccountBalance, EntryView, PostingView
from billing.ledger.service.balances import find_entry, list_entries, read_balances
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_day, read_page, read_query
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, PageDocument, enum_schema


@with_config(EXACTLY)
class AccountDocument(TypedDict):
    """An account by role; `subject` distinguishes accounts of one role."""

    role: Annotated[str, enum_schema(AccountRole)]
    subject: str


@with_config(EXACTLY)
class BalanceDocument(TypedDict):
    """The debits and credits of one account, in đồng; `balance` is on its normal side."""

    account: AccountDocument
    number: str
    name: str
    normal_side: Annotated[str, enum_schema(Side)]
    debit: int
    credit: int
    balance: int


@with_config(EXACTLY)
class BalancesDocument(TypedDict):
    """The trial balance: the sum of all debits equals the sum of all credits."""

    on: str | None
    accounts: list[BalanceDocument]
    debit: int
    credit: int


@with_config(EXACTLY)
class PostingDocument(TypedDict):
    """One amount moved from a credited to a debited account, in đồng."""

    line: int
    debit: AccountDocument
    credit: AccountDocument
    amount: int
    visit_id: str | None
    invoice_id: str | None
    payment_id: str | None


@with_config(EXACTLY)
class EntryDocument(TypedDict):
    """One business event in the journal; `reverses` and `reversed_by` name the other entry of a reversal."""

    id: str
    kind: Annotated[str, enum_schema(EntryKind)]
    effective_at: str
    recorded_at: str
    accounting_date: str
    actor_kind: Annotated[str, enum_schema(ActorKind)]
    actor_id: str | None
    acting_for: str | None
    reverses: str | None
    reversed_by: str | None
    postings: list[PostingDocument]


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: BalancesDocument},
        query={"on": "the day whose end is meant, as 2026-11-22; without it, now"},
    )
)
async def get_balances(request: web.Request) -> web.Response:
    """Read the trial balance."""
    on = read_day(read_query(request, ("on",)), "on")
    balances = await read_balances(app_state(request).context, request[CALLER].organization_id, on=on)
    document: BalancesDocument = {
        "on": None if on is None else on.isoformat(),
        "accounts": [_balance(balance) for balance in balances],
        "debit": sum(balance.debit for balance in balances),
        "credit": sum(balance.credit for balance in balances),
    }
    return json_response(document)


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: PageDocument[EntryDocument]},
        filters={"kind": one_of("the business event", EntryKind), **DAY_FILTERS},
    )
)
async def get_entries(request: web.Request) -> web.Response:
    """List journal entries with their postings, the newest first."""
    page = read_page(request, filters=("kind", *DAY_FILTERS))
    rows = await list_entries(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        kind=read_choice(page, "kind", EntryKind),
    )
    return json_response(page_document(rows, page, _entry))


@operation(Operation(tag="ledger", responses={HTTPStatus.OK: EntryDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_entry(request: web.Request) -> web.Response:
    """Read one journal entry."""
    entry_id = EntryId(read_id(request.match_info["id"], field="entry_id"))
    return json_response(
        _entry(await find_entry(app_state(request).context, request[CALLER].organization_id, entry_id))
    )


def _balance(balance: AccountBalance) -> BalanceDocument:
    return {
        "account": {"role": balance.role, "subject": balance.subject},
        "number": balance.number,
        "name": balance.name,
        "normal_side": balance.normal_side.value,
        "debit": balance.debit,
        "credit": balance.credit,
        "balance": balance.balance,
    }


def _entry(entry: EntryView) -> EntryDocument:
    return {
        "id": str(entry.id),
        "kind": entry.kind,
        "effective_at": entry.effective_at.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
        "accounting_date": entry.accounting_date.isoformat(),
        "actor_kind": entry.actor_kind,
        "actor_id": _text(entry.actor_id),
        "acting_for": _text(entry.acting_for),
        "reverses": _text(entry.reverses),
        "reversed_by": _text(entry.reversed_by),
        "postings": [_posting(posting) for posting in entry.postings],
    }


def _posting(posting: PostingView) -> PostingDocument:
    return {
        "line": posting.line,
        "debit": _account(posting.debit),
        "credit": _account(posting.credit),
        "amount": posting.amount,
        "visit_id": _text(posting.visit_id),
        "invoice_id": _text(posting.invoice_id),
        "payment_id": _text(posting.payment_id),
    }


def _account(key: AccountKey) -> AccountDocument:
    return {"role": key.role.value, "subject": key.subject}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
