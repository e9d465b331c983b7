"""The payment flow for the tests of the callback path: an invoice, its code, and deliveries that name it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from billing.checkout.domain.intent_details import IntentDetails
from billing.checkout.service.intent_targets import InvoicesTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.actor import Actor
from billing.core.ids import DeliveryId, IntentId, InvoiceId
from billing.core.money import Dong
from billing.db.context import Clock, utc_now
from billing.db.database import Database
from billing.invoices.service.issue import issue_invoice
from billing.ledger.service.verify import verify
from billing.organizations.service.context import ProviderAccount
from billing.payments.service import intake as intake_module
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.payments.service.payment_events import Answer, Delivery
from billing.visit_accounts.service.record_visits import record_visit
from providers.contract import Callback, Movement, Notice, Outcome
from tests.builders import ACCOUNT_NAME, DemoHospital, build_context, visit_document

OWED = 136_000
"""What the patient owes for the visit of the builders."""


async def _apply_no_single(_delivery: Delivery, _context: PaymentContext) -> None:
    return None


async def _apply_no_singles(_deliveries: Sequence[Delivery], _context: PaymentContext) -> dict[DeliveryId, Answer]:
    return {}


def apply_in_batches(patch: pytest.MonkeyPatch, apply: Callable[..., Awaitable[object]]) -> None:
    """Let `apply` take the place of `apply_deliveries` in the intake, also for a single delivery."""
    patch.setattr(intake_module, "apply_single", _apply_no_single)
    patch.setattr(intake_module, "apply_singles", _apply_no_singles)
    patch.setattr(intake_module, "apply_deliveries", apply)


@dataclass(frozen=True, slots=True)
class StartedIntent:
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

    async def start_intent(self, ma_lk: str = "LK0001", *, amount: int | None = None) -> StartedIntent:
        organization_id = self.hospital.organization_id
        document = visit_document(ma_lk=ma_lk, facility_code=self.hospital.facility_code)
        visit = await record_visit(self.context, organization_id, document, actor=Actor.system())
        assert visit is not None, "requested without an idempotency key"
        invoice_id = await issue_invoice(self.context, organization_id, visit.id, actor=Actor.system())
        return await self.intent([invoice_id], amount=amount)

    async def intent(self, invoice_ids: Sequence[InvoiceId], *, amount: int | None = None) -> StartedIntent:
        intent_id = await open_intent(
            self.context,
            self.hospital.organization_id,
            account_name=ACCOUNT_NAME,
            target=InvoicesTarget(tuple(invoice_ids)),
            amount=None if amount is None else Dong(amount),
            actor=Actor.system(),
        )
        row = await self.read(intent_id)
        return StartedIntent(invoice_ids[0], intent_id, row.reference_code)

    async def read(self, intent_id: IntentId) -> IntentDetails:
        return await find_intent(self.context, self.hospital.organization_id, intent_id)

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


async def open_flow(database: Database, hospital: DemoHospital, *, clock: Clock = utc_now) -> PaymentFlow:
    """The flow of a hospital that the database has."""
    context = build_context(database, clock=clock)
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return PaymentFlow(context, hospital, account)


async def assert_books_are_right(database: Database) -> None:
    """Every check holds over every organization."""
    assert await find_mismatches(database) == {}


async def find_mismatches(database: Database) -> dict[str, int]:
    """The checks that do not hold, with the number of mismatches each has."""
    return {result.check.name: len(result.mismatches) async for result in verify(database) if result.mismatches}
