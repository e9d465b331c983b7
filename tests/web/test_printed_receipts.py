"""What a receipt stores for its paper when it is issued, and that later prints do not change with the data."""

import httpx

from billing.core.actor import Role
from tests.builders import visit_document
from tests.web.bill_day import open_charged, open_shift
from tests.web.cash_day import send
from tests.web.site import Site, key_of

SHARES = [
    {"order": "", "count": 2, "cost_groups": ["1", "13"], "hospital": 500_000, "insurer": 400_000, "patient": 100_000}
]


async def cashier_of(site: Site) -> httpx.AsyncClient:
    keys = await key_of(site, Role.CASHIER)
    return httpx.AsyncClient(base_url=site.address, headers=keys, timeout=20, event_hooks=site.client.event_hooks)


async def test_receipt_stores_names_place_and_slips_when_it_is_issued(site: Site) -> None:
    visit_id = await open_charged(site.client, "LK-PHIEU")
    async with await cashier_of(site) as cashier:
        await open_shift(site.client)
        request = await send(site.client, f"/v1/visits/{visit_id}/deposit-requests", {"lines": ["XML3-1", "XML3-2"]})
        body = {"deposit_request_id": request["id"], "parts": [{"method": "cash", "amount": 100_000}]}

        receipt = await send(site.client, f"/v1/visits/{visit_id}/collections", body)

        header = {**visit_document(ma_lk="LK-PHIEU", patient={"HO_TEN": "Tên Mới", "NGAY_SINH": "19900101"})}
        del header["lines"], header["MA_LK"], header["MA_CSKCB"]
        await send(site.client, "/v1/facilities/01001/visits/LK-PHIEU", {**header, "version": 2}, method="PUT")
        again = (await cashier.get(f"/v1/receipts/{receipt['id']}")).json()

    printed = again["printed"]
    assert printed == receipt["printed"]
    assert (printed["patient"], printed["birth_year"], printed["sex"]) == ("Nguyễn Văn Thử", "1980", "1")
    assert (printed["card"], printed["desk"], printed["ma_lk"]) == ("DN 4 79 •••••• 7890", "Quầy ra viện", "LK-PHIEU")
    assert printed["cashier"]
    assert [{key: slip[key] for key in SHARES[0]} for slip in printed["slips"]] == SHARES
