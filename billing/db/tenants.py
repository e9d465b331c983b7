"""The tenants of an installation: its organizations."""

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.database import ReadTransaction, Transaction

NO_ORGANIZATION = "no such organization; vienphi organization list shows them, vienphi organization add adds one"

_ORGANIZATIONS = """
    SELECT vienphi_organizations() AS id
"""


async def read_organizations(reader: ReadTransaction) -> list[OrganizationId]:
    """The ids of all organizations of the installation."""
    return [OrganizationId(row["id"]) for row in await reader.fetch(_ORGANIZATIONS)]


_IS_KNOWN = """
    SELECT EXISTS (SELECT FROM organization WHERE id = $1)
"""


async def require_organization(tx: Transaction) -> None:
    """Check that the organization of the transaction is set up: a list of an unknown one would merely be empty.

    Raises NotFound.
    """
    if not await tx.fetchval(_IS_KNOWN, tx.organization_id):
        raise NotFound(NO_ORGANIZATION, field="organization")
