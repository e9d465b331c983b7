"""Steps: the certificate of a day is written with its closing, and read once the closing is sealed.

Source: docs/ledger-verification.md, Day certificate.
"""

from datetime import date, timedelta

from billing.core.errors import NotFound, Refused
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.seal import SealedKind, Value
from billing.ledger.store.balances import read_balances
from billing.ledger.store.days import DayClosing
from billing.ledger.store.sealed_rows import read_kind
from billing.ledger.store.seals import read_head_of_day
from billing.reconciliation.domain.day_certificate import CertifiedBalance, DayContent
from billing.reconciliation.formats.day_certificate import hash_content, write_certificate, write_content
from billing.reconciliation.service.day_results import DayResults
from billing.reconciliation.store.day_certificates import (
    add_certificate,
    read_content,
    read_lines,
    read_matched,
    read_sources,
    read_statements,
)

_KINDS = (SealedKind.CLOSING, SealedKind.DAY_CERTIFICATE)


class DayNotSealed(Refused):
    """The closing of the day is not sealed yet; the worker seals it within seconds."""

    code = "day_not_sealed"


async def add_day_certificate(tx: Transaction, closing: DayClosing, results: DayResults) -> None:
    """Write the certificate of a day in the transaction that closes it, under the locks of the closing."""
    day = closing.day
    content = DayContent(
        organization_id=tx.organization_id,
        day=day,
        entries=closing.entries,
        amount=closing.amount,
        balances=await read_movements(tx, day, day),
        sources=await read_sources(tx, day),
        statements=await read_statements(tx, day),
        lines=await read_lines(tx, day),
        matched=await read_matched(tx, day),
        results=results.accounts,
    )
    written = write_content(content)
    await add_certificate(tx, day, written, hash_content(written))


async def read_day_certificate(tx: Transaction, day: date) -> bytes:
    """The certificate of a closed day as a file. Raises NotFound, DayNotSealed."""
    content = await read_content(tx, day)
    if content is None:
        raise NotFound("that day is not closed, or closed before there were certificates", field="day")
    head = await read_head_of_day(tx, day)
    if head is None:
        raise DayNotSealed("the closing of that day is not sealed yet; read the certificate later", field="day")
    rows: dict[SealedKind, list[tuple[Value, ...]]] = {}
    for kind in _KINDS:
        rows[kind] = []
        async for piece in read_kind(tx, kind, covers_from=head.covers_from, covers_until=head.covers_until):
            rows[kind].extend(piece)
    return write_certificate(content, head, rows)


async def read_movements(tx: Transaction, first_day: date, last_day: date) -> list[CertifiedBalance]:
    """The ledger accounts of a period: opening and closing balances with the movements between them."""
    eve = first_day - timedelta(days=1)
    before = {each.account_id: each for each in await read_balances(tx, until=eve, chart_on=last_day)}
    found = []
    for each in await read_balances(tx, until=last_day, chart_on=last_day):
        earlier = before[each.account_id]
        balance = CertifiedBalance(
            role=each.role,
            subject=each.subject,
            opening=Dong(earlier.debit - earlier.credit),
            debit=Dong(each.debit - earlier.debit),
            credit=Dong(each.credit - earlier.credit),
            closing=Dong(each.debit - each.credit),
        )
        if balance.opening or balance.debit or balance.credit:
            found.append(balance)
    return sorted(found, key=lambda each: (each.role, each.subject))
