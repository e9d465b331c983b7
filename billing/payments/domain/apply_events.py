"""Applies a batch of payment events to the intents, invoices and payments that they concern.

Pure: the input is the state of the locked rows, the result is the rows to write, each row once and final. Events are
applied in order of arrival, so a second payment event about one invoice sees the amount that the first left owing.
This module decides whether an event is a duplicate (`event.py` defines its keys, `reference_links.py` links by bank
reference). `payment.py` decides how much goes to invoices and how much becomes credit.
Source: docs/design.md §5, points 5 and 7, Duplicates, Where money goes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from billing.core.ids import AllocationId, DeliveryId, DepositId, DepositRequestId, IntentId, InvoiceId, PaymentId
from billing.core.money import Dong
from billing.invoices.domain.invoice import Invoice
from billing.payments.domain.deposit import Deposit, DepositRequest
from billing.payments.domain.duplicate_candidates import DuplicateCandidate, DuplicateCandidates
from billing.payments.domain.event import (
    BookedMovement,
    EventKey,
    MovementKey,
    PaymentEvent,
    ReferenceUse,
    SeenEvent,
    without_altered_repeats,
)
from billing.payments.domain.exception import ExceptionReason, PaymentException
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import (
    Allocation,
    AllocationDraft,
    AllocationReason,
    AllocationTarget,
    Payment,
    allocate_to_deposit,
    allocate_to_invoices,
)
from billing.payments.domain.reference_links import KnownReferences, Link, ReferenceLinks
from providers.contract import Movement, Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """The state of the locked rows and of the keys reserved earlier."""

    known_events: Mapping[EventKey, SeenEvent]
    booked_movements: Mapping[MovementKey, BookedMovement]
    movement_ids: Mapping[MovementKey, PaymentId]  # of the events received for the first time, from link_movements
    reserved_ids: Mapping[MovementKey, PaymentId]  # under which the keys of this batch were reserved
    intents: Mapping[str, Intent]  # by reference code
    invoices: Mapping[InvoiceId, Invoice]
    deposits: Mapping[DepositId, Deposit] = field(default_factory=dict)
    requests: Mapping[DepositRequestId, DepositRequest] = field(default_factory=dict)
    candidates: Sequence[DuplicateCandidate] = ()
    references: KnownReferences = field(default_factory=KnownReferences)


@dataclass(slots=True)
class BatchResult:
    """The rows to write; each invoice and intent once, in its final state."""

    verdicts: dict[DeliveryId, Verdict] = field(default_factory=dict)
    receipts: dict[DeliveryId, DeliveryId] = field(default_factory=dict)
    payments: list[tuple[Payment, PaymentEvent]] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    outflows: list[tuple[PaymentId, PaymentEvent]] = field(default_factory=list)
    holds: list[tuple[PaymentId, PaymentId]] = field(default_factory=list)  # held, its candidate
    exceptions: list[PaymentException] = field(default_factory=list)
    attached: dict[MovementKey, BookedMovement] = field(default_factory=dict)
    uses: Sequence[ReferenceUse] = ()  # of bank references, to be added
    moved_uses: Sequence[ReferenceUse] = ()  # reserved by this batch under the id of another payment
    intents: dict[IntentId, Intent] = field(default_factory=dict)
    invoices: dict[InvoiceId, Invoice] = field(default_factory=dict)
    deposits: dict[DepositId, Deposit] = field(default_factory=dict)
    requests: dict[DepositRequestId, DepositRequest] = field(default_factory=dict)


def apply_events(
    payment_events: Sequence[PaymentEvent], batch_state: BatchState, *, new_allocation_id: Callable[[], AllocationId]
) -> BatchResult:
    """Apply a batch of payment events in order of arrival."""
    applier = _EventApplier(payment_events, batch_state, new_allocation_id)
    for payment_event in payment_events:
        applier.apply(payment_event)
    return applier.result()


class _EventApplier:
    """The state of one batch: the batch state, overlaid with the changes of this batch so far."""

    def __init__(
        self,
        payment_events: Sequence[PaymentEvent],
        batch_state: BatchState,
        new_allocation_id: Callable[[], AllocationId],
    ) -> None:
        self.batch_result = BatchResult()
        self._batch_state = batch_state
        self._new_allocation_id = new_allocation_id
        self._events: dict[EventKey, SeenEvent] = dict(batch_state.known_events)
        self._movements: dict[MovementKey, BookedMovement] = dict(batch_state.booked_movements)
        self._booked: dict[PaymentId, BookedMovement] = {}
        self._candidates = DuplicateCandidates(batch_state.candidates)
        unaltered = without_altered_repeats(payment_events)
        new = [
            payment_event
            for payment_event in unaltered
            if payment_event.moves_money and payment_event.event not in self._events
        ]
        self._links = ReferenceLinks(new, batch_state.references, batch_state.movement_ids, self._issued)

    def result(self) -> BatchResult:
        """All rows to write."""
        self.batch_result.uses = self._links.added
        self.batch_result.moved_uses = self._links.moved(self._batch_state.reserved_ids)
        return self.batch_result

    def apply(self, payment_event: PaymentEvent) -> None:
        known = self._events.get(payment_event.event)
        if known is not None:
            self._apply_repeat(payment_event, known)
            return
        verdict = self._apply(payment_event)
        self._events[payment_event.event] = SeenEvent(
            payment_event.notice.fingerprint, verdict, payment_event.delivery_id
        )
        self._set_verdict(payment_event, verdict, payment_event.delivery_id)

    def _apply_repeat(self, payment_event: PaymentEvent, known: SeenEvent) -> None:
        if payment_event.notice.fingerprint != known.fingerprint:
            self._open_exception(ExceptionReason.EVENT_CONTENT_CHANGED, payment_event)
        elif payment_event.moves_money:
            movements = {self._movements[key] for key in payment_event.movement_keys if key in self._movements}
            if movements:
                self._attach_to_booked(payment_event, movements)
        answered = known.verdict if known.verdict is not Verdict.ACCEPTED else Verdict.DUPLICATE
        self._set_verdict(payment_event, answered, known.receipt_id)

    def _apply(self, payment_event: PaymentEvent) -> Verdict:
        if payment_event.notice.names_other_account:
            self._open_exception(ExceptionReason.FOREIGN_ACCOUNT, payment_event)
            return Verdict.STORED
        if payment_event.notice.outcome is not Outcome.SUCCEEDED:
            return self._update_intent_state(payment_event)
        if not payment_event.movement_keys:
            self._open_exception(ExceptionReason.NO_TRANSACTION_ID, payment_event)
            return Verdict.STORED
        movement_id = self._batch_state.movement_ids[min(payment_event.movement_keys)]
        movements = {self._movements[key] for key in payment_event.movement_keys if key in self._movements}
        if movement_id in self._booked:  # joined in this batch through a third payment event, without a key in common
            movements.add(self._booked[movement_id])
        found = Link() if movements else self._links.find(payment_event, movement_id)
        if found.payment is not None:
            movements.add(found.payment)
            if found.is_ambiguous:
                self._open_exception(
                    ExceptionReason.KEYS_MATCH_TWO_PAYMENTS, payment_event, payment_id=found.payment.movement_id
                )
            self._check_late_code(payment_event, found)
        if movements:
            return self._attach_to_booked(payment_event, movements)
        return self._book_movement(payment_event, movement_id, is_contradictory=found.is_contradictory)

    def _check_late_code(self, payment_event: PaymentEvent, found: Link) -> None:
        """Open an exception for money booked without a code whose code another channel reports; a person assigns it."""
        codes = self._codes_of(payment_event)
        is_received = payment_event.notice.movement is Movement.RECEIVED
        if is_received and found.payment is not None and not found.is_coded and len(codes) == 1:
            intent = self._intent(min(codes))
            self._open_exception(
                ExceptionReason.CODE_NAMED_LATER,
                payment_event,
                payment_id=found.payment.movement_id,
                intent_id=intent.id,
            )

    def _book_movement(self, payment_event: PaymentEvent, movement_id: PaymentId, *, is_contradictory: bool) -> Verdict:
        """Book money that no earlier event identified."""
        self._booked[movement_id] = BookedMovement(movement_id, payment_event.amount)
        self._attach_keys(payment_event, movement_id, payment_event.amount)
        self._links.name(movement_id)
        if payment_event.notice.movement is not Movement.RECEIVED:
            self.batch_result.outflows.append((movement_id, payment_event))
            self._open_exception(ExceptionReason.UNEXPECTED_REVERSAL, payment_event)
            return Verdict.ACCEPTED
        verdict = self._book(payment_event, movement_id)
        if is_contradictory:
            self._open_exception(ExceptionReason.BANK_REFERENCE_REPEATED, payment_event, payment_id=movement_id)
        return verdict

    def _attach_to_booked(self, payment_event: PaymentEvent, movements: set[BookedMovement]) -> Verdict:
        """Attach the new keys to money that is booked already, and report contradictions between the payment events."""
        if len({movement.movement_id for movement in movements}) > 1:
            self._open_exception(ExceptionReason.KEYS_MATCH_TWO_PAYMENTS, payment_event)
        movement = min(movements, key=lambda known: known.movement_id)
        if movement.amount != payment_event.amount:
            self._open_exception(ExceptionReason.AMOUNT_CHANGED, payment_event, payment_id=movement.movement_id)
        self._attach_keys(payment_event, movement.movement_id, movement.amount)
        if self._links.attach(payment_event, movement.movement_id):
            self._open_exception(
                ExceptionReason.KEYS_MATCH_TWO_PAYMENTS, payment_event, payment_id=movement.movement_id
            )
        return Verdict.DUPLICATE

    def _attach_keys(self, payment_event: PaymentEvent, movement_id: PaymentId, amount: Dong) -> None:
        for key in payment_event.movement_keys:
            if key in self._movements:
                continue
            self._movements[key] = BookedMovement(movement_id, amount)
            if self._batch_state.reserved_ids[key] != movement_id:
                self.batch_result.attached[key] = BookedMovement(movement_id, amount)

    def _update_intent_state(self, payment_event: PaymentEvent) -> Verdict:
        if payment_event.notice.outcome is Outcome.REVIEW:
            self._open_exception(ExceptionReason.REVIEW, payment_event)
        codes = self._issued(payment_event.codes.field) or self._issued(payment_event.codes.direct)
        if len(codes) != 1 or payment_event.notice.movement is not Movement.RECEIVED:
            return Verdict.STORED
        self._set_intent(self._intent(codes[0]).with_outcome(payment_event.notice.outcome))
        return Verdict.ACCEPTED

    def _book(self, payment_event: PaymentEvent, payment_id: PaymentId) -> Verdict:
        candidate = self._candidate_of(payment_event)
        intent, reason = self._match(payment_event)
        if candidate is not None:
            self._hold(payment_event, payment_id, candidate)
            if not candidate.is_unallocated:
                intent, reason = None, AllocationReason.PROBABLE_DUPLICATE
        if intent is None:
            parts = [AllocationDraft(AllocationTarget.UNALLOCATED, payment_event.amount, reason)]
        else:
            parts = self._parts(intent, payment_event.amount)
            self._set_intent(intent.with_payment(payment_event.amount))
        payment = Payment(
            id=payment_id,
            account_id=payment_event.account_id,
            delivery_id=payment_event.delivery_id,
            intent_id=intent.id if intent else None,
            amount=payment_event.amount,
            provider_reference=payment_event.notice.provider_reference,
            bank_reference=payment_event.notice.bank_reference,
            occurred_at=payment_event.notice.occurred_at,
        )
        self.batch_result.payments.append((payment, payment_event))
        for part in parts:
            self._allocate(part, payment, payment_event)
        if candidate is None:  # a payment in a hold is no candidate for a third
            self._add_candidate(payment, payment_event, is_unallocated=intent is None)
        return _verdict(payment_event, intent, reason)

    def _parts(self, intent: Intent, amount: Dong) -> list[AllocationDraft]:
        if intent.deposit_id is None:
            return allocate_to_invoices(amount, [self._invoice(name) for name in intent.invoices])
        state, result = self._batch_state, self.batch_result
        deposit = result.deposits.get(intent.deposit_id, state.deposits[intent.deposit_id])
        part = allocate_to_deposit(amount, deposit)
        if part.deposit is not None:
            result.deposits[deposit.id] = deposit.receive(amount)
            if intent.deposit_request_id is not None:
                request_id = intent.deposit_request_id
                request = result.requests.get(request_id, state.requests[request_id])
                result.requests[request_id] = request.with_payment(amount)
        return [part]

    def _allocate(self, part: AllocationDraft, payment: Payment, payment_event: PaymentEvent) -> None:
        if part.invoice is not None:
            self.batch_result.invoices[part.invoice.id] = part.invoice.allocate(part.amount)
        if part.reason is not AllocationReason.OWED:
            self._open_exception(
                ExceptionReason(part.reason),
                payment_event,
                amount=part.amount,
                payment_id=payment.id,
                intent_id=payment.intent_id,
            )
        self.batch_result.allocations.append(
            Allocation(
                id=self._new_allocation_id(),
                payment_id=payment.id,
                target=part.target,
                amount=part.amount,
                reason=part.reason,
                invoice_id=part.invoice.id if part.invoice else None,
                deposit_id=part.deposit.id if part.deposit else None,
                visit_id=part.visit_id,
            )
        )

    def _match(self, payment_event: PaymentEvent) -> tuple[Intent | None, AllocationReason]:
        """The one intent that a payment event names. Codes never issued are dropped before the codes are counted.

        The intent of a rejoined code must request exactly this amount: two pieces may be adjacent by accident.
        """
        codes = self._issued(payment_event.codes.field) or self._issued(payment_event.codes.direct)
        if len(codes) == 1:
            return self._intent(codes[0]), AllocationReason.OWED
        if codes:
            return None, AllocationReason.AMBIGUOUS_REFERENCE
        codes = self._issued(payment_event.codes.rejoined)
        if not codes:
            return None, AllocationReason.NO_REFERENCE
        if len(codes) > 1:
            return None, AllocationReason.AMBIGUOUS_REFERENCE
        intent = self._intent(codes[0])
        if intent.remaining != payment_event.amount:
            return None, AllocationReason.SPLIT_REFERENCE_AMOUNT_MISMATCH
        return intent, AllocationReason.OWED

    def _candidate_of(self, payment_event: PaymentEvent) -> DuplicateCandidate | None:
        codes = self._codes_of(payment_event)
        found = self._candidates.find(
            payment_event,
            codes,
            is_named=lambda payment: self._links.has_name_of(payment_event.account_id, payment.id),
        )
        return found or self._candidates.find_of_statement(payment_event, codes)

    def _hold(self, payment_event: PaymentEvent, payment_id: PaymentId, candidate: DuplicateCandidate) -> None:
        held, other = (
            (candidate.payment.id, payment_id) if candidate.is_unallocated else (payment_id, candidate.payment.id)
        )
        self.batch_result.holds.append((held, other))
        if candidate.is_unallocated:
            self._open_exception(ExceptionReason.PROBABLE_DUPLICATE, payment_event, payment_id=held)
        self._candidates.remove(candidate)

    def _add_candidate(self, payment: Payment, payment_event: PaymentEvent, *, is_unallocated: bool) -> None:
        if payment_event.bank_account_id is not None:
            codes = self._codes_of(payment_event)
            self._candidates.add(DuplicateCandidate(payment, payment_event.bank_account_id, codes, is_unallocated))

    def _codes_of(self, payment_event: PaymentEvent) -> frozenset[str]:
        codes = self._issued((*payment_event.codes.field, *payment_event.codes.direct)) or self._issued(
            payment_event.codes.rejoined
        )
        return frozenset(codes)

    def _issued(self, codes: Sequence[str]) -> list[str]:
        return [code for code in codes if code in self._batch_state.intents]

    def _intent(self, code: str) -> Intent:
        intent = self._batch_state.intents[code]
        return self.batch_result.intents.get(intent.id, intent)

    def _invoice(self, invoice_id: InvoiceId) -> Invoice:
        return self.batch_result.invoices.get(invoice_id, self._batch_state.invoices[invoice_id])

    def _set_intent(self, intent: Intent) -> None:
        if intent is not self._intent(intent.reference):
            self.batch_result.intents[intent.id] = intent

    def _open_exception(
        self,
        reason: ExceptionReason,
        payment_event: PaymentEvent,
        *,
        amount: Dong | None = None,
        payment_id: PaymentId | None = None,
        intent_id: IntentId | None = None,
    ) -> None:
        at_stake = payment_event.amount if amount is None else amount
        self.batch_result.exceptions.append(
            PaymentException(
                reason=reason, payment_event=payment_event, amount=at_stake, payment_id=payment_id, intent_id=intent_id
            )
        )

    def _set_verdict(self, payment_event: PaymentEvent, verdict: Verdict, receipt_id: DeliveryId) -> None:
        """Set the verdict of a delivery; with several notices, the first that is not accepted or known decides."""
        before = self.batch_result.verdicts.get(payment_event.delivery_id)
        if before is None or _WEIGHT[verdict] > _WEIGHT[before]:
            self.batch_result.verdicts[payment_event.delivery_id] = verdict
            self.batch_result.receipts[payment_event.delivery_id] = receipt_id


_WEIGHT: Mapping[Verdict, int] = {
    Verdict.DUPLICATE: 0,
    Verdict.ACCEPTED: 1,
    Verdict.STORED: 2,
    Verdict.AMOUNT_DIFFERS: 3,
    Verdict.UNKNOWN_REFERENCE: 4,
    Verdict.TRY_LATER: 5,
}


def _verdict(payment_event: PaymentEvent, intent: Intent | None, reason: AllocationReason) -> Verdict:
    """The verdict of an event. Reply and booking are independent: the money is booked whatever the reply."""
    if intent is not None:
        # A code requests the remaining amount; a standing one none in particular.
        is_expected = intent.is_standing or payment_event.amount in {intent.amount, intent.remaining}
        return Verdict.ACCEPTED if is_expected else Verdict.AMOUNT_DIFFERS
    return Verdict.UNKNOWN_REFERENCE if reason is AllocationReason.NO_REFERENCE else Verdict.ACCEPTED
