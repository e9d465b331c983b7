"""A desk with persons who take, receive and audit its cash."""

from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.ids import DeskId, OrganizationId, ShiftId
from billing.core.money import Dong
from billing.db.context import Context
from billing.db.database import Database
from billing.organizations.service.desks import add_desk
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.service.shifts import NewShift, open_shift
from tests.builders import FACILITY_CODE
from tests.conftest import DatabaseAddress
from tests.persons import actors

ORGANIZATION = OrganizationId(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CashDesk:
    """A desk; `cashier` and `other_cashier` work at it, `head` and `treasurer` decide."""

    context: PaymentContext
    desk_id: DeskId
    cashier: Actor
    other_cashier: Actor
    head: Actor
    treasurer: Actor

    async def open(self, opening_float: int = 0, *, actor: Actor | None = None, **changes: object) -> ShiftId:
        fields = {"issued_float": Dong(opening_float), **changes}
        new = NewShift(desk_id=self.desk_id, opening_float=Dong(opening_float), **fields)  # type: ignore[arg-type]
        return await open_shift(self.context, ORGANIZATION, new, actor=actor or self.cashier)

    async def drawer(self) -> int:
        """The balance of the drawer's account in the ledger."""
        async with self.context.database.transaction(ORGANIZATION) as tx:
            found = await tx.fetchval(
                "SELECT balance FROM inline_balance JOIN ledger_account USING (organization_id) "
                "WHERE inline_balance.account_id = ledger_account.id AND role = 'cash_drawer' AND subject = $1",
                str(self.desk_id),
            )
        return int(found or 0)

    async def balance(self, role: str) -> int:
        """The balance of an account without a subject, on its debit side."""
        async with self.context.database.transaction(ORGANIZATION) as tx:
            found = await tx.fetchval(
                "SELECT sum(CASE WHEN debit_account_id = account.id THEN amount ELSE -amount END) FROM posting "
                "JOIN ledger_account AS account ON account.id IN (debit_account_id, credit_account_id) "
                "WHERE account.role = $1",
                role,
            )
        return int(found or 0)


async def open_desk(database: DatabaseAddress, context: PaymentContext, name: str = "Quầy 1") -> CashDesk:
    """A desk of the demo hospital, and persons with keys."""
    desk_id = await add_desk(
        Context(database=context.database), ORGANIZATION, facility_code=FACILITY_CODE, name=name, actor=Actor.system()
    )
    cashier, other, head, treasurer = await actors(
        database,
        context,
        ("quay-mot", "Nguyễn Thị Thu"),
        ("quay-hai", "Trần Văn Ngân"),
        ("truong-quay", "Lê Thị Trưởng"),
        ("thu-quy", "Phạm Văn Quỹ"),
    )
    return CashDesk(
        context=context, desk_id=desk_id, cashier=cashier, other_cashier=other, head=head, treasurer=treasurer
    )


async def as_owner(database: DatabaseAddress, statement: str) -> None:
    """Run a statement as the owner."""
    opened = await Database.open(database.owner_url)
    try:
        async with opened.transaction(ORGANIZATION) as tx:
            await tx.execute(statement)
    finally:
        await opened.close()
