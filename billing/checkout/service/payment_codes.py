"""Payment instructions for the payer: only for the amount still due, and never a code or a page that requests more.

The page and the API show the same. Source: docs/design.md §7; docs/ux.md, Patient page.
"""

from collections.abc import Mapping
from typing import Any

from billing.checkout.formats.vietqr import read_vietqr
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.core.reference_code import purpose_text
from billing.payments.domain.amount_due import Due, amount_due
from billing.payments.domain.intent import IntentState
from billing.payments.service.context import PaymentContext
from providers.contract import LocalQr, PaymentRefused, PaymentRequest

_PAYS_NOTHING: Mapping[str, object] = {"qr_payload": "", "redirect_url": "", "form_fields": ()}


def due_of(row: Mapping[str, Any]) -> Due:
    """The amount due under an intent, from a row of it with `owed` of its invoices and `credit` of its payments."""
    return amount_due(
        IntentState(row["state"]),
        amount=Dong(row["amount"]),
        received=Dong(row["received"]),
        owed=Dong(row["owed"]),
        credit=Dong(row["credit"]),
    )


async def instruction_now(
    context: PaymentContext, organization_id: OrganizationId, row: Mapping[str, Any], due: Due
) -> Mapping[str, Any] | None:
    """The payment instruction for the amount due now; None if the provider has not returned one.

    If nothing is due, it contains no code and no page. A provider's page requests its original amount: if another
    amount is due it is omitted, and a code is built for the new amount if the provider can.
    """
    instruction: Mapping[str, Any] | None = row["instruction"]
    if instruction is None:
        return None
    if due.remaining == 0:
        return {**instruction, **_PAYS_NOTHING}
    payload = await payload_for(context, organization_id, row, due.remaining)
    if due.remaining == row["amount"]:
        return {**instruction, "qr_payload": payload}
    return {**instruction, **_PAYS_NOTHING, "qr_payload": payload}


async def payload_for(
    context: PaymentContext, organization_id: OrganizationId, row: Mapping[str, Any], amount: Dong
) -> str:
    """The payload of the intent's code for exactly an amount; empty if there is none.

    `row` has `instruction`, `amount`, `reference_code`, `account` (its name), `created_at` and `expires_at`.
    """
    payload: str = (row["instruction"] or {}).get("qr_payload") or ""
    decoded = read_vietqr(payload)
    encoded_amount = row["amount"] if decoded is None else decoded.amount
    if not payload or encoded_amount == amount:
        return payload
    account = await context.accounts.find(organization_id, row["account"])
    assert account is not None, "accounts are never removed"
    if not isinstance(account.provider, LocalQr):
        return ""
    request = PaymentRequest(
        reference=row["reference_code"],
        amount=amount,
        purpose=purpose_text(row["reference_code"]),
        expires_at=row["expires_at"],
        requested_at=row["created_at"],
    )
    try:
        return account.provider.qr_for(request).qr_payload
    except PaymentRefused:
        return ""
