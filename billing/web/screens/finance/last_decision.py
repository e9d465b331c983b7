"""The notice of the decision that was just made, with the button that reverts it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiohttp import web

from billing.core.errors import NotFound
from billing.reconciliation.domain.exception_case import Decision, DecisionAction, NothingToRevert, latest_standing
from billing.reconciliation.service.exceptions import find_exception
from billing.web.app_state import app_state
from billing.web.screens.session import current

_FINAL = frozenset({DecisionAction.BOOK_PAYMENT, DecisionAction.OPEN_TRACE})
"""Decisions that are not reverted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDecision:
    """The latest decision of an exception: what, how much in đồng, when; and the version that a reversal names.

    `is_proposed`: it has no effect until a second person approves it.
    """

    exception_id: UUID
    action: DecisionAction
    amount: int
    version: int
    recorded_at: datetime
    is_revertible: bool
    is_proposed: bool


def standing_decision(decisions: tuple[Decision, ...]) -> Decision | None:
    """The newest decision that stands; None without one."""
    try:
        return latest_standing(decisions)
    except NothingToRevert:
        return None


def is_revertible(decision: Decision | None) -> bool:
    """Whether the page offers to revert it; the service decides whether its day is still open."""
    return decision is not None and decision.action not in _FINAL


def is_proposed(decision: Decision) -> bool:
    """Whether a second person has to approve it first."""
    return decision.approval_id is not None and not decision.is_closing


async def find_last_decision(request: web.Request, exception_id: UUID | None) -> LastDecision | None:
    """The decision of the exception that the address names; None for an unknown one."""
    if exception_id is None:
        return None
    try:
        found = await find_exception(app_state(request).context, current(request).caller.organization_id, exception_id)
    except NotFound:
        return None
    decision = standing_decision(tuple(found.decisions))
    if decision is None:
        return None
    return LastDecision(
        exception_id=exception_id,
        action=decision.action,
        amount=found.exception.amount,
        version=found.exception.version,
        recorded_at=decision.recorded_at,
        is_revertible=is_revertible(decision),
        is_proposed=is_proposed(decision),
    )
