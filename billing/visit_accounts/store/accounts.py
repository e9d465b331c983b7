"""Visit accounts and their headers: read, locked, added, written."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from billing.core.ids import FacilityId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.account import AccountState, VisitAccount

ACCOUNT_COLUMNS = """
    account.visit_id, account.facility_id, facility.code AS facility_code, account.ma_lk, account.patient_id,
        account.state, account.version, account.sender_version, account.is_inpatient, account.is_emergency,
        account.is_provisional, account.department, account.hospital_amount, account.patient_share,
        account.insurer_share, account.other_share, account.private_share, account.price_error, account.priced_at,
        account.opened_at, account.ended_at, account.gap_since, account.missing_versions
"""
"""The columns of a `VisitAccount`, from `visit_account AS account` and `facility`."""

_ACCOUNTS = (
    "SELECT"
    + ACCOUNT_COLUMNS
    + """
    FROM visit_account AS account
    JOIN facility ON facility.organization_id = $1 AND facility.id = account.facility_id
    WHERE account.organization_id = $1
"""
)

_READ_ACCOUNT = _ACCOUNTS + "AND account.visit_id = $2"


async def read_account(tx: Transaction, visit_id: VisitId) -> VisitAccount | None:
    """The account of a visit, not locked; None if the visit has none."""
    return await _account(tx, await tx.fetchrow(_READ_ACCOUNT, tx.organization_id, visit_id))


_LOCK_ACCOUNT = _READ_ACCOUNT + " FOR NO KEY UPDATE OF account"


async def lock_account(tx: Transaction, visit_id: VisitId) -> VisitAccount | None:
    """Read the account of a visit and lock its row until the transaction ends; None if the visit has none."""
    return await _account(tx, await tx.fetchrow(_LOCK_ACCOUNT, tx.organization_id, visit_id))


_FIND_ACCOUNT = _ACCOUNTS + "AND account.facility_id = $2 AND account.ma_lk = $3"


async def find_account(tx: Transaction, facility_id: FacilityId, ma_lk: str) -> VisitAccount | None:
    """The account of a visit by its key at the facility, not locked."""
    return await _account(tx, await tx.fetchrow(_FIND_ACCOUNT, tx.organization_id, facility_id, ma_lk))


_ADD_ACCOUNT = """
    INSERT INTO visit_account (organization_id, visit_id, facility_id, ma_lk, patient_id, state, version,
        sender_version, is_inpatient, is_emergency, is_provisional, department, opened_at)
    VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT DO NOTHING RETURNING visit_id
"""


async def add_account(tx: Transaction, account: VisitAccount) -> bool:
    """Open an account without amounts; False where the visit has one."""
    added = await tx.fetchval(
        _ADD_ACCOUNT,
        tx.organization_id,
        account.visit_id,
        account.facility_id,
        account.ma_lk,
        account.patient_id,
        account.version,
        account.sender_version,
        account.is_inpatient,
        account.is_emergency,
        account.is_provisional,
        account.department,
        account.opened_at,
    )
    return added is not None


_UPDATE_ACCOUNT = """
    UPDATE visit_account SET patient_id = $3, state = $4, version = $5, sender_version = $6, is_inpatient = $7,
        is_emergency = $8, is_provisional = $9, department = $10, hospital_amount = $11, patient_share = $12,
        insurer_share = $13, other_share = $14, private_share = $15, price_error = $16, priced_at = $17, ended_at = $18,
        ma_lk = $19, gap_since = $20, missing_versions = $21
    WHERE organization_id = $1 AND visit_id = $2
"""


async def update_account(tx: Transaction, account: VisitAccount) -> None:
    """Write the final state of an account that this transaction holds locked."""
    await tx.execute(
        _UPDATE_ACCOUNT,
        tx.organization_id,
        account.visit_id,
        account.patient_id,
        account.state.value,
        account.version,
        account.sender_version,
        account.is_inpatient,
        account.is_emergency,
        account.is_provisional,
        account.department,
        account.hospital_amount,
        account.patient_share,
        account.insurer_share,
        account.other_share,
        account.private_share,
        account.price_error,
        account.priced_at,
        account.ended_at,
        account.ma_lk,
        account.gap_since,
        list(account.missing_versions),
    )


_READ_HEADER = """
    SELECT document FROM visit_header WHERE organization_id = $1 AND visit_id = $2
"""


async def read_header(tx: Transaction, visit_id: VisitId) -> Mapping[str, object] | None:
    """The header of a visit as its sender stated it last; None once erased."""
    header: Mapping[str, object] | None = await tx.fetchval(_READ_HEADER, tx.organization_id, visit_id)
    return header


_WRITE_HEADER = """
    INSERT INTO visit_header (organization_id, visit_id, document) VALUES ($1, $2, $3)
    ON CONFLICT (organization_id, visit_id) DO UPDATE SET document = excluded.document
"""


async def write_header(tx: Transaction, visit_id: VisitId, document: Mapping[str, Any]) -> None:
    """Store the newest header of a visit."""
    await tx.execute(_WRITE_HEADER, tx.organization_id, visit_id, dict(document))


# A statement of its own: one that waits for the lock of the account would not see the final bill committed meanwhile.
_ENDED_BY = """
    SELECT person.name FROM final_bill AS bill
    JOIN person ON person.organization_id = $1 AND person.id = bill.acting_for
    WHERE bill.organization_id = $1 AND bill.visit_id = $2 ORDER BY bill.number DESC LIMIT 1
"""


async def _account(tx: Transaction, row: asyncpg.Record | None) -> VisitAccount | None:
    account = None if row is None else read_row(VisitAccount, row)
    if account is None or account.state is AccountState.OPEN:
        return account
    return replace(account, ended_by=await tx.fetchval(_ENDED_BY, tx.organization_id, account.visit_id) or "")


_COLLECTED = """
    SELECT line.line, sum(line.amount)::bigint AS collected
    FROM deposit_request_line AS line
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = line.request_id
    WHERE line.organization_id = $1 AND line.visit_id = $2 AND request.received > 0
    GROUP BY line.line
"""


async def read_collected(tx: Transaction, visit_id: VisitId) -> dict[str, Dong]:
    """The amounts of lines that requests with money were made for, in đồng."""
    rows = await tx.fetch(_COLLECTED, tx.organization_id, visit_id)
    return {row["line"]: Dong(row["collected"]) for row in rows}
