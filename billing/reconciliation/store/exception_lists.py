"""Lists of exceptions, the newest first: a page of rows below a cursor, never a count of all."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import DeliveryId, IntentId, PaymentId, PersonId
from billing.core.list_slice import day_begins, day_ends
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.exception import ExceptionFilter, ExceptionReason, ExceptionState
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.exception_reasons import REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedException:
    """A disagreement that a person must decide, as at `read_at`; `amount` is what it is about, in whole đồng.

    `business_day` is the day that it belongs to; `item_kind` and `item_id` name the item of a side that it is about.
    """

    id: UUID
    reason: ExceptionReason
    state: ExceptionState
    amount: Dong
    account: str | None
    delivery_id: DeliveryId | None
    payment_id: PaymentId | None
    intent_id: IntentId | None
    item_kind: str | None
    item_id: UUID | None
    match_id: UUID | None
    business_day: date
    version: int
    owner_id: PersonId | None
    owner: str | None
    opened_at: datetime
    due_at: datetime
    read_at: datetime

    @property
    def sentence(self) -> str:
        """What the clerk reads about the reason."""
        return REASONS[self.reason].sentence

    @property
    def proposed_action(self) -> DecisionAction:
        """The one action that is proposed."""
        return REASONS[self.reason].action

    @property
    def age_s(self) -> int:
        """Seconds since it was opened."""
        return max(0, int((self.read_at - self.opened_at).total_seconds()))

    @property
    def is_overdue(self) -> bool:
        """Whether it is still open after its due time."""
        return self.state is ExceptionState.OPEN and self.due_at < self.read_at


# Ordered by time: some ids are computed from the disagreement (service/exception_rows.py) and contain no timestamp.
_LIST_EXCEPTIONS = """
    SELECT one.id, one.reason, one.state, one.amount, one.delivery_id, one.payment_id, one.intent_id,
        one.item_kind, one.item_id, one.match_id, one.version, one.owner_id, one.opened_at, one.due_at,
        coalesce(one.business_day, (one.opened_at AT TIME ZONE interval '7 hours')::date) AS business_day,
        $8::timestamptz AS read_at, account.name AS account, owner.name AS owner
    FROM exception_case AS one
    LEFT JOIN provider_account AS account ON account.organization_id = $1 AND account.id = one.provider_account_id
    LEFT JOIN person AS owner ON owner.organization_id = $1 AND owner.id = one.owner_id
    WHERE one.organization_id = $1 AND one.state = $4 AND ($5::text IS NULL OR one.reason = $5)
        AND ($9::uuid IS NULL OR one.owner_id = $9)
        AND ($2::uuid IS NULL OR (one.opened_at, one.id) < (
            SELECT opened_at, id FROM exception_case WHERE organization_id = $1 AND id = $2))
        AND ($6::timestamptz IS NULL OR one.opened_at >= $6) AND ($7::timestamptz IS NULL OR one.opened_at < $7)
    ORDER BY one.opened_at DESC, one.id DESC LIMIT $3
"""


async def read_exceptions(
    tx: Transaction, wanted: ExceptionFilter, *, after: UUID | None, limit: int, now: datetime
) -> list[ListedException]:
    """Exceptions of a state below `after`, the newest first."""
    rows = await tx.fetch(
        _LIST_EXCEPTIONS,
        tx.organization_id,
        after,
        limit,
        wanted.state,
        wanted.reason,
        None if wanted.first_day is None else day_begins(wanted.first_day),
        None if wanted.last_day is None else day_ends(wanted.last_day),
        now,
        wanted.owner_id,
    )
    return [read_row(ListedException, row) for row in rows]


_READ_EXCEPTION = """
    SELECT one.id, one.reason, one.state, one.amount, one.delivery_id, one.payment_id, one.intent_id,
        one.item_kind, one.item_id, one.match_id, one.version, one.owner_id, one.opened_at, one.due_at,
        coalesce(one.business_day, (one.opened_at AT TIME ZONE interval '7 hours')::date) AS business_day,
        $3::timestamptz AS read_at, account.name AS account, owner.name AS owner
    FROM exception_case AS one
    LEFT JOIN provider_account AS account ON account.organization_id = $1 AND account.id = one.provider_account_id
    LEFT JOIN person AS owner ON owner.organization_id = $1 AND owner.id = one.owner_id
    WHERE one.organization_id = $1 AND one.id = $2
"""


async def read_exception(tx: Transaction, exception_id: UUID, *, now: datetime) -> ListedException | None:
    """One exception; None if there is none."""
    row = await tx.fetchrow(_READ_EXCEPTION, tx.organization_id, exception_id, now)
    return None if row is None else read_row(ListedException, row)
