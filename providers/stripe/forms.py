"""Requests to Stripe: flat forms with bracketed keys, and amounts in the smallest unit of the currency."""

from collections.abc import Iterator, Mapping

from providers.contract import PaymentRequest, RefundRequest
from providers.stripe.settings import StripeSettings

CURRENCY = "vnd"
REFERENCE_FIELD = "invoice"
"""The metadata field of our reference code; it carries no other data, and no data of a patient."""

REFUND_FIELD = "refund"
"""The metadata field of a refund's code."""

AMOUNT_MAX = 99_999_999
"""Stripe accepts eight digits."""


def api_amount(amount: int, currency: str) -> int:
    """An amount as sent. The đồng has no smaller unit: 350000 is sent as 350000.

    Raises ValueError for another currency, or for a value that is not a whole positive amount.
    """
    if currency.lower() != CURRENCY:
        raise ValueError("only đồng are collected")
    if type(amount) is not int or amount <= 0:
        raise ValueError("an amount is whole and positive")
    return amount


def form_fields(nested: Mapping[str, object]) -> dict[str, str]:
    """A nested value as a flat form: `{"metadata": {"a": 1}, "types": ["card"]}` is `metadata[a]=1&types[0]=card`."""
    return {name: text for key, value in nested.items() for name, text in _flat(key, value)}


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}[{key}]", inner)
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            yield from _flat(f"{name}[{position}]", inner)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    else:
        yield name, str(value)


def intent_form(request: PaymentRequest, settings: StripeSettings) -> dict[str, str]:
    """A payment intent in the few fields that every server accepts: some servers refuse unknown fields."""
    fields: dict[str, object] = {
        "amount": api_amount(request.amount, CURRENCY),
        "currency": CURRENCY,
        "metadata": {REFERENCE_FIELD: request.reference},
    }
    if settings.payment_method_types:
        fields["payment_method_types"] = settings.payment_method_types
    if settings.payment_method:
        fields["payment_method"] = settings.payment_method
    if settings.confirm:
        fields["confirm"] = True
        if settings.return_url:
            fields["return_url"] = settings.return_url
    return form_fields(fields)


def session_form(request: PaymentRequest, settings: StripeSettings, return_url: str) -> dict[str, str]:
    """A checkout session for one payment; the payment intent behind it carries our reference too."""
    reference = {REFERENCE_FIELD: request.reference}
    price = {
        "currency": CURRENCY,
        "unit_amount": api_amount(request.amount, CURRENCY),
        "product_data": {"name": request.purpose},
    }
    fields: dict[str, object] = {
        "mode": "payment",
        "success_url": return_url,
        "cancel_url": return_url,
        "client_reference_id": request.reference,
        "metadata": reference,
        "payment_intent_data": {"metadata": reference},
        "line_items": [{"quantity": 1, "price_data": price}],
    }
    if settings.payment_method_types:
        fields["payment_method_types"] = settings.payment_method_types
    return form_fields(fields)


def refund_form(request: RefundRequest, target: Mapping[str, str]) -> dict[str, str]:
    """A refund of a part or the whole, under its own code."""
    metadata = {REFERENCE_FIELD: request.payment.reference, REFUND_FIELD: request.reference}
    return form_fields({**target, "amount": api_amount(request.amount, CURRENCY), "metadata": metadata})
