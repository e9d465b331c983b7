"""Public paths: the callback path of a provider account, and the payment page of a patient.

Prefixed with `public_base_url` they are complete addresses.
"""

from billing.core.ids import OrganizationId


def callback_path(organization_id: OrganizationId, account_name: str) -> str:
    """The path to which a provider delivers callbacks of one account."""
    return f"/callbacks/{organization_id}/{account_name}"


def pay_path(organization_id: OrganizationId, token: str) -> str:
    """The path of a payment page; `token` is 32 hexadecimal digits."""
    return f"/pay/{organization_id}-{token}"
