"""The service on two cells: a key, a callback and an account are looked up where their organization is."""

import json
from collections.abc import Iterator

import asyncpg
import httpx
import pytest

from billing.app import open_service
from billing.db.context import utc_now
from billing.db.database import DatabaseLimits
from billing.web.server import serving
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.builders import DemoHospital, add_demo_hospital
from tests.conftest import DatabaseAddress, DatabaseServer

LIMITS = DatabaseLimits(connections_max=3)
NORTH = "north"


@pytest.fixture
def north(database_server: DatabaseServer, migrated_template: str) -> Iterator[DatabaseAddress]:
    address = database_server.create(migrated_template)
    yield address
    database_server.drop(address.name)


async def pay(client: httpx.AsyncClient, hospital: DemoHospital) -> httpx.Response:
    """The bank reports money that names no code."""
    now = utc_now()
    body = json.dumps(
        {
            "transaction_id": "T1",
            "bank_reference": "FT1",
            "merchant_id": hospital.settings.merchant_id,
            "account_number": hospital.settings.account_number,
            "amount": 5_000,
            "currency": "VND",
            "status": "SUCCEEDED",
            "direction": "credit",
            "content": "chuc mau khoe",
            "reference": None,
            "occurred_at": now.replace(microsecond=0).isoformat(),
            "payer": {"name": "NGUYEN VAN THU", "account": "0123456789"},
        }
    ).encode()
    signature = signature_header(hospital.settings.secret.get_secret_value().encode(), now, body)
    return await client.post(hospital.callback_path, content=body, headers={SIGNATURE_HEADER: signature})


async def test_api_callbacks_and_accounts_are_those_of_the_cell(
    database: DatabaseAddress, north: DatabaseAddress
) -> None:
    hospitals = (
        await add_demo_hospital(database.owner_url, organization=1),
        await add_demo_hospital(north.owner_url, organization=2, facility_code="01002"),
    )
    async with (
        open_service(
            database.app_url,
            cells={NORTH: north.app_url},
            database_limits=LIMITS,
            documents=None,
            secret_of=lambda _: hospitals[0].settings.secret.get_secret_value(),
        ) as service,
        serving(service.application) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        assert await service.accounts.check_all() == {}
        for hospital in hospitals:
            listed = await client.get("/v1/payments", headers=hospital.authorization)
            assert (listed.status_code, listed.json()["items"]) == (200, [])
            answer = await pay(client, hospital)
            assert answer.status_code == 200
            listed = await client.get("/v1/payments", headers=hospital.authorization)
            assert [each["amount"] for each in listed.json()["items"]] == [5_000]

    for place, organization_id in ((database, 1), (north, 2)):
        connection = await asyncpg.connect(place.superuser_url)
        assert await connection.fetch("SELECT DISTINCT organization_id FROM payment") == [(organization_id,)]
        await connection.close()
