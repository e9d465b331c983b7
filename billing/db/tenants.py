"""Checks that the organization of a transaction is set up."""

from billing.core.errors import NotFound
from billing.db.database import Transaction

NO_ORGANIZATION = "no such organization; vienphi organization list shows them, vienphi organization add adds one"

_IS_KNOWN = """
    SELECT EXISTS (SELECT FROM organization WHERE id = $1)
"""


async def require_organization(tx: Transaction) -> None:
    """Check that the organization of the transaction is set up: a list of an unknown one would merely be empty.

    Raises NotFound.
    """
    if not await tx.fetchval(_IS_KNOWN, tx.organization_id):
        raise NotFound(NO_ORGANIZATION, field="organization")
