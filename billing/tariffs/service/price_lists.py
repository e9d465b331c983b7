"""Price lists: imported as a draft, compared with what is in force, approved by a second person, made effective.

An import commits a thousand rows at a time, since a long writing transaction would hold up seals and snapshots (DESIGN
§4, Watermarks). A draft counts for nothing until it is complete; an import that was cut off goes on where it stopped
when it is repeated. Making a list effective is one short transaction.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from asyncpg import UniqueViolationError

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import FacilityId, OrganizationId, PersonId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.domain.approval import Approval, ApprovalKind
from billing.organizations.service.approvals import propose, reject_proposed, with_approvals
from billing.organizations.service.facilities import require_facility
from billing.tariffs.domain.tariff import (
    ListedPrice,
    PriceChange,
    TariffEvent,
    TariffId,
    TariffIncomplete,
    TariffState,
    compare_lists,
    next_state,
)
from billing.tariffs.store.tariffs import (
    ListedTariff,
    LockedTariff,
    NewTariff,
    activate,
    add_items,
    add_tariff,
    complete_tariff,
    find_incomplete,
    lock_effective_of_day,
    lock_tariff,
    read_in_force,
    read_items,
    read_tariffs,
    set_state,
)

__all__ = [
    "CHUNK",
    "ListedTariff",
    "PriceListTerms",
    "TariffDayTaken",
    "activate_tariff",
    "discard_rejected_tariff",
    "discard_tariff",
    "find_tariff",
    "find_tariff_approval",
    "import_tariff",
    "list_changes",
    "list_tariffs",
    "mark_tariff_approved",
    "preview_tariff",
]

CHUNK = 1_000
"""Rows of one transaction of an import: about a tenth of a second."""

_ONE_DAY = timedelta(days=1)

Progress = Callable[[int], None]
"""Receives the number of committed rows."""


class TariffDayTaken(Refused):
    """Another effective list of the same facility begins on the same day."""

    code = "tariff_day_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceListTerms:
    """For whom a list is and when it holds. `facility_code` None: every facility without a list of its own."""

    name: str
    facility_code: str | None
    valid_from: date
    valid_until: date | None = None

    def __post_init__(self) -> None:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise InvalidValue("a price list ends before it begins", field="until")
        if not 1 <= len(self.name) <= 200 or not self.name.isprintable():
            raise InvalidValue("a price list has a name of 1 to 200 printable characters", field="name")


async def preview_tariff(
    context: Context, organization_id: OrganizationId, terms: PriceListTerms, prices: Sequence[ListedPrice]
) -> list[PriceChange]:
    """What would change against the list in force on its first day; writes nothing. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        facility_id = await _facility(tx, terms.facility_code)
        old = await _prices_in_force(tx, facility_id, terms.valid_from)
    return await _compare(old, {price.code: price for price in prices})


async def import_tariff(
    context: Context,
    organization_id: OrganizationId,
    terms: PriceListTerms,
    prices: Sequence[ListedPrice],
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
    on_progress: Progress | None = None,
) -> TariffId:
    """Keep a price list as a draft. The same import repeated goes on with what was cut off.

    Raises NotFound, PersonNeeded, TariffIncomplete where what is stored is not what is imported, or
    idempotency errors.
    """
    if not prices:
        raise InvalidValue("a price list has at least one price")
    person = require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is None:
            tariff_id = await _begin(tx, context, terms, prices, person)
            await save_result(tx, request, [tariff_id], now=context.clock())
        else:
            tariff_id = TariffId(earlier.subjects[0])
            locked = await _lock(tx, tariff_id)
            if locked.is_complete or locked.state is not TariffState.DRAFT:
                return tariff_id
    for begin in range(0, len(prices), CHUNK):
        chunk = prices[begin : begin + CHUNK]
        async with context.database.transaction(organization_id) as tx:
            next_state((await _lock(tx, tariff_id)).state, TariffEvent.APPROVE)
            await add_items(tx, tariff_id, chunk)
        if on_progress is not None:
            on_progress(begin + len(chunk))
    async with context.database.transaction(organization_id) as tx:
        await _lock(tx, tariff_id)
        if not await complete_tariff(tx, tariff_id, at=context.clock()):
            raise TariffIncomplete("the draft holds other rows than this list: discard it and import the list again")
        await note(tx, context, actor, "tariff_drafted", ("tariff", tariff_id))
        payload = {
            "name": terms.name,
            "facility": terms.facility_code,
            "valid_from": terms.valid_from.isoformat(),
            "valid_until": None if terms.valid_until is None else terms.valid_until.isoformat(),
            "items": len(prices),
        }
        await propose(tx, context, ApprovalKind.TARIFF, tariff_id, payload=payload, actor=actor)
    return tariff_id


async def find_tariff_approval(context: Context, organization_id: OrganizationId, tariff_id: TariffId) -> Approval:
    """The proposal of a complete list. Raises NotFound, TariffIncomplete."""
    approval = (await find_tariff(context, organization_id, tariff_id)).approval
    if approval is None:
        raise TariffIncomplete("not every row of this draft has arrived; repeat the import")
    return approval


async def mark_tariff_approved(tx: Transaction, _context: Context, approval: Approval, _actor: Actor) -> None:
    """A step: the list becomes approved, which another person than its author decided. Raises TariffStateForbids."""
    locked = await _lock(tx, TariffId(approval.subject_id))
    await set_state(tx, locked.id, next_state(locked.state, TariffEvent.APPROVE))


async def discard_rejected_tariff(tx: Transaction, context: Context, approval: Approval, actor: Actor) -> None:
    """A step: a list whose proposal is rejected or withdrawn is discarded. Raises TariffStateForbids."""
    await _discard(tx, context, TariffId(approval.subject_id), actor)


async def activate_tariff(
    context: Context,
    organization_id: OrganizationId,
    tariff_id: TariffId,
    *,
    actor: Actor,
    replaces: TariffId | None = None,
) -> None:
    """Let an approved list count from its day on.

    An effective list of the same facility and day must be named: it is then replaced, in the same transaction.
    Raises NotFound, PersonNeeded, TariffStateForbids, TariffDayTaken.
    """
    person = require_person(actor)
    try:
        async with context.database.transaction(organization_id) as tx:
            locked = await _lock(tx, tariff_id)
            next_state(locked.state, TariffEvent.ACTIVATE)
            other = await lock_effective_of_day(tx, locked.facility_id, locked.valid_from)
            if other != replaces:
                raise _day_taken(locked, other)
            if other is not None:
                await set_state(tx, other, next_state(TariffState.EFFECTIVE, TariffEvent.REPLACE))
                await note(tx, context, actor, "tariff_replaced", ("tariff", other))
            await activate(tx, tariff_id, by=person, at=context.clock())
            await note(tx, context, actor, "tariff_activated", ("tariff", tariff_id))
    except UniqueViolationError as error:
        raise TariffDayTaken("another list of this facility and day was made effective just now") from error


async def discard_tariff(
    context: Context, organization_id: OrganizationId, tariff_id: TariffId, *, actor: Actor
) -> None:
    """Discard a list that is not effective, and reject its proposal if it waits.

    Raises NotFound, PersonNeeded, TariffStateForbids.
    """
    require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        await reject_proposed(tx, context, ApprovalKind.TARIFF, tariff_id, actor)
        await _discard(tx, context, tariff_id, actor)


async def list_tariffs(
    context: Context,
    organization_id: OrganizationId,
    *,
    after: UUID | None = None,
    limit: int,
    state: str | None = None,
) -> list[ListedTariff]:
    """Price lists, the newest first, without their rows; each with its `approval`, None while it is incomplete."""
    async with context.database.transaction(organization_id) as tx:
        rows = await read_tariffs(tx, after=None if after is None else TariffId(after), limit=limit, state=state)
        return await with_approvals(tx, ApprovalKind.TARIFF, rows)


async def find_tariff(context: Context, organization_id: OrganizationId, tariff_id: TariffId) -> ListedTariff:
    """One price list without its rows, with its `approval`. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await with_approvals(tx, ApprovalKind.TARIFF, await read_tariffs(tx, limit=1, tariff_id=tariff_id))
    if not rows:
        raise NotFound("no such price list", field="tariff_id")
    return rows[0]


async def list_changes(context: Context, organization_id: OrganizationId, tariff_id: TariffId) -> list[PriceChange]:
    """What a list changes against the one in force on the day before its own, or on its day while it does not count.

    Raises NotFound.
    """
    async with context.database.transaction(organization_id) as tx:
        rows = await read_tariffs(tx, limit=1, tariff_id=tariff_id)
        if not rows:
            raise NotFound("no such price list", field="tariff_id")
        new = (await read_items(tx, [tariff_id]))[tariff_id]
        is_counting = rows[0].activated_at is not None
        day = rows[0].valid_from - _ONE_DAY if is_counting else rows[0].valid_from
        old = await _prices_in_force(tx, rows[0].facility_id, day)
    return await _compare(old, new)


async def _compare(old: Mapping[str, ListedPrice], new: Mapping[str, ListedPrice]) -> list[PriceChange]:
    """Two long lists take a second: callbacks must not wait for it."""
    return await asyncio.to_thread(lambda: list(compare_lists(old, new)))


async def _begin(
    tx: Transaction, context: Context, terms: PriceListTerms, prices: Sequence[ListedPrice], person: PersonId
) -> TariffId:
    new = NewTariff(
        id=TariffId(context.ids.new()),
        facility_id=await _facility(tx, terms.facility_code),
        name=terms.name,
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        items_expected=len(prices),
        content_hash=await asyncio.to_thread(_content_hash, prices),
        drafted_by=person,
        drafted_at=context.clock(),
    )
    begun = await find_incomplete(tx, new)
    if begun is None:
        await add_tariff(tx, new)
    return begun or new.id


def _content_hash(prices: Sequence[ListedPrice]) -> bytes:
    """Of every price in its order: what was imported, however its file was written."""
    digest = hashlib.sha256()
    for price in prices:
        amounts = ["" if amount is None else format(amount, "f") for _, amount in price.prices()]
        digest.update("\x1f".join((price.code, price.name, price.unit, *amounts)).encode() + b"\x1e")
    return digest.digest()


async def _discard(tx: Transaction, context: Context, tariff_id: TariffId, actor: Actor) -> None:
    locked = await _lock(tx, tariff_id)
    await set_state(tx, tariff_id, next_state(locked.state, TariffEvent.DISCARD))
    await note(tx, context, actor, "tariff_discarded", ("tariff", tariff_id))


def _day_taken(locked: LockedTariff, other: TariffId | None) -> TariffDayTaken:
    if other is None:
        return TariffDayTaken("the list to be replaced is not effective on this day", field="replaces")
    day = locked.valid_from.isoformat()
    return TariffDayTaken(f"the list {other} is effective from {day} on; name it to replace it", field="replaces")


async def _facility(tx: Transaction, code: str | None) -> FacilityId | None:
    return None if code is None else await require_facility(tx, code, field="facility")


async def _lock(tx: Transaction, tariff_id: TariffId) -> LockedTariff:
    locked = await lock_tariff(tx, tariff_id)
    if locked is None:
        raise NotFound("no such price list", field="tariff_id")
    return locked


async def _prices_in_force(tx: Transaction, facility_id: FacilityId | None, day: date) -> dict[str, ListedPrice]:
    found = (await read_in_force(tx, facility_id, [day])).get(day)
    return {} if found is None else (await read_items(tx, [found.id]))[found.id]
