"""Books statement lines that no callback reported, as notices of the channel of their bank account. A step.

Only a line under exactly one code of ours is booked: a payout, a deposit or a transfer between accounts stays open. The
notice enters `apply_notices`, so the rules of callbacks decide where the money goes, and a callback that arrives later
is a duplicate by its bank reference. Source: docs/design.md §3.6; §5, Duplicates.
"""

import json
from collections.abc import Sequence
from uuid import UUID

from billing.core.clock import business_date, noon_of
from billing.core.ids import DeliveryId
from billing.db.database import Transaction
from billing.ledger.store.journal import open_day
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.event import Source, answer_as_evidence
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.payment_events import Delivery
from billing.reconciliation.domain.match_rules import Candidate, ItemKind, MatchRule, OpenLine, RuleSet
from billing.reconciliation.service.matching import Decided, MatchChanged, write_decided
from billing.reconciliation.store.confirmed_lines import (
    ConfirmedLine,
    is_reported_meanwhile,
    read_booked,
    read_confirmed_lines,
)
from billing.reconciliation.store.contested_lines import find_contested
from billing.reconciliation.store.matches import RunStamp
from providers.contract import Movement, Notice, Outcome, Payer
from providers.references import is_placeholder

BOOKED_AT_ONCE = 100


async def book_confirmed_lines(
    tx: Transaction, context: PaymentContext, lines: Sequence[OpenLine], rules: RuleSet, stamp: RunStamp
) -> set[UUID]:
    """Book lines and match each with its payment, in one transaction; returns the matched lines.

    A line whose notice is a duplicate of a matched payment stays open. Raises NoOpenDay, and MatchChanged if a callback
    has reported one of the payments since its line was read.
    """
    contested = await find_contested(tx, [line.id for line in lines])
    confirmed = [
        line
        for line in await read_confirmed_lines(tx, [line.id for line in lines if line.id not in contested])
        if not is_placeholder(line.bank_reference)
    ]
    accounts = {name: await context.accounts.find(tx.organization_id, name) for name in {x.account for x in confirmed}}
    deliveries, keys = [], {}
    for line in confirmed:
        account = accounts[line.account]
        assert account is not None, "accounts are never removed"
        deliveries.append(line_delivery(context, account, line))
        keys[line.id] = (account.id, line_name(line))
    if not deliveries:
        return set()
    await open_day(tx, business_date(context.clock()), at=context.clock())
    await apply_deliveries(tx, deliveries, context)
    booked = await read_booked(tx, sorted(keys.values()))
    if await is_reported_meanwhile(tx, [payment.payment_id for payment in booked.values()]):
        raise MatchChanged("a callback has come for one of these lines; repeat the request")
    known = {line.id: line for line in lines}
    decided = []
    for line in confirmed:
        payment = booked.get(line_name(line))
        if payment is None or abs(payment.amount - line.amount) > rules.tolerance:
            continue
        candidate = Candidate(
            line_id=line.id,
            item_kind=ItemKind.PAYMENT,
            item_id=payment.payment_id,
            expected=payment.amount,
            clearing_subject=payment.provider_account_id,
            rank=0,
        )
        decided.append(Decided(line=known[line.id], candidate=candidate))
    return await write_decided(tx, context, decided, MatchRule.BANK_CONFIRMED, stamp)


def line_name(line: ConfirmedLine) -> str:
    """The movement key of a line that is booked."""
    return f"statement:{line.key}"


def line_delivery(
    context: PaymentContext,
    account: ProviderAccount,
    line: ConfirmedLine,
    *,
    reverses: frozenset[str] = frozenset(),
) -> Delivery:
    """The line as a delivery: its stored fields are the evidence, the statement is the source.

    A line of money that went back names the keys of the payment that it `reverses`.
    """
    evidence = {
        "statement_line": str(line.id),
        "key": str(line.key),
        "booked_on": line.booked_on.isoformat(),
        "amount": line.amount,
        "bank_reference": line.bank_reference,
        "text": line.text,
    }
    content = json.dumps(evidence, ensure_ascii=False, sort_keys=True).encode()
    notice = Notice(
        event_key=line_name(line),
        outcome=Outcome.SUCCEEDED,
        provider_status="on_statement",
        occurred_at=line.occurred_at or noon_of(line.booked_on),
        amount=abs(line.amount),
        movement=Movement.REVERSED if reverses else Movement.RECEIVED,
        reverses=reverses,
        movement_keys=frozenset({line_name(line), *_reference(line)}),
        fingerprint=f"{line.key}|{line.amount}|{line.bank_reference}".encode(),
        transfer_text=line.text,
        bank_reference=line.bank_reference,
        payer=Payer(name=line.payer_name, account=line.payer_account, bank=line.payer_bank),
    )
    return Delivery(
        id=DeliveryId(context.ids.new()),
        account=account,
        callback=answer_as_evidence(Source.STATEMENT, content, at=context.clock()),
        notices=(notice,),
        source=Source.STATEMENT,
    )


def _reference(line: ConfirmedLine) -> tuple[str, ...]:
    return () if is_placeholder(line.bank_reference) else (f"bank:{line.bank_reference}",)
