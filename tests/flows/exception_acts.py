"""The decisions on exceptions that make entries of their own: a charge of the bank, and a declared duplicate."""

from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.decide_exceptions import decide_exception, revert_decision
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.import_statement import import_statement
from tests.flows.entry_acts import Hospital
from tests.persons import actors
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

_UNKNOWN = """
    SELECT one.id, one.payment_id FROM exception_case AS one
    JOIN payment_position AS position ON position.payment_id = one.payment_id
    WHERE one.organization_id = 1 AND one.state = 'open' AND position.unallocated = position.amount
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.item_id = one.payment_id AND linked.is_live)
    ORDER BY one.opened_at LIMIT 1
"""

_HOLD = """
    INSERT INTO payment_hold (organization_id, payment_id, other_payment_id, held_at)
    SELECT 1, $1, (SELECT id FROM payment WHERE organization_id = 1 AND id <> $1 LIMIT 1), now()
"""


async def decided_exceptions(hospital: Hospital) -> None:
    """A charge on a statement is booked, money without a code is held and declared a duplicate; both are reverted."""
    site = hospital.site
    day = business_date(site.context.clock())
    content = statement_csv(
        Line(amount=-7_700, text="PHI DICH VU", reference="FEE-9", day=day),
        opening=2,
        account=site.hospital.settings.account_number,
    )
    await import_statement(site.context, site.hospital.organization_id, statement_file(content), actor=Actor.system())
    await find_exceptions_once(site.context, site.hospital.organization_id)
    [actor] = await actors(site.database, site.context, ("doi-soat", "Vũ Thị Đối"))
    charge = await _exception(hospital, "bank_charge", 7_700)
    await _decide(hospital, charge, DecisionAction.BOOK_CHARGE, actor)
    await _revert(hospital, charge, actor)
    [unknown] = await site.as_owner(_UNKNOWN)
    await site.as_owner(_HOLD, unknown["payment_id"])
    await _decide(hospital, unknown["id"], DecisionAction.DECLARE_DUPLICATE, actor)
    await _revert(hospital, unknown["id"], actor)


async def _exception(hospital: Hospital, reason: str, amount: int) -> UUID:
    [row] = await hospital.site.as_owner(
        "SELECT id FROM exception_case WHERE reason = $1 AND amount = $2 AND state = 'open'", reason, amount
    )
    exception_id: UUID = row["id"]
    return exception_id


async def _decide(hospital: Hospital, exception_id: UUID, action: DecisionAction, actor: Actor, **fields: Any) -> None:
    new = NewDecision(action=action, reason="đã đối chiếu", version=1, **fields)
    site = hospital.site
    await decide_exception(site.context, site.hospital.organization_id, exception_id, new, actor=actor)


async def _revert(hospital: Hospital, exception_id: UUID, actor: Actor) -> None:
    site = hospital.site
    await revert_decision(
        site.context, site.hospital.organization_id, exception_id, version=2, reason="nhầm", actor=actor
    )
