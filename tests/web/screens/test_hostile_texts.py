"""Hostile text is inert on every page, print and file of the screens, and on the payment pages."""

import csv
import io
import re
import zipfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import pytest

from billing.core.actor import Role
from billing.web.screens.routes import SCREENS
from tests.web.screens.hostile_rows import write_hostile_texts
from tests.web.site import Site
from tests.web.staff import signed_in
from tests.web.test_openapi_examples import record

_OF_ONE_ROUTE_MAX = 8
_WITHOUT_TEXT = ("/", "/desk/alive", "/desk/live", "/display/{desk}/live", "/shift/close")
"""Redirects, an empty answer, event streams, and the closing of a shift, which this person does not have."""
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"^[=+@\t\r]|^-(?![0-9.,]+$)")
_PATTERNS = [
    (re.compile(re.sub(r"\{[a-z_]+\}", "[^/?]+", route.path)), route.path)
    for route in sorted(SCREENS, key=lambda route: "{" in route.path)
    if route.method == "GET" and route.path not in _WITHOUT_TEXT
]
_IDS: Mapping[str, tuple[str, ...]] = {
    "SELECT visit_id AS id FROM visit_account": (
        "/desk/visits/{}",
        "/desk/visits/{}/pay",
        "/desk/visits/{}/pay?method=card&chosen=1",
        "/desk/visits/{}/deposit",
        "/desk/visits/{}/what-if",
        "/desk/visits/{}/risks",
        "/desk/visits/{}/refund",
        "/desk/visits/{}/discharge",
        "/finance/visits/{}/documents",
        "/print/visits/{}/documents",
        "/print/visits/{}/statement",
    ),
    """SELECT account.visit_id || '/codes/' || named.intent_id AS id FROM intent_invoice AS named
        JOIN invoice ON invoice.id = named.invoice_id JOIN visit_account AS account USING (visit_id)""": (
        "/print/visits/{}",
    ),
    """SELECT deposit.visit_id || '/codes/' || intent.id AS id FROM intent
        JOIN deposit ON deposit.id = intent.deposit_id""": ("/print/visits/{}",),
    "SELECT id FROM receipt": (
        "/receipts/{}",
        "/print/receipts/{}/80mm",
        "/print/receipts/{}/a5",
        "/print/receipts/{}/a4",
    ),
    "SELECT id FROM refund": ("/refunds/{}",),
    "SELECT id FROM shift": ("/print/shifts/{}", "/shift/{}/minutes", "/shift/waiting/{}/force"),
    "SELECT id FROM approval": ("/approvals/{}",),
    "SELECT id FROM exception_case": ("/finance/exceptions/{}", "/finance/exceptions/{}/decide", "/finance/traces/{}"),
    "SELECT id FROM tariff": ("/finance/prices/{}", "/finance/prices/{}/repriced"),
    "SELECT id FROM integration_message": ("/finance/inbox/{}",),
    "SELECT id FROM journal_entry": ("/finance/ledger/entries/{}",),
    "SELECT day AS id FROM business_day": ("/finance/days/{}/results", "/finance/days/{}/certificate"),
    "SELECT id FROM desk": ("/display/{}",),
}
_MORE = ("/desk/find?q=evil", "/desk/find-money?q=evil", "/desk/change?due=1000&given=evil")


class _Page(HTMLParser):
    """The addresses that a page leads to, and the elements and attributes that a text has made."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.made: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.made += [name for name in (tag, *(name for name, _ in attrs)) if name in ("x-evil", "onx")]
        self.addresses += [value for name, value in attrs if name in ("href", "hx-get") and value]


def faults_of(answer: httpx.Response) -> Iterator[str]:
    """What is not inert in an answer."""
    kind = answer.headers.get("Content-Type", "")
    if "spreadsheet" in kind:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
            texts = [book.read(name).decode() for name in book.namelist() if name.endswith(".xml")]
        yield from ("a formula" for text in texts if "<f>" in text or "<x-evil" in text)
        yield from (f"an invisible character {found[0]!r}" for text in texts if (found := _INVISIBLE.search(text)))
        return
    if found := _INVISIBLE.search(answer.text):
        place = answer.text[max(0, found.start() - 120) : found.start()]
        yield f"an invisible character {found[0]!r} after {place!r}"
    if "csv" in kind:
        cells = [cell for row in csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))) for cell in row]
        yield from (f"a formula {cell!r}" for cell in cells if _FORMULA.match(cell))
    elif "html" in kind:
        yield from _Page(answer.text).made
        if re.search(r"\b49\b&|>49<", answer.text) and "{{7*7}}" not in answer.text:
            yield "a template"


def route_of(path: str) -> str | None:
    return next((name for pattern, name in _PATTERNS if pattern.fullmatch(path)), None)


async def walk(client: httpx.AsyncClient, start: list[str]) -> tuple[dict[str, int], list[str], int]:
    """Open page after page; how often each route answered, the faults, and how many answers have the text."""
    waiting, seen = deque(start), set(start)
    opened: Counter[str] = Counter()
    tried: Counter[tuple[str, tuple[str, ...]]] = Counter()
    faults, with_text = [], 0
    while waiting:
        address = waiting.popleft()
        parts = urlsplit(address)
        route = route_of(parts.path)
        kind = (str(route), tuple(sorted(f"{name}={value[:8]}" for name, value in parse_qsl(parts.query))))
        if route is None or tried[kind] >= _OF_ONE_ROUTE_MAX or opened[route] > 40:
            continue
        tried[kind] += 1
        answer = await client.get(address)
        assert answer.status_code < 500, (address, answer.text[:300])
        faults += [f"{address}: {fault}" for fault in faults_of(answer)]
        if answer.status_code != 200:
            continue
        opened[route] += 1
        with_text += "x-evil" in answer.text
        if "html" in answer.headers["Content-Type"]:
            for each in _Page(answer.text).addresses:
                following = urljoin(address, each)
                if following not in seen and following.startswith("/"):
                    seen.add(following)
                    waiting.append(following)
    return opened, faults, with_text


@pytest.mark.own_server
async def test_hostile_text_is_inert_on_every_page(site: Site) -> None:
    await record(site)
    assert await write_hostile_texts(site.database) == []
    [desk] = await site.as_owner("SELECT id FROM desk LIMIT 1")
    start = [route.path for route in SCREENS if route.method == "GET" and "{" not in route.path]
    for statement, addresses in _IDS.items():
        ids = [row["id"] for row in await site.as_owner(statement)]
        start += [address.format(each) for address in addresses for each in ids]
    async with signed_in(site, *Role, desk_id=desk["id"], name="<x-evil onx=1>") as staff:
        opened, faults, with_text = await walk(staff.client, [*start, *_MORE])

    assert faults == []
    assert {name for _, name in _PATTERNS} - opened.keys() == set()
    assert with_text > 100


@pytest.mark.own_server
async def test_hostile_text_is_inert_on_pages_without_a_session(site: Site) -> None:
    await record(site)
    await write_hostile_texts(site.database)
    intents = [await site.read(f"/v1/intents/{row['id']}") for row in await site.as_owner("SELECT id FROM intent")]
    receipts = [await site.read(f"/v1/receipts/{row['id']}") for row in await site.as_owner("SELECT id FROM receipt")]
    addresses = [
        each["pay_url"] + part for each in intents for part in ("", "?lang=en", "/state", "/confirmation.html")
    ]
    addresses += [f"/receipt/1-{each['printed']['token']}" for each in receipts if each["printed"]]

    answers = [await site.anonymous_client.get(address) for address in addresses]

    assert [fault for answer in answers for fault in faults_of(answer)] == []
    assert sum("x-evil" in answer.text for answer in answers) > 3
