"""Sample statements: one sheet per layout of a bank, each with the quirks of its edition, from the same four movements.

No file is stored: `statement_files` writes the sheets. Source of the layouts: docs/reference/statements.md, section 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from tests.reconciliation.formats.statement_files import Rows, Sheet

ACCOUNT = "0011000000017"
SECOND_ACCOUNT = "0011000000025"
OPENING, CLOSING = 10_000_000, 10_540_000


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of the samples: amount in đồng, positive for money in, with the balance after it."""

    day: date
    reference: str
    text: str
    amount: int
    balance: int

    @property
    def written(self) -> str:
        return f"{self.day:%d/%m/%Y}"

    @property
    def debit(self) -> str:
        return f"{-self.amount:,}" if self.amount < 0 else ""

    @property
    def credit(self) -> str:
        return f"{self.amount:,}" if self.amount > 0 else ""


MOVEMENTS = [
    Movement(date(2026, 1, 2), "FT26002000001", "MBVCB.0001.000001.HPB7K2QF9XA.CT tu 0099", 350_000, 10_350_000),
    Movement(date(2026, 1, 2), "FT26002000002", "Hoàn viện phí, HPBC4M8W2ZD", -50_000, 10_300_000),
    Movement(date(2026, 1, 2), "FT26002000003", "Nguyễn Văn Thử chuyển tiền", 120_000, 10_420_000),
    Movement(date(2026, 1, 3), "FT26003000001", "Tổng công ty Ví Dụ trả viện phí", 120_000, 10_540_000),
]
DEBITS, CREDITS = "50,000", "590,000"


def vietcombank_cashup(movements: Sequence[Movement] = MOVEMENTS) -> Sheet:
    """Two accounts in one sheet; day and document number in one cell."""
    rows: Rows = []
    for account, each in ((ACCOUNT, movements), (SECOND_ACCOUNT, [])):
        closing = each[-1].balance if each else 3_000_000
        rows += [
            ["SAO KÊ TÀI KHOẢN\nSTATEMENT OF ACCOUNT"],
            ["Số tài khoản/ Account number:", account],
            ["Loại tiền/ Currency:", "VND"],
            ["Từ/ From: 02/01/2026   Đến/ To: 03/01/2026"],
            ["Số dư đầu kỳ/ Opening balance", "", "", "", f"{OPENING if each else 3_000_000:,} VND"],
            ["STT", "Ngày giao dịch/ TNX Date - Số CT/ Doc No", "Số tiền ghi nợ/ Debit", "Số tiền ghi có/ Credit",
             "Số dư/ Balance", "Nội dung chi tiết/ Description"],
            *[
                [str(number), f"{move.written}                    {move.reference}", move.debit, move.credit,
                 f"{move.balance:,}", move.text]
                for number, move in enumerate(each, start=1)
            ],
            ["Tổng số/ Total", "", DEBITS if each else "0", CREDITS if each else "0"],
            ["Số dư cuối kỳ/ Closing balance", "", "", "", f"{closing:,} VND"],
            ["Giao dịch viên", "", "Kiểm soát viên"],
        ]  # fmt: skip
    return Sheet(rows, "VCBACCOUNTDETAIL_01")


def vietcombank_simple() -> Sheet:
    """No column of balances; the days of a group of rows are merged; closing balance only at the bottom."""
    rows: Rows = [
        ["Số tài khoản", ACCOUNT],
        ["Ngày giao dịch", "Số tham chiếu", "Số tiền ghi nợ", "Số tiền ghi có", "Mô tả"],
        ["Số dư đầu kỳ", "", "", "10,000,000", ""],
        *[
            [None if 0 < at < 3 else move.written, f"5078.{at}", move.debit, move.credit, move.text]
            for at, move in enumerate(MOVEMENTS)
        ],
        ["", "Tổng", DEBITS, CREDITS, ""],
        ["Số dư cuối kỳ", "", "", "10,540,000", ""],
    ]
    return Sheet(rows, merged=[(3, 5, 0)])


def vietcombank_signed() -> Sheet:
    """The older edition: a sign and one amount."""
    return Sheet(
        [
            ["Số tài khoản: 0011000000017"],
            ["Số dư đầu kỳ: 10,000,000"],
            ["Ngày giao dịch", "Số tham chiếu", "+/-", "Số tiền", "Mô tả"],
            *[
                [move.written, move.reference, "+" if move.amount > 0 else "-", f"{abs(move.amount):,}", move.text]
                for move in MOVEMENTS
            ],
            ["Số dư cuối kỳ: 10,540,000"],
        ]
    )


def vietinbank_efast() -> Sheet:
    """The day is blank on the following rows; two spaces in a heading; the title without a dot below its I."""
    return Sheet(
        [
            ["LICH SỬ GIAO DỊCH - TRANSACTION HISTORY"],
            ["Số tài khoản/ Account number", "", ACCOUNT],
            ["Từ ngày/ From", "", "02/01/2026", "đến ngày/ to", "03/01/2026"],
            ["SỐ DƯ ĐẦU KỲ/ OPENING BALANCE", "", "10,000,000", "", "SỐ DƯ CUỐI KỲ/ CLOSING BALANCE", "", "10,540,000"],
            ["Ngày phát sinh", "Ngày hạch toán", "Số giao dịch", "Mô tả giao dịch", "Nợ/ Debit", "Có  / Credit",
             "Số dư TK"],
            *[
                ["" if 0 < at < 3 else move.written, "" if 0 < at < 3 else move.written, move.reference, move.text,
                 move.debit, move.credit, f"{move.balance:,}"]
                for at, move in enumerate(MOVEMENTS)
            ],
        ]
    )  # fmt: skip


def vietinbank_marked() -> Sheet:
    """One amount with a column of marks; the newest row first."""
    return Sheet(
        [
            ["LICH SỬ GIAO DỊCH - TRANSACTION HISTORY"],
            ["Số tài khoản", ACCOUNT],
            ["Số dư đầu kỳ", "10,000,000", "Số dư cuối kỳ", "10,540,000"],
            ["Ngày hạch toán", "Số giao dịch", "Mô tả giao dịch", "D/C", "Số tiền", "Số dư"],
            *[
                [move.written, move.reference, move.text, "Nợ" if move.amount < 0 else "Có", f"{abs(move.amount):,}",
                 f"{move.balance:,}"]
                for move in reversed(MOVEMENTS)
            ],
        ]
    )  # fmt: skip


def bidv() -> Sheet:
    """Real days and numbers in the cells, an old account number in the head, no column of references."""
    return Sheet(
        [
            ["BÁO CÁO CHI TIẾT SỐ DƯ TÀI KHOẢN"],
            ["Tài khoản CŨ", "", "99990000000099"],
            ["Số tài khoản", "", ACCOUNT],
            ["Từ ngày", date(2026, 1, 2), "đến ngày", date(2026, 1, 3)],
            ["DƯ ĐẦU", "", 1, "", 10_000_000],
            ["NGÀY HIỆU LỰC", "GHI NỢ", "GHI CÓ", "SỐ DƯ", "MÔ TẢ"],
            *[
                [move.day, -move.amount if move.amount < 0 else None, move.amount if move.amount > 0 else None,
                 move.balance, f"{move.reference} {move.text}"]
                for move in MOVEMENTS
            ],
            ["CUỐI NGÀY", "", "", 10_540_000],
        ]
    )  # fmt: skip


def bidv_english() -> Sheet:
    return Sheet(
        [
            ["ACCOUNT BALANCE DETAILS"],
            ["Account number", "", ACCOUNT],
            ["Opening balance", "10,000,000"],
            ["EFFECTIVE DATE", "DEBIT", "CREDIT", "BALANCE", "DESCRIPTION"],
            *[[move.written, move.debit, move.credit, f"{move.balance:,}", move.text] for move in MOVEMENTS],
            ["Closing balance", "10,540,000"],
        ]
    )


def agribank() -> Sheet:
    """Days merged over their rows; balances only at the bottom; the reference inside of the text."""
    return Sheet(
        [
            ["NGÂN HÀNG NÔNG NGHIỆP VÀ PHÁT TRIỂN NÔNG THÔN"],
            ["Số tài khoản:", ACCOUNT],
            ["Ngày hạch toán", "Ngày chứng từ", "Số chứng từ", "Diễn giải", "Ghi Nợ", "Ghi Có", "Số dư"],
            *[
                [None if 0 < at < 3 else move.written, move.written, "", f"{move.text} {move.reference}", move.debit,
                 move.credit, f"{move.balance:,}"]
                for at, move in enumerate(MOVEMENTS)
            ],
            ["Tổng cộng", "", "", "", DEBITS, CREDITS, ""],
            ["Số dư cuối kỳ", "", "", "", "", "", "10,540,000"],
        ],
        merged=[(3, 5, 0)],
    )  # fmt: skip


def mb() -> Sheet:
    """Amounts with `.00`; the total row has neither a day nor a word."""
    return Sheet(
        [
            ["SAO KÊ CHI TIẾT TÀI KHOẢN"],
            ["Số tài khoản/ Account no:", "", ACCOUNT],
            ["NGÀY HẠCH TOÁN/\nPOSTING DATE", "NGÀY GIAO DỊCH", "PHÁT SINH NỢ/ DEBIT", "PHÁT SINH CÓ/ CREDIT",
             "SỐ DƯ/ BALANCE", "NỘI DUNG/ DESCRIPTION"],
            *[
                [move.written, move.written, f"{move.debit}.00" if move.debit else "0.00",
                 f"{move.credit}.00" if move.credit else "0.00", f"{move.balance:,}.00", move.text]
                for move in MOVEMENTS
            ],
            ["", "", f"{DEBITS}.00", f"{CREDITS}.00", "", ""],
        ]
    )  # fmt: skip


def techcombank() -> Sheet:
    """Negative debits, `+ ` in front of credits; one row is a movement, its fee and its tax."""
    debit, fee, tax = -48_900, -1_000, -100
    rows: Rows = [[""] for _ in range(12)]
    rows += [
        ["TRUY VẤN GIAO DỊCH / TRANSACTION ENQUIRY"],
        ["Số tài khoản/ Account number", "", "", "", "", "", ACCOUNT],
        ["Số dư đầu ngày/ Opening balance", "", "", "", "", "", "10,000,000"],
        ["Số dư cuối ngày/ Closing balance", "", "", "", "", "", "10,540,000"],
        ["Ngày KH thực hiện/\nRequesting date", "Ngày giao dịch/\nTransaction date", "Số bút toán/\nReference no",
         "Ngân hàng đối tác", "Tài khoản đích", "Tên tài khoản đối ứng", "Diễn giải/ Details", "Nợ/Debit", "Có/Credit",
         "Phí/Lãi", "Thuế/VAT", "Số dư/Running balance"],
        *[
            [move.written, move.written, move.reference, "Ngân hàng Ví Dụ", "0099", "NGUYEN VAN THU", move.text,
             f"{debit:,}" if move.amount < 0 else "", f"+ {move.credit}" if move.amount > 0 else "",
             f"{fee:,}" if move.amount < 0 else "", f"{tax:,}" if move.amount < 0 else "", f"{move.balance:,}"]
            for move in MOVEMENTS
        ],
    ]  # fmt: skip
    return Sheet(rows)


def acb() -> Sheet:
    """The values of the balances stand below their words."""
    return Sheet(
        [
            ["BẢNG SAO KÊ GIAO DỊCH"],
            ["Số tài khoản: 0011000000017"],
            ["Số dư đầu", "", "Số dư cuối"],
            ["10,000,000", "", "10,540,000"],
            ["Ngày giao dịch", "Số GD", "Nội dung", "Tiền rút ra", "Tiền gửi vào", "Số dư", "Tên đối ứng",
             "Số TK đối ứng"],
            *[
                [move.written, move.reference, move.text, move.debit, move.credit, f"{move.balance:,}",
                 "Nguyễn Văn Thử", "0099"]
                for move in MOVEMENTS
            ],
        ],
        "Statement",
    )  # fmt: skip


def vib() -> Sheet:
    """A column of currencies; the balances in the cells of their words."""
    return Sheet(
        [
            ["SAO KÊ THEO NGÀY GIAO DỊCH"],
            ["Số tài khoản: 0011000000017"],
            ["Số dư đầu kỳ: 10000000"],
            ["Ngày giao dịch", "Số chứng từ", "Mô tả", "Ghi nợ", "Ghi có", "Loại tiền", "Số dư"],
            *[
                [move.written, move.reference, move.text, move.debit, move.credit, "VND", f"{move.balance:,}"]
                for move in MOVEMENTS
            ],
            ["Số dư cuối kỳ: 10540000"],
        ],
        "CURRENTACCOUNTSTATEMENT",
    )


def generic() -> Sheet:
    return Sheet(
        [
            ["Tài khoản", ACCOUNT],
            ["Ngày giao dịch", "Số tham chiếu", "Ghi nợ", "Ghi có", "Số dư", "Mô tả"],
            *[
                [move.written, move.reference, move.debit, move.credit, f"{move.balance:,}", move.text]
                for move in MOVEMENTS
            ],
        ]
    )


SAMPLES: dict[str, Callable[[], Sheet]] = {
    "vietcombank_cashup": vietcombank_cashup,
    "vietcombank_simple": vietcombank_simple,
    "vietcombank_signed": vietcombank_signed,
    "vietinbank_efast": vietinbank_efast,
    "vietinbank_marked": vietinbank_marked,
    "bidv": bidv,
    "agribank": agribank,
    "mb": mb,
    "techcombank": techcombank,
    "acb": acb,
    "vib": vib,
    "generic": generic,
}
"""The sample of each profile, by the profile's name."""
