"""What the tests of matching work with: lines and reports imported by the use cases, and the state afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.reconciliation.service.import_settlement import import_settlement
from billing.reconciliation.service.import_statement import import_statement
from billing.reconciliation.service.match_lines import run_matching
from billing.reconciliation.store.match_runs import MatchRun
from tests.builders import ACCOUNT_NAME
from tests.flow import PaymentFlow
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

SYSTEM = Actor.system()

_REPORT_HEAD = "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"

_MATCHES = """
    SELECT match.rule, match.state, match.difference, match.entry_id IS NOT NULL AS is_posted,
        array_agg(item.item_kind || ' ' || item.amount ORDER BY item.item_kind, item.amount) AS items
    FROM match
    JOIN match_item AS item ON item.organization_id = match.organization_id AND item.match_id = match.id
    GROUP BY match.id, match.rule, match.state, match.difference, match.entry_id
    ORDER BY match.id
"""

_BALANCES = """
    SELECT account.role, sum(CASE WHEN posting.debit_account_id = account.id THEN posting.amount
        ELSE -posting.amount END)::bigint AS amount
    FROM posting
    JOIN ledger_account AS account ON account.id IN (posting.debit_account_id, posting.credit_account_id)
    WHERE account.role = ANY ($1)
    GROUP BY account.role
"""


@dataclass(slots=True)
class MatchingFlow:
    """The payment flow with statements and reports of the bank; the balance of the account is continued."""

    flow: PaymentFlow
    balance: int = 0
    reports: int = 0

    @property
    def today(self) -> date:
        return business_date(self.flow.context.clock())

    async def statement(self, *lines: Line, is_intraday: bool = False, name: str = "statement.csv") -> UUID:
        """Import a statement of these lines; returns its import."""
        content = statement_csv(*lines, opening=self.balance, account=self.flow.hospital.settings.account_number)
        result = await import_statement(
            self.flow.context,
            self.flow.hospital.organization_id,
            statement_file(content, name=name, is_intraday=is_intraday),
            actor=SYSTEM,
        )
        assert result.import_id is not None
        if not is_intraday:
            self.balance += sum(line.amount for line in lines)
        return result.import_id

    async def report(self, *rows: str, account: str = ACCOUNT_NAME) -> UUID:
        """Import a settlement report of the sandbox; `rows` as of `report_row`."""
        self.reports += 1
        result = await import_settlement(
            self.flow.context,
            self.flow.hospital.organization_id,
            BytesIO((_REPORT_HEAD + "".join(rows)).encode()),
            account_name=account,
            file_name=f"report-{self.reports}.csv",
            actor=SYSTEM,
        )
        assert result.import_id is not None
        return result.import_id

    async def match(self, import_id: UUID | None = None) -> MatchRun:
        return await run_matching(
            self.flow.context, self.flow.hospital.organization_id, actor=SYSTEM, import_id=import_id
        )

    def line(self, amount: int, text: str = "NOP TIEN", reference: str = "", *, days: int = 0) -> Line:
        """A line of today, or of days later or earlier."""
        return Line(amount=amount, text=text, reference=reference, day=date.fromordinal(self.today.toordinal() + days))

    def report_row(
        self, transaction: str, amount: int, *, status: str = "SUCCEEDED", fee: int = 0, paid_out_on: date | None = None
    ) -> str:
        """A row of the report."""
        day = "" if paid_out_on is None else paid_out_on.isoformat()
        return f"{transaction},,{status},{amount},{fee},FT-{transaction},{self.today} 08:00:00,{day}\r\n"

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        database, organization = self.flow.context.database, self.flow.hospital.organization_id
        async with database.transaction(organization, read_only=True) as tx:
            return list(await tx.fetch(query, *arguments))

    async def matches(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Rule, state and items of every match; a match without an entry has `!` before its rule."""
        return [
            (("" if row["is_posted"] else "!") + row["rule"], row["state"], tuple(row["items"]))
            for row in await self.fetch(_MATCHES)
        ]

    async def balances(self, *roles: str) -> Sequence[int]:
        """Debits less credits of all accounts of each role."""
        found = {row["role"]: row["amount"] for row in await self.fetch(_BALANCES, list(roles))}
        return [found.get(role, 0) for role in roles]
