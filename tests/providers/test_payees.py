"""What a message names as its payee, by the setting of the account that holds it."""

from typing import Any

import httpx
import pytest

from providers.contract import Notices
from providers.stripe.adapter import Stripe
from providers.stripe.settings import StripeSettings
from tests.providers import bank_collection_samples, momo_samples, payos_samples, test_vietqr, vnpay_samples


def _one(read: Any) -> Any:
    assert isinstance(read, Notices)
    [notice] = read.notices
    return notice


def test_message_of_another_payee_states_which() -> None:
    bank = test_vietqr.account()
    result = {
        ("tmn_code", "OTHERTMN"): _one(
            vnpay_samples.terminal().read_callback(vnpay_samples.signed_ipn(vnp_TmnCode="OTHERTMN"))
        ),
        ("partner_code", "OTHER"): _one(
            momo_samples.account().read_callback(momo_samples.signed_callback(partnerCode="OTHER"))
        ),
        ("account_number", "0000000000018"): _one(
            payos_samples.channel().read_callback(payos_samples.signed_callback(accountNumber="0000000000018"))
        ),
        ("account_number", "0000000000019"): _one(
            bank.read_callback(test_vietqr.sync(bank, bankaccount="0000000000019"))
        ),
    }

    assert [notice.payee for notice in result.values()] == [(payee,) for payee in result]
    assert all(notice.names_other_account for notice in result.values())


@pytest.mark.parametrize(
    ("event", "payee"),
    [
        ({"account": "acct_2", "livemode": True}, (("account", "acct_2"),)),
        ({"account": "acct_2", "livemode": False}, ()),
        ({"livemode": True}, ()),
    ],
)
def test_stripe_money_of_the_other_mode_has_no_payee_of_before(event: dict[str, Any], payee: object) -> None:
    settings = StripeSettings.model_validate(
        {"secret_key": "sk_test_00000000", "endpoint_secret": "whsec_00000000", "livemode": True, "account": "acct_1"}
    )

    assert Stripe(settings, httpx.AsyncClient())._payee(event) == payee


def test_bank_collection_names_what_differs_alone() -> None:
    account = bank_collection_samples.account()

    assert _one(account.read_callback(bank_collection_samples.notify())).payee == ()
