"""Store messages of other systems in the integration inbox with their outcome."""

import json
from collections.abc import Mapping

from billing.core.actor import Actor
from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import VisitId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.organizations.store.organizations import find_facility
from billing.visit_accounts.domain.account import StaleVersion
from billing.visit_accounts.domain.charge import ChargesRejected, fill_gap
from billing.visit_accounts.domain.message import (
    FilledGap,
    Message,
    MessageId,
    MessageKind,
    MessageUnreadable,
    Processed,
    refused,
)
from billing.visit_accounts.store.accounts import find_account, lock_account, update_account
from billing.visit_accounts.store.charges import lock_lines, update_charges
from billing.visit_accounts.store.inbox import add_message
from billing.visits.formats.strict_json import read_object


def read_body(message: Message) -> Mapping[str, object]:
    """The JSON object of a message. Raises MessageUnreadable."""
    try:
        return read_object(message.document.encode())
    except InvalidValue as refusal:
        raise MessageUnreadable(refusal.detail, field=refusal.field) from refusal


async def store_message(
    tx: Transaction, context: Context, actor: Actor, message: Message, processed: Processed
) -> None:
    """Store a message with its outcome, in the transaction of its change."""
    await add_message(tx, MessageId(context.ids.new()), message, processed, actor=actor)


async def store_refusal(
    tx: Transaction, context: Context, actor: Actor, message: Message, refusal: BillingError
) -> None:
    """Store a refused message. A skipped version that arrives late is refused as stale, and is missing no more."""
    facility_id = await find_facility(tx, message.facility_code)
    versions = _versions(message)
    late = {} if facility_id is None else _late_versions(message, refusal, versions)
    account = await find_account(tx, facility_id, message.ma_lk) if facility_id is not None and late else None
    filled = [] if account is None else await _fill_gaps(tx, account.visit_id, message, late)
    version = versions.get(message.line) if message.kind in (MessageKind.CHARGE, MessageKind.VISIT) else None
    processed = refused(refusal, facility_id=facility_id, sender_version=version, filled=filled)
    await store_message(tx, context, actor, message, processed)


async def _fill_gaps(tx: Transaction, visit_id: VisitId, message: Message, late: Mapping[str, int]) -> list[FilledGap]:
    """Remove late versions from the missing ones of the header or the charges; what changed, for the inbox."""
    account = await lock_account(tx, visit_id)
    assert account is not None, "an account is never removed"
    if message.kind is MessageKind.VISIT:
        filled_account = account.with_gap(account.gap.without(late[message.line]))
        if filled_account != account:
            await update_account(tx, filled_account)
        return [FilledGap("", account.missing_versions, filled_account.missing_versions)]
    charges = await lock_lines(tx, visit_id, sorted(late))
    filled = [fill_gap(charge, late[line]) for line, charge in charges.items()]
    await update_charges(tx, [charge for charge in filled if charge != charges[charge.line]])
    return [FilledGap(one.line, charges[one.line].missing_versions, one.missing_versions) for one in filled]


def _versions(message: Message) -> dict[str, int]:
    """The versions of a message by line, as far as it can be read; those of a visit under its empty line."""
    try:
        body = json.loads(message.document)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    charges = body.get("charges") if message.kind is MessageKind.CHARGES else [{**body, "line": message.line}]
    if not isinstance(charges, list):
        return {}
    return {
        str(each.get("line")): version
        for each in charges
        if isinstance(each, dict) and type(version := each.get("version")) is int and 0 < version < 2**63
    }


def _late_versions(message: Message, refusal: BillingError, versions: Mapping[str, int]) -> dict[str, int]:
    """The stale versions of a message by line; that of a header under its empty line."""
    if isinstance(refusal, ChargesRejected):
        stale = {each.line for each in refusal.refusals if each.code == StaleVersion.code}
    elif isinstance(refusal, StaleVersion):
        stale = {message.line}
    else:
        return {}
    return {line: version for line, version in versions.items() if line in stale}
