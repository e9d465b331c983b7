"""Price lists on a real database: two persons, one list in force a day, and imports that were cut off."""

import asyncio
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded, SecondPersonRequired
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.idempotency import IdempotencyKeyReused, IdempotentRequest
from billing.ops.approval_kinds import approve_subject
from billing.organizations.service.approvals import AlreadyDecided, ApprovalKind
from billing.tariffs.domain.tariff import ListedPrice, TariffId, TariffStateForbids
from billing.tariffs.service import price_lists as tariffing
from billing.tariffs.service.price_lists import (
    PriceListTerms,
    TariffDayTaken,
    TariffIncomplete,
    activate_tariff,
    discard_tariff,
    find_tariff,
    find_tariff_approval,
    import_tariff,
    list_changes,
    list_tariffs,
    preview_tariff,
)
from billing.tariffs.store.tariffs import read_in_force, read_items
from tests.builders import FACILITY_CODE, add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.persons import actors

JULY, AUGUST = date(2026, 7, 1), date(2026, 8, 1)


@dataclass(frozen=True, slots=True)
class Desk:
    """A hospital with two persons of finance; `also_a` is a second key of the first."""

    flow: PaymentFlow
    database: DatabaseAddress
    a: Actor
    also_a: Actor
    b: Actor

    @property
    def organization_id(self) -> OrganizationId:
        return self.flow.hospital.organization_id

    async def draft(self, *, day: date = JULY, price: int = 50_000, facility: str | None = None) -> TariffId:
        return await import_tariff(
            self.flow.context,
            self.organization_id,
            terms(day=day, facility=facility),
            [listed(price=price)],
            actor=self.a,
        )

    async def approved(self, **changes: object) -> TariffId:
        tariff_id = await self.draft(**changes)  # type: ignore[arg-type]
        await approve_subject(self.flow.context, self.organization_id, ApprovalKind.TARIFF, tariff_id, actor=self.b)
        return tariff_id

    async def effective(self, **changes: object) -> TariffId:
        tariff_id = await self.approved(**changes)
        await self.activate(tariff_id)
        return tariff_id

    async def activate(self, tariff_id: TariffId, *, replaces: TariffId | None = None) -> None:
        await activate_tariff(self.flow.context, self.organization_id, tariff_id, actor=self.a, replaces=replaces)

    async def state(self, tariff_id: TariffId) -> str:
        return str((await find_tariff(self.flow.context, self.organization_id, tariff_id)).state)

    async def in_force(self, *days: str) -> dict[str, Decimal | None]:
        """The insurance price of A1 at the hospital's facility on each day that has one."""
        context = self.flow.context
        async with context.database.transaction(self.organization_id) as tx:
            facility_id = await tx.fetchval("SELECT id FROM facility WHERE organization_id = $1", self.organization_id)
            lists = await read_in_force(tx, facility_id, [date.fromisoformat(day) for day in days])
            items = await read_items(tx, [each.id for each in lists.values()])
        return {day.isoformat(): items[each.id]["A1"].insured for day, each in sorted(lists.items())}


def terms(*, day: date = JULY, facility: str | None = None, until: date | None = None) -> PriceListTerms:
    return PriceListTerms(name="Bảng giá", facility_code=facility, valid_from=day, valid_until=until)


def listed(code: str = "A1", *, price: int = 50_000) -> ListedPrice:
    return ListedPrice(code=code, name="Khám", unit="Lần", insured=Decimal(price), fee=None, on_demand=None)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> Desk:
    a, also_a, b = await actors(database, flow.context, ("books-one", "A"), ("books-two", "A"), ("books-three", "B"))
    return Desk(flow, database, a, also_a, b)


async def test_list_counts_only_after_two_persons_and_from_its_day_on(desk: Desk) -> None:
    tariff_id = await desk.draft()
    states = [await desk.state(tariff_id)]
    nothing = await desk.in_force("2026-07-01")
    await approve_subject(desk.flow.context, desk.organization_id, ApprovalKind.TARIFF, tariff_id, actor=desk.b)
    states.append(await desk.state(tariff_id))
    nothing |= await desk.in_force("2026-07-01")
    await desk.activate(tariff_id)

    assert [*states, await desk.state(tariff_id)] == ["draft", "approved", "effective"]
    assert nothing == {}
    assert await desk.in_force("2026-06-30", "2026-07-01", "2027-01-01") == {"2026-07-01": 50_000, "2027-01-01": 50_000}


async def test_one_person_with_two_keys_cannot_approve_what_they_drafted(desk: Desk) -> None:
    tariff_id = await desk.draft()
    assert (desk.a.id, desk.a.person) != (desk.also_a.id, desk.also_a.person)
    assert desk.a.person == desk.also_a.person

    for actor in (desk.a, desk.also_a):
        with pytest.raises(SecondPersonRequired):
            await approve_subject(desk.flow.context, desk.organization_id, ApprovalKind.TARIFF, tariff_id, actor=actor)
    with pytest.raises(PersonNeeded):
        await approve_subject(
            desk.flow.context, desk.organization_id, ApprovalKind.TARIFF, tariff_id, actor=Actor.system()
        )

    assert await desk.state(tariff_id) == "draft"


async def test_database_itself_refuses_one_person_and_skipped_states(desk: Desk) -> None:
    tariff_id = await desk.draft()
    context = desk.flow.context

    async def store(statement: str) -> None:
        async with context.database.transaction(desk.organization_id) as tx:
            await tx.execute(statement, tariff_id)

    with pytest.raises(asyncpg.RestrictViolationError, match="approved by two persons"):
        await store("UPDATE tariff SET state = 'approved' WHERE id = $1")
    with pytest.raises(asyncpg.CheckViolationError, match="two_persons_approve"):
        await store(
            "UPDATE approval SET state = 'approved', decided_by = proposed_by, decided_at = now() WHERE subject_id = $1"
        )
    with pytest.raises(asyncpg.RestrictViolationError):
        await store(
            "UPDATE tariff SET state = 'effective', activated_by = drafted_by, activated_at = now() WHERE id = $1"
        )
    with pytest.raises(asyncpg.RestrictViolationError, match="takes no further row"):
        await store("INSERT INTO tariff_item VALUES (1, $1, 'A2', '', '', 1, NULL, NULL)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await store("UPDATE tariff_item SET insured_price = 1 WHERE tariff_id = $1")


async def test_next_list_ends_the_one_before_it(desk: Desk) -> None:
    await desk.effective(day=AUGUST, price=60_000)
    await desk.effective(day=JULY, price=50_000)

    assert await desk.in_force("2026-07-31", "2026-08-01") == {"2026-07-31": 50_000, "2026-08-01": 60_000}


async def test_list_with_an_end_leaves_days_without_a_price(desk: Desk) -> None:
    ending = terms(until=date(2026, 7, 15))
    tariff_id = await import_tariff(desk.flow.context, desk.organization_id, ending, [listed()], actor=desk.a)
    await approve_subject(desk.flow.context, desk.organization_id, ApprovalKind.TARIFF, tariff_id, actor=desk.b)
    await desk.activate(tariff_id)

    assert await desk.in_force("2026-07-15", "2026-07-16") == {"2026-07-15": 50_000}


async def test_facility_goes_by_its_own_list_before_that_of_the_organization(desk: Desk) -> None:
    await desk.effective(price=50_000)
    await desk.effective(day=AUGUST, price=70_000, facility=FACILITY_CODE)

    assert await desk.in_force("2026-07-31", "2026-08-01") == {"2026-07-31": 50_000, "2026-08-01": 70_000}


async def test_second_list_of_a_day_must_name_the_one_it_replaces(desk: Desk) -> None:
    first = await desk.effective(price=50_000)
    second = await desk.approved(price=60_000)

    with pytest.raises(TariffDayTaken, match=str(first)):
        await desk.activate(second)
    with pytest.raises(TariffDayTaken):
        await desk.activate(second, replaces=second)
    before = await desk.in_force("2026-07-01")
    await desk.activate(second, replaces=first)

    assert before == {"2026-07-01": 50_000}
    assert await desk.in_force("2026-07-01") == {"2026-07-01": 60_000}
    assert [await desk.state(each) for each in (first, second)] == ["replaced", "effective"]


async def test_two_lists_of_one_day_activated_at_once_leave_one(desk: Desk) -> None:
    lists = [await desk.approved(price=price) for price in (50_000, 60_000, 70_000)]

    done = await asyncio.gather(*(desk.activate(each) for each in lists), return_exceptions=True)

    assert [type(each) for each in done if each is not None] == [TariffDayTaken, TariffDayTaken]
    assert sorted([await desk.state(each) for each in lists]) == ["approved", "approved", "effective"]


async def test_two_replacements_at_once_leave_one(desk: Desk) -> None:
    old = await desk.effective(price=40_000)
    lists = [await desk.approved(price=price) for price in (50_000, 60_000)]

    done = await asyncio.gather(*(desk.activate(each, replaces=old) for each in lists), return_exceptions=True)

    assert [type(each) for each in done if each is not None] == [TariffDayTaken]
    assert len(await desk.in_force("2026-07-01")) == 1


async def test_database_itself_refuses_two_lists_in_force_on_one_day(desk: Desk) -> None:
    await desk.effective()
    second = await desk.approved(price=60_000)

    with pytest.raises(asyncpg.UniqueViolationError, match="tariff_one_in_force"):
        async with desk.flow.context.database.transaction(desk.organization_id) as tx:
            await tx.execute(
                "UPDATE tariff SET state = 'effective', activated_by = drafted_by, activated_at = now() WHERE id = $1",
                second,
            )


async def test_steps_out_of_order_are_refused(desk: Desk) -> None:
    draft, context = await desk.draft(), desk.flow.context
    with pytest.raises(TariffStateForbids):
        await desk.activate(draft)
    await discard_tariff(context, desk.organization_id, draft, actor=desk.a)
    with pytest.raises(AlreadyDecided):
        await approve_subject(context, desk.organization_id, ApprovalKind.TARIFF, draft, actor=desk.b)
    effective = await desk.effective()
    with pytest.raises(TariffStateForbids):
        await discard_tariff(context, desk.organization_id, effective, actor=desk.a)
    with pytest.raises(NotFound):
        await desk.activate(TariffId(context.ids.new()))


async def test_import_cut_off_half_way_leaves_nothing_in_force_and_goes_on_when_repeated(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tariffing, "CHUNK", 10)
    prices = [listed(f"A{number}") for number in range(1, 36)]
    context, answers = desk.flow.context, []

    def fall_over(done: int) -> None:
        answers.append(done)
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await import_tariff(context, desk.organization_id, terms(), prices, actor=desk.a, on_progress=fall_over)
    [half] = await list_tariffs(context, desk.organization_id, limit=10)
    with pytest.raises(TariffIncomplete):
        await find_tariff_approval(context, desk.organization_id, TariffId(half.id))
    with pytest.raises(asyncpg.RestrictViolationError, match="cannot be proposed"):
        async with context.database.transaction(desk.organization_id) as tx:
            await tx.execute(
                "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
                " VALUES (1, gen_random_uuid(), 'tariff', $1, '{}', 'proposed', $2, now())",
                half.id,
                desk.a.person,
            )
    again = await import_tariff(context, desk.organization_id, terms(), prices, actor=desk.a)
    await approve_subject(context, desk.organization_id, ApprovalKind.TARIFF, again, actor=desk.b)
    await desk.activate(again)

    assert half.completed_at is None
    assert again == half.id
    async with context.database.transaction(desk.organization_id) as tx:
        assert len((await read_items(tx, [again]))[again]) == 35


async def test_another_content_begins_another_draft(desk: Desk) -> None:
    first = await desk.draft(price=50_000)
    second = await desk.draft(price=60_000)
    same_again = await desk.draft(price=60_000)

    assert len({first, second, same_again}) == 3, "a complete draft is not gone on with"


async def test_import_under_one_key_makes_one_draft(desk: Desk) -> None:
    def request_of(body: bytes = b"x" * 32) -> IdempotentRequest:
        return IdempotentRequest(caller="his", route="POST /v1/tariffs", key="k1", request_hash=body)

    async def once(request: IdempotentRequest) -> TariffId:
        context = desk.flow.context
        return await import_tariff(context, desk.organization_id, terms(), [listed()], actor=desk.a, request=request)

    first, second = await once(request_of()), await once(request_of())

    assert first == second
    assert len(await list_tariffs(desk.flow.context, desk.organization_id, limit=10)) == 1
    with pytest.raises(IdempotencyKeyReused):
        await once(request_of(b"y" * 32))


async def test_preview_and_changes_show_what_the_list_in_force_becomes(desk: Desk) -> None:
    await desk.effective(price=50_000)
    prices = [listed(price=55_000), listed("A2")]

    previewed = await preview_tariff(desk.flow.context, desk.organization_id, terms(day=AUGUST), prices)
    kept = await list_tariffs(desk.flow.context, desk.organization_id, limit=10)
    tariff_id = await import_tariff(desk.flow.context, desk.organization_id, terms(day=AUGUST), prices, actor=desk.a)
    as_draft = await list_changes(desk.flow.context, desk.organization_id, tariff_id)
    await approve_subject(desk.flow.context, desk.organization_id, ApprovalKind.TARIFF, tariff_id, actor=desk.b)
    await desk.activate(tariff_id)

    assert [(each.kind, each.code, each.old, each.new) for each in previewed] == [
        ("changed", "A1", 50_000, 55_000),
        ("added", "A2", None, 50_000),
    ]
    assert len(kept) == 1
    assert as_draft == previewed
    assert await list_changes(desk.flow.context, desk.organization_id, tariff_id) == previewed


async def test_another_organization_sees_no_list(desk: Desk) -> None:
    tariff_id = await desk.effective()
    await add_demo_hospital(desk.database.owner_url, organization=2, facility_code="01002")

    with pytest.raises(NotFound):
        await find_tariff(desk.flow.context, OrganizationId(2), tariff_id)
    with pytest.raises(NotFound):
        await activate_tariff(desk.flow.context, OrganizationId(2), tariff_id, actor=replace(desk.a))
    assert await list_tariffs(desk.flow.context, OrganizationId(2), limit=10) == []


async def test_every_step_stands_in_the_audit_with_its_person(desk: Desk) -> None:
    tariff_id = await desk.effective()

    async with desk.flow.context.database.transaction(desk.organization_id) as tx:
        rows = await tx.fetch(
            "SELECT action, acting_for FROM audit WHERE subject_id = $1"
            " OR subject_id IN (SELECT id FROM approval WHERE subject_id = $1) ORDER BY id",
            tariff_id,
        )

    assert [(row["action"], row["acting_for"]) for row in rows] == [
        ("tariff_drafted", desk.a.person),
        ("tariff_proposed", desk.a.person),
        ("tariff_approved", desk.b.person),
        ("tariff_activated", desk.a.person),
    ]
