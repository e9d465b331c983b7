"""The deposit request of the lines that a cashier has ticked: found again, or made in place of older ones. A step.

Lock order: visit account, charges, deposit, requests. Source: docs/visit-accounts.md, The desk.
"""

from collections.abc import Mapping, Sequence

from billing.core.actor import Actor
from billing.core.ids import DepositId, DepositRequestId, VisitId
from billing.core.money import NOTHING, Dong
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import Deposit, DepositClosed, DepositRequest, RequestKind, RequestState
from billing.payments.service.deposit_requests import apply_to_request, request_message
from billing.payments.store.deposits import (
    add_deposit,
    add_request,
    lock_deposit_of_visit,
    lock_open_requests,
    update_requests,
)
from billing.visit_accounts.domain.account import VisitAccount
from billing.visit_accounts.domain.deposit_request import LineAlreadyRequested, line_amounts
from billing.visit_accounts.domain.desk_visit import free_deposit
from billing.visit_accounts.service.account_writes import lock_open_account
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.clearance import read_visit_facts
from billing.visit_accounts.store.desk_panel import read_desk_requests, read_requests_naming


async def lock_open_deposit(tx: Transaction, context: Context, account: VisitAccount) -> Deposit:
    """The deposit of an open visit, locked; it is opened with the first request. Raises DepositClosed."""
    await add_deposit(tx, DepositId(context.ids.new()), account.visit_id, at=context.clock())
    deposit = await lock_deposit_of_visit(tx, account.visit_id)
    assert deposit is not None, "it was added"
    if not deposit.takes_money:
        raise DepositClosed(f"the deposit of visit {account.ma_lk} is closed by its final bill", field="visit_id")
    return deposit


async def announce_request(
    tx: Transaction, context: Context, request: DepositRequest, action: str, actor: Actor
) -> None:
    """Write the message and the audit row of a request that was made or has changed."""
    topic, payload = request_message(request)
    await write_message(tx, context.ids.new(), topic=topic, payload=payload)
    await note(tx, context, actor, action, ("deposit_request", request.id))


async def add_new_request(
    tx: Transaction,
    context: Context,
    request: DepositRequest,
    visit_id: VisitId,
    *,
    lines: Mapping[str, Dong],
    actor: Actor,
) -> None:
    """Store a new request, with the amount of each order line that it names, and announce it."""
    await add_request(tx, request, visit_id=visit_id, lines=lines, requested_by=actor.person)
    await announce_request(tx, context, request, "deposit_requested", actor)


async def supersede_requests(
    tx: Transaction, context: Context, superseded: Sequence[DepositRequest], by: DepositRequest, actor: Actor
) -> None:
    """Store requests that a new one supersedes, and announce each."""
    await update_requests(tx, superseded, superseded_by=by.id)
    for each in superseded:
        await announce_request(tx, context, each, "deposit_request_superseded", actor)


async def request_ticked_lines(
    tx: Transaction, context: Context, visit_id: VisitId, lines: Sequence[str], *, uses_deposit: bool, actor: Actor
) -> DepositRequest:
    """The open request of exactly these lines at their present amounts; the free deposit pays as much as it can.

    An open request that names some of the lines and has received no money is superseded. Raises NotFound, VisitClosed,
    DepositClosed, UnknownCharge, LineCancelled, LineNotPriced, NothingToRequest, LineAlreadyRequested.
    """
    account = await lock_open_account(tx, visit_id)
    charges = await lock_charges(tx, visit_id)
    amounts = line_amounts(charges, lines)
    deposit = await lock_open_deposit(tx, context, account)
    open_requests = {request.id: request for request in await lock_open_requests(tx, deposit.id)}
    named = {each.id: each.lines for each in await read_requests_naming(tx, visit_id, lines)}
    amount = Dong(sum(amounts.values()))
    for request_id, named_lines in named.items():
        known = open_requests.get(request_id)
        if known is not None and named_lines == set(lines) and (known.amount == amount or known.received):
            return await _use_deposit(tx, context, known, deposit, visit_id, actor=actor) if uses_deposit else known
        if known is None or known.received:
            raise LineAlreadyRequested(
                f"request {request_id} has received money for some of these lines; collect its rest first",
                field="lines",
            )
    request = DepositRequest.requested(
        DepositRequestId(context.ids.new()),
        deposit.id,
        RequestKind.ORDER_LINES,
        amount=amount,
        proposed_amount=amount,
        at=context.clock(),
    )
    await add_new_request(tx, context, request, visit_id, lines=amounts, actor=actor)
    superseded = [open_requests[each].with_state(RequestState.SUPERSEDED) for each in named]
    if superseded:
        await supersede_requests(tx, context, superseded, request, actor)
    if uses_deposit:
        request = await _use_deposit(tx, context, request, deposit, visit_id, actor=actor)
    await update_clearance(tx, context, visit_id)
    return request


async def _use_deposit(
    tx: Transaction,
    context: Context,
    request: DepositRequest,
    deposit: Deposit,
    visit_id: VisitId,
    *,
    actor: Actor,
) -> DepositRequest:
    """Count free money of the deposit for a request: no money moves, so nothing is posted."""
    facts = await read_visit_facts(tx, visit_id)
    # Money of requests that were paid or paid in part stays with their lines; this one has none yet.
    others = [each for each in await read_desk_requests(tx, visit_id) if each.id != request.id]
    free = free_deposit(facts, held=deposit.held, requests=others)
    used = Dong(min(free, request.remaining) if not request.received else NOTHING)
    if used == 0:
        return request
    after = await apply_to_request(tx, context, request, used)
    await note(tx, context, actor, "deposit_used", ("deposit_request", request.id))
    await update_clearance(tx, context, visit_id)
    return after
