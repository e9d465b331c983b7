"""Settings of a facility and of the chart: unknown facilities and malformed values are refused by field."""

from datetime import date

import pytest

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.chart import ProposedNumber
from billing.organizations.service.desks import add_desk, list_desks
from billing.organizations.service.setup import Setup
from tests.builders import FACILITY_CODE
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow

ORGANIZATION = OrganizationId(1)


async def test_desk_has_a_name_and_a_facility(flow: PaymentFlow) -> None:
    context, system = flow.context, Actor.system()
    for code, name, field in ((FACILITY_CODE, " ", "name"), (FACILITY_CODE, "Q" * 101, "name"), ("99999", "Q1", None)):
        with pytest.raises((InvalidValue, NotFound)) as refused:
            await add_desk(context, ORGANIZATION, facility_code=code, name=name, actor=system)
        assert refused.value.field == (field or "facility_code")

    with pytest.raises(InvalidValue) as step:
        CashSetting(rounding_step=3)

    assert step.value.field == "rounding_step"
    assert await list_desks(context, ORGANIZATION) == []


async def test_phone_of_a_facility_is_that_of_its_code(flow: PaymentFlow, database: DatabaseAddress) -> None:
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=1))
    setup = Setup(owner, flow.context.clock, Ids(flow.context.clock))

    await setup.set_facility_phone(ORGANIZATION, code=FACILITY_CODE, phone="02143840001")
    with pytest.raises(NotFound, match="99999"):
        await setup.set_facility_phone(ORGANIZATION, code="99999", phone="02143840002")

    async with owner.transaction(ORGANIZATION) as tx:
        assert await tx.fetchval("SELECT phone FROM facility WHERE code = $1", FACILITY_CODE) == "02143840001"
    await owner.close()


@pytest.mark.parametrize(("changes", "field"), [({"number": "51"}, "number"), ({"name": " "}, "name")])
def test_number_of_an_account_has_digits_and_a_name(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ProposedNumber(**{"number": "5113", "name": "Doanh thu", **changes}, valid_from=date(2099, 1, 1))

    assert refused.value.field == field
