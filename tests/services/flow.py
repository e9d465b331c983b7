"""The payment flow for the tests of the callback path: an invoice, its code, and deliveries that name it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.checkout.service.intents import find_intent, open_intent
from billing.core.actor import Actor
from billing.core.ids import DeliveryId, IntentId, InvoiceId
from billing.core.money import Dong
from billing.db.database import Database
from billing.invoices.service.issue import issue_invoice
from billing.ledger.service.verify import verify
from billing.organizations.service.context import ProviderAccount
from billing.payments.service.apply_notices import Answer, Delivery
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.visit_accounts.service.record_visits import record_visit
from providers.contract import Callback, Movement, Notice, Outcome
from tests.builders import ACCOUNT_NAME, DemoHospital, visit_document

OWED = 136_000
"""What the patient owes for the visit of the builders."""


@dataclass(frozen=True, slots=True)
class Bill:
    """An issued invoice and an open intent for it."""

    invoice_id: InvoiceId
    intent_id: IntentId
    code: str


@dataclass(slots=True)
class PaymentFlow:
    """One hospital with what is needed to bill and to be paid."""

    context: PaymentContext
    hospital: DemoHospital
    account: ProviderAccount

    async def bill(self, ma_lk: str = "LK0001", *, amount: int | None = None) -> Bill:
        organization_id = self.hospital.organization_id
        visit = await record_visit(self.context, organization_id, visit_document(ma_lk=ma_lk), actor=Actor.system())
        assert visit is not None, "requested without an idempotency key"
        invoice_id = await issue_invoice(self.context, organization_id, visit.id, actor=Actor.system())
        return await self.intent([invoice_id], amount=amount)

    async def intent(self, invoice_ids: Sequence[InvoiceId], *, amount: int | None = None) -> Bill:
        intent_id = await open_intent(
            self.context,
            self.hospital.organization_id,
            account_name=ACCOUNT_NAME,
            invoice_ids=invoice_ids,
            amount=None if amount is None else Dong(amount),
            actor=Actor.system(),
        )
        row = await self.read(intent_id)
        return Bill(invoice_ids[0], intent_id, row["reference_code"])

    async def read(self, intent_id: IntentId) -> dict[str, Any]:
        return dict(await find_intent(self.context, self.hospital.organization_id, intent_id))

    def delivery(self, *notices: Notice, account: ProviderAccount | None = None) -> Delivery:
        callback = Callback("POST", "", "", (), (("x-test", "1"),), b"{}", "127.0.0.1", self.context.clock())
        return Delivery(
            id=DeliveryId(self.context.ids.new()), account=account or self.account, callback=callback, notices=notices
        )

    def notice(self, transaction: str, text: str, *, amount: int = OWED, **changes: Any) -> Notice:
        status = changes.pop("status", "SUCCEEDED")
        occurred_at: datetime = self.context.clock()
        fields: dict[str, Any] = {
            "event_key": f"{transaction}:{status}",
            "outcome": Outcome.SUCCEEDED,
            "provider_status": status,
            "occurred_at": occurred_at,
            "amount": amount,
            "movement": Movement.RECEIVED,
            "movement_keys": frozenset({f"transaction:{transaction}", f"bank:FT-{transaction}"}),
            "fingerprint": f"{transaction}|{amount}|{text}".encode(),
            "transfer_text": text,
            "provider_reference": transaction,
            "bank_reference": f"FT-{transaction}",
        }
        return Notice(**(fields | changes))

    async def deliver(self, *notices: Notice) -> list[Answer]:
        """Deliver notices one by one through an intake of their own."""
        async with Intake(self.context) as intake:
            return [await intake.submit(self.delivery(notice)) for notice in notices]


async def assert_books_are_right(database: Database) -> None:
    """Every check holds over every organization."""
    assert await find_mismatches(database) == {}


async def find_mismatches(database: Database) -> dict[str, int]:
    """The checks that do not hold, with the number of mismatches each has."""
    return {result.check.name: len(result.mismatches) async for result in verify(database) if result.mismatches}
