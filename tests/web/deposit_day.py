"""The deposit requests of a visit over HTTP, once through every operation; the examples of the API are recorded."""

import httpx

from tests.builders import FACILITY_CODE
from tests.payments.visit_deposits import open_visit
from tests.web.site import Site


async def request_deposits(client: httpx.AsyncClient, site: Site) -> None:
    """Tick two lines, propose and request an advance, and withdraw it."""
    visit = await open_visit(site.context, "LK-TAM-UNG")
    address = f"/v1/visits/{visit.visit_id}"
    await client.post(f"{address}/deposit-requests", json={"lines": ["A", "B"]})
    await client.get(f"{address}/deposit-proposal")
    advance = (await client.post(f"{address}/deposit-requests", json={"amount": 2_000_000})).json()["id"]
    await client.get("/v1/deposit-requests")
    await client.get(f"/v1/deposit-requests/{advance}")
    await client.post(f"/v1/deposit-requests/{advance}/withdraw")
    await client.put(f"/v1/facilities/{FACILITY_CODE}/deposit-settings", json={"threshold": 500_000})
