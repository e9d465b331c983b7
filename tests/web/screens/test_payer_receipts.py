"""Receipts of payers of guarantees on paper: who paid, for which guarantees, at which desk."""

import pytest

from billing.core.actor import Role
from tests.web.bill_day import open_charged, open_shift
from tests.web.cash_day import send
from tests.web.site import Site
from tests.web.staff import signed_in, text_of


@pytest.mark.parametrize("paper", ["80mm", "a5", "a4"])
async def test_paper_of_a_payer_names_it_and_its_guarantees(site: Site, paper: str) -> None:
    await open_shift(site.client)
    visit_id = await open_charged(site.client, "LK-BAOLANH")
    guarantee = {"payer": "Công ty <May>", "reference": "HD-2026/7", "limit": 136_000}
    made = await send(site.client, f"/v1/visits/{visit_id}/guarantees", guarantee)
    await send(site.client, f"/v1/guarantees/{made['id']}/confirm", {"amount": 136_000})
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    paid = {"payer": "Công ty <May>", "parts": [{"method": "cash", "amount": 140_000, "tendered": 200_000}]}
    receipt = await send(site.client, "/v1/guarantee-payments", paid)

    async with signed_in(site, Role.CASHIER) as cashier:
        answer = await cashier.client.get(f"/print/receipts/{receipt['id']}/{paper}")

    text = text_of(answer.text)
    assert answer.status_code == 200
    for shown in ("Công ty <May>", "HD-2026/7", "LK-BAOLANH", "136.000", "4.000", "60.000", "CƠ SỞ 01001"):
        assert shown in text, shown
    assert "<May>" not in answer.text
    assert receipt["printed"]["facility"]
