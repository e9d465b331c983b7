"""Stripe's events: the notices that they produce, and misleading events."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from providers.contract import BadSignature, Movement, Outcome, Unreadable, Verdict
from tests.providers.stripe_samples import (
    AT,
    CHARGE,
    CREATED,
    DISPUTE,
    INTENT,
    KEY,
    REFUND,
    SECRET,
    SESSION,
    account,
    delivery,
    one,
    read,
    signed_callback,
    without,
)

PAID = "payment_intent.succeeded"

# ---- payments


def test_payment_is_reported_under_our_reference():
    notice = one(signed_callback(PAID, INTENT))

    assert (notice.outcome, notice.amount, notice.reference) == (Outcome.SUCCEEDED, 350_000, "K7ABCDEFR")
    assert (notice.movement_keys, notice.provider_reference) == ({"transaction:pi_1"}, "pi_1")
    assert notice.occurred_at == datetime.fromtimestamp(CREATED, UTC)


def test_what_was_received_counts_and_not_what_was_queried():
    assert one(signed_callback(PAID, {**INTENT, "amount_received": 200_000})).amount == 200_000


def test_nothing_received_is_looked_at_by_a_person():
    assert one(signed_callback(PAID, {**INTENT, "amount_received": 0})).outcome is Outcome.REVIEW


@pytest.mark.parametrize(
    "changed",
    [
        {"latest_charge": {"id": "ch_1", "created": CREATED}},
        {"charges": {"object": "list", "data": [{"id": "ch_1"}]}},
        {"charges": [], "unknown": {"deep": [1, {"x": None}]}},
        {"latest_charge": None, "customer": {"id": "cus_1"}, "amount_details": {"tip": {}}},
        {"currency": "VND"},
    ],
)
def test_more_or_other_forms_do_no_harm(changed):
    plain, other = one(signed_callback(PAID, INTENT)), one(signed_callback(PAID, {**INTENT, **changed}))

    assert (other.event_key, other.movement_keys, other.fingerprint) == (
        plain.event_key,
        plain.movement_keys,
        plain.fingerprint,
    )


@pytest.mark.parametrize("missing", ["amount_received", "latest_charge", "object", "metadata", "status"])
def test_what_is_optional_may_be_missing(missing):
    notice = one(signed_callback(PAID, without(INTENT, missing)))

    assert (notice.outcome, notice.amount, notice.movement_keys) == (Outcome.SUCCEEDED, 350_000, {"transaction:pi_1"})


def test_event_without_its_own_timestamp_is_dated_by_arrival():
    assert one(signed_callback(PAID, INTENT, created=None)).occurred_at == AT


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        ("payment_intent.processing", "processing", Outcome.PENDING),
        ("payment_intent.payment_failed", "requires_payment_method", Outcome.PENDING),
        ("payment_intent.canceled", "canceled", Outcome.CANCELLED),
        (PAID, "processing", Outcome.UNKNOWN),
        (PAID, "requires_capture", Outcome.UNKNOWN),
        (PAID, "invented", Outcome.UNKNOWN),
        ("payment_intent.payment_failed", "succeeded", Outcome.UNKNOWN),
    ],
)
def test_event_and_status_together_state_what_it_means(kind, status, outcome):
    notice = one(signed_callback(kind, {**INTENT, "status": status}))

    assert notice.outcome is outcome
    assert not notice.movement_keys


def test_failed_attempt_does_not_shadow_the_later_success():
    failed = one(signed_callback("payment_intent.payment_failed", {**INTENT, "status": "requires_payment_method"}))

    assert failed.event_key != one(signed_callback(PAID, INTENT)).event_key


def test_received_twice_is_one_event_and_another_amount_is_seen():
    first, again, other = (
        one(signed_callback(PAID, INTENT, id="evt_1")),
        one(signed_callback(PAID, INTENT, id="evt_2")),
        one(signed_callback(PAID, {**INTENT, "amount_received": 1})),
    )

    assert (first.event_key, first.fingerprint) == (again.event_key, again.fingerprint)
    assert (first.event_key, first.movement_keys) == (other.event_key, other.movement_keys)
    assert first.fingerprint != other.fingerprint


# ---- checkout sessions


@pytest.mark.parametrize("intent", ["pi_1", {"id": "pi_1", "object": "payment_intent"}])
def test_session_and_intent_are_one_fact(intent):
    session = one(signed_callback("checkout.session.completed", {**SESSION, "payment_intent": intent}))

    assert (session.outcome, session.amount, session.reference) == (Outcome.SUCCEEDED, 350_000, "K7ABCDEFR")
    assert session.movement_keys == one(signed_callback(PAID, INTENT)).movement_keys
    assert session.event_key != one(signed_callback(PAID, INTENT)).event_key


@pytest.mark.parametrize(
    ("kind", "changed", "outcome"),
    [
        ("completed", {"payment_status": "unpaid"}, Outcome.PENDING),
        ("completed", {"payment_status": "no_payment_required"}, Outcome.UNKNOWN),
        ("completed", {"payment_status": None}, Outcome.UNKNOWN),
        ("completed", {"amount_total": None, "currency": None}, Outcome.UNKNOWN),
        ("async_payment_succeeded", {}, Outcome.SUCCEEDED),
        ("async_payment_succeeded", {"payment_status": "unpaid"}, Outcome.UNKNOWN),
        ("async_payment_failed", {"payment_status": "unpaid"}, Outcome.FAILED),
        ("async_payment_failed", {"payment_status": "paid"}, Outcome.UNKNOWN),
        ("expired", {"payment_status": "unpaid", "status": "expired"}, Outcome.EXPIRED),
        ("expired", {}, Outcome.UNKNOWN),
    ],
)
def test_session_is_money_only_when_paid(kind, changed, outcome):
    notice = one(signed_callback(f"checkout.session.{kind}", {**SESSION, **changed}))

    assert notice.outcome is outcome
    assert bool(notice.movement_keys) is (outcome is Outcome.SUCCEEDED)


def test_paid_session_without_an_intent_names_no_money():
    assert (
        one(signed_callback("checkout.session.completed", without(SESSION, "payment_intent"))).movement_keys
        == frozenset()
    )


def test_session_that_takes_no_payment_reports_nothing():
    assert read(signed_callback("checkout.session.completed", {**SESSION, "mode": "setup", "amount_total": None})) == ()


# ---- money that goes back


def test_refund_is_named_by_its_own_id():
    notice = one(signed_callback("refund.updated", REFUND))

    assert (notice.movement, notice.outcome, notice.amount) == (Movement.REFUNDED, Outcome.SUCCEEDED, 100_000)
    assert (notice.movement_keys, notice.reference) == ({"transaction:re_1"}, "K7ABCDEFR")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("pending", Outcome.PENDING),
        ("requires_action", Outcome.PENDING),
        ("failed", Outcome.REVIEW),
        ("canceled", Outcome.CANCELLED),
        ("invented", Outcome.UNKNOWN),
    ],
)
def test_refund_is_money_only_when_it_succeeded(status, outcome):
    notice = one(signed_callback("refund.failed", {**REFUND, "status": status}))

    assert (notice.outcome, notice.movement_keys) == (outcome, frozenset())


def test_charge_that_names_its_refunds_reports_each_once():
    second = {**without(REFUND, "currency"), "id": "re_2", "amount": 50_000}
    charge = {**CHARGE, "amount_refunded": 150_000, "refunds": {"data": [second, REFUND], "has_more": False}}

    notices = read(signed_callback("charge.refunded", charge))

    assert [(each.amount, each.movement_keys) for each in notices] == [
        (50_000, {"transaction:re_2"}),
        (100_000, {"transaction:re_1"}),
    ]
    assert notices[1].event_key == one(signed_callback("refund.updated", REFUND)).event_key


def test_running_total_without_refunds_is_never_added_up():
    first, second = (
        one(signed_callback("charge.refunded", CHARGE)),
        one(signed_callback("charge.refunded", {**CHARGE, "amount_refunded": 350_000, "refunded": True})),
    )

    for notice, amount in ((first, 100_000), (second, 350_000)):
        assert (notice.outcome, notice.movement, notice.amount) == (Outcome.REVIEW, Movement.REFUNDED, amount)
        assert notice.movement_keys == frozenset()
    assert first.event_key == one(signed_callback("charge.refunded", CHARGE)).event_key
    assert first.event_key != second.event_key


def test_what_a_total_holds_beyond_the_named_refunds_is_looked_at():
    notices = read(
        signed_callback("charge.refunded", {**CHARGE, "amount_refunded": 130_000, "refunds": {"data": [REFUND]}})
    )

    assert [(each.outcome, each.amount) for each in notices] == [
        (Outcome.SUCCEEDED, 100_000),
        (Outcome.REVIEW, 30_000),
    ]


def test_dispute_is_for_a_person():
    notice = one(signed_callback("charge.dispute.created", DISPUTE))

    assert (notice.outcome, notice.movement, notice.movement_keys) == (Outcome.REVIEW, Movement.REVERSED, frozenset())


# ---- what is not ours, and nonsense


@pytest.mark.parametrize("kind", ["customer.created", "charge.succeeded", "payment_intent.created", "v2.core.event"])
def test_other_events_are_taken_and_report_nothing(kind):
    assert read(signed_callback(kind, {"id": "x"})) == ()


@pytest.mark.parametrize(
    ("settings", "changed", "is_foreign"),
    [
        ({}, {"account": "acct_9"}, False),
        ({"account": "acct_1"}, {"account": "acct_9"}, True),
        ({"account": "acct_1"}, {"account": "acct_1"}, False),
        ({"account": "acct_1"}, {}, False),
        ({"livemode": True}, {"livemode": False}, True),
        ({"livemode": False}, {"livemode": False}, False),
        ({"livemode": True}, {"livemode": None}, False),
    ],
)
def test_event_of_another_account_or_mode_is_foreign(settings, changed, is_foreign):
    assert one(signed_callback(PAID, INTENT, **changed), **settings).names_other_account is is_foreign


@pytest.mark.parametrize(
    "changed",
    [
        {"amount_received": "350000"},
        {"amount_received": 350000.5},
        {"amount_received": 350000.0},
        {"amount_received": True},
        {"amount_received": -1},
        {"amount_received": 10**30},
        {"amount": "350000"},
        {"currency": "usd"},
        {"currency": None},
        {"id": None},
        {"id": "../refunds"},
        {"id": ["pi_1"]},
    ],
)
def test_signed_nonsense_is_unreadable(changed):
    with pytest.raises(Unreadable) as refused:
        account().read_callback(signed_callback(PAID, {**INTENT, **changed}))

    assert refused.value.reply.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"type": "x", "type": "y"}',
        b'{"type": 5}',
        b'{"type": "payment_intent.succeeded"}',
        b'{"type": "payment_intent.succeeded", "data": {"object": "pi_1"}}',
        b'{"type": "checkout.session.completed", "data": {"object": {"mode": []}}}',
    ],
)
def test_signed_body_that_is_no_event_is_unreadable(body):
    with pytest.raises(Unreadable):
        account().read_callback(delivery(body))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_but_try_later_is_recorded(verdict):
    answer = account().answer_callback(signed_callback(PAID, INTENT), verdict, "receipt")

    assert answer.status == (503 if verdict is Verdict.TRY_LATER else 200)
    assert json.loads(answer.body)["received"] is (verdict is not Verdict.TRY_LATER)


def test_account_shows_no_secret():
    opened = account()

    assert KEY not in f"{opened!r} {vars(opened)!r} {opened._settings!r} {opened._settings.model_dump_json()}"
    with pytest.raises(ValidationError) as refused:
        account(no_such_setting=SECRET)
    assert SECRET not in str(refused.value)


def test_old_delivery_is_refused_even_with_a_wide_clock():
    callback = replace(signed_callback(PAID, INTENT), received_at=AT + timedelta(seconds=291))

    with pytest.raises(BadSignature):
        account().read_callback(callback)


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, {"transaction:pi_1"}),
        ({"payment_intent": {"id": "pi_1", "object": "payment_intent"}}, {"transaction:pi_1"}),
        ({"charge": "ch_1"}, {"transaction:pi_1", "charge:ch_1"}),
        ({"payment_intent": None, "charge": "ch_1"}, {"charge:ch_1"}),
        ({"payment_intent": None, "charge": None}, set()),
    ],
)
def test_refund_names_the_payment_whose_money_it_is(changed, names):
    assert one(signed_callback("refund.created", {**REFUND, **changed})).reverses == names


def test_refund_within_a_charge_names_the_payment_of_the_charge():
    bare = {**without(REFUND, "payment_intent"), "charge": None}
    charge = {**CHARGE, "refunds": {"data": [bare], "has_more": False}}

    assert [each.reverses for each in read(signed_callback("charge.refunded", charge))] == [
        {"transaction:pi_1", "charge:ch_1"}
    ]


def test_payment_is_also_known_by_its_charge():
    assert one(signed_callback(PAID, INTENT)).aliases == {"charge:ch_1"}
