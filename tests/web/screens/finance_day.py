"""A day of finance: money that is matched, money whose code has a fault, money of nobody, and the clerk who decides."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from providers.sandbox.bank_simulator import Behaviour
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.import_day import BYTES
from tests.web.site import Site

NOBODY = 77_000
"""The money of a line that nothing of ours explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinanceDay:
    """The day, the open code whose last character the payer left out, and what it owes."""

    day: date
    code: str
    owed: int
    ma_lk: str

    @property
    def mangled(self) -> str:
        """The text of the payer."""
        return f"NGUYEN VAN A chuyen tien kham benh {self.code[:-1]}"


def code_of(intent: dict[str, Any]) -> str:
    """The payment code of an intent."""
    code: str = intent["reference_code"]
    return code


async def open_finance_day(site: Site, *, text: str = "CHUYEN TIEN CHO BO") -> FinanceDay:
    """One payment is confirmed by its line; a line has a code with a missing character, another has none."""
    paid = await site.open_intent()
    await site.bank().pay(paid["instruction"]["qr_payload"], Behaviour.EXACT)
    waiting = await site.open_intent(ma_lk="LK-CHO")
    [payment] = (await site.read("/v1/payments"))["items"]
    day = business_date(site.context.clock())
    found = FinanceDay(day=day, code=code_of(waiting), owed=waiting["amount"], ma_lk="LK-CHO")
    lines = (
        Line(amount=payment["amount"], text=f"{code_of(paid)} VIEN PHI", reference=payment["bank_reference"], day=day),
        Line(amount=found.owed, text=found.mangled, reference="FT-MANGLED", day=day),
        Line(amount=NOBODY, text=text, reference="FT-NOBODY", day=day),
    )
    content = statement_csv(*lines, account=site.hospital.settings.account_number)
    imported = await site.client.post("/v1/bank-statements?file_name=sao-ke.csv", content=content, headers=BYTES)
    assert imported.status_code == 201, imported.text
    await match_and_detect(site, imported.json()["file"]["id"])
    return found


async def match_and_detect(site: Site, import_id: str) -> None:
    """What the worker does after an import."""
    run = await site.client.post("/v1/match-runs", json={"import_id": import_id})
    assert run.status_code in (200, 201), run.text
    await find_exceptions_once(site.context, OrganizationId(site.hospital.organization_id))
