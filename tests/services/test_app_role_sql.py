"""The SQL of the app role against the guards of the database; docs/database.md lists refusals and exceptions."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from billing.core.clock import business_date
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import seal_once
from tests.conftest import DatabaseAddress
from tests.services.flow import PaymentFlow, assert_books_are_right

MONTH = f"{datetime.now(UTC):%Y%m}"

REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.RestrictViolationError,
    asyncpg.CheckViolationError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidParameterValueError,
)


@pytest.fixture
async def app(database: DatabaseAddress, flow: PaymentFlow) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the app role in organization 1, where one invoice was paid, sealed and put into snapshots."""
    bill = await flow.bill()
    await flow.deliver(flow.notice("T1", bill.code), flow.notice("T2", "no code"))
    await seal_once(flow.context, flow.hospital.organization_id)
    await snapshot_once(flow.context, flow.hospital.organization_id)
    connection = await asyncpg.connect(database.app_url)
    await connection.execute("SET vienphi.organization = '1'")
    yield connection
    await connection.close()


@pytest.fixture
async def owner(database: DatabaseAddress, flow: PaymentFlow) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("SET vienphi.organization = '1'")
    yield connection
    await connection.close()


@pytest.fixture
async def two_persons(owner: asyncpg.Connection) -> tuple[UUID, UUID]:
    first, second = uuid4(), uuid4()
    for person, name in ((first, "Lan"), (second, "Minh")):
        await owner.execute(
            "INSERT INTO person (organization_id, id, name, roles) VALUES (1, $1, $2, '{finance}')", person, name
        )
    return first, second


async def test_app_role_creates_no_temporary_table(app: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="temporary tables"):
        await app.execute("CREATE TEMP TABLE business_day (organization_id int, day date, state text)")


async def test_temporary_tables_do_not_deceive_the_triggers(
    app: asyncpg.Connection, owner: asyncpg.Connection, database: DatabaseAddress, two_persons: tuple[UUID, UUID]
) -> None:
    """Where the right to create them was granted again: each function fixes its search path."""
    await owner.execute(f"GRANT TEMPORARY ON DATABASE {database.name} TO vienphi_app")
    await app.execute("CREATE TEMP TABLE business_day (organization_id int, day date, state text)")
    await app.execute("CREATE TEMP TABLE tariff (organization_id int, id uuid, completed_at timestamptz, state text)")
    day = business_date(datetime.now(UTC))
    await owner.execute("UPDATE business_day SET state = 'closed', closed_at = now() WHERE day = $1", day)
    tariff = uuid4()
    await owner.execute(
        "INSERT INTO public.tariff (organization_id, id, name, valid_from, state, items_expected, content_hash,"
        " drafted_by, drafted_at) VALUES (1, $1, 'x', '2026-01-01', 'draft', 1, sha256(''), $2, now())",
        tariff,
        two_persons[0],
    )
    add_item = "INSERT INTO tariff_item VALUES (1, $1, $2, 'n', 'u', 1, NULL, NULL)"
    await app.execute(add_item, tariff, "C1")
    await owner.execute("UPDATE public.tariff SET completed_at = now() WHERE id = $1", tariff)

    with pytest.raises(asyncpg.RestrictViolationError, match="closed"):
        await app.execute(
            "INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date,"
            " actor_kind) VALUES (1, gen_random_uuid(), 'payment_received', now(), now(), $1, 'system')",
            day,
        )
    with pytest.raises(asyncpg.RestrictViolationError, match="takes no further row"):
        await app.execute(add_item, tariff, "C2")


BORN = {
    "proposal approved": """INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by,
        proposed_at, decided_by, decided_at)
        SELECT 1, gen_random_uuid(), 'account_change', id, '{}', 'approved', $1, now(), $2, now()
        FROM provider_account""",
    "proposal approved without a person": """INSERT INTO approval (organization_id, id, kind, subject_id, payload,
        state, proposed_by, proposed_at)
        SELECT 1, gen_random_uuid(), 'account_change', id, '{}', 'approved', coalesce($1::uuid, $2::uuid), now()
        FROM provider_account""",
    "proposal of a price list that is not there": """INSERT INTO approval (organization_id, id, kind, subject_id,
        payload, state, proposed_by, proposed_at)
        VALUES (1, gen_random_uuid(), 'tariff', gen_random_uuid(), '{}', 'proposed', coalesce($1::uuid, $2::uuid),
        now())""",
    "price list effective": """INSERT INTO tariff (organization_id, id, name, valid_from, state, items_expected,
        content_hash, drafted_by, drafted_at, completed_at, activated_by, activated_at)
        VALUES (1, gen_random_uuid(), 'x', '2026-01-01', 'effective', 1, sha256(''), $1, now(), now(), $2, now())""",
    "price list approved": """INSERT INTO tariff (organization_id, id, name, valid_from, state, items_expected,
        content_hash, drafted_by, drafted_at, completed_at)
        VALUES (1, gen_random_uuid(), 'x', '2026-01-01', 'approved', 1, sha256(''), coalesce($1::uuid, $2::uuid),
        now(), now())""",
    "invoice discarded": """INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version,
        patient_share, other_share, insurer_share, owed)
        SELECT 1, coalesce($1::uuid, $2::uuid), visit_id, visit_version, 'X', 'discarded', 1, 1, 0, 0, 1
        FROM invoice""",
    "invoice paid": """INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version,
        patient_share, other_share, insurer_share, allocated, owed, issued_at)
        SELECT 1, coalesce($1::uuid, $2::uuid), visit_id, visit_version, 'X', 'issued', 1, 1, 0, 0, 1, 0, now()
        FROM invoice""",
    "intent succeeded": """INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state,
        version, amount, received, created_at)
        SELECT 1, coalesce($1::uuid, $2::uuid), id, '222222222', 'succeeded', 1, 5, 5, now() FROM provider_account""",
    "intent with money": """INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state,
        version, amount, received, created_at)
        SELECT 1, coalesce($1::uuid, $2::uuid), id, '222222222', 'created', 1, 5, 1, now() FROM provider_account""",
    "exception closed": """INSERT INTO exception_case (organization_id, id, reason, state, amount, opened_at, due_at)
        VALUES (1, coalesce($1::uuid, $2::uuid), 'review', 'closed', 1, now(), now())""",
    "webhook delivered": """INSERT INTO webhook_delivery (organization_id, endpoint_id, message_id, topic, payload,
        state, due_at) VALUES (1, $1, $2, 't', '{}', 'delivered', now())""",
    "hold released": """INSERT INTO payment_hold (organization_id, payment_id, other_payment_id, held_at, released_at)
        SELECT 1, min(id::text)::uuid, max(id::text)::uuid, now(), now() FROM payment WHERE $1 <> $2::uuid""",
}


@pytest.mark.parametrize("name", BORN)
async def test_row_is_not_created_beyond_its_first_state(
    app: asyncpg.Connection, owner: asyncpg.Connection, two_persons: tuple[UUID, UUID], name: str
) -> None:
    """Neither by the app role nor, where its grants were widened, by the owner."""
    for role in (app, owner):
        with pytest.raises(REFUSALS):
            await role.execute(BORN[name], *two_persons)


async def test_account_change_needs_two_persons_and_is_then_applied(
    app: asyncpg.Connection, two_persons: tuple[UUID, UUID]
) -> None:
    account = await app.fetchrow("SELECT id, settings FROM provider_account")
    change = uuid4()
    await app.execute(
        "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
        " VALUES (1, $1, 'account_change', $2, jsonb_build_object('settings', $3::jsonb, 'settings_before', $3::jsonb,"
        " 'payee', NULL, 'is_active', false), 'proposed', $4, now())",
        *(change, account["id"], account["settings"], two_persons[0]),
    )
    decide = "UPDATE approval SET state = 'approved', decided_by = $2, decided_at = now() WHERE id = $1"
    apply = "SELECT vienphi_apply_account_change($1, gen_random_uuid())"
    with pytest.raises(asyncpg.RestrictViolationError, match="two persons"):
        await app.execute(apply, change)
    with pytest.raises(asyncpg.CheckViolationError):
        await app.execute(decide, change, two_persons[0])
    async with app.transaction():
        await app.execute(decide, change, two_persons[1])
        await app.execute(apply, change)

    assert await app.fetchval("SELECT is_active FROM provider_account WHERE id = $1", account["id"]) is False
    with pytest.raises(asyncpg.RestrictViolationError, match="in this transaction"):
        await app.execute(apply, change)
    with pytest.raises(asyncpg.RestrictViolationError):
        await app.execute("UPDATE approval SET state = 'rejected' WHERE id = $1", change)


async def test_setting_is_in_force_only_with_its_approval_and_is_never_changed(
    app: asyncpg.Connection, two_persons: tuple[UUID, UUID]
) -> None:
    """A row by itself decides nothing: readers join the approved proposal, which two statements of two persons make."""
    setting = uuid4()
    await app.execute(
        "INSERT INTO facility_pricing SELECT 1, $1, id, '2026-01-01', 'vienphi', 'ordered', '' FROM facility", setting
    )
    for act in ("UPDATE facility_pricing SET vendor = 'x'", "DELETE FROM facility_pricing"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(act)
    propose = (
        "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
        " VALUES (1, gen_random_uuid(), $1, $2, '{}', 'proposed', $3, now())"
    )
    await app.execute(propose, "facility_pricing", setting, two_persons[0])
    with pytest.raises(asyncpg.UniqueViolationError, match="approval_one_proposed"):
        await app.execute(propose, "facility_pricing", setting, two_persons[1])
    await app.execute("UPDATE approval SET state = 'approved', decided_by = $1, decided_at = now()", two_persons[1])
    await app.execute(propose, "facility_pricing", setting, two_persons[0])
    with pytest.raises(asyncpg.UniqueViolationError, match="approval_one_approved"):
        await app.execute(
            "UPDATE approval SET state = 'approved', decided_by = $1, decided_at = now() WHERE state = 'proposed'",
            two_persons[1],
        )


_ADD_DAY = "INSERT INTO business_day (organization_id, day, state, opened_at) VALUES (1, {}, 'open', {})"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO business_day VALUES (1, '2099-01-01', 'closed', now(), now())",
        "INSERT INTO business_day VALUES (1, current_date - 9, 'closed', now(), now())",
        "INSERT INTO business_day (organization_id, day, state, opened_at)"
        " VALUES (1, current_date - 9, 'closed', now())",
        _ADD_DAY.format("date '2099-01-01'", "now()"),
        _ADD_DAY.format("date '2099-01-01'", "date '2099-01-02'"),
        _ADD_DAY.format("current_date + 2", "now()"),
    ],
)
async def test_day_is_not_created_closed_or_in_the_future(
    app: asyncpg.Connection, owner: asyncpg.Connection, flow: PaymentFlow, statement: str
) -> None:
    for role in (app, owner):
        with pytest.raises(REFUSALS):
            await role.execute(statement)

    bill = await flow.bill("LK2")
    await flow.deliver(flow.notice("T3", bill.code))
    await assert_books_are_right(flow.context.database)


async def test_day_before_a_closed_one_is_not_created(app: asyncpg.Connection) -> None:
    await app.execute(_ADD_DAY.format("current_date - 5", "now()"))
    await app.execute("UPDATE business_day SET state = 'closed', closed_at = now() WHERE day = current_date - 5")

    with pytest.raises(asyncpg.RestrictViolationError, match="later day is closed"):
        await app.execute(_ADD_DAY.format("current_date - 6", "now()"))
    await app.execute(_ADD_DAY.format("current_date - 4", "now()"))


async def test_future_day_is_no_fault_of_the_row_that_meets_it(app: asyncpg.Connection) -> None:
    """55000 and not an integrity violation: the clock is wrong, so the caller tries again."""
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="has not begun"):
        await app.execute(_ADD_DAY.format("current_date + 2", "now()"))


async def test_server_clock_bounds_a_new_day_where_no_test_moves_it(
    app: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    """As after `vienphi migrate`; the clocks of the other tests run ahead of the server's."""
    await owner.execute(
        "CREATE OR REPLACE FUNCTION vienphi_clock() RETURNS timestamptz LANGUAGE sql STABLE RETURN clock_timestamp()"
    )
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await app.execute(_ADD_DAY.format("current_date + 2", "now() + interval '2 days'"))


REFUSED = {
    "TRUNCATE posting": "TRUNCATE posting",
    "UPDATE posting": "UPDATE posting SET amount = 1",
    "DELETE posting": "DELETE FROM posting",
    "triggers switched off for the session": "SET session_replication_role = 'replica'",
    "triggers switched off": "ALTER TABLE posting DISABLE TRIGGER ALL",
    "partition detached": f"ALTER TABLE audit DETACH PARTITION audit_{MONTH}",
    "partition dropped": f"DROP TABLE audit_{MONTH}",
    "partition updated": f"UPDATE audit_{MONTH} SET action = 'x'",
    "partition read": f"SELECT count(*) FROM audit_{MONTH}",
    "partition written": f"INSERT INTO outbox_{MONTH} VALUES (1, gen_random_uuid(), 't', '{{}}')",
    "owner's role taken": "SET ROLE vienphi_owner",
    "function created": "CREATE FUNCTION public.x() RETURNS int LANGUAGE sql AS 'select 1'",
    "schema created": "CREATE SCHEMA pg_evil",
    "numbers rebased": "SELECT vienphi_rebase(now())",
    "row security set": "SELECT vienphi_isolate_tenant('posting')",
    "trigger set": "SELECT vienphi_append_only('posting')",
    "guard set": "SELECT vienphi_guard_states('tariff', '{effective}', '{}')",
    "grant given": "SELECT vienphi_grant_insert_except('movement_key', 'key')",
    "program run": "COPY posting TO PROGRAM 'cat'",
    "file read": "SELECT pg_read_file('/etc/passwd')",
    "transaction id chosen": "INSERT INTO posting (organization_id, entry_id, line, debit_account_id,"
    " credit_account_id, amount, transaction_id) VALUES (1, gen_random_uuid(), 1, gen_random_uuid(),"
    " gen_random_uuid(), 1, '1')",
    "snapshot updated": "UPDATE balance_snapshot SET debit = 0",
    "snapshot added": "INSERT INTO balance_snapshot SELECT 1, id, current_date, 5, 0 FROM ledger_account",
    "watermark moved": "UPDATE balance_watermark SET covers_until = '0'",
    "inline floor chosen": "INSERT INTO inline_balance (organization_id, account_id, floor)"
    " SELECT 1, id, -999 FROM ledger_account",
    "movement key changed": "UPDATE movement_key SET amount = amount",
    "movement key given to another payment": "UPDATE movement_key SET movement_id = gen_random_uuid()",
    "movement key deleted": "DELETE FROM movement_key",
    "event key changed": "UPDATE event_key SET key = key",
    "event key deleted": "DELETE FROM event_key",
    "seal of transactions to come": "INSERT INTO seal (organization_id, number, previous_number, previous_hash,"
    " covers_from, covers_until, hash, entries, postings, payments, allocations, audit_rows, closings, sealed_at)"
    " SELECT 1, number + 1, number, hash, covers_until, '99999999', hash, 0, 0, 0, 0, 0, 0, now()"
    " FROM seal ORDER BY number DESC LIMIT 1",
    "seal deleted": "DELETE FROM seal",
    "person added": "INSERT INTO person (organization_id, id, name, roles)"
    " VALUES (1, gen_random_uuid(), 'x', '{finance}')",
    "roles granted": "UPDATE person SET roles = ARRAY['administrator']",
    "key's roles changed": "UPDATE api_key SET roles = ARRAY['administrator']",
    "account activated": "UPDATE provider_account SET is_active = true",
    "bank account changed": "UPDATE bank_account SET holder = 'x'",
    "webhook sent elsewhere": "UPDATE webhook_endpoint SET url = 'http://x'",
    "ledger number changed": "UPDATE ledger_number SET number = '999'",
    "partitions of 1900": "SELECT vienphi_make_partitions('1900-01-01')",
    "partitions of 2999": "SELECT vienphi_make_partitions('2999-01-01')",
    "invoice discarded after it was issued": "UPDATE invoice SET state = 'discarded', issued_at = NULL",
    "invoice made a draft again": "UPDATE invoice SET state = 'draft', issued_at = NULL",
    "invoice's share lowered": "UPDATE invoice SET patient_share = 0",
    "intent cancelled after success": "UPDATE intent SET state = 'cancelled'",
    "intent pending after success": "UPDATE intent SET state = 'pending'",
    "intent's amount lowered": "UPDATE intent SET amount = 1",
    "exception's amount changed": "UPDATE exception_case SET amount = 0",
    "series turned back": "UPDATE series SET last_number = 0",
    "patient's row moved to another visit": "UPDATE visit_patient SET visit_id = visit_id",
    "message withdrawn": "DELETE FROM outbox",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_statement_of_the_app_role_is_refused(app: asyncpg.Connection, name: str) -> None:
    with pytest.raises(REFUSALS):
        await app.execute(REFUSED[name])


_DEAD_LETTER = """
    INSERT INTO dead_letter (organization_id, id, provider_account_id, received_at, fault, method, path_suffix,
        query, headers,
        body, source_address, notices, verified_at, verified_by)
    SELECT 1, gen_random_uuid(), id, now(), 'DataError', 'POST', 't', 'q', '[["a", "b"]]', 'b', 'a', '[]', now(),
        'sandbox'
    FROM provider_account
"""


@pytest.mark.parametrize("column", ["path_suffix", "query", "headers", "body", "source_address"])
async def test_message_of_a_waiting_dead_letter_is_kept(app: asyncpg.Connection, column: str) -> None:
    """Erased only after it was retried or closed."""
    await app.execute(_DEAD_LETTER)
    empty = f"UPDATE dead_letter SET {column} = '[]'"

    with pytest.raises(asyncpg.RestrictViolationError, match="kept until it ends"):
        await app.execute(empty)
    with pytest.raises(asyncpg.RestrictViolationError, match="kept until it ends"):
        await app.execute(f"{empty}, retried_at = now(), retried_as = id")
    await app.execute("UPDATE dead_letter SET retried_at = now(), retried_as = id")
    await app.execute(empty)


async def test_dead_letter_is_closed_by_two_persons_for_a_reason(
    app: asyncpg.Connection, two_persons: tuple[UUID, UUID]
) -> None:
    await app.execute(_DEAD_LETTER)
    propose = (
        "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
        " SELECT 1, gen_random_uuid(), 'dead_letter_closing', id, $1, 'proposed', $2, now() FROM dead_letter"
    )
    close = "UPDATE dead_letter SET closed_at = now()"

    with pytest.raises(asyncpg.CheckViolationError, match="closing_has_a_reason"):
        await app.execute(propose, "{}", two_persons[0])
    await app.execute(propose, '{"reason": "test notice of the bank"}', two_persons[0])
    with pytest.raises(asyncpg.RestrictViolationError, match="two persons"):
        await app.execute(close)
    await app.execute("UPDATE approval SET state = 'approved', decided_by = $1, decided_at = now()", two_persons[1])
    await app.execute(close)


async def test_closed_exception_is_not_opened_again(app: asyncpg.Connection) -> None:
    await app.execute("UPDATE exception_case SET state = 'closed'")

    with pytest.raises(asyncpg.RestrictViolationError):
        await app.execute("UPDATE exception_case SET state = 'open'")


ACCEPTED = {
    "large object": ("SELECT lo_create(0)", "SELECT 1"),
    "lock of the day": ("SELECT pg_advisory_lock(1, 1)", "SELECT pg_advisory_unlock(1, 1)"),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_statement_is_accepted_as_documented(app: asyncpg.Connection, name: str) -> None:
    """Rights on functions of the server itself, which only its superuser can revoke; reasons: docs/database.md."""
    for statement in ACCEPTED[name]:
        await app.execute(statement)


async def test_derived_amounts_that_the_app_role_changes_are_named_by_verification(
    app: asyncpg.Connection, flow: PaymentFlow
) -> None:
    """Accepted: the service updates these rows itself; `ledger verify` compares them with the journal."""
    await app.execute("UPDATE invoice SET allocated = 0, owed = patient_share")

    with pytest.raises(AssertionError):
        await assert_books_are_right(flow.context.database)


def test_document_lists_every_accepted_statement() -> None:
    text = (Path(__file__).parents[2] / "docs" / "database.md").read_text().lower()

    assert [name for name in ACCEPTED if name not in text] == []
