"""The printer of a desk decides which paper comes first, and the height of a page of 80 mm."""

import pytest

from billing.core.actor import Role
from billing.core.errors import InvalidValue
from billing.organizations.domain.receipt_printer import ReceiptPrinter
from tests.web.screens.morning import staffed
from tests.web.site import Site
from tests.web.staff import location, signed_in


@pytest.mark.parametrize(
    ("least", "needed", "height"), [(120, 118, 120), (120, 121, 150), (250, 130, 250), (120, 999, 400)]
)
def test_page_is_as_high_as_printer_and_receipt_need(least: int, needed: int, height: int) -> None:
    assert ReceiptPrinter(height_mm=least).page_height(needed) == height


def test_height_without_a_page_is_refused() -> None:
    with pytest.raises(InvalidValue):
        ReceiptPrinter(height_mm=130)


async def test_administrator_sets_the_printer_of_a_desk(site: Site) -> None:
    async with staffed(site) as morning, signed_in(site, Role.ADMINISTRATOR) as administrator:
        await morning.open()
        receipt = await morning.take(50_000)
        [desk] = await site.as_owner("SELECT id FROM desk")
        before = await morning.cashier.page(f"/print/receipts/{receipt['id']}/80mm")

        saved = await administrator.post(f"/admin/printers/{desk['id']}", paper="a5", height_mm="300")
        refused = await administrator.post(f"/admin/printers/{desk['id']}", paper="a5", height_mm="301")

        after = await morning.cashier.page(f"/print/receipts/{receipt['id']}/80mm")
        page = await morning.cashier.page(f"/receipts/{receipt['id']}")
    assert 'class="paper r80 h120"' in before
    assert location(saved) == "/admin/printers?saved"
    assert refused.status_code == 422
    assert 'class="paper r80 h300"' in after
    assert page.index("/copies/a5") < page.index("/copies/80mm")
