"""The tenants of an installation: its organizations."""

from billing.core.ids import OrganizationId
from billing.db.database import Reader

_ORGANIZATIONS = """
    SELECT vienphi_organizations() AS id
"""


async def read_organizations(reader: Reader) -> list[OrganizationId]:
    """The ids of all organizations of the installation."""
    return [OrganizationId(row["id"]) for row in await reader.fetch(_ORGANIZATIONS)]
