"""An open visit as its hospital sends it, with ordered lines that were paid at the desk of the morning."""

from dataclasses import dataclass
from typing import Any

from tests.builders import FACILITY_CODE, visit_document
from tests.web.cash_day import send
from tests.web.screens.morning import Morning


@dataclass(frozen=True, slots=True)
class LiveVisit:
    """The visit of the builders: 600 000 đồng, of which the patient pays 136 000; its lines are `XML3-1` and so on."""

    morning: Morning
    id: str
    ma_lk: str

    async def collect(self, *lines: str, **part: object) -> dict[str, Any]:
        """Request lines and take their amount in cash, or as `part` states."""
        client = self.morning.site.client
        request = await send(client, f"/v1/visits/{self.id}/deposit-requests", {"lines": list(lines)})
        parts = [{"method": "cash", "amount": request["amount"], **part}]
        body = {"deposit_request_id": request["id"], "parts": parts}
        return await send(self.morning.client, f"/v1/visits/{self.id}/collections", body)

    async def advance(self, amount: int) -> dict[str, Any]:
        """Take an advance in cash."""
        body = {"amount": amount, "parts": [{"method": "cash", "amount": amount}]}
        return await send(self.morning.client, f"/v1/visits/{self.id}/collections", body)

    async def perform(self, *lines: str) -> None:
        """The room reports lines as performed."""
        document = visit_document(ma_lk=self.ma_lk)
        for line in document["lines"]:
            name = f"{line['table']}-{line['stt']}"
            if name in lines:
                body = {"version": 2, "state": "performed", "item": line, "order_number": f"CD-{name}"}
                address = f"/v1/facilities/{FACILITY_CODE}/visits/{self.ma_lk}/charges/{name}"
                await send(self.morning.site.client, address, body, method="PUT")


async def live_visit(morning: Morning, ma_lk: str = "LK-SONG", *, state: str = "ordered") -> LiveVisit:
    """Send the visit of the builders with its four lines."""
    client, document = morning.site.client, visit_document(ma_lk=ma_lk)
    address = f"/v1/facilities/{FACILITY_CODE}/visits/{ma_lk}"
    header = {key: value for key, value in document.items() if key not in ("lines", "MA_LK", "MA_CSKCB")}
    account = await send(client, address, {**header, "version": 1}, method="PUT")
    for line in document["lines"]:
        name = f"{line['table']}-{line['stt']}"
        body = {"version": 1, "state": state, "item": line, "order_number": f"CD-{name}"}
        await send(client, f"{address}/charges/{name}", body, method="PUT")
    return LiveVisit(morning, account["id"], ma_lk)
