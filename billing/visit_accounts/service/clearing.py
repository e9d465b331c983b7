"""Keep the states of charge items in agreement with their clearance, in the transaction that changes it. A step.

A line that becomes payable without money, or whose money arrived, goes from ordered to cleared and back. The state and
the messages follow the computed clearance; nobody reads the state to decide. Source: docs/visit-accounts.md, Clearance.
"""

from dataclasses import dataclass

from billing.core.ids import VisitId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.store.journal import write_message
from billing.visit_accounts.domain.charge import ChargeState
from billing.visit_accounts.domain.clearance import LineClearance, clear_visit
from billing.visit_accounts.store.clearance import mark_cleared_deposit, read_visit_facts, write_charge_states


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingResult:
    """The lines that were cleared, and those whose clearance was withdrawn."""

    cleared: tuple[LineClearance, ...] = ()
    withdrawn: tuple[LineClearance, ...] = ()


async def update_clearance(tx: Transaction, context: Context, visit_id: VisitId) -> ClearingResult:
    """Compute the clearance of every waiting line of a locked, open visit; write states and messages that change.

    Call it after charges, prices, deposit requests or the deposit of the visit were written. The messages are
    `charge.cleared` and `charge.withdrawn`.
    """
    await mark_cleared_deposit(tx, visit_id)
    visit = await read_visit_facts(tx, visit_id)
    if visit is None or visit.is_closed:
        return ClearingResult()
    lines = clear_visit(visit)
    result = ClearingResult(
        cleared=tuple(line for line in lines if line.state is ChargeState.ORDERED and line.is_cleared),
        withdrawn=tuple(line for line in lines if line.state is ChargeState.CLEARED and not line.is_cleared),
    )
    changes = [(line.line, ChargeState.CLEARED) for line in result.cleared]
    changes += [(line.line, ChargeState.ORDERED) for line in result.withdrawn]
    if changes:
        await write_charge_states(tx, visit_id, changes, at=context.clock())
    for topic, changed in (("charge.cleared", result.cleared), ("charge.withdrawn", result.withdrawn)):
        for line in changed:
            payload = {"visit_id": str(visit_id), "line": line.line, "order_number": line.order_number}
            await write_message(tx, context.ids.new(), topic=topic, payload=payload)
    return result
