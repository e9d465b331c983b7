"""The names at the head of a cost statement, and the invoice that it states."""

from dataclasses import dataclass

from billing.core.ids import FacilityId, InvoiceId, VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementNames:
    """The names of the organization and of the facility."""

    organization: str
    facility: str


_NAMES = """
    SELECT organization.name AS organization, facility.name AS facility
    FROM organization
    JOIN facility ON facility.organization_id = $1 AND facility.id = $2
    WHERE organization.id = $1
"""


async def read_statement_names(tx: Transaction, facility_id: FacilityId) -> StatementNames:
    """The names at the head of a statement of a facility."""
    row = await tx.fetchrow(_NAMES, tx.organization_id, facility_id)
    assert row is not None, "an account names a facility of its organization"
    return read_row(StatementNames, row)


_NEWEST_INVOICE = """
    SELECT id FROM invoice WHERE organization_id = $1 AND visit_id = $2 AND state = 'issued' ORDER BY id DESC LIMIT 1
"""


async def find_newest_invoice(tx: Transaction, visit_id: VisitId) -> InvoiceId | None:
    """The newest issued invoice of a visit, which claims the whole visit; None before the first."""
    found = await tx.fetchval(_NEWEST_INVOICE, tx.organization_id, visit_id)
    return None if found is None else InvoiceId(found)
