"""Checks the organization of a transaction before it is written into a statement."""

from billing.core.ids import OrganizationId

_ORGANIZATION_MAX = 2**31 - 1


def check_organization(organization_id: OrganizationId) -> None:
    """Refuse what is no organization: a value that came past the type checker. Raises ValueError."""
    if type(organization_id) is not int or not 0 < organization_id <= _ORGANIZATION_MAX:
        raise ValueError("an organization is a whole number above 0")
