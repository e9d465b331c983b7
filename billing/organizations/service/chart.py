"""The chart of accounts: one person proposes the number and name of a ledger account from a day, another approves.

The numbers of accounts are sealed with the ledger; a closed day keeps its chart. Source: docs/visit-accounts.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from asyncpg import RestrictViolationError, UniqueViolationError

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import LedgerAccountId, OrganizationId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey
from billing.ledger.store.chart import ChartNumber, add_number, find_last_closed_day, read_chart
from billing.organizations.domain.approval import Approval, ApprovalKind
from billing.organizations.service.approvals import propose
from billing.organizations.service.context import OrganizationContext

__all__ = ["ChartNotChangeable", "ChartNumber", "apply_approved_number", "list_chart", "propose_number"]

_NUMBER = re.compile(r"[0-9]{3,9}")
_NAME_MAX = 200


class ChartNotChangeable(Refused):
    """The day is closed, or the account has another number from this day."""

    code = "chart_not_changeable"


async def list_chart(context: OrganizationContext, organization_id: OrganizationId) -> Sequence[ChartNumber]:
    """Every number of every account, by role, subject and day."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_chart(tx)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedNumber:
    """The number and name of a ledger account from a day on."""

    number: str
    name: str
    valid_from: date

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.number):
            raise InvalidValue("a number of an account is three to nine digits", field="number")
        if not self.name.strip() or len(self.name) > _NAME_MAX:
            raise InvalidValue(f"a name has 1 to {_NAME_MAX} characters", field="name")


async def propose_number(
    context: OrganizationContext,
    organization_id: OrganizationId,
    account: AccountKey,
    proposed: ProposedNumber,
    *,
    actor: Actor,
) -> UUID:
    """Propose the number and name of an account from a day; the id of the proposal.

    Raises PersonNeeded, InvalidValue, NotFound, ChartNotChangeable, ProposalWaiting.
    """
    require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        numbers = [each for each in await read_chart(tx) if each.account == account]
        if not numbers:
            raise NotFound("there is no such ledger account", field="account")
        await _require_open_day(tx, proposed.valid_from)
        if any(each.valid_from == proposed.valid_from for each in numbers):
            raise ChartNotChangeable("the account has a number from this day; choose a later day", field="valid_from")
        payload = {
            "role": account.role.value,
            "subject": account.subject,
            "number": proposed.number,
            "name": proposed.name.strip(),
            "valid_from": proposed.valid_from.isoformat(),
        }
        return await propose(tx, context, ApprovalKind.CHART, numbers[0].account_id, payload=payload, actor=actor)


async def apply_approved_number(
    tx: Transaction, _context: OrganizationContext, approval: Approval, _actor: Actor
) -> None:
    """Number an account as two persons approved. Raises ChartNotChangeable."""
    payload = approval.payload
    valid_from = date.fromisoformat(str(payload["valid_from"]))
    await _require_open_day(tx, valid_from)
    try:
        await add_number(
            tx,
            LedgerAccountId(approval.subject_id),
            valid_from=valid_from,
            number=str(payload["number"]),
            name=str(payload["name"]),
        )
    except UniqueViolationError as error:
        raise ChartNotChangeable("the account has a number from this day", field="valid_from") from error
    except RestrictViolationError as error:
        raise ChartNotChangeable("the day was closed; propose a later day", field="valid_from") from error


async def _require_open_day(tx: Transaction, valid_from: date) -> None:
    closed = await find_last_closed_day(tx)
    if closed is not None and valid_from <= closed:
        raise ChartNotChangeable(
            f"the day {closed} is closed and keeps its chart; choose a later day", field="valid_from"
        )
