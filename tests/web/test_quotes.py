"""Quotes and rules over HTTP."""

from tests.builders import visit_document
from tests.web.site import Site, claim_file


async def test_quote_prices_and_stores_nothing(site: Site) -> None:
    async with site.nothing_written():
        visit = await site.client.post("/v1/quotes", json=visit_document(facility_code="99999"))
        file = await site.client.post("/v1/quotes", content=claim_file(), headers={"Content-Type": "application/xml"})
        wrong = await site.client.post("/v1/quotes", json=visit_document(MA_LOAI_KCB="99"))

    price = visit.json()["visits"][0]["price"]
    assert price["shares"]["patient"] == 136_000
    drug = price["lines"][0]
    assert drug["breakdown"][2] == {
        "field": "T_BHTT",
        "formula": {"vi": "80.000 × 80 %", "en": "80.000 × 80 %"},
        "amount": "64000.00",
    }
    rules = [price["explanations"][number]["rule"] for number in (*price["rule_refs"], *drug["rule_refs"])]
    assert rules == ["B-030", "B-042", "B-020", "B-010", "B-010"]
    assert price["explanations"][1]["period"] == {"vi": "từ 01/01/2025", "en": "since 01/01/2025"}
    assert file.json()["visits"][0]["price"]["shares"]["patient"] == 561_619
    assert wrong.status_code == 422


async def test_rules_are_listed_with_source_and_period(site: Site) -> None:
    rules = {rule["id"]: rule for rule in (await site.read("/v1/rules"))["items"]}

    assert rules["B-044"]["since"] == "2025-01-01"
    assert rules["B-044"]["note"] is None
    assert "K3 is an island" in rules["B-017"]["note"]["en"]
    assert all(rule["citation"]["vi"] and rule["proof"] for rule in rules.values())
