"""Roles and grants of the migrations: stored with the record of migrations, compared, and granted again.

A dump restored without its roles, or without its grants, produces a service that fails at its first payment. So
`schema_migration.grants` stores the grants after the last migration: `serve` reports the missing ones before it starts,
and `migrate` grants them again. `migrations/` defines the grants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from billing.core.errors import Refused
from billing.db.database import ReadTransaction

APP_ROLE = "vienphi_app"
AUDITOR_ROLE = "vienphi_auditor"

_HOW_TO_CREATE = {
    APP_ROLE: f"CREATE ROLE {APP_ROLE} LOGIN PASSWORD '…'",
    AUDITOR_ROLE: f"CREATE ROLE {AUDITOR_ROLE} NOLOGIN",
}
_NAMED_MAX = 5


class RoleMissing(Refused):
    """A role that the migrations grant rights to does not exist in this cluster."""

    code = "role_missing"


class GrantsMissing(Refused):
    """A role lacks rights that the migrations grant."""

    code = "grants_missing"


@dataclass(frozen=True, slots=True)
class MissingGrant:
    """One missing right of a role, and the statement that grants it."""

    grantee: str
    privilege: str
    object: str
    statement: str

    def __str__(self) -> str:
        return f"{self.privilege} on {self.object}"


_MISSING_ROLES = """
    SELECT wanted.name FROM unnest($1::text[]) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name)
    ORDER BY wanted.name
"""


async def require_roles(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Reject a cluster that lacks a role. Raises RoleMissing with the statements that create the roles."""
    missing = [row["name"] for row in await connection.fetch(_MISSING_ROLES, list(_HOW_TO_CREATE))]
    if missing:
        statements = "; ".join(_HOW_TO_CREATE[name] for name in missing)
        raise RoleMissing(f"this cluster has no role {', '.join(missing)}; as its superuser: {statements}")


_RECORD_EXISTS = "SELECT to_regclass('public.schema_migration') IS NOT NULL"

_RECORD = """
    UPDATE public.schema_migration SET grants = (
        SELECT jsonb_agg(to_jsonb(given)) FROM (
            SELECT role.rolname::text AS grantee, 'table' AS kind, format('public.%I', c.relname) AS object,
                '' AS part, acl.privilege_type AS privilege
            FROM pg_class AS c
            CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
            JOIN pg_roles AS role ON role.oid = acl.grantee
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
                AND NOT c.relispartition AND role.rolname = ANY ($1)
            UNION ALL
            SELECT role.rolname::text, 'column', format('public.%I', c.relname), a.attname::text, acl.privilege_type
            FROM pg_attribute AS a
            JOIN pg_class AS c ON c.oid = a.attrelid
            CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
            JOIN pg_roles AS role ON role.oid = acl.grantee
            WHERE c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped
                AND NOT c.relispartition AND role.rolname = ANY ($1)
            UNION ALL
            SELECT role.rolname::text, 'function', format('public.%I(%s)', p.proname, oidvectortypes(p.proargtypes)),
                '', acl.privilege_type
            FROM pg_proc AS p
            CROSS JOIN LATERAL aclexplode(p.proacl) AS acl
            JOIN pg_roles AS role ON role.oid = acl.grantee
            WHERE p.pronamespace = 'public'::regnamespace AND role.rolname = ANY ($1)
            UNION ALL
            SELECT role.rolname::text, 'schema', 'public', '', acl.privilege_type
            FROM pg_namespace AS n
            CROSS JOIN LATERAL aclexplode(n.nspacl) AS acl
            JOIN pg_roles AS role ON role.oid = acl.grantee
            WHERE n.nspname = 'public' AND role.rolname = ANY ($1)
        ) AS given)
    WHERE number = (SELECT max(number) FROM public.schema_migration) AND ($2 OR grants IS NULL)
"""


async def record_grants(connection: "asyncpg.Connection[asyncpg.Record]", *, is_changed: bool) -> None:
    """Store the current grants with the newest migration; stored grants are not changed unless `is_changed`."""
    await connection.execute(_RECORD, list(_HOW_TO_CREATE), is_changed)


# $1: the role whose grants are recorded; $2: the role that must have them, itself or as a member.
_MISSING = """
    SELECT given.grantee, given.privilege,
        CASE given.kind WHEN 'column' THEN format('%s (%s)', given.object, given.part) ELSE given.object END AS object,
        CASE given.kind
            WHEN 'table' THEN format('GRANT %s ON TABLE %s TO %I', privilege, object, grantee)
            WHEN 'column' THEN format('GRANT %s (%I) ON TABLE %s TO %I', privilege, part, object, grantee)
            WHEN 'function' THEN format('GRANT %s ON FUNCTION %s TO %I', privilege, object, grantee)
            ELSE format('GRANT %s ON SCHEMA %s TO %I', privilege, object, grantee)
        END AS statement
    FROM public.schema_migration AS newest
    CROSS JOIN LATERAL jsonb_to_recordset(newest.grants)
        AS given (grantee text, kind text, object text, part text, privilege text)
    WHERE newest.number = (SELECT max(number) FROM public.schema_migration WHERE grants IS NOT NULL)
        AND given.grantee = $1
        AND NOT coalesce(
            CASE given.kind
                WHEN 'table' THEN has_table_privilege($2, to_regclass(object)::oid, privilege)
                WHEN 'column' THEN has_column_privilege($2, to_regclass(object)::oid, part, privilege)
                WHEN 'function' THEN has_function_privilege($2, to_regprocedure(object)::oid, privilege)
                ELSE has_schema_privilege($2, object, privilege)
            END, false)
    ORDER BY given.kind DESC, given.object, given.part, given.privilege
"""


async def find_missing_grants(
    reader: "ReadTransaction | asyncpg.Connection[asyncpg.Record]",
) -> Sequence[MissingGrant]:
    """The grants of the app role that the connected role lacks. Raises GrantsMissing."""
    try:
        if not await reader.fetchval(_RECORD_EXISTS):
            return []
        role = await reader.fetchval("SELECT current_user::text")
        return [MissingGrant(**dict(row)) for row in await reader.fetch(_MISSING, APP_ROLE, role)]
    except asyncpg.InsufficientPrivilegeError as error:
        raise unreadable_record() from error


async def require_grants(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Check that the app role has its grants; other roles have other rights. Raises GrantsMissing."""
    if await connection.fetchval("SELECT current_user::text") != APP_ROLE:
        return
    missing = await find_missing_grants(connection)
    if missing:
        raise GrantsMissing(describe_grants(APP_ROLE, missing))


def unreadable_record() -> GrantsMissing:
    """The error for a role that may not even read the applied migrations."""
    return GrantsMissing(
        "this role may not read the schema, as after a restore without grants; run vienphi migrate, which grants again"
    )


def describe_grants(role: str, missing: Sequence[MissingGrant]) -> str:
    """One line with the first of the missing grants of a role, and the remedy."""
    more = len(missing) - _NAMED_MAX
    named = ", ".join(str(each) for each in missing[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
    return f"role {role} lacks {named}; run vienphi migrate, which grants them again"


_GRANT_RECORD = "GRANT SELECT ON public.schema_migration TO PUBLIC"


async def grant_again(connection: "asyncpg.Connection[asyncpg.Record]") -> Sequence[MissingGrant]:
    """Grant both roles, as the owner, the rights of the migrations that they lack; returns the missing rights.

    Raises GrantsMissing if the connected role may not grant.
    """
    missing = [
        MissingGrant(**dict(row)) for role in _HOW_TO_CREATE for row in await connection.fetch(_MISSING, role, role)
    ]
    try:
        async with connection.transaction():
            for each in missing:
                await connection.execute(each.statement)
            if not await connection.fetchval(
                "SELECT has_table_privilege($1, 'public.schema_migration', 'SELECT')", APP_ROLE
            ):
                await connection.execute(_GRANT_RECORD)
    except asyncpg.InsufficientPrivilegeError as error:
        raise GrantsMissing(
            f"{error}: this role does not own what it shall grant; restore with owners (without --no-owner), or connect"
            " as the owner"
        ) from error
    return missing
