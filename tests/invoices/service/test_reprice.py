"""Issued invoices are computed once more: each equals itself, a draft shows who would pay more; nothing is written."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from uuid import UUID

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import InvoiceId
from billing.core.money import Dong, Shares
from billing.db.database import Database
from billing.invoices.domain.invoice_diff import InvoiceDiff, Totals
from billing.invoices.service import reprice as recomputing
from billing.invoices.service.issue import issue_invoice
from billing.invoices.service.reprice import (
    Period,
    WorkerProcesses,
    read_drafted_list,
    reprice_invoices,
)
from billing.invoices.service.reprice_batch import Draft
from billing.tariffs.domain.tariff import ListedPrice, TariffId, TariffIncomplete
from billing.tariffs.service.price_lists import PriceListTerms, import_tariff
from billing.visit_accounts.service.record_visits import record_visit
from billing.visits.formats.visit_document import content_hash
from tests.builders import FACILITY_CODE, service_line, visit_document
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.persons import actors

SYSTEM = Actor.system()
PARAMETERS = resources.files("billing.coverage.domain").joinpath("parameters.toml").read_text("utf-8")
LEVEL_OF_DIGIT_4 = '4 = "80"'


async def issue(flow: PaymentFlow, document: dict[str, object]) -> InvoiceId:
    organization_id = flow.hospital.organization_id
    taken = await record_visit(flow.context, organization_id, document, actor=SYSTEM)
    assert taken is not None
    return await issue_invoice(flow.context, organization_id, taken.id, actor=SYSTEM)


async def reprice(flow: PaymentFlow, **how: object) -> tuple[list[InvoiceDiff], Totals]:
    changes: list[InvoiceDiff] = []
    totals = Totals()
    async for recomputed in reprice_invoices(flow.context.database, **how):
        changes += recomputed.outcome.changes
        totals.add(recomputed.outcome.totals)
    return changes, totals


def two_processes(database: DatabaseAddress) -> WorkerProcesses:
    return WorkerProcesses(2, database.app_url)


async def content_of_every_table(database: DatabaseAddress) -> dict[str, tuple[int, str]]:
    """Row count and content hash of each table, read as whoever sees all rows."""
    assert database.superuser_url is not None
    connection = await asyncpg.connect(database.superuser_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {
            row["tablename"]: tuple(
                await connection.fetchrow(
                    "SELECT count(*), coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '')"
                    f" FROM {row['tablename']} AS t"
                )
            )
            for row in tables
        }
    finally:
        await connection.close()


async def damage(database: DatabaseAddress, statement: str) -> None:
    """Change what nobody may change, past triggers and row security."""
    assert database.superuser_url is not None
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute(f"SET session_replication_role = replica; {statement}")
    await connection.close()


async def two_bills_of_one_visit(flow: PaymentFlow) -> None:
    await issue(flow, visit_document())
    more = visit_document()
    more["lines"].append(service_line(9, name="Siêu âm", group=2, price="100000"))
    await issue(flow, more)


async def test_every_issued_invoice_recomputes_to_itself(flow: PaymentFlow) -> None:
    await two_bills_of_one_visit(flow)
    await issue(flow, visit_document(ma_lk="LK2"))

    changes, totals = await reprice(flow)

    assert changes == []
    assert (totals.invoices, totals.changed, totals.refused) == (3, 0, 0)
    # 600 000 twice, and 100 000 of the further invoice.
    assert totals.now == totals.issued == Shares(patient=Dong(292_000), other=Dong(0), insurer=Dong(1_008_000))


async def test_draft_of_parameters_shows_who_pays_more_by_visit_line_and_rule(flow: PaymentFlow) -> None:
    await two_bills_of_one_visit(flow)
    await issue(flow, visit_document(ma_lk="LK2") | {"cards": []})
    draft = Draft(parameters=PARAMETERS.replace(LEVEL_OF_DIGIT_4, '4 = "70"'))

    changes, totals = await reprice(flow, draft=draft)

    assert (totals.invoices, totals.changed, totals.patient_more, totals.patient_less) == (2, 1, 1, 0)
    (change,) = changes
    # 680 000 insured: 20 % and 20 000 self-pay were 156 000, 30 % are 224 000.
    assert change.issued == Shares(patient=Dong(156_000), other=Dong(0), insurer=Dong(544_000))
    assert change.now == Shares(patient=Dong(224_000), other=Dong(0), insurer=Dong(476_000))
    assert [(line.table.value, line.number) for line in change.lines] == [
        ("XML2", 1), ("XML3", 1), ("XML3", 2), ("XML3", 9),
    ]  # fmt: skip
    ultrasound = change.lines[-1]
    assert ultrasound.issued is not None
    assert ultrasound.now is not None
    assert (ultrasound.issued.fund, ultrasound.now.fund) == (Decimal(80_000), Decimal(70_000))
    assert ultrasound.rules == ultrasound.issued_rules == ("B-010",)


async def test_drafted_price_list_is_tried_on_its_facilities_and_leaves_other_items_alone(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    document = visit_document()
    document["lines"].append(service_line(9, name="Siêu âm", group=2, price="100000") | {"MA_DICH_VU": "S9"})
    await issue(flow, document)
    organization_id = flow.hospital.organization_id
    [drafter] = await actors(database, flow.context, ("prices", "Lan"))
    listed = ListedPrice(code="S9", name="x", unit="", insured=Decimal(90_000), fee=Decimal(95_000), on_demand=None)
    terms = PriceListTerms(name="x", facility_code=None, valid_from=date(2027, 1, 1))
    tariff_id = await import_tariff(flow.context, organization_id, terms, [listed], actor=drafter)

    tariff = await read_drafted_list(flow.context.database, organization_id, tariff_id)
    changes, _ = await reprice(flow, draft=Draft(tariff=tariff))
    at_other_facility, _ = await reprice(flow, draft=Draft(tariff=replace(tariff, facilities=frozenset({"79999"}))))

    assert tariff.facilities == {FACILITY_CODE}
    assert at_other_facility == []
    (change,) = changes
    (line,) = change.lines
    assert line.now is not None
    assert (line.code, line.now.fund, line.now.copay) == ("S9", Decimal(72_000), Decimal(18_000))


async def test_only_a_whole_price_list_of_the_unit_is_tried(flow: PaymentFlow, database: DatabaseAddress) -> None:
    organization_id = flow.hospital.organization_id
    [drafter] = await actors(database, flow.context, ("prices", "Lan"))
    listed = ListedPrice(code="S9", name="x", unit="", insured=Decimal(1), fee=None, on_demand=None)
    terms = PriceListTerms(name="x", facility_code=FACILITY_CODE, valid_from=date(2027, 1, 1))
    tariff_id = await import_tariff(flow.context, organization_id, terms, [listed], actor=drafter)
    await damage(database, "UPDATE tariff SET completed_at = NULL")

    with pytest.raises(TariffIncomplete):
        await read_drafted_list(flow.context.database, organization_id, tariff_id)
    with pytest.raises(NotFound):
        await read_drafted_list(flow.context.database, organization_id, TariffId(UUID(int=1)))


async def test_period_is_business_dates_of_issue_both_included(flow: PaymentFlow) -> None:
    await issue(flow, visit_document())
    today = business_date(flow.context.clock())
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)

    counted = {
        (first, last): (await reprice(flow, period=Period(first=first, last=last)))[1].invoices
        for first, last in [(today, today), (yesterday, yesterday), (tomorrow, None), (None, yesterday), (today, None)]
    }

    assert list(counted.values()) == [1, 0, 0, 0, 1]
    with pytest.raises(InvalidValue):
        Period(first=today, last=yesterday)


@pytest.mark.own_server
async def test_nothing_is_written(flow: PaymentFlow, database: DatabaseAddress) -> None:
    await two_bills_of_one_visit(flow)
    before = await content_of_every_table(database)

    await reprice(flow)
    changes, _ = await reprice(
        flow,
        draft=Draft(parameters=PARAMETERS.replace(LEVEL_OF_DIGIT_4, '4 = "70"')),
        processes=two_processes(database),
    )

    assert changes
    assert before["invoice"][0] == 2
    assert await content_of_every_table(database) == before


async def test_server_refuses_a_write_where_invoices_are_recomputed(flow: PaymentFlow) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
            await tx.execute("UPDATE invoice SET owed = owed")


@pytest.mark.own_server
async def test_invoice_that_is_reportedmething_else_is_listed_with_line_and_rule(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    await issue(flow, visit_document())
    await damage(
        database,
        "UPDATE invoice_line SET fund = fund - 1, copay = copay + 1 WHERE source_table = 'XML2';"
        "UPDATE invoice_snapshot SET code_version = '0.0.9'",
    )

    changes, totals = await reprice(flow)

    (change,) = changes
    (line,) = change.lines
    assert line.issued is not None
    assert line.now is not None
    assert (change.code_version, line.rules, totals.changed) == ("0.0.9", ("B-010",), 1)
    assert (line.issued.fund, line.now.fund) == (Decimal("63999.00"), Decimal("64000.00"))


@pytest.mark.own_server
async def test_share_of_a_further_invoice_is_the_visit_less_its_earlier_ones(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    await two_bills_of_one_visit(flow)
    await damage(
        database,
        "UPDATE invoice SET patient_share = patient_share + 1, owed = owed + 1 WHERE number LIKE '%000002'",
    )

    changes, _ = await reprice(flow)

    assert [(change.number[-6:], change.lines) for change in changes] == [("000002", ())]
    assert (changes[0].issued.patient, changes[0].now and changes[0].now.patient) == (20_001, 20_000)


@pytest.mark.own_server
async def test_inputs_that_were_touched_or_are_missing_are_reported_and_stop_no_other(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    await issue(flow, visit_document())
    await issue(flow, visit_document(ma_lk="LK2"))
    await issue(flow, visit_document(ma_lk="LK3"))
    touched = "(SELECT id FROM invoice WHERE number LIKE '%000001')"
    missing = "(SELECT id FROM invoice WHERE number LIKE '%000002')"
    await damage(
        database,
        f"UPDATE invoice_snapshot SET document = replace(document, '450000', '450001') WHERE invoice_id = {touched};"
        f"DELETE FROM invoice_snapshot WHERE invoice_id = {missing}",
    )

    changes, totals = await reprice(flow)

    assert [change.refusal and change.refusal.code for change in changes] == ["inputs_changed"] * 2
    assert (totals.invoices, totals.refused, totals.changed) == (3, 2, 0)


@pytest.mark.own_server
async def test_bill_without_a_price_under_the_running_code_names_the_rule(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    invoice_id = await issue(flow, visit_document())
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        text = await tx.fetchval("SELECT document FROM invoice_snapshot WHERE invoice_id = $1", invoice_id)
    other = text.replace('"MA_DOITUONG_KCB":"1.1"', '"MA_DOITUONG_KCB":"3.1"').replace('"2026', '"2024')
    await damage(
        database, f"UPDATE invoice_snapshot SET document = '{other}', document_hash = '\\x{content_hash(other).hex()}'"
    )

    changes, _ = await reprice(flow)

    refusal = changes[0].refusal
    assert refusal is not None
    assert (refusal.code, refusal.rule) == ("not_supported", "B-040")


async def test_spans_of_several_pages_give_every_invoice_once_and_in_order(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 8):
        await issue(flow, visit_document(ma_lk=f"LK{number}"))
    monkeypatch.setattr(recomputing, "BATCH_SIZE", 2)
    monkeypatch.setattr(recomputing, "_FOUND_AT_ONCE", 3)

    findings = [
        (each.outcome.totals.invoices, each.done, each.total) async for each in reprice_invoices(flow.context.database)
    ]

    # Pages of 3, 3 and 1, each in spans of at most 2.
    assert findings == [(2, 2, 7), (1, 3, 7), (2, 5, 7), (1, 6, 7), (1, 7, 7)]


async def test_organization_sees_its_own_invoices_alone(flow: PaymentFlow, app_database: Database) -> None:
    await issue(flow, visit_document())

    async for recomputed in reprice_invoices(app_database, organization_id=flow.hospital.organization_id):
        assert (recomputed.organization_id, recomputed.done, recomputed.total) == (flow.hospital.organization_id, 1, 1)


def test_tally_counts_a_refused_bill_in_no_sum() -> None:
    shares = Shares(patient=Dong(5), other=Dong(0), insurer=Dong(10))
    change = InvoiceDiff(number="1", ma_lk="LK", code_version="", issued=shares, now=shares)
    totals = Totals()
    for each in _three(change):
        totals.count(shares, each)

    assert (totals.invoices, totals.refused, totals.changed) == (3, 1, 1)
    assert (totals.patient_more, totals.patient_less) == (0, 1)
    assert totals.issued == Shares(patient=Dong(10), other=Dong(0), insurer=Dong(20))
    assert totals.now == Shares(patient=Dong(7), other=Dong(0), insurer=Dong(23))


def _three(change: InvoiceDiff) -> Sequence[InvoiceDiff | None]:
    less = Shares(patient=Dong(2), other=Dong(0), insurer=Dong(13))
    return None, replace(change, now=less), replace(change, now=None)
