"""Inputs that a use case of the cash desk refuses by the name of the field, and ids that it does not find."""

from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import BillingError
from billing.core.ids import PatientId, PaymentId, RefundId
from billing.core.money import Dong
from billing.payments.domain.refund import BankDestination, RefundWay
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.hand_over import NewBankDeposit
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.card_batches import NewBatch, NewTerminal, add_card_terminal, record_batch
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.debts import NewDebt, agree_debt
from billing.visit_accounts.service.deposit_requests import NewRequest, request_deposit
from billing.visit_accounts.service.exemptions import ProposedExemption, propose_exemption, read_exemption
from billing.visit_accounts.service.guarantees import NewGuarantee, read_guarantee, request_guarantee
from billing.visit_accounts.service.hand_overs import deposit_at_bank, find_hand_over, hand_over_cash
from billing.visit_accounts.service.line_refunds import find_line_refund
from billing.visit_accounts.service.patients import merge_patient
from billing.visit_accounts.service.payment_orders import NewPaymentOrder, create_payment_order
from billing.visit_accounts.service.receipt_blocks import enter_unused_numbers, reserve_block
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import confirm_refund, request_refund
from billing.visit_accounts.service.shifts import pay_in
from tests.builders import FACILITY_CODE
from tests.visit_accounts.accounts import ORGANIZATION
from tests.visit_accounts.stay import Stay

NO_ID = UUID(int=1)


async def refusal(work: Coroutine[Any, Any, Any]) -> tuple[str, str | None]:
    """The code and the field of the refusal of a use case."""
    with pytest.raises(BillingError) as refused:
        await work
    return refused.value.code, refused.value.field


async def test_money_at_the_desk_is_refused_by_field(stay: Stay) -> None:
    context, cashier, visit_id = stay.desk.context, stay.desk.cashier, stay.visit.open.visit_id
    shift_id = stay.visit.shift_id
    slip = NewBankDeposit(amount=Dong(1_000), bank_account_id=NO_ID, slip="GN-1")

    async def collected(**part: Any) -> tuple[str, str | None]:
        collection = Collection(visit_id=visit_id, amount=Dong(500), parts=[CollectedPart(amount=Dong(500), **part)])
        return await refusal(collect_at_desk(context, ORGANIZATION, collection, actor=cashier))

    found = [
        await refusal(hand_over_cash(context, ORGANIZATION, shift_id, Dong(0), actor=cashier)),
        await refusal(pay_in(context, ORGANIZATION, shift_id, Dong(0), reason="tiền lẻ", actor=cashier)),
        await refusal(deposit_at_bank(context, ORGANIZATION, replace(slip, slip=""), actor=cashier)),
        await refusal(deposit_at_bank(context, ORGANIZATION, slip, actor=cashier)),
        await collected(method=PartMethod.CARD, terminal_id=NO_ID, approval_code="123456"),
        await collected(method=PartMethod.TRANSFER, bank_account_id=NO_ID, reference="FT1"),
        await refusal(reserve_block(context, ORGANIZATION, stay.desk.desk_id, 0, actor=cashier)),
        await refusal(enter_unused_numbers(context, ORGANIZATION, NO_ID, [1], actor=cashier)),
        await refusal(find_hand_over(context, ORGANIZATION, NO_ID)),
        await refusal(
            request_deposit(context, ORGANIZATION, NewRequest(visit_id=visit_id, amount=Dong(0)), actor=cashier)
        ),
    ]

    assert found == [
        ("invalid_value", "amount"),
        ("invalid_value", "amount"),
        ("invalid_value", "slip"),
        ("not_found", "bank_account_id"),
        ("not_found", "terminal_id"),
        ("not_found", "bank_account_id"),
        ("invalid_value", "count"),
        ("not_found", "block_id"),
        ("not_found", "hand_over_id"),
        ("invalid_value", "amount"),
    ]


async def test_card_terminals_and_batches_are_refused_by_field(stay: Stay) -> None:
    context, head = stay.desk.context, stay.desk.head
    day = business_date(context.clock())
    terminal = NewTerminal(facility_code=FACILITY_CODE, name="POS 1", terminal_number="T1", bank_account_id=NO_ID)
    batch = NewBatch(terminal_id=NO_ID, day=day, batch_number="1", count=1, gross=Dong(100), fee=Dong(1))

    found = [
        await refusal(add_card_terminal(context, ORGANIZATION, new, actor=head))
        for new in (replace(terminal, name=""), replace(terminal, facility_code="99999"), terminal)
    ] + [
        await refusal(record_batch(context, ORGANIZATION, replace(batch, **change), actor=head))
        for change in (
            {"batch_number": ""},
            {"count": 0},
            {"fee": Dong(101)},
            {"slips": {"123456": Dong(99)}},
            {},
        )
    ]

    assert found == [
        ("invalid_value", "terminal_number"),
        ("not_found", "facility_code"),
        ("not_found", "bank_account_id"),
        ("invalid_value", "batch_number"),
        ("invalid_value", "gross"),
        ("invalid_value", "fee"),
        ("invalid_value", "slips"),
        ("not_found", "terminal_id"),
    ]


async def test_who_bears_a_share_is_refused_by_field(stay: Stay) -> None:
    context, cashier, visit_id = stay.desk.context, stay.desk.cashier, stay.visit.open.visit_id
    due_on = business_date(context.clock()) + timedelta(days=1)
    guarantee = NewGuarantee(payer="Bảo hiểm Tư", reference="BL-1", limit=Dong(1_000))
    named = {"name": "Nguyễn Thị Con"}

    found = [
        await refusal(request_guarantee(context, ORGANIZATION, visit_id, replace(guarantee, payer=" "), actor=cashier)),
        await refusal(read_guarantee(context, ORGANIZATION, NO_ID)),
        await refusal(read_exemption(context, ORGANIZATION, NO_ID)),
        await refusal(find_line_refund(context, ORGANIZATION, NO_ID)),
    ] + [
        await refusal(
            agree_debt(
                context,
                ORGANIZATION,
                visit_id,
                NewDebt(due_on=due_on, reason="khó khăn", guarantor=guarantor),
                actor=cashier,
            )
        )
        for guarantor in ({**named, "colour": "xanh"}, {"relation": "con"})
    ]

    assert found == [
        ("invalid_value", "payer"),
        ("not_found", "guarantee_id"),
        ("not_found", "exemption_id"),
        ("not_found", "id"),
        ("invalid_value", "guarantor.colour"),
        ("invalid_value", "guarantor.name"),
    ]
    for proposed, field in (({"fund": "Quỹ!"}, "fund"), ({"amount": Dong(0)}, "amount"), ({"reason": ""}, "reason")):
        values = {"fund": "hospital", "amount": Dong(1), "reason": "hộ nghèo", **proposed}
        with pytest.raises(BillingError) as refused:
            await propose_exemption(context, ORGANIZATION, visit_id, ProposedExemption(**values), actor=cashier)
        assert refused.value.field == field


async def test_refunds_and_payment_orders_are_refused_by_field(stay: Stay) -> None:
    context, cashier, visit_id = stay.desk.context, stay.desk.cashier, stay.visit.open.visit_id
    cash = NewRefund(amount=Dong(500), way=RefundWay.CASH, reason="trả lại", visit_id=visit_id)
    account = BankDestination(bank_bin="970436", account_number="0011", holder="NGUYEN VAN A")
    by_provider = replace(cash, way=RefundWay.PROVIDER)
    await stay.visit.pay(140_000)
    refund_id = await request_refund(context, ORGANIZATION, cash, actor=cashier)

    found = [
        await refusal(request_refund(context, ORGANIZATION, new, actor=cashier))
        for new in (
            replace(cash, amount=Dong(0)),
            replace(cash, visit_id=None),
            replace(cash, destination=account),
            replace(cash, visit_id=None, payment_id=PaymentId(NO_ID)),
            by_provider,
            replace(by_provider, visit_id=None, payment_id=PaymentId(NO_ID)),
        )
    ]
    orders = [
        await refusal(
            create_payment_order(
                context,
                ORGANIZATION,
                NewPaymentOrder(refund_ids=refunds, bank_account_id=NO_ID, layout="vietcombank"),
                actor=cashier,
            )
        )
        for refunds in ([], [refund_id, refund_id])
    ]

    assert found == [
        ("invalid_value", "amount"),
        ("invalid_value", "visit_id"),
        ("invalid_value", "destination"),
        ("not_found", "payment_id"),
        ("invalid_value", "payment_id"),
        ("not_found", "payment_id"),
    ]
    assert orders == [("invalid_value", "refund_ids")] * 2
    confirm = [
        await refusal(confirm_refund(context, ORGANIZATION, RefundId(NO_ID), bank_reference=reference, actor=cashier))
        for reference in (" ", "FT1")
    ]
    assert confirm == [("invalid_value", "bank_reference"), ("not_found", "refund_id")]


async def test_merge_of_patients_needs_a_person_and_a_reason(stay: Stay) -> None:
    one = PatientId(NO_ID)

    async def merged(actor: Actor, reason: str) -> str:
        work = merge_patient(stay.desk.context, ORGANIZATION, one, into=one, reason=reason, actor=actor)
        return (await refusal(work))[0]

    assert await merged(Actor.system(), "cùng một người") == "person_needed"
    assert await merged(stay.desk.head, "x") == "invalid_value"
