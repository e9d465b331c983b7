"""Read the account of a visit: shares, charges, deposit, open requests."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.ids import OrganizationId, VisitId
from billing.core.money import NOTHING, Dong
from billing.db.context import Context
from billing.payments.domain.deposit import Deposit, DepositRequest
from billing.payments.store.deposits import read_deposit_of_visit, read_open_requests
from billing.payments.store.refunds import sum_waiting_refunds
from billing.visit_accounts.domain.account import VisitAccount, require_account
from billing.visit_accounts.domain.charge import Charge
from billing.visit_accounts.store.accounts import read_account
from billing.visit_accounts.store.charges import read_charges


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as the desk sees it. `requests` are the open deposit requests; `refunds_waiting` is the amount that is
    still owed to the patient, in đồng.
    """

    account: VisitAccount
    charges: Sequence[Charge]
    deposit: Deposit | None
    requests: Sequence[DepositRequest]
    refunds_waiting: Dong = NOTHING


async def find_account_view(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> AccountView:
    """The account of a visit. Raises NotFound where the visit has none."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = require_account(await read_account(tx, visit_id))
        charges = await read_charges(tx, visit_id)
        deposit = await read_deposit_of_visit(tx, visit_id)
        refunds_waiting = await sum_waiting_refunds(tx, visit_id)
        requests = [] if deposit is None else await read_open_requests(tx, deposit.id)
    return AccountView(
        account=account,
        charges=sorted(charges.values(), key=lambda charge: (charge.stt, charge.line)),
        deposit=deposit,
        requests=requests,
        refunds_waiting=refunds_waiting,
    )
