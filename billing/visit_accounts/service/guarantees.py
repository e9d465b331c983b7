"""Guarantees of payers (bảo lãnh): requested, confirmed up to their limit, rejected, withdrawn, expired. Use cases.

Source: docs/visit-accounts.md, Final bill.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.db.rounds import run_each
from billing.payments.store.deposits import lock_deposit_of_visit
from billing.visit_accounts.domain.account import AccountState, require_account
from billing.visit_accounts.domain.guarantee import (
    Guarantee,
    GuaranteeExists,
    GuaranteeState,
)
from billing.visit_accounts.service.account_writes import announce_guarantee, lock_open_account
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.accounts import lock_account, read_account
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.guarantees import (
    add_guarantee,
    find_guarantee,
    find_guarantees_to_expire,
    find_visits_to_expire,
    lock_bearers,
    lock_guarantee,
    read_bearers,
    update_guarantee,
)

EXPIRED_MAX = 100
"""Visits whose guarantees one round expires."""

_PAYER_LENGTH_MAX = 200
_REFERENCE_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGuarantee:
    """The amount that a payer is requested to guarantee, in đồng."""

    payer: str
    reference: str
    limit: Dong
    valid_until: date | None = None


async def request_guarantee(
    context: Context,
    organization_id: OrganizationId,
    visit_id: VisitId,
    new: NewGuarantee,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Record that a guarantee is requested of a payer; it comes after the payers requested before.

    Raises NotFound, VisitClosed, GuaranteeExists, InvalidValue, idempotency errors.
    """
    now = context.clock()
    payer = _text(new.payer, field="payer", length_max=_PAYER_LENGTH_MAX)
    reference = _text(new.reference, field="reference", length_max=_REFERENCE_LENGTH_MAX)
    if new.limit <= 0:
        raise InvalidValue("a guarantee has a limit above 0", field="limit")
    if new.valid_until is not None and new.valid_until < business_date(now):
        raise InvalidValue("the guarantee is valid today at least", field="valid_until")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        await lock_open_account(tx, visit_id)
        known = (await lock_bearers(tx, visit_id)).guarantees
        guarantee = Guarantee(
            id=context.ids.new(),
            visit_id=visit_id,
            payer=payer,
            reference=reference,
            limit_amount=new.limit,
            valid_until=new.valid_until,
            position=max((one.position for one in known), default=0) + 1,
            state=GuaranteeState.REQUESTED,
            version=1,
            created_by=actor.person,
            created_at=now,
            changed_at=now,
        )
        if not await add_guarantee(tx, guarantee):
            raise GuaranteeExists("this payer has an active guarantee of this reference", field="reference")
        await announce_guarantee(tx, context, guarantee, actor, "guarantee_requested")
        await save_result(tx, request, [guarantee.id], now=now)
    context.publish_change(organization_id)
    return guarantee.id


async def confirm_guarantee(
    context: Context, organization_id: OrganizationId, guarantee_id: UUID, amount: Dong, *, actor: Actor
) -> Guarantee:
    """Record the amount that a payer confirmed; less than the limit is normal.

    Raises NotFound, VisitClosed, GuaranteeDecided, GuaranteeExpired, AmountAboveLimit.
    """
    today = business_date(context.clock())
    return await _change(
        context, organization_id, guarantee_id, lambda one: one.confirm(amount, today=today), actor=actor
    )


async def end_guarantee(
    context: Context,
    organization_id: OrganizationId,
    guarantee_id: UUID,
    state: GuaranteeState,
    *,
    reason: str,
    actor: Actor,
) -> Guarantee:
    """Record that a payer rejected a guarantee, or that it was withdrawn, with the reason.

    Raises NotFound, VisitClosed, GuaranteeDecided, InvalidValue.
    """
    text = read_reason(reason)
    return await _change(context, organization_id, guarantee_id, lambda one: one.end(state, reason=text), actor=actor)


async def expire_guarantees_once(context: Context, organization_id: OrganizationId) -> int:
    """Expire guarantees of open visits after their last day, each visit in its own transaction; returns how many.

    Raises the first failure of a visit, after the guarantees of the others have expired.
    """
    today = business_date(context.clock())
    async with context.database.transaction(organization_id, read_only=True) as tx:
        visits = await find_visits_to_expire(tx, today=today, at_most=EXPIRED_MAX)
    return await run_each("guarantee", visits, partial(_expire, context, organization_id, today))


async def _expire(context: Context, organization_id: OrganizationId, today: date, visit_id: VisitId) -> int:
    async with context.database.transaction(organization_id) as tx:
        account = await lock_account(tx, visit_id)
        if account is None or account.state is not AccountState.OPEN:
            return 0
        await lock_charges(tx, visit_id)
        await lock_deposit_of_visit(tx, visit_id)
        found = await find_guarantees_to_expire(tx, visit_id, today=today)
        for guarantee_id in found:
            locked = await lock_guarantee(tx, guarantee_id)
            assert locked is not None, "a guarantee is never removed"
            changed = locked.end(GuaranteeState.EXPIRED)
            await update_guarantee(tx, changed, changed_by=None, at=context.clock())
            await announce_guarantee(tx, context, changed, Actor.system(), "guarantee_expired")
        await update_clearance(tx, context, visit_id)
    if found:
        context.publish_change(organization_id)
    return len(found)


async def list_guarantees(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> Sequence[Guarantee]:
    """The guarantees of a visit, in the order in which the payers pay. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        require_account(await read_account(tx, visit_id))
        return (await read_bearers(tx, visit_id)).guarantees


async def read_guarantee(context: Context, organization_id: OrganizationId, guarantee_id: UUID) -> Guarantee:
    """One guarantee. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await find_guarantee(tx, guarantee_id)
    if found is None:
        raise _unknown()
    return found


async def _change(
    context: Context,
    organization_id: OrganizationId,
    guarantee_id: UUID,
    change: Callable[[Guarantee], Guarantee],
    *,
    actor: Actor,
) -> Guarantee:
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        found = await find_guarantee(tx, guarantee_id)
        if found is None:
            raise _unknown()
        await lock_open_account(tx, found.visit_id)
        await lock_charges(tx, found.visit_id)
        await lock_deposit_of_visit(tx, found.visit_id)
        locked = await lock_guarantee(tx, guarantee_id)
        assert locked is not None, "a guarantee is never removed"
        changed = change(locked)
        await update_guarantee(tx, changed, changed_by=actor.person, at=now)
        await announce_guarantee(tx, context, changed, actor, f"guarantee_{changed.state}")
        await update_clearance(tx, context, found.visit_id)
    context.publish_change(organization_id)
    return changed


def _text(text: str, *, field: str, length_max: int) -> str:
    value = " ".join(text.split())
    if not 0 < len(value) <= length_max or not value.isprintable():
        raise InvalidValue(f"{field} has 1 to {length_max} printable characters", field=field)
    return value


def _unknown() -> NotFound:
    return NotFound("no such guarantee", field="guarantee_id")
