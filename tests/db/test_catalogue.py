"""The catalogue after migration: keys, row security, grants, states. `test_statements.py` has the statements."""

import asyncpg
import pytest

from tests.db.catalogue_connections import app, connections, database, owner

__all__ = ["app", "connections", "database", "owner"]

INSTALLATION_WIDE = {
    "schema_migration",
    "organization",
    "organization_prefix",
    "bank_account_owner",
    "transaction_rebase",
    "backup_check",
}
"""The only tables whose keys do not begin with organization_id."""

JOURNAL = ("journal_entry", "posting", "reversal", "payment", "allocation", "day_closing", "seal")

_KEYS = """
    SELECT c.relname AS name, i.indexrelid::regclass::text AS key, a.attname AS first_column
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
"""

_FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text AS name, c.conname AS key, here.attname AS first_column,
        c.confrelid::regclass::text AS target, there.attname AS target_column
    FROM pg_constraint c
    JOIN pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = c.conkey[1]
    JOIN pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = c.confkey[1]
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""

_TABLES = """
    SELECT c.relname AS name, c.relrowsecurity AS has_rows_secured, c.relforcerowsecurity AS is_forced,
        c.relispartition AS is_partition,
        EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS has_policy
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""


async def test_every_key_of_a_tenant_table_begins_with_the_organization(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(_KEYS)

    wrong = [
        row["key"] for row in rows if row["name"] not in INSTALLATION_WIDE and row["first_column"] != "organization_id"
    ]

    assert len(rows) > 30
    assert wrong == []


async def test_every_foreign_key_carries_the_organization(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(_FOREIGN_KEYS)

    wrong = [
        row["key"]
        for row in rows
        if row["first_column"] != "organization_id" and row["target"] not in INSTALLATION_WIDE
    ]

    assert len(rows) > 40
    assert wrong == []


async def test_no_foreign_key_points_into_a_partition_that_may_leave(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(_FOREIGN_KEYS)

    assert [row["key"] for row in rows if row["target"].startswith(("delivery", "outbox", "audit"))] == []


async def test_rows_of_every_tenant_table_are_secured_also_from_its_owner(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(_TABLES)

    wrong = [
        row["name"]
        for row in rows
        if row["name"] != "schema_migration"
        and not (row["has_rows_secured"] and row["is_forced"] and (row["has_policy"] or row["is_partition"]))
    ]

    assert wrong == []


async def test_partitions_carry_the_append_only_trigger_and_no_default_exists(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        """
        SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound,
            EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'append_only') AS is_kept
        FROM pg_class c WHERE c.relispartition AND c.relkind = 'r'
        """
    )

    assert {row["name"].rsplit("_", 1)[0] for row in rows} == {"delivery", "delivery_body", "outbox", "audit"}
    assert [row["name"] for row in rows if row["bound"] == "DEFAULT"] == []
    assert [row["name"] for row in rows if not row["is_kept"] and not row["name"].startswith("delivery_body")] == []


async def test_every_table_that_records_an_approval_compares_two_humans(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        """
        SELECT a.attrelid::regclass::text AS name,
            EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                    WHERE t.tgrelid = a.attrelid AND p.proname = 'vienphi_two_humans') AS is_guarded
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND a.attname ~ '^(approved|decided|confirmed|closed|released)_by$'
            AND EXISTS (SELECT FROM pg_attribute b
                        WHERE b.attrelid = a.attrelid AND b.attname ~ '(proposed|drafted|requested)_by$')
        """
    )

    assert {row["name"]: row["is_guarded"] for row in rows} == {"approval": True, "hand_over": True}


@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize("act", ["UPDATE {} SET organization_id = 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_app_role_cannot_change_the_journal(app: asyncpg.Connection, table: str, act: str) -> None:
    await app.execute("SET vienphi.organization = '1'")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(act.format(table))


@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize("act", ["UPDATE {} SET organization_id = 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_not_even_the_owner_changes_the_journal(owner: asyncpg.Connection, table: str, act: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(act.format(table))


async def test_app_role_reaches_no_partition_past_its_parent(
    app: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    partitions = await owner.fetch("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")

    for row in partitions:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.fetch(f"SELECT * FROM {row['relname']}")


_FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, p.prosecdef AS is_definer, p.prosqlbody IS NOT NULL AS is_bound,
        (SELECT setting FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%') AS search_path,
        EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS granted
            WHERE granted.grantee = 0 AND granted.privilege_type = 'EXECUTE') AS is_public
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
"""


async def test_every_function_fixes_its_search_path_with_temporary_tables_last(owner: asyncpg.Connection) -> None:
    """A SQL expression that was bound at its creation looks up no name."""
    rows = await owner.fetch(_FUNCTIONS)

    wrong = [
        row["name"]
        for row in rows
        if not (row["is_bound"] and not row["is_definer"])
        and not (row["search_path"] or "").removeprefix("search_path=").endswith("pg_temp")
    ]

    assert len(rows) > 10
    assert wrong == []


async def test_function_that_runs_as_the_owner_is_not_for_everybody(owner: asyncpg.Connection) -> None:
    assert [row["name"] for row in await owner.fetch(_FUNCTIONS) if row["is_definer"] and row["is_public"]] == []


async def test_only_the_owner_creates_temporary_tables(owner: asyncpg.Connection, app: asyncpg.Connection) -> None:
    may = "SELECT has_database_privilege(current_user, current_database(), 'TEMPORARY')"

    assert await owner.fetchval(may)
    assert not await app.fetchval(may)


async def test_everybody_reads_one_table_and_writes_none(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        """
        SELECT c.relname AS name, granted.privilege_type AS privilege
        FROM pg_class c
        CROSS JOIN aclexplode(c.relacl) AS granted
        WHERE c.relnamespace = 'public'::regnamespace AND granted.grantee = 0
        """
    )

    assert [tuple(row) for row in rows] == [("schema_migration", "SELECT")]


# tgtype: 1 is FOR EACH ROW, 2 is BEFORE, 4 is INSERT, 16 is UPDATE.
_UNGUARDED = """
    SELECT c.relname AS name, event.name AS event
    FROM pg_class c
    CROSS JOIN (VALUES ('INSERT', 4), ('UPDATE', 16)) AS event (name, bit)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
            AND (a.attname = 'state' OR a.attname ~ '^(approved|decided|activated|released|closed|revoked)_(by|at)$'))
        AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
            AND t.tgname <> 'append_only' AND t.tgtype & 3 = 3 AND t.tgtype & event.bit > 0)
    ORDER BY c.relname, event.name
"""

APPEND_ONLY_DECISIONS = {"day_closing", "month_closing"}
"""Rows that are a decision from the start and never change."""


async def test_every_state_and_decision_is_guarded_at_insert_and_at_update(owner: asyncpg.Connection) -> None:
    """A new table takes `vienphi_guard_states` or `vienphi_guard_once` (0002), or a trigger of its own."""
    rows = await owner.fetch(_UNGUARDED)

    assert [tuple(row) for row in rows if row["name"] not in APPEND_ONLY_DECISIONS] == []


FIRST_STATES = {
    "approval": {"proposed"},
    "bank_trace": {"open"},
    "business_day": {"open"},
    "charge_item": {"ordered", "cleared", "started", "performed"},
    "debt": {"agreed"},
    "deposit": {"open"},
    "deposit_request": {"requested"},
    "exception_case": {"open"},
    "exemption": {"proposed"},
    "guarantee": {"requested"},
    "hand_over": {"pending"},
    "intent": {"created"},
    "invoice": {"draft", "issued"},
    "match": {"live"},
    "match_run": {"running"},
    "receipt": {"valid", "void"},
    "reconciliation_import": {"staging"},
    "refund": {"requested"},
    "shift": {"open"},
    "shift_count": {"draft"},
    "queue_ticket": {"waiting"},
    "tariff": {"draft"},
    "visit_account": {"open"},
    "webhook_delivery": {"waiting"},
    "organization_move": {"arriving", "leaving"},
}


async def test_row_of_every_table_with_a_state_begins_at_its_first_one(owner: asyncpg.Connection) -> None:
    """Each state that the CHECK of a table allows is tried; the guard answers before a missing column does."""
    await owner.execute("SET vienphi.organization = '1'")
    states = await owner.fetch(
        """
        SELECT c.conrelid::regclass::text AS name, state[1] AS state
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] AND a.attname = 'state'
        CROSS JOIN regexp_matches(pg_get_constraintdef(c.oid), '''([a-z_]+)''', 'g') AS state
        WHERE c.contype = 'c' AND c.connamespace = 'public'::regnamespace AND cardinality(c.conkey) = 1
        """
    )
    first: dict[str, set[str]] = {}

    for row in states:
        try:
            await owner.execute(f"INSERT INTO {row['name']} (organization_id, state) VALUES (1, '{row['state']}')")
        except asyncpg.NotNullViolationError:
            first.setdefault(row["name"], set()).add(row["state"])
        except asyncpg.RestrictViolationError:
            pass

    assert first == FIRST_STATES


async def test_two_persons_of_every_approval_are_compared(owner: asyncpg.Connection) -> None:
    """A table with a proposer and a decider has a CHECK over both."""
    rows = await owner.fetch(
        """
        SELECT c.relname AS name, first.attname AS proposer, second.attname AS decider
        FROM pg_class c
        JOIN pg_attribute first ON first.attrelid = c.oid AND first.attname IN ('proposed_by', 'drafted_by')
        JOIN pg_attribute second ON second.attrelid = c.oid AND second.attname IN ('approved_by', 'decided_by')
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT EXISTS (
            SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
                AND k.conkey @> ARRAY[first.attnum, second.attnum])
        """
    )

    assert [tuple(row) for row in rows] == []


async def test_transaction_ids_and_approvals_are_not_the_service_to_insert(owner: asyncpg.Connection) -> None:
    """A column of xid8 with a default, and whoever decides or when, is granted to nobody at INSERT."""
    rows = await owner.fetch(
        """
        SELECT c.relname || '.' || a.attname AS name
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND (a.atttypid = 'xid8'::regtype AND a.atthasdef
                OR a.attname ~ '^(approved|decided|activated|completed|released|revoked)_(by|at)$')
            AND has_column_privilege('vienphi_app', c.oid, a.attnum, 'INSERT')
        """
    )

    assert [row["name"] for row in rows] == []
