"""Checks of the role and of the server before serving: tenant isolation, append-only tables, durability.

`migrations/` defines row security, triggers and grants. Source: docs/design.md §4, Tenant isolation.
"""

from billing.core.errors import BillingError
from billing.db.database import Database
from billing.db.grants import describe_grants, find_missing_grants

_READ_ROLE = """
    SELECT current_user::text AS role,
           bool_or(r.rolsuper) AS superuser,
           bool_or(r.rolbypassrls) AS passes_row_security,
           bool_or(r.rolcreaterole) AS makes_roles,
           has_database_privilege(current_user, current_database(), 'TEMPORARY') AS makes_temporary_tables
    FROM pg_roles r
    WHERE pg_has_role(current_user, r.oid, 'MEMBER')
"""

# Membership counts even if it is not inherited: SET ROLE is enough.
_READ_OWNED_TABLES = """
    SELECT c.relname::text AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
      AND pg_has_role(current_user, c.relowner, 'MEMBER')
    ORDER BY c.relname
"""

_READ_FORBIDDEN_GRANTS = """
    SELECT c.relname::text AS name, p.privilege
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
    WHERE t.tgname = 'append_only' AND NOT c.relispartition
      AND CASE p.privilege
              WHEN 'UPDATE' THEN has_any_column_privilege(current_user, c.oid, 'UPDATE')
              ELSE has_table_privilege(current_user, c.oid, p.privilege)
          END
    ORDER BY c.relname, p.privilege
"""

# Row security and triggers that the migrations defined and that may have been disabled since.
_READ_MISSING_ROW_SECURITY = """
    SELECT c.relname::text || ' has no forced row security' AS problem
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    UNION ALL
    SELECT c.relname::text || ' has its trigger ' || t.tgname || ' disabled'
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND t.tgenabled NOT IN ('O', 'A')
    ORDER BY problem
"""

_READ_DURABILITY = """
    SELECT current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes,
           current_setting('synchronous_commit') AS synchronous_commit,
           current_setting('server_version_num')::int / 10000 AS major_version
"""


_SHOWN_MAX = 5
"""An owner's role has a reason for each table; all of them on one line would hide the first."""


class DatabaseUnsafe(BillingError):
    """The role or the server is unsafe for money; `problems` lists every reason found, the text the first few."""

    code = "database_unsafe"

    def __init__(self, problems: tuple[str, ...]) -> None:
        more = len(problems) - _SHOWN_MAX
        super().__init__("; ".join(problems[:_SHOWN_MAX]) + (f"; and {more} more" if more > 0 else ""))
        self.problems = problems


async def check_role(database: Database, *, allow_unsafe_durability: bool = False) -> None:
    """Reject a role or a server that is unsafe for money. `allow_unsafe_durability` skips durability, in tests only.

    Raises DatabaseUnsafe with every problem at once: a role that is superuser, bypasses row security, creates roles,
    owns tables, may create temporary ones or may change an append-only table, itself or through a role it is a member
    of; a role that lacks a grant of the migrations; row security or a trigger that was disabled; a server older than
    15, with fsync or full_page_writes off, or with synchronous_commit below on.
    """
    problems = await _role_problems(database) + await _server_problems(
        database, allow_unsafe_durability=allow_unsafe_durability
    )
    if problems:
        raise DatabaseUnsafe(tuple(problems))


async def _role_problems(database: Database) -> list[str]:
    async with database.system_transaction() as reader:
        role = await reader.fetchrow(_READ_ROLE)
        owned = await reader.fetch(_READ_OWNED_TABLES)
        grants = await reader.fetch(_READ_FORBIDDEN_GRANTS)
        disabled = await reader.fetch(_READ_MISSING_ROW_SECURITY)
        missing = await find_missing_grants(reader)
    assert role is not None
    name = role["role"]
    problems = []
    if role["superuser"]:
        problems.append(f"role {name} is superuser, or may become one")
    if role["passes_row_security"]:
        problems.append(f"role {name} has BYPASSRLS, or may become one that has")
    if role["makes_roles"]:
        problems.append(f"role {name} has CREATEROLE, or may become one that has")
    if role["makes_temporary_tables"]:
        problems.append(f"role {name} may create temporary tables in this database: run `vienphi migrate` as its owner")
    if owned:
        problems.append(f"role {name} owns tables, as {', '.join(row['name'] for row in owned[:3])}")
    problems += [f"role {name} may {row['privilege']} {row['name']}" for row in grants]
    problems += [row["problem"] for row in disabled]
    if missing:
        problems.append(describe_grants(name, missing))
    return problems


async def _server_problems(database: Database, *, allow_unsafe_durability: bool) -> list[str]:
    async with database.system_transaction() as reader:
        server = await reader.fetchrow(_READ_DURABILITY)
    assert server is not None
    problems = []
    if server["major_version"] < 15:
        problems.append(f"PostgreSQL {server['major_version']} is older than 15")
    if allow_unsafe_durability:
        return problems
    problems += [f"{name} is off" for name in ("fsync", "full_page_writes") if server[name] != "on"]
    if server["synchronous_commit"] not in ("on", "remote_apply"):
        problems.append(f"synchronous_commit is {server['synchronous_commit']}, below on")
    return problems
