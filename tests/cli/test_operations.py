"""Backup and restore by the commands of docs/operations.md; a missing role or grant is one line with a remedy."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from billing.db.database import Database
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress, skip_by_name
from tests.flow import PaymentFlow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
ROLES = ("vienphi_owner", "vienphi_app", "vienphi_auditor")


def blocks(heading: str) -> list[str]:
    """The shell commands that the page prints under a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def sh(script: str, server: EmbeddedPostgres, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run commands as the operator of a server; the first that fails ends them."""
    host, port = re.findall(r"host=([^&]+)&port=(\d+)", server.owner_url)[0]
    programs = server.programs.folder
    for name in ("pg_dump", "pg_dumpall", "pg_restore", "psql", "createdb"):
        if not (programs / name).exists():
            skip_by_name(name, f"it is missing among the server's programs in {programs}")
    return subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=folder,
        env={
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.defpath}",
            "LC_ALL": "C.UTF-8",
            "PGHOST": host.replace("%2F", "/"),
            "PGPORT": port,
            "PGUSER": SUPERUSER,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def execute(url: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Backup:
    """A folder with a backup by the command of the page, and what the books of the saved server showed."""

    folder: Path
    balances: str


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    folder = tmp_path_factory.mktemp("backup")
    with EmbeddedPostgres(durable=False) as old:
        called("migrate", VIENPHI_OWNER_URL=old.owner_url)
        use_up = "DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        execute(old.owner_url, use_up)
        asyncio.run(collect_money(old))
        execute(old.url(SUPERUSER), "CREATE ROLE an_auditor LOGIN PASSWORD 'x' IN ROLE vienphi_auditor")
        balances = called("ledger", "balances", "--organization", "1", VIENPHI_DATABASE_URL=old.app_url)
        [command] = blocks("Back up")
        saved = sh(command, old, folder)
    assert saved.returncode == 0, saved.stderr
    return Backup(folder, balances)


@pytest.fixture
def new() -> Iterator[EmbeddedPostgres]:
    """A new cluster, with none of our roles and without our database."""
    with EmbeddedPostgres(durable=False) as own:
        execute(own.url(SUPERUSER, "postgres"), "DROP DATABASE vienphi", *(f"DROP ROLE {role}" for role in ROLES))
        yield own


async def collect_money(server: EmbeddedPostgres) -> None:
    """A hospital with a paid bill, after so many transactions that a new cluster is far behind."""
    hospital = await add_demo_hospital(server.owner_url)
    database = await Database.open(server.app_url)
    try:
        context = build_context(database)
        account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
        assert account is not None
        flow = PaymentFlow(context, hospital, account)
        started = await flow.start_intent()
        await flow.deliver(flow.notice("T1", started.code, amount=100_000))
    finally:
        await database.close()


def test_backup_is_restored_into_a_new_cluster_by_the_commands_of_the_page(
    backup: Backup, new: EmbeddedPostgres
) -> None:
    addresses = {"VIENPHI_OWNER_URL": new.owner_url, "VIENPHI_DATABASE_URL": new.app_url}
    restore, after = blocks("Restore into a new cluster")

    restored = sh(restore, new, backup.folder)
    refused = call("ledger", "verify", **addresses)
    finished = sh(after, new, backup.folder, **addresses)

    assert {oct((backup.folder / name).stat().st_mode & 0o777) for name in ("roles.sql", "vienphi.dump")} == {"0o600"}
    assert restored.returncode == 0, restored.stderr
    assert (refused.exit_code, "vienphi ledger rebase" in refused.output) == (1, True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "rebased" in finished.stdout
    assert "the books hold" in finished.stdout
    assert called("ledger", "balances", "--organization", "1", VIENPHI_DATABASE_URL=new.app_url) == backup.balances
    execute(new.url("an_auditor"), "SELECT count(*) FROM journal_entry")


def test_restore_without_roles_is_named_in_one_line_each_step(backup: Backup, new: EmbeddedPostgres) -> None:
    addresses = {"VIENPHI_OWNER_URL": new.owner_url, "VIENPHI_DATABASE_URL": new.app_url}
    unread = (
        "createdb vienphi; pg_restore --dbname=vienphi vienphi.dump || true"  # by somebody who has not read the page
    )
    sh(unread, new, backup.folder)

    no_owner = call("migrate", **addresses)
    execute(new.url(SUPERUSER), "CREATE ROLE vienphi_owner LOGIN CREATEROLE")
    no_app = call("migrate", **addresses)
    execute(new.url(SUPERUSER), "CREATE ROLE vienphi_app LOGIN", "CREATE ROLE vienphi_auditor NOLOGIN")
    no_grants = call("ledger", "verify", **addresses)
    not_owned = call("migrate", **addresses)
    execute(new.url(SUPERUSER), _OWN_EVERYTHING)
    granted = call("migrate", **addresses)

    assert_one_line(no_owner.stderr, "create the roles")
    assert_one_line(no_app.stderr, "CREATE ROLE vienphi_app LOGIN PASSWORD '…'; CREATE ROLE vienphi_auditor NOLOGIN")
    assert_one_line(no_grants.stderr, "vienphi migrate")
    assert_one_line(not_owned.stderr, "--no-owner")
    assert (granted.exit_code, "granted again SELECT on public.invoice to vienphi_app" in granted.stdout) == (0, True)
    assert call("ledger", "verify", **addresses).exit_code == 0


_OWN_EVERYTHING = """
    DO $$
    DECLARE each record;
    BEGIN
        ALTER DATABASE vienphi OWNER TO vienphi_owner;
        FOR each IN SELECT oid::regclass AS name FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO vienphi_owner', each.name);
        END LOOP;
        FOR each IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER FUNCTION %s OWNER TO vienphi_owner', each.name);
        END LOOP;
    END $$
"""


def assert_one_line(stderr: str, expected: str) -> None:
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("revoke", "named"),
    [
        ("INSERT ON payment", "INSERT on public.payment"),
        ("SELECT ON invoice", "SELECT on public.invoice"),
        ("UPDATE (is_active) ON webhook_endpoint", "UPDATE on public.webhook_endpoint (is_active)"),
        ("EXECUTE ON FUNCTION vienphi_organizations()", "EXECUTE on public.vienphi_organizations()"),
        ("ALL ON ALL TABLES IN SCHEMA public", " more; run vienphi migrate"),
    ],
)
@pytest.mark.own_server
def test_missing_grant_is_named_in_one_line_and_given_again_by_migrate(
    database: DatabaseAddress, revoke: str, named: str
) -> None:
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}
    execute(database.owner_url, f"REVOKE {revoke} FROM vienphi_app")

    refused = call("serve", **addresses)
    granted = call("migrate", **addresses)

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, named)
    assert "vienphi migrate" in refused.stderr
    assert (granted.exit_code, "granted again" in granted.stdout) == (0, True)
    assert "granted again" not in called("migrate", **addresses)
    again = call("serve", **addresses)
    assert "lacks" not in again.stderr


@pytest.mark.own_server
def test_schema_that_may_not_be_used_is_named_and_granted_again(database: DatabaseAddress) -> None:
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}
    execute(database.owner_url, "REVOKE USAGE ON SCHEMA public FROM vienphi_app, PUBLIC")

    refused = call("serve", **addresses)
    called("migrate", **addresses)

    assert_one_line(refused.stderr, "vienphi migrate")
    assert "grants_missing" not in call("serve", **addresses).stderr


def test_set_up_makes_every_role_that_the_migrations_grant_to() -> None:
    granted = set()
    for file in (ROOT / "migrations").glob("*.sql"):
        granted |= set(re.findall(r"\bTO (vienphi_\w+(?:, *vienphi_\w+)*)", file.read_text("utf-8")))
    names = {name for each in granted for name in re.split(r", *", each)} & {*ROLES, "vienphi_auditor"}

    for text in ((ROOT / "docker" / "roles.sh").read_text("utf-8"), (ROOT / "README.md").read_text("utf-8"), PAGE):
        assert names <= set(re.findall(r"CREATE ROLE (\w+)", text))
