"""Every statement of the code against the catalogue: it prepares, and the role that runs it may."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

import billing
from billing.ledger.store.checks import CHECKS
from tests.db.catalogue_connections import app, connections, database, owner

__all__ = ["app", "connections", "database", "owner"]


def _statements() -> Iterator[tuple[str, str]]:
    """Every SQL constant of the packages, by module and name, and the statements of the checks."""
    for module_info in pkgutil.walk_packages(billing.__path__, "billing."):
        if module_info.name == "billing.__main__":
            continue
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            words = value.split() if isinstance(value, str) and name.startswith("_") and name.isupper() else []
            if words and words[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}:
                yield f"{module_info.name.removeprefix('billing.')}.{name}", value
    for check in CHECKS:
        yield f"checks.{check.name}", check.query


_OWNERS_STATEMENTS = {
    "db.move_clearing._BEGIN",
    "db.move_clearing._END",
    "db.move_states._ADD",
    "db.move_states._CHANGE",
    "organizations.store.organizations._ADD_ORGANIZATION",
    "organizations.store.organizations._ADD_PREFIX",
    "organizations.store.organizations._ADD_FACILITY",
    "organizations.store.organizations._ADD_TERMS",
    "organizations.store.organizations._SET_FACILITY_PHONE",
    "claims.store.claim_facts._ADD_ANNEXES",
    "claims.store.claim_facts._SET_TERMS",
    "organizations.store.organizations._CLAIM_BANK_ACCOUNT",
    "organizations.store.organizations._ADD_BANK_ACCOUNT",
    "organizations.store.organizations._ADD_PROVIDER_ACCOUNT",
    "organizations.store.api_keys._ADD_PERSON",
    "organizations.store.api_keys._ADD_KEY",
    "organizations.store.api_keys._GRANT_ROLES",
    "organizations.store.api_keys._RENAME_PERSON",
    "organizations.store.sign_in_accounts._ADD",
    "db.partitions._DETACH_PARTITIONS",
    "db.migrator._ADD_RECORD",
    "db.transaction_ids._REBASE",
    "notifications.store.webhooks._ADD_ENDPOINT",
    "notifications.store.webhooks._REMOVE_ENDPOINT",
    "payments.store.exceptions._SET_TERMS",
    "db.grants._RECORD",
}
"""Setting an organization up takes the owner; the app role is refused these."""


@asynccontextmanager
async def prepared_as_tried(role: asyncpg.Connection, statement: str) -> AsyncIterator[None]:
    await role.execute(f"PREPARE tried AS {statement}")
    try:
        yield
    finally:
        await role.execute("DEALLOCATE tried")


@pytest.mark.parametrize(("name", "statement"), list(_statements()), ids=[name for name, _ in _statements()])
async def test_statement_prepares_and_the_role_that_runs_it_may(
    app: asyncpg.Connection, owner: asyncpg.Connection, name: str, statement: str
) -> None:
    """EXPLAIN of a prepared statement checks syntax, columns and types at PREPARE and the grants at its start."""
    role = owner if name in _OWNERS_STATEMENTS else app
    await role.execute("SET plan_cache_mode = force_generic_plan")
    prepared = await role.prepare(statement)
    nulls = ", ".join(["NULL"] * len(prepared.get_parameters()))

    async with prepared_as_tried(role, statement):
        await role.fetch(f"EXPLAIN EXECUTE tried({nulls})" if nulls else "EXPLAIN EXECUTE tried")
    if name in _OWNERS_STATEMENTS:
        async with prepared_as_tried(app, statement):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.fetch(f"EXPLAIN EXECUTE tried({nulls})")
