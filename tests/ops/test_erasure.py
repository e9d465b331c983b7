"""Personal data leaves after its retention, and one patient's at once; the books, seals and invoices stay."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.database import Database, DatabaseLimits
from billing.db.idempotency_keys import KeyRow, add_key
from billing.invoices.service.issue import issue_invoice
from billing.invoices.service.reprice import reprice_invoices
from billing.ledger.service.seal_rows import seal_once
from billing.notifications.service.webhooks import enqueue_once
from billing.ops.approval_kinds import approve_proposal
from billing.ops.erasure import PatientNumber, detach_old_partitions, erase_once, erase_patient
from billing.ops.retention import Retention, first_id_of
from billing.payments.service.intake import Intake
from billing.payments.service.retry_dead_letters import propose_close
from billing.payments.store.dead_letters import Verified, add_dead_letter
from billing.visit_accounts.service.record_visits import find_visit, record_claim_file, record_visit
from providers.contract import Payer
from tests.builders import visit_document
from tests.closing import close_books
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, StartedIntent, assert_books_are_right, find_mismatches
from tests.persons import actors
from tests.visits.formats.xml130.claim_files import claim_file, hoso, visit_blocks

PATIENT = {
    "HO_TEN": "Nguyễn Văn Thử",
    "NGAY_SINH": "19800101",
    "GIOI_TINH": "1",
    "SO_CCCD": "001080000001",
    "MA_BN": "BN-1",
}
TABLES = ("visit_patient", "visit_document", "claim_file", "payment_origin", "delivery_body", "pay_page")
KEPT = ("visit", "visit_version", "invoice", "invoice_line", "invoice_snapshot", "payment", "allocation", "posting")


async def counts(flow: PaymentFlow, *tables: str) -> dict[str, int]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return {table: await tx.fetchval(f"SELECT count(*) FROM {table}") for table in tables or TABLES}


async def paid_intent(
    flow: PaymentFlow, ma_lk: str = "LK0001", *, patient: dict[str, str] | None = None
) -> StartedIntent:
    organization_id = flow.hospital.organization_id
    document = visit_document(ma_lk=ma_lk, patient=patient or PATIENT)
    visit = await record_visit(flow.context, organization_id, document, actor=Actor.system())
    assert visit is not None
    started = await flow.intent([await issue_invoice(flow.context, organization_id, visit.id, actor=Actor.system())])
    payer = Payer(name="NGUYEN VAN THU", account="0001", bank="970436")
    await flow.deliver(flow.notice(f"T-{ma_lk}", f"{started.code} NGUYEN VAN THU", payer=payer))
    return started


def turn(flow: PaymentFlow, **by: float) -> None:
    now = flow.context.clock() + timedelta(**by)
    flow.context.clock = lambda: now


async def assert_recomputes(flow: PaymentFlow, invoices: int) -> None:
    outcomes = [each.outcome async for each in reprice_invoices(flow.context.database)]
    assert sum(outcome.totals.invoices for outcome in outcomes) == invoices
    assert all(not outcome.changes for outcome in outcomes)


async def test_payers_and_raw_messages_leave_after_their_days_and_the_books_stay(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    await paid_intent(flow)
    await seal_once(flow.context, organization_id)
    before = await counts(flow, *KEPT)

    turn(flow, days=399)
    early = await erase_once(flow.context, organization_id, Retention(idempotency_days=1000))
    kept_early = await counts(flow, "payment_origin", "delivery_body")
    turn(flow, days=2)
    late = await erase_once(flow.context, organization_id, Retention(idempotency_days=1000))

    assert (early, kept_early, late) == (0, {"payment_origin": 1, "delivery_body": 1}, 2)
    assert await counts(flow, "payment_origin", "delivery_body") == {"payment_origin": 0, "delivery_body": 0}
    assert await counts(flow, *KEPT) == before
    await assert_books_are_right(flow.context.database)
    await assert_recomputes(flow, 1)


async def test_each_retention_is_its_own(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    await paid_intent(flow)
    turn(flow, days=3)

    await erase_once(flow.context, organization_id, Retention(body_days=2))

    assert await counts(flow, "payment_origin", "delivery_body") == {"payment_origin": 1, "delivery_body": 0}


async def test_payer_and_message_of_an_open_exception_stay_until_it_is_closed(
    flow: PaymentFlow, owner: Database
) -> None:
    organization_id = flow.hospital.organization_id
    payer = Payer(name="NGUYEN VAN THU", account="0001", bank="970436")
    await flow.deliver(flow.notice("T1", "no code at all", payer=payer))
    turn(flow, days=500)

    await erase_once(flow.context, organization_id, Retention())
    held = await counts(flow, "payment_origin")
    async with owner.transaction(organization_id) as tx:
        await tx.execute("UPDATE exception_case SET state = 'closed'")
    await erase_once(flow.context, organization_id, Retention())

    assert (held, await counts(flow, "payment_origin")) == ({"payment_origin": 1}, {"payment_origin": 0})


async def test_idempotency_keys_leave_after_their_days(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    async with flow.context.database.transaction(organization_id) as tx:
        for number, days in enumerate((29, 31)):
            await add_key(
                tx,
                KeyRow(bytes(32), is_new=True, subjects=(flow.context.ids.new(),)),
                caller="his",
                route="r",
                key=str(number),
                recorded_at=flow.context.clock() - timedelta(days=days),
            )

    assert await erase_once(flow.context, organization_id, Retention()) == 1
    async with flow.context.database.transaction(organization_id) as tx:
        assert [row["key"] for row in await tx.fetch("SELECT key FROM idempotency_key")] == ["0"]


async def test_documents_leave_ten_years_after_their_closed_year(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    await paid_intent(flow)
    await record_claim_file(flow.context, organization_id, claim_file(), actor=Actor.system())
    today = business_date(flow.context.clock())
    before = await counts(flow, *KEPT)

    turn(flow, days=1)
    await close_books(flow.context, organization_id, today, actor=Actor.system())
    last_day = datetime(today.year + 11, 1, 1, tzinfo=UTC) - timedelta(days=1)
    flow.context.clock = lambda: last_day
    await erase_once(flow.context, organization_id, Retention())
    kept = await counts(flow, "visit_patient", "visit_document", "claim_file")
    turn(flow, days=2)
    await erase_once(flow.context, organization_id, Retention())

    assert kept == {"visit_patient": 2, "visit_document": 2, "claim_file": 1}
    assert await counts(flow, "visit_patient", "visit_document", "claim_file") == dict.fromkeys(kept, 0)
    assert await counts(flow, *KEPT) == before
    await assert_books_are_right(flow.context.database)
    await assert_recomputes(flow, 1)


async def test_documents_of_a_year_with_an_open_day_stay(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    await paid_intent(flow)
    turn(flow, days=12 * 366)

    await erase_once(flow.context, organization_id, Retention())

    assert (await counts(flow, "visit_document"))["visit_document"] == 1


def test_documents_are_kept_ten_years_at_least() -> None:
    with pytest.raises(InvalidValue):
        Retention(document_years=9)
    with pytest.raises(InvalidValue):
        Retention(body_days=0)


@pytest.fixture
async def owner(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[Database]:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=2))
    yield owner
    await owner.close()


@pytest.fixture
async def admin(flow: PaymentFlow, database: DatabaseAddress) -> Actor:
    [admin] = await actors(database, flow.context, ("desk-admin", "Quản trị"))
    return admin


async def audits(flow: PaymentFlow) -> list[Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return await tx.fetch("SELECT acting_for, subject_kind FROM audit WHERE action = 'patient_erased'")


@pytest.mark.parametrize(("by", "number"), [("citizen_number", "001080000001"), ("hospital_number", " BN-1 ")])
async def test_one_patient_is_erased_and_nobody_else(flow: PaymentFlow, admin: Actor, by: str, number: str) -> None:
    organization_id = flow.hospital.organization_id
    started = await paid_intent(flow, "LK1")
    await paid_intent(flow, "LK2")
    await paid_intent(flow, "LK3", patient={**PATIENT, "HO_TEN": "Trần B", "SO_CCCD": "002", "MA_BN": "BN-2"})
    await seal_once(flow.context, organization_id)
    before = await counts(flow, *KEPT)

    erased = await erase_patient(flow.context, organization_id, PatientNumber(by, number), actor=admin, is_trial=False)

    assert erased.visits == 2
    assert await counts(flow) == {
        **dict.fromkeys(TABLES, 1),
        "claim_file": 0,
    }
    assert await counts(flow, *KEPT) == before
    assert [(row["acting_for"], row["subject_kind"]) for row in await audits(flow)] == [(admin.person, "visit")] * 2
    await seal_once(flow.context, organization_id)
    await assert_books_are_right(flow.context.database)
    await assert_recomputes(flow, 3)
    assert (await flow.read(started.intent_id)).instruction is None
    with pytest.raises(NotFound):
        await erase_patient(flow.context, organization_id, PatientNumber(by, number), actor=admin, is_trial=False)


async def test_trial_counts_the_same_and_erases_nothing(flow: PaymentFlow, admin: Actor) -> None:
    organization_id = flow.hospital.organization_id
    await paid_intent(flow)
    before = await counts(flow, *TABLES, *KEPT, "audit")
    patient = PatientNumber("ma_lk", "LK0001")

    trial = await erase_patient(flow.context, organization_id, patient, actor=admin, is_trial=True)

    assert await counts(flow, *TABLES, *KEPT, "audit") == before
    assert trial == await erase_patient(flow.context, organization_id, patient, actor=admin, is_trial=False)


async def test_message_that_came_twice_is_erased_both_times(flow: PaymentFlow, admin: Actor) -> None:
    started, other = await flow.start_intent("LK1"), await flow.start_intent("LK2")
    async with Intake(flow.context) as intake:
        for transaction, code in (("T1", started.code), ("T1", started.code), ("T2", other.code)):
            delivery = flow.delivery(flow.notice(transaction, code))
            body = f'{{"text": "{code} NGUYEN VAN THU"}}'.encode()
            await intake.submit(replace(delivery, callback=replace(delivery.callback, body=body)))

    erased = await erase_patient(
        flow.context, flow.hospital.organization_id, PatientNumber("ma_lk", "LK1"), actor=admin, is_trial=False
    )

    assert erased.rows["delivery_body"] == 2
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        [row] = await tx.fetch("SELECT body FROM delivery_body")
    assert other.code.encode() in bytes(row["body"])


@pytest.mark.parametrize("number", ["", " ", "\t"])
async def test_patient_without_a_number_is_nobody(number: str) -> None:
    with pytest.raises(InvalidValue):
        PatientNumber("citizen_number", number)


async def test_erasing_takes_a_person_and_stays_in_its_organization(
    flow: PaymentFlow, admin: Actor, database: DatabaseAddress
) -> None:
    await paid_intent(flow)
    patient = PatientNumber("hospital_number", "BN-1")

    with pytest.raises(PersonNeeded):
        await erase_patient(flow.context, flow.hospital.organization_id, patient, actor=Actor.system(), is_trial=False)
    with pytest.raises(NotFound):
        await erase_patient(flow.context, OrganizationId(2), patient, actor=admin, is_trial=False)
    assert (await counts(flow, "visit_patient"))["visit_patient"] == 1


async def test_file_that_others_came_in_keeps_their_visits_alone(flow: PaymentFlow, admin: Actor) -> None:
    organization_id = flow.hospital.organization_id
    file = claim_file(*(hoso(*visit_blocks(f"LK-{number}")) for number in range(3)))
    await record_claim_file(flow.context, organization_id, file, actor=Actor.system())

    erased = await erase_patient(
        flow.context, organization_id, PatientNumber("ma_lk", "LK-1"), actor=admin, is_trial=False
    )

    async with flow.context.database.transaction(organization_id) as tx:
        [row] = await tx.fetch("SELECT content, signature FROM claim_file")
    assert (erased.rows["claim_file"], erased.rows["claim_file_of_others"]) == (1, 0)
    kept = hoso(*visit_blocks("LK-0")) + hoso(*visit_blocks("LK-2"))
    assert kept.encode() in bytes(row["content"])
    assert hoso(*visit_blocks("LK-1")).encode() not in bytes(row["content"])


async def test_erased_visit_is_reported_where_its_document_is_wanted(flow: PaymentFlow, admin: Actor) -> None:
    organization_id = flow.hospital.organization_id
    visit = await record_visit(flow.context, organization_id, visit_document(patient=PATIENT), actor=Actor.system())
    assert visit is not None
    await erase_patient(
        flow.context, organization_id, PatientNumber("hospital_number", "BN-1"), actor=admin, is_trial=False
    )

    assert (await find_visit(flow.context, organization_id, visit.id)).document is None
    with pytest.raises(Exception, match="erased"):
        await issue_invoice(flow.context, organization_id, visit.id, actor=Actor.system())


async def partitions(owner: Database) -> set[str]:
    async with owner.system_transaction() as reader:
        return {row["name"] for row in await reader.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits")}


async def test_partitions_past_their_retention_are_detached_and_needed_ones_stay(
    flow: PaymentFlow, owner: Database
) -> None:
    organization_id = flow.hospital.organization_id
    now = flow.context.clock()
    months = [(now - timedelta(days=days)).strftime("%Y%m") for days in (390, 350)]
    async with owner.system_transaction(writing=True) as reader:
        await reader.fetchval("SELECT vienphi_make_partitions(to_date($1, 'YYYYMM'))", months[0])
    async with owner.transaction(organization_id) as tx:
        for row, table in (
            ("(organization_id, id, topic, payload) VALUES (1, $1, 'x', '{}')", "outbox"),
            (
                "(organization_id, id, method, path_suffix, query, headers, body, source_address)"
                " VALUES (1, $1, 'POST', '', '', '{}', 'x', '')",
                "delivery_body",
            ),
        ):
            day = datetime.strptime(months[0], "%Y%m").replace(tzinfo=UTC) + timedelta(days=3)
            await tx.execute(f"INSERT INTO {table} {row}", first_id_of(day))
    retention = Retention(body_days=300)

    first = await detach_old_partitions(owner, retention, now=now, drops=False)
    left = await partitions(owner)
    await enqueue_once(flow.context, organization_id)
    await erase_once(flow.context, organization_id, retention)
    second = await detach_old_partitions(owner, retention, now=now, drops=True)

    needed = {f"outbox_{months[0]}", f"delivery_body_{months[0]}"}
    free = {f"outbox_{months[1]}", f"delivery_body_{months[1]}"}
    assert free <= {*first["outbox"], *first["delivery_body"]}
    assert (needed & left, free & left) == (needed, set())
    assert (set(second["outbox"]), set(second["delivery_body"])) == (
        {f"outbox_{months[0]}"},
        {f"delivery_body_{months[0]}"},
    )
    assert first["delivery"] == second["delivery"] == []
    assert f"audit_{months[0]}" in await partitions(owner)
    async with owner.system_transaction(writing=True) as reader:
        assert await reader.fetchval(f"SELECT count(*) FROM delivery_body_{months[1]}") == 0
        assert await reader.fetchval("SELECT to_regclass($1)", f"outbox_{months[0]}") is None
    await paid_intent(flow)


async def test_audit_never_leaves(owner: Database) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        async with owner.system_transaction(writing=True) as reader:
            await reader.fetch("SELECT vienphi_detach_partitions('audit', '2100-01-01', false)")


async def test_dead_letter_is_emptied_once_it_has_ended_and_kept_whole_while_it_waits(
    flow: PaymentFlow, admin: Actor, database: DatabaseAddress
) -> None:
    organization_id = flow.hospital.organization_id
    [other] = await actors(database, flow.context, ("desk-two", "Người thứ hai"))
    delivery = flow.delivery(flow.notice("T1", "K7ABCDEFR NGUYEN VAN THU"))
    async with flow.context.database.transaction(organization_id) as tx:
        await add_dead_letter(
            tx,
            delivery.id,
            delivery.account.id,
            replace(delivery.callback, body=b"NGUYEN VAN THU"),
            kept_headers={"x-test"},
            fault="22021",
            verified=Verified(notices=b'["NGUYEN VAN THU"]', at=flow.context.clock(), by="callback"),
        )
    turn(flow, days=401)

    waiting = await erase_once(flow.context, organization_id, Retention())
    approval_id = await propose_close(flow.context, organization_id, delivery.id, reason="not ours", actor=admin)
    await approve_proposal(flow.context, organization_id, approval_id, actor=other)
    await seal_once(flow.context, organization_id)
    ended = await erase_once(flow.context, organization_id, Retention())
    again = await erase_once(flow.context, organization_id, Retention())

    async with flow.context.database.transaction(organization_id) as tx:
        [row] = await tx.fetch("SELECT body, notices, headers, source_address FROM dead_letter")
        reason = await tx.fetchval("SELECT payload ->> 'reason' FROM approval")
    assert (waiting, ended, again) == (0, 1, 0)
    assert (bytes(row["body"]), bytes(row["notices"]), row["source_address"]) == (b"", b"", "")
    assert reason == "not ours"
    await seal_once(flow.context, organization_id)
    mismatches = await find_mismatches(flow.context.database)
    assert not {name for name in mismatches if "seal" in name}, mismatches
