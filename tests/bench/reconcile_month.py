"""A month of collections, seeded: transfers with their faults, and what is right about each of them by construction.

A twentieth of the transfers goes through a gateway, which pays out once a day net of fees; the others are one line of
the statement each. 2 % have a fault, of every class in equal parts; a payout has a fault on four days. Every fault is
decidable from the files and the ledger. Lines of statement and report follow from `providers/sandbox/bank_day.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from billing.core.reference_code import RANDOM_NUMBERS, reference_code
from providers.sandbox.bank_day import UNREPORTED, FileFault, FileTerms, Payouts, Transfer
from providers.sandbox.message import SandboxMessage, SandboxPayer

DAYS = 30
GATEWAY_EACH = 20
FAULTS_EACH = 50
BANK_TERMS = FileTerms()
GATEWAY_TERMS = FileTerms(payouts=Payouts.DAILY, fee_basis_points=50, fee_fixed=1_000)

BANK_FAULTS = (
    FileFault.CALLBACK_MISSING,
    FileFault.AFTER_CUT_OFF,
    FileFault.DUPLICATE_TRANSFER,
    FileFault.RETURNED_TRANSFER,
    FileFault.AMOUNT_LOW,
    FileFault.AMOUNT_HIGH,
    FileFault.TEXT_UNREADABLE,
    FileFault.PROVIDER_ONLY,
    FileFault.BANK_ONLY,
    FileFault.LEDGER_ONLY,
)
PAYOUT_FAULTS = {
    8: FileFault.FEE_WITHHELD,
    12: FileFault.PAYOUT_NOT_SEEN,
    21: FileFault.FEE_WITHHELD,
    25: FileFault.PAYOUT_NOT_SEEN,
}
"""The faults of the payout of a day, by the day of its transfers, counted from 0."""

_VIETNAM_NOON = time(5, 0, tzinfo=UTC)  # 12:00 in Vietnam
_HALF_DAY_S = 5 * 3600
_CUT_OFF = timedelta(hours=11, minutes=45)  # after noon: 23:45
_NAMES = ("NGUYEN VAN AN", "TRAN THI BINH", "LE VAN CUONG", "PHAM THI DUNG", "HOANG VAN EM", "VO THI HOA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One collection: the request of `amount` under `code`, and the transfer that answers it. `number` is from 1."""

    number: int
    day: int
    code: str
    is_gateway: bool
    transfer: Transfer

    @property
    def fault(self) -> FileFault | None:
        return self.transfer.fault

    @property
    def has_payment(self) -> bool:
        """Whether the callback was received, so that the ledger has the payment."""
        return self.transfer.fault not in UNREPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The size and the names of one month. `first_day` is a Vietnamese day; codes begin with `prefix`."""

    lines: int
    first_day: date
    prefix: str
    account_number: str
    seed: int = 20261129

    def items(self) -> Iterator[Item]:
        """Every collection, oldest day first; the same for the same month."""
        random = Random(self.seed)
        position = random.randrange(FAULTS_EACH)
        faults = 0
        gateway_faults = 0
        payout_faults = dict(PAYOUT_FAULTS)
        for number in range(1, self.lines + 1):
            day = (number - 1) * DAYS // self.lines
            is_gateway = number % GATEWAY_EACH == 0
            fault: FileFault | None = None
            if is_gateway:
                fault = payout_faults.pop(day, None)
                if fault is None and day not in PAYOUT_FAULTS and number // GATEWAY_EACH % FAULTS_EACH == 1:
                    fault = FileFault.FEE_WRONG
                    gateway_faults += 1
            elif number >= position:
                fault = BANK_FAULTS[faults % len(BANK_FAULTS)]
                faults += 1
                position += FAULTS_EACH
                if fault is FileFault.AFTER_CUT_OFF and day == DAYS - 1:
                    fault = None  # the line would be on the statement of the next month
            yield self._item(random, number, day, is_gateway, fault)

    def _item(self, random: Random, number: int, day: int, is_gateway: bool, fault: FileFault | None) -> Item:
        # 613,651,357 and the number of codes have no common factor: no code occurs twice.
        code = reference_code(self.prefix, (number * 613_651_357 + self.seed) % RANDOM_NUMBERS)
        amount = random.randrange(21, 3_000) * 1_000
        noon = datetime.combine(self.first_day + timedelta(days=day), _VIETNAM_NOON)
        offset = timedelta(seconds=random.randrange(-_HALF_DAY_S, _HALF_DAY_S))
        payer = SandboxPayer(name=_NAMES[number % len(_NAMES)], account=f"{number:012d}")
        message = SandboxMessage(
            transaction_id=f"{'GW' if is_gateway else 'SB'}{number:012d}",
            bank_reference=self._bank_reference(number, day, fault),
            merchant_id="MONTH",
            account_number=self.account_number,
            amount=amount,
            status="SUCCEEDED",
            direction="credit",
            content=self._text(random, code, payer, fault),
            occurred_at=noon + (_CUT_OFF if fault is FileFault.AFTER_CUT_OFF else offset),
            payer=payer,
        )
        return Item(
            number=number,
            day=day,
            code=code,
            is_gateway=is_gateway,
            transfer=Transfer(message=message, fault=fault),
        )

    def _bank_reference(self, number: int, day: int, fault: FileFault | None) -> str:
        """Mostly a reference of its own; every ninth is of a bank whose references restart every day."""
        if number % 9 == 0 and fault is None:
            return f"5212.{(number - day * self.lines // DAYS) // 9:05d}"
        return f"FT{number:011d}"

    def _text(self, random: Random, code: str, payer: SandboxPayer, fault: FileFault | None) -> str:
        """The narrative: plain, inside a text of the payer's bank, with a split code, or without a code."""
        kind = random.randrange(100)
        if fault is None and kind < 5:
            return f"{payer.name} chuyen tien vien phi"
        if fault is None and kind < 10:
            return f"{code[:4]} {code[4:]} VIEN PHI"
        if kind < 40:
            return (
                f"MBVCB.{kind:010d}.{random.randrange(10**6):06d}.{code} VIEN PHI.CT tu {payer.account} {payer.name} "
                f"toi {self.account_number} BENH VIEN"
            )
        return f"{code} VIEN PHI"
