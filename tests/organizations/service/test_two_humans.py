"""One human with two rows, keys or spellings approves nothing of their own: in the service and in the database."""

import unicodedata
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from billing.core.actor import Role
from billing.core.approvals import SecondPersonRequired
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import PersonId
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.api_keys import authenticate
from billing.organizations.service.approvals import require_second_person
from billing.organizations.service.setup import NameTaken, Setup
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow

NAME = "Nguyễn Đức Hòa"
SAME = {
    "as it is": NAME,
    "decomposed": unicodedata.normalize("NFD", NAME),
    "capitals": "NGUYỄN ĐỨC HÒA",
    "spaces": "  Nguyễn\u00a0Đức \u3000 Hòa\t",
    "zero width": "Nguyễn\u200b Đức\u2060 H\u200dòa\ufeff",
    "soft hyphen": "Nguy\u00adễn Đức Hòa",
    "right to left": "\u202eNguyễn\u202c Đức \u2066Hòa\u2069\u061c",
    "variation selector": "Nguyễn\ufe0f Đức Hòa",
    "tag": "Nguyễn\U000e0041 Đức Hòa",
    "other tone mark": "Nguyễn Đức Hoà",
    "eth": "Nguyễn Ðức Hòa",
    "full width": "\uff2eguyễn Đức Hòa",
    "cyrillic": "Nguyễn Đứ\u0441 H\u043e\u0300\u0430",
}


@pytest.fixture
async def owner(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[Database]:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=2))
    yield owner
    await owner.close()


@pytest.fixture
def setup(flow: PaymentFlow, owner: Database) -> Setup:
    return Setup(owner, flow.context.clock, Ids(flow.context.clock))


async def _add_behind_the_service(owner: Database, flow: PaymentFlow, *names: str) -> list[PersonId]:
    """Rows as they could be added before names were unique."""
    ids = [PersonId(uuid4()) for _ in names]
    async with owner.transaction(flow.hospital.organization_id) as tx:
        for number, (person_id, name) in enumerate(zip(ids, names, strict=True)):
            await tx.execute(
                "INSERT INTO person (organization_id, id, name, duplicate_of) VALUES (1, $1, $2, $3)",
                person_id,
                name,
                ids[0] if number else None,
            )
    return ids


@pytest.mark.parametrize("written", SAME.values(), ids=SAME)
async def test_name_written_in_another_way_is_the_same_person(flow: PaymentFlow, owner: Database, written: str) -> None:
    first, second = await _add_behind_the_service(owner, flow, NAME, written)

    async with owner.transaction(flow.hospital.organization_id) as tx:
        keys = await tx.fetch("SELECT DISTINCT name_key FROM person WHERE id = ANY ($1)", [first, second])
        assert await tx.fetchval("SELECT vienphi_same_human(1, $1, $2)", first, second) is True
    assert len(keys) == 1
    with pytest.raises(asyncpg.UniqueViolationError, match="person_one_of_each_name"):
        async with owner.transaction(flow.hospital.organization_id) as tx:
            await tx.execute("INSERT INTO person (organization_id, id, name) VALUES (1, $1, $2)", uuid4(), written)


@pytest.mark.parametrize(
    "other", ["Nguyễn Đức Hoa", "Nguyễn Đức Hóa", "Nguyễn Dức Hòa", "Nguyễn Đức Hòa 2", "Nguyên Đức Hòa", "Đức Hòa"]
)
async def test_other_name_is_another_person(flow: PaymentFlow, owner: Database, other: str) -> None:
    async with owner.transaction(flow.hospital.organization_id) as tx:
        for name in (NAME, other):
            await tx.execute("INSERT INTO person (organization_id, id, name) VALUES (1, $1, $2)", uuid4(), name)


@pytest.mark.parametrize("written", [each for kind, each in SAME.items() if kind != "cyrillic"])
async def test_key_for_the_name_written_in_another_way_acts_for_the_same_person(
    flow: PaymentFlow, setup: Setup, written: str
) -> None:
    organization_id = flow.hospital.organization_id
    keys = [
        await setup.add_key(organization_id, person_name=person, name=name, roles=[Role.FINANCE])
        for name, person in (("one", NAME), ("two", written))
    ]

    first, second = [(await authenticate(flow.context, key)).actor for key in keys]

    assert first.person is not None
    assert first.person == second.person
    async with flow.context.database.transaction(organization_id) as tx:
        with pytest.raises(SecondPersonRequired):
            await require_second_person(tx, first.person, second)
    with pytest.raises(InvalidValue):
        await setup.add_key(organization_id, person_name=SAME["cyrillic"], name="three")


_ADD_APPROVAL = """
    INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at, decided_by,
        decided_at)
    SELECT 1, $1, 'account_change', id, '{}', 'proposed', $2, now(), NULL, NULL FROM provider_account LIMIT 1
"""
_APPROVE = "UPDATE approval SET state = 'approved', decided_by = $2, decided_at = now() WHERE id = $1"


async def test_database_refuses_an_approval_by_the_same_human(flow: PaymentFlow, owner: Database) -> None:
    first, same = await _add_behind_the_service(owner, flow, NAME, SAME["zero width"])
    [other] = await _add_behind_the_service(owner, flow, "Trần B")
    row = uuid4()

    async with owner.transaction(flow.hospital.organization_id) as tx:
        await tx.execute(_ADD_APPROVAL, row, first)
    with pytest.raises(asyncpg.RestrictViolationError, match="second person is the first"):
        async with owner.transaction(flow.hospital.organization_id) as tx:
            await tx.execute(_APPROVE, row, same)
    with pytest.raises(asyncpg.RestrictViolationError, match="has no decided_by"):
        async with owner.transaction(flow.hospital.organization_id) as tx:
            born = _ADD_APPROVAL.replace("'proposed', $2, now(), NULL, NULL", "'approved', $2, now(), $3, now()")
            await tx.execute(born, uuid4(), first, other)

    async with owner.transaction(flow.hospital.organization_id) as tx:
        await tx.execute(_APPROVE, row, other)


async def test_second_human_of_a_name_gets_a_name_of_their_own(
    flow: PaymentFlow, owner: Database, setup: Setup
) -> None:
    organization_id = flow.hospital.organization_id
    first, second = await _add_behind_the_service(owner, flow, NAME, SAME["capitals"])

    with pytest.raises(NameTaken):
        await setup.rename_person(organization_id, second, SAME["eth"])
    with pytest.raises(NotFound):
        await setup.rename_person(organization_id, PersonId(uuid4()), "C")
    await setup.rename_person(organization_id, second, f"{NAME} (NV 0012)")

    rows = {row.id: (row.name, row.duplicate_of) for row in await setup.list_persons(organization_id)}
    assert (rows[first], rows[second]) == ((NAME, None), (f"{NAME} (NV 0012)", None))
    async with owner.transaction(organization_id) as tx:
        assert await tx.fetchval("SELECT vienphi_same_human(1, $1, $2)", first, second) is False
