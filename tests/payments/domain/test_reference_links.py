"""Strong and weak names: which payment a bank reference links an event to, and which contradictions a person sees."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.ids import PaymentId
from billing.core.money import Dong
from billing.payments.domain.event import Codes, Source
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.reference_links import normal_reference
from providers.contract import Movement, Outcome, Verdict
from tests.payments.domain.test_apply_events import reasons
from tests.payments.event_builders import ACCOUNT, NOON, OTHER_ACCOUNT, code, intent, invoice, payment_event, run, use

BEFORE = PaymentId(UUID(int=5))
OWN = {"account_id": ACCOUNT, "name": "transaction:T0"}


def two_intents() -> dict[str, object]:
    invoices = [invoice(1), invoice(2)]
    return {
        "invoices": invoices,
        "intents": [intent(number, invoices=[invoices[number - 1]]) for number in (1, 2)],
    }


@pytest.mark.parametrize("day", [-1, 0, 1])
def test_reference_of_another_channel_is_the_same_money_within_a_day(day: int) -> None:
    event = payment_event(bank_reference="FT1")

    batch_result = run(
        event, uses=[use(BEFORE, booked_on=NOON.date() + timedelta(days=day), codes=frozenset({code()}))]
    )

    assert (batch_result.payments, batch_result.exceptions) == ([], [])
    assert batch_result.verdicts == {event.delivery_id: Verdict.DUPLICATE}
    assert [one.payment_id for one in batch_result.uses] == [BEFORE]
    assert {movement.movement_id for movement in batch_result.attached.values()} == {BEFORE}


@pytest.mark.parametrize(
    "changes",
    [
        {"booked_on": NOON.date() + timedelta(days=2)},
        {"booked_on": NOON.date() - timedelta(days=2)},
        {"amount": Dong(99_999), "codes": frozenset({code(2)})},
        OWN | {"codes": frozenset({code(2)})},
        OWN | {"amount": Dong(99_999)},
    ],
    ids=["two-days-later", "two-days-before", "other-transfer", "same-channel-other-code", "same-channel-other-amount"],
)
def test_repeated_reference_of_another_transfer_is_money_of_its_own(changes: dict[str, object]) -> None:
    batch_result = run(payment_event(bank_reference="FT1"), uses=[use(BEFORE, **changes)])

    assert len(batch_result.payments) == 1
    assert batch_result.exceptions == []


@pytest.mark.parametrize(
    "changes",
    [
        {"codes": frozenset({code(2)})},
        {"amount": Dong(99_999)},
        OWN,
        OWN | {"codes": frozenset({code(1)})},
    ],
    ids=["other-code", "other-amount", "same-channel", "same-channel-same-code"],
)
def test_contradicted_reference_is_booked_and_for_a_person(changes: dict[str, object]) -> None:
    batch_result = run(payment_event(bank_reference="FT1"), uses=[use(BEFORE, **changes)])

    [(payment, _)] = batch_result.payments
    assert [(exception.reason, exception.payment_id) for exception in batch_result.exceptions] == [
        (ExceptionReason.BANK_REFERENCE_REPEATED, payment.id)
    ]


def test_second_id_of_a_channel_is_no_money_that_its_first_id_named() -> None:
    """The payment has a key of this channel already, although another channel reported it first."""
    known = [use(BEFORE), use(BEFORE, **OWN)]

    batch_result = run(payment_event(bank_reference="FT1"), uses=known)

    assert len(batch_result.payments) == 1
    assert reasons(batch_result) == [ExceptionReason.BANK_REFERENCE_REPEATED]


def test_each_of_two_equal_transfers_is_linked_once() -> None:
    """Both channels report both; the reference is the same, and no code distinguishes them."""
    first = [payment_event(name, bank_reference="FT1", codes=Codes()) for name in ("T1", "T2")]
    second = [
        payment_event(name, bank_reference="FT1", codes=Codes(), account_id=OTHER_ACCOUNT) for name in ("B1", "B2")
    ]

    batch_result = run(*first, *second)

    assert len(batch_result.payments) == 2
    assert ExceptionReason.KEYS_MATCH_TWO_PAYMENTS in reasons(batch_result)


def test_code_states_which_of_two_equal_transfers_is_meant() -> None:
    codes = [Codes(direct=(code(number),)) for number in (1, 2)]
    payment_events = [payment_event(f"T{n}", bank_reference="FT1", codes=one) for n, one in enumerate(codes)]
    again = [
        payment_event(f"B{n}", bank_reference="FT1", codes=one, account_id=OTHER_ACCOUNT)
        for n, one in reversed(list(enumerate(codes)))
    ]

    batch_result = run(*payment_events, *again, **two_intents())  # type: ignore[arg-type]

    assert len(batch_result.payments) == 2
    assert batch_result.exceptions == []
    assert [one.owed for one in batch_result.invoices.values()] == [0, 0]


def test_rejoined_code_of_the_other_channel_counts_as_a_code() -> None:
    """Its payment was booked under that code: a transfer under another code must not vanish behind it."""
    first = payment_event("T1", bank_reference="FT1", codes=Codes(rejoined=(code(2),)))
    second = payment_event("B1", bank_reference="FT1", account_id=OTHER_ACCOUNT)

    batch_result = run(first, second, **two_intents())  # type: ignore[arg-type]

    assert len(batch_result.payments) == 2
    assert reasons(batch_result) == [ExceptionReason.BANK_REFERENCE_REPEATED]


@pytest.mark.parametrize("coded_first", [True, False])
def test_webhooks_without_a_code_is_linked_to_one_with_a_code(coded_first: bool) -> None:
    pair = [
        payment_event("T1", bank_reference="FT1"),
        payment_event("B1", bank_reference="FT1", account_id=OTHER_ACCOUNT, codes=Codes()),
    ]

    batch_result = run(*(pair if coded_first else reversed(pair)))

    [(payment, _)] = batch_result.payments
    later = [
        (exception.reason, exception.payment_id, exception.intent_id)
        for exception in batch_result.exceptions
        if exception.intent_id is not None
    ]
    expected = (ExceptionReason.CODE_NAMED_LATER, payment.id, intent(invoices=[]).id)
    assert later == ([] if coded_first else [expected]), "a person assigns what was booked without its code"


def test_status_poll_without_an_id_describes_the_transfer_that_was_called_back() -> None:
    polled = payment_event("Q1", keys=["transfer:q1"], bank_reference="FT1", source=Source.QUERY)

    assert len(run(payment_event("T1", bank_reference="FT1"), polled).payments) == 1
    assert len(run(polled, payment_event("T1", bank_reference="FT1")).payments) == 1


def test_two_transfers_without_ids_of_one_source_are_two_movements() -> None:
    payment_events = [payment_event(name, keys=[f"transfer:{name}"], bank_reference="FT1") for name in ("a", "b")]

    batch_result = run(*payment_events)

    assert len(batch_result.payments) == 2
    assert reasons(batch_result) == [ExceptionReason.ALREADY_PAID, ExceptionReason.BANK_REFERENCE_REPEATED]


def test_reference_of_before_names_were_kept_still_links() -> None:
    batch_result = run(payment_event(bank_reference="FT1"), uses=[use(BEFORE, account_id=ACCOUNT, source="", name="")])

    assert batch_result.payments == []


def test_refund_is_not_linked_to_the_payment_of_its_reference() -> None:
    batch_result = run(
        payment_event("T1", bank_reference="FT1"),
        payment_event("R1", bank_reference="FT1", account_id=OTHER_ACCOUNT, movement=Movement.REFUNDED),
    )

    assert (len(batch_result.payments), len(batch_result.outflows)) == (1, 1)


def test_pending_event_keeps_no_reference() -> None:
    batch_result = run(payment_event(bank_reference="FT1", outcome=Outcome.PENDING))

    assert batch_result.uses == []


def test_references_are_compared_without_blanks_and_case() -> None:
    assert normal_reference(" ft26 0020\u00a0") == "FT260020"
