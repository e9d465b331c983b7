"""The events of a hospital that make entries, each by its use case over HTTP; `test_entries.py` lists their entries."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from billing.core.actor import Actor, ActorKind, Role
from billing.core.clock import business_date
from billing.core.ids import ReceiptId, ShiftId
from billing.visit_accounts.service.receipt_moves import move_receipt
from tests.builders import FACILITY_CODE, service_line, visit_document
from tests.flows.hospital_day import Day, cash
from tests.flows.journal import Move, read_moves
from tests.web.bill_day import open_charged
from tests.web.site import Site, key_of

_HEAD = (Role.HEAD_CASHIER, Role.TREASURER, Role.FINANCE, Role.CASHIER)
_DESTINATION = {"bank_bin": "970436", "account_number": "0011223344", "holder": "NGUYEN VAN THU"}
_PRIVATE = {"covers": ["copay", "self_pay"], "coinsurance_pct": "50", "guaranteed_by": "Bảo Việt"}


@dataclass(slots=True)
class Hospital:
    """A hospital of which every event is made once; `seen` are the entries of the events before."""

    site: Site
    day: Day
    bank_id: str
    terminal_id: str
    seen: set[str] = field(default_factory=set)
    visits: int = 0

    async def send(self, path: str, body: object = None, *, method: str = "POST", by: str = "cashier") -> Any:
        return await self.day.send(method, path, body, by=by)

    async def news(self) -> set[Move]:
        """The moves of the entries made since the last call."""
        moves = await read_moves(self.site)
        made = {move for entry_id, each in moves.items() if entry_id not in self.seen for move in each}
        self.seen = set(moves)
        return made

    async def charged(self) -> str:
        """A further open visit of which the patient pays 136 000."""
        self.visits += 1
        return await open_charged(self.site.client, f"LK-{self.visits}")

    async def collect(self, visit_id: str, *parts: dict[str, Any], by: str = "cashier", **target: object) -> Any:
        amount = sum(part["amount"] for part in parts)
        target = target or {"amount": amount}
        return await self.send(f"/visits/{visit_id}/collections", {**target, "parts": list(parts)}, by=by)

    def card(self, amount: int, code: str) -> dict[str, Any]:
        return {"method": "card", "amount": amount, "terminal_id": self.terminal_id, "approval_code": code}

    async def close(self, visit_id: str) -> Any:
        return await self.send(f"/visits/{visit_id}/final-bill", {})

    async def reopen(self, visit_id: str) -> None:
        await self.send(f"/visits/{visit_id}/reopen", {"reason": "bổ sung hồ sơ"}, by="head")

    async def cancel_all(self, ma_lk: str) -> None:
        for line in ("XML3-1", "XML3-2", "XML3-3", "XML2-1"):
            path = f"/facilities/{FACILITY_CODE}/visits/{ma_lk}/charges/{line}/cancel"
            await self.send(path, {"reason": "nhập nhầm người bệnh"})

    async def approve(self, kind: str) -> None:
        for proposal in (await self.send(f"/approvals?kind={kind}&state=proposed", method="GET", by="head"))["items"]:
            await self.send(f"/approvals/{proposal['id']}/approve", {}, by="head")

    async def owed_invoice(self) -> str:
        """An issued invoice of a visit that was recorded at once: the patient owes 136 000."""
        self.visits += 1
        invoice = await self.site.issue_invoice(ma_lk=f"LK-{self.visits}")
        invoice_id: str = invoice["id"]
        return invoice_id

    async def code_of(self, invoice_id: str) -> str:
        return await self.day.code(invoice_ids=[invoice_id])

    async def take_back(self, amount: int, *, original: str, transaction: str, text: str = "hoan tien") -> None:
        """The bank reports that it took money back, or that money left the account."""
        await self.day.report(transaction, text, amount, direction="debit", original_transaction_id=original)

    async def transfer(self, text: str, amount: int) -> str:
        """Money comes by transfer; returns the transaction of the bank."""
        await self.day.transfer(text, amount)
        return f"SB{self.day.transactions:014d}"

    async def refund(self, amount: int, *, way: str = "cash", **source: str) -> dict[str, Any]:
        destination = _DESTINATION if way == "manual_transfer" else None
        body = {**source, "amount": amount, "way": way, "reason": "hoàn tiền", "destination": destination}
        made: dict[str, Any] = await self.send("/refunds", body)
        return made


async def cash_of_a_shift(hospital: Hospital) -> None:
    shift = f"/shifts/{hospital.day.shift_id}"
    await hospital.send(f"{shift}/paid-in", {"amount": 200_000, "reason": "tiền lẻ"})
    await hospital.send(f"{shift}/paid-out", {"amount": 100_000, "reason": "trả bớt tiền lẻ"})
    for decision in ("accept", "reject"):
        sent = await hospital.send("/hand-overs", {"shift_id": hospital.day.shift_id, "amount": 50_000})
        reason = {"reason": "đếm thiếu"} if decision == "reject" else {}
        await hospital.send(f"/hand-overs/{sent['id']}/{decision}", reason or None, by="head")
    banked = {"amount": 50_000, "bank_account_id": hospital.bank_id, "slip": "NT-1"}
    await hospital.send("/bank-deposits", banked, by="head")


async def difference_of_a_count(hospital: Hospital) -> None:
    for counted, is_over in (({"500000": 2}, True), ({"500000": 1}, False)):
        desk = await hospital.send("/desks", {"facility_code": FACILITY_CODE, "name": f"Quầy {is_over}"})
        opened = {"desk_id": desk["id"], "opening_float": 600_000, "issued_float": 600_000}
        shift = await hospital.send("/shifts", opened, by="head")
        body = {"counted": counted, "difference_reason": "chưa rõ"}
        await hospital.send(f"/shifts/{shift['id']}/end", body, by="head")


async def money_at_the_desk(hospital: Hospital) -> None:
    await hospital.send(
        f"/facilities/{FACILITY_CODE}/cash-settings", {"rounding_step": 500, "hides_expected_cash": False}, method="PUT"
    )
    visit_id = await hospital.charged()
    await hospital.collect(visit_id, cash(10_200))
    await hospital.collect(visit_id, cash(10_300))
    await hospital.collect(visit_id, hospital.card(10_000, "A00001"))
    transfer = {"method": "transfer", "amount": 10_000, "bank_account_id": hospital.bank_id, "reference": "FT-1"}
    shift = await hospital.send("/desks", {"facility_code": FACILITY_CODE, "name": "Quầy trưởng"})
    await hospital.send("/shifts", {"desk_id": shift["id"], "opening_float": 0}, by="head")
    await hospital.collect(visit_id, transfer, by="head")
    invoice_id = await hospital.owed_invoice()
    invoice = await hospital.send(f"/invoices/{invoice_id}", method="GET")
    for part in (cash(10_000), hospital.card(10_000, "A00002"), {**transfer, "reference": "FT-2"}):
        by = "head" if part["method"] == "transfer" else "cashier"
        await hospital.collect(invoice["visit_id"], part, by=by, invoice_id=invoice_id)


async def money_by_transfer(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    await hospital.transfer(await hospital.day.code(visit_id=visit_id, is_standing=True), 10_000)
    await hospital.transfer(await hospital.code_of(await hospital.owed_invoice()), 150_000)
    await hospital.transfer("khong co ma", 20_000)


async def money_taken_back(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    standing = await hospital.day.code(visit_id=visit_id, is_standing=True)
    invoice_id = await hospital.owed_invoice()
    code = await hospital.code_of(invoice_id)
    came = [
        (await hospital.transfer(standing, 10_000), 10_000),
        (await hospital.transfer(code, 136_000), 136_000),
        (await hospital.transfer(code, 20_000), 20_000),
        (await hospital.transfer("khong co ma", 30_000), 30_000),
    ]
    await hospital.news()
    for number, (original, amount) in enumerate(came):
        await hospital.take_back(amount, original=original, transaction=f"BACK{number}")


async def money_that_left_first(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    standing = await hospital.day.code(visit_id=visit_id, is_standing=True)
    invoice_id = await hospital.owed_invoice()
    code = await hospital.code_of(invoice_id)
    coming = ((standing, 10_000), (code, 136_000), (code, 20_000), ("khong co ma", 30_000))
    for number, (text, amount) in enumerate(coming):
        original = f"SB{hospital.day.transactions + 1:014d}"
        await hospital.take_back(amount, original=original, transaction=f"FIRST{number}")
        await hospital.transfer(text, amount)
        if number == 1:  # the invoice owes again: it is paid, so that what comes next is credit
            await hospital.transfer(code, 136_000)


async def _insured(hospital: Hospital, version: int, *, pays_all: bool = False) -> str:
    """Send a visit with a private insurer and other funds, or as one of a patient who pays all; returns its id."""
    address = f"/facilities/{FACILITY_CODE}/visits/LK-BAO-HIEM"
    changes = {"cards": [], "MA_DOITUONG_KCB": "9"} if pays_all else {"private_insurance": _PRIVATE}
    document = visit_document(**changes)
    header = {key: value for key, value in document.items() if key not in ("lines", "MA_LK", "MA_CSKCB")}
    account = await hospital.send(address, {**header, "version": version}, method="PUT")
    line = service_line(1, name="Xét nghiệm", group=1, price="900000")
    if not pays_all:
        line["NGUONKHAC"] = {"NSNN": "5000.00"}
    await hospital.send(
        f"{address}/charges/XML3-1", {"version": version, "state": "performed", "item": line}, method="PUT"
    )
    visit_id: str = account["id"]
    return visit_id


async def invoice_of_four_payers(hospital: Hospital) -> None:
    visit_id = await _insured(hospital, 1)
    await hospital.day.owe(visit_id, "Nguyễn Thị Con", reason="gia đình xin trả sau")
    await hospital.close(visit_id)


async def correction_to_the_patient_and_back(hospital: Hospital) -> None:
    for version, pays_all in ((2, True), (3, False)):
        [visit] = (await hospital.send("/visits?ma_lk=LK-BAO-HIEM", method="GET"))["items"]
        await hospital.reopen(visit["id"])
        await _insured(hospital, version, pays_all=pays_all)
        await hospital.close(visit["id"])


async def bill_that_others_bear(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    guarantee = {"payer": "Công ty May", "reference": "BL-1", "limit": 50_000}
    made = await hospital.send(f"/visits/{visit_id}/guarantees", guarantee)
    await hospital.send(f"/guarantees/{made['id']}/confirm", {"amount": 50_000})
    exemption = {"fund": "poor_patients", "amount": 6_000, "reason": "hộ nghèo"}
    await hospital.send(f"/visits/{visit_id}/exemptions", exemption)
    await hospital.approve("exemption")
    await hospital.collect(visit_id, cash(60_000))
    await hospital.day.owe(visit_id, "Nguyễn Thị Con", reason="gia đình khó khăn")
    await hospital.close(visit_id)
    [debt] = (await hospital.send(f"/debts?visit_id={visit_id}", method="GET"))["items"]
    await hospital.send(f"/debts/{debt['id']}/write-off", {"reason": "không còn khả năng trả"})
    await hospital.approve("write_off")


async def bill_that_is_cancelled(hospital: Hospital) -> None:
    """All charges of the visit of the act before are cancelled: each bearer has its part back."""
    [visit] = (await hospital.send(f"/visits?ma_lk=LK-{hospital.visits}", method="GET"))["items"]
    await hospital.reopen(visit["id"])
    await hospital.cancel_all(f"LK-{hospital.visits}")
    await hospital.close(visit["id"])


async def surplus_that_pays_a_further_invoice(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    await hospital.collect(visit_id, cash(400_000))
    await hospital.close(visit_id)
    await hospital.reopen(visit_id)
    line = service_line(9, name="Siêu âm", group=1, price="100000")
    address = f"/facilities/{FACILITY_CODE}/visits/LK-{hospital.visits}/charges/XML3-9"
    await hospital.send(address, {"version": 1, "state": "performed", "item": line}, method="PUT")
    await hospital.close(visit_id)


async def refunds(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    await hospital.collect(visit_id, cash(90_000))
    over_paid = await hospital.code_of(await hospital.owed_invoice())
    for text, amount in ((over_paid, 150_000), ("khong co ma", 20_000)):
        await hospital.transfer(text, amount)
        payment = (await hospital.send("/payments", method="GET"))["items"][0]
        made = await hospital.refund(10_000, payment_id=payment["id"], way="manual_transfer")
        await hospital.send(f"/refunds/{made['id']}/cancel")
    await hospital.cancel_all(f"LK-{hospital.visits - 1}")
    made = await hospital.refund(10_000, visit_id=visit_id)
    await hospital.send(f"/refunds/{made['id']}/cancel")
    in_cash = await hospital.refund(20_000, visit_id=visit_id)
    by_bank = [await hospital.refund(10_000, visit_id=visit_id, way="manual_transfer") for _ in range(2)]
    await hospital.approve("refund")
    await hospital.send(f"/refunds/{in_cash['id']}/send", {})
    ids = [each["id"] for each in by_bank]
    order = {"refund_ids": ids, "bank_account_id": hospital.bank_id, "layout": "generic"}
    await hospital.send("/payment-orders", order)
    await hospital.send(f"/refunds/{ids[0]}/confirm", {"bank_reference": "FT26333000111"}, by="head")
    await hospital.take_back(10_000, original="", transaction="OUT1", text=by_bank[1]["reference"])


async def voided_receipts(hospital: Hospital) -> None:
    visit_id = await hospital.charged()
    invoice_id = await hospital.owed_invoice()
    invoice = await hospital.send(f"/invoices/{invoice_id}", method="GET")
    made = []
    for number, part in enumerate((cash(10_000), hospital.card(10_000, "A0001"), cash(9_000))):
        made.append(await hospital.collect(visit_id, part))
        other = hospital.card(10_000, f"B{number}") if part["method"] == "card" else part
        made.append(await hospital.collect(invoice["visit_id"], other, invoice_id=invoice_id))
    await hospital.news()
    for receipt in made:
        await hospital.send(f"/receipts/{receipt['id']}/void", {"reason": "nhầm người bệnh"}, by="head")


async def moved_receipt(hospital: Hospital) -> None:
    receipt = await hospital.collect(await hospital.charged(), cash(10_000))
    await hospital.news()
    # The shift that the head cashier has opened at a desk before.
    [row] = await hospital.site.as_owner(
        "SELECT id, cashier_id FROM shift WHERE state = 'open' ORDER BY id DESC LIMIT 1"
    )
    head = Actor(ActorKind.PERSON, row["cashier_id"], row["cashier_id"])
    await move_receipt(
        hospital.site.context,
        hospital.site.hospital.organization_id,
        ReceiptId(UUID(receipt["id"])),
        ShiftId(row["id"]),
        reason="lập nhầm ca",
        actor=head,
    )


async def card_batch(hospital: Hospital) -> None:
    batch = {
        "terminal_id": hospital.terminal_id,
        "day": business_date(hospital.site.context.clock()).isoformat(),
        "batch_number": "000001",
        "slips": [{"approval_code": "A00001", "amount": 10_000}, {"approval_code": "A00002", "amount": 10_000}],
        "gross": 20_000,
        "fee": 200,
        "net": 19_800,
    }
    await hospital.send("/card-batches", batch, by="head")


async def open_hospital(site: Site) -> Hospital:
    """A hospital with a desk, an open shift and a card terminal."""
    head = await key_of(site, *_HEAD)
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    bank_id = str(bank["id"])
    day = Day(site=site, head=head, desk_id="", shift_id="")
    desk = await day.send("POST", "/desks", {"facility_code": FACILITY_CODE, "name": "Quầy 1"})
    terminal = {"facility_code": FACILITY_CODE, "name": "POS 1", "terminal_number": "T01", "bank_account_id": bank_id}
    made = await day.send("POST", "/card-terminals", terminal)
    opened = {"desk_id": desk["id"], "opening_float": 500_000, "issued_float": 500_000}
    day.shift_id = (await day.send("POST", "/shifts", opened))["id"]
    return Hospital(site=site, day=day, bank_id=bank_id, terminal_id=made["id"])
