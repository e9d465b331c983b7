"""Paths of ours that others are given: where a provider tells, and where a patient looks.

Behind `public_base_url` they are whole addresses.
"""

from billing.core.ids import OrganizationId


def callback_path(organization_id: OrganizationId, account_name: str) -> str:
    """Where a provider delivers what it has to say of one account."""
    return f"/callbacks/{organization_id}/{account_name}"


def pay_path(organization_id: OrganizationId, token: str) -> str:
    """The path of a patient's page; `token` is 32 hexadecimal digits."""
    return f"/pay/{organization_id}-{token}"
