"""The SQL of the app role against the guards of the database; docs/database.md lists refusals and exceptions."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from billing.core.clock import business_date
from tests.conftest import DatabaseAddress
from tests.db.guards import REFUSALS
from tests.flow import PaymentFlow, assert_books_are_right

MONTH = f"{datetime.now(UTC):%Y%m}"


@pytest.fixture
def database_template(paid_template: str) -> str:
    """Each test has the paid invoice in its database."""
    return paid_template


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

    started = await flow.start_intent("LK2")
    await flow.deliver(flow.notice("T3", started.code))
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
    " covers_from, covers_until, hash, parts, sealed_at)"
    " SELECT 1, number + 1, number, hash, covers_until, '99999999', hash, '{}', now()"
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
