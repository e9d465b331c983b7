"""Pages of finance: a day with rows, a clean day, an import with its refusals, approvals, books and lists."""

import asyncio
import re
from dataclasses import dataclass
from datetime import date

from playwright.async_api import Page

from billing.core.actor import Role
from billing.reconciliation.service.day_overview import LINES_AT_ONCE
from tests.browser.stage import Shot, Stage
from tests.builders import service_line, visit_document
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.import_day import BYTES, REPORT
from tests.web.screens.desk_day import DeskDay
from tests.web.screens.finance_day import open_finance_day
from tests.web.screens.test_repriced import LIST, draft
from tests.web.site import Site
from tests.web.staff import Staff

_IDS = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_UNKNOWN = "Lúc nào;Ký hiệu;Chi;Thu;Quỹ còn;Lời nhắn\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """What the addresses of single pages name."""

    day: date
    account: str
    exception: str
    approval: str
    entry: str
    ledger: str
    visit: str
    prices: str


_stages: list[Stage] = []


async def prepare(stage: Stage) -> Ids:
    """A day with a mangled code and money of nobody, and a proposal."""
    site = stage.site
    ultrasound = service_line(9, name="Siêu âm", group=2, price="100000") | {"MA_DICH_VU": "S9"}
    await site.issue_invoice(ma_lk="LK-SA", lines=[*visit_document()["lines"], ultrasound])
    day = await open_finance_day(site)
    approval = await site.client.post("/v1/refund-limit", json={"amount": 5_000_000})
    clerk = await stage.staff(Role.FINANCE)
    prices = await draft(site)
    await _add_terminal(site)
    _stages[:] = [stage]
    visits = (await site.read("/v1/visits"))["items"]
    return Ids(
        day=day.day,
        account=site.hospital.settings.account_number,
        exception=await _first(clerk, "/finance/exceptions", f"/finance/exceptions/{_IDS}"),
        approval=approval.json()["id"],
        entry=await _first(clerk, "/finance/reports/journal", f"/finance/ledger/entries/{_IDS}"),
        ledger=(await _first(clerk, "/finance/ledger", 'href="(/finance/ledger/account[^"]+)"')).replace("&amp;", "&"),
        visit=visits[0]["id"],
        prices=f"/finance/prices/{prices}",
    )


async def _add_terminal(site: Site) -> None:
    """A card terminal, whose result stands with those of the accounts of a day."""
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    terminal = {"facility_code": site.hospital.facility_code, "name": "POS 1", "terminal_number": "T01"}
    added = await site.client.post("/v1/card-terminals", json={**terminal, "bank_account_id": str(bank["id"])})
    assert added.status_code == 201, added.text


async def _first(staff: Staff, path: str, pattern: str) -> str:
    found = re.search(pattern, await staff.page(path))
    assert found is not None, path
    return found[1]


async def _open_menu(page: Page) -> None:
    await page.keyboard.press("m")
    await page.wait_for_selector("details.menu[open]")


async def _preview(page: Page, content: bytes) -> None:
    await page.set_input_files("#file", {"name": "sao-ke.csv", "mimeType": "text/csv", "buffer": content})
    await page.get_by_role("button", name="Xem trước", exact=True).click()


async def _preview_lines(page: Page) -> None:
    line = Line(amount=152_000, text="HPAVFSMDJ TRAN THI BICH", reference="FT26332900121")
    await _preview(page, statement_csv(line, opening=1_000))
    await page.wait_for_selector("#preview table")


async def _preview_unknown(page: Page) -> None:
    content = f"Tài khoản;0110000001\n{_UNKNOWN}02/11/2026;FT1;;50.000;150.000;NOP TIEN\n"
    await _preview(page, content.encode())
    await page.wait_for_selector("#map_booked_on")


async def _preview_report(page: Page) -> None:
    await _preview(page, REPORT.encode())
    await page.wait_for_selector("#preview table")


async def _preview_prices(page: Page) -> None:
    await page.fill("#valid_from", "01/01/2027")
    await _preview(page, LIST)
    await page.wait_for_selector("#preview table")


async def _faulty_prices(page: Page) -> None:
    await page.fill("#valid_from", "01/01/2027")
    await _preview(page, "mã dịch vụ;tên;giá BHYT\nS1;Khám;-5\nS2;Siêu âm;1.234\nS2;Siêu âm;9000\n".encode())
    await page.wait_for_selector("#preview table")


async def _join(page: Page) -> None:
    await page.click("#line summary")
    await page.check("#line input >> nth=0")


async def _repriced(page: Page) -> None:
    await page.click("aside details summary")
    await page.wait_for_selector("aside table")


async def _take_card(page: Page) -> None:
    """A card payment makes a result of its terminal; its open shift keeps the day incomplete."""
    stage = _stages[0]
    day = DeskDay(stage.site, await stage.staff(Role.CASHIER), stage.desk_id)
    await day.open_shift()
    [terminal] = await stage.site.as_owner("SELECT id FROM card_terminal")
    fields = {"amount": "50000", "method": "card", "terminal_id": str(terminal["id"]), "approval_code": "A00001"}
    taken = await day.staff.post(f"/desk/visits/{await day.visit('LK-THE')}/advance", **fields)
    assert taken.status_code == 303, taken.text
    await page.reload()


async def _computing(page: Page) -> None:
    """More lines than a page computes at once; its result is not answered yet."""
    site = _stages[0].site
    lines = [Line(amount=1_000, text=f"NOP {number}", reference=f"FT-N{number}") for number in range(LINES_AT_ONCE)]
    content = statement_csv(*lines, account=site.hospital.settings.account_number)
    added = await site.client.post("/v1/bank-statements?file_name=nhieu.csv", content=content, headers=BYTES)
    assert added.status_code == 201, added.text
    await page.route("**/results", lambda route: asyncio.sleep(0))
    await page.reload()
    await page.wait_for_selector("[hx-get$='/results']")


def _exception(ids: Ids) -> str:
    return f"/finance/exceptions/{ids.exception}"


def _decide(action: str) -> "Shot":
    return Shot(
        name=f"finance-decide-{action.replace('_', '-')}",
        role=Role.FINANCE,
        path=lambda ids: f"/finance/exceptions/{ids.exception}/decide?action={action}",
    )


def _matching(ids: Ids) -> str:
    return f"/finance/exceptions/{ids.exception}/decide?action=match"


def _approval(ids: Ids) -> str:
    return f"/approvals/{ids.approval}"


def _entry(ids: Ids) -> str:
    return f"/finance/ledger/entries/{ids.entry}"


def _ledger_account(ids: Ids) -> str:
    return ids.ledger


def _documents(ids: Ids) -> str:
    return f"/finance/visits/{ids.visit}/documents"


def _page(name: str, path: str) -> "Shot":
    return Shot(name=f"finance-{name}", role=Role.FINANCE, path=path)


SHOTS = (
    _page("dashboard", "/finance"),
    _page("reconciliation", "/finance/reconciliation"),
    Shot(name="finance-reconciliation-menu", role=Role.FINANCE, path="/finance/reconciliation", act=_open_menu),
    _page("reconciliation-no-statement", "/finance/reconciliation?day=2026-01-05"),
    Shot(name="finance-reconciliation-reader", role=Role.AUDITOR, path="/finance/reconciliation"),
    _page("reconciliation-decided", "/finance/reconciliation?view=decided"),
    _page("exceptions", "/finance/exceptions"),
    _page("exceptions-none", "/finance/exceptions?owner=mine"),
    Shot(name="finance-exception", role=Role.FINANCE, path=_exception),
    *(_decide(action) for action in ("assign", "match", "refund", "open_trace", "no_action")),
    Shot(name="finance-decide-join", role=Role.FINANCE, path=_matching, act=_join),
    _page("statements", "/finance/statements"),
    _page("statement-new", "/finance/statements/new"),
    Shot(name="finance-statement-preview", role=Role.FINANCE, path="/finance/statements/new", act=_preview_lines),
    Shot(name="finance-statement-unknown", role=Role.FINANCE, path="/finance/statements/new", act=_preview_unknown),
    Shot(name="finance-settlement", role=Role.FINANCE, path="/finance/settlements/new", act=_preview_report),
    Shot(name="finance-prices-preview", role=Role.FINANCE, path="/finance/prices/new", act=_preview_prices),
    Shot(name="finance-prices-faulty", role=Role.FINANCE, path="/finance/prices/new", act=_faulty_prices),
    _page("days", "/finance/days"),
    _page("days-never-opened", "/finance/days?day=2026-01-05"),
    _page("reports", "/finance/reports"),
    _page("report", "/finance/reports/journal"),
    _page("report-none", "/finance/reports/revenue?from=2026-01-05&to=2026-01-05"),
    _page("approvals", "/approvals"),
    _page("approvals-none", "/approvals?state=rejected"),
    Shot(name="finance-approval", role=Role.FINANCE, path=_approval),
    _page("journal", "/finance/journal"),
    _page("ledger", "/finance/ledger"),
    Shot(name="finance-ledger-account", role=Role.FINANCE, path=_ledger_account),
    Shot(name="finance-entry", role=Role.FINANCE, path=_entry),
    Shot(name="finance-documents", role=Role.FINANCE, path=_documents),
    Shot(name="finance-documents-paper", role=Role.FINANCE, path=_documents, media="print"),
    _page("payouts", "/finance/payouts"),
    _page("traces", "/finance/traces"),
    _page("prices", "/finance/prices"),
    Shot(name="finance-price-list", role=Role.FINANCE, path=lambda ids: ids.prices, act=_repriced),
    _page("inbox", "/finance/inbox"),
    _page("differences", "/finance/differences"),
    _page("wards", "/finance/wards"),
    Shot(name="finance-unknown", role=Role.FINANCE, path="/finance/reports/nothing", status=404),
    Shot(name="finance-forbidden", role=Role.CASHIER, path="/finance", status=403),
    Shot(name="finance-days-terminal", role=Role.FINANCE, path="/finance/days", act=_take_card),
    Shot(name="finance-days-computing", role=Role.FINANCE, path="/finance/days", act=_computing),
)
