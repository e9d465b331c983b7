"""Payment events, intents and invoices for the tests of the batch; a test changes only the relevant fields."""

from collections.abc import Callable
from dataclasses import fields as fields_of
from datetime import UTC, datetime
from uuid import UUID, uuid4

from billing.core.ids import (
    AllocationId,
    DeliveryId,
    IntentId,
    InvoiceId,
    PaymentId,
    ProviderAccountId,
    VisitId,
)
from billing.core.money import Dong, Shares
from billing.core.reference_code import ReferenceCode, reference_code
from billing.invoices.domain.invoice import Invoice, InvoiceState
from billing.payments.domain.apply_events import BatchResult, BatchState, apply_events
from billing.payments.domain.duplicate_candidates import DuplicateCandidate
from billing.payments.domain.event import (
    BookedMovement,
    Codes,
    EventKey,
    MovementKey,
    PaymentEvent,
    ReferenceKey,
    ReferenceUse,
    SeenEvent,
    link_movements,
    relink_movements,
    without_altered_repeats,
)
from billing.payments.domain.intent import Intent, IntentState
from billing.payments.domain.reference_links import KnownReferences
from providers.contract import Movement, Notice, Outcome

ACCOUNT = ProviderAccountId(UUID(int=1))
OTHER_ACCOUNT = ProviderAccountId(UUID(int=2))
BANK_ACCOUNT = UUID(int=9)
NOON = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
VISIT = VisitId(UUID(int=100))
_ONLY_OF_NOTICE = {field.name for field in fields_of(Notice)} - {field.name for field in fields_of(PaymentEvent)}


def code(number: int = 1) -> ReferenceCode:
    return reference_code("K7", number)


def invoice(number: int = 1, *, share: int = 100_000, visit: VisitId = VISIT, **changes: object) -> Invoice:
    fields: dict[str, object] = {
        "id": InvoiceId(UUID(int=1000 + number)),
        "visit_id": visit,
        "visit_version": 1,
        "number": f"BK-{number}",
        "state": InvoiceState.ISSUED,
        "version": 1,
        "shares": Shares(patient=Dong(share), other=Dong(0), insurer=Dong(0)),
        "issued_at": NOON,
    }
    return Invoice(**(fields | changes))  # type: ignore[arg-type]


def intent(number: int = 1, *, invoices: list[Invoice], amount: int = 100_000, **changes: object) -> Intent:
    fields: dict[str, object] = {
        "id": IntentId(UUID(int=2000 + number)),
        "account_id": ACCOUNT,
        "reference": code(number),
        "state": IntentState.PENDING,
        "version": 1,
        "amount": Dong(amount),
        "received": Dong(0),
        "invoices": tuple(one.id for one in invoices),
        "created_at": NOON,
    }
    return Intent(**(fields | changes))  # type: ignore[arg-type]


def payment_event(transaction: str = "T1", **changes: object) -> PaymentEvent:
    """A success of 100.000 đồng under the first code, known by the provider's transaction.

    A change named after a field of the notice changes the notice.
    """
    account = changes.pop("account_id", ACCOUNT)
    keys = changes.pop("keys", [f"transaction:{transaction}"])
    about: dict[str, object] = {
        "event_key": transaction,
        "outcome": Outcome.SUCCEEDED,
        "provider_status": "",
        "occurred_at": NOON,
        "amount": changes.get("amount", 100_000),
        "fingerprint": b"same",
        "provider_reference": transaction,
    }
    about |= {name: changes.pop(name) for name in list(changes) if name in _ONLY_OF_NOTICE}
    notice = Notice(**about)  # type: ignore[arg-type]
    bank_reference, movement = notice.bank_reference, notice.movement
    fields: dict[str, object] = {
        "delivery_id": DeliveryId(uuid4()),
        "account_id": account,
        "bank_account_id": BANK_ACCOUNT,
        "event": EventKey(account, f"{transaction}:{notice.outcome}"),
        "notice": notice,
        "amount": Dong(100_000),
        "movement_keys": frozenset(MovementKey(account, movement, key) for key in keys),
        "reference_key": ReferenceKey(BANK_ACCOUNT, movement, bank_reference) if bank_reference else None,
        "codes": Codes(direct=(code(),)),
    }
    return PaymentEvent(**(fields | changes))  # type: ignore[arg-type]


def use(payment_id: PaymentId, **changes: object) -> ReferenceUse:
    """A payment of before under FT1, of another channel of the bank account, without a code."""
    fields: dict[str, object] = {
        "key": ReferenceKey(BANK_ACCOUNT, Movement.RECEIVED, "FT1"),
        "payment_id": payment_id,
        "account_id": OTHER_ACCOUNT,
        "source": "callback",
        "name": "transaction:B1",
        "amount": Dong(100_000),
        "booked_on": NOON.date(),
        "codes": frozenset(),
    }
    return ReferenceUse(**(fields | changes))  # type: ignore[arg-type]


def claimed_references(
    payment_events: list[PaymentEvent], uses: list[ReferenceUse]
) -> dict[ReferenceKey, tuple[UUID, str]]:
    """The first event of a batch with each bank reference, as the reservation states it."""
    claimed: dict[ReferenceKey, tuple[UUID, str]] = {}
    for each in payment_events:
        if each.moves_money and each.reference_key is not None and all(use.key != each.reference_key for use in uses):
            claimed.setdefault(each.reference_key, (each.account_id, each.name))
    return claimed


def ids() -> Callable[[], UUID]:
    numbers = iter(range(10_000, 1_000_000))
    return lambda: UUID(int=next(numbers))


def run(
    *payment_events: PaymentEvent,
    intents: list[Intent] | None = None,
    invoices: list[Invoice] | None = None,
    known_events: dict[EventKey, SeenEvent] | None = None,
    booked_movements: dict[MovementKey, BookedMovement] | None = None,
    candidates: list[DuplicateCandidate] | None = None,
    uses: list[ReferenceUse] | None = None,
) -> BatchResult:
    """Apply payment events to intents and invoices; by default one intent for one invoice of 100.000 đồng."""
    invoices = [invoice()] if invoices is None else invoices
    intents = [intent(invoices=invoices)] if intents is None else intents
    new_id = ids()
    unaltered = without_altered_repeats(payment_events)
    reserved_ids = link_movements(unaltered, lambda: PaymentId(new_id()))
    new = [each for each in unaltered if each.event not in (known_events or {})]
    batch_state = BatchState(
        known_events=known_events or {},
        booked_movements=booked_movements or {},
        movement_ids=reserved_ids
        if len(new) == len(unaltered)
        else relink_movements(new, reserved_ids, lambda: PaymentId(new_id())),
        reserved_ids=reserved_ids,
        intents={one.reference: one for one in intents},
        invoices={one.id: one for one in invoices},
        candidates=candidates or [],
        references=KnownReferences(uses or [], claimed_references(unaltered, uses or [])),
    )
    return apply_events(payment_events, batch_state, new_allocation_id=lambda: AllocationId(new_id()))
