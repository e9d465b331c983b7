"""Stripe's refunds and the payments they name, from the signed body to the books."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from providers.contract import Notice
from providers.stripe.parsing import read_event
from tests.flow import OWED, PaymentFlow
from tests.payments.service.test_outflows import apply, assert_all_is_explained, standing
from tests.providers.stripe_samples import INTENT, REFUND, SESSION

_BARE = {"metadata": {}, "amount": OWED}
REFUNDS: Mapping[str, dict[str, Any]] = {
    "by its intent": {**REFUND, **_BARE, "id": "re_9"},
    "by its charge alone": {**REFUND, **_BARE, "id": "re_9", "payment_intent": None, "charge": "ch_1"},
}


def read(flow: PaymentFlow, kind: str, found: Mapping[str, Any]) -> Notice:
    event = json.loads(json.dumps({"type": kind, "data": {"object": found}}))
    (notice,) = read_event(event, received_at=flow.context.clock())
    return notice


@pytest.mark.parametrize("named", list(REFUNDS))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_refund_without_our_code_is_taken_from_the_payment_it_names(
    flow: PaymentFlow, named: str, order: tuple[int, ...]
) -> None:
    """The payment is reported twice, by its session and its intent; the refund comes first, between them or last."""
    started = await flow.start_intent()
    notices = [
        read(
            flow, "checkout.session.completed", {**SESSION, "amount_total": OWED, "client_reference_id": started.code}
        ),
        read(
            flow,
            "payment_intent.succeeded",
            {**INTENT, "amount": OWED, "amount_received": OWED, "metadata": {"invoice": started.code}},
        ),
        read(flow, "refund.created", REFUNDS[named]),
    ]
    await flow.deliver(flow.notice("opens-the-day", "tien le", amount=1))

    for place in order:
        await apply(flow, [notices[place]])

    found = await standing(flow, started)
    assert (found["owed"], found["intent"]) == (OWED, ("pending", 0))
    await assert_all_is_explained(flow)
