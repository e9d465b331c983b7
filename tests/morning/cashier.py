"""How a cashier serves the patients of the morning, each by means and fault. Every step is one of the desk's pages."""

import re
from urllib.parse import parse_qs, urlsplit

from providers.sandbox.bank_simulator import BankSimulator
from tests.morning.desk import Desk, card_of, cash_of
from tests.morning.desk_money import BANK_BIN, pay_refund_in_cash, put_code_away, refund_line, void_receipt
from tests.morning.hospital import Hospital
from tests.morning.page import Page, words
from tests.morning.payers import Payers
from tests.morning.plan import Fault, Means, Patient, namesake
from tests.morning.record import Record, Visited

PIN = "258036"
_CODE = re.compile(r'<b class="code">([0-9A-Z]{9})</b>')
_ROOM = "Phòng chức năng báo chưa làm"
_REASON = "Người bệnh không làm"


class Cashier:
    """A cashier at a desk. `payers` do what patients do with their phones, `bank` has the card terminal."""

    def __init__(self, desk: Desk, hospital: Hospital, payers: Payers, bank: BankSimulator, record: Record) -> None:
        self.desk = desk
        self._hospital = hospital
        self._payers = payers
        self._bank = bank
        self._record = record

    async def serve(self, visited: Visited) -> None:
        """Serve a patient who has come to the desk. A patient who pays by QR has left when this returns."""
        visited.desk = self.desk.name
        patient = visited.patient
        if patient.fault is Fault.WRONG_PATIENT:
            await self._open_a_namesake(patient)
        await self._open(visited)
        match patient.means:
            case Means.QR:
                await self._show_code(visited)
            case Means.CASH:
                await self._take_cash(visited)
            case Means.CARD:
                await self._take_card(visited)

    async def waiting_codes(self) -> str:
        """The text of the strip of codes that wait at the desk; empty where none does and all receipts are printed.

        The receipts that the strip names as not yet printed are printed.
        """
        await self.desk.open_desk()
        strip = (await self.desk.fragment("GET", "/desk/waiting?visit=")).text
        await self.desk.print_paid(Page(strip))
        return words(strip)

    async def _open(self, visited: Visited) -> None:
        patient = visited.patient
        opened = await self.desk.scan(card_of(patient) if patient.number % 2 else patient.ma_lk)
        if patient.fault is Fault.DOUBLE_SCAN:
            opened = await self.desk.scan(card_of(patient))
        if opened != visited.visit_id:
            self._record.wrongs.append(f"{patient.ma_lk}: the scan opened {opened or 'no visit'}")
        visited.due = visited.due or self.desk.due

    async def _show_code(self, visited: Visited) -> None:
        await self.desk.choose("qr")
        await self.desk.press(self._presses(visited))
        if self.desk.page.state != "waiting":
            self._record.wrongs.append(f"{visited.patient.ma_lk}: the code is {self.desk.page.state}")
        visited.code = self._code()
        self._payers.start(visited)

    async def _take_cash(self, visited: Visited) -> None:
        due, cash_due, patient = self.desk.due, self._cash_due(), visited.patient
        given = cash_of(cash_due, patient)
        if given != cash_due:
            await self.desk.give(given)
        await self.desk.press(self._presses(visited), given="" if given == cash_due else str(given))
        self._issued(visited)
        self.desk.drawer += given - self.desk.change
        visited.cash += due
        await self.desk.print_receipt()
        if patient.fault is Fault.CANCELLED:
            await self._return_cash(visited)

    async def _take_card(self, visited: Visited) -> None:
        await self.desk.choose("card")
        due = self.desk.due
        payment = self._bank.pay_by_card(due)
        await self.desk.press(self._presses(visited), approval_code=payment.approval_code)
        self._issued(visited)
        visited.card += due
        await self.desk.print_receipt()

    def _presses(self, visited: Visited) -> int:
        return 2 if visited.patient.fault is Fault.DOUBLE_SCAN else 1

    def _issued(self, visited: Visited) -> None:
        if self.desk.page.state != "issued":
            self._record.wrongs.append(f"{visited.patient.ma_lk}: after the payment the page is {self.desk.page.state}")

    def _code(self) -> str:
        found = _CODE.search(self.desk.page.text)
        assert found is not None, "the page states the code"
        return found[1]

    def _cash_due(self) -> int:
        address = next(each.address for each in self.desk.page.elements if each.address.startswith("/desk/change"))
        return int(parse_qs(urlsplit(address).query)["due"][0])

    async def _open_a_namesake(self, patient: Patient) -> None:
        """The cashier takes another patient of the same name for this one, and notices it too late."""
        other = namesake(patient, 500_000 + patient.number)
        visited = Visited(other, await self._hospital.admit(other), self.desk.name)
        self._record.namesakes.append(visited)
        await self.desk.scan(other.ma_lk)
        if patient.means is Means.QR:
            await self.desk.choose("qr")
            await self.desk.press()
            visited.code = self._code()
            await put_code_away(self.desk)
        else:
            cash_due = self._cash_due()
            await self.desk.press(given="")
            self.desk.drawer += cash_due
            await void_receipt(self.desk, PIN)
            self.desk.drawer -= cash_due
            self._record.voided += 1

    async def _return_cash(self, visited: Visited) -> None:
        """A line that was paid in cash is cancelled: a second person approves, and the drawer returns the money."""
        amount, address = await refund_line(self.desk, visited, reason=_REASON, room=_ROOM)
        self.desk.drawer -= await pay_refund_in_cash(self.desk, address, PIN)
        visited.refunded += amount

    async def request_transfer_back(self, visited: Visited) -> str:
        """A line that was paid by QR is cancelled: its money goes back to the payer's account. The patient is not here.

        Returns the address of the refund, which waits for a second person.
        """
        to = {"bank_bin": BANK_BIN, "account_number": f"19{visited.patient.number:08d}", "holder": visited.patient.name}
        amount, address = await refund_line(self.desk, visited, reason=_REASON, room=_ROOM, **to)
        visited.refunded += amount
        return address
