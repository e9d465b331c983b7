"""The filter of the work list as the addresses of pages state it; a page and its file have the same rows."""

from collections.abc import Mapping
from enum import StrEnum

from aiohttp import web

from billing.core.ids import PersonId
from billing.core.text import upper_without_marks
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.reconciliation.domain.work_list import WorkFilter
from billing.web.screens.finance.params import read_any_day, read_uuid, read_word, today
from billing.web.screens.session import current

NAMES = ("day", "account", "reason", "view", "owner", "state", "q")
"""The parameters of a filter."""

MINE, NOBODY = "mine", "none"


class View(StrEnum):
    """The rows of a day: those that wait, or those that persons decided on the day."""

    OPEN = "open"
    DECIDED = "decided"


def read_view(given: Mapping[str, str]) -> View:
    """The rows of a day that are shown. Raises InvalidQuery."""
    return read_word(dict(given), "view", View) or View.OPEN


def read_work_filter(request: web.Request, given: Mapping[str, str]) -> WorkFilter:
    """The filter of the parameters `NAMES`. Raises InvalidQuery.

    Open rows without a day are those of all days; decided rows are those that were decided on the day, or today.
    """
    values, view, day = dict(given), read_view(given), read_any_day(given, "day")
    state = read_word(values, "state", ExceptionState) or ExceptionState.OPEN
    owner = given.get("owner", "")
    is_closed = view is View.DECIDED or state is ExceptionState.CLOSED
    return WorkFilter(
        state=ExceptionState.CLOSED if is_closed else state,
        reason=read_word(values, "reason", ExceptionReason),
        owner_id=_owner(request, owner),
        is_unowned=owner == NOBODY,
        day=None if is_closed else day,
        changed_on=(day or today(request)) if is_closed else None,
        bank_account_id=read_uuid(values, "account"),
        search=upper_without_marks(given.get("q", "")),
    )


def _owner(request: web.Request, owner: str) -> PersonId | None:
    if owner == MINE:
        return current(request).caller.actor.person
    if owner in ("", NOBODY):
        return None
    found = read_uuid({"owner": owner}, "owner")
    return None if found is None else PersonId(found)
