"""Two accounts on one merchant of a provider: its charge is told to both, and booked once."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from billing.services.context import ProviderAccount
from providers.contract import Provider
from providers.stripe.adapter import Stripe
from providers.stripe.settings import StripeSettings
from tests.providers import momo_samples, vnpay_samples
from tests.providers.stripe_samples import INTENT, SESSION
from tests.services.road import OWED, Road, assert_books_are_right
from tests.services.test_outflows_of_stripe import read
from tests.services.test_strong_and_weak_names import deliver, owed, payments, second

__all__ = ["second"]


def stripe(account: str) -> Provider:
    settings = {"secret_key": "sk_test_00000000", "endpoint_secret": "whsec_00000000", "account": account}
    return Stripe(StripeSettings.model_validate(settings), httpx.AsyncClient())


def pair(road: Road, other: ProviderAccount, one: Provider, two: Provider) -> tuple[ProviderAccount, ProviderAccount]:
    """Accounts of different bank accounts, so that nothing but the provider's id says that it is one charge."""
    return (
        replace(road.account, provider=one, bank_account_id=None, channels=1),
        replace(other, provider=two, bank_account_id=None, channels=1),
    )


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_charge_of_one_stripe_account_is_booked_once(
    road: Road, second: ProviderAccount, batched: bool, order: list[int]
) -> None:
    bill = await road.bill()
    accounts = pair(road, second, stripe(""), stripe("acct_1"))
    found: dict[str, Any] = {**SESSION, "amount_total": OWED, "client_reference_id": bill.code}
    session = read(road, "checkout.session.completed", found)
    found = {**INTENT, "amount": OWED, "amount_received": OWED, "metadata": {"invoice": bill.code}}
    intent = read(road, "payment_intent.succeeded", found)

    told = [(notice, accounts[place]) for place in order for notice in (session, intent)]
    await deliver(road, *told, *told, batched=batched)

    assert await payments(road) == [OWED]
    assert await owed(road) == [0]
    await assert_books_are_right(road.context.database)


@pytest.mark.parametrize(("code", "number"), [("FAKETMN1", 1), ("OTHERTMN", 2)])
async def test_vnpay_number_is_one_payment_inside_one_terminal(
    road: Road, second: ProviderAccount, code: str, number: int
) -> None:
    bill = await road.bill()
    accounts = pair(road, second, vnpay_samples.terminal(), vnpay_samples.terminal(tmn_code=code))
    notice = road.notice("14000001", bill.code, payee=(("tmn_code", "FAKETMN1"),), bank_reference="")
    notice = replace(notice, fact_keys=frozenset({"transaction:14000001"}))
    other = replace(notice, payee=(("tmn_code", code),))

    await deliver(road, (notice, accounts[0]), (other, accounts[1]))

    assert await payments(road) == [OWED] * number


async def test_momo_number_is_one_payment_inside_one_partner(road: Road, second: ProviderAccount) -> None:
    accounts = pair(road, second, momo_samples.account(), momo_samples.account())
    notice = replace(
        road.notice("4000000001", "chuyen tien", payee=(("partner_code", "P"),), bank_reference=""),
        fact_keys=frozenset({"transaction:4000000001"}),
    )

    await deliver(road, (notice, accounts[0]), (notice, accounts[1]))

    assert await payments(road) == [OWED]
