"""Opens exceptions for what is left after matching, and closes those whose cause is gone.

A round compares the causes as they are now with the exceptions of the same items: repeating it changes nothing. A
disagreement that a person decided stays decided. Source: docs/reconciliation.md, Exceptions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.payments.domain.exception import ExceptionReason, ExceptionState, policy_of
from billing.payments.service.context import PaymentContext
from billing.reconciliation.service.deciding import close_cases
from billing.reconciliation.service.matching import current_rules
from billing.reconciliation.store.exception_causes import (
    KnownException,
    has_import,
    open_exceptions,
    read_causes,
    read_known,
)
from billing.reconciliation.store.exceptions import lock_cases

EXAMINED_FOR = timedelta(days=120)
"""How old a line or item may be; matching visits the same days."""

DETECTED = (
    ExceptionReason.CALLBACK_MISSING,
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


async def find_exceptions_once(context: PaymentContext, organization_id: OrganizationId) -> FoundExceptions:
    """Open and close the exceptions of one organization. Nothing is done before its first import. Raises NoOpenDay."""
    now = context.clock()
    today = business_date(now)
    from_day = today - EXAMINED_FOR
    async with context.database.transaction(organization_id) as tx:
        if not await has_import(tx):
            return FoundExceptions(0, 0)
        rules = await current_rules(tx, context)
        causes = await read_causes(tx, from_day=from_day, today=today, fee_tolerance=rules.fee_tolerance)
        known = await read_known(tx, DETECTED, from_day=from_day)
        handled = {_name(one) for one in known if one.is_open or one.is_decided}
        policies = (await context.reference_data(tx)).exception_policies
        new = []
        for cause in causes:
            if (cause.reason, cause.item_kind, cause.item_id) not in handled:
                policy = policy_of(cause.reason, policies)
                new.append((context.ids.new(), cause, policy.due, policy.owner_id))
        opened = await open_exceptions(tx, new, at=now) if new else 0
    present = {(cause.reason, cause.item_kind, cause.item_id) for cause in causes}
    closed = await _close(context, organization_id, [one for one in known if one.is_open and _name(one) not in present])
    if opened or closed:
        context.publish_change(organization_id)
    return FoundExceptions(opened, closed)


async def _close(context: PaymentContext, organization_id: OrganizationId, gone: Sequence[KnownException]) -> int:
    """Close exceptions whose cause is gone; those that a person decided meanwhile are left out.

    A decision belongs to an accounting day: only this transaction opens one.
    """
    if not gone:
        return 0
    async with context.database.transaction(organization_id, posting=True) as tx:
        locked = await lock_cases(tx, [each.id for each in gone])
        cases = [one for one in locked if one.state is ExceptionState.OPEN]
        await close_cases(tx, context, cases, reason="the statement, report or ledger agrees now")
    return len(cases)


def _name(one: KnownException) -> tuple[ExceptionReason, str, UUID]:
    return one.reason, one.item_kind, one.item_id
