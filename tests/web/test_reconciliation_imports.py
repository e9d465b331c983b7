"""Files of banks and providers over HTTP."""

from typing import Any

import httpx
import pytest

from billing.core.actor import Role
from billing.web.document_workers import DocumentLimits
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET, add_demo_hospital
from tests.reconciliation.statement_file import Line, many_lines, statement_csv
from tests.web.conftest import LIMITS
from tests.web.import_day import BYTES, FIRST, LATER, REPORT
from tests.web.site import Site, every_page, key_of, problem
from tests.web.staff import signed_in
from tests.web.test_document_workers import service


async def post(site: Site, address: str, content: bytes, **headers: str) -> httpx.Response:
    return await site.client.post(address, content=content, headers={**BYTES, **headers})


async def imports(site: Site, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await site.read(f"/v1/reconciliation-imports{query}"))["items"]
    return found


async def test_statement_is_imported_once(site: Site) -> None:
    first = await post(site, "/v1/bank-statements?file_name=first.csv", FIRST)
    again = await post(site, "/v1/bank-statements?file_name=renamed.csv", FIRST)

    file = first.json()["file"]
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["is_repeat"], again.json()["file"]) == (True, file)
    assert {name: file[name] for name in ("kind", "state", "file_name", "lines", "new_lines", "profile")} == {
        "kind": "statement",
        "state": "active",
        "file_name": "first.csv",
        "lines": 1,
        "new_lines": 1,
        "profile": "generic",
    }
    assert await site.read(first.headers["Location"]) == file


async def test_gap_is_answered_and_listed(site: Site) -> None:
    assert (await post(site, "/v1/bank-statements", FIRST)).json()["breaks"] == []
    [found] = (await post(site, "/v1/bank-statements", LATER)).json()["breaks"]

    assert (found["kind"], found["difference"], found["before_closing"]) == ("gap", 5_500, 134_500)
    assert (await site.read("/v1/statement-breaks"))["breaks"] == [found]
    assert (await site.read("/v1/statement-breaks?to=2026-10-01"))["breaks"] == []


async def test_refused_statement_is_listed_with_its_refusal(site: Site) -> None:
    refused = await post(site, "/v1/bank-statements", FIRST[:-1])

    document = problem(refused, 422, "statement_unreadable")
    [file] = await imports(site, "?kind=statement")
    assert (file["state"], file["refusal"], file["lines"]) == ("refused", document["detail"], 0)


async def test_statement_of_an_unknown_account_is_a_conflict(site: Site) -> None:
    answer = await post(site, "/v1/bank-statements", statement_csv(Line(amount=1), account="0999000001"))

    problem(answer, 409, "bank_account_unknown")


async def test_settlement_is_imported_once(site: Site) -> None:
    address = f"/v1/settlements?account={ACCOUNT_NAME}"
    first = await post(site, address, REPORT.encode())
    again = await post(site, address, REPORT.encode())

    document = first.json()
    assert (first.status_code, again.status_code, again.json()["is_repeat"]) == (201, 200, True)
    assert (document["amount"], document["fee"], document["payouts"]) == (136_000, 1_500, 1)
    assert document["file"]["account"] == ACCOUNT_NAME
    problem(await post(site, address, REPORT.replace("136000", "1.5").encode()), 422, "settlement_unreadable")
    problem(await post(site, "/v1/settlements?account=other", REPORT.encode()), 404, "not_found")
    problem(await post(site, "/v1/settlements", REPORT.encode()), 400, "invalid_query")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("profile=/etc/passwd", "profile"),
        ("opening=1.5", "opening"),
        ("intraday=yes", "intraday"),
        ("other=1", "other"),
    ],
)
async def test_parameter_that_is_invalid_is_named(site: Site, query: str, field: str) -> None:
    answer = await post(site, f"/v1/bank-statements?{query}", FIRST)

    assert [each["field"] for each in problem(answer, 400, "invalid_query")["errors"]] == [field]
    assert await imports(site) == []


async def test_intraday_file_is_tentative_until_it_is_complete(site: Site) -> None:
    tentative = await post(site, "/v1/bank-statements?intraday=true", FIRST)
    complete = await post(site, "/v1/bank-statements?intraday=false", FIRST)

    assert tentative.json()["file"]["is_intraday"] is True
    assert (complete.status_code, complete.json()["confirmed"]) == (201, 1)


async def test_body_needs_its_media_type_and_a_size(site: Site) -> None:
    address = "/v1/bank-statements"
    too_large = b"x" * (LIMITS.statement_size_max + 1)

    problem(await post(site, address, FIRST, **{"Content-Type": "application/json"}), 415, "media_type_not_supported")
    problem(await post(site, address, too_large), 413, "body_too_large")
    assert await imports(site) == []


async def test_only_finance_imports_and_reads(site: Site) -> None:
    cashier = await key_of(site, Role.CASHIER)
    auditor = await key_of(site, Role.AUDITOR)

    problem(await post(site, "/v1/bank-statements", FIRST, **cashier), 403, "not_permitted")
    problem(await post(site, f"/v1/settlements?account={ACCOUNT_NAME}", FIRST, **auditor), 403, "not_permitted")
    problem(await site.client.get("/v1/reconciliation-imports", headers=cashier), 403, "not_permitted")
    assert (await site.client.get("/v1/reconciliation-imports", headers=auditor)).json()["items"] == []


async def test_another_organization_sees_no_import(site: Site) -> None:
    other = await add_demo_hospital(site.database.owner_url, organization=2, facility_code="02001")
    imported = await post(site, "/v1/bank-statements", FIRST)

    problem(await site.client.get(imported.headers["Location"], headers=other.authorization), 404, "not_found")
    listed = await site.client.get("/v1/reconciliation-imports", headers=other.authorization)
    assert listed.json()["items"] == []


async def test_list_has_pages(site: Site) -> None:
    for amount in (1, 2, 3):
        await post(site, f"/v1/bank-statements?file_name={amount}.csv", statement_csv(Line(amount=amount)))

    pages = await every_page(site, "/v1/reconciliation-imports", limit=2)

    assert [[each["file_name"] for each in page] for page in pages] == [["3.csv", "2.csv"], ["1.csv"]]


async def test_document_worker_imports_a_long_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that receives callbacks reads no file of a bank itself."""
    monkeypatch.setenv("VIENPHI_SECRET_SANDBOX", SANDBOX_SECRET)
    async with service(site, DocumentLimits(workers=1)) as client:
        answer = await client.post("/v1/bank-statements", content=statement_csv(*many_lines(3_000)), headers=BYTES)
        report = await client.post(f"/v1/settlements?account={ACCOUNT_NAME}", content=REPORT.encode(), headers=BYTES)
        async with signed_in(site, Role.FINANCE) as staff:
            form = {"csrf_token": staff.token, "account": ACCOUNT_NAME}
            cookie, files = {"Cookie": f"vienphi={staff.cookie}"}, {"file": ("report.csv", REPORT.encode())}
            page, forged = [
                await client.post("/finance/settlements", data=each, files=files, headers=cookie)
                for each in (form, {**form, "csrf_token": ""})
            ]

    assert "Tệp này đã nạp lúc" in page.text, page.text
    assert forged.status_code == 403
    assert (answer.status_code, answer.json()["file"]["new_lines"]) == (201, 3_000), answer.text
    assert report.status_code == 201, report.text
