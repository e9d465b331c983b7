"""The claim file of a visit whose invoice was corrected: lines and sums are those of the corrected price."""

from decimal import Decimal

import pytest

from billing.visits.formats.xml130 import read_claim_file
from tests.builders import FACILITY_CODE
from tests.claims.formats.test_xml130_writer import only_row, rows
from tests.web.bill_day import collect, open_charged, open_shift
from tests.web.cash_day import send
from tests.web.site import Site, problem

_REOPENING = {"reason": "xét nghiệm nhập nhầm"}
_REFUND = {"reason": "nhập nhầm", "room_confirmation": "Phòng XN: KTV Lan"}


@pytest.fixture
async def visit_id(site: Site) -> str:
    """A closed visit with four lines, of which one was cancelled after the final bill."""
    await open_shift(site.client)
    visit_id = await open_charged(site.client, "LK-0001")
    await collect(site.client, visit_id, 136_000)
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    await send(site.client, f"/v1/visits/{visit_id}/reopen", _REOPENING)
    await send(site.client, f"/v1/visits/{visit_id}/charges/XML3-2/refund", _REFUND)
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    return visit_id


async def test_claim_of_a_corrected_invoice_has_the_corrected_lines_and_sums(site: Site, visit_id: str) -> None:
    bill = await site.read(f"/v1/visits/{visit_id}/final-bill")
    [invoice_id] = {one["invoice_id"] for one in bill["corrections"]}

    answer = await site.client.get(f"/v1/invoices/{invoice_id}/claim.xml")

    assert answer.status_code == 200, answer.text
    assert [row["STT"] for row in rows(answer.content, "XML3")] == ["1", "3"]
    summary = only_row(answer.content, "XML1")
    lines = [*rows(answer.content, "XML2"), *rows(answer.content, "XML3")]
    assert Decimal(summary["T_TONGCHI_BV"]) == sum(Decimal(row["THANH_TIEN_BV"]) for row in lines)
    assert Decimal(summary["T_BHTT"]) == sum(Decimal(row["T_BHTT"]) for row in lines)
    assert Decimal(summary["T_TONGCHI_BV"]) == bill["shares"]["total"]
    assert Decimal(summary["T_BHTT"]) == bill["shares"]["insurer"]
    assert read_claim_file(answer.content).findings == ()


async def test_claim_that_would_differ_from_what_was_billed_is_refused(site: Site, visit_id: str) -> None:
    bill = await site.read(f"/v1/visits/{visit_id}/final-bill")
    [invoice_id] = {one["invoice_id"] for one in bill["corrections"]}
    changed = "UPDATE correction_line SET quantity = quantity + 1 WHERE organization_id = 1"
    await site.without_guards("correction_line", changed)

    refused = await site.client.get(f"/v1/invoices/{invoice_id}/claim.xml")

    assert FACILITY_CODE not in problem(refused, 409, "claim_price_changed")["detail"]
