"""Statements, the closing of a day and its reports on the pages: previewed, imported once, closed, downloaded."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from providers.sandbox.bank_simulator import Behaviour
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.import_day import BYTES
from tests.web.screens.finance_day import NOBODY, open_finance_day
from tests.web.site import Site
from tests.web.staff import Staff, location, signed_in, text_of

UNKNOWN = "Lúc nào;Ký hiệu;Chi;Thu;Quỹ còn;Lời nhắn"


@pytest.fixture
async def clerk(site: Site) -> AsyncIterator[Staff]:
    async with signed_in(site, Role.FINANCE, name="Phạm Minh Đức") as staff:
        yield staff


async def send(staff: Staff, path: str, content: bytes, **fields: str) -> httpx.Response:
    data = {"csrf_token": staff.token, "idempotency_key": "key-of-the-statement", **fields}
    return await staff.client.post(path, data=data, files={"file": ("sao kê <b>.csv", content, "text/csv")})


def statement(site: Site, text: str = "CHO BO") -> bytes:
    day = business_date(site.context.clock())
    return statement_csv(
        Line(amount=NOBODY, text=text, reference="FT-1", day=day), account=site.hospital.settings.account_number
    )


async def test_preview_shows_the_lines_and_writes_nothing(site: Site, clerk: Staff) -> None:
    answer = await send(clerk, "/finance/statements/preview", statement(site))

    assert answer.status_code == 200, answer.text
    assert "Ghi 1 dòng mới" in text_of(answer.text)
    assert "77.000" in text_of(answer.text)
    assert (await site.read("/v1/reconciliation-imports"))["items"] == []


async def test_same_statement_with_other_texts_is_refused_and_named_in_the_preview(site: Site, clerk: Staff) -> None:
    alone = await send(clerk, "/finance/statements/preview", statement(site))
    await send(clerk, "/finance/statements", statement(site))
    same = await send(clerk, "/finance/statements/preview", statement(site))
    other = await send(clerk, "/finance/statements/preview", statement(site, "CHO BO NGUYEN VAN AN"))

    warned = ["bị tính hai lần" in text_of(each.text) for each in (alone, same, other)]
    assert warned == [False, False, True]
    assert "Ghi 1 dòng mới" not in text_of(other.text)
    written = await send(
        clerk, "/finance/statements", statement(site, "CHO BO NGUYEN VAN AN"), idempotency_key="key-of-the-other-file"
    )
    assert (written.status_code, "bị tính hai lần" in text_of(written.text)) == (409, True)


async def test_file_is_imported_once_and_its_repetition_names_time_and_person(site: Site, clerk: Staff) -> None:
    first = await send(clerk, "/finance/statements", statement(site))
    async with signed_in(site, Role.FINANCE, name="Đinh Thị Nga") as other:
        again = await send(other, "/finance/statements", statement(site))
        listed = await other.page("/finance/statements")

    assert "Đã ghi 1 dòng mới." in text_of(first.text)
    assert "Tệp này đã nạp lúc" in text_of(again.text)
    assert "bởi Phạm Minh Đức" in text_of(again.text)
    assert "<b>.csv" not in listed
    assert len((await site.read("/v1/reconciliation-imports"))["items"]) == 1


async def test_balance_from_before_the_books_is_named_apart_from_what_is_unexplained(site: Site, clerk: Staff) -> None:
    paid = await site.open_intent()
    await site.bank().pay(paid["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]
    day = business_date(site.context.clock())
    line = Line(amount=payment["amount"], text="VIEN PHI", reference=payment["bank_reference"], day=day)
    account = site.hospital.settings.account_number
    await send(clerk, "/finance/statements", statement_csv(line, opening=100_000, account=account))

    bridge = text_of(await clerk.page(f"/finance/reconciliation/bridge?day={day.isoformat()}"))

    assert "Số dư ngân hàng có từ trước khi mở sổ (1) 100.000" in bridge, bridge[200:]
    assert "không nằm trong phần không giải thích được" in bridge
    assert "Phần không giải thích được 0 đ" in bridge


async def test_day_without_a_statement_claims_no_difference_of_zero(site: Site, clerk: Staff) -> None:
    paid = await site.open_intent()
    await site.bank().pay(paid["instruction"]["qr_payload"], Behaviour.EXACT)
    day = business_date(site.context.clock())

    compared = text_of(await clerk.page("/finance/reconciliation"))
    result = text_of(await clerk.page(f"/finance/days?day={day.isoformat()}"))

    assert "Ngân hàng − Sổ — chưa có sao kê để so" in compared
    assert "Phần không giải thích được — " in result
    assert f"cho ngày {day:%d/%m/%Y}" in result


async def test_unknown_columns_are_named_by_a_person(site: Site, clerk: Staff) -> None:
    day = business_date(site.context.clock())
    rows = f"{day:%d/%m/%Y};FT1;;50.000;150.000;NOP TIEN\n{day:%d/%m/%Y};FT2;20.000;;130.000;HOAN TIEN\n"
    content = f"Tài khoản;{site.hospital.settings.account_number}\n{UNKNOWN}\n{rows}".encode()

    refused = await send(clerk, "/finance/statements/preview", content)
    named = {
        "map_booked_on": "Lúc nào",
        "map_reference": "Ký hiệu",
        "map_debit": "Chi",
        "map_credit": "Thu",
        "map_balance": "Quỹ còn",
        "map_text": "Lời nhắn",
    }
    previewed = await send(clerk, "/finance/statements/preview", content, **named)
    imported = await send(clerk, "/finance/statements", content, **named)

    assert refused.status_code == 422
    assert "không có gì được ghi" in text_of(refused.text)
    assert 'name="map_booked_on"' in refused.text
    assert "Ghi 2 dòng mới" in text_of(previewed.text)
    assert "Đã ghi 2 dòng mới." in text_of(imported.text)


async def test_form_without_a_file_and_a_cut_file_are_refused(site: Site, clerk: Staff) -> None:
    missing = await clerk.post("/finance/statements")
    cut = await send(clerk, "/finance/statements", statement(site)[:-1])

    assert (missing.status_code, cut.status_code) == (422, 422)
    assert (await site.read("/v1/statement-lines"))["items"] == []


async def test_day_closes_once_each_transaction_has_an_owner(site: Site) -> None:
    day = await open_finance_day(site)
    now = site.context.clock()
    site.context.clock = lambda: now + timedelta(days=1)
    address, closing = f"/finance/days?day={day.day.isoformat()}", f"/finance/days/{day.day.isoformat()}/close"
    async with signed_in(site, Role.FINANCE) as clerk:
        before = text_of(await clerk.page(address))
        refused = await clerk.post(closing)
        ticked = re.findall(r'name="exception" value="([0-9a-f-]{36})"', await clerk.page("/finance/exceptions"))
        await clerk.post("/finance/exceptions/assign", exception=ticked, owner=str(clerk.person_id))
        closed = await clerk.post(closing)
        after = text_of(await clerk.page(address))
        again = await clerk.post(closing)

    assert "2 giao dịch chưa ai nhận" in before
    assert refused.status_code == 409
    assert "chưa có người nhận việc" in text_of(refused.text)
    assert location(closed) == address
    assert "Ngày đã khóa." in after
    assert (again.status_code, "đã khóa" in text_of(again.text)) == (409, True)


async def test_result_of_very_many_lines_is_loaded_by_its_page(site: Site, clerk: Staff) -> None:
    day = await open_finance_day(site)
    address = f"/finance/days?day={day.day.isoformat()}"
    whole = await clerk.page(address)
    lines = [Line(amount=1_000, text="NOP TIEN", reference=f"FT-M{number}", day=day.day) for number in range(1_000)]
    content = statement_csv(*lines, account=site.hospital.settings.account_number)
    imported = await site.client.post("/v1/bank-statements?file_name=nhieu.csv", content=content, headers=BYTES)
    assert imported.status_code == 201, imported.text

    page = await clerk.page(address)
    results = f"/finance/days/{day.day.isoformat()}/results"
    loaded = text_of(await clerk.page(results))

    assert "Đang tính kết quả của ngày" not in whole
    assert "Đang tính kết quả của ngày" in page
    assert f'hx-get="{results}" hx-trigger="load" hx-target="#work"' in page
    assert f'href="{results}"' in page
    assert "Đang tính kết quả của ngày" not in loaded
    assert "giao dịch chưa ai nhận" in loaded


async def test_report_file_has_exactly_the_rows_of_its_pages(site: Site, clerk: Staff) -> None:
    day = await open_finance_day(site)
    query = f"from={day.day.isoformat()}&to={day.day.isoformat()}"

    page = await clerk.page(f"/finance/reports/journal?{query}")
    file = await clerk.client.get(f"/finance/reports/journal/file?{query}&format=csv")
    workbook = await clerk.client.get(f"/finance/reports/journal/file?{query}&format=xlsx")

    assert file.status_code == workbook.status_code == 200
    assert page.count("<tr>") == len(file.text.strip().splitlines())
    assert "attachment" in file.headers["Content-Disposition"]
