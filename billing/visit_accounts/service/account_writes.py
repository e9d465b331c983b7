"""Lock the account of an open visit; write a planned change of an account with its price; announce changes.

A change has lines, amounts, cancellations and changes of collected lines. These are steps.
"""

from dataclasses import replace

from billing.core.actor import Actor
from billing.core.ids import VisitId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_message
from billing.visit_accounts.domain.account import VisitAccount, require_account
from billing.visit_accounts.domain.charge import ChargeChange, VisitContent
from billing.visit_accounts.domain.guarantee import Guarantee
from billing.visit_accounts.domain.plan import Known, Plan
from billing.visit_accounts.domain.pricing import AccountPrice, with_line_amounts
from billing.visit_accounts.store.accounts import lock_account, read_collected, update_account
from billing.visit_accounts.store.charges import add_cancellation, add_changes, add_charges, update_charges


async def lock_open_account(tx: Transaction, visit_id: VisitId) -> VisitAccount:
    """The account of a visit, locked until the transaction ends. Raises NotFound, VisitClosed."""
    account = require_account(await lock_account(tx, visit_id))
    account.require_open()
    return account


async def write_plan(
    tx: Transaction, context: Context, actor: Actor, plan: Plan, *, known: Known, price: AccountPrice
) -> tuple[VisitAccount, VisitContent]:
    """Write the account and its lines at a price; `known` is locked. Returns the account and content as written."""
    now = context.clock()
    account = replace(plan.account, price_error=price.error)
    if price.shares is not None:
        account = account.with_price(price.shares, at=now, error=price.error)
    await update_account(tx, account)
    before = known.content.charges
    after = with_line_amounts(plan.content.charges, price, plan.changed)
    await add_charges(tx, [charge for line, charge in after.items() if line not in before])
    await update_charges(tx, [charge for line, charge in after.items() if line in before and charge != before[line]])
    if plan.cancellation is not None:
        await add_cancellation(tx, account.visit_id, plan.cancellation, actor=actor, at=now)
    collected = await read_collected(tx, account.visit_id) if before else {}
    changes = [
        ChargeChange(line=line, collected=collected[line], before=before[line].patient_amount, after=amount)
        for line in sorted(collected)
        if line in before and (amount := after[line].patient_amount) != before[line].patient_amount
    ]
    changes = [change for change in changes if change.collected > 0]
    await add_changes(tx, account.visit_id, [(context.ids.new(), change) for change in changes], at=now)
    return account, replace(plan.content, charges=after)


async def announce(tx: Transaction, context: Context, actor: Actor, account: VisitAccount, action: str) -> None:
    """Write the audit row and the webhook message of a changed account."""
    await note(tx, context, actor, action, ("visit", account.visit_id))
    await write_message(
        tx,
        context.ids.new(),
        topic="visit.updated",
        payload={
            "visit_id": str(account.visit_id),
            "version": account.version,
            "state": account.state.value,
            "patient_share": account.patient_share,
        },
    )


async def announce_guarantee(
    tx: Transaction, context: Context, guarantee: Guarantee, actor: Actor, action: str
) -> None:
    """Write the audit row and the webhook message of a guarantee that was added or changed."""
    payload = {
        "guarantee_id": str(guarantee.id),
        "visit_id": str(guarantee.visit_id),
        "version": guarantee.version,
        "state": guarantee.state.value,
        "confirmed_amount": guarantee.confirmed_amount,
    }
    await write_message(tx, context.ids.new(), topic="guarantee.updated", payload=payload)
    await note(tx, context, actor, action, ("guarantee", guarantee.id))
