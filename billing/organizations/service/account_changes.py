"""Changes of a provider account: payee, thresholds, hosts, any setting. One person proposes, another approves.

An approved change takes effect within `provider_accounts.CACHE_TTL`. The service may change no account: the database
applies an approved change. Secrets are no settings; the service finds them in its own settings. The proposal stands
whole in the payload of its approval. Source: docs/design.md §3.5 and §7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from asyncpg import CheckViolationError, RestrictViolationError, UniqueViolationError

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.organizations.domain.approval import Approval, ApprovalKind, ApprovalState
from billing.organizations.service.approvals import propose
from billing.organizations.service.context import AccountUnusable, OrganizationContext
from billing.organizations.service.setup_refusals import ONE_MERCHANT
from billing.organizations.store.account_changes import apply_change
from billing.organizations.store.approvals import read_approvals
from billing.organizations.store.organizations import (
    ListedAccount,
    ProviderAccountRow,
    find_provider_account,
    list_provider_accounts,
)
from providers.addresses import AddressRefused, check_settings

__all__ = [
    "AccountChange",
    "ChangeNotPossible",
    "ListedAccount",
    "apply_approved_change",
    "check_proposed_change",
    "find_change",
    "list_accounts",
    "list_changes",
    "propose_change",
]

_PAYEE_FIELDS = ("bank_bin", "account_number", "account_holder")
_PAYEE_KEYS = ("bank_bin", "account_number", "holder")


class ChangeNotPossible(Refused):
    """The account has changed since, or the bank account belongs to another or has another holder."""

    code = "change_not_possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What an account becomes, whole; `payee` is (BIN, number, holder) where the bank account changes.

    The id of a change is that of its approval.
    """

    account_name: str
    settings: Mapping[str, object]
    settings_before: Mapping[str, object]
    payee: tuple[str, str, str] | None
    is_active: bool
    approval: Approval


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedChange:
    """What changes of an account: `settings` are those that change, and None removes one.

    `payee` is the BIN, number and holder of the new bank account, which the settings then contain too. `is_active` is
    None where it stays.
    """

    settings: Mapping[str, object]
    payee: tuple[str, str, str] | None = None
    is_active: bool | None = None


async def propose_change(
    context: OrganizationContext,
    organization_id: OrganizationId,
    account_name: str,
    proposed: ProposedChange,
    *,
    actor: Actor,
) -> UUID:
    """Propose a change of an account; returns the id of the approval.

    Raises PersonNeeded, NotFound, InvalidValue for settings its provider cannot work with, ProposalWaiting.
    """
    require_person(actor)
    payee = proposed.payee
    await _check_addresses(context, proposed.settings)
    async with context.database.transaction(organization_id) as tx:
        row = await find_provider_account(tx, account_name)
        if row is None:
            raise NotFound("no such provider account", field="account")
        changed = replace(
            row,
            settings=_merged(row, proposed.settings, payee),
            is_active=row.is_active if proposed.is_active is None else proposed.is_active,
        )
        _check(context, changed)
        payload = {
            "account": row.name,
            "settings": dict(changed.settings),
            "settings_before": dict(row.settings),
            "payee": None if payee is None else dict(zip(_PAYEE_KEYS, payee, strict=True)),
            "is_active": changed.is_active,
        }
        return await propose(tx, context, ApprovalKind.ACCOUNT_CHANGE, row.id, payload=payload, actor=actor)


async def check_proposed_change(context: OrganizationContext, approval: Approval) -> None:
    """Check the addresses in the settings of a proposal before it is approved. Raises InvalidValue."""
    await _check_addresses(context, _read_change(approval).settings)


async def apply_approved_change(
    tx: Transaction, context: OrganizationContext, approval: Approval, _actor: Actor
) -> None:
    """Apply the change of an account that two persons approved. Raises InvalidValue, ChangeNotPossible."""
    change = _read_change(approval)
    row = await find_provider_account(tx, change.account_name)
    assert row is not None, "accounts are never removed"
    _check(context, replace(row, settings=change.settings, is_active=change.is_active))
    try:
        await apply_change(tx, approval.id, new_bank_account_id=context.ids.new())
    except UniqueViolationError as error:
        if error.constraint_name == "provider_account_one_merchant":
            raise ChangeNotPossible(ONE_MERCHANT, field="settings") from error
        raise ChangeNotPossible("this bank account is known under another holder, here or for another") from error
    except RestrictViolationError as error:
        raise ChangeNotPossible("the account has changed since this was proposed; propose it again") from error
    except CheckViolationError as error:
        raise InvalidValue(f"a value is not written as it must be: {error.constraint_name}") from error


async def find_change(context: OrganizationContext, organization_id: OrganizationId, change_id: UUID) -> AccountChange:
    """One change as it stands now. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        found = await read_approvals(
            tx, ListSlice(limit=1), kinds=(ApprovalKind.ACCOUNT_CHANGE,), approval_id=change_id
        )
    if not found:
        raise NotFound("no such change", field="change_id")
    return _read_change(found[0])


async def list_changes(
    context: OrganizationContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    state: ApprovalState | None = None,
) -> Sequence[AccountChange]:
    """Changes of all accounts, the newest first; only those whose approval is in a state where it is given."""
    async with context.database.transaction(organization_id) as tx:
        found = await read_approvals(tx, part, kinds=(ApprovalKind.ACCOUNT_CHANGE,), state=state)
    return [_read_change(approval) for approval in found]


async def list_accounts(context: OrganizationContext, organization_id: OrganizationId) -> list[ListedAccount]:
    """Every provider account of an organization with its bank account, by name."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_provider_accounts(tx)


def _read_change(approval: Approval) -> AccountChange:
    payload: Mapping[str, Any] = approval.payload
    payee = payload["payee"]
    return AccountChange(
        account_name=payload["account"],
        settings=payload["settings"],
        settings_before=payload["settings_before"],
        payee=None if payee is None else (payee["bank_bin"], payee["account_number"], payee["holder"]),
        is_active=payload["is_active"],
        approval=approval,
    )


def _merged(
    row: ProviderAccountRow, changed: Mapping[str, object], payee: tuple[str, str, str] | None
) -> dict[str, object]:
    touched = sorted(set(changed) & set(_PAYEE_FIELDS))
    if touched:
        raise InvalidValue(f"{', '.join(touched)}: name the bank account under payee", field="settings")
    named = dict(zip(_PAYEE_FIELDS, payee, strict=True)) if payee is not None else {}
    own = {name: value for name, value in named.items() if name in row.settings}
    return {name: value for name, value in {**row.settings, **changed, **own}.items() if value is not None}


def _check(context: OrganizationContext, changed: ProviderAccountRow) -> None:
    """Whether the provider can be made of what is proposed, as far as the secrets of the account are at hand."""
    try:
        context.accounts.check(changed)
    except AccountUnusable as refusal:
        raise InvalidValue(refusal.detail, field="settings") from refusal


async def _check_addresses(context: OrganizationContext, settings: Mapping[str, object]) -> None:
    """Whether the addresses in settings may be called; no transaction is open while names are resolved."""
    try:
        await check_settings(settings, context.outgoing)
    except AddressRefused as refusal:
        raise InvalidValue(str(refusal), field="settings") from None
