"""The page of a price list shows what the list changes of the visits that were billed last; nothing is written."""

from billing.core.actor import Role
from tests.builders import service_line, visit_document
from tests.web.site import Site
from tests.web.staff import signed_in, text_of

LIST = "mã dịch vụ;tên;giá BHYT;giá viện phí\nS9;Siêu âm;90000;95000\n".encode()


async def draft(site: Site) -> str:
    answer = await site.client.post(
        "/v1/tariffs?from=2027-01-01&name=2027", content=LIST, headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_draft_is_tried_on_issued_visits(site: Site) -> None:
    lines = visit_document()["lines"]
    await site.issue_invoice(ma_lk="LK-CU", lines=lines)
    ultrasound = service_line(9, name="Siêu âm", group=2, price="100000") | {"MA_DICH_VU": "S9"}
    await site.issue_invoice(ma_lk="LK-DOI", lines=[*lines, ultrasound])
    tariff_id = await draft(site)
    async with signed_in(site, Role.FINANCE) as clerk:
        page = await clerk.page(f"/finance/prices/{tariff_id}")
        async with site.nothing_written():
            repriced = text_of(await clerk.page(f"/finance/prices/{tariff_id}/repriced"))

    # The ultrasound costs 90 000 instead of 100 000: the patient pays 18 000 instead of 20 000, the fund 72 000.
    assert f'hx-get="/finance/prices/{tariff_id}/repriced"' in page
    assert "2 lượt khám phát hành gần nhất" in repriced
    assert "Người bệnh trả như cũ 1 " in repriced
    assert "LK-CU" not in repriced
    assert "Người bệnh trả thêm (số âm: bớt) −2.000 đ Quỹ BHYT trả thêm (số âm: bớt) −8.000 đ" in repriced
    assert "LK-DOI 156.000 154.000" in repriced


async def test_list_without_any_issued_visit_states_it(site: Site) -> None:
    tariff_id = await draft(site)
    async with signed_in(site, Role.FINANCE) as clerk:
        repriced = text_of(await clerk.page(f"/finance/prices/{tariff_id}/repriced"))
        unknown = await clerk.client.get("/finance/prices/00000000-0000-7000-8000-000000000000/repriced")

    assert "Chưa có bảng kê nào đã phát hành" in repriced
    assert unknown.status_code == 404
