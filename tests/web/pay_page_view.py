"""The payment page as parsed from its HTML."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from xml.etree import ElementTree

import zxingcpp

from billing.payments.domain.amount_due import PatientState
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
from tests.payments.visit_deposits import open_visit
from tests.web.site import Site

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class PageView:
    """The HTML of a page, and its main parts."""

    html: str

    @property
    def status(self) -> str:
        """The one sentence that is read aloud."""
        found = re.findall(r'<div [^>]*role="status"[^>]*>.*?<div>(.*?)</div></div>', self.html)
        assert len(found) == 1, "one status, no more"
        return unescape(re.sub(r"<[^>]+>", "", found[0])).replace("\N{NO-BREAK SPACE}", " ")

    @property
    def other_language(self) -> str:
        """The address of the page in the other language."""
        return unescape(re.findall(r'<a href="([^"]*)" lang=', self.html)[0])

    @property
    def amount(self) -> str:
        return unescape(re.findall(r'<p class="amount">(.*?)</p>', self.html)[0])

    @property
    def sums(self) -> dict[str, str]:
        """Every line of a list by its name."""
        lines = re.findall(r"<dt>(.*?)</dt><dd>(?:<span class=\"value\">)?([^<\n]*)", self.html)
        return {unescape(name): unescape(value) for name, value in lines}

    @property
    def code(self) -> str | None:
        """What a phone reads from the picture; None where none is shown."""
        found = re.search(r'<figure class="qr">(<svg .*?</svg>)', self.html)
        return None if found is None else read_picture(found[1])

    @property
    def is_reloading(self) -> bool:
        return re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', self.html) is not None

    @property
    def has_button(self) -> bool:
        return '<form method="post"' in self.html


async def look(site: Site, intent: dict[str, Any], *, lang: str = "") -> PageView:
    """Open the page of an intent as somebody who has nothing but its address."""
    answer = await site.anonymous_client.get(intent["pay_url"], params={"lang": lang} if lang else None)
    assert answer.status_code == 200, answer.text
    return PageView(answer.text)


async def set_state(site: Site, intent: dict[str, Any], state: str) -> None:
    """Bring an intent into a state that takes a long time to come to."""
    await site.without_guards(
        "intent",
        "UPDATE intent SET state = $2, version = version + 1 WHERE organization_id = 1 AND id = $1",
        intent["id"],
        state,
    )


async def open_another(site: Site, intent: dict[str, Any], **changes: object) -> dict[str, Any]:
    """A further intent for the same invoices."""
    body = {"account": ACCOUNT_NAME, "invoice_ids": intent["invoice_ids"], **changes}
    answer = await site.client.post("/v1/intents", json=body)
    assert answer.status_code == 201, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


async def open_in_state(site: Site, state: PatientState) -> dict[str, Any]:
    """An intent whose page shows a state."""
    if state in (PatientState.STANDING, PatientState.CLOSED):
        return await _open_for_deposit(site, state)
    intent = await site.open_intent()
    payload = intent["instruction"]["qr_payload"]
    match state:
        case PatientState.SHORT:
            await site.bank().pay(payload, Behaviour.SHORT)
        case PatientState.PAID:
            await site.bank().pay(payload, Behaviour.EXACT)
        case PatientState.PART_PAID:
            intent = await open_another(site, intent, amount=100_000)
            await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        case PatientState.OVER:
            await site.bank().pay(payload, Behaviour.OVER)
        case PatientState.PAID_OTHERWISE:
            other = await open_another(site, intent)
            await site.bank().pay(other["instruction"]["qr_payload"], Behaviour.EXACT)
        case PatientState.CANCELLED:
            await site.client.post(f"/v1/intents/{intent['id']}/cancel")
        case PatientState.CANCELLED_SHORT:
            await site.client.post(f"/v1/intents/{intent['id']}/cancel")
            await site.bank().pay(payload, Behaviour.SHORT)
        case PatientState.PREPARING:
            await set_state(site, intent, "created")
        case PatientState.CHECKING:
            await set_state(site, intent, "unknown")
        case PatientState.EXPIRED | PatientState.FAILED:
            await set_state(site, intent, state.value)
    return intent


async def _open_for_deposit(site: Site, state: PatientState) -> dict[str, Any]:
    visit = await open_visit(site.context)
    if state is PatientState.STANDING:
        body = {"account": ACCOUNT_NAME, "visit_id": str(visit.visit_id), "is_standing": True}
        opened: dict[str, Any] = (await site.client.post("/v1/intents", json=body)).json()
        return opened
    address = f"/v1/visits/{visit.visit_id}/deposit-requests"
    request = (await site.client.post(address, json={"lines": ["A"]})).json()
    body = {"account": ACCOUNT_NAME, "deposit_request_id": request["id"]}
    opened = (await site.client.post("/v1/intents", json=body)).json()
    await site.client.post(f"/v1/deposit-requests/{request['id']}/withdraw")
    return opened


def read_picture(svg: str, *, scale: int = 4) -> str:
    """Read the drawing with a decoder that has nothing in common with what drew it."""
    root = ElementTree.fromstring(svg)
    side = int(root.attrib["viewBox"].split()[2])
    rows = [bytearray(b"\xff" * side) for _ in range(side)]
    dark = root.findall(f"{SVG}path")[1]
    for column, line, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", dark.attrib["d"]):
        rows[int(line)][int(column) : int(column) + int(width)] = bytes(int(width))
    pixels = b"".join(bytes(value for value in row for _ in range(scale)) for row in rows for _ in range(scale))
    image = memoryview(pixels).cast("B", (side * scale, side * scale))
    (read,) = zxingcpp.read_barcodes(image, try_invert=False)
    return str(read.text)
