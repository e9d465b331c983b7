"""The queue of a facility: open visits with an amount to collect, and visits found by what was scanned or typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import FacilityId, PatientId, VisitId
from billing.core.money import Dong
from billing.core.reference_code import ReferenceCode
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.store.visit_payments import BORNE_OF_VISIT
from billing.visit_accounts.domain.account import AccountState

_VISIT = """
    account.visit_id, facility.code AS facility_code, account.ma_lk, account.state, account.is_inpatient,
        account.is_emergency, account.opened_at, coalesce(identity.document ->> 'HO_TEN', '') AS name,
        coalesce(identity.document ->> 'NGAY_SINH', '') AS birth,
        CASE account.state WHEN 'open' THEN
            greatest(0, account.patient_share - coalesce(deposit.held, 0) - ({borne}))
        ELSE billed.owed END::bigint AS due,
        coalesce(waiting.since, account.opened_at) AS waiting_since
    FROM visit_account AS account
    JOIN facility ON facility.organization_id = $1 AND facility.id = account.facility_id
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1
        AND identity.patient_id = account.patient_id
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = account.visit_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(invoice.owed), 0) AS owed FROM invoice
        WHERE invoice.organization_id = $1 AND invoice.visit_id = account.visit_id AND invoice.state = 'issued'
    ) AS billed
    CROSS JOIN LATERAL (
        SELECT min(item.ordered_at) AS since FROM charge_item AS item
        WHERE item.organization_id = $1 AND item.visit_id = account.visit_id AND item.state = 'ordered'
            AND item.patient_amount > 0
    ) AS waiting
    WHERE account.organization_id = $1
"""

_COLUMNS = "SELECT" + _VISIT.format(borne=BORNE_OF_VISIT.format(visit_id="account.visit_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedVisit:
    """A visit in the queue or in a search result. `due` in đồng: what nothing covers yet.

    `waiting_since` is when the oldest order that is not paid was made.
    """

    visit_id: VisitId
    facility_code: str
    ma_lk: str
    state: AccountState
    is_inpatient: bool
    is_emergency: bool
    opened_at: datetime
    name: str
    birth: str
    due: Dong
    waiting_since: datetime

    @property
    def birth_year(self) -> str:
        return self.birth[:4]


QUEUE_MAX = 200

_OPENED = (
    _COLUMNS
    + """
    AND account.state = 'open' AND account.facility_id = $2 AND account.opened_at >= $3
    ORDER BY account.opened_at DESC LIMIT 1000
"""
)

_WAITING = """)
    SELECT visit_id, facility_code, ma_lk, state, is_inpatient, is_emergency, opened_at, name, birth, due,
        waiting_since
    FROM visit WHERE due > 0 ORDER BY waiting_since, visit_id LIMIT $4
"""

_QUEUE = "WITH visit AS (" + _OPENED + _WAITING


async def read_queue(tx: Transaction, facility_id: FacilityId, *, opened_since: datetime) -> list[QueuedVisit]:
    """The open visits of a facility that owe, the longest waiting first; older visits are found by a search."""
    rows = await tx.fetch(_QUEUE, tx.organization_id, facility_id, opened_since, QUEUE_MAX)
    return [read_row(QueuedVisit, row) for row in rows]


FOUND_MAX = 20

_OF_PATIENTS = (
    _COLUMNS
    + """
        AND account.patient_id = ANY ($2::uuid[])
    ORDER BY account.state = 'closed', account.opened_at DESC LIMIT $3
"""
)


async def read_visits_of_patients(tx: Transaction, patient_ids: Sequence[PatientId]) -> list[QueuedVisit]:
    """The visits of patients: open ones first, the newest first."""
    rows = await tx.fetch(_OF_PATIENTS, tx.organization_id, list(patient_ids), FOUND_MAX)
    return [read_row(QueuedVisit, row) for row in rows]


_BY_ID = _COLUMNS + "AND account.visit_id = ANY ($2::uuid[]) ORDER BY account.opened_at DESC LIMIT $3"


async def read_queued_visits(tx: Transaction, visit_ids: Sequence[VisitId]) -> list[QueuedVisit]:
    """Visits by id, the newest first."""
    rows = await tx.fetch(_BY_ID, tx.organization_id, list(visit_ids), FOUND_MAX)
    return [read_row(QueuedVisit, row) for row in rows]


_PATIENTS = """
    SELECT patient.id FROM patient_identity AS identity
    JOIN patient ON patient.organization_id = $1 AND patient.id = identity.patient_id AND patient.merged_into IS NULL
    WHERE identity.organization_id = $1 AND (identity.citizen_number = $2 AND $2 <> ''
        OR identity.insurance_number = $3 AND $3 <> '' OR identity.hospital_number = $4 AND $4 <> '')
    ORDER BY patient.id LIMIT $5
"""


async def find_patients_by_number(
    tx: Transaction, *, citizen_number: str = "", insurance_number: str = "", hospital_number: str = ""
) -> list[PatientId]:
    """The patients with a citizen, insurance or hospital number."""
    rows = await tx.fetch(_PATIENTS, tx.organization_id, citizen_number, insurance_number, hospital_number, FOUND_MAX)
    return [PatientId(row["id"]) for row in rows]


_BY_MA_LK = """
    SELECT account.visit_id FROM visit_account AS account
    JOIN facility ON facility.organization_id = $1 AND facility.id = account.facility_id
    WHERE account.organization_id = $1 AND account.ma_lk = $2 ORDER BY account.visit_id LIMIT $3
"""

_BY_ORDER = """
    SELECT DISTINCT item.visit_id FROM facility
    JOIN charge_item AS item ON item.organization_id = $1 AND item.facility_id = facility.id
        AND item.order_number = $2 AND item.order_number <> ''
    WHERE facility.organization_id = $1 LIMIT $3
"""

_BY_CODE = """
    SELECT coalesce(deposit.visit_id, invoice.visit_id) AS visit_id
    FROM intent
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
    LEFT JOIN intent_invoice AS named ON named.organization_id = $1 AND named.intent_id = intent.id
    LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = named.invoice_id
    WHERE intent.organization_id = $1 AND intent.reference_code = $2 LIMIT $3
"""

_BY_RECEIPT = """
    SELECT visit_id FROM receipt
    WHERE organization_id = $1 AND series = $2 AND year = $3 AND number = $4 AND visit_id IS NOT NULL
"""


async def find_visits_by_ma_lk(tx: Transaction, ma_lk: str) -> list[VisitId]:
    """The visits of an MA_LK, at every facility."""
    return [VisitId(row["visit_id"]) for row in await tx.fetch(_BY_MA_LK, tx.organization_id, ma_lk, FOUND_MAX)]


async def find_visits_by_order(tx: Transaction, order_number: str) -> list[VisitId]:
    """The visits that have lines of an order slip."""
    rows = await tx.fetch(_BY_ORDER, tx.organization_id, order_number, FOUND_MAX)
    return [VisitId(row["visit_id"]) for row in rows]


async def find_visits_by_code(tx: Transaction, code: ReferenceCode) -> list[VisitId]:
    """The visits that a payment code collects for."""
    rows = await tx.fetch(_BY_CODE, tx.organization_id, code, FOUND_MAX)
    return [VisitId(row["visit_id"]) for row in rows if row["visit_id"] is not None]


async def find_visits_by_receipt(tx: Transaction, *, series: str, year: int, number: int) -> list[VisitId]:
    """The visit of a receipt number."""
    rows = await tx.fetch(_BY_RECEIPT, tx.organization_id, series, year, number)
    return [VisitId(row["visit_id"]) for row in rows]
