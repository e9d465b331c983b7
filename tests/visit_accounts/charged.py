"""An open visit with a header and charges, as the sender's messages would make them, and counter money for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from billing.core.actor import Actor
from billing.core.ids import DeskId, PaymentId, ShiftId
from billing.core.money import Dong
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.ledger.domain.accounts import drawer_account
from billing.payments.domain.deposit import DepositState
from billing.payments.service.allocation import CounterTarget, receive_counter_payment
from billing.payments.store.counter_payments import CounterPayment, PaymentMethod
from billing.payments.store.deposits import lock_deposit_of_visit
from billing.visit_accounts.domain.pricing import with_line_amounts
from billing.visit_accounts.service.account_pricing import price_account
from billing.visit_accounts.service.visit_snapshot import build_visit, read_content, snapshot_document
from billing.visit_accounts.store.accounts import lock_account, update_account, write_header
from billing.visit_accounts.store.charges import lock_charges, update_charges
from tests.builders import visit_document
from tests.visit_accounts.accounts import ORGANIZATION, OpenVisit

_ADD_CHARGE = """
    INSERT INTO charge_item (organization_id, visit_id, line, facility_id, order_number, version, kind, state, stt,
        document, ordered_at, performed_at, changed_at)
    SELECT 1, visit_id, $2, facility_id, $2, 1, $3, 'performed', $4, $5, $6, $6, $6
    FROM visit_account WHERE visit_id = $1
"""

_CANCEL = """
    UPDATE charge_item SET state = 'cancelled', cancelled_at = $3, changed_at = $3 WHERE visit_id = $1 AND line = $2
"""

_SHIFT_EVENT = """
    INSERT INTO shift_event (organization_id, id, shift_id, kind, amount, actor_kind, recorded_at)
    VALUES (1, $1, $2, 'collection', $3, 'system', $4)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedVisit:
    """An open visit whose charges are performed; cash is taken in one shift."""

    open: OpenVisit
    desk_id: DeskId
    shift_id: ShiftId

    async def charge(self, *lines: Mapping[str, Any], cancel: Sequence[str] = (), **header: object) -> None:
        """Add charges, cancel lines ("XML3-1"), change the header, and price the account again."""
        context, visit_id = self.open.context, self.open.visit_id
        now = context.clock()
        async with context.database.transaction(ORGANIZATION) as tx:
            account = await lock_account(tx, visit_id)
            assert account is not None
            for line in lines:
                document = {key: value for key, value in line.items() if key != "stt"}
                kind = "drug" if line["table"] == "XML2" else "service"
                name = f"{line['table']}-{line['stt']}"
                await tx.execute(_ADD_CHARGE, visit_id, name, kind, line["stt"], document, now)
            for name in cancel:
                await tx.execute(_CANCEL, visit_id, name, now)
            if header:
                known = (await read_content(tx, account)).header
                await write_header(tx, visit_id, {**known, **header})
            visit = await build_visit(snapshot_document(account, await read_content(tx, account)))
            [terms] = await load_pricing_inputs(tx, context, [visit])
            price = price_account(visit, terms)
            assert price.shares is not None, price.error
            charges = with_line_amounts(await lock_charges(tx, visit_id), price, frozenset())
            await update_charges(tx, list(charges.values()))
            priced = account.with_price(price.shares, at=now)
            await update_account(tx, replace(priced, version=priced.version + 1))

    async def pay(self, amount: int) -> PaymentId:
        """Take cash for the deposit."""
        context = self.open.context
        async with context.database.transaction(ORGANIZATION, posting=True) as tx:
            deposit = await lock_deposit_of_visit(tx, self.open.visit_id)
            assert deposit is not None
            assert deposit.state is DepositState.OPEN
            payment = CounterPayment(
                id=PaymentId(context.ids.new()),
                method=PaymentMethod.CASH,
                amount=Dong(amount),
                shift_id=self.shift_id,
                reference="",
                occurred_at=context.clock(),
                allocations=(),
            )
            target = CounterTarget(amount=Dong(amount), deposit=deposit)
            await receive_counter_payment(
                tx, context, payment, [target], debit=drawer_account(self.desk_id), actor=Actor.system()
            )
            await tx.execute(_SHIFT_EVENT, context.ids.new(), self.shift_id, amount, context.clock())
        return payment.id


async def charged_visit(visit: OpenVisit, desk_id: DeskId, shift_id: ShiftId) -> ChargedVisit:
    """The visit of the builders with its four lines as charges: 600 000 đồng, of which the patient pays 136 000."""
    charged = ChargedVisit(open=visit, desk_id=desk_id, shift_id=shift_id)
    document = visit_document()
    header = {key: value for key, value in document.items() if key not in ("lines", "MA_LK", "MA_CSKCB")}
    async with visit.context.database.transaction(ORGANIZATION) as tx:
        await write_header(tx, visit.visit_id, header)
    await charged.charge(*document["lines"])
    return charged
