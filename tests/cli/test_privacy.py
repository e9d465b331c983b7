"""A patient is erased and persons are renamed by commands: with a trial, an audit, and refusals in one line."""

import asyncio
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import add_demo_hospital, build_context, visit_document
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress


@pytest.fixture
def given(database: DatabaseAddress) -> dict[str, str]:
    """The environment of an administrator of a hospital with one visit."""

    async def set_up() -> None:
        await add_demo_hospital(database.owner_url)
        app = await Database.open(database.app_url)
        patient = {"HO_TEN": "Nguyễn Văn Thử", "NGAY_SINH": "19800101", "GIOI_TINH": "1", "SO_CCCD": "001080000001"}
        await record_visit(build_context(app), OrganizationId(1), visit_document(patient=patient), actor=Actor.system())
        await app.close()

    asyncio.run(set_up())
    owner = {"VIENPHI_OWNER_URL": database.owner_url}
    keys = {
        role: called("key", "add", "--organization", "1", "--name", role, "--person", role, "--role", role, **owner)
        for role in ("administrator", "finance")
    }
    url = {"VIENPHI_DATABASE_URL": database.app_url}
    return {**owner, **url, "VIENPHI_KEY": keys["administrator"].strip(), "FINANCE": keys["finance"].strip()}


def rows(given: dict[str, str], statement: str) -> Any:
    async def read() -> Any:
        connection = await asyncpg.connect(given["VIENPHI_OWNER_URL"])
        await connection.execute("SET vienphi.organization = '1'")
        found = await connection.fetchval(statement)
        await connection.close()
        return found

    return asyncio.run(read())


def test_patient_is_counted_then_erased_and_the_audit_names_the_person(given: dict[str, str]) -> None:
    erase = ("privacy", "erase", "--citizen-number", "001080000001")

    trial = called(*erase, "--dry-run", **given)
    kept = rows(given, "SELECT count(*) FROM visit_patient")
    erased = called(*erase, **given)
    again = call(*erase, **given)

    assert (trial.splitlines()[0], kept) == ("would erase the personal data of 1 visits", 1)
    assert erased.splitlines()[0] == "erased the personal data of 1 visits"
    assert rows(given, "SELECT count(*) FROM visit_patient") == 0
    assert (again.exit_code, "not_found" in again.stderr) == (1, True)
    acting = "SELECT person.name FROM audit JOIN person ON person.id = acting_for WHERE action = 'patient_erased'"
    assert rows(given, acting) == "administrator"
    assert called("ledger", "verify", **given)


@pytest.mark.parametrize(
    "options", [(), ("--citizen-number", ""), ("--citizen-number", "1", "--ma-lk", "2"), ("--ma-lk", "unknown")]
)
def test_erasing_of_nobody_is_refused(given: dict[str, str], options: tuple[str, ...]) -> None:
    refused = call("privacy", "erase", *options, **given)

    assert (refused.exit_code, refused.stderr.startswith("Error: ")) == (1, True)
    assert rows(given, "SELECT count(*) FROM visit_patient") == 1


def test_erasing_takes_an_administrator(given: dict[str, str]) -> None:
    refused = call("privacy", "erase", "--ma-lk", "LK0001", **{**given, "VIENPHI_KEY": given["FINANCE"]})

    assert (refused.exit_code, "not_permitted" in refused.stderr) == (1, True)
    assert rows(given, "SELECT count(*) FROM visit_patient") == 1


def test_partitions_are_detached_by_the_owner(given: dict[str, str]) -> None:
    assert called("privacy", "detach-partitions", **given).splitlines()[-1].endswith("partitions detached")


def test_persons_are_listed_and_renamed_to_names_of_their_own(given: dict[str, str]) -> None:
    listed = called("person", "list", "--organization", "1", **given)
    person = next(line.split()[0] for line in listed.splitlines() if "finance" in line)

    taken = call("person", "rename", "--organization", "1", person, "ADMINISTRATOR\u200b", **given)
    renamed = called("person", "rename", "--organization", "1", person, "Kế toán  trưởng", **given)

    assert (taken.exit_code, "name_taken" in taken.stderr) == (1, True)
    assert "renamed" in renamed
    assert "Kế toán trưởng" in called("person", "list", "--organization", "1", **given)


@pytest.mark.parametrize(
    ("name", "value"), [("DOCUMENT_YEARS", "9"), ("BODY_DAYS", "0"), ("PAYER_DAYS", "true"), ("IDEMPOTENCY_DAYS", "-1")]
)
def test_retention_that_is_too_short_is_no_setting(given: dict[str, str], name: str, value: str) -> None:
    refused = call("privacy", "detach-partitions", **given, **{f"VIENPHI_RETENTION__{name}": value})

    assert (refused.exit_code, f"retention.{name.lower()}" in refused.stderr) == (1, True)
