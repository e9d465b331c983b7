"""Stripe: signatures and forms by the vectors."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from providers.contract import BadSignature, Notices, Outcome, Reply
from providers.stripe.forms import api_amount, form_fields
from providers.stripe.signing import is_signed, signature_header
from tests.providers.stripe_samples import (
    AT,
    CREATED,
    INTENT,
    KEY,
    SECRET,
    VECTORS,
    account,
    delivery,
    event,
    one,
)

PAID = "payment_intent.succeeded"


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


# ---- the vectors


@vectors("webhook_signature")
def test_delivery_is_judged_as_in_the_vectors(vector):
    given = vector["input"]
    payload = given["payload"].encode()
    callback = replace(delivery(payload, given["header"]), received_at=datetime.fromtimestamp(given["now"], UTC))
    settings = {"endpoint_secret": vector["key"], "tolerance_s": given["tolerance_s"]}

    try:
        is_valid = isinstance(account(**settings).read_callback(callback), Notices)
    except BadSignature:
        is_valid = False

    assert is_valid == vector["expected"]["valid"] or vector.get("either_acceptable")


@vectors("generate_header")
def test_header_is_written_as_in_the_vectors(vector):
    given = vector["input"]

    header = signature_header(vector["key"].encode(), given["payload"].encode(), given["timestamp"])

    assert header == vector["expected"]["header"]


@vectors("minor_units")
def test_dong_is_sent_as_it_is(vector):
    given = vector["input"]

    assert api_amount(given["major"], given["currency"]) == vector["expected"]["api_amount"]


@pytest.mark.parametrize(("amount", "currency"), [(1, "usd"), (0, "vnd"), (-1, "vnd"), (1.0, "vnd"), (True, "vnd")])
def test_other_currency_or_amount_is_refused(amount, currency):
    with pytest.raises(ValueError, match=r"only|whole"):
        api_amount(amount, currency)


def test_form_carries_brackets():
    nested = {
        "metadata": {"invoice": "K7"},
        "line_items": [{"quantity": 1, "price_data": {"unit_amount": 5}}],
        "a": True,
    }

    assert form_fields(nested) == {
        "metadata[invoice]": "K7",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][unit_amount]": "5",
        "a": "true",
    }


# ---- signatures


@pytest.mark.parametrize(
    ("age", "holds"), [(0, True), (300, True), (301, False), (86_400, False), (-300, True), (-301, False)]
)
def test_delivery_may_be_300_seconds_old_or_ahead(age, holds):
    reported_at = int(AT.timestamp()) - age
    header = signature_header(b"secret", b"{}", reported_at)

    assert is_signed([b"secret"], header, b"{}", now=int(AT.timestamp())) is holds


def test_any_v1_may_hold_and_other_schemes_are_ignored():
    body = event(PAID, INTENT)
    good = signature_header(SECRET.encode(), body, CREATED).partition("v1=")[2]

    for header in (f"t={CREATED},v1={'0' * 64},v1={good}", f"t={CREATED},v0={'0' * 64},v1={good},v2=x"):
        assert one(delivery(body, header)).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1={good}",
        "t={t}",
        "t={t},v0={good}",
        "t={t},v2={good}",
        "t={t},v1=",
        "t={t},t={t},v1={good}",
        "t= {t},v1={good}",
        "t=+{t},v1={good}",
        "t=0{t},v1={good}",
        "t={t}.0,v1={good}",
        "t={t},v1={upper}",
        "t={t};v1={good}",
        "t=-1,v1={good}",
        "t=,v1={good}",
        "t,v1",
        "é",
    ],
)
def test_header_that_proves_nothing_is_refused(header):
    body = event(PAID, INTENT)
    good = signature_header(SECRET.encode(), body, CREATED).partition("v1=")[2]

    with pytest.raises(BadSignature) as refused:
        account().read_callback(delivery(body, header.format(t=CREATED, good=good, upper=good.upper())))

    assert refused.value.reply.status == 400


def test_repeated_or_missing_header_is_refused():
    callback = delivery(event(PAID, INTENT))

    for headers in ([*callback.headers, callback.headers[-1]], callback.headers[:1]):
        with pytest.raises(BadSignature):
            account().read_callback(replace(callback, headers=headers))


def test_changed_byte_is_refused():
    callback = delivery(event(PAID, INTENT))

    for place in range(0, len(callback.body), 7):
        changed = bytearray(callback.body)
        changed[place] ^= 1
        with pytest.raises(BadSignature):
            account().read_callback(replace(callback, body=bytes(changed)))


def test_body_written_anew_is_refused():
    callback = delivery(event(PAID, INTENT))

    with pytest.raises(BadSignature):
        account().read_callback(replace(callback, body=json.dumps(json.loads(callback.body), indent=1).encode()))


def test_secret_of_another_endpoint_or_the_key_itself_is_refused():
    for secret in ("whsec_ANOTHERANOTHER0001", KEY):
        with pytest.raises(BadSignature):
            account().read_callback(delivery(event(PAID, INTENT), secret=secret))


def test_both_secrets_hold_while_one_is_being_changed():
    for secret in (SECRET, "whsec_NEWNEWNEWNEW0002"):
        callback = delivery(event(PAID, INTENT), secret=secret)
        assert one(callback, endpoint_secret=["whsec_NEWNEWNEWNEW0002", SECRET]).amount == 350_000


def test_other_method_is_refused():
    read = account().read_callback(replace(delivery(event(PAID, INTENT)), method="GET"))

    assert isinstance(read, Reply)
    assert read.status == 405
