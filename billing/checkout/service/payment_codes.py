"""Payment instructions for the payer: only for the amount still due, and never a code or a page that requests more.

The page and the API show the same. Source: docs/design.md §7; docs/ux.md, Patient page.
"""

from dataclasses import replace

from billing.checkout.domain.intent_details import IntentWithInstruction
from billing.checkout.formats.vietqr import read_vietqr
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.core.reference_code import purpose_text
from billing.payments.service.context import PaymentContext
from providers.contract import LocalQr, PaymentInstruction, PaymentRefused, PaymentRequest


async def instruction_now(
    context: PaymentContext, organization_id: OrganizationId, intent: IntentWithInstruction
) -> PaymentInstruction | None:
    """The payment instruction for the amount due now; None if the provider has not returned one.

    If nothing is due, it contains no code and no page. A provider's page requests its original amount: if another
    amount is due it is omitted, and a code is built for the new amount if the provider can.
    """
    if intent.instruction is None:
        return None
    remaining = intent.remaining
    payload = await payload_for(context, organization_id, intent, remaining) if intent.is_collecting else ""
    if remaining == intent.amount:
        return replace(intent.instruction, qr_payload=payload)
    return replace(intent.instruction, qr_payload=payload, redirect_url="", form_fields=())


async def payload_for(
    context: PaymentContext, organization_id: OrganizationId, intent: IntentWithInstruction, amount: Dong
) -> str:
    """The payload of the intent's code for exactly an amount, 0 if the payer types it; empty if there is none."""
    payload = "" if intent.instruction is None else intent.instruction.qr_payload
    decoded = read_vietqr(payload)
    encoded_amount = intent.amount if decoded is None else decoded.amount or 0
    if not payload or encoded_amount == amount:
        return payload
    account = await context.accounts.find(organization_id, intent.account)
    assert account is not None, "accounts are never removed"
    if not isinstance(account.provider, LocalQr):
        return ""
    request = PaymentRequest(
        reference=intent.reference_code,
        amount=amount,
        purpose=purpose_text(intent.reference_code),
        expires_at=intent.expires_at,
        requested_at=intent.created_at,
    )
    try:
        return account.provider.qr_for(request).qr_payload
    except PaymentRefused:
        return ""
