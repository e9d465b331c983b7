"""What a desk shows, the codes that wait there, and the versions by which open pages see a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.checkout.domain.intent_details import IntentAmounts
from billing.core.ids import DepositRequestId, DeskId, IntentId, InvoiceId, PaymentId, PersonId, VisitId
from billing.core.money import NOTHING, Dong
from billing.core.reference_code import ReferenceCode
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the customer of a desk sees: a visit, its payment code, and the amount in đồng; nobody without a visit."""

    visit_id: VisitId | None = None
    intent_id: IntentId | None = None
    amount: Dong = NOTHING


_SHOW = """
    INSERT INTO desk_screen (organization_id, desk_id, visit_id, intent_id, amount, version, shown_by, shown_at)
    VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
    ON CONFLICT (organization_id, desk_id) DO UPDATE SET visit_id = excluded.visit_id, intent_id = excluded.intent_id,
        amount = excluded.amount, version = desk_screen.version + 1, shown_by = excluded.shown_by,
        shown_at = excluded.shown_at
    WHERE (desk_screen.visit_id, desk_screen.intent_id, desk_screen.amount)
        IS DISTINCT FROM (excluded.visit_id, excluded.intent_id, excluded.amount)
        AND ($8 OR desk_screen.visit_id = excluded.visit_id)
    RETURNING version
"""


async def show_on_screen(
    tx: Transaction, desk_id: DeskId, shown: Shown, *, shown_by: PersonId, at: datetime, replaces: bool = True
) -> bool:
    """Write what a desk shows; False where it shows this already, or another visit that this one does not replace."""
    version = await tx.fetchval(
        _SHOW, tx.organization_id, desk_id, shown.visit_id, shown.intent_id, shown.amount, shown_by, at, replaces
    )
    return version is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a desk shows, in đồng; `patient` and `birth` as stored: not yet for a screen. `version` is that of the page.

    `amount` is what was to be collected when it was shown; the state of a code comes from `code`.
    """

    desk: str
    hospital: str
    visit_id: VisitId | None
    intent_id: IntentId | None
    amount: Dong
    patient: str
    birth: str
    last_paid: Dong | None
    version: int


# The version is the sum of the versions of the screen and of what its codes collect for. Codes stay in the sum when
# they are put away; a page compares for equality.
_VERSIONS = """
    SELECT desk.id, coalesce(screen.version, 0) + coalesce(sum(intent.version + coalesce(request.version, 0)), 0)
        + count(code.put_away_at) AS version
    FROM desk
    LEFT JOIN desk_screen AS screen ON screen.organization_id = $1 AND screen.desk_id = desk.id
    LEFT JOIN desk_code AS code ON code.organization_id = $1 AND code.desk_id = desk.id
        AND code.opened_at >= $3
    LEFT JOIN intent ON intent.organization_id = $1 AND intent.id = code.intent_id
    LEFT JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = intent.deposit_request_id
    WHERE desk.organization_id = $1 AND desk.id = ANY ($2::uuid[])
    GROUP BY desk.id, screen.version
"""


async def read_desk_versions(tx: Transaction, desk_ids: Sequence[DeskId], *, since: datetime) -> dict[DeskId, int]:
    """The versions of the pages of desks; `since` bounds the codes that are looked at."""
    rows = await tx.fetch(_VERSIONS, tx.organization_id, list(desk_ids), since)
    return {DeskId(row["id"]): int(row["version"]) for row in rows}


_SCREEN = """
    SELECT desk.name AS desk, facility.name AS hospital, screen.visit_id, screen.intent_id,
        coalesce(screen.amount, 0) AS amount, coalesce(identity.document ->> 'HO_TEN', '') AS patient,
        coalesce(identity.document ->> 'NGAY_SINH', '') AS birth,
        (SELECT receipt.amount FROM receipt
         WHERE receipt.organization_id = $1 AND receipt.visit_id = screen.visit_id AND receipt.direction = 'in'
            AND receipt.state = 'valid' AND receipt.issued_at >= screen.shown_at - interval '1 minute'
         ORDER BY receipt.id DESC LIMIT 1) AS last_paid,
        coalesce(screen.version, 0) AS version
    FROM desk
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    LEFT JOIN desk_screen AS screen ON screen.organization_id = $1 AND screen.desk_id = desk.id
    LEFT JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = screen.visit_id
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1 AND identity.patient_id = account.patient_id
    WHERE desk.organization_id = $1 AND desk.id = $2
"""


async def read_screen(tx: Transaction, desk_id: DeskId) -> Screen | None:
    """What a desk shows; None where there is no such desk."""
    row = await tx.fetchrow(_SCREEN, tx.organization_id, desk_id)
    return None if row is None else read_row(Screen, row)


_SHOWN_VISITS = """
    SELECT visit_id FROM desk_screen
    WHERE organization_id = $1 AND visit_id IS NOT NULL AND shown_at >= $2
"""


async def read_shown_visits(tx: Transaction, *, since: datetime) -> frozenset[VisitId]:
    """The visits that desks have shown since a time and show still."""
    rows = await tx.fetch(_SHOWN_VISITS, tx.organization_id, since)
    return frozenset(VisitId(row["visit_id"]) for row in rows)


_ADD_CODE = """
    INSERT INTO desk_code (organization_id, intent_id, desk_id, visit_id, opened_by, opened_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""


async def add_desk_code(
    tx: Transaction, intent_id: IntentId, desk_id: DeskId, visit_id: VisitId, *, opened_by: PersonId, at: datetime
) -> None:
    """Store that a desk opened a code; once."""
    await tx.execute(_ADD_CODE, tx.organization_id, intent_id, desk_id, visit_id, opened_by, at)


_PUT_AWAY = """
    UPDATE desk_code SET put_away_at = $3
    WHERE organization_id = $1 AND visit_id = $2 AND put_away_at IS NULL AND intent_id IS DISTINCT FROM $4
"""


async def put_away_codes(tx: Transaction, visit_id: VisitId, *, kept: IntentId | None, at: datetime) -> None:
    """Put every waiting code of a visit away, except the one that is kept."""
    await tx.execute(_PUT_AWAY, tx.organization_id, visit_id, at, kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCode(IntentAmounts):
    """A code that waits at a desk. `name` as stored; it collects for `request_id` or for `invoice_id`.

    `arrived` are payments for what it collects for, `found` payments that came under no code and that a person gave to
    the visit; none of them is on a receipt.
    """

    id: IntentId
    visit_id: VisitId
    reference_code: ReferenceCode
    request_id: DepositRequestId | None
    invoice_id: InvoiceId | None
    name: str
    opened_at: datetime
    arrived: tuple[PaymentId, ...]
    found: tuple[PaymentId, ...]

    @property
    def has_receipt_due(self) -> bool:
        """Whether all has come, and a receipt of it is to be issued."""
        return self.owed == 0 and bool(self.arrived or self.found)


WAITING_MAX = 50

# A code that was put away is listed again while money under it is on no receipt. The time of the payment keeps the
# query from looking at the allocations of every code of the shift.
_WAITING = """
    SELECT intent.id, code.visit_id, intent.reference_code, intent.deposit_request_id AS request_id, intent.state,
        intent.amount, intent.received, intent.created_at, intent.expires_at, due.owed, due.credit, due.is_closed,
        intent.is_standing, coalesce(identity.document ->> 'HO_TEN', '') AS name, code.opened_at, named.invoice_id,
        money.arrived, money.found
    FROM desk_code AS code
    JOIN intent ON intent.organization_id = $1 AND intent.id = code.intent_id
    JOIN intent_due AS due ON due.organization_id = $1 AND due.intent_id = intent.id
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = code.visit_id
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1 AND identity.patient_id = account.patient_id
    LEFT JOIN intent_invoice AS named
        ON named.organization_id = $1 AND named.intent_id = intent.id AND named.position = 1
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT payment.id) FILTER (WHERE part.invoice_id IS NOT NULL
                OR other.deposit_request_id = intent.deposit_request_id), '{}') AS arrived,
            coalesce(array_agg(DISTINCT payment.id) FILTER (WHERE part.invoice_id IS NULL
                AND payment.intent_id IS NULL), '{}') AS found
        FROM allocation AS part
        JOIN payment ON payment.organization_id = $1 AND payment.id = part.payment_id AND payment.method = 'provider'
        LEFT JOIN intent AS other ON other.organization_id = $1 AND other.id = payment.intent_id
        WHERE part.organization_id = $1 AND part.reverses_id IS NULL AND NOT due.is_closed
            AND (part.deposit_id = intent.deposit_id OR part.invoice_id = named.invoice_id)
            AND NOT EXISTS (SELECT FROM allocation AS reversal
                WHERE reversal.organization_id = $1 AND reversal.reverses_id = part.id)
            AND NOT EXISTS (SELECT FROM receipt_part AS listed
                JOIN receipt ON receipt.organization_id = $1 AND receipt.id = listed.receipt_id
                WHERE listed.organization_id = $1 AND listed.payment_id = payment.id AND receipt.state = 'valid'
                    AND receipt.direction = 'in')
    ) AS money
    WHERE code.organization_id = $1 AND code.desk_id = $2 AND code.opened_at >= $3 AND NOT intent.is_standing
        AND (code.put_away_at IS NULL OR (
            EXISTS (SELECT FROM payment WHERE payment.organization_id = $1 AND payment.intent_id = intent.id
                AND payment.recorded_at > code.put_away_at - interval '1 minute')
            AND money.arrived <> '{}'))
    ORDER BY code.opened_at LIMIT $4
"""


async def read_waiting_codes(tx: Transaction, desk_id: DeskId, *, since: datetime) -> list[WaitingCode]:
    """The codes that wait at a desk, and those whose receipt is due, the oldest first.

    A standing code waits for nothing.
    """
    rows = await tx.fetch(_WAITING, tx.organization_id, desk_id, since, WAITING_MAX)
    return [
        read_row(WaitingCode, {**row, "arrived": tuple(row["arrived"]), "found": tuple(row["found"])}) for row in rows
    ]
