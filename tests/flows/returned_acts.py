"""Transfers that the bank sends back, and money that left without a payment and came back."""

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.decide_exceptions import decide_exception
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.import_statement import import_statement
from tests.flows.entry_acts import Hospital, cash
from tests.persons import actors
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

_RETURNED = "SELECT id FROM exception_case WHERE reason = 'returned_transfer' AND state = 'open' ORDER BY amount"


async def returned_transfers(hospital: Hospital) -> None:
    """Refunds of a deposit, of credit and of money without a code come back, and an outflow without a payment."""
    site = hospital.site
    sources = await _sources(hospital)
    made = [
        await hospital.refund(11_001 + number, way="manual_transfer", **source) for number, source in enumerate(sources)
    ]
    await hospital.approve("refund")
    for number, refund in enumerate(made):
        await hospital.send(f"/refunds/{refund['id']}/send", {"bank_account_id": hospital.bank_id})
        await hospital.send(f"/refunds/{refund['id']}/confirm", {"bank_reference": f"FT-OUT-90{number}"}, by="head")
    await hospital.take_back(12_001, original="NOWHERE01", transaction="OUT9")
    await hospital.news()
    day = business_date(site.context.clock())
    lines = [
        Line(amount=11_001 + number, text=f"TRA LAI {refund['reference']}", reference=f"FT-BACK-90{number}", day=day)
        for number, refund in enumerate(made)
    ]
    lines.append(Line(amount=12_001, text="TRA LAI NOWHERE01", reference="FT-BACK-909", day=day))
    content = statement_csv(*lines, opening=3, account=site.hospital.settings.account_number)
    await import_statement(site.context, site.hospital.organization_id, statement_file(content), actor=Actor.system())
    await find_exceptions_once(site.context, site.hospital.organization_id)
    [actor] = await actors(site.database, site.context, ("tra-lai", "Đỗ Thị Trả"))
    for row in await site.as_owner(_RETURNED):
        new = NewDecision(action=DecisionAction.BOOK_RETURN, reason="ngân hàng trả lại", version=1)
        await decide_exception(site.context, site.hospital.organization_id, row["id"], new, actor=actor)


async def _sources(hospital: Hospital) -> list[dict[str, str]]:
    """A deposit, credit and unallocated money that refunds may return."""
    visit_id = await hospital.charged()
    await hospital.collect(visit_id, cash(40_000))
    sources = [{"visit_id": visit_id}]
    over_paid = await hospital.code_of(await hospital.owed_invoice())
    for text, amount in ((over_paid, 160_000), ("khong co ma", 20_000)):
        await hospital.transfer(text, amount)
        sources.append({"payment_id": (await hospital.send("/payments", method="GET"))["items"][0]["id"]})
    await hospital.cancel_all(f"LK-{hospital.visits - 1}")
    return sources
