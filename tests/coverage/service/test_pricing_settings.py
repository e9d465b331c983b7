"""Who decides a facility's amounts, on a real database: set by two persons, obeyed by visits and invoices."""

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from billing.claims.service.check import compare_visit_document
from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded, SecondPersonRequired
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.coverage.domain.pricing_authority import (
    DifferenceFilter,
    FacilityPricing,
    PriceDay,
    PricingAuthority,
    price_again,
)
from billing.coverage.domain.refusals import PriceNotInForce
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.service.pricing_settings import (
    SettingScope,
    find_pricing,
    list_differences,
    list_pricings,
    propose_pricing,
)
from billing.coverage.service.quote import estimate_visit
from billing.invoices.domain.invoice_details import InvoiceDetails
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.ops.approval_kinds import approve_subject
from billing.organizations.service.approvals import AlreadyDecided, ApprovalKind
from billing.tariffs.domain.tariff import ListedPrice
from billing.tariffs.service.price_lists import PriceListTerms, activate_tariff, import_tariff
from billing.visit_accounts.service.record_visits import RecordedVisit, find_priced_visit, record_visit
from billing.visits.formats.visit_facts_json import SuppliedFacts
from tests.builders import FACILITY_CODE, service_line, visit_document
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.persons import actors

JULY = date(2026, 7, 1)
HIS = FacilityPricing(authority=PricingAuthority.HIS, price_day=PriceDay.ORDERED, vendor="HIS X")
OURS = FacilityPricing(authority=PricingAuthority.VIENPHI, price_day=PriceDay.ORDERED)


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

    async def propose(self, setting: FacilityPricing, *, day: date = JULY, facility: str = FACILITY_CODE) -> Any:
        return await propose_pricing(
            self.flow.context,
            self.organization_id,
            SettingScope(facility_code=facility, valid_from=day),
            setting,
            actor=self.a,
        )

    async def approve(self, pricing_id: Any, actor: Actor) -> None:
        await approve_subject(
            self.flow.context, self.organization_id, ApprovalKind.FACILITY_PRICING, pricing_id, actor=actor
        )

    async def set(self, setting: FacilityPricing, *, day: date = JULY) -> None:
        await self.approve(await self.propose(setting, day=day), self.b)

    async def list_prices(self, **prices: int) -> None:
        """Make a list effective since July: with equal insurance price and fee of each code."""
        context, organization_id = self.flow.context, self.organization_id
        listed = [
            ListedPrice(code=code, name=code, unit="", insured=Decimal(price), fee=Decimal(price), on_demand=None)
            for code, price in prices.items()
        ]
        terms = PriceListTerms(name="x", facility_code=None, valid_from=JULY)
        tariff_id = await import_tariff(context, organization_id, terms, listed, actor=self.a)
        await approve_subject(context, organization_id, ApprovalKind.TARIFF, tariff_id, actor=self.b)
        await activate_tariff(context, organization_id, tariff_id, actor=self.a)

    async def take(self, *lines: dict[str, Any], ma_lk: str = "LK0001") -> RecordedVisit:
        document = visit_document(ma_lk=ma_lk, lines=list(lines))
        taken = await record_visit(self.flow.context, self.organization_id, document, actor=Actor.system())
        assert taken is not None
        return taken

    async def invoice(self, visit_id: VisitId) -> InvoiceDetails:
        context, organization_id = self.flow.context, self.organization_id
        invoice_id = await issue_invoice(context, organization_id, visit_id, actor=Actor.system())
        return await find_invoice(context, organization_id, invoice_id)

    async def differences(self) -> list[tuple[str, object, object]]:
        rows = await list_differences(self.flow.context, self.organization_id, limit=100)
        return [(row.field, row.his_value, row.vienphi_value) for row in reversed(rows)]


def line(code: str = "X1", *, price: int = 500_000, stt: int = 1, **more: object) -> dict[str, Any]:
    return {**service_line(stt, name="Xét nghiệm", group=1, price=str(price)), "MA_DICH_VU": code, **more}


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> Desk:
    a, also_a, b = await actors(database, flow.context, ("books-one", "A"), ("books-two", "A"), ("books-three", "B"))
    return Desk(flow, a, also_a, b)


async def test_setting_takes_two_persons_and_holds_from_its_day_on(desk: Desk) -> None:
    """Insured and listed at 400 000: the fund pays 80 %, so the patient pays 80 000 by us and 100 000 as supplied."""
    await desk.list_prices(X1=400_000)
    pricing_id = await desk.propose(OURS)
    proposed = await desk.take(line())

    for actor in (desk.a, desk.also_a):
        with pytest.raises(SecondPersonRequired):
            await desk.approve(pricing_id, actor)
    with pytest.raises(PersonNeeded):
        await desk.approve(pricing_id, Actor.system())
    await desk.approve(pricing_id, desk.b)
    with pytest.raises(AlreadyDecided):
        await desk.approve(pricing_id, desk.b)
    _, approved = await find_priced_visit(desk.flow.context, desk.organization_id, proposed.id)

    assert proposed.priced is not None
    assert proposed.priced.shares.patient == 100_000
    assert approved is not None
    assert approved.shares.patient == 80_000
    row = await find_pricing(desk.flow.context, desk.organization_id, pricing_id)
    assert (row.approval.proposer, row.approval.decider, row.valid_from) == ("A", "B", JULY)


async def test_later_setting_holds_for_visits_admitted_since(desk: Desk) -> None:
    await desk.list_prices(X1=400_000)
    await desk.set(OURS)
    await desk.set(HIS, day=date(2026, 11, 3))

    before = await desk.take(line())

    assert before.priced is not None
    assert before.priced.shares.patient == 80_000, "it was admitted on 2026-11-02"
    assert len(await list_pricings(desk.flow.context, desk.organization_id, limit=10)) == 2


async def test_setting_corrected_for_the_same_day_is_the_one_approved_later(desk: Desk) -> None:
    await desk.list_prices(X1=400_000)
    await desk.set(OURS)
    await desk.set(HIS)

    taken = await desk.take(line())

    assert taken.priced is not None
    assert taken.priced.shares.patient == 100_000


async def test_proposal_without_vendor_facility_or_person_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidValue, match="vendor"):
        await desk.propose(FacilityPricing(authority=PricingAuthority.HIS, price_day=PriceDay.ORDERED))
    with pytest.raises(NotFound):
        await desk.propose(OURS, facility="99999")
    with pytest.raises(PersonNeeded):
        await propose_pricing(
            desk.flow.context,
            desk.organization_id,
            SettingScope(facility_code=FACILITY_CODE, valid_from=JULY),
            OURS,
            actor=Actor.system(),
        )


async def test_database_itself_refuses_one_person_and_a_second_approval(desk: Desk) -> None:
    pricing_id = await desk.propose(OURS)
    context = desk.flow.context

    with pytest.raises(asyncpg.CheckViolationError, match="two_persons_approve"):
        async with context.database.transaction(desk.organization_id) as tx:
            await tx.execute("UPDATE approval SET state = 'approved', decided_by = proposed_by, decided_at = now()")
    await desk.approve(pricing_id, desk.b)
    with pytest.raises(asyncpg.RestrictViolationError, match="decided once"):
        async with context.database.transaction(desk.organization_id) as tx:
            await tx.execute("UPDATE approval SET decided_at = now()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with context.database.transaction(desk.organization_id) as tx:
            await tx.execute("UPDATE facility_pricing SET vendor = 'x'")


async def test_every_change_of_the_setting_is_audited(desk: Desk) -> None:
    pricing_id = await desk.propose(HIS)
    await desk.approve(pricing_id, desk.b)

    async with desk.flow.context.database.transaction(desk.organization_id) as tx:
        rows = await tx.fetch(
            "SELECT action, acting_for FROM audit JOIN approval ON approval.id = audit.subject_id"
            " WHERE approval.subject_id = $1 ORDER BY audit.id",
            pricing_id,
        )

    assert [tuple(row) for row in rows] == [
        ("facility_pricing_proposed", desk.a.person),
        ("facility_pricing_approved", desk.b.person),
    ]


async def test_charge_without_price_is_kept_with_a_finding_and_refused_on_an_invoice(desk: Desk) -> None:
    await desk.set(OURS)

    taken = await desk.take(line())
    with pytest.raises(PriceNotInForce, match="no price in force for X1 on 2026-11-02"):
        await desk.invoice(taken.id)
    await desk.list_prices(X1=400_000)
    invoice = await desk.invoice(taken.id)

    assert taken.priced is None
    [finding] = taken.findings
    assert (finding.stt, finding.field, finding.found) == (1, "DON_GIA_BV", "X1")
    assert invoice.shares.patient == 80_000
    assert await desk.differences() == []


async def test_his_amounts_are_collected_and_every_difference_is_listed_once(desk: Desk) -> None:
    """Theirs: 120 000 of co-payment of 500 000, list 400 000: ours 80 000. A second invoice lists nothing again."""
    await desk.list_prices(X1=400_000)
    await desk.set(HIS)
    computed = {"THANH_TIEN_BV": "500000", "THANH_TIEN_BH": "500000", "T_BNTT": "0", "T_BNCCT": "120000",
                "T_BHTT": "380000", "T_NGUONKHAC": "0", "MUC_HUONG": "76"}  # fmt: skip

    taken = await desk.take(line(**computed))
    first = await desk.invoice(taken.id)
    listed = await desk.differences()
    again = await desk.take(line(**computed), line("X2", stt=2, price=100_000, **computed))
    second = await desk.invoice(again.id)

    assert (first.shares.patient, first.shares.insurer) == (120_000, 380_000)
    assert first.lines[0].reasons[0].rule == "B-053"
    assert listed == [
        ("DON_GIA_BV", 500_000, 400_000),
        ("DON_GIA_BH", 500_000, 400_000),
        ("THANH_TIEN_BV", 500_000, 400_000),
        ("THANH_TIEN_BH", 500_000, 400_000),
        ("T_BNCCT", 120_000, 80_000),
        ("T_BHTT", 380_000, 320_000),
    ]
    assert second.shares.patient == 120_000
    on_second = DifferenceFilter(invoice_id=second.id)
    rows = await list_differences(desk.flow.context, desk.organization_id, on_second, limit=100)
    assert {row.stt for row in rows} == {2}, "those of line 1 are listed with the first invoice"
    assert {row.vendor for row in rows} == {"HIS X"}
    of_another = DifferenceFilter(vendor="HIS Y")
    assert await list_differences(desk.flow.context, desk.organization_id, of_another, limit=100) == []
    await assert_books_are_right(desk.flow.context.database)


async def test_charge_without_price_is_taken_at_the_supplied_price_and_listed_under_his(desk: Desk) -> None:
    await desk.set(HIS)

    taken = await desk.take(line())
    invoice = await desk.invoice(taken.id)

    assert invoice.shares.patient == 100_000
    assert await desk.differences() == [("DON_GIA_BV", 500_000, None)]


@pytest.mark.parametrize("setting", [HIS, OURS, None], ids=["his", "vienphi", "unset"])
async def test_frozen_inputs_price_to_the_same_again(desk: Desk, setting: FacilityPricing | None) -> None:
    await desk.list_prices(X1=400_000)
    if setting is not None:
        await desk.set(setting)
    taken = await desk.take(line(T_BNTT="0", T_BNCCT="120000", T_BHTT="380000"))
    invoice = await desk.invoice(taken.id)

    context = desk.flow.context
    async with context.database.transaction(desk.organization_id) as tx:
        frozen = json.loads(await tx.fetchval("SELECT document FROM invoice_snapshot"))
    authority = frozen.get("pricing", {}).get("authority")
    priced = price_again(
        read_visit(frozen["visit"]),
        None if authority is None else PricingAuthority(authority),
        parameters=context.parameters,
        policy=context.policy,
    )

    assert (authority or "unset") == ("unset" if setting is None else setting.authority.value)
    assert priced.shares.patient == invoice.shares.patient


@pytest.mark.parametrize("setting", [None, OURS, HIS])
async def test_quote_states_what_the_invoice_will(desk: Desk, setting: FacilityPricing | None) -> None:
    """Listed at 400 000, supplied at 500 000; the hospital's system states 90 000 of the patient."""
    context, organization_id = desk.flow.context, desk.organization_id
    await desk.list_prices(X1=400_000)
    if setting is not None:
        await desk.set(setting)
    charge = line(T_BHTT="410000", T_BNCCT="90000", T_BNTT="0", THANH_TIEN_BV="500000", THANH_TIEN_BH="500000")

    quote = await estimate_visit(context, organization_id, visit_document(lines=[charge]))
    compared = await compare_visit_document(
        context, organization_id, visit_document(lines=[charge]), supplied=SuppliedFacts()
    )
    invoice = await desk.invoice((await desk.take(charge)).id)

    [quoted] = quote.visits
    [stated] = [route for route in compared.visits[0].routes.routes if route.code == "1.1"]
    expected = {None: 100_000, OURS: 80_000, HIS: 90_000}[setting]
    assert quoted.priced.shares.patient == invoice.shares.patient == expected
    assert [each.copay for each in quoted.priced.lines] == [each.copay for each in invoice.lines]
    assert stated.priced is not None
    assert stated.priced.shares.patient == (80_000 if setting is OURS else 100_000)


async def test_quote_names_a_price_that_is_not_in_force(desk: Desk) -> None:
    await desk.set(OURS)

    quote = await estimate_visit(desk.flow.context, desk.organization_id, visit_document(lines=[line("X2")]))

    assert quote.visits == ()
    assert [(finding.field, finding.found) for finding in quote.findings] == [("DON_GIA_BV", "X2")]
    assert "no price in force for X2 on 2026-11-02" in quote.findings[0].expected
