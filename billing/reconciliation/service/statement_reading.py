"""Steps: a statement file read whole, with its bank accounts, and its lines as they are stored.

`equal_lines.py` counts equal lines across files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO
from uuid import UUID

from billing.core.errors import NotFound
from billing.core.reference_code import Grammar, organization_grammar, rejoined_codes
from billing.db.context import Context, Ids
from billing.db.database import Transaction
from billing.organizations.store.organizations import read_prefixes
from billing.reconciliation.domain.file_import import BankAccountAmbiguous, BankAccountUnknown
from billing.reconciliation.domain.virtual_account import VirtualAccounts
from billing.reconciliation.formats.profile import Profile
from billing.reconciliation.formats.statement_spool import SpooledFile, SpooledLine, StatementSpool
from billing.reconciliation.service.equal_lines import Continued, find_continued
from billing.reconciliation.store.imports import (
    StatedAccount,
    find_codes_not_issued,
    read_bank_accounts,
    read_virtual_account_prefixes,
)
from billing.reconciliation.store.statements import NewLine, NewStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A file of a bank; the stream is seekable.

    Used only where the file does not state it: `account` is the number of the bank account, `opening` the opening
    balance. `account_of` names the provider account whose bank account the file states; it decides between two banks
    that have an account of one number. `is_intraday`: the file states an unfinished day, and its lines are tentative
    until a complete statement repeats them.
    """

    stream: BinaryIO
    file_name: str
    profile: Profile | None = None
    account: str | None = None
    account_of: str | None = None
    opening: int | None = None
    is_intraday: bool = False


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Lines that were read from the file, and lines that are stored; `lines` is the total, None while it is read."""

    read: int
    stored: int
    lines: int | None


OnProgress = Callable[[ImportProgress], None]
"""Receives progress; called from a thread while the file is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRules:
    """What the organization knows of its statements: the grammar of its codes, and the account that was named."""

    grammar: Grammar
    account: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatements:
    """The statements of a complete file with their bank accounts.

    `accounts` are the bank accounts by number; `continued` holds, by position, the lines that precede a statement on
    its first day, `virtual_accounts` finds those of each bank account.
    """

    spooled: SpooledFile
    accounts: Mapping[str, UUID]
    statements: Sequence[NewStatement]
    continued: Mapping[int, Continued]
    virtual_accounts: Mapping[UUID, VirtualAccounts]


async def read_rules(tx: Transaction, file: StatementFile) -> StatementRules:
    """The rules by which a file is read. Raises NotFound for the provider account that the caller names."""
    account = file.account
    if file.account_of is not None:
        found = await read_bank_accounts(tx, [], account_name=file.account_of)
        if not found:
            raise NotFound("no provider account of this name has a bank account", field="account_of")
        account = found[0].account_number
    return StatementRules(grammar=organization_grammar(await read_prefixes(tx)), account=account)


def spool_file(
    file: StatementFile, rules: StatementRules, spool: StatementSpool, on_progress: OnProgress | None
) -> SpooledFile:
    """Read a file whole; it takes long: call it in a thread. Raises StatementUnreadable."""

    def on_line(count: int) -> None:
        if on_progress is not None:
            on_progress(ImportProgress(count, 0, None))

    return spool.read(
        file.stream,
        grammar=rules.grammar,
        profile=file.profile,
        account=rules.account,
        opening=file.opening,
        on_line=on_line,
    )


async def find_accounts(
    tx: Transaction, context: Context, file: StatementFile, spool: StatementSpool, spooled: SpooledFile
) -> ReadStatements:
    """The bank account of each statement, and the statement that it continues during a day.

    Raises BankAccountUnknown, BankAccountAmbiguous.
    """
    numbers = sorted({each.bank_account_number for each in spooled.statements})
    found = await read_bank_accounts(tx, numbers, account_name=file.account_of)
    accounts = {number: _bank_account(number, found, file.account_of) for number in numbers}
    statements: list[NewStatement] = []
    continued: dict[int, Continued] = {}
    last: dict[str, NewStatement] = {}
    for each in spooled.statements:
        before = last.get(each.bank_account_number)
        bank_account_id = accounts[each.bank_account_number]
        if before is not None and before.statement.closing == each.opening:
            # The reader counts on inside of the file; what precedes the statement before it precedes this one too.
            earlier = continued.get(before.statement.position)
            known = earlier if earlier is not None and earlier.day == each.from_day else None
            continues = before.id if before.statement.to_day == each.from_day else None
        else:
            known = await find_continued(tx, spool, each, bank_account_id)
            continues = None if known is None else known.statement_id
        if known is not None:
            continued[each.position] = known
        new = NewStatement(id=context.ids.new(), bank_account_id=bank_account_id, statement=each, continues=continues)
        statements.append(new)
        last[each.bank_account_number] = new
    prefixes = await read_virtual_account_prefixes(tx, list(accounts.values()))
    return ReadStatements(
        spooled=spooled,
        accounts=accounts,
        statements=statements,
        continued=continued,
        virtual_accounts={each: VirtualAccounts(prefixes.get(each, ())) for each in accounts.values()},
    )


def _bank_account(number: str, found: Sequence[StatedAccount], account_of: str | None) -> UUID:
    of_number = [each for each in found if each.account_number == number]
    if account_of is not None:
        of_number = [each for each in of_number if account_of in each.names]
    if not of_number:
        owner = "this organization" if account_of is None else f"provider account {account_of}"
        raise BankAccountUnknown(
            f"bank account {number} is not an account of {owner}; import the statements of its own accounts",
            field="account",
        )
    if len(of_number) > 1:
        raise BankAccountAmbiguous(
            f"two banks have an account {number}; name the provider account of the statement", field="account_of"
        )
    return of_number[0].id


def build_lines(read: ReadStatements, ids: Ids, chunk: Sequence[SpooledLine]) -> list[NewLine]:
    """A chunk as it is stored, with the codes that may never have been issued; takes some time: call it in a thread."""
    statements = {each.statement.position: each for each in read.statements}
    days = {number: date.fromordinal(number) for number in {line.booked_on for line in chunk}}
    lines = []
    for id_, line in zip(ids.several(len(chunk)), chunk, strict=True):
        statement = statements[line.position]
        continued = read.continued.get(line.position)
        number = statement.statement.bank_account_number
        lines.append(
            NewLine(
                id_,
                statement.bank_account_id,
                line.key if continued is None else continued.key_of(line, number),
                days[line.booked_on],
                None if line.occurred_at is None else datetime.fromisoformat(line.occurred_at),
                line.amount,
                line.balance,
                line.kind,
                line.bank_reference,
                read.virtual_accounts[statement.bank_account_id].find(line.text, line.account),
                line.codes,
                line.is_rejoined,
                line.row,
                line.sheet,
                line.position,
                line.text,
                line.name,
                line.account,
                line.bank,
            )
        )
    return lines


async def drop_codes(tx: Transaction, grammar: Grammar, lines: Sequence[NewLine]) -> list[NewLine]:
    """The lines without the codes that were never issued.

    Where none of the codes in a text was issued, those that are readable after spaces and signs are removed count.
    """
    codes = {code for line in lines if line.codes for code in line.codes.split()}
    unknown = await find_codes_not_issued(tx, codes) if codes else set()
    if not unknown:
        return list(lines)
    issued = codes - unknown
    rejoined: dict[UUID, tuple[str, ...]] = {}
    for line in lines:
        if line.codes and not line.is_rejoined and issued.isdisjoint(line.codes.split()):
            rejoined[line.id] = rejoined_codes(line.text, grammar)
    if further := {code for found in rejoined.values() for code in found} - codes:
        issued |= further - await find_codes_not_issued(tx, further)
    return [_with_issued(line, rejoined.get(line.id), issued) if line.codes else line for line in lines]


def _with_issued(line: NewLine, rejoined: Sequence[str] | None, issued: set[str]) -> NewLine:
    codes = " ".join(code for code in (line.codes.split() if rejoined is None else rejoined) if code in issued)
    return line._replace(codes=codes, is_rejoined=bool(codes) and (line.is_rejoined or rejoined is not None))


def distinct_parts(lines: Sequence[NewLine]) -> Iterator[list[NewLine]]:
    """The lines in parts of distinct keys: statements of one file may repeat lines of each other."""
    part: list[NewLine] = []
    keys: set[tuple[UUID, str]] = set()
    for each in lines:
        key = each.bank_account_id, each.key
        if key in keys:
            yield part
            part, keys = [], set()
        keys.add(key)
        part.append(each)
    if part:
        yield part
