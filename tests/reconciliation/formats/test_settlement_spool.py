"""A settlement file in its temporary file: keys of equal lines, bounded memory, nothing of a file with a fault."""

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from tempfile import TemporaryFile

import pytest

from billing.reconciliation.domain.file_import import SettlementRefused, settlement_key
from billing.reconciliation.formats import chunk_file, settlement_spool
from billing.reconciliation.formats.settlement_spool import SettlementSpool
from providers.contract import Movement, SettlementLine, SettlementUnreadable

AT = datetime(2026, 11, 2, 1, 15, 30, 250_000, tzinfo=UTC)


def line(number: int, *, transaction: str = "T", amount: int = 100_000, occurred_at: datetime = AT) -> SettlementLine:
    return SettlementLine(
        number=number,
        transaction=transaction,
        reference=None,
        amount=amount,
        movement=Movement.RECEIVED,
        occurred_at=occurred_at,
        paid_out_on=date(2026, 11, 3),
        fee=1_100,
        bank_reference="FT1",
    )


def test_equal_lines_are_numbered_through_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_file, "CHUNK", 2)
    monkeypatch.setattr(settlement_spool, "_HASHES_AT_ONCE", 2)
    names = ["A", "B", "A", "C", "A", "B"]
    spool = SettlementSpool(BytesIO())

    read = spool.read(line(number, transaction=name) for number, name in enumerate(names, start=2))

    assert (read.line_count, read.amount, read.fee, read.paid_out_days) == (6, 600_000, 6_600, (date(2026, 11, 3),))
    for _ in range(2):  # it is read again where a later report states payout days
        found = [each for chunk in spool.chunks() for each in chunk]
        assert [(each.transaction, each.row) for each in found] == list(zip(names, range(2, 8), strict=True))
        assert [each.key for each in found] == [
            settlement_key("received", name, amount=100_000, fee=1_100, ordinal=ordinal)
            for name, ordinal in zip(names, (1, 1, 2, 1, 3, 2), strict=True)
        ]
        assert {(each.occurred_at, each.paid_out_on) for each in found} == {(AT, date(2026, 11, 3))}


def test_memory_does_not_grow_with_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement_spool, "_HASHES_AT_ONCE", 2_000)

    grown = _peak(20_000) - _peak(5_000)

    assert grown < 15_000 * 60  # bytes; a stored line has several hundred


def _peak(lines: int) -> int:
    with TemporaryFile() as file:
        tracemalloc.start()
        try:
            spool = SettlementSpool(file)
            spool.read(line(number, transaction=f"T{number}" * 20) for number in range(lines))
            for _ in spool.chunks():
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_fault_in_the_last_line_refuses_the_file() -> None:
    def lines() -> Iterator[SettlementLine]:
        yield line(2)
        raise SettlementUnreadable("no CSV", 3)

    with pytest.raises(SettlementRefused, match="line 3: no CSV"):
        SettlementSpool(BytesIO()).read(lines())


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (line(3, amount=0), "an amount is above 0"),
        (line(3, transaction="T\x00"), "a text has a NUL character"),
        (line(3, occurred_at=datetime.min.replace(tzinfo=UTC)), "a day is before 1990"),
    ],
)
def test_line_that_cannot_be_stored_refuses_the_file(wrong: SettlementLine, problem: str) -> None:
    with pytest.raises(SettlementRefused, match=f"line 3: {problem}"):
        SettlementSpool(BytesIO()).read([line(2), wrong])


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement_spool, "LINES_MAX", 2)

    with pytest.raises(SettlementRefused, match="more than 2 lines"):
        SettlementSpool(BytesIO()).read([line(2), line(3), line(4)])
