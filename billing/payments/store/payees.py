"""Payees of an organization, current and earlier: bank accounts, merchants and terminals that a message may name.

Source: docs/design.md §5, Where money goes: a foreign payee never belonged to the organization.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from billing.db.arrays import columns
from billing.db.database import Transaction

# Bank accounts are never removed. Other payees are in settings: those of the provider's accounts now, and those that an
# approved change has replaced. A number in a code may differ from the account's own.
_OWN = """
    SELECT named.account_id, named.setting, named.value, bank_account.id AS bank_account_id
    FROM unnest($2::uuid[], $3::text[], $4::text[]) AS named (account_id, setting, value)
    JOIN provider_account AS incoming ON incoming.organization_id = $1 AND incoming.id = named.account_id
    LEFT JOIN LATERAL (
        SELECT id FROM bank_account
        WHERE organization_id = $1 AND named.setting = 'account_number' AND account_number = named.value
        ORDER BY id LIMIT 1
    ) AS bank_account ON true
    WHERE bank_account.id IS NOT NULL OR EXISTS (
        SELECT FROM provider_account AS known
        LEFT JOIN approval AS change ON change.organization_id = $1 AND change.subject_id = known.id
            AND change.kind = 'account_change' AND change.state = 'approved'
        WHERE known.organization_id = $1 AND known.provider = incoming.provider AND (
            named.value IN (known.settings ->> named.setting, change.payload -> 'settings_before' ->> named.setting)
            OR named.setting = 'account_number' AND named.value IN (
                known.settings ->> 'qr_account_number',
                change.payload -> 'settings_before' ->> 'qr_account_number')))
"""


@dataclass(frozen=True, slots=True)
class NamedPayee:
    """The payee of a message: the provider account that received it, a setting of it and the value."""

    account_id: UUID
    setting: str
    value: str


async def read_own_payees(tx: Transaction, named: Iterable[NamedPayee]) -> Mapping[NamedPayee, UUID | None]:
    """The named payees that are or were the organization's, with the bank account if it is one."""
    wanted = sorted({(one.account_id, one.setting, one.value) for one in named})
    rows = await tx.fetch(_OWN, tx.organization_id, *columns(wanted, 3))
    return {NamedPayee(row["account_id"], row["setting"], row["value"]): row["bank_account_id"] for row in rows}
