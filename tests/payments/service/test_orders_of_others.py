"""Money of another order: where a protocol names the order in a field of its own, no text is searched for our codes."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from providers.contract import Callback, Notice, Notices, Verdict
from providers.registry import provider_class, read_settings
from providers.vnpay.signing import HASH_FIELD, query_text, secure_hash
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.providers import momo_samples, payos_samples, sepay_gateway_samples, vietqr_samples, vnpay_samples


def vnpay(order: str, text: str) -> Notice:
    fields = {**vnpay_samples.PAID, "vnp_Amount": f"{OWED}00", "vnp_TxnRef": order, "vnp_OrderInfo": text}
    signed = query_text(fields)
    query = f"{signed}&{urlencode({HASH_FIELD: secure_hash(vnpay_samples.SECRET.encode(), signed)})}"
    settings = {"tmn_code": "FAKETMN1", "hash_secrets": vnpay_samples.SECRET, "server_address": "203.0.113.20"}
    provider = provider_class("vnpay")(read_settings("vnpay", settings), httpx.AsyncClient())
    pairs = tuple(parse_qsl(query, keep_blank_values=True))
    return _one(provider.read_callback(Callback("GET", "ipn", query, pairs, (), b"", "1.2.3.4", vnpay_samples.AT)))


def momo(order: str, text: str) -> Notice:
    return _one(
        momo_samples.account().read_callback(momo_samples.signed_callback(orderId=order, orderInfo=text, amount=OWED))
    )


def payos(order: str, text: str) -> Notice:
    changes: dict[str, Any] = {"description": text, "amount": OWED, "orderCode": 31**9}
    return _one(payos_samples.channel().read_callback(payos_samples.signed_callback(**changes)))


def sepay_gateway(order: str, text: str) -> Notice:
    provider = provider_class("sepay_gateway")(
        read_settings("sepay_gateway", sepay_gateway_samples.SETTINGS), httpx.AsyncClient()
    )
    changes = {"order_invoice_number": order, "order_amount": f"{OWED}.00", "order_description": text}
    return _one(
        provider.read_callback(
            sepay_gateway_samples.signed_callback(order=changes, transaction={"transaction_amount": str(OWED)})
        )
    )


def vietqr(order: str, text: str) -> Notice:
    bank = vietqr_samples.account()
    return _one(bank.read_callback(vietqr_samples.sync(bank, orderId=order, content=text, amount=OWED)))


def _one(read: object) -> Notice:
    assert isinstance(read, Notices)
    [notice] = read.notices
    return notice


@pytest.mark.parametrize("build_notice", [vnpay, momo, payos, sepay_gateway, vietqr])
async def test_order_of_another_with_our_code_in_its_text_pays_nothing_of_ours(
    flow: PaymentFlow, build_notice: Any
) -> None:
    started = await flow.start_intent()
    other = replace(build_notice("DH20261128001", f"{started.code} VIEN PHI"), occurred_at=flow.context.clock())

    [answer] = await flow.deliver(other)

    assert answer.verdict is Verdict.UNKNOWN_REFERENCE
    row = await flow.read(started.intent_id)
    assert (row.state, row.received) == ("pending", 0)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        assert await tx.fetchval("SELECT unallocated FROM payment_position") == OWED
        assert await tx.fetchval("SELECT reason FROM exception_case") == "no_reference"
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("build_notice", [vnpay, momo, sepay_gateway, vietqr])
async def test_order_of_ours_is_paid_whatever_its_text_states(flow: PaymentFlow, build_notice: Any) -> None:
    started, other = await flow.start_intent("LK1"), await flow.start_intent("LK2")

    [answer] = await flow.deliver(replace(build_notice(started.code, other.code), occurred_at=flow.context.clock()))

    assert answer.verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).state == "succeeded"
    assert (await flow.read(other.intent_id)).received == 0
