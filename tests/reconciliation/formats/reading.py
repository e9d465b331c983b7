"""Reading a whole statement file in a test."""

import io
from dataclasses import dataclass, field

from billing.reconciliation.domain.statement import Statement, StatementHead, StatementLine
from billing.reconciliation.formats.profile import Profile
from billing.reconciliation.formats.read_statements import read_statements


@dataclass
class ReadStatement:
    """One statement of a file with its lines."""

    head: StatementHead
    lines: list[StatementLine] = field(default_factory=list)
    statement: Statement | None = None

    @property
    def whole(self) -> Statement:
        assert self.statement is not None
        return self.statement

    @property
    def amounts(self) -> list[int]:
        return [line.amount for line in self.lines]


def read(
    content: bytes, *, profile: Profile | None = None, account: str | None = None, opening: int | None = None
) -> list[ReadStatement]:
    """Every statement of a file; each is complete, and its lines lead from its opening to its closing balance."""
    found: list[ReadStatement] = []
    for item in read_statements(io.BytesIO(content), profile=profile, account=account, opening=opening):
        if isinstance(item, StatementHead):
            found.append(ReadStatement(item))
        elif isinstance(item, StatementLine):
            found[-1].lines.append(item)
        else:
            found[-1].statement = item
    for each in found:
        assert each.whole.line_count == len(each.lines)
        assert each.whole.opening + sum(each.amounts) == each.whole.closing
        assert (each.head.position, each.head.bank_account_number) == (
            each.whole.position,
            each.whole.bank_account_number,
        )
    return found
