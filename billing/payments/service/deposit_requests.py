"""Count money for deposit requests: their new state, and the clearance of the order lines that they collect. A step.

Callbacks, counter payments and refunds use it. The caller locks in the lock order: the visit account, which also guards
its charge items, invoices, the deposit, the requests. The money itself is booked by `allocation.py` or
`apply_notices.py`. Source: docs/visit-accounts.md.
"""

from collections.abc import Sequence

from billing.core.money import Dong
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import Deposit, DepositRequest, RequestState
from billing.payments.store.deposit_lines import RequestedLine, clear_lines, withdraw_lines
from billing.payments.store.deposits import lock_requests, update_requests
from billing.payments.store.refund_needs import read_received_for_lines


async def apply_to_request(tx: Transaction, context: Context, request: DepositRequest, amount: Dong) -> DepositRequest:
    """Count money for a locked request, or (negative amount) money that has left; returns the request as written.

    When the request becomes paid, its charge items in state `ordered` are cleared, each with a `charge.cleared`
    message. When it is paid no more, the items that are not started are ordered again (`charge.withdrawn`).
    """
    if amount == 0:
        return request
    after = request.with_payment(amount)
    await write_request_changes(tx, context, [(request, after)])
    return after


async def count_less(tx: Transaction, context: Context, deposit: Deposit) -> None:
    """Count less for requests, the newest first, once money has left a deposit that their lines need.

    Money that came for no request, or for another one, pays lines too (`visit_accounts/service/ticked_lines.py`). The
    deposit and its requests are locked.
    """
    counted = await read_received_for_lines(tx, deposit.id) if deposit.takes_money else []
    missing = sum(each.for_lines for each in counted) - deposit.held - deposit.applied
    locked = await lock_requests(tx, [each.id for each in counted]) if missing > 0 else {}
    changes = []
    for each in reversed(counted):
        part = min(missing, each.for_lines)
        if part > 0:
            before = locked[each.id]
            changes.append((before, before.with_payment(Dong(each.for_lines - part - before.received))))
            missing -= part
    await write_request_changes(tx, context, changes)


async def write_request_changes(
    tx: Transaction, context: Context, changes: Sequence[tuple[DepositRequest, DepositRequest]]
) -> None:
    """Write locked requests (before, after), their messages, and the clearance of their lines."""
    await update_requests(tx, [after for _, after in changes])
    for _, after in changes:
        topic, payload = request_message(after)
        await write_message(tx, context.ids.new(), topic=topic, payload=payload)
    was_paid = {before.id for before, _ in changes if before.state is RequestState.PAID}
    is_paid = {after.id for _, after in changes if after.state is RequestState.PAID}
    if is_paid - was_paid:
        cleared = await clear_lines(tx, sorted(is_paid - was_paid), at=context.clock())
        await _write_line_messages(tx, context, "charge.cleared", cleared)
    if was_paid - is_paid:
        withdrawn = await withdraw_lines(tx, sorted(was_paid - is_paid), at=context.clock())
        await _write_line_messages(tx, context, "charge.withdrawn", withdrawn)


def request_message(request: DepositRequest) -> tuple[str, dict[str, object]]:
    """Topic and payload of the message that a deposit request was made or has changed."""
    return "deposit_request.updated", {
        "deposit_request_id": str(request.id),
        "version": request.version,
        "state": request.state.value,
        "received": request.received,
        "remaining": request.remaining,
    }


async def _write_line_messages(tx: Transaction, context: Context, topic: str, lines: Sequence[RequestedLine]) -> None:
    for line in lines:
        payload = {"visit_id": str(line.visit_id), "line": line.line, "order_number": line.order_number}
        await write_message(tx, context.ids.new(), topic=topic, payload=payload)
