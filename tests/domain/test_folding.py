"""Where money goes and what is booked once: the fold, without a database."""

from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.ids import PaymentId, VisitId
from billing.core.money import Dong
from billing.invoices.domain.invoice import InvoiceState
from billing.payments.domain.apply_events import Folded, Reason
from billing.payments.domain.event import Codes, FactKey, KnownEvent, KnownFact
from billing.payments.domain.intent import IntentState
from billing.payments.domain.payment import Place, Why
from providers.contract import Movement, Outcome, Verdict
from tests.domain.fold_builders import (
    ACCOUNT,
    OTHER_ACCOUNT,
    code,
    intent,
    invoice,
    run,
    telling,
    use,
)


def places(folded: Folded) -> list[tuple[Place, int, Why]]:
    return [(part.place, part.amount, part.why) for part in folded.allocations]


def reasons(folded: Folded) -> list[object]:
    return [case.reason for case in folded.cases]


def test_exact_payment_settles_the_invoice_and_opens_no_case() -> None:
    told = telling()

    folded = run(told)

    assert places(folded) == [(Place.INVOICE, 100_000, Why.OWED)]
    assert [one.owed for one in folded.invoices.values()] == [0]
    assert [(one.state, one.received) for one in folded.intents.values()] == [(IntentState.SUCCEEDED, 100_000)]
    assert folded.verdicts == {told.delivery_id: Verdict.ACCEPTED}
    assert folded.cases == []


def test_short_payment_leaves_the_rest_owed_and_the_intent_pending() -> None:
    told = telling(amount=Dong(40_000))

    folded = run(told)

    assert [one.owed for one in folded.invoices.values()] == [60_000]
    assert [(one.state, one.remaining) for one in folded.intents.values()] == [(IntentState.PENDING, 60_000)]
    assert folded.verdicts[told.delivery_id] is Verdict.AMOUNT_DIFFERS


def test_too_much_becomes_credit_of_the_patient_and_a_case() -> None:
    folded = run(telling(amount=Dong(130_000)))

    assert places(folded) == [(Place.INVOICE, 100_000, Why.OWED), (Place.CREDIT, 30_000, Why.OVER_PAID)]
    assert folded.allocations[1].visit_id == invoice().visit_id
    assert reasons(folded) == [Why.OVER_PAID]


def test_too_much_for_invoices_of_several_patients_is_credit_of_the_payer() -> None:
    both = [invoice(1), invoice(2, visit=VisitId(UUID(int=101)))]

    folded = run(telling(amount=Dong(210_000)), invoices=both, intents=[intent(invoices=both, amount=200_000)])

    assert [part.amount for part in folded.allocations] == [100_000, 100_000, 10_000]
    assert folded.allocations[2].visit_id is None


def test_money_goes_to_invoices_in_the_order_of_the_intent() -> None:
    first, second = invoice(1, asks=70_000), invoice(2, asks=50_000)

    folded = run(
        telling(amount=Dong(80_000)),
        invoices=[first, second],
        intents=[intent(invoices=[second, first], amount=120_000)],
    )

    assert [(part.invoice_id, part.amount) for part in folded.allocations] == [(second.id, 50_000), (first.id, 30_000)]


def test_second_payment_of_one_invoice_in_one_batch_is_credit() -> None:
    folded = run(telling("T1"), telling("T2"))

    assert places(folded) == [(Place.INVOICE, 100_000, Why.OWED), (Place.CREDIT, 100_000, Why.PAID_AGAIN)]
    assert [one.received for one in folded.intents.values()] == [200_000]


def test_two_intents_for_one_invoice_share_what_it_owes() -> None:
    one = invoice()
    intents = [intent(1, invoices=[one]), intent(2, invoices=[one])]

    folded = run(
        telling("T1", amount=Dong(60_000)),
        telling("T2", amount=Dong(60_000), codes=Codes(direct=(code(2),))),
        invoices=[one],
        intents=intents,
    )

    assert places(folded) == [
        (Place.INVOICE, 60_000, Why.OWED),
        (Place.INVOICE, 40_000, Why.OWED),
        (Place.CREDIT, 20_000, Why.OVER_PAID),
    ]


def test_money_for_a_discarded_invoice_is_credit_after_cancel() -> None:
    gone = invoice(state=InvoiceState.DISCARDED, issued_at=None)

    folded = run(telling(), invoices=[gone])

    assert places(folded) == [(Place.CREDIT, 100_000, Why.PAID_AFTER_CANCEL)]


@pytest.mark.parametrize("state", [IntentState.FAILED, IntentState.CANCELLED, IntentState.EXPIRED])
def test_success_after_an_end_is_booked_and_moves_on(state: IntentState) -> None:
    one = invoice()

    folded = run(telling(), invoices=[one], intents=[intent(invoices=[one], state=state)])

    assert [changed.state for changed in folded.intents.values()] == [IntentState.SUCCEEDED]
    assert [changed.owed for changed in folded.invoices.values()] == [0]


def test_partial_money_never_moves_an_ended_intent_backwards() -> None:
    one = invoice()

    folded = run(telling(amount=Dong(1)), invoices=[one], intents=[intent(invoices=[one], state=IntentState.EXPIRED)])

    assert [changed.state for changed in folded.intents.values()] == [IntentState.EXPIRED]


def test_no_code_is_unallocated_and_answered_so() -> None:
    told = telling(codes=Codes())

    folded = run(told)

    assert places(folded) == [(Place.UNALLOCATED, 100_000, Why.NO_REFERENCE)]
    assert folded.verdicts[told.delivery_id] is Verdict.UNKNOWN_REFERENCE
    assert folded.intents == {}


def test_code_never_issued_is_dropped_before_counting() -> None:
    folded = run(telling(codes=Codes(direct=(code(77), code(1)))))

    assert places(folded) == [(Place.INVOICE, 100_000, Why.OWED)]


def test_two_issued_codes_are_unallocated() -> None:
    one = invoice()

    folded = run(
        telling(codes=Codes(direct=(code(1), code(2)))),
        invoices=[one],
        intents=[intent(1, invoices=[one]), intent(2, invoices=[one])],
    )

    assert places(folded) == [(Place.UNALLOCATED, 100_000, Why.TWO_REFERENCES)]


def test_respaced_code_is_taken_only_with_exactly_the_amount_due() -> None:
    exact = run(telling(codes=Codes(squeezed=(code(),))))
    short = run(telling(codes=Codes(squeezed=(code(),)), amount=Dong(99_999)))

    assert places(exact) == [(Place.INVOICE, 100_000, Why.OWED)]
    assert places(short) == [(Place.UNALLOCATED, 99_999, Why.RESPACED_AMOUNT_DIFFERS)]


def test_respaced_code_is_looked_at_when_direct_codes_were_never_issued() -> None:
    folded = run(telling(codes=Codes(direct=(code(77),), squeezed=(code(77), code(1)))))

    assert places(folded) == [(Place.INVOICE, 100_000, Why.OWED)]


def test_known_event_is_a_duplicate_with_the_first_receipt() -> None:
    first, again = telling(), telling()
    known = {first.event: KnownEvent(b"same", Verdict.ACCEPTED, first.delivery_id)}

    folded = run(again, known_events=known)

    assert folded.payments == []
    assert folded.verdicts[again.delivery_id] is Verdict.DUPLICATE
    assert folded.receipts[again.delivery_id] == first.delivery_id


def test_repeated_refusal_is_answered_as_the_first_time() -> None:
    told = telling()
    known = {told.event: KnownEvent(b"same", Verdict.AMOUNT_DIFFERS, told.delivery_id)}

    assert run(told, known_events=known).verdicts[told.delivery_id] is Verdict.AMOUNT_DIFFERS


def test_same_event_with_other_content_opens_a_case_and_books_nothing() -> None:
    told = telling(fingerprint=b"other")

    folded = run(told, known_events={told.event: KnownEvent(b"same", Verdict.ACCEPTED, told.delivery_id)})

    assert folded.payments == []
    assert reasons(folded) == [Reason.SAME_EVENT_OTHER_CONTENT]


def test_same_money_under_another_event_is_booked_once_and_its_bank_reference_kept() -> None:
    folded = run(telling("T1"), telling("T2", keys=["transaction:T1"], bank_reference="FT1"))

    assert len(folded.payments) == 1
    assert folded.attached == {}, "joined before the claim, so both have one id already"
    assert (folded.uses, folded.moved_uses) == ([], []), "claimed under that id"
    known = KnownFact(PaymentId(UUID(int=5)), Dong(100_000))
    later = run(
        telling("T2", keys=["transaction:T1"], bank_reference="FT1"),
        known_facts={FactKey(ACCOUNT, Movement.RECEIVED, "transaction:T1"): known},
    )
    assert later.payments == []
    assert [use.payment_id for use in later.moved_uses] == [known.fact_id]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_tellings_linked_only_through_a_third_are_one_payment(order: tuple[int, ...]) -> None:
    tellings = [
        telling("T1"),
        telling("B1", account_id=OTHER_ACCOUNT, bank_reference="FT1"),
        telling("T3", keys=["transaction:T1"], bank_reference="FT1"),
    ]

    folded = run(*(tellings[place] for place in order))

    assert len(folded.payments) == 1
    assert folded.cases == []


def test_same_money_with_another_amount_opens_a_case() -> None:
    known = {FactKey(ACCOUNT, Movement.RECEIVED, "transaction:T1"): KnownFact(PaymentId(UUID(int=5)), Dong(1))}

    folded = run(telling(), known_facts=known)

    assert folded.payments == []
    assert reasons(folded) == [Reason.SAME_FACT_OTHER_AMOUNT]


def test_strong_name_and_bank_reference_of_two_payments_open_a_case() -> None:
    known = {FactKey(ACCOUNT, Movement.RECEIVED, "transaction:T1"): KnownFact(PaymentId(UUID(int=5)), Dong(100_000))}

    folded = run(telling("T1", bank_reference="FT1"), known_facts=known, uses=[use(PaymentId(UUID(int=6)))])

    assert folded.payments == []
    assert reasons(folded) == [Reason.KEYS_MEET_TWO_FACTS]


def test_success_without_a_name_for_the_money_books_nothing() -> None:
    told = telling(keys=[])

    folded = run(told)

    assert folded.payments == []
    assert folded.verdicts[told.delivery_id] is Verdict.STORED
    assert reasons(folded) == [Reason.NO_FACT_KEY]


def test_message_about_another_account_books_nothing_and_is_acknowledged() -> None:
    told = telling(names_other_account=True)

    folded = run(told)

    assert folded.payments == []
    assert folded.intents == {}
    assert folded.verdicts[told.delivery_id] is Verdict.STORED
    assert reasons(folded) == [Reason.FOREIGN_ACCOUNT]


def test_failure_ends_an_intent_but_not_one_that_succeeded() -> None:
    one = invoice()
    failed = run(telling(outcome=Outcome.FAILED))
    late = run(
        telling(outcome=Outcome.FAILED),
        invoices=[one],
        intents=[intent(invoices=[one], state=IntentState.SUCCEEDED, received=Dong(100_000))],
    )

    assert [changed.state for changed in failed.intents.values()] == [IntentState.FAILED]
    assert failed.payments == []
    assert late.intents == {}


def test_money_that_leaves_unasked_is_booked_and_opens_a_case() -> None:
    folded = run(telling(movement=Movement.REVERSED))

    assert folded.payments == []
    assert [told.amount for _, told in folded.outflows] == [100_000]
    assert reasons(folded) == [Reason.MONEY_LEFT_UNASKED]


def test_changed_redelivery_in_one_batch_links_no_other_payment() -> None:
    """T1, then T1 told again with the names of T2, then T2: all in one batch, and both are booked."""
    first = telling("T1", bank_reference="FT1")
    changed = telling("T1", bank_reference="FT2", fingerprint=b"changed")
    second = telling("T2", bank_reference="FT2")

    folded = run(first, changed, second)

    assert sum(payment.amount for payment, _ in folded.payments) == 200_000
    assert reasons(folded) == [Reason.SAME_EVENT_OTHER_CONTENT, Why.PAID_AGAIN]


def test_known_event_with_changed_names_links_no_two_new_payments() -> None:
    told = telling("T0")
    changed = telling("T0", keys=["transaction:T1", "transaction:T2"], fingerprint=b"changed")

    folded = run(
        changed,
        telling("T1"),
        telling("T2"),
        known_events={told.event: KnownEvent(b"same", Verdict.ACCEPTED, told.delivery_id)},
    )

    assert len(folded.payments) == 2


def test_further_name_on_a_repeated_event_is_attached() -> None:
    first = telling("T1")
    again = telling("T1", bank_reference="FT9")
    other_channel = telling("S7", account_id=OTHER_ACCOUNT, bank_reference="FT9")

    folded = run(first, again, other_channel)

    assert len(folded.payments) == 1


def test_failed_refund_moves_no_collection() -> None:
    folded = run(telling(outcome=Outcome.FAILED, movement=Movement.REFUNDED))

    assert folded.intents == {}


def test_code_of_the_field_never_issued_gives_way_to_the_text() -> None:
    folded = run(telling(codes=Codes(field=(code(77),), direct=(code(1),))))

    assert places(folded) == [(Place.INVOICE, 100_000, Why.OWED)]


_PAYMENTS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 250_000)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(payments=_PAYMENTS, data=st.data())
def test_any_order_with_repeats_gives_the_sum_of_the_distinct_payments(
    payments: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Duplicates, reorderings and tellings of one intent in one batch: the money is that of the distinct payments."""
    distinct = {f"T{number}": amount for number, amount in payments}
    base = [telling(name, amount=Dong(amount)) for name, amount in distinct.items()]
    pending = [replace(one, outcome=Outcome.PENDING, event=one.event._replace(key=one.event.key + "P")) for one in base]
    repeated = data.draw(st.lists(st.sampled_from([*base, *pending]), max_size=12))
    stream = data.draw(st.permutations([*base, *repeated]))

    folded = run(*stream)

    assert sum(payment.amount for payment, _ in folded.payments) == sum(distinct.values())
    assert sum(part.amount for part in folded.allocations) == sum(distinct.values())
    on_invoice = min(100_000, sum(distinct.values()))
    assert sum(part.amount for part in folded.allocations if part.place is Place.INVOICE) == on_invoice
    assert [one.owed for one in folded.invoices.values()] == [100_000 - on_invoice]
    assert [one.received for one in folded.intents.values()] == [sum(distinct.values())]
