"""The files of the bank simulator are read by our readers, with each fault as it was requested."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from random import Random

import httpx
import pytest

from billing.reconciliation.domain.statement import LineKey, StatementLine, StatementUnreadable, line_key
from billing.reconciliation.domain.statement_chain import check_chain
from providers.contract import Movement, SettlementLine, SettlementUnreadable
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_day import FileFault, FileTerms, Payouts
from providers.sandbox.bank_simulator import BankSimulator, Behaviour, ScanRefused
from providers.sandbox.day_files import OPENING_BALANCE, DayFiles
from providers.sandbox.message import SandboxSettings
from tests.reconciliation.formats.reading import ReadStatement, read

SETTINGS = SandboxSettings(
    bank_bin="970436",
    account_number="0000000000017",
    account_holder="BENH VIEN TEST",
    merchant_id="BVTEST",
    secret="a-secret-of-the-tests",
)
SANDBOX = Sandbox(SETTINGS, client=httpx.AsyncClient())
CODE, AMOUNT = "K7ABCDEFR", 350_000
DAY = date(2026, 1, 2)
NEXT = DAY + timedelta(days=1)
STATEMENTS: dict[str, Callable[[DayFiles, date], bytes]] = {
    "csv": DayFiles.statement_csv,
    "mt940": DayFiles.statement_mt940,
}


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bank(clock: Clock) -> BankSimulator:
    return BankSimulator(httpx.AsyncClient(), "http://none.test/", SETTINGS, clock=clock, random=Random(7))


def payload(amount: int = AMOUNT) -> str:
    particulars = Particulars(purpose=f"{CODE} VIEN PHI")
    return build_vietqr(
        VietQr(
            bank_bin=SETTINGS.bank_bin,
            account_number=SETTINGS.account_number,
            amount=amount,
            particulars=particulars,
        )
    )


def files(bank: BankSimulator, terms: FileTerms | None = None) -> DayFiles:
    return bank.transactions.files(terms or FileTerms())


def statement(bank: BankSimulator, day: date, *, kind: str = "csv", terms: FileTerms | None = None) -> ReadStatement:
    [found] = read(STATEMENTS[kind](files(bank, terms), day))
    return found


def report(bank: BankSimulator, day: date, terms: FileTerms | None = None) -> list[SettlementLine]:
    return list(SANDBOX.read_settlement(BytesIO(files(bank, terms).settlement(day))))


@pytest.mark.parametrize("kind", STATEMENTS)
def test_statement_has_the_transfers_of_its_day(bank: BankSimulator, kind: str) -> None:
    sent = [bank.transfer(payload(), behaviour) for behaviour in (Behaviour.EXACT, Behaviour.WRAPPED, Behaviour.OVER)]

    found = statement(bank, DAY, kind=kind)

    assert [(line.booked_on, line.amount, line.bank_reference) for line in found.lines] == [
        (DAY, message.amount, message.bank_reference) for message in sent
    ]
    assert all(CODE in line.text for line in found.lines)
    assert (found.whole.opening, found.whole.closing) == (OPENING_BALANCE, OPENING_BALANCE + 3 * AMOUNT + 10_000)
    assert found.head.bank_account_number == SETTINGS.account_number


@pytest.mark.parametrize("kind", STATEMENTS)
@pytest.mark.parametrize("seed", range(5))
def test_split_text_is_read_as_one_line(clock: Clock, kind: str, seed: int) -> None:
    bank = BankSimulator(httpx.AsyncClient(), "http://none.test/", SETTINGS, clock=clock, random=Random(seed))
    bank.transfer(payload(), Behaviour.SPLIT)

    [line] = statement(bank, DAY, kind=kind).lines

    assert line.text.replace(" ", "").startswith(CODE)


@pytest.mark.parametrize("kind", STATEMENTS)
def test_statements_of_days_form_a_chain(bank: BankSimulator, clock: Clock, kind: str) -> None:
    for day in range(3):
        clock.now = datetime(2026, 1, 2 + day, 8, tzinfo=UTC)
        for _ in range(day):
            bank.transfer(payload())

    found = [statement(bank, DAY + timedelta(days=day), kind=kind).whole for day in range(3)]

    assert [each.line_count for each in found] == [0, 1, 2]
    assert check_chain(found) == []


def test_message_cut_at_a_line_is_refused(bank: BankSimulator) -> None:
    for _ in range(3):
        bank.transfer(payload())
    lines = files(bank).statement_mt940(DAY).splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if line.startswith(b":62F:"))

    for count in range(1, last + 1):
        with pytest.raises(StatementUnreadable):
            read(b"".join(lines[:count]))
    assert len(read(b"".join(lines[: last + 1]))[0].lines) == 3


def test_csv_cut_inside_a_line_is_refused(bank: BankSimulator) -> None:
    for _ in range(3):
        bank.transfer(payload())
    content = files(bank).statement_csv(DAY)

    for length in range(content.index(CODE.encode()), len(content) - 2):
        if content[:length].endswith((b"\r", b"\r\n")):
            continue  # a whole row is missing: the next statement shows the gap
        with pytest.raises(StatementUnreadable):
            read(content[:length])
    assert len(read(content)[0].lines) == 3


def test_both_editions_of_a_statement_give_the_same_bookings(bank: BankSimulator) -> None:
    for fault in (None, *FileFault):
        bank.transfer(payload(), fault=fault)

    def bookings(kind: str) -> list[tuple[date, int, str | None]]:
        lines = [*statement(bank, DAY, kind=kind).lines, *statement(bank, NEXT, kind=kind).lines]
        return [(line.booked_on, line.amount, line.bank_reference) for line in lines]

    assert bookings("csv") == bookings("mt940")


# What statement (of the day, of the next day) and report (of both days) have of one transfer of 350,000 đ.
RECEIVED = ("received", AMOUNT, 0)
EXPECTED: dict[FileFault, tuple[list[int], list[int], list[tuple[str, int, int]]]] = {
    FileFault.CALLBACK_MISSING: ([350_000], [], [RECEIVED]),
    FileFault.FEE_WITHHELD: ([348_900], [], [RECEIVED]),
    FileFault.FEE_WRONG: ([350_000], [], [("received", AMOUNT, 1_100)]),
    FileFault.AFTER_CUT_OFF: ([], [350_000], [RECEIVED]),
    FileFault.DUPLICATE_TRANSFER: ([350_000, 350_000], [], [RECEIVED, RECEIVED]),
    FileFault.RETURNED_TRANSFER: ([350_000, -350_000], [], [RECEIVED, ("reversed", AMOUNT, 0)]),
    FileFault.AMOUNT_LOW: ([340_000], [], [RECEIVED]),
    FileFault.AMOUNT_HIGH: ([360_000], [], [RECEIVED]),
    FileFault.TEXT_UNREADABLE: ([350_000], [], [RECEIVED]),
    FileFault.PROVIDER_ONLY: ([], [], [RECEIVED]),
    FileFault.BANK_ONLY: ([350_000], [], []),
    FileFault.LEDGER_ONLY: ([], [], []),
    FileFault.PAYOUT_NOT_SEEN: ([], [], [RECEIVED]),
}


@pytest.mark.parametrize("fault", FileFault)
def test_fault_is_in_the_files_as_requested(bank: BankSimulator, fault: FileFault) -> None:
    message = bank.transfer(payload(), fault=fault)

    today, tomorrow = statement(bank, DAY), statement(bank, NEXT)
    reported = [*report(bank, DAY), *report(bank, NEXT)]

    assert (
        today.amounts,
        tomorrow.amounts,
        [(line.movement.value, line.amount, line.fee) for line in reported],
    ) == EXPECTED[fault]
    lines = [*today.lines, *tomorrow.lines]
    has_code = [CODE in line.text for line in lines]
    is_unnamed = fault in (FileFault.TEXT_UNREADABLE, FileFault.BANK_ONLY)
    assert not any(has_code) if is_unnamed else all(has_code)
    assert len({line.transaction for line in reported}) == len(reported)
    if reported:
        assert (reported[0].transaction, reported[0].bank_reference) == (message.transaction_id, message.bank_reference)
        assert reported[0].paid_out_on == (NEXT if fault is FileFault.PAYOUT_NOT_SEEN else None)


DAILY = FileTerms(payouts=Payouts.DAILY, fee_basis_points=50, fee_fixed=1_000)
# One transfer of 350,000 đ without a fault and one with: 0.5 % + 1,000 đ of 350,000 đ is 2,750 đ.
NET = 350_000 - 2_750
PAID: dict[FileFault, list[int]] = {
    FileFault.CALLBACK_MISSING: [2 * NET],
    FileFault.FEE_WITHHELD: [2 * NET - 1_100],
    FileFault.FEE_WRONG: [2 * NET - 1_100],
    FileFault.AFTER_CUT_OFF: [NET],
    FileFault.DUPLICATE_TRANSFER: [3 * NET],
    FileFault.RETURNED_TRANSFER: [2 * NET - 350_000],
    FileFault.AMOUNT_LOW: [2 * NET - 10_000],
    FileFault.AMOUNT_HIGH: [2 * NET + 10_000],
    FileFault.TEXT_UNREADABLE: [2 * NET],
    FileFault.PROVIDER_ONLY: [2 * NET],
    FileFault.BANK_ONLY: [NET],
    FileFault.LEDGER_ONLY: [NET],
    FileFault.PAYOUT_NOT_SEEN: [],
}


@pytest.mark.parametrize("fault", FileFault)
def test_daily_payout_is_the_report_net_of_fees(bank: BankSimulator, fault: FileFault) -> None:
    bank.transfer(payload())
    bank.transfer(payload(), fault=fault)

    lines = report(bank, DAY, DAILY)
    found = statement(bank, NEXT, terms=DAILY)

    assert found.amounts == PAID[fault]
    if fault is FileFault.PAYOUT_NOT_SEEN:
        return
    net = sum((-1 if each.movement is Movement.REVERSED else 1) * each.amount - each.fee for each in lines)
    assert found.amounts == [net - (1_100 if fault is FileFault.FEE_WITHHELD else 0)]
    assert {each.paid_out_on for each in lines} == {NEXT}
    assert (found.lines[0].bank_reference is None) == (fault is FileFault.TEXT_UNREADABLE)


def test_transfers_of_equal_content_have_keys_of_their_own(bank: BankSimulator) -> None:
    for _ in range(2):
        bank.transfer(payload(), fault=FileFault.TEXT_UNREADABLE)

    first, second = statement(bank, DAY).lines

    def key(line: StatementLine) -> LineKey:
        return line_key(SETTINGS.account_number, line)

    assert (first.text, first.amount, first.bank_reference) == (second.text, second.amount, None)
    assert key(first) != key(second)


def test_card_batch_is_credited_on_the_next_day_net_of_its_fee(bank: BankSimulator) -> None:
    slips = [bank.pay_by_card(amount) for amount in (136_000, 350_050)]

    content = files(bank).card_batch(DAY)

    assert content is not None
    # 1 % of 486,050 đ, rounded down, is 4,860 đ.
    assert json.loads(content) == {
        "day": "2026-01-02",
        "batch_number": "260102",
        "gross": 486_050,
        "fee": 4_860,
        "net": 481_190,
        "slips": [{"approval_code": each.approval_code, "amount": each.amount} for each in slips],
    }
    assert files(bank).card_batch(NEXT) is None
    assert statement(bank, NEXT).amounts == [481_190]


def test_fault_of_a_small_amount_is_refused(bank: BankSimulator) -> None:
    with pytest.raises(ScanRefused, match="20000"):
        bank.transfer(payload(20_000), fault=FileFault.AMOUNT_LOW)

    assert bank.transfer(payload(20_000)).amount == 20_000
    assert bank.transfer(payload(20_001), fault=FileFault.AMOUNT_LOW).amount == 20_001


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("350000", "3.5E+05", "line 2: .*amount"),
        ("2026-01-02 15:15:30", "02/01/2026", "line 2: .*timestamp"),
        ("2026-01-03", "03.01.2026", "line 2: .*day"),
        (",paid_out_on", "", "line 1: .*'paid_out_on'"),
    ],
)
def test_changed_report_is_refused_whole(bank: BankSimulator, old: str, new: str, wrong: str) -> None:
    bank.transfer(payload())
    content = files(bank, DAILY).settlement(DAY).decode("utf-8-sig")
    assert content.count(old) == 1
    assert len(list(SANDBOX.read_settlement(BytesIO(content.encode())))) == 1

    with pytest.raises(SettlementUnreadable, match=wrong):
        list(SANDBOX.read_settlement(BytesIO(content.replace(old, new).encode())))
