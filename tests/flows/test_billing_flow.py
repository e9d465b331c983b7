"""From a submitted visit to an open intent: versions, further invoices, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from billing.checkout.service.intent_targets import AmountAboveOwed, InvoiceAlreadyPaid, InvoicesTarget
from billing.checkout.service.intents import PaymentNotStarted, open_intent
from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound, NotSupported
from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Dong
from billing.coverage.domain.price import price
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.formats.worked_case_json import write_priced_visit
from billing.invoices.domain.invoice import CorrectionNeeded, NothingToInvoice
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.visit_accounts.service.record_visits import (
    NoReadableVisit,
    find_priced_visit,
    record_claim_file,
    record_visit,
)
from billing.visits.formats.visit_document import write_snapshot_visit, write_visit
from billing.visits.formats.xml130.reader import read_claim_file
from providers.emvqr import parse
from tests.builders import BANK_BIN, FACILITY_CODE, add_demo_hospital, service_line, visit_document
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.visits.formats.xml130.claim_files import block, claim_file, hoso, service, without_totals, xml1, xml3

SYSTEM = Actor.system()
EXAMPLES = Path(__file__).parents[2] / "examples"
CASES = Path(__file__).parents[1] / "cases" / "xml130"
CLAIM_FILES = sorted([*EXAMPLES.glob("*.xml"), *CASES.glob("*.xml")])


async def take(flow: PaymentFlow, **changes: object) -> VisitId:
    taken = await record_visit(flow.context, flow.hospital.organization_id, visit_document(**changes), actor=SYSTEM)
    return taken.id


@pytest.mark.parametrize("path", CLAIM_FILES, ids=lambda path: path.stem)
def test_document_reads_back_to_the_same_visit(path: Path) -> None:
    for read in read_claim_file(path.read_bytes()).visits:
        visit = read.visit
        minutes = {"admitted_at": visit.admitted_at.replace(second=0)}

        again = read_visit(write_visit(visit))

        changed = replace(visit, patient=again.patient, stated=None, **minutes)
        assert again == changed


def test_frozen_document_carries_no_number_of_a_person() -> None:
    visit = read_claim_file((EXAMPLES / "noi-tru.xml").read_bytes()).visits[0].visit

    text = str(write_snapshot_visit(visit))

    assert visit.cards[0].code[-10:] not in text
    assert visit.patient.name not in text
    assert visit.cards[0].code[:5] in text


async def test_same_visit_delivered_again_makes_no_new_version_and_another_content_does(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id

    first = await record_visit(flow.context, organization_id, visit_document(), actor=SYSTEM)
    again = await record_visit(flow.context, organization_id, visit_document(), actor=SYSTEM)
    changed = await record_visit(flow.context, organization_id, visit_document(NGAY_RA="202611021700"), actor=SYSTEM)

    assert (first.version, first.is_new_version) == (1, True)
    assert (again.id, again.version, again.is_new_version) == (first.id, 1, False)
    assert (changed.id, changed.version, changed.is_new_version) == (first.id, 2, True)


async def test_claim_file_is_kept_as_received(flow: PaymentFlow) -> None:
    content = (EXAMPLES / "ngoai-tru-dong-chi-tra.xml").read_bytes()

    taken = await record_claim_file(flow.context, flow.hospital.organization_id, content, actor=SYSTEM)

    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        row = await tx.fetchrow("SELECT content, signature FROM claim_file")
    assert row is not None
    assert bytes(row["content"]) == content
    assert len(taken.visits) == 1


async def test_file_without_a_readable_visit_is_refused_with_its_findings_and_writes_nothing(flow: PaymentFlow) -> None:
    with pytest.raises(NoReadableVisit) as caught:
        await record_claim_file(flow.context, flow.hospital.organization_id, b"<GIAMDINHHS>", actor=SYSTEM)

    assert caught.value.findings
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM visit") == 0


async def test_visit_of_a_unknown_facility_is_refused(flow: PaymentFlow) -> None:
    with pytest.raises(InvalidValue, match="99999"):
        await take(flow, facility_code="99999")


async def test_visit_that_cannot_be_priced_is_kept_and_its_invoice_refused_by_name(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    document = visit_document() | {"MA_DOITUONG_KCB": "3", "NGAY_VAO": "202412010800"}
    document["cards"] = [{"code": "DN4010000000001", "valid_from": "2024-01-01"}]

    taken = await record_visit(flow.context, organization_id, document, actor=SYSTEM)

    assert taken.priced is None
    assert [finding.code for finding in taken.findings] == ["not-supported"]
    with pytest.raises(NotSupported, match="B-040"):
        await issue_invoice(flow.context, organization_id, taken.id, actor=SYSTEM)


async def test_invoice_freezes_everything_its_price_was_made_from(flow: PaymentFlow) -> None:
    # 15,170,000 co-paid before: the first line adds 16,000 and crosses 15,180,000; a private insurer answers for half.
    organization_id = flow.hospital.organization_id
    document = visit_document(
        cards=[
            {"code": "DN4791234567890", "valid_from": "2026-01-01", "valid_to": "2026-12-31"},
            {"code": "DN4799876543210", "valid_from": "2026-06-01", "shown_at": "202611020800"},
        ],
        five_year_date="2020-01-01",
        copay_history=[{"date": "2026-09-01", "amount": "15170000"}],
        private_insurance={"covers": ["copay", "self_pay"], "coinsurance_pct": "50"},
    )
    taken = await record_visit(flow.context, organization_id, document, actor=SYSTEM)
    invoice_id = await issue_invoice(flow.context, organization_id, taken.id, actor=SYSTEM)

    async with flow.context.database.transaction(organization_id) as tx:
        text = await tx.fetchval("SELECT document FROM invoice_snapshot WHERE invoice_id = $1", invoice_id)
    frozen = read_visit(json.loads(text)["visit"])
    priced = price(frozen, parameters=flow.context.parameters, policy=flow.context.policy)

    assert taken.priced is not None
    assert taken.priced.copay == 16_000
    assert write_priced_visit("LK0001", priced) == write_priced_visit("LK0001", taken.priced)
    assert priced.reasons == taken.priced.reasons
    assert "1234567890" not in text


async def test_further_invoice_collects_only_what_came_since(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    visit_id = await take(flow)
    first = await issue_invoice(flow.context, organization_id, visit_id, actor=SYSTEM)
    more = visit_document()
    more["lines"].append(service_line(9, name="Siêu âm", group=2, price="100000"))
    await record_visit(flow.context, organization_id, more, actor=SYSTEM)

    second = await issue_invoice(flow.context, organization_id, visit_id, actor=SYSTEM)

    rows = [await find_invoice(flow.context, organization_id, invoice_id) for invoice_id in (first, second)]
    assert [row.shares.patient for row in rows] == [OWED, 20_000]  # 20 % of 100 000
    assert [row.shares.insurer for row in rows] == [464_000, 80_000]
    assert [row.number[-6:] for row in rows] == ["000001", "000002"]
    with pytest.raises(NothingToInvoice):
        await issue_invoice(flow.context, organization_id, visit_id, actor=SYSTEM)
    await assert_books_are_right(flow.context.database)


async def test_visit_that_became_cheaper_needs_a_correction_and_leaves_no_gap_in_the_numbers(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    visit_id = await take(flow)
    await issue_invoice(flow.context, organization_id, visit_id, actor=SYSTEM)
    cheaper = visit_document()
    del cheaper["lines"][2]
    await record_visit(flow.context, organization_id, cheaper, actor=SYSTEM)

    with pytest.raises(CorrectionNeeded):
        await issue_invoice(flow.context, organization_id, visit_id, actor=SYSTEM)

    other = await issue_invoice(flow.context, organization_id, await take(flow, ma_lk="LK2"), actor=SYSTEM)
    assert (await find_invoice(flow.context, organization_id, other)).number.endswith("000002")


async def test_code_collects_what_is_owed_into_the_approved_account(flow: PaymentFlow) -> None:
    started = await flow.start_intent()

    row = await flow.read(started.intent_id)
    code = parse(row.instruction.qr_payload)

    assert (code.bank_bin, code.account_number, code.amount) == (
        BANK_BIN,
        flow.hospital.settings.account_number,
        OWED,
    )
    assert code.purpose == f"{started.code} VIEN PHI"
    assert row.state == "pending"


async def test_part_may_be_collected_but_never_more_than_is_owed(flow: PaymentFlow) -> None:
    started = await flow.start_intent(amount=50_000)
    assert (await flow.read(started.intent_id)).amount == 50_000

    for amount in (0, OWED + 1):
        with pytest.raises(AmountAboveOwed):
            await flow.intent([started.invoice_id], amount=amount)


async def test_paid_invoice_opens_no_further_intent(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))

    with pytest.raises(InvoiceAlreadyPaid):
        await flow.intent([started.invoice_id])


async def test_intent_of_unknown_things_is_refused(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    organization_id = flow.hospital.organization_id
    unknown = InvoiceId(flow.context.ids.new())

    with pytest.raises(NotFound, match="no such invoice"):
        await flow.intent([unknown])
    with pytest.raises(NotFound, match="provider account"):
        await open_intent(
            flow.context,
            organization_id,
            account_name="none",
            target=InvoicesTarget((started.invoice_id,)),
            amount=None,
            actor=SYSTEM,
        )
    with pytest.raises(InvalidValue, match="different invoices"):
        await flow.intent([started.invoice_id, started.invoice_id])


async def test_database_refuses_an_entry_into_a_closed_day(flow: PaymentFlow) -> None:
    await flow.start_intent()
    organization_id = flow.hospital.organization_id
    async with flow.context.database.transaction(organization_id, posting=True) as tx:
        await tx.execute("UPDATE business_day SET state = 'closed', closed_at = now()")

    visit_id = await take(flow, ma_lk="LK2")
    with pytest.raises(Exception, match="closed"):
        await issue_invoice(flow.context, organization_id, visit_id, actor=SYSTEM)
    with pytest.raises(asyncpg.RestrictViolationError):
        async with flow.context.database.transaction(organization_id, posting=True) as tx:
            await tx.execute(
                "INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date,"
                " actor_kind) SELECT organization_id, gen_random_uuid(), kind, effective_at, recorded_at,"
                " accounting_date, actor_kind FROM journal_entry LIMIT 1"
            )


async def test_database_refuses_owing_less_than_nothing(flow: PaymentFlow) -> None:
    await flow.start_intent()

    with pytest.raises(asyncpg.CheckViolationError):
        async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
            await tx.execute("UPDATE invoice SET allocated = $1, owed = patient_share - $1", Dong(OWED + 1))


async def test_damaged_visit_of_a_claim_file_does_not_stop_the_others(flow: PaymentFlow) -> None:
    content = (CASES / "several-hoso-one-base64-damaged.xml").read_bytes()

    taken = await record_claim_file(flow.context, flow.hospital.organization_id, content, actor=SYSTEM)

    assert [visit.visit.ma_lk for visit in taken.visits] == ["LK20261102-A", "LK20261102-C"]
    assert "base64-damaged" in {finding.code for finding in taken.findings}


async def test_level_the_reader_called_rounded_is_listed_once(flow: PaymentFlow) -> None:
    """A level of 80 % written as 0.8: the reader finds it by the file's amounts, the price by ours."""
    one = xml1(without_totals(MA_THE_BHYT="DN4791234567890", MA_CSKCB=FACILITY_CODE))
    line = service(DON_GIA_BV="1000000", DON_GIA_BH="1000000", THANH_TIEN_BV="1000000", THANH_TIEN_BH="1000000")
    level = {"MUC_HUONG": "0.8", "T_BNCCT": "200000", "T_BHTT": "800000"}
    content = claim_file(hoso(block("XML1", one), block("XML3", xml3(line | level))))

    taken = await record_claim_file(flow.context, flow.hospital.organization_id, content, actor=SYSTEM)

    assert [finding.code for finding in taken.visits[0].findings] == ["level-rounded"]
    kept, _ = await find_priced_visit(flow.context, flow.hospital.organization_id, taken.visits[0].id)
    assert [finding["code"] for finding in kept.findings] == ["level-rounded"]


async def test_json_visit_is_priced_with_a_finding_on_each_doubtful_value_and_no_name_is_kept(
    flow: PaymentFlow,
) -> None:
    garbled = "Nguyễn Văn Mẫu".encode().decode("cp1252", "replace")
    document = visit_document(patient={"HO_TEN": garbled})
    document["lines"][0] |= {"T_BHTT": "40.480"}

    taken = await record_visit(flow.context, flow.hospital.organization_id, document, actor=SYSTEM)

    assert taken is not None
    assert taken.priced is not None
    kept, _ = await find_priced_visit(flow.context, flow.hospital.organization_id, taken.id)
    found = {(finding["code"], finding["field"]): finding["found"] for finding in kept.findings}
    assert found["format-differs", "T_BHTT"] == "40.480"
    assert found["text-garbled", "patient.HO_TEN"] == "…"


async def test_claim_file_of_a_unknown_facility_is_refused_with_a_finding(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="02002")
    content = (EXAMPLES / "kham-ngoai-tru.xml").read_bytes()

    with pytest.raises(NoReadableVisit) as caught:
        await record_claim_file(flow.context, other.organization_id, content, actor=SYSTEM)

    assert [(finding.code, finding.field, finding.found) for finding in caught.value.findings] == [
        ("code-unknown", "MA_CSKCB", "01001")
    ]


async def test_amount_no_code_can_carry_is_refused_by_name(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    dear = visit_document()
    dear["lines"] = [service_line(1, name="x", group=1, price="99999999999") | {"SO_LUONG": "1000", "PHAM_VI": "2"}]
    taken = await record_visit(flow.context, organization_id, dear, actor=SYSTEM)
    invoice_id = await issue_invoice(flow.context, organization_id, taken.id, actor=SYSTEM)

    with pytest.raises(PaymentNotStarted):
        await flow.intent([invoice_id])
