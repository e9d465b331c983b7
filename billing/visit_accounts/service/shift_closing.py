"""Close the own shift in steps: count blindly, tick the receipts that are not cash, then see the difference and sign.

Nothing from which the expected cash follows is shown before the count is finished. Use cases. Source: docs/ux.md, Shift
closing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.ids import OrganizationId, ReceiptId, ShiftId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.service.approvals import require_second_person
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.difference_causes import Cause, DifferenceFacts, find_causes
from billing.visit_accounts.domain.receipt import PartMethod, ReceiptState
from billing.visit_accounts.domain.shift import CashCount, Drawer, NoOpenShift, Shift, count_cash
from billing.visit_accounts.domain.shift_count import CashMovedSinceCount, CountNeeded, CountState, ShiftCount
from billing.visit_accounts.service.cash import lock_drawer
from billing.visit_accounts.service.shift_ending import announce_shift, end_drawer
from billing.visit_accounts.store.desk_receipts import DeskReceipt, read_receipts_of_shift
from billing.visit_accounts.store.shift_counts import add_count, read_latest_count, update_count
from billing.visit_accounts.store.shift_pages import (
    NamedHandOver,
    NamedShift,
    count_waiting_codes,
    read_cash_receipts,
    read_hand_overs_of_desk,
    read_open_shift_of,
    read_unallocated_of_amount,
)
from billing.visit_accounts.store.shifts import read_drawer, update_shift


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingResult:
    """What is shown once the count is checked, in đồng; `difference` is negative where cash is short."""

    expected: Dong
    counted: Dong
    difference: int
    causes: Sequence[Cause]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The own open shift on its way to the close.

    `others` are the valid receipts that are not cash alone, `unprinted` the valid ones of any method without a print.
    """

    named: NamedShift
    count: ShiftCount | None
    hand_overs: Sequence[NamedHandOver]
    waiting_codes: int
    others: Sequence[DeskReceipt]
    unprinted: Sequence[DeskReceipt]
    result: ClosingResult | None

    @property
    def shift(self) -> Shift:
        """The shift itself."""
        return self.named.shift

    @property
    def sums_not_cash(self) -> Mapping[PartMethod, int]:
        """What `others` sum to by method, without their cash: as the sums of the shift, less what went out."""
        sums: Counter[PartMethod] = Counter()
        for part in (part for receipt in self.others for part in receipt.parts_not_cash):
            sums[part.method] += part.amount
        return sums

    @property
    def not_cash(self) -> int:
        """What `others` sum to without their cash."""
        return sum(self.sums_not_cash.values())

    @property
    def is_counted(self) -> bool:
        """Whether the cash was counted to the end."""
        return self.count is not None and self.count.state is not CountState.DRAFT


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What closes a shift: the expected cash that the cashier saw, the reason, and the second person, if any."""

    shown_expected: Dong
    difference_reason: str = ""
    second: Actor | None = None


async def find_closing(context: PaymentContext, organization_id: OrganizationId, *, actor: Actor) -> Closing:
    """The caller's open shift with its count; the result only once the count is checked. Raises NoOpenShift."""
    cashier = require_person(actor)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        named = await read_open_shift_of(tx, cashier)
        if named is None:
            raise NoOpenShift("open your shift at a desk first")
        count = await read_latest_count(tx, named.shift.id)
        receipts = await read_receipts_of_shift(tx, named.shift.id)
        is_checked = count is not None and count.state is CountState.CHECKED
        return Closing(
            named=named,
            count=count,
            hand_overs=await read_hand_overs_of_desk(tx, named.shift.desk_id, named.shift.id),
            waiting_codes=await count_waiting_codes(tx, named.shift.desk_id, since=named.shift.opened_at),
            others=[one for one in receipts if _is_ticked(one)],
            unprinted=[one for one in receipts if one.state is ReceiptState.VALID and one.printed_at is None],
            result=await _result(tx, context, named.shift, count) if is_checked and count is not None else None,
        )


async def save_draft(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    counted: Mapping[str, int],
    *,
    follows: UUID | None,
    actor: Actor,
) -> None:
    """Save the notes counted so far; `follows` is the finished count that the cashier saw last.

    A draft that does not follow the latest finished count comes late: it was sent before that count was finished, and
    is not saved. Raises NotFound, WrongShift, ShiftNotOpen, InvalidValue, PersonNeeded.
    """
    count = count_cash(counted)
    async with context.database.transaction(organization_id) as tx:
        drawer = await _lock_own(tx, shift_id, actor)
        latest = await read_latest_count(tx, shift_id)
        if latest is None or latest.state is CountState.DRAFT or latest.id == follows:
            await update_count(tx, await _draft(tx, context, drawer.shift, latest, count))


async def finish_count(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    counted: Mapping[str, int],
    *,
    actor: Actor,
) -> None:
    """Finish a count. Other notes than those of the latest finished count are a new count.

    Raises NotFound, WrongShift, ShiftNotOpen, InvalidValue, PersonNeeded.
    """
    count = count_cash(counted)
    async with context.database.transaction(organization_id) as tx:
        drawer = await _lock_own(tx, shift_id, actor)
        latest = await read_latest_count(tx, shift_id)
        if latest is not None and latest.state is not CountState.DRAFT and dict(latest.counted) == dict(count.notes):
            return
        draft = await _draft(tx, context, drawer.shift, latest, count)
        await update_count(tx, draft.finish(at=context.clock()))
        await note(tx, context, actor, "shift_counted", ("shift", shift_id))


async def _draft(
    tx: Transaction, context: PaymentContext, shift: Shift, latest: ShiftCount | None, count: CashCount
) -> ShiftCount:
    """The draft of the shift with these notes, not yet written; a new one is added if the latest count is finished."""
    now = context.clock()
    if latest is not None and latest.state is CountState.DRAFT:
        return latest.save(count, by=shift.cashier_id, at=now)
    draft = ShiftCount(
        id=context.ids.new(),
        shift_id=shift.id,
        state=CountState.DRAFT,
        counted=count.notes,
        counted_cash=count.cash,
        saved_by=shift.cashier_id,
        saved_at=now,
    )
    await add_count(tx, draft)
    return draft


async def check_receipts(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    ticked: Sequence[ReceiptId],
    *,
    actor: Actor,
) -> None:
    """Record which receipts that are not cash the cashier holds; the rest is missing. A second time changes nothing.

    Raises NotFound, WrongShift, ShiftNotOpen, CountNeeded, InvalidValue, PersonNeeded.
    """
    async with context.database.transaction(organization_id) as tx:
        await _lock_own(tx, shift_id, actor)
        latest = await read_latest_count(tx, shift_id)
        if latest is None:
            raise CountNeeded("count the cash first")
        if latest.state is CountState.CHECKED:
            return
        receipts = [one.id for one in await read_receipts_of_shift(tx, shift_id) if _is_ticked(one)]
        await update_count(tx, latest.check(ticked, receipts=receipts, at=context.clock()))


async def sign_shift(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    signature: Signature,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> None:
    """End the own shift with its checked count; with a second person also close it, in one transaction.

    The caller has verified the second person. Without one the shift waits for its audit. Raises NotFound, WrongShift,
    ShiftNotOpen, CountNeeded, CashMovedSinceCount, DifferenceReasonNeeded, SecondPersonRequired, PersonNeeded.
    """
    async with context.database.transaction(organization_id, posting=True) as tx:
        if await find_previous_result(tx, request) is not None:
            return
        drawer = await _lock_own(tx, shift_id, actor)
        latest = await read_latest_count(tx, shift_id)
        if latest is None:
            raise CountNeeded("count the cash first")
        latest.require_checked()
        if drawer.cash != signature.shown_expected:
            raise CashMovedSinceCount("cash came in or went out since the difference was shown; count again")
        now = context.clock()
        count = CashCount(
            notes=latest.counted, cash=latest.counted_cash, difference_reason=signature.difference_reason.strip()
        )
        ended = drawer.shift.end(count, expected=drawer.cash, by=drawer.shift.cashier_id, at=now)
        await end_drawer(tx, context, drawer, ended, actor=actor)
        if signature.second is not None:
            second = await require_second_person(tx, ended.cashier_id, signature.second)
            closed = ended.close(by=second, at=now)
            await update_shift(tx, closed)
            await announce_shift(tx, context, closed, "shift_closed", signature.second)
        await save_result(tx, request, [shift_id], now=now)


async def _lock_own(tx: Transaction, shift_id: ShiftId, actor: Actor) -> Drawer:
    cashier = require_person(actor)
    drawer = await lock_drawer(tx, shift_id)
    drawer.shift.require_cashier(cashier)
    drawer.shift.require_open()
    return drawer


async def _result(tx: Transaction, context: PaymentContext, shift: Shift, count: ShiftCount) -> ClosingResult:
    expected = (await read_drawer(tx, shift)).cash
    difference = count.counted_cash - expected
    unallocated = await read_unallocated_of_amount(tx, abs(difference), since=shift.opened_at, until=context.clock())
    facts = DifferenceFacts(
        difference=difference,
        counted=count.counted,
        receipts=await read_cash_receipts(tx, shift.id),
        unallocated=unallocated,
    )
    return ClosingResult(
        expected=expected, counted=count.counted_cash, difference=difference, causes=find_causes(facts)
    )


def _is_ticked(receipt: DeskReceipt) -> bool:
    """Whether a receipt is ticked by hand: valid, and not of cash alone."""
    return receipt.state is ReceiptState.VALID and bool(receipt.parts_not_cash)
