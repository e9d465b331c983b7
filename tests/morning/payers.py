"""What patients do with their phones: pay the code at the bank, correctly or with the faults of the plan.

The time until the rooms may perform the orders is measured from the bank's callback on.
"""

import asyncio
from random import Random
from time import perf_counter

import aiohttp

from billing.core.reference_code import ALPHABET
from billing.core.text import upper_without_marks
from providers.sandbox.bank_simulator import Answer, BankSimulator, Behaviour
from providers.sandbox.message import SandboxMessage, SandboxPayer
from tests.morning.hospital import Hospital
from tests.morning.page import words
from tests.morning.plan import Fault, Patient
from tests.morning.record import Record, Visited

RELEASE_LIMIT_S = 30.0
_STAFF_LIMIT_S = 90.0


class Payers:
    """Every patient who pays by QR. `pace` is how many seconds of the morning pass in one second."""

    def __init__(self, bank: BankSimulator, hospital: Hospital, record: Record, random: Random, pace: float) -> None:
        self._bank = bank
        self._hospital = hospital
        self._record = record
        self._random = random
        self._pace = pace
        self._tasks: list[asyncio.Task[None]] = []
        self._pages = aiohttp.ClientSession()

    def start(self, visited: Visited) -> None:
        """The patient leaves the desk with the code and pays."""
        self._tasks.append(asyncio.create_task(self._pay(visited)))

    async def finish(self) -> None:
        """Wait for all; what one of them could not do is raised."""
        try:
            await asyncio.gather(*self._tasks)
        finally:
            await self._pages.close()

    async def _pay(self, visited: Visited) -> None:
        patient = visited.patient
        await self._wait(10, 90)
        if await self._hospital.all_cleared(patient):
            self._record.wrongs.append(f"{patient.ma_lk}: the orders are cleared before anything was paid")
        intent = await self._intent(visited)
        payload = intent["instruction"]["qr_payload"]
        match patient.fault:
            case Fault.SHORT:
                await self._deliver(visited, self._transfer(visited, payload, Behaviour.SHORT))
                await self._pay_the_rest(visited, intent["pay_url"])
            case Fault.OVER:
                await self._release(visited, self._transfer(visited, payload, Behaviour.OVER))
            case Fault.TWICE:
                await self._pay_twice(visited, payload)
            case Fault.MANGLED:
                await self._pay_with_another_text(visited, payload)
            case Fault.LATE:
                message = self._transfer(visited, payload)
                await self._wait(600, 1500)
                await self._release(visited, message)
            case _:
                await self._release(visited, self._transfer(visited, payload))

    async def _pay_the_rest(self, visited: Visited, pay_url: str) -> None:
        """The patient page states what is missing; the same code takes the rest."""
        await self._wait(20, 60)
        if await self._hospital.all_cleared(visited.patient):
            self._record.wrongs.append(f"{visited.patient.ma_lk}: the orders are cleared for half of the money")
        async with self._pages.get(pay_url) as answer:
            page = words(await answer.text())
        intent = await self._intent(visited)
        rest = f"{intent['remaining']:,}".replace(",", ".")
        if intent["remaining"] != visited.due - visited.transferred or rest not in page:
            self._record.wrongs.append(f"{visited.patient.ma_lk}: the patient page does not state the rest of {rest}")
        await self._release(visited, self._transfer(visited, intent["instruction"]["qr_payload"]))

    async def _pay_twice(self, visited: Visited, payload: str) -> None:
        """Two transfers; every second time at once, else the first is also reported twice."""
        first, second = (self._transfer(visited, payload) for _ in range(2))
        if visited.patient.variant % 2:
            await asyncio.gather(self._release(visited, first), self._deliver(visited, second))
            return
        await self._release(visited, first)
        await self._deliver(visited, first)
        await self._wait(10, 60)
        await self._deliver(visited, second)

    async def _pay_with_another_text(self, visited: Visited, payload: str) -> None:
        """In turn: inside a bank's narrative, split by a space, one character wrong, and without the code."""
        match visited.patient.variant % 4:
            case 0:
                await self._release(visited, self._transfer(visited, payload, Behaviour.WRAPPED))
            case 1:
                await self._release(visited, self._transfer(visited, payload, Behaviour.SPLIT))
            case 2:
                await self._pay_unreadably(visited, payload, _with_another_end(visited.code))
            case _:
                await self._pay_unreadably(visited, payload, "")

    async def _pay_unreadably(self, visited: Visited, payload: str, code: str) -> None:
        """The bank carries no code of ours: finance finds the money, and the patient waits at the room."""
        visited.is_found_by_staff = True
        message = self._transfer(visited, payload)
        payer = message.payer
        assert payer is not None
        text = f"{code} {payer.name} chuyen tien".strip()
        message = message.model_copy(update={"content": text, "reference": None})
        visited.transfers[-1] = message
        await self._deliver(visited, message)
        seen_at = await self._hospital.wait_cleared(visited.patient, limit_s=_STAFF_LIMIT_S)
        if seen_at is None:
            self._record.wrongs.append(f"{visited.patient.ma_lk}: finance did not find the money")
            visited.returned_to_desk.append("money was not found")

    def _transfer(self, visited: Visited, payload: str, behaviour: Behaviour = Behaviour.EXACT) -> SandboxMessage:
        """The bank books the transfer; the payer has the name of the patient."""
        message = self._bank.transfer(payload, behaviour)
        payer = SandboxPayer(name=upper_without_marks(visited.patient.name), account=_account(visited.patient))
        message = message.model_copy(update={"payer": payer})
        visited.transfers.append(message)
        return message

    async def _release(self, visited: Visited, message: SandboxMessage) -> None:
        """Deliver the callback, and wait until the rooms may perform every order."""
        began = perf_counter()
        visited.acknowledged_at = await self._deliver(visited, message)
        seen_at = await self._hospital.wait_cleared(visited.patient, limit_s=RELEASE_LIMIT_S)
        if seen_at is None:
            self._record.wrongs.append(
                f"{visited.patient.ma_lk}: not released {RELEASE_LIMIT_S:.0f} s after the callback"
            )
            visited.returned_to_desk.append("the service was not released")
            return
        visited.released_ms = (seen_at - visited.acknowledged_at) * 1000
        visited.whole_ms = (seen_at - began) * 1000

    async def _deliver(self, visited: Visited, message: SandboxMessage) -> float:
        """Deliver a callback; returns the time of its answer."""
        answer: Answer = await self._bank.deliver(message)
        if answer.status != 200:
            self._record.wrongs.append(f"{visited.patient.ma_lk}: the callback was answered {answer.status}")
        return perf_counter()

    async def _intent(self, visited: Visited) -> dict[str, object]:
        [listed] = (await self._hospital.send("GET", f"/v1/intents?reference_code={visited.code}"))["items"]
        intent: dict[str, object] = await self._hospital.send("GET", f"/v1/intents/{listed['id']}")
        return intent

    async def _wait(self, least_s: float, most_s: float) -> None:
        """Wait some seconds of the morning."""
        await asyncio.sleep(self._random.uniform(least_s, most_s) / self._pace)


def _with_another_end(code: str) -> str:
    """The code with a wrong last character: no code, since the check character refuses it."""
    return code[:-1] + ALPHABET[(ALPHABET.index(code[-1]) + 1) % len(ALPHABET)]


def _account(patient: Patient) -> str:
    return f"19{patient.number:08d}"
