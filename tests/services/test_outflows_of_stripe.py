"""Stripe's refunds and the payments they name, from the signed body to the books."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from providers.contract import Notice
from providers.stripe.reading import read_event
from tests.providers.stripe_samples import INTENT, REFUND, SESSION
from tests.services.road import OWED, Road
from tests.services.test_outflows import apply, assert_all_is_explained, standing

_BARE = {"metadata": {}, "amount": OWED}
REFUNDS: Mapping[str, dict[str, Any]] = {
    "by its intent": {**REFUND, **_BARE, "id": "re_9"},
    "by its charge alone": {**REFUND, **_BARE, "id": "re_9", "payment_intent": None, "charge": "ch_1"},
}


def read(road: Road, kind: str, found: Mapping[str, Any]) -> Notice:
    event = json.loads(json.dumps({"type": kind, "data": {"object": found}}))
    (notice,) = read_event(event, received_at=road.context.clock())
    return notice


@pytest.mark.parametrize("named", list(REFUNDS))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_refund_without_our_code_is_taken_from_the_payment_it_names(
    road: Road, named: str, order: tuple[int, ...]
) -> None:
    """The payment is told twice, by its session and its intent; the refund comes first, between them or last."""
    bill = await road.bill()
    told = [
        read(road, "checkout.session.completed", {**SESSION, "amount_total": OWED, "client_reference_id": bill.code}),
        read(
            road,
            "payment_intent.succeeded",
            {**INTENT, "amount": OWED, "amount_received": OWED, "metadata": {"invoice": bill.code}},
        ),
        read(road, "refund.created", REFUNDS[named]),
    ]
    await road.deliver(road.notice("opens-the-day", "tien le", amount=1))

    for place in order:
        await apply(road, [told[place]])

    found = await standing(road, bill)
    assert (found["owed"], found["intent"]) == (OWED, ("pending", 0))
    await assert_all_is_explained(road)
