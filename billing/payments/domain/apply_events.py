"""Folding: what a batch of tellings makes of the intents, invoices and payments it touches.

Pure: it is given all that the locked rows say and returns what is to be written, each row once and final. Tellings are
folded in order of arrival, so a second telling about one invoice sees what the first left owing.
Source: docs/design.md §5, points 5 and 7, Duplicates, Where money goes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from billing.core.ids import AllocationId, DeliveryId, IntentId, InvoiceId, PaymentId
from billing.core.money import Dong
from billing.invoices.domain.invoice import Invoice
from billing.payments.domain.event import (
    EventKey,
    FactKey,
    KnownEvent,
    KnownFact,
    ReferenceUse,
    Telling,
    first_tellings,
)
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import Allocation, Part, Payment, Place, Why, place_on_invoices
from billing.payments.domain.reference_links import KnownReferences, Link, ReferenceLinks
from providers.contract import Movement, Outcome, Verdict

TWIN_WINDOW = timedelta(hours=24)
"""Two channels of one bank account may tell of one transfer; equal money this near is held.

Source: docs/design.md §5.
"""


class Reason(StrEnum):
    """Why a person must look; a payment's parts bring their own reasons (`Why`)."""

    SAME_EVENT_OTHER_CONTENT = "same_event_other_content"
    SAME_FACT_OTHER_AMOUNT = "same_fact_other_amount"
    KEYS_MEET_TWO_FACTS = "keys_meet_two_facts"
    BANK_REFERENCE_REPEATED = "bank_reference_repeated"
    CODE_NAMED_LATER = "code_named_later"
    FOREIGN_ACCOUNT = "foreign_account"
    NO_FACT_KEY = "no_fact_key"
    REVIEW = "review"
    MONEY_LEFT_UNASKED = "money_left_unasked"
    ASKED_IN_VAIN = "asked_in_vain"
    FEED_STUCK = "feed_stuck"


@dataclass(frozen=True, slots=True)
class Twin:
    """A payment that was booked before on the same bank account through another channel."""

    payment: Payment
    bank_account_id: UUID
    codes: frozenset[str]
    is_unallocated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the locked rows and the keys of before say."""

    known_events: Mapping[EventKey, KnownEvent]
    known_facts: Mapping[FactKey, KnownFact]
    fact_ids: Mapping[FactKey, PaymentId]  # of the tellings told for the first time, from join_facts
    claimed_ids: Mapping[FactKey, PaymentId]  # under which the keys of this batch were claimed
    intents: Mapping[str, Intent]  # by reference code
    invoices: Mapping[InvoiceId, Invoice]
    twins: Sequence[Twin] = ()
    references: KnownReferences = field(default_factory=KnownReferences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A disagreement for a person."""

    reason: Reason | Why
    telling: Telling
    amount: Dong
    payment_id: PaymentId | None = None
    intent_id: IntentId | None = None


@dataclass(slots=True)
class Folded:
    """What is to be written; each invoice and intent once, in its final shape."""

    verdicts: dict[DeliveryId, Verdict] = field(default_factory=dict)
    receipts: dict[DeliveryId, DeliveryId] = field(default_factory=dict)
    payments: list[tuple[Payment, Telling]] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    outflows: list[tuple[PaymentId, Telling]] = field(default_factory=list)
    holds: list[tuple[PaymentId, PaymentId]] = field(default_factory=list)  # held, its twin
    cases: list[Case] = field(default_factory=list)
    attached: dict[FactKey, KnownFact] = field(default_factory=dict)
    uses: Sequence[ReferenceUse] = ()  # of bank references, to be added
    moved_uses: Sequence[ReferenceUse] = ()  # claimed by this batch under the id of another payment
    intents: dict[IntentId, Intent] = field(default_factory=dict)
    invoices: dict[InvoiceId, Invoice] = field(default_factory=dict)


def fold(tellings: Sequence[Telling], ground: Ground, *, new_allocation_id: Callable[[], AllocationId]) -> Folded:
    """Fold a batch of tellings in order of arrival."""
    folding = _Folding(tellings, ground, new_allocation_id)
    for telling in tellings:
        folding.take(telling)
    return folding.result()


class _Folding:
    """The state of one fold: what the ground says, overlaid with what this batch has done so far."""

    def __init__(
        self, tellings: Sequence[Telling], ground: Ground, new_allocation_id: Callable[[], AllocationId]
    ) -> None:
        self.folded = Folded()
        self._ground = ground
        self._new_allocation_id = new_allocation_id
        self._events: dict[EventKey, KnownEvent] = dict(ground.known_events)
        self._facts: dict[FactKey, KnownFact] = dict(ground.known_facts)
        self._booked: dict[PaymentId, KnownFact] = {}
        self._twins: dict[tuple[UUID, Dong], list[Twin]] = {}
        for twin in ground.twins:
            self._twins.setdefault((twin.bank_account_id, twin.payment.amount), []).append(twin)
        alike = first_tellings(tellings)
        new = [telling for telling in alike if telling.moves_money and telling.event not in self._events]
        self._links = ReferenceLinks(new, ground.references, ground.fact_ids, self._issued)

    def result(self) -> Folded:
        """All that is to be written."""
        self.folded.uses = self._links.added
        self.folded.moved_uses = self._links.moved(self._ground.claimed_ids)
        return self.folded

    def take(self, telling: Telling) -> None:
        known = self._events.get(telling.event)
        if known is not None:
            self._take_again(telling, known)
            return
        verdict = self._apply(telling)
        self._events[telling.event] = KnownEvent(telling.fingerprint, verdict, telling.delivery_id)
        self._answer(telling, verdict, telling.delivery_id)

    def _take_again(self, telling: Telling, known: KnownEvent) -> None:
        if telling.fingerprint != known.fingerprint:
            self._open_case(Reason.SAME_EVENT_OTHER_CONTENT, telling)
        elif telling.moves_money:
            facts = {self._facts[key] for key in telling.fact_keys if key in self._facts}
            if facts:
                self._meet(telling, facts)
        answered = known.verdict if known.verdict is not Verdict.ACCEPTED else Verdict.DUPLICATE
        self._answer(telling, answered, known.receipt_id)

    def _apply(self, telling: Telling) -> Verdict:
        if telling.names_other_account:
            self._open_case(Reason.FOREIGN_ACCOUNT, telling)
            return Verdict.STORED
        if telling.outcome is not Outcome.SUCCEEDED:
            return self._tell_intent(telling)
        if not telling.fact_keys:
            self._open_case(Reason.NO_FACT_KEY, telling)
            return Verdict.STORED
        fact_id = self._ground.fact_ids[min(telling.fact_keys)]
        facts = {self._facts[key] for key in telling.fact_keys if key in self._facts}
        if fact_id in self._booked:  # joined in this batch through a third telling, without a key in common
            facts.add(self._booked[fact_id])
        found = Link() if facts else self._links.find(telling, fact_id)
        if found.payment is not None:
            facts.add(found.payment)
            if found.is_ambiguous:
                self._open_case(Reason.KEYS_MEET_TWO_FACTS, telling, payment_id=found.payment.fact_id)
            self._name_code_later(telling, found)
        if facts:
            return self._meet(telling, facts)
        return self._take_movement(telling, fact_id, is_doubtful=found.is_doubtful)

    def _name_code_later(self, telling: Telling, found: Link) -> None:
        """Money booked without a code, whose code another channel names: a person assigns it."""
        codes = self._codes_of(telling)
        is_received = telling.movement is Movement.RECEIVED
        if is_received and found.payment is not None and not found.is_coded and len(codes) == 1:
            intent = self._intent(min(codes))
            self._open_case(Reason.CODE_NAMED_LATER, telling, payment_id=found.payment.fact_id, intent_id=intent.id)

    def _take_movement(self, telling: Telling, fact_id: PaymentId, *, is_doubtful: bool) -> Verdict:
        """Money that no event named before."""
        self._booked[fact_id] = KnownFact(fact_id, telling.amount)
        self._claim(telling, fact_id, telling.amount)
        self._links.name(fact_id)
        if telling.movement is not Movement.RECEIVED:
            self.folded.outflows.append((fact_id, telling))
            self._open_case(Reason.MONEY_LEFT_UNASKED, telling)
            return Verdict.ACCEPTED
        verdict = self._book(telling, fact_id)
        if is_doubtful:
            self._open_case(Reason.BANK_REFERENCE_REPEATED, telling, payment_id=fact_id)
        return verdict

    def _meet(self, telling: Telling, facts: set[KnownFact]) -> Verdict:
        """The money was booked before: attach the names that are new, and say where the tellings disagree."""
        if len({fact.fact_id for fact in facts}) > 1:
            self._open_case(Reason.KEYS_MEET_TWO_FACTS, telling)
        fact = min(facts, key=lambda known: known.fact_id)
        if fact.amount != telling.amount:
            self._open_case(Reason.SAME_FACT_OTHER_AMOUNT, telling, payment_id=fact.fact_id)
        self._claim(telling, fact.fact_id, fact.amount)
        if self._links.meet(telling, fact.fact_id):
            self._open_case(Reason.KEYS_MEET_TWO_FACTS, telling, payment_id=fact.fact_id)
        return Verdict.DUPLICATE

    def _claim(self, telling: Telling, fact_id: PaymentId, amount: Dong) -> None:
        for key in telling.fact_keys:
            if key in self._facts:
                continue
            self._facts[key] = KnownFact(fact_id, amount)
            if self._ground.claimed_ids[key] != fact_id:
                self.folded.attached[key] = KnownFact(fact_id, amount)

    def _tell_intent(self, telling: Telling) -> Verdict:
        if telling.outcome is Outcome.REVIEW:
            self._open_case(Reason.REVIEW, telling)
        codes = self._issued(telling.codes.field) or self._issued(telling.codes.direct)
        if len(codes) != 1 or telling.movement is not Movement.RECEIVED:
            return Verdict.STORED
        self._keep_intent(self._intent(codes[0]).told(telling.outcome))
        return Verdict.ACCEPTED

    def _book(self, telling: Telling, payment_id: PaymentId) -> Verdict:
        twin = self._twin_of(telling)
        intent, why = self._match(telling)
        if twin is not None:
            self._hold(telling, payment_id, twin)
            if not twin.is_unallocated:
                intent, why = None, Why.PROBABLE_DUPLICATE
        if intent is None:
            parts = [Part(Place.UNALLOCATED, telling.amount, why)]
        else:
            parts = place_on_invoices(telling.amount, [self._invoice(name) for name in intent.invoices])
            self._keep_intent(intent.receive(telling.amount))
        payment = Payment(
            id=payment_id,
            account_id=telling.account_id,
            delivery_id=telling.delivery_id,
            intent_id=intent.id if intent else None,
            amount=telling.amount,
            provider_reference=telling.provider_reference,
            bank_reference=telling.bank_reference,
            occurred_at=telling.occurred_at,
        )
        self.folded.payments.append((payment, telling))
        for part in parts:
            self._put(part, payment, telling)
        if twin is None:  # a payment that is held, or holds another, is no twin for a third
            self._remember(payment, telling, is_unallocated=intent is None)
        return _verdict(telling, intent, why)

    def _put(self, part: Part, payment: Payment, telling: Telling) -> None:
        if part.invoice is not None:
            self.folded.invoices[part.invoice.id] = part.invoice.receive(part.amount)
        if part.why is not Why.OWED:
            self._open_case(part.why, telling, amount=part.amount, payment_id=payment.id, intent_id=payment.intent_id)
        self.folded.allocations.append(
            Allocation(
                id=self._new_allocation_id(),
                payment_id=payment.id,
                place=part.place,
                amount=part.amount,
                why=part.why,
                invoice_id=part.invoice.id if part.invoice else None,
                visit_id=part.visit_id,
            )
        )

    def _match(self, telling: Telling) -> tuple[Intent | None, Why]:
        """The one intent a telling names. Codes never issued are dropped before one or two are counted.

        A code that was found only by squeezing must ask for exactly this amount: two pieces may have met by accident.
        """
        codes = self._issued(telling.codes.field) or self._issued(telling.codes.direct)
        if len(codes) == 1:
            return self._intent(codes[0]), Why.OWED
        if codes:
            return None, Why.TWO_REFERENCES
        codes = self._issued(telling.codes.squeezed)
        if not codes:
            return None, Why.NO_REFERENCE
        if len(codes) > 1:
            return None, Why.TWO_REFERENCES
        intent = self._intent(codes[0])
        if intent.remaining != telling.amount:
            return None, Why.RESPACED_AMOUNT_DIFFERS
        return intent, Why.OWED

    def _twin_of(self, telling: Telling) -> Twin | None:
        """Another channel's payment of equal amount and near moment that this one may be a second telling of."""
        if telling.bank_account_id is None:
            return None
        codes = self._codes_of(telling)
        for twin in self._twins.get((telling.bank_account_id, telling.amount), ()):
            if (
                twin.payment.account_id != telling.account_id
                and not self._links.has_name_of(telling.account_id, twin.payment.id)
                and abs(twin.payment.occurred_at - telling.occurred_at) <= TWIN_WINDOW
                and not (codes and twin.codes and codes != twin.codes)
                and not _differ(telling.bank_reference, twin.payment.bank_reference)
            ):
                return twin
        return None

    def _hold(self, telling: Telling, payment_id: PaymentId, twin: Twin) -> None:
        held, other = (twin.payment.id, payment_id) if twin.is_unallocated else (payment_id, twin.payment.id)
        self.folded.holds.append((held, other))
        if twin.is_unallocated:
            self._open_case(Why.PROBABLE_DUPLICATE, telling, payment_id=held)
        self._twins[twin.bank_account_id, twin.payment.amount].remove(twin)

    def _remember(self, payment: Payment, telling: Telling, *, is_unallocated: bool) -> None:
        if telling.bank_account_id is not None:
            codes = self._codes_of(telling)
            twin = Twin(payment, telling.bank_account_id, codes, is_unallocated)
            self._twins.setdefault((twin.bank_account_id, payment.amount), []).append(twin)

    def _codes_of(self, telling: Telling) -> frozenset[str]:
        codes = self._issued((*telling.codes.field, *telling.codes.direct)) or self._issued(telling.codes.squeezed)
        return frozenset(codes)

    def _issued(self, codes: Sequence[str]) -> list[str]:
        return [code for code in codes if code in self._ground.intents]

    def _intent(self, code: str) -> Intent:
        intent = self._ground.intents[code]
        return self.folded.intents.get(intent.id, intent)

    def _invoice(self, invoice_id: InvoiceId) -> Invoice:
        return self.folded.invoices.get(invoice_id, self._ground.invoices[invoice_id])

    def _keep_intent(self, intent: Intent) -> None:
        if intent is not self._intent(intent.reference):
            self.folded.intents[intent.id] = intent

    def _open_case(
        self,
        reason: Reason | Why,
        telling: Telling,
        *,
        amount: Dong | None = None,
        payment_id: PaymentId | None = None,
        intent_id: IntentId | None = None,
    ) -> None:
        at_stake = telling.amount if amount is None else amount
        self.folded.cases.append(
            Case(reason=reason, telling=telling, amount=at_stake, payment_id=payment_id, intent_id=intent_id)
        )

    def _answer(self, telling: Telling, verdict: Verdict, receipt_id: DeliveryId) -> None:
        """A delivery of several notices is answered by the first that is not plainly accepted or known."""
        before = self.folded.verdicts.get(telling.delivery_id)
        if before is None or _WEIGHT[verdict] > _WEIGHT[before]:
            self.folded.verdicts[telling.delivery_id] = verdict
            self.folded.receipts[telling.delivery_id] = receipt_id


_WEIGHT: Mapping[Verdict, int] = {
    Verdict.DUPLICATE: 0,
    Verdict.ACCEPTED: 1,
    Verdict.STORED: 2,
    Verdict.AMOUNT_DIFFERS: 3,
    Verdict.UNKNOWN_REFERENCE: 4,
    Verdict.TRY_LATER: 5,
}


def _verdict(telling: Telling, intent: Intent | None, why: Why) -> Verdict:
    """Answer and booking are two decisions: the money is booked whatever is answered."""
    if intent is not None:
        is_as_asked = telling.amount in {intent.amount, intent.remaining}  # a code asks for what remains
        return Verdict.ACCEPTED if is_as_asked else Verdict.AMOUNT_DIFFERS
    return Verdict.UNKNOWN_REFERENCE if why is Why.NO_REFERENCE else Verdict.ACCEPTED


def _differ(first: str, second: str) -> bool:
    return bool(first) and bool(second) and first != second
