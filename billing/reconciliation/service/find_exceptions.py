"""Opens exceptions for what is left after matching, and closes those whose cause is gone.

A round compares the causes as they are now with the exceptions of the same items: repeating it changes nothing. A
disagreement that a person decided stays decided. Source: docs/reconciliation.md, Exceptions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.payments.domain.exception import ExceptionReason, ExceptionState, policy_of
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import RuleSet
from billing.reconciliation.domain.statement_chain import BreakKind
from billing.reconciliation.service.chain_breaks import find_breaks
from billing.reconciliation.service.deciding import close_cases
from billing.reconciliation.service.matching import current_rules
from billing.reconciliation.store.exception_causes import (
    Cause,
    KnownException,
    has_import,
    open_exceptions,
    read_causes,
    read_known,
)
from billing.reconciliation.store.exception_changes import find_first_changed_day
from billing.reconciliation.store.exceptions import lock_cases
from billing.reconciliation.store.imports import read_bank_account_ids
from billing.reconciliation.store.statements import find_statement_id

EXAMINED_FOR = timedelta(days=120)
"""How old a line or item may be; matching visits the same days."""

COMPLETE_EACH = timedelta(hours=1)
"""How often a round of the worker examines every day."""

_OVERLAP = timedelta(minutes=5)
"""A transaction that was under way in a round commits within this time."""

DETECTED = (
    ExceptionReason.CALLBACK_MISSING,
    ExceptionReason.AFTER_CUT_OFF,
    ExceptionReason.STATEMENT_GAP,
    ExceptionReason.FEE_WITHHELD,
    ExceptionReason.FEE_VARIANCE,
    ExceptionReason.FEE_DATA_MISSING,
    ExceptionReason.DUPLICATE_TRANSFER,
    ExceptionReason.RETURNED_TRANSFER,
    ExceptionReason.AMOUNT_LOW,
    ExceptionReason.AMOUNT_HIGH,
    ExceptionReason.TEXT_UNREADABLE,
    ExceptionReason.PROVIDER_ONLY,
    ExceptionReason.BANK_ONLY,
    ExceptionReason.BANK_CHARGE,
    ExceptionReason.LEDGER_ONLY,
    ExceptionReason.PAYOUT_NOT_SEEN,
    ExceptionReason.MANUAL_CONFIRMATION_NOT_SEEN,
)
"""The reasons that a round opens and closes."""


@dataclass(frozen=True, slots=True)
class FoundExceptions:
    """What a round changed."""

    opened: int
    closed: int


class ExceptionRounds:
    """The rounds of one process. The first one of a day and of each hour examines every day; the others, what changed.

    A payment that gives an open line another reason, or a contract of fees, counts from the next such round on.
    """

    def __init__(self, context: PaymentContext) -> None:
        self._context = context
        self._complete_at: dict[OrganizationId, datetime] = {}
        self._examined_at: dict[OrganizationId, datetime] = {}

    async def run_once(self, organization_id: OrganizationId) -> FoundExceptions:
        """One round of an organization. Raises NoOpenDay."""
        now = self._context.clock()
        complete_at = self._complete_at.get(organization_id)
        is_complete = (
            complete_at is None
            or now - complete_at >= COMPLETE_EACH
            or business_date(now) != business_date(complete_at)
        )
        since = None if is_complete else self._examined_at[organization_id] - _OVERLAP
        found = await find_exceptions_once(self._context, organization_id, since=since)
        self._examined_at[organization_id] = now
        if is_complete:
            self._complete_at[organization_id] = now
        return found


async def find_exceptions_once(
    context: PaymentContext, organization_id: OrganizationId, *, since: datetime | None = None
) -> FoundExceptions:
    """Open and close the exceptions of one organization. Nothing is done before its first import. Raises NoOpenDay.

    `since`: only the days that imports or matches have changed since then are examined; None: the last 120 days.
    """
    now = context.clock()
    today = business_date(now)
    from_day = today - EXAMINED_FOR
    async with context.database.transaction(organization_id) as tx:
        if not await has_import(tx):
            return FoundExceptions(0, 0)
        rules = await current_rules(tx, context)
        if since is not None:
            changed = await find_first_changed_day(tx, since=since, days_before=_days_before(rules))
            if changed is None:
                return FoundExceptions(0, 0)
            from_day = max(from_day, changed)
        causes = await read_causes(tx, rules, from_day=from_day, today=today)
        causes += await _find_gaps(tx, from_day)
        known = await read_known(tx, DETECTED, from_day=from_day)
        handled = {_name(one) for one in known if one.is_open or one.is_decided}
        policies = (await context.reference_data(tx)).exception_policies
        new = []
        for cause in causes:
            if (cause.reason, cause.item_kind, cause.item_id) not in handled:
                policy = policy_of(cause.reason, policies)
                new.append((context.ids.new(), cause, policy.due, policy.owner_id))
        opened = await open_exceptions(tx, new, at=now) if new else 0
    closed = await _close(context, organization_id, _select_gone(known, causes))
    if opened or closed:
        context.publish_change(organization_id)
    return FoundExceptions(opened, closed)


def _days_before(rules: RuleSet) -> int:
    """How many days before its term an item may be: the longest term in working days, and ten days of a line."""
    return max(10, 2 * max(rules.terms.values(), default=1) + 4)


async def _find_gaps(tx: Transaction, from_day: date) -> list[Cause]:
    """The gaps of the statement chains, each a cause of the statement after it."""
    return [
        Cause(
            reason=ExceptionReason.STATEMENT_GAP,
            item_kind="bank_statement",
            item_id=await find_statement_id(tx, bank_account_id, found.after),
            amount=Dong(abs(found.difference)),
            business_day=found.after.from_day,
            bank_account_id=bank_account_id,
        )
        for bank_account_id in await read_bank_account_ids(tx)
        for found in await find_breaks(tx, bank_account_id, from_day=from_day)
        if found.kind is BreakKind.GAP and found.after.from_day >= from_day
    ]


def _select_gone(known: Sequence[KnownException], causes: Sequence[Cause]) -> dict[UUID, str]:
    """Open exceptions whose cause is gone, each with what has become of it.

    An exception states one amount for good: where another one is left, the next round opens it with that amount.
    """
    amounts = {(cause.reason, cause.item_kind, cause.item_id): cause.amount for cause in causes}
    items = {(cause.item_kind, cause.item_id) for cause in causes}
    gone = {}
    for one in known:
        if not one.is_open or amounts.get(_name(one)) == one.amount:
            continue
        if _name(one) in amounts:
            gone[one.id] = "another amount is left"
        elif (one.item_kind, one.item_id) in items:
            gone[one.id] = "another reason holds now"
        else:
            gone[one.id] = "the statement, report or ledger agrees now"
    return gone


async def _close(context: PaymentContext, organization_id: OrganizationId, gone: Mapping[UUID, str]) -> int:
    """Close exceptions, each with its reason; those that a person decided meanwhile are left out.

    A decision belongs to an accounting day: only this transaction opens one.
    """
    if not gone:
        return 0
    async with context.database.transaction(organization_id, posting=True) as tx:
        locked = await lock_cases(tx, list(gone))
        cases = [one for one in locked if one.state is ExceptionState.OPEN]
        for reason in set(gone.values()):
            await close_cases(tx, context, [one for one in cases if gone[one.id] == reason], reason=reason)
    return len(cases)


def _name(one: KnownException) -> tuple[ExceptionReason, str, UUID]:
    return one.reason, one.item_kind, one.item_id
