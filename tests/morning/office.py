"""Finance and the head cashier, by their pages: money without a code, surpluses, and refunds by transfer."""

import asyncio
import re
from collections.abc import Sequence
from html import unescape

from billing.core.text import upper_without_marks
from tests.morning.browser import Browser, Refused
from tests.morning.page import PageForm, words
from tests.morning.record import Record, Visited

_LOOK_EVERY_S = 1.5
_ROW = re.compile(r'href="(/finance/exceptions/[0-9a-f-]{36})')
_REASON = "Tên người nộp và số tiền trùng với lượt khám"


class Clerk(Browser):
    """A clerk of finance, who looks at the open exceptions again and again until stopped."""

    def __init__(self, address: str, record: Record) -> None:
        super().__init__(address, record)
        self._left: set[str] = set()

    async def work(self, stop: asyncio.Event) -> None:
        """Look at the list, and decide what has no place, until stopped; once more at the end."""
        while True:
            is_last = stop.is_set()
            await self._look()
            if is_last:
                return
            try:
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def _look(self) -> None:
        await self.go("/finance/exceptions")
        for address in dict.fromkeys(_ROW.findall(self.page.text)):
            if address not in self._left:
                await self._decide(address)

    async def _decide(self, address: str) -> None:
        """Accept the proposal that the page offers; else choose the candidate whose name the payer has."""
        self._left.add(address)
        await self.go(address)
        offered = [form for form in self.page.forms_to(f"{address}/decide") if dict(form.fields).get("target")]
        try:
            if offered:
                await self.post(offered[0].action, offered[0].with_values())
                self.record.decisions["accepted"] += 1
            elif await self._choose(address):
                self.record.decisions["chosen"] += 1
            else:
                self.record.decisions["left"] += 1
        except Refused as refusal:
            self.record.wrongs.append(f"a decision was refused: {refusal}")

    async def _choose(self, address: str) -> bool:
        if f"{address}/decide?action=assign" not in self.page.text:
            return False
        payer, reference = self._payer(), self._reference()
        amount = re.search(r'class="big-figure">([0-9.]+)', self.page.text)
        await self.go(f"{address}/decide?action=assign")
        form = next(each for each in self.page.forms_to("/decide") if "reason" in dict(each.fields))
        fitting = self._targets_of(form, payer)
        if len(fitting) != 1 or amount is None:
            return False
        values = {"target": fitting[0], "amount": amount[1], "bank_reference": reference, "reason": _REASON}
        await self.post(form.action, form.with_values(**values))
        return True

    def _targets_of(self, form: PageForm, payer: str) -> Sequence[str]:
        """The candidates on the page whose patient has the payer's name."""
        found = []
        for value in form.choices.get("target", []):
            label = self.page.text.partition(f'value="{value}"')[2].partition("</label>")[0]
            if payer and f" {payer} " in f" {upper_without_marks(words(label))} ":
                found.append(value)
        return found

    def _payer(self) -> str:
        found = re.search(r"<br><bdi>(.*?)</bdi>", self.page.text)
        return upper_without_marks(unescape(found[1])) if found else ""

    def _reference(self) -> str:
        found = re.search(r'<span class="code">(FT[0-9]+)</span>', self.page.text)
        return found[1] if found else ""


async def approve_refund(head: Browser, address: str) -> None:
    """The head cashier approves a refund in an own session."""
    await head.go(address)
    await head.submit("/approve")


async def transfer_back(sender: Browser, confirmer: Browser, address: str, visited: Visited) -> None:
    """One clerk gives the transfer to the bank, another confirms it by the bank's reference."""
    await sender.go(address)
    await sender.submit("/instruct")
    await confirmer.go(address)
    await confirmer.submit("/confirm", bank_reference=f"FTBACK{visited.patient.number:06d}")
