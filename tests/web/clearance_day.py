"""Clearance over HTTP, once through every operation; the examples of the API are recorded from it."""

import httpx

from billing.core.clock import business_date
from tests.builders import FACILITY_CODE
from tests.visit_accounts.open_visits import open_visit
from tests.web.site import Site


async def clear_orders_and_discharge(client: httpx.AsyncClient, site: Site) -> None:
    """A laboratory reads whether an order may be performed; a head cashier overrides a drug that is not confirmed."""
    visit = await open_visit(site.context, "LK-CLEARANCE", is_inpatient=True)
    await visit.add("DV-1", order="CLS-2611-0042", patient=136_000)
    await visit.add("TH-1", order="TOA-17", kind="drug", stage="issued")
    facility = f"/v1/facilities/{FACILITY_CODE}"
    policy = {
        "department": "K01",
        "valid_from": business_date(site.context.clock()).isoformat(),
        "term": "insured_at_end",
        "deposit_exhausted": "stop_elective",
    }
    override = {"kind": "drug_issued", "line": "TH-1", "reason": "điều dưỡng xác nhận qua điện thoại"}
    for answer in (
        await client.post(f"{facility}/clearance-policies", json=policy),
        await client.get(f"{facility}/clearance-policies"),
        await client.get(f"{facility}/orders/CLS-2611-0042/clearance"),
        await client.post(f"/v1/visits/{visit.id}/discharge-overrides", json=override),
        await client.get(f"/v1/visits/{visit.id}/discharge-clearance"),
    ):
        assert answer.is_success, answer.text
