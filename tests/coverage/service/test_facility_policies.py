"""A facility's readings on a real database: set by two persons, obeyed by all that prices, frozen by invoices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg
import pytest

from billing.claims.service.check import check_visit_document, compare_visit_document
from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded, SecondPersonRequired
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.coverage.formats.policy_json import UnknownPolicyOption
from billing.coverage.service.facility_policies import (
    SettingScope,
    find_facility_policy,
    list_facility_policies,
    propose_facility_policy,
)
from billing.coverage.service.quote import estimate_visit
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.invoices.service.reprice import reprice_invoices
from billing.ops.approval_kinds import approve_subject
from billing.organizations.service.approvals import AlreadyDecided, ApprovalKind
from billing.organizations.service.setup import AlreadySetUp, Setup
from billing.visit_accounts.service.record_visits import find_priced_visit, record_visit
from billing.visits.formats.visit_facts_json import SuppliedFacts
from tests.builders import FACILITY_CODE, service_line, visit_document
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.persons import actors

# A laboratory test of 300 000 đ, below 15 % of the base salary (379 500), outpatient off line by 1.14 at 50 %:
# by default the fund pays 50 % (B-021), by the card's level 80 % × 50 % = 40 %.
BY_DEFAULT, BY_CARD_LEVEL = 150_000, 180_000
CARD_LEVEL = {"out_of_route_small_visit_at_full_rate": "False"}


def document(ma_lk: str = "LK1", *, facility: str = FACILITY_CODE) -> dict[str, Any]:
    line = service_line(1, name="Xét nghiệm", group=1, price="300000")
    return visit_document(ma_lk=ma_lk, lines=[line], MA_DOITUONG_KCB="1.14", facility_code=facility)


@dataclass(frozen=True, slots=True)
class Desk:
    """A hospital with two persons of finance; `also_a` is a second key of the first."""

    flow: PaymentFlow
    a: Actor
    also_a: Actor
    b: Actor

    @property
    def organization_id(self) -> OrganizationId:
        return self.flow.hospital.organization_id

    async def propose(
        self, readings: Mapping[str, str], *, day: date = date(2026, 7, 1), facility: str = FACILITY_CODE
    ) -> Any:
        return await propose_facility_policy(
            self.flow.context,
            self.organization_id,
            SettingScope(facility_code=facility, valid_from=day),
            readings,
            actor=self.a,
        )

    async def approve(self, policy_id: Any, actor: Actor) -> None:
        await approve_subject(
            self.flow.context, self.organization_id, ApprovalKind.FACILITY_POLICY, policy_id, actor=actor
        )

    async def set(self, readings: Mapping[str, str], **how: Any) -> None:
        await self.approve(await self.propose(readings, **how), self.b)

    async def quoted(self, document: dict[str, Any]) -> int:
        quote = await estimate_visit(self.flow.context, self.organization_id, document)
        return quote.visits[0].priced.shares.patient

    async def take(self, document: dict[str, Any]) -> Any:
        taken = await record_visit(self.flow.context, self.organization_id, document, actor=Actor.system())
        assert taken is not None
        return taken

    async def invoice(self, visit_id: Any) -> Any:
        context = self.flow.context
        return await issue_invoice(context, self.organization_id, visit_id, actor=Actor.system())


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> Desk:
    a, also_a, b = await actors(database, flow.context, ("books-one", "A"), ("books-two", "A"), ("books-three", "B"))
    return Desk(flow, a, also_a, b)


async def test_readings_take_two_persons(desk: Desk) -> None:
    policy_id = await desk.propose(CARD_LEVEL)
    assert await desk.quoted(document()) == BY_DEFAULT

    for actor in (desk.a, desk.also_a):
        with pytest.raises(SecondPersonRequired):
            await desk.approve(policy_id, actor)
    with pytest.raises(PersonNeeded):
        await desk.approve(policy_id, Actor.system())
    await desk.approve(policy_id, desk.b)
    with pytest.raises(AlreadyDecided):
        await desk.approve(policy_id, desk.b)

    assert await desk.quoted(document()) == BY_CARD_LEVEL
    row = await find_facility_policy(desk.flow.context, desk.organization_id, policy_id)
    assert (row.approval.proposer, row.approval.decider, dict(row.options)) == ("A", "B", CARD_LEVEL)


async def test_visit_invoice_quote_claim_check_and_what_if_agree(desk: Desk) -> None:
    context, organization_id = desk.flow.context, desk.organization_id
    await desk.set(CARD_LEVEL)

    taken = await desk.take(document())
    _, known = await find_priced_visit(context, organization_id, taken.id)
    invoice = await find_invoice(context, organization_id, await desk.invoice(taken.id))
    compared = await compare_visit_document(context, organization_id, document(), supplied=SuppliedFacts())
    stating = document()
    stating["lines"][0] |= {"T_BHTT": "120000", "T_BNCCT": "180000", "T_BNTT": "0", "MUC_HUONG": "40"}
    checked = await check_visit_document(context, organization_id, stating, supplied=SuppliedFacts())

    assert taken.priced is not None
    assert known is not None
    routes = {route.code: route.priced for route in compared.visits[0].routes.routes}
    assert [
        await desk.quoted(document()),
        taken.priced.shares.patient,
        known.shares.patient,
        invoice.shares.patient,
        routes["1.14"].shares.patient,
    ] == [BY_CARD_LEVEL] * 5
    assert [one.finding.field for one in checked.checks[0].findings if one.finding.stt == 1] == []


async def test_readings_hold_from_their_day_and_the_later_approved_of_one_day_wins(desk: Desk) -> None:
    await desk.set(CARD_LEVEL, day=date(2026, 11, 3))
    assert await desk.quoted(document()) == BY_DEFAULT, "it is admitted on 2026-11-02"

    await desk.set({}, day=date(2026, 11, 2))
    await desk.set(CARD_LEVEL, day=date(2026, 11, 2))
    assert await desk.quoted(document()) == BY_CARD_LEVEL

    await desk.set({}, day=date(2026, 11, 2))
    assert await desk.quoted(document()) == BY_DEFAULT, "a set is whole: what it does not name is the default"


async def test_two_facilities_of_one_organization_read_differently(desk: Desk, database: DatabaseAddress) -> None:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=1))
    setup = Setup(owner, desk.flow.context.clock, Ids(desk.flow.context.clock))
    other = {"code": "01002", "name": "Cơ sở 2", "technical_level": "basic"}
    await setup.add_facility(desk.organization_id, **other)
    with pytest.raises(AlreadySetUp):
        await setup.add_facility(desk.organization_id, **other)
    await owner.close()

    await desk.set(CARD_LEVEL, facility="01002")

    assert await desk.quoted(document(facility="01002")) == BY_CARD_LEVEL
    assert await desk.quoted(document()) == BY_DEFAULT
    assert await desk.quoted(document(facility="99999")) == BY_DEFAULT, "not of this organization"


async def test_issued_invoice_keeps_the_readings_it_was_priced_by(desk: Desk) -> None:
    first = await desk.take(document("LK1"))
    await desk.invoice(first.id)
    await desk.set(CARD_LEVEL)
    second = await desk.take(document("LK2"))
    await desk.invoice(second.id)

    outcomes = [each.outcome async for each in reprice_invoices(desk.flow.context.database)]

    assert [change for outcome in outcomes for change in outcome.changes] == []
    assert sum(outcome.totals.now.patient for outcome in outcomes) == BY_DEFAULT + BY_CARD_LEVEL


async def test_readings_that_cannot_be_are_refused_and_nothing_is_kept(desk: Desk) -> None:
    for readings, refusal in (({"no": "1"}, UnknownPolicyOption), ({"unstated_route_percent": "101"}, InvalidValue)):
        with pytest.raises(refusal):
            await desk.propose(readings)
    with pytest.raises(NotFound):
        await desk.propose({}, facility="99999")
    with pytest.raises(PersonNeeded):
        await propose_facility_policy(
            desk.flow.context,
            desk.organization_id,
            SettingScope(facility_code=FACILITY_CODE, valid_from=date(2026, 7, 1)),
            {},
            actor=Actor.system(),
        )

    assert await list_facility_policies(desk.flow.context, desk.organization_id, limit=10) == []


@pytest.mark.own_server
async def test_approved_readings_are_never_changed_not_even_past_the_service(
    desk: Desk, database: DatabaseAddress
) -> None:
    await desk.set(CARD_LEVEL)

    connection = await asyncpg.connect(database.superuser_url)
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute("UPDATE facility_policy SET options = '{}'")
    await connection.close()


async def test_readings_of_another_organization_do_not_exist(desk: Desk) -> None:
    policy_id = await desk.propose(CARD_LEVEL)

    with pytest.raises(NotFound):
        await find_facility_policy(desk.flow.context, OrganizationId(2), policy_id)
    with pytest.raises(NotFound):
        await approve_subject(
            desk.flow.context, OrganizationId(2), ApprovalKind.FACILITY_POLICY, policy_id, actor=desk.b
        )
