"""The books: the journal in words, the journal with its postings, balances, and the statement of one account.

GET /finance/journal            ?day, ?subject, ?after
GET /finance/ledger             ?on
GET /finance/ledger/account     ?role, ?subject, ?from, ?to, ?after
GET /finance/ledger/entries/{id}
GET /finance/payouts            ?day

Source: docs/ux.md, Finance.
"""

from datetime import date, timedelta
from uuid import UUID

from aiohttp import web

from billing.core.ids import EntryId
from billing.core.list_slice import ListSlice, first_id_after_day, first_id_of_day
from billing.ledger.domain.accounts import AccountKey, AccountRole
from billing.ledger.domain.balances import StatementCursor
from billing.ledger.service.balances import find_entry, read_balances, read_statement_of_account
from billing.organizations.domain.approval import ApprovalKind
from billing.reconciliation.service.acts import ActSubject, list_acts
from billing.reconciliation.service.list_payouts import list_payouts
from billing.web.app_state import app_state
from billing.web.pagination import InvalidQuery
from billing.web.request_bodies import read_id
from billing.web.screens.finance.approvals import changes_of
from billing.web.screens.finance.params import (
    query_of,
    read_any_day,
    read_given,
    read_page_day,
    read_uuid,
    read_word,
    today,
)
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import find_text

_PAGE_SIZE = 50
_LINES = 100
_OVERRIDDEN = "overridden"
"""What actions end with that state which obstacle of a discharge a person overrode; all have one text."""


async def get_journal(request: web.Request) -> web.Response:
    """What happened on a day, one sentence for each act, the newest first."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "day", "subject", "after")
    day, after = read_page_day(request, given), read_uuid(given, "after")
    subject = read_word(given, "subject", ActSubject)
    before = first_id_after_day(day)
    part = ListSlice(
        before=before if after is None else min(before, after), first=first_id_of_day(day), limit=_PAGE_SIZE + 1
    )
    found = await list_acts(context, caller.organization_id, part, subject=subject)
    shown = found[:_PAGE_SIZE]
    kept = {"day": day.isoformat(), **({} if subject is None else {"subject": subject.value})}
    next_query = query_of(kept, after=shown[-1].id) if len(found) > _PAGE_SIZE else None
    return render(
        request,
        "finance/journal.html",
        acts=[(each, [] if each.proposal is None else list(changes_of(each.proposal))) for each in shown],
        day=day,
        days=(day - timedelta(days=1), day + timedelta(days=1)),
        subject=subject,
        subjects=tuple(ActSubject),
        next_query=next_query,
        sentence=lambda action: _sentence(request, action),
    )


def _sentence(request: web.Request, action: str) -> str:
    """What was done, in the language of the session; an action without a text by its own name."""
    kind, _, state = action.rpartition("_")
    if state == _OVERRIDDEN:
        action = _OVERRIDDEN
    if kind in set(ApprovalKind):
        proposal = find_text(language_of(request), f"finance.approvals.kind.{kind}")
        decided = find_text(language_of(request), f"finance.journal.{state}")
        if proposal is not None and decided is not None:
            return f"{decided} {proposal}"
    return find_text(language_of(request), f"finance.act.{action}") or action.replace("_", " ")


async def get_ledger(request: web.Request) -> web.Response:
    """The balances of the accounts at the end of a day, or now."""
    on = read_any_day(read_given(request, "on"), "on")
    found = await read_balances(app_state(request).context, current(request).caller.organization_id, on=on)
    day = today(request) if on is None else on
    return render(
        request,
        "finance/ledger.html",
        balances=[each for each in found if each.debit or each.credit],
        debit=sum(each.debit for each in found),
        credit=sum(each.credit for each in found),
        on=on,
        day=day,
        month=day.replace(day=1),
    )


async def get_account(request: web.Request) -> web.Response:
    """The movements of one account in a period, page by page."""
    given = read_given(request, "role", "subject", "from", "to", "after")
    role = read_word(given, "role", AccountRole)
    if role is None:
        raise InvalidQuery("name the account", field="role")
    last = read_any_day(given, "to") or today(request)
    first = read_any_day(given, "from") or last.replace(day=1)
    account = AccountKey(role, given.get("subject", ""))
    found = await read_statement_of_account(
        app_state(request).context,
        current(request).caller.organization_id,
        account,
        first_day=first,
        last_day=last,
        after=_read_place(given),
        limit=_LINES,
    )
    kept = {
        "role": role.value,
        "subject": account.subject,
        "from": first.isoformat(),
        "to": last.isoformat(),
    }
    next_query = None if found.next is None else query_of(kept, after=_write_place(found.next))
    return render(
        request, "finance/account.html", statement=found, role=role, subject=account.subject, next_query=next_query
    )


async def get_entry(request: web.Request) -> web.Response:
    """One entry of the journal with its postings."""
    entry_id = EntryId(read_id(request.match_info["id"], field="entry_id"))
    found = await find_entry(app_state(request).context, current(request).caller.organization_id, entry_id)
    return render(request, "finance/entry.html", entry=found)


async def get_payouts(request: web.Request) -> web.Response:
    """The payouts of the week until a day: what providers state, and what the bank shows."""
    day = read_page_day(request, read_given(request, "day"))
    found = await list_payouts(
        app_state(request).context, current(request).caller.organization_id, day - timedelta(days=6), day
    )
    return render(
        request, "finance/payouts.html", payouts=found, day=day, days=(day - timedelta(days=7), day + timedelta(days=7))
    )


def _write_place(place: StatementCursor) -> str:
    return f"{place.accounting_date.isoformat()}_{place.entry_id}_{place.line}"


def _read_place(given: dict[str, str]) -> StatementCursor | None:
    text = given.get("after")
    if text is None:
        return None
    try:
        day, entry_id, line = text.split("_")
        return StatementCursor(date.fromisoformat(day), EntryId(UUID(entry_id)), int(line))
    except ValueError as cause:
        raise InvalidQuery("open the next page by its link", field="after") from cause
