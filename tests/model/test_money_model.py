"""Any sequence of actions of hospitals, payers, banks and forgers leaves the service with the money of the model."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.builders import ACCOUNT_NAME
from tests.database_server import DatabaseAddress, Loop
from tests.model.hospital import COPAY, Desk, House, close_all
from tests.model.money import Delivered, Intent, Invoice, Money
from tests.rounds import long_rounds

AMOUNTS = st.integers(min_value=1, max_value=400_000)
OUTCOMES = {"PENDING": "pending", "FAILED": "failed", "CANCELLED": "cancelled", "EXPIRED": "expired"}


class MoneyMachine(RuleBasedStateMachine):
    """One organization from its first visit on; after every step the service and the model agree."""

    house: ClassVar[House]

    invoices = Bundle("invoices")
    intents = Bundle("intents")
    delivered = Bundle("delivered")

    @initialize()
    def open_hospital(self) -> None:
        self.hospital = self.house.new_hospital()
        self.desk = Desk(self.house.address, self.hospital)
        self.money = Money()
        self.insured = 0

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.close()

    @rule(target=invoices, self_pay=st.sampled_from([1_000, 20_000, 333_333]))
    def bill(self, self_pay: int) -> str:
        issued = self.desk.issue_invoice(f"LK{len(self.money.invoices)}", self_pay=self_pay)
        assert issued["shares"]["patient"] == COPAY + self_pay
        self.insured += issued["shares"]["insurer"]
        self.money.invoices[issued["id"]] = Invoice(COPAY + self_pay)
        return str(issued["id"])

    @rule(target=intents, named=st.lists(invoices, min_size=1, max_size=3, unique=True), part=st.none() | AMOUNTS)
    def open_intent(self, named: list[str], part: int | None) -> object:
        owed = self.money.owed(named)
        body = {"account": ACCOUNT_NAME, "invoice_ids": named, **({} if part is None else {"amount": part})}
        key = self.desk.new_key()

        answer = self.desk.create("/v1/intents", body, key)

        if owed == 0 or (part is not None and part > owed):
            assert answer.json()["code"] == ("invoice_already_paid" if owed == 0 else "amount_above_owed")
            return multiple()
        assert answer.status_code == 201, answer.text
        opened = answer.json()
        assert opened["amount"] == (part or owed)
        again = self.desk.create("/v1/intents", body, key)
        assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (opened["id"], "true")
        self.money.intents[opened["id"]] = Intent(opened["reference_code"], part or owed, list(named))
        return str(opened["id"])

    @rule(target=delivered, intent_id=intents, how=st.sampled_from(["requested", "rest", "half", "over"]))
    def pay(self, intent_id: str, how: str) -> Delivered:
        intent = self.money.intents[intent_id]
        rest = max(1, intent.amount - intent.received)
        amount = {"requested": intent.amount, "rest": rest, "half": max(1, rest // 2), "over": rest + 10_000}[how]
        message = self.desk.message(amount=amount, content=f"MBVCB.123.{intent.code} VIEN PHI.CT tu 0123")

        answered = self.desk.deliver(message)

        word = self.money.receive(intent_id, amount)
        assert answered == (200, word)
        return Delivered(message, word)

    @rule(target=delivered, amount=AMOUNTS)
    def pay_without_code(self, amount: int) -> Delivered:
        message = self.desk.message(amount=amount, content="chuc mau binh phuc")

        answered = self.desk.deliver(message)

        self.money.receive_unmatched(amount)
        assert answered == (200, "unknown_reference")
        return Delivered(message, "unknown_reference")

    @rule(first=intents, second=intents, amount=AMOUNTS)
    def pay_with_two_codes(self, first: str, second: str, amount: int) -> None:
        codes = [self.money.intents[intent_id].code for intent_id in (first, second)]
        if first == second:
            return

        status, _ = self.desk.deliver(self.desk.message(amount=amount, content=" ".join(codes)))

        self.money.receive_unmatched(amount)
        assert status == 200

    @rule(message=delivered)
    def deliver_again(self, message: Delivered) -> None:
        assert self.desk.deliver(message.fields) == (200, message.word_again)

    @rule(message=delivered, amount=AMOUNTS)
    def deliver_again_with_another_amount(self, message: Delivered, amount: int) -> None:
        assert self.desk.deliver({**message.fields, "amount": amount}) == (200, message.word_again)

    @rule(message=delivered, amount=AMOUNTS)
    def pay_under_a_bank_reference_of_before(self, message: Delivered, amount: int) -> None:
        fields = self.desk.message(amount=amount, content="chuc mau binh phuc")

        answered = self.desk.deliver({**fields, "bank_reference": message.fields["bank_reference"]})

        self.money.receive_unmatched(amount)
        assert answered == (200, "unknown_reference")

    @rule(intent_id=intents, status=st.sampled_from(sorted(OUTCOMES)))
    def deliver_an_outcome_without_money(self, intent_id: str, status: str) -> None:
        intent = self.money.intents[intent_id]

        answered = self.desk.deliver(self.desk.message(amount=intent.amount, content=intent.code, status=status))

        intent.apply_outcome(OUTCOMES[status])
        assert answered == (200, "ok")

    @rule(intent_id=intents)
    def cancel(self, intent_id: str) -> None:
        intent = self.money.intents[intent_id]

        answer = self.desk.create(f"/v1/intents/{intent_id}/cancel", {})

        if intent.state == "succeeded":
            assert answer.json()["code"] == "intent_already_succeeded"
        else:
            assert answer.status_code == 200, answer.text
            intent.apply_outcome("cancelled")

    @rule(intent_id=intents, amount=AMOUNTS)
    def forge(self, intent_id: str, amount: int) -> None:
        message = self.desk.message(amount=amount, content=self.money.intents[intent_id].code)

        assert self.desk.deliver(message, key=b"a secret of somebody else") == (401, "bad_signature")

    @rule(message=consumes(delivered), amount=AMOUNTS)
    def forge_a_delivered_message(self, message: Delivered, amount: int) -> None:
        forged = {**message.fields, "amount": amount}

        assert self.desk.deliver(forged, key=b"a secret of somebody else") == (401, "bad_signature")

    @invariant()
    def invoices_and_intents_agree(self) -> None:
        for invoice_id, invoice in self.money.invoices.items():
            read = self.desk.read(f"/v1/invoices/{invoice_id}")
            assert (read["paid"], read["owed"]) == (invoice.paid, invoice.owed)
        for intent_id, intent in self.money.intents.items():
            read = self.desk.read(f"/v1/intents/{intent_id}")
            assert (read["state"], read["received"]) == (intent.state, intent.received)
            owed = sum(self.money.invoices[invoice_id].owed for invoice_id in read["invoice_ids"])
            lacks = 0 if read["state"] in {"cancelled", "failed"} else max(0, intent.amount - intent.received)
            assert read["remaining"] == min(lacks, owed)

    @invariant()
    def trial_balance_agrees(self) -> None:
        held, difference = self.house.balances(self.hospital)
        expected = self.money.balances()
        shares = sum(invoice.share for invoice in self.money.invoices.values())
        assert difference == 0
        assert {role: held[role] for role in expected} == expected
        assert (held["receivable_insurer"], held["revenue"]) == (self.insured, shares + self.insured)


@pytest.fixture
def house(database: DatabaseAddress) -> Iterator[House]:
    loop = Loop()
    opened = House(database, loop)
    yield opened
    opened.close()
    close_all(loop)


@pytest.mark.parametrize(
    "examples", [pytest.param(4, marks=pytest.mark.short), pytest.param(long_rounds(6), marks=pytest.mark.slow)]
)
def test_service_and_model_of_the_money_agree_after_every_step(house: House, examples: int) -> None:
    MoneyMachine.house = house

    run_state_machine_as_test(
        MoneyMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
