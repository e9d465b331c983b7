"""A visit with four charges at a desk with an open shift, from its deposit to its final bills."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.core.clock import business_date
from billing.core.money import Dong, Shares
from billing.invoices.store.corrections import read_billed_shares
from billing.ops.approval_kinds import approve_subject
from billing.organizations.domain.approval import ApprovalKind
from billing.visit_accounts.domain.final_bill import FinalBill
from billing.visit_accounts.service.debts import NewDebt, agree_debt
from billing.visit_accounts.service.exemptions import ProposedExemption, propose_exemption
from billing.visit_accounts.service.final_bills import close_visit, find_final_bill, reopen_visit
from billing.visit_accounts.service.guarantees import NewGuarantee, confirm_guarantee, request_guarantee
from tests.visit_accounts.accounts import ORGANIZATION
from tests.visit_accounts.cashiers import CashDesk
from tests.visit_accounts.charged import ChargedVisit


@dataclass(frozen=True, slots=True)
class Stay:
    """A charged visit with the persons of a desk."""

    visit: ChargedVisit
    desk: CashDesk

    async def close(self) -> FinalBill:
        await close_visit(self.desk.context, ORGANIZATION, self.visit.open.visit_id, actor=self.desk.cashier)
        return (await find_final_bill(self.desk.context, ORGANIZATION, self.visit.open.visit_id)).final_bills[-1]

    async def reopen(self) -> None:
        await reopen_visit(
            self.desk.context, ORGANIZATION, self.visit.open.visit_id, reason="thêm thuốc", actor=self.desk.head
        )

    async def guarantee(self, confirmed: int, *, limit: int = 1_000_000, reference: str = "BL-1") -> UUID:
        context = self.desk.context
        new = NewGuarantee(payer="Bảo hiểm Tư", reference=reference, limit=Dong(limit))
        guarantee_id = await request_guarantee(
            context, ORGANIZATION, self.visit.open.visit_id, new, actor=self.desk.cashier
        )
        await confirm_guarantee(context, ORGANIZATION, guarantee_id, Dong(confirmed), actor=self.desk.cashier)
        return guarantee_id

    async def exempt(self, amount: int, fund: str = "poor_patients") -> None:
        context = self.desk.context
        exemption_id = await propose_exemption(
            context,
            ORGANIZATION,
            self.visit.open.visit_id,
            ProposedExemption(fund=fund, amount=Dong(amount), reason="hộ nghèo"),
            actor=self.desk.cashier,
        )
        await approve_subject(context, ORGANIZATION, ApprovalKind.EXEMPTION, exemption_id, actor=self.desk.head)

    async def owe(self) -> UUID:
        new = NewDebt(
            due_on=business_date(self.desk.context.clock()) + timedelta(days=30),
            reason="gia đình khó khăn",
            guarantor={"name": "Nguyễn Thị Con", "relation": "con", "phone": "0900000000"},
        )
        return await agree_debt(self.desk.context, ORGANIZATION, self.visit.open.visit_id, new, actor=self.desk.cashier)

    async def billed(self) -> list[Shares]:
        """The shares of each invoice at its corrected price, the oldest first."""
        async with self.desk.context.database.transaction(ORGANIZATION) as tx:
            return list((await read_billed_shares(tx, self.visit.open.visit_id)).values())
