"""Files of providers and price lists on the pages: previewed, refused with the row, written once, of any name."""

from collections.abc import AsyncIterator

import httpx
import pytest

from billing.core.actor import Role
from tests.builders import ACCOUNT_NAME
from tests.web.conftest import LIMITS
from tests.web.import_day import REPORT
from tests.web.screens.test_repriced import LIST
from tests.web.site import Site
from tests.web.staff import Staff, location, signed_in, text_of

NAME = '../..\\=1+1"><x-evil onx=1>\u202e.csv'
KEY = "key-of-the-uploaded-file"
SETTLEMENT = "/finance/settlements"
PRICES = "/finance/prices"


@pytest.fixture
async def clerk(site: Site) -> AsyncIterator[Staff]:
    async with signed_in(site, Role.FINANCE, name="Phạm Minh Đức") as staff:
        yield staff


async def send(staff: Staff, path: str, content: bytes, *, key: str = KEY, **fields: str) -> httpx.Response:
    data = {"csrf_token": staff.token, "idempotency_key": key, **fields}
    return await staff.client.post(path, data=data, files={"file": (NAME, content, "text/csv")})


async def imports_of(site: Site) -> list[tuple[str, int]]:
    return [(each["state"], each["lines"]) for each in (await site.read("/v1/reconciliation-imports"))["items"]]


async def test_settlement_file_is_previewed_then_imported_once(site: Site, clerk: Staff) -> None:
    report = REPORT.encode()
    form = await clerk.page("/finance/statements")

    preview = await send(clerk, f"{SETTLEMENT}/preview", report, account=ACCOUNT_NAME)
    untouched = await imports_of(site)
    first = await send(clerk, SETTLEMENT, report, account=ACCOUNT_NAME)
    again = await send(clerk, SETTLEMENT, report, account=ACCOUNT_NAME)
    listed = await clerk.page("/finance/statements")

    lines = len(report.splitlines()) - 1
    assert f'href="{SETTLEMENT}/new"' in form
    assert '<summary aria-current="true">Sao kê' in first.text
    assert preview.status_code == 200, text_of(preview.text)
    assert f"Ghi {lines} dòng" in text_of(preview.text)
    assert untouched == []
    assert f"Đã ghi {lines} dòng mới." in text_of(first.text)
    assert "bởi Phạm Minh Đức" in text_of(again.text)
    assert await imports_of(site) == [("active", lines)]
    assert not any(evil in page for evil in ("<x-evil", "\u202e") for page in (first.text, again.text, listed))


async def test_faulty_settlement_file_names_its_line_and_writes_nothing(site: Site, clerk: Staff) -> None:
    faulty = REPORT.replace("136000", "1.5").encode()

    preview = await send(clerk, f"{SETTLEMENT}/preview", faulty, account=ACCOUNT_NAME)
    refused = await send(clerk, SETTLEMENT, faulty, account=ACCOUNT_NAME)
    nameless = await send(clerk, SETTLEMENT, REPORT.encode())
    without = await clerk.post(SETTLEMENT, account=ACCOUNT_NAME)

    assert [each.status_code for each in (preview, refused, nameless, without)] == [422] * 4
    assert "không có gì được ghi: " in text_of(preview.text)
    assert "line 2" in text_of(refused.text)
    assert "Chọn đơn vị thanh toán của tệp." in text_of(nameless.text)
    assert "Chọn tệp cần nạp." in text_of(without.text)
    assert await imports_of(site) == [("refused", 0)]


async def test_form_of_another_session_and_a_file_that_is_too_large_are_refused(site: Site, clerk: Staff) -> None:
    """A form has at most the size of a claim file; a settlement file that is larger is taken."""
    forged = await send(clerk, SETTLEMENT, REPORT.encode(), account=ACCOUNT_NAME, csrf_token="x" * 43)
    foreign = await clerk.client.post(
        SETTLEMENT, data={"csrf_token": clerk.token}, headers={"Origin": "https://evil.example"}
    )
    size = LIMITS.visit_size_max + 1
    large = await send(clerk, f"{PRICES}/preview", bytes(size), valid_from="01/01/2027")
    head, line = REPORT.splitlines()
    long = "\n".join([head, *(line.replace("0001,,", f"{n:04},,") for n in range(size // len(line) + 1))])
    taken = await send(clerk, f"{SETTLEMENT}/preview", long.encode(), account=ACCOUNT_NAME)

    assert (forged.status_code, foreign.status_code, large.status_code) == (403, 403, 413)
    assert large.headers["HX-Retarget"] == "#preview"
    assert len(long) > size
    assert taken.status_code == 200, text_of(taken.text)
    assert await imports_of(site) == []


async def test_price_list_is_previewed_drafted_once_and_waits_for_another_person(site: Site, clerk: Staff) -> None:
    fields = {"valid_from": "01/01/2027"}

    preview = await send(clerk, f"{PRICES}/preview", LIST, **fields)
    untouched = (await site.read("/v1/tariffs"))["items"]
    first = await send(clerk, PRICES, LIST, **fields)
    again = await send(clerk, PRICES, LIST, **fields)
    page = await clerk.page(location(first))
    async with signed_in(site, Role.FINANCE, name="Bùi Thu Hà") as second:
        inbox = text_of(await second.page("/approvals"))

    assert "Lưu nháp 1 dòng và gửi duyệt" in text_of(preview.text)
    assert "90.000" in text_of(preview.text)
    assert untouched == []
    assert location(first) == location(again)
    [drafted] = (await site.read("/v1/tariffs"))["items"]
    assert location(first) == f"{PRICES}/{drafted['id']}?drafted"
    assert "Đã lưu nháp và gửi duyệt" in text_of(page)
    assert "/repriced" in page
    assert "Bảng giá" in inbox
    assert not any(evil in each for evil in ("<x-evil", "\u202e") for each in (preview.text, page))


async def test_wrong_rows_of_a_price_list_are_named_in_words_and_nothing_is_written(site: Site, clerk: Staff) -> None:
    rows = "mã dịch vụ;tên;giá BHYT\nS1;Khám;-5\nS1;Khám;90000\nS1;Khám;90000\nS2;Siêu âm;1.234\n".encode()

    for path in (f"{PRICES}/preview", PRICES):
        refused = await send(clerk, path, rows, valid_from="01/01/2027")
        words = text_of(refused.text)

        assert refused.status_code == 422
        assert "hàng không đọc được; không có gì được ghi." in words
        assert "2 giá BHYT -5" in words
        assert "4 mã dịch vụ S1 Mã này có ở hàng khác rồi; giữ một hàng." in words
        assert "5 giá BHYT 1.234 Không đọc được giá" in words
    for fields in ({}, {"valid_from": "1/13/2027"}, {"valid_from": "01/01/2027", "facility": "99999"}):
        assert (await send(clerk, PRICES, LIST, **fields)).status_code == 422
    assert (await site.read("/v1/tariffs"))["items"] == []
