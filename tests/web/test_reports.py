"""Reports over HTTP: each equals the ledger, and JSON, CSV and XLSX have the same rows."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from billing.reconciliation.service import listings
from billing.reconciliation.service.listings import LISTINGS
from billing.spreadsheets.xlsx_rows import open_xlsx, read_xlsx
from tests.builders import FACILITY_CODE, DemoHospital, visit_document
from tests.flows.hospital_day import Day
from tests.persons import give_keys
from tests.reconciliation.statement_file import Line, statement_csv
from tests.visit_accounts.accounts import open_visit
from tests.web.bill_day import open_shift
from tests.web.cash_day import send
from tests.web.site import Site, key_of, problem
from tests.web.test_openapi_examples import record

_MONEY = ("cash_drawer", "safe", "cash_in_transit", "clearing", "bank")
_A_DAY = timedelta(days=1)


def _today(site: Site) -> date:
    return business_date(site.context.clock())


async def _rows(site: Site, name: str, first: date, last: date, *, limit: int = 200) -> list[dict[str, Any]]:
    """Every row of a report, page by page."""
    rows, cursor = [], ""
    while True:
        page = await site.read(f"/v1/reports/{name}?from={first}&to={last}&limit={limit}{cursor}")
        names = [column["name"] for column in page["report"]["columns"]]
        rows += [dict(zip(names, item, strict=True)) for item in page["items"]]
        if page["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['next_cursor']}"


async def _file(site: Site, name: str, first: date, last: date, form: str) -> httpx.Response:
    answer = await site.client.get(f"/v1/reports/{name}/file?from={first}&to={last}&format={form}")
    assert answer.status_code == 200, answer.text
    return answer


def _as_written(row: Mapping[str, Any]) -> list[str]:
    return ["" if value is None else str(value) for value in row.values()]


def _csv_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def _xlsx_rows(content: bytes, width: int) -> list[list[str]]:
    rows = [["" if each is None else str(each) for each in row.cells] for row in read_xlsx(open_xlsx(content))]
    return [[*row, *[""] * (width - len(row))] for row in rows]


async def test_reports_of_a_day_equal_the_ledger_and_each_other(site: Site) -> None:
    await record(site)
    await Day(site=site, head={}, desk_id="", shift_id="").transfer("khong co ma", 20_000)
    waiting = (await site.read("/v1/payments"))["items"][0]
    today = _today(site)
    first = today - 2 * _A_DAY
    ledger = (await site.read(f"/v1/ledger/balances?on={today}"))["accounts"]
    balance: Counter[str] = Counter()
    for each in ledger:
        balance[each["account"]["role"]] += each["debit"] - each["credit"]
    found = {name: await _rows(site, name, first, today) for name in LISTINGS}

    def total(name: str, column: str = "amount") -> int:
        return sum(row[column] for row in found[name])

    assert {name for name, rows in found.items() if not rows} == {"day-results"}
    assert waiting["id"] in [row["payment_id"] for row in found["unallocated"]]
    assert total("daily-collection", "net") == sum(balance[role] for role in _MONEY)
    for row in found["daily-collection"]:
        given = row["invoices"] + row["deposits"] + row["unassigned"] + row["other"] - row["returned"]
        assert row["net"] == given, row
    assert {"cash", "card", "provider"} <= {row["method"] for row in found["daily-collection"]}
    assert total("revenue") == -balance["revenue"]
    assert total("open-deposits") == -balance["deposit"]
    assert total("unallocated") == -balance["unallocated"]
    assert total("insurer-receivable") == balance["receivable_insurer"]
    trial = found["trial-balance"]
    assert {(row["role"], row["subject"]): row["closing"] for row in trial} == {
        (each["account"]["role"], each["account"]["subject"]): each["debit"] - each["credit"]
        for each in ledger
        if each["debit"] or each["credit"]
    }
    assert sum(row["closing"] for row in trial) == 0
    assert total("journal") == total("trial-balance", "debit") == total("trial-balance", "credit")
    [held] = await site.as_owner("SELECT sum(held)::bigint AS held FROM deposit WHERE organization_id = 1")
    assert total("open-deposits") == held["held"]
    [unallocated] = await site.as_owner(
        "SELECT sum(unallocated)::bigint AS amount FROM payment_position WHERE organization_id = 1"
    )
    assert total("unallocated") == unallocated["amount"]
    assert await _rows(site, "journal", first, today, limit=7) == found["journal"]
    for name, rows in found.items():
        headings = [column.heading for column in LISTINGS[name].columns]
        written = [headings, *(_as_written(row) for row in rows)]
        assert _csv_rows((await _file(site, name, first, today, "csv")).content) == written, name
        assert _xlsx_rows((await _file(site, name, first, today, "xlsx")).content, len(headings)) == written, name


async def test_trial_balance_of_a_later_day_opens_with_the_balance_before(site: Site) -> None:
    await site.open_intent()
    today = _today(site)

    [opened, *_] = await _rows(site, "trial-balance", today, today)
    later = await _rows(site, "trial-balance", today + _A_DAY, today + _A_DAY)

    assert (opened["opening"], opened["debit"] + opened["credit"] > 0) == (0, True)
    assert [(row["opening"], row["debit"], row["credit"]) for row in later] == [
        (row["closing"], 0, 0) for row in await _rows(site, "trial-balance", today, today)
    ]
    assert await _rows(site, "journal", today + _A_DAY, today + _A_DAY) == []
    assert await _rows(site, "daily-collection", today + _A_DAY, today + _A_DAY) == []
    [insured] = await _rows(site, "insurer-receivable", today + _A_DAY, today + 3 * _A_DAY)
    assert (insured["since"], insured["age_days"]) == (today.isoformat(), 3)


async def test_revenue_is_divided_by_the_lines_of_the_invoice(site: Site) -> None:
    lines = visit_document()["lines"]
    departments = {f"{each['table']}-{each['stt']}": f"K{place:02}" for place, each in enumerate(lines)}
    changed = [{**each, "MA_KHOA": departments[f"{each['table']}-{each['stt']}"]} for each in lines]
    await site.issue_invoice(lines=changed)
    today = _today(site)

    rows = await _rows(site, "revenue", today, today)

    posted = await site.as_owner("SELECT payer, sum(amount)::bigint AS amount FROM posting GROUP BY payer")
    by_payer: Counter[str] = Counter()
    for row in rows:
        by_payer[row["payer"]] += row["amount"]
    assert by_payer == {each["payer"]: each["amount"] for each in posted}
    stated = await site.as_owner(
        "SELECT department, sum(self_pay + copay) AS patient, sum(fund) AS insurer FROM invoice_line "
        "GROUP BY department"
    )
    assert len(stated) == len(lines)
    for each in stated:
        for payer in ("patient", "insurer"):
            [amount] = [
                row["amount"] for row in rows if (row["payer"], row["department"]) == (payer, each["department"])
            ] or [0]
            assert abs(amount - each[payer]) < 2, (each, payer)


async def test_void_returns_the_money_of_the_cashier_who_took_it(site: Site) -> None:
    [head_key] = await give_keys(site.database, site.context, ("head", "Trần Thị Bình"), roles=list(Role))
    await open_shift(site.client)
    visit = await open_visit(site.context)
    collections = f"/v1/visits/{visit.visit_id}/collections"
    cash = {"amount": 20_000, "parts": [{"method": "cash", "amount": 20_000}]}
    wrong = await send(site.client, collections, cash)
    await send(site.client, collections, {"amount": 5_000, "parts": [{"method": "cash", "amount": 5_000}]})
    voided = await site.anonymous_client.post(
        f"/v1/receipts/{wrong['id']}/void",
        json={"reason": "nhầm người bệnh"},
        headers={"Authorization": f"Bearer {head_key}", "Idempotency-Key": "void"},
    )
    assert voided.is_success, voided.text
    today = _today(site)

    [row] = await _rows(site, "daily-collection", today, today)

    assert row["cashier"] not in ("", "Trần Thị Bình")
    assert (row["method"], row["deposits"], row["returned"], row["net"]) == ("cash", 25_000, 20_000, 5_000)


async def test_file_of_too_many_rows_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.open_intent()
    today = _today(site)
    address = f"/v1/reports/journal/file?from={today}&to={today}"
    monkeypatch.setattr(listings, "FILE_ROWS_MAX", len(await _rows(site, "journal", today, today)))
    assert (await site.client.get(address)).status_code == 200

    monkeypatch.setattr(listings, "FILE_ROWS_MAX", listings.FILE_ROWS_MAX - 1)

    problem(await site.client.get(address), 422, "too_many_rows")


async def test_results_of_a_closed_day_are_listed_as_they_were_stored(site: Site) -> None:
    day = _today(site) - _A_DAY
    await site.as_owner("INSERT INTO business_day VALUES (1, $1, 'open', now(), NULL) ON CONFLICT DO NOTHING", day)
    statement = statement_csv(Line(amount=900, day=day), account=site.hospital.settings.account_number)
    headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": "statement"}
    imported = await site.client.post("/v1/bank-statements?file_name=a.csv", content=statement, headers=headers)
    assert imported.is_success, imported.text
    assert await _rows(site, "day-results", day, day) == []

    closed = await send(site.client, f"/v1/ledger/days/{day}/close")

    [account] = closed["accounts"]
    [row] = await _rows(site, "day-results", day, day)
    assert row == {
        "day": day.isoformat(),
        "account": account["name"],
        **{name: account[name] for name in row if name not in ("day", "account")},
    }
    assert (row["account_kind"], row["result"], row["statement_closing"]) == ("bank_account", "breaks", 900)


async def test_name_that_begins_like_a_formula_is_text_in_files(site: Site) -> None:
    [key] = await give_keys(site.database, site.context, ("formula", "=1+1"), roles=[Role.CASHIER, Role.HEAD_CASHIER])
    async with httpx.AsyncClient(base_url=site.address, headers={"Authorization": f"Bearer {key}"}) as cashier:
        desk = await send(site.client, "/v1/desks", {"facility_code": FACILITY_CODE, "name": "Quầy 1"})
        opened = await cashier.post(
            "/v1/shifts",
            json={"desk_id": desk["id"], "opening_float": 0},
            headers={"Idempotency-Key": "shift"},
        )
        assert opened.is_success, opened.text
        visit = await open_visit(site.context)
        collected = await cashier.post(
            f"/v1/visits/{visit.visit_id}/collections",
            json={"amount": 20_000, "parts": [{"method": "cash", "amount": 20_000}]},
            headers={"Idempotency-Key": "collection"},
        )
        assert collected.is_success, collected.text
    today = _today(site)

    [row] = await _rows(site, "daily-collection", today, today)
    [_, in_csv] = _csv_rows((await _file(site, "daily-collection", today, today, "csv")).content)
    xlsx = (await _file(site, "daily-collection", today, today, "xlsx")).content
    [_, in_xlsx] = _xlsx_rows(xlsx, len(row))

    assert (row["cashier"], row["method"], row["deposits"], row["net"]) == ("=1+1", "cash", 20_000, 20_000)
    assert in_csv[1] == "'=1+1"
    assert in_xlsx == _as_written(row)


async def test_organization_without_entries_has_empty_reports(site: Site, other_organization: DemoHospital) -> None:
    await site.open_intent()
    today = _today(site)

    for name in LISTINGS:
        page = await site.anonymous_client.get(
            f"/v1/reports/{name}?from={today}&to={today}", headers=other_organization.authorization
        )
        assert (page.status_code, page.json()["items"], page.json()["next_cursor"]) == (200, [], None), page.text
    assert await _rows(site, "journal", today, today) != []
    content = (await _file(site, "unallocated", today, today, "csv")).content
    assert _csv_rows(content) == [[column.heading for column in LISTINGS["unallocated"].columns]]


async def test_report_needs_the_right_and_the_whole_organization(site: Site) -> None:
    today = _today(site)
    for address in ("/v1/reports", f"/v1/reports/journal?from={today}&to={today}"):
        cashier = await key_of(site, Role.CASHIER)
        problem(await site.anonymous_client.get(address, headers=cashier), 403, "not_permitted")
    limited = await key_of(site, Role.FINANCE, facility_codes=[FACILITY_CODE])
    problem(await site.anonymous_client.get("/v1/reports", headers=limited), 403, "not_permitted")


@pytest.mark.parametrize("suffix", ["", "/file"])
async def test_names_days_and_forms_are_checked(site: Site, suffix: str) -> None:
    days = "from=2026-07-01&to=2026-07-31"
    address = f"/v1/reports/journal{suffix}"
    assert (await site.client.get(f"{address}?{days}")).status_code == 200
    problem(await site.client.get(f"/v1/reports/nothing{suffix}?{days}"), 404, "not_found")
    for query in (
        "", "from=2026-07-01", "to=2026-07-31", "from=2026-07-32&to=2026-08-01", "from=2026-07-02&to=2026-07-01",
        "from=20260701&to=2026-07-31", f"{days}&total=1", f"{days}&from=2026-07-01",
    ):  # fmt: skip
        problem(await site.client.get(f"{address}?{query}"), 400, "invalid_query")
    problem(await site.client.get(f"{address}?from=0001-01-01&to=2026-07-31"), 422, "invalid_value")
    unknown = {"": "cursor=_____________________w", "/file": "format=pdf"}[suffix]
    problem(await site.client.get(f"{address}?{days}&{unknown}"), 400, "invalid_query")
