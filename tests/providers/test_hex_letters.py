"""A hash in hex has the same value in upper-case and lower-case letters."""

import json

from providers.contract import Callback, Notices
from tests.providers import momo_samples, payos_samples, sepay_samples, zalopay_samples


def test_hash_in_capitals_is_the_same_hash() -> None:
    for callback, provider, field in (
        (momo_samples.signed_callback(), momo_samples.account(), "signature"),
        (payos_samples.signed_callback(), payos_samples.channel(), "signature"),
        (zalopay_samples.signed_callback(), zalopay_samples.application(), "mac"),
    ):
        body = json.loads(callback.body)
        capitals = json.dumps({**body, field: body[field].upper()})

        read = provider.read_callback(payos_samples.delivery(capitals))

        assert isinstance(read, Notices)
        assert read == provider.read_callback(callback)


def test_header_in_capitals_is_the_same_hash() -> None:
    signed = sepay_samples.signed()
    timestamp, signature = (value for _, value in signed.headers)
    algorithm, _, mac = signature.partition("=")
    capitals: Callback = sepay_samples.delivery(
        signed.body, X_SePay_Timestamp=timestamp, X_SePay_Signature=f"{algorithm}={mac.upper()}"
    )

    assert sepay_samples.account().read_callback(capitals) == sepay_samples.account().read_callback(signed)
