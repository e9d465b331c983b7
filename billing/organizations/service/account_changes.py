"""Changes of a provider account: payee, thresholds, hosts, any setting. One person proposes, another approves.

A change takes effect after approval, within `provider_accounts.KEPT`. The database checks the same: the service itself
may change no account, only apply a change with two persons. Secrets are no settings and are changed where the
service reads them. Source: docs/design.md §3.5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from asyncpg import CheckViolationError, RestrictViolationError, UniqueViolationError

from billing.core.actor import Actor
from billing.core.approvals import SamePerson, require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId, PersonId
from billing.db.database import Transaction
from billing.ledger.store.journal import write_audit
from billing.organizations.service.context import AccountUnusable, OrganizationContext
from billing.organizations.service.second_person import require_second_person
from billing.organizations.service.setup_refusals import ONE_MERCHANT
from billing.organizations.store.account_changes import (
    AccountChange,
    add_change,
    apply_change,
    decide_change,
    lock_change,
    read_changes,
)
from billing.organizations.store.organizations import ProviderAccountRow, find_provider_account
from providers.addresses import AddressRefused, check_settings

__all__ = [
    "AccountChange",
    "ChangeDecided",
    "ChangeNotPossible",
    "ChangeWaiting",
    "SecondPersonNeeded",
    "approve_change",
    "find_change",
    "list_changes",
    "propose_change",
    "reject_change",
]

_PAYEE_FIELDS = ("bank_bin", "account_number", "account_holder")


class ChangeWaiting(Refused):
    """Another change of this account waits for a decision."""

    code = "change_waiting"


class ChangeDecided(Refused):
    """This change was decided earlier."""

    code = "change_decided"


class SecondPersonNeeded(Refused):
    """The proposer of a change cannot approve it, with any key."""

    code = "second_person_needed"


class ChangeNotPossible(Refused):
    """The account has changed since, or the bank account belongs to another organization or has another holder."""

    code = "change_not_possible"


async def propose_change(
    context: OrganizationContext,
    organization_id: OrganizationId,
    *,
    account_name: str,
    settings: Mapping[str, object],
    payee: tuple[str, str, str] | None,
    is_active: bool | None,
    actor: Actor,
) -> UUID:
    """Propose the new state of an account. `settings` are the changed ones; None removes a setting.

    `payee` is the BIN, number and holder of the new bank account, which the settings then name too. Raises
    PersonNeeded, NotFound, InvalidValue for settings that its provider rejects, ChangeWaiting.
    """
    person = require_person(actor)
    await _check_addresses(context, settings)
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        row = await find_provider_account(tx, account_name)
        if row is None:
            raise NotFound("no such provider account", field="account")
        change = AccountChange(
            id=context.ids.new(),
            account_id=row.id,
            account_name=row.name,
            settings=_merged(row, settings, payee),
            settings_before=row.settings,
            payee=payee,
            is_active=row.is_active if is_active is None else is_active,
            state="proposed",
            proposed_by=person,
            proposed_at=now,
        )
        _check(context, row, change)
        try:
            is_added = await add_change(tx, change)
        except CheckViolationError as error:
            raise InvalidValue(f"a value is not written as it must be: {error.constraint_name}") from error
        if not is_added:
            raise ChangeWaiting("another change of this account waits to be approved or rejected", field="account")
        await _note(tx, context, "account_change_proposed", change.id, actor)
    return change.id


async def approve_change(
    context: OrganizationContext, organization_id: OrganizationId, change_id: UUID, *, actor: Actor
) -> None:
    """Approve another person's proposal and apply it.

    Raises PersonNeeded, NotFound, ChangeDecided, SecondPersonNeeded, InvalidValue, ChangeNotPossible.
    """
    require_person(actor)
    await _check_addresses(context, (await find_change(context, organization_id, change_id)).settings)
    try:
        async with context.database.transaction(organization_id) as tx:
            change = await _lock(tx, change_id)
            person = await _second_person(tx, change, actor)
            row = await find_provider_account(tx, change.account_name)
            assert row is not None, "accounts are never removed"
            _check(context, row, change)
            await decide_change(tx, change_id, state="approved", decided_by=person, decided_at=context.clock())
            await apply_change(tx, change_id, new_bank_account_id=context.ids.new())
            await _note(tx, context, "account_change_approved", change_id, actor)
    except UniqueViolationError as error:
        if error.constraint_name == "provider_account_one_merchant":
            raise ChangeNotPossible(ONE_MERCHANT, field="settings") from error
        raise ChangeNotPossible("this bank account is known under another holder, here or for another") from error
    except RestrictViolationError as error:
        raise ChangeNotPossible("the account has changed since this was proposed; propose it anew") from error
    except CheckViolationError as error:
        raise InvalidValue(f"a value is not written as it must be: {error.constraint_name}") from error


async def reject_change(
    context: OrganizationContext, organization_id: OrganizationId, change_id: UUID, *, actor: Actor
) -> None:
    """Reject a proposal, or withdraw one's own. Raises PersonNeeded, NotFound, ChangeDecided."""
    person = require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        await _lock(tx, change_id)
        await decide_change(tx, change_id, state="rejected", decided_by=person, decided_at=context.clock())
        await _note(tx, context, "account_change_rejected", change_id, actor)


async def find_change(context: OrganizationContext, organization_id: OrganizationId, change_id: UUID) -> AccountChange:
    """The current state of one change. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        change = await lock_change(tx, change_id)
    if change is None:
        raise NotFound("no such change", field="change_id")
    return change


async def list_changes(
    context: OrganizationContext, organization_id: OrganizationId, *, after: UUID | None, limit: int
) -> Sequence[AccountChange]:
    """Changes of all accounts, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        return await read_changes(tx, after=after, limit=limit)


def _merged(
    row: ProviderAccountRow, changed: Mapping[str, object], payee: tuple[str, str, str] | None
) -> dict[str, object]:
    touched = sorted(set(changed) & set(_PAYEE_FIELDS))
    if touched:
        raise InvalidValue(f"{', '.join(touched)}: name the bank account under payee", field="settings")
    named = dict(zip(_PAYEE_FIELDS, payee, strict=True)) if payee is not None else {}
    own = {name: value for name, value in named.items() if name in row.settings}
    return {name: value for name, value in {**row.settings, **changed, **own}.items() if value is not None}


def _check(context: OrganizationContext, row: ProviderAccountRow, change: AccountChange) -> None:
    """Check that the provider can be built from the proposal, as far as the secrets of the account are available."""
    try:
        context.accounts.check(replace(row, settings=change.settings, is_active=change.is_active))
    except AccountUnusable as refusal:
        raise InvalidValue(refusal.detail, field="settings") from refusal


async def _check_addresses(context: OrganizationContext, settings: Mapping[str, object]) -> None:
    """Check that the addresses in settings may be called; no transaction is open while names are resolved."""
    try:
        await check_settings(settings, context.outgoing)
    except AddressRefused as refusal:
        raise InvalidValue(str(refusal), field="settings") from None


async def _lock(tx: Transaction, change_id: UUID) -> AccountChange:
    change = await lock_change(tx, change_id)
    if change is None:
        raise NotFound("no such change", field="change_id")
    if change.state != "proposed":
        raise ChangeDecided(f"this change was {change.state} before")
    return change


async def _second_person(tx: Transaction, change: AccountChange, actor: Actor) -> PersonId:
    try:
        return await require_second_person(tx, change.proposed_by, actor)
    except SamePerson as same:
        raise SecondPersonNeeded("who proposed this cannot approve it; another person must") from same


async def _note(tx: Transaction, context: OrganizationContext, action: str, change_id: UUID, actor: Actor) -> None:
    await write_audit(
        tx,
        context.ids.new(),
        recorded_at=context.clock(),
        actor=actor,
        action=action,
        subject=("account_change", change_id),
    )
