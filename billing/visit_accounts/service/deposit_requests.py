"""Request deposits for an open visit, withdraw requests, and propose the amount of an advance.

Money for a request arrives by a callback or at the desk (`payments/service/deposit_requests.py` counts it). Lock order:
visit account, charges, deposit, requests. Source: docs/visit-accounts.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import DepositRequestId, OrganizationId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.context import Context
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.payments.domain.deposit import Deposit, DepositRequest, RequestKind, RequestState
from billing.payments.service.deposit_requests import write_request_changes
from billing.payments.store.deposits import (
    lock_deposit_of_visit,
    lock_open_requests,
    lock_requests,
)
from billing.visit_accounts.domain.account import VisitAccount, require_account
from billing.visit_accounts.domain.deposit_request import (
    DepositProposal,
    ListedRequest,
    NothingToRequest,
    RequestDetails,
    check_not_requested,
    check_open,
    line_amounts,
    supersede,
)
from billing.visit_accounts.service.account_writes import lock_open_account
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.service.ticked_lines import (
    add_new_request,
    lock_open_deposit,
    supersede_requests,
)
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.balances import read_balance
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.deposit_requests import read_line_requests, read_request, read_requests

LINES_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What to request: lines, or an advance of `amount` (None: the proposal). `supersedes` is an open request."""

    visit_id: VisitId
    lines: tuple[str, ...] = ()
    amount: Dong | None = None
    supersedes: DepositRequestId | None = None

    def check(self) -> None:
        """Raises InvalidValue."""
        if self.lines and self.amount is not None:
            raise InvalidValue("name lines or an amount, not both", field="lines")
        if len(self.lines) > LINES_MAX or len(set(self.lines)) != len(self.lines):
            raise InvalidValue(f"name 1 to {LINES_MAX} different lines", field="lines")
        if self.amount == 0:
            raise InvalidValue("request at least 1 đồng", field="amount")

    @property
    def kind(self) -> RequestKind:
        return RequestKind.ORDER_LINES if self.lines else RequestKind.ADVANCE


async def request_deposit(
    context: Context,
    organization_id: OrganizationId,
    new: NewRequest,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> DepositRequestId:
    """Request a deposit for an open visit; returns the request. A repeated `request` returns the earlier one.

    Raises NotFound, VisitClosed, DepositClosed, UnknownCharge, LineCancelled, LineNotPriced, LineAlreadyRequested,
    NothingToRequest, RequestNotReplaceable, DepositRequestNotOpen, InvalidValue or idempotency errors.
    """
    new.check()
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return DepositRequestId(earlier.subjects[0])
        account = await lock_open_account(tx, new.visit_id)
        charges = await lock_charges(tx, new.visit_id)
        lines = line_amounts(charges, new.lines) if new.lines else {}
        deposit = await lock_open_deposit(tx, context, account)
        open_requests = await lock_open_requests(tx, deposit.id)
        replaced = await _supersede(tx, new, deposit)
        if lines:
            requested = await read_line_requests(tx, new.visit_id, new.lines)
            check_not_requested(requested, superseded=new.supersedes)
        stay = [one for one in open_requests if one.id != new.supersedes]
        proposed = Dong(sum(lines.values())) if lines else await _propose(tx, context, account, stay)
        amount = proposed if new.amount is None else new.amount
        if amount == 0:
            raise NothingToRequest("the deposit covers the cost to date; name an amount", field="amount")
        added = DepositRequest.requested(
            DepositRequestId(context.ids.new()),
            deposit.id,
            new.kind,
            amount=amount,
            proposed_amount=proposed,
            at=context.clock(),
        )
        await add_new_request(tx, context, added, new.visit_id, lines=lines, actor=actor)
        if replaced is not None:
            await supersede_requests(tx, context, [replaced], added, actor)
        await update_clearance(tx, context, new.visit_id)
        await save_result(tx, request, [added.id], now=context.clock())
    context.publish_change(organization_id)
    return added.id


async def withdraw_request(
    context: Context, organization_id: OrganizationId, request_id: DepositRequestId, *, actor: Actor
) -> None:
    """Withdraw an open request: nothing more is requested. Money received for it stays in the deposit.

    Raises NotFound, DepositRequestNotOpen.
    """
    async with context.database.transaction(organization_id) as tx:
        known = await read_request(tx, request_id)
        if known is None:
            raise NotFound("no such deposit request", field="deposit_request_id")
        await lock_account(tx, known.visit_id)
        await lock_charges(tx, known.visit_id)
        await lock_deposit_of_visit(tx, known.visit_id)
        locked = (await lock_requests(tx, [request_id]))[request_id]
        check_open(locked)
        withdrawn = locked.with_state(RequestState.WITHDRAWN)
        await write_request_changes(tx, context, [(locked, withdrawn)])
        await update_clearance(tx, context, known.visit_id)
        await note(tx, context, actor, "deposit_request_withdrawn", ("deposit_request", request_id))
    context.publish_change(organization_id)


async def find_proposal(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> DepositProposal:
    """The advance proposed for a visit now. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return require_account(await read_balance(tx, visit_id, at=context.clock())).proposal


async def _propose(
    tx: Transaction, context: Context, account: VisitAccount, requests: Sequence[DepositRequest]
) -> Dong:
    """The advance proposed for a locked account; `requests` are the open ones that stay."""
    balance = await read_balance(tx, account.visit_id, at=context.clock())
    assert balance is not None, "the account is locked"
    requested = Dong(sum(request.remaining for request in requests))
    return replace(balance, requested=requested).proposal.amount


async def find_request(
    context: Context, organization_id: OrganizationId, request_id: DepositRequestId
) -> RequestDetails:
    """A deposit request with its lines. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        found = await read_request(tx, request_id)
    if found is None:
        raise NotFound("no such deposit request", field="deposit_request_id")
    return found


async def list_requests(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    visit_id: VisitId | None = None,
    state: RequestState | None = None,
) -> Sequence[ListedRequest]:
    """Deposit requests by visit and state, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await read_requests(tx, part, visit_id=visit_id, state=state)


async def _supersede(tx: Transaction, new: NewRequest, deposit: Deposit) -> DepositRequest | None:
    if new.supersedes is None:
        return None
    locked = (await lock_requests(tx, [new.supersedes])).get(new.supersedes)
    return supersede(locked, deposit_id=deposit.id, kind=new.kind)
