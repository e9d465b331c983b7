"""What a desk shows to its cashier and on the customer display, and the codes that wait there. Use cases.

Source: docs/ux.md, Cashier; docs/visit-accounts.md, The desk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import NotFound
from billing.core.ids import DepositRequestId, DeskId, IntentId, OrganizationId, VisitId
from billing.core.money import NOTHING, Dong
from billing.core.text import shorten_name
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.visit_accounts.domain.receipt import Direction, PartMethod
from billing.visit_accounts.domain.shift import Shift, ShiftState
from billing.visit_accounts.service.ticked_lines import request_ticked_lines
from billing.visit_accounts.store.desk_receipts import DeskReceipt, read_receipts_of_desk, read_unprinted_transfers
from billing.visit_accounts.store.desk_screens import (
    Screen,
    Shown,
    WaitingCode,
    add_desk_code,
    put_away_codes,
    read_desk_versions,
    read_screen,
    read_waiting_codes,
    show_on_screen,
)
from billing.visit_accounts.store.shift_views import MethodSum, ShiftView, read_shift_view
from billing.visit_accounts.store.shifts import read_latest_shift_of

WAITS_FOR = timedelta(hours=14)
"""How long a code stays in the list of a desk: a shift."""

UNPRINTED_FOR = timedelta(minutes=15)
"""How long the desk names a receipt for a transfer that nobody has printed; the closing of the shift names it later."""

UNPRINTED_MAX = 2
RECEIPTS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleDesk:
    """The page of a desk where nobody is chosen, in đồng.

    `shift` is None without an open shift. Cash is None until it was counted, where the facility hides it.
    """

    shift: Shift | None
    receipts_issued: int
    receipts_void: int
    sums: Sequence[MethodSum]
    non_cash: Dong
    hides_cash: bool
    last_receipts: Sequence[DeskReceipt]
    waiting: Sequence[WaitingCode]

    @property
    def waiting_amount(self) -> Dong:
        return Dong(sum(code.remaining for code in self.waiting))


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerScreen:
    """The customer display: hospital, shortened name with the year of birth, amount. Nothing else."""

    desk: str
    hospital: str
    who: str
    visit_id: VisitId | None
    intent_id: IntentId | None
    amount: Dong
    last_paid: Dong | None


async def request_for_code(
    context: Context,
    organization_id: OrganizationId,
    visit_id: VisitId,
    lines: Sequence[str],
    *,
    uses_deposit: bool,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> DepositRequestId:
    """The request of ticked lines that a payment code then collects for. A repeat returns the earlier request.

    Raises the errors of `request_ticked_lines`, or idempotency errors.
    """
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return DepositRequestId(earlier.subjects[0])
        wanted = await request_ticked_lines(tx, context, visit_id, lines, uses_deposit=uses_deposit, actor=actor)
        await save_result(tx, request, [wanted.id], now=context.clock())
    context.publish_change(organization_id)
    return wanted.id


async def show_code(
    context: Context, organization_id: OrganizationId, desk_id: DeskId, shown: Shown, *, actor: Actor
) -> None:
    """Store that the code of a visit waits at a desk, and show it to the customer. May be repeated."""
    person, now = require_person(actor), context.clock()
    assert shown.intent_id is not None, "a code is shown"
    assert shown.visit_id is not None, "a code is of a visit"
    async with context.database.transaction(organization_id) as tx:
        await add_desk_code(tx, shown.intent_id, desk_id, shown.visit_id, opened_by=person, at=now)
        await show_on_screen(tx, desk_id, shown, shown_by=person, at=now)
    context.publish_change(organization_id)


async def show_visit(
    context: Context,
    organization_id: OrganizationId,
    desk_id: DeskId,
    shown: Shown,
    *,
    actor: Actor,
    replaces: bool = True,
) -> None:
    """Show a visit with what is to be collected on the customer display, or nobody.

    Where it `replaces` no other visit, it only renews what is shown of the same one.
    """
    person = require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        is_new = await show_on_screen(tx, desk_id, shown, shown_by=person, at=context.clock(), replaces=replaces)
    if is_new:
        context.publish_change(organization_id)


async def put_away(
    context: Context, organization_id: OrganizationId, visit_id: VisitId, *, kept: IntentId | None = None
) -> None:
    """Put the codes of a visit away, except the one that is kept. Money under a code is booked in any case."""
    async with context.database.transaction(organization_id) as tx:
        await put_away_codes(tx, visit_id, kept=kept, at=context.clock())
    context.publish_change(organization_id)


async def find_idle_desk(
    context: Context, organization_id: OrganizationId, desk_id: DeskId, *, actor: Actor
) -> IdleDesk:
    """The caller's shift with its counts and non-cash sums, the last receipts of the desk, and its waiting codes."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        shift = await read_latest_shift_of(tx, require_person(actor))
        is_open = shift is not None and shift.state is ShiftState.OPEN
        view = await read_shift_view(tx, shift.id) if shift is not None and is_open else None
        receipts = await read_receipts_of_desk(tx, desk_id, at_most=RECEIPTS_MAX)
        waiting = await read_waiting_codes(tx, desk_id, since=context.clock() - WAITS_FOR)
    return IdleDesk(
        shift=shift if is_open else None,
        receipts_issued=0 if view is None else len(view.receipts),
        receipts_void=0 if view is None else sum(receipt.state.value == "void" for receipt in view.receipts),
        sums=() if view is None else _shown_sums(view),
        non_cash=NOTHING if view is None else _non_cash(view),
        hides_cash=view is not None and view.hides_expected_cash,
        last_receipts=receipts,
        waiting=waiting,
    )


async def list_last_receipts(context: Context, organization_id: OrganizationId, desk_id: DeskId) -> list[DeskReceipt]:
    """The last receipts of a desk, the newest first: they are compared with the paper after a power cut."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_receipts_of_desk(tx, desk_id, at_most=RECEIPTS_MAX)


async def find_waiting(context: Context, organization_id: OrganizationId, desk_id: DeskId) -> list[WaitingCode]:
    """The codes that wait at a desk, the oldest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_waiting_codes(tx, desk_id, since=context.clock() - WAITS_FOR)


async def find_unprinted(context: Context, organization_id: OrganizationId, desk_id: DeskId) -> list[DeskReceipt]:
    """The newest receipts of a desk for transfers that nobody has printed yet: their payers may have gone on."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        since = context.clock() - UNPRINTED_FOR
        return await read_unprinted_transfers(tx, desk_id, since=since, at_most=UNPRINTED_MAX)


async def find_customer_screen(context: Context, organization_id: OrganizationId, desk_id: DeskId) -> CustomerScreen:
    """What the customer display of a desk shows. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        screen = await read_screen(tx, desk_id)
    if screen is None:
        raise NotFound("no such desk", field="desk_id")
    return CustomerScreen(
        desk=screen.desk,
        hospital=screen.hospital,
        who=_who(screen),
        visit_id=screen.visit_id,
        intent_id=screen.intent_id,
        amount=screen.amount,
        last_paid=screen.last_paid,
    )


async def find_desk_versions(
    context: Context, organization_id: OrganizationId, desk_ids: Sequence[DeskId]
) -> dict[DeskId, int]:
    """The versions of the pages of desks: another version means changed content."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_desk_versions(tx, desk_ids, since=context.clock() - WAITS_FOR)


def _who(screen: Screen) -> str:
    name, year = shorten_name(screen.patient), screen.birth[:4]
    return f"{name} – {year}" if name and year else name


def _shown_sums(view: ShiftView) -> list[MethodSum]:
    """The sums of receipts for money in; those of cash only where the cashier may see them."""
    return [
        each
        for each in view.sums
        if each.direction is Direction.IN
        and each.method is not PartMethod.ROUNDING
        and not (view.hides_expected_cash and each.method is PartMethod.CASH)
    ]


def _non_cash(view: ShiftView) -> Dong:
    methods = (PartMethod.CARD, PartMethod.PROVIDER, PartMethod.TRANSFER)
    return Dong(sum(each.amount for each in view.sums if each.direction is Direction.IN and each.method in methods))
