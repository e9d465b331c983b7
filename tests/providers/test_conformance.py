"""Every provider of this house does what every provider must (`providers/testing/conformance.py`)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import httpx

from providers.contract import Callback
from providers.momo.adapter import Momo
from providers.notices import format_vietnam_timestamp
from providers.payos.adapter import Payos
from providers.sepay.bank import Sepay
from providers.sepay.gateway import SepayGateway
from providers.stripe.adapter import Stripe
from providers.stripe.signing import signature_header
from providers.testing.conformance import ProviderConformance
from providers.vnpay.adapter import Vnpay
from providers.vnpay.signing import HASH_FIELD
from providers.zalopay.adapter import Zalopay
from tests.providers import (
    momo_samples,
    payos_samples,
    sepay_samples,
    stripe_samples,
    vnpay_samples,
    zalopay_samples,
)
from tests.providers.sepay_samples import delivery


def answering_with(answer: Mapping[str, object], sent: list[bytes]) -> httpx.AsyncClient:
    """A client whose other side answers every request with the same response."""

    async def respond(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url).encode() + b"\n" + await request.aread())
        return httpx.Response(200, json=answer)

    return httpx.AsyncClient(transport=httpx.MockTransport(respond), trust_env=False)


def changed_values(callback: Callback, *unsigned: str) -> Iterator[Callback]:
    """A JSON delivery with each value of its top changed, one at a time."""
    result = json.loads(callback.body)
    for name, value in result.items():
        if name in unsigned:
            continue
        other = {**result, name: f"{value}0" if isinstance(value, str) else _other(value)}
        yield replace(callback, body=json.dumps(other).encode())


def _other(value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, "amount": value["amount"] + 1}
    return value + 1


class TestVnpay(ProviderConformance):
    provider = Vnpay
    settings: ClassVar[Mapping[str, object]] = vnpay_samples.SETTINGS

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        return vnpay_samples.signed_ipn(
            vnp_TransactionNo=f"1400000{transaction[1:]}",
            vnp_Amount=str(amount * 100),
            vnp_PayDate=format_vietnam_timestamp(at),
        )

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        for place, (name, value) in enumerate(callback.query):
            pairs = list(callback.query)
            pairs[place] = (name, f"{value}0" if name != HASH_FIELD else f"{value[:-1]}{(int(value[-1], 16) ^ 1):x}")
            yield replace(callback, query=pairs)
            yield replace(callback, query=pairs[:place] + pairs[place + 1 :])


class TestZalopay(ProviderConformance):
    provider = Zalopay
    settings: ClassVar[Mapping[str, object]] = zalopay_samples.SETTINGS

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        return zalopay_samples.signed_callback(
            zp_trans_id=int(f"2601020000000{transaction[1:]}"),
            amount=amount,
            server_time=int(at.timestamp() * 1000),
        )

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback, "type")

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        return answering_with({"return_code": 1, "sub_return_code": 1, "order_url": "https://pay.example/1"}, sent)


class TestMomo(ProviderConformance):
    provider = Momo
    settings: ClassVar[Mapping[str, object]] = momo_samples.SETTINGS

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        return momo_samples.signed_callback(
            transId=int(f"400000000{transaction[1:]}"), amount=amount, responseTime=int(at.timestamp() * 1000)
        )

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback)

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        result = {"partnerCode": "FAKEMOMO", "orderId": self.request.reference, "amount": self.request.amount}
        return answering_with({**result, "resultCode": 0, "payUrl": "https://pay.example/1"}, sent)


class TestPayos(ProviderConformance):
    provider = Payos
    settings: ClassVar[Mapping[str, object]] = payos_samples.SETTINGS
    request = payos_samples.REQUEST

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        timestamp = at.isoformat()
        return payos_samples.signed_callback(
            reference=f"TF26{transaction}", amount=amount, transactionDateTime=timestamp
        )

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback, "code", "desc", "success")

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        return answering_with(payos_samples.link(), sent)


class TestSepay(ProviderConformance):
    provider = Sepay
    settings: ClassVar[Mapping[str, object]] = {**sepay_samples.SETTINGS, "api_token": sepay_samples.TOKEN}

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        number = int(transaction[1:])
        result = sepay_samples.signed(at=at, id=number, transferAmount=amount, referenceCode=f"FT2600200000{number}")
        return replace(result, received_at=at)


class TestSepayGateway(ProviderConformance):
    provider = SepayGateway
    settings: ClassVar[Mapping[str, object]] = {
        "merchant_id": "SP-TEST-FAKE0001",
        "secret_key": "spsk_test_FAKEFAKEFAKEFAKE0001",
        "ipn_keys": "FAKE_X_SECRET_KEY",
    }

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        body = {
            "notification_type": "ORDER_PAID",
            "order": {
                "order_status": "CAPTURED",
                "order_currency": "VND",
                "order_amount": f"{amount}.00",
                "order_invoice_number": self.request.reference,
            },
            "transaction": {
                "id": transaction,
                "transaction_date": at.isoformat(),
                "transaction_status": "APPROVED",
                "transaction_amount": str(amount),
            },
        }
        return delivery(json.dumps(body), X_Secret_Key=str(settings["ipn_keys"]))


class TestStripe(ProviderConformance):
    provider = Stripe
    settings: ClassVar[Mapping[str, object]] = stripe_samples.SETTINGS

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        found = {**stripe_samples.INTENT, "id": f"pi_{transaction}", "amount": amount, "amount_received": amount}
        body = stripe_samples.event("payment_intent.succeeded", found, id=f"evt_{transaction}")
        result = stripe_samples.delivery(
            body, signature_header(stripe_samples.SECRET.encode(), body, int(at.timestamp()))
        )
        return replace(result, received_at=at)

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        return answering_with({**stripe_samples.NEW_INTENT, "amount": self.request.amount}, sent)
