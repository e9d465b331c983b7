"""Where money goes and what is booked once: the batch, without a database."""

from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.ids import PaymentId, VisitId
from billing.core.money import Dong
from billing.invoices.domain.invoice import InvoiceState
from billing.payments.domain.apply_events import BatchResult
from billing.payments.domain.event import BookedMovement, Codes, MovementKey, SeenEvent
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.intent import IntentState
from billing.payments.domain.payment import AllocationReason, AllocationTarget
from providers.contract import Movement, Outcome, Verdict
from tests.payments.event_builders import (
    ACCOUNT,
    OTHER_ACCOUNT,
    code,
    intent,
    invoice,
    payment_event,
    run,
    use,
)


def targets(batch_result: BatchResult) -> list[tuple[AllocationTarget, int, AllocationReason]]:
    return [(part.target, part.amount, part.reason) for part in batch_result.allocations]


def reasons(batch_result: BatchResult) -> list[object]:
    return [exception.reason for exception in batch_result.exceptions]


def test_exact_payment_settles_the_invoice_and_opens_no_case() -> None:
    event = payment_event()

    batch_result = run(event)

    assert targets(batch_result) == [(AllocationTarget.INVOICE, 100_000, AllocationReason.OWED)]
    assert [one.owed for one in batch_result.invoices.values()] == [0]
    assert [(one.state, one.received) for one in batch_result.intents.values()] == [(IntentState.SUCCEEDED, 100_000)]
    assert batch_result.verdicts == {event.delivery_id: Verdict.ACCEPTED}
    assert batch_result.exceptions == []


def test_short_payment_leaves_the_rest_owed_and_the_intent_pending() -> None:
    event = payment_event(amount=Dong(40_000))

    batch_result = run(event)

    assert [one.owed for one in batch_result.invoices.values()] == [60_000]
    assert [(one.state, one.remaining) for one in batch_result.intents.values()] == [(IntentState.PENDING, 60_000)]
    assert batch_result.verdicts[event.delivery_id] is Verdict.AMOUNT_DIFFERS


def test_too_much_becomes_credit_of_the_patient_and_a_case() -> None:
    batch_result = run(payment_event(amount=Dong(130_000)))

    assert targets(batch_result) == [
        (AllocationTarget.INVOICE, 100_000, AllocationReason.OWED),
        (AllocationTarget.CREDIT, 30_000, AllocationReason.OVER_PAID),
    ]
    assert batch_result.allocations[1].visit_id == invoice().visit_id
    assert reasons(batch_result) == [ExceptionReason.OVER_PAID]


def test_too_much_for_invoices_of_several_patients_is_credit_of_the_payer() -> None:
    both = [invoice(1), invoice(2, visit=VisitId(UUID(int=101)))]

    batch_result = run(
        payment_event(amount=Dong(210_000)), invoices=both, intents=[intent(invoices=both, amount=200_000)]
    )

    assert [part.amount for part in batch_result.allocations] == [100_000, 100_000, 10_000]
    assert batch_result.allocations[2].visit_id is None


def test_money_goes_to_invoices_in_the_order_of_the_intent() -> None:
    first, second = invoice(1, share=70_000), invoice(2, share=50_000)

    batch_result = run(
        payment_event(amount=Dong(80_000)),
        invoices=[first, second],
        intents=[intent(invoices=[second, first], amount=120_000)],
    )

    assert [(part.invoice_id, part.amount) for part in batch_result.allocations] == [
        (second.id, 50_000),
        (first.id, 30_000),
    ]


def test_second_payment_of_one_invoice_in_one_batch_is_credit() -> None:
    batch_result = run(payment_event("T1"), payment_event("T2"))

    assert targets(batch_result) == [
        (AllocationTarget.INVOICE, 100_000, AllocationReason.OWED),
        (AllocationTarget.CREDIT, 100_000, AllocationReason.ALREADY_PAID),
    ]
    assert [one.received for one in batch_result.intents.values()] == [200_000]


def test_two_intents_for_one_invoice_share_what_it_owes() -> None:
    one = invoice()
    intents = [intent(1, invoices=[one]), intent(2, invoices=[one])]

    batch_result = run(
        payment_event("T1", amount=Dong(60_000)),
        payment_event("T2", amount=Dong(60_000), codes=Codes(direct=(code(2),))),
        invoices=[one],
        intents=intents,
    )

    assert targets(batch_result) == [
        (AllocationTarget.INVOICE, 60_000, AllocationReason.OWED),
        (AllocationTarget.INVOICE, 40_000, AllocationReason.OWED),
        (AllocationTarget.CREDIT, 20_000, AllocationReason.OVER_PAID),
    ]


def test_money_for_a_discarded_invoice_is_credit_after_cancel() -> None:
    gone = invoice(state=InvoiceState.DISCARDED, issued_at=None)

    batch_result = run(payment_event(), invoices=[gone])

    assert targets(batch_result) == [(AllocationTarget.CREDIT, 100_000, AllocationReason.PAID_AFTER_CANCEL)]


@pytest.mark.parametrize("state", [IntentState.FAILED, IntentState.CANCELLED, IntentState.EXPIRED])
def test_success_after_an_end_is_booked_and_moves_on(state: IntentState) -> None:
    one = invoice()

    batch_result = run(payment_event(), invoices=[one], intents=[intent(invoices=[one], state=state)])

    assert [changed.state for changed in batch_result.intents.values()] == [IntentState.SUCCEEDED]
    assert [changed.owed for changed in batch_result.invoices.values()] == [0]


def test_partial_money_never_moves_an_ended_intent_backwards() -> None:
    one = invoice()

    batch_result = run(
        payment_event(amount=Dong(1)), invoices=[one], intents=[intent(invoices=[one], state=IntentState.EXPIRED)]
    )

    assert [changed.state for changed in batch_result.intents.values()] == [IntentState.EXPIRED]


def test_no_code_is_unallocated_and_answered_so() -> None:
    event = payment_event(codes=Codes())

    batch_result = run(event)

    assert targets(batch_result) == [(AllocationTarget.UNALLOCATED, 100_000, AllocationReason.NO_REFERENCE)]
    assert batch_result.verdicts[event.delivery_id] is Verdict.UNKNOWN_REFERENCE
    assert batch_result.intents == {}


def test_code_never_issued_is_dropped_before_counting() -> None:
    batch_result = run(payment_event(codes=Codes(direct=(code(77), code(1)))))

    assert targets(batch_result) == [(AllocationTarget.INVOICE, 100_000, AllocationReason.OWED)]


def test_two_issued_codes_are_unallocated() -> None:
    one = invoice()

    batch_result = run(
        payment_event(codes=Codes(direct=(code(1), code(2)))),
        invoices=[one],
        intents=[intent(1, invoices=[one]), intent(2, invoices=[one])],
    )

    assert targets(batch_result) == [(AllocationTarget.UNALLOCATED, 100_000, AllocationReason.AMBIGUOUS_REFERENCE)]


def test_rejoined_code_is_taken_only_with_exactly_the_amount_due() -> None:
    exact = run(payment_event(codes=Codes(rejoined=(code(),))))
    short = run(payment_event(codes=Codes(rejoined=(code(),)), amount=Dong(99_999)))

    assert targets(exact) == [(AllocationTarget.INVOICE, 100_000, AllocationReason.OWED)]
    assert targets(short) == [(AllocationTarget.UNALLOCATED, 99_999, AllocationReason.SPLIT_REFERENCE_AMOUNT_MISMATCH)]


def test_rejoined_code_is_looked_at_when_direct_codes_were_never_issued() -> None:
    batch_result = run(payment_event(codes=Codes(direct=(code(77),), rejoined=(code(77), code(1)))))

    assert targets(batch_result) == [(AllocationTarget.INVOICE, 100_000, AllocationReason.OWED)]


def test_known_event_is_a_duplicate_with_the_first_receipt() -> None:
    first, again = payment_event(), payment_event()
    known = {first.event: SeenEvent(b"same", Verdict.ACCEPTED, first.delivery_id)}

    batch_result = run(again, known_events=known)

    assert batch_result.payments == []
    assert batch_result.verdicts[again.delivery_id] is Verdict.DUPLICATE
    assert batch_result.receipts[again.delivery_id] == first.delivery_id


def test_repeated_refusal_is_answered_as_the_first_time() -> None:
    event = payment_event()
    known = {event.event: SeenEvent(b"same", Verdict.AMOUNT_DIFFERS, event.delivery_id)}

    assert run(event, known_events=known).verdicts[event.delivery_id] is Verdict.AMOUNT_DIFFERS


def test_same_event_with_other_content_opens_a_case_and_books_nothing() -> None:
    event = payment_event(fingerprint=b"other")

    batch_result = run(event, known_events={event.event: SeenEvent(b"same", Verdict.ACCEPTED, event.delivery_id)})

    assert batch_result.payments == []
    assert reasons(batch_result) == [ExceptionReason.EVENT_CONTENT_CHANGED]


def test_same_money_under_another_event_is_booked_once_and_its_bank_reference_kept() -> None:
    batch_result = run(payment_event("T1"), payment_event("T2", keys=["transaction:T1"], bank_reference="FT1"))

    assert len(batch_result.payments) == 1
    assert batch_result.attached == {}, "joined before the claim, so both have one id already"
    assert (batch_result.uses, batch_result.moved_uses) == ([], []), "claimed under that id"
    known = BookedMovement(PaymentId(UUID(int=5)), Dong(100_000))
    later = run(
        payment_event("T2", keys=["transaction:T1"], bank_reference="FT1"),
        booked_movements={MovementKey(ACCOUNT, Movement.RECEIVED, "transaction:T1"): known},
    )
    assert later.payments == []
    assert [use.payment_id for use in later.moved_uses] == [known.movement_id]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_webhookss_linked_only_through_a_third_are_one_payment(order: tuple[int, ...]) -> None:
    payment_events = [
        payment_event("T1"),
        payment_event("B1", account_id=OTHER_ACCOUNT, bank_reference="FT1"),
        payment_event("T3", keys=["transaction:T1"], bank_reference="FT1"),
    ]

    batch_result = run(*(payment_events[index] for index in order))

    assert len(batch_result.payments) == 1
    assert batch_result.exceptions == []


def test_same_money_with_another_amount_opens_a_case() -> None:
    known = {MovementKey(ACCOUNT, Movement.RECEIVED, "transaction:T1"): BookedMovement(PaymentId(UUID(int=5)), Dong(1))}

    batch_result = run(payment_event(), booked_movements=known)

    assert batch_result.payments == []
    assert reasons(batch_result) == [ExceptionReason.AMOUNT_CHANGED]


def test_strong_name_and_bank_reference_of_two_payments_open_a_case() -> None:
    known = {
        MovementKey(ACCOUNT, Movement.RECEIVED, "transaction:T1"): BookedMovement(PaymentId(UUID(int=5)), Dong(100_000))
    }

    batch_result = run(
        payment_event("T1", bank_reference="FT1"), booked_movements=known, uses=[use(PaymentId(UUID(int=6)))]
    )

    assert batch_result.payments == []
    assert reasons(batch_result) == [ExceptionReason.KEYS_MATCH_TWO_PAYMENTS]


def test_success_without_a_name_for_the_money_books_nothing() -> None:
    event = payment_event(keys=[])

    batch_result = run(event)

    assert batch_result.payments == []
    assert batch_result.verdicts[event.delivery_id] is Verdict.STORED
    assert reasons(batch_result) == [ExceptionReason.NO_TRANSACTION_ID]


def test_message_about_another_account_books_nothing_and_is_acknowledged() -> None:
    event = payment_event(names_other_account=True)

    batch_result = run(event)

    assert batch_result.payments == []
    assert batch_result.intents == {}
    assert batch_result.verdicts[event.delivery_id] is Verdict.STORED
    assert reasons(batch_result) == [ExceptionReason.FOREIGN_ACCOUNT]


def test_failure_ends_an_intent_but_not_one_that_succeeded() -> None:
    one = invoice()
    failed = run(payment_event(outcome=Outcome.FAILED))
    late = run(
        payment_event(outcome=Outcome.FAILED),
        invoices=[one],
        intents=[intent(invoices=[one], state=IntentState.SUCCEEDED, received=Dong(100_000))],
    )

    assert [changed.state for changed in failed.intents.values()] == [IntentState.FAILED]
    assert failed.payments == []
    assert late.intents == {}


def test_money_that_leaves_unasked_is_booked_and_opens_a_case() -> None:
    batch_result = run(payment_event(movement=Movement.REVERSED))

    assert batch_result.payments == []
    assert [event.amount for _, event in batch_result.outflows] == [100_000]
    assert reasons(batch_result) == [ExceptionReason.UNEXPECTED_REVERSAL]


def test_changed_redelivery_in_one_batch_links_no_other_payment() -> None:
    """T1, then T1 reported again with the keys of T2, then T2: all in one batch, and both are booked."""
    first = payment_event("T1", bank_reference="FT1")
    changed = payment_event("T1", bank_reference="FT2", fingerprint=b"changed")
    second = payment_event("T2", bank_reference="FT2")

    batch_result = run(first, changed, second)

    assert sum(payment.amount for payment, _ in batch_result.payments) == 200_000
    assert reasons(batch_result) == [ExceptionReason.EVENT_CONTENT_CHANGED, ExceptionReason.ALREADY_PAID]


def test_known_event_with_changed_names_links_no_two_new_payments() -> None:
    event = payment_event("T0")
    changed = payment_event("T0", keys=["transaction:T1", "transaction:T2"], fingerprint=b"changed")

    batch_result = run(
        changed,
        payment_event("T1"),
        payment_event("T2"),
        known_events={event.event: SeenEvent(b"same", Verdict.ACCEPTED, event.delivery_id)},
    )

    assert len(batch_result.payments) == 2


def test_further_name_on_a_repeated_event_is_attached() -> None:
    first = payment_event("T1")
    again = payment_event("T1", bank_reference="FT9")
    other_channel = payment_event("S7", account_id=OTHER_ACCOUNT, bank_reference="FT9")

    batch_result = run(first, again, other_channel)

    assert len(batch_result.payments) == 1


def test_failed_refund_moves_no_collection() -> None:
    batch_result = run(payment_event(outcome=Outcome.FAILED, movement=Movement.REFUNDED))

    assert batch_result.intents == {}


def test_code_of_the_field_never_issued_gives_way_to_the_text() -> None:
    batch_result = run(payment_event(codes=Codes(field=(code(77),), direct=(code(1),))))

    assert targets(batch_result) == [(AllocationTarget.INVOICE, 100_000, AllocationReason.OWED)]


_PAYMENTS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 250_000)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(payments=_PAYMENTS, data=st.data())
def test_any_order_with_repeats_gives_the_sum_of_the_distinct_payments(
    payments: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Duplicates, reorderings and events of one intent in one batch: the money is that of the distinct payments."""
    distinct = {f"T{number}": amount for number, amount in payments}
    base = [payment_event(name, amount=Dong(amount)) for name, amount in distinct.items()]
    pending = [
        replace(
            one, notice=replace(one.notice, outcome=Outcome.PENDING), event=one.event._replace(key=one.event.key + "P")
        )
        for one in base
    ]
    repeated = data.draw(st.lists(st.sampled_from([*base, *pending]), max_size=12))
    stream = data.draw(st.permutations([*base, *repeated]))

    batch_result = run(*stream)

    assert sum(payment.amount for payment, _ in batch_result.payments) == sum(distinct.values())
    assert sum(part.amount for part in batch_result.allocations) == sum(distinct.values())
    on_invoice = min(100_000, sum(distinct.values()))
    assert (
        sum(part.amount for part in batch_result.allocations if part.target is AllocationTarget.INVOICE) == on_invoice
    )
    assert [one.owed for one in batch_result.invoices.values()] == [100_000 - on_invoice]
    assert [one.received for one in batch_result.intents.values()] == [sum(distinct.values())]
