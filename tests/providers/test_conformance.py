"""The wallets and gateways pass the conformance suite (`providers/testing`); the banks: test_bank_conformance.py."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest

from providers.contract import Callback, Outcome, PendingPayment
from providers.momo.adapter import Momo
from providers.momo.signing import IPN, signature_of, signed_text
from providers.notices import VIETNAM, format_vietnam_timestamp
from providers.payos.adapter import Payos
from providers.payos.order_codes import order_code
from providers.payos.signing import data_text
from providers.payos.signing import signature_of as payos_signature
from providers.sepay.gateway import SepayGateway
from providers.stripe.adapter import Stripe
from providers.stripe.signing import signature_header
from providers.testing.conformance import MessageFields, ProviderConformance, SamplePayment, post
from providers.vnpay.adapter import Vnpay
from providers.vnpay.signing import HASH_FIELD, QUERY_ANSWER, query_text, secure_hash
from providers.zalopay.adapter import Zalopay
from providers.zalopay.signing import mac_of
from tests.providers import (
    momo_samples,
    payos_samples,
    stripe_samples,
    vnpay_samples,
    zalopay_samples,
)
from tests.providers.conformance_clients import answering_with, changed_values, key_of


class TestVnpay(ProviderConformance):
    provider = Vnpay
    settings: ClassVar[Mapping[str, object]] = vnpay_samples.SETTINGS
    fields = MessageFields(
        amount="vnp_Amount",
        status="vnp_TransactionStatus",
        statuses={"00": Outcome.SUCCEEDED, "02": Outcome.FAILED, "07": Outcome.REVIEW},
        unknown_status="88",
        payee="vnp_TmnCode",
        other_payee="OTHERTM1",
        currency=None,  # the IPN has none: the terminal collects VND
        outflow=None,  # refunds are not reported by IPN
    )
    max_age = None  # the hash covers no time of sending
    answers_are_signed = True

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            **vnpay_samples.PAID,
            "vnp_TransactionNo": f"1400000{payment.transaction[1:]}",
            "vnp_Amount": str(payment.amount * 100),
            "vnp_PayDate": format_vietnam_timestamp(payment.at),
            "vnp_TxnRef": payment.reference,
        }

    def write(self, message: Mapping[str, Any]) -> bytes:
        return query_text(message).encode()

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        text = body.decode("latin-1")
        return vnpay_samples.ipn(f"{text}&{HASH_FIELD}={secure_hash(key_of(settings, 'hash_secrets'), text)}")

    def signed_text(self, callback: Callback) -> bytes:
        return query_text({name: value for name, value in callback.query if name != HASH_FIELD}).encode()

    def with_status(self, message: Mapping[str, Any], status: Any) -> Mapping[str, Any]:
        response = "10" if status == "02" else "00"
        return {**message, "vnp_TransactionStatus": status, "vnp_ResponseCode": response}

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        for place, (name, value) in enumerate(callback.query):
            pairs = list(callback.query)
            pairs[place] = (name, f"{value}0" if name != HASH_FIELD else f"{value[:-1]}{(int(value[-1], 16) ^ 1):x}")
            yield replace(callback, query=pairs)
            yield replace(callback, query=pairs[:place] + pairs[place + 1 :])

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        secret = key_of(settings, "hash_secrets").decode()
        if message is None:
            return httpx.Response(200, json=vnpay_samples.signed_answer(QUERY_ANSWER, secret, vnp_ResponseCode="91"))
        known = {name: value for name, value in message.items() if name[4:] in QUERY_ANSWER}
        answer = {**known, "vnp_ResponseCode": "00"}
        return httpx.Response(200, json=vnpay_samples.signed_answer(QUERY_ANSWER, secret, **answer))


class TestZalopay(ProviderConformance):
    provider = Zalopay
    settings: ClassVar[Mapping[str, object]] = zalopay_samples.SETTINGS
    fields = MessageFields(
        amount="amount",
        status=None,  # a callback reports success only
        statuses={},
        unknown_status=None,
        payee="app_id",
        other_payee=8888,
        currency=None,
        outflow=None,
    )
    max_age = None
    answers_are_signed = False  # TLS alone proves an answer

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            **zalopay_samples.DATA,
            "zp_trans_id": int(f"2601020000000{payment.transaction[1:]}"),
            "amount": payment.amount,
            "app_trans_id": f"261102_{payment.reference}",
            "server_time": int(payment.at.timestamp() * 1000),
        }

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        data = body.decode("latin-1")
        mac = mac_of(key_of(settings, "key2"), data)
        return zalopay_samples.delivery(json.dumps({"data": data, "mac": mac, "type": 1}))

    def signed_text(self, callback: Callback) -> bytes:
        return str(json.loads(callback.body)["data"]).encode()

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback, "type")

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        return answering_with({"return_code": 1, "sub_return_code": 1, "order_url": "https://pay.example/1"}, sent)

    def test_answer_of_another_payment_is_not_taken_for_this_one(self) -> None:
        pytest.skip("an answer of ZaloPay names no order: the connection alone relates it to the query")

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        if message is None:
            return httpx.Response(200, json={"return_code": 2, "sub_return_code": -101})
        known = {name: message[name] for name in ("amount", "zp_trans_id", "server_time")}
        return httpx.Response(200, json={"return_code": 1, "sub_return_code": 1, **known})


class TestMomo(ProviderConformance):
    provider = Momo
    settings: ClassVar[Mapping[str, object]] = momo_samples.SETTINGS
    fields = MessageFields(
        amount="amount",
        status="resultCode",
        statuses={0: Outcome.SUCCEEDED, 1000: Outcome.PENDING, 1001: Outcome.FAILED, 1003: Outcome.CANCELLED},
        unknown_status=777,
        payee="partnerCode",
        other_payee="OTHERMOMO",
        currency=None,
        outflow=None,
        text_amounts=True,  # digits in quotes have the same signed text
    )
    max_age = None
    answers_are_signed = False  # TLS alone proves an answer

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            **momo_samples.PAID,
            "transId": int(f"400000000{payment.transaction[1:]}"),
            "amount": payment.amount,
            "orderId": payment.reference,
            "responseTime": int(payment.at.timestamp() * 1000),
        }

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        try:
            text = signed_text(json.loads(body), IPN, str(settings["access_key"]))
        except (AttributeError, TypeError, ValueError):
            text = ""
        signature = signature_of(key_of(settings, "secret_keys"), text)
        return momo_samples.delivery(body[:-1] + f', "signature": "{signature}"'.encode() + body[-1:])

    def signed_text(self, callback: Callback) -> bytes:
        return signed_text(json.loads(callback.body), IPN, str(self.settings["access_key"])).encode()

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback)

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        order = {"partnerCode": "FAKEMOMO", "orderId": self.request.reference, "amount": self.request.amount}
        return answering_with({**order, "resultCode": 0, "payUrl": "https://pay.example/1"}, sent)

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        unknown = {"partnerCode": "FAKEMOMO", "orderId": "K7ABCDEFR", "resultCode": 42}
        return httpx.Response(200, json=unknown if message is None else message)


class TestPayos(ProviderConformance):
    provider = Payos
    settings: ClassVar[Mapping[str, object]] = payos_samples.SETTINGS
    request = payos_samples.REQUEST
    fields = MessageFields(
        amount="amount",
        status="code",
        statuses={"00": Outcome.SUCCEEDED},
        unknown_status="77",
        payee="accountNumber",
        other_payee="0000000000099",
        currency="currency",
        outflow=None,
        text_amounts=True,  # digits in quotes have the same signed text
    )
    max_age = None
    answers_are_signed = True

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            **payos_samples.TRANSFER,
            "reference": f"TF26{payment.transaction}",
            "amount": payment.amount,
            "orderCode": order_code(payment.reference),
            "description": f"CSTEST1 {payment.reference}",
            "transactionDateTime": payment.at.astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M:%S"),
        }

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        try:
            text = data_text(json.loads(body))
        except (AttributeError, TypeError, ValueError):
            text = ""
        signature = payos_signature(key_of(settings, "checksum_keys"), text)
        envelope = b'{"code": "00", "desc": "success", "success": true, "data": ' + body
        return payos_samples.delivery(envelope + f', "signature": "{signature}"}}'.encode())

    def signed_text(self, callback: Callback) -> bytes:
        return data_text(json.loads(callback.body)["data"]).encode()

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback, "code", "desc", "success")

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        return answering_with(payos_samples.link(), sent)

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        if message is None:
            return httpx.Response(404, json={})
        state = "PAID" if message["code"] == "00" else f"WORD{message['code']}"
        data = {
            "id": message["paymentLinkId"],
            "orderCode": message["orderCode"],
            "amount": message["amount"],
            "status": state,
            "transactions": [message] if state == "PAID" else [],
        }
        return httpx.Response(200, json=payos_samples.signed(data, key_of(settings, "checksum_keys").decode()))


class TestSepayGateway(ProviderConformance):
    provider = SepayGateway
    settings: ClassVar[Mapping[str, object]] = {
        "merchant_id": "SP-TEST-FAKE0001",
        "secret_key": "spsk_test_FAKEFAKEFAKEFAKE0001",
        "ipn_keys": "FAKE_X_SECRET_KEY",
    }
    fields = MessageFields(
        amount="transaction.transaction_amount",
        status="transaction.transaction_status",
        statuses={"APPROVED": Outcome.SUCCEEDED},
        unknown_status="HELD",
        payee=None,  # the key names the merchant
        other_payee=None,
        currency="order.order_currency",
        outflow=None,
    )
    max_age = None
    answers_are_signed = False  # TLS alone proves an answer

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        return {
            "notification_type": "ORDER_PAID",
            "order": {
                "order_status": "CAPTURED",
                "order_currency": "VND",
                "order_amount": f"{payment.amount}.00",
                "order_invoice_number": payment.reference,
            },
            "transaction": {
                "id": payment.transaction,
                "transaction_date": payment.at.isoformat(),
                "transaction_status": "APPROVED",
                "transaction_amount": str(payment.amount),
            },
        }

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        return post(body, ("x-secret-key", key_of(settings, "ipn_keys").decode()), received_at=at)

    def test_cancellation_without_a_trustworthy_answer_is_unknown(self) -> None:
        pytest.skip("SePay documents no content of the answer: status 200 alone states the cancellation")

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        if message is None:
            return httpx.Response(404, json={})
        return httpx.Response(200, json={"data": {**message["order"], "transaction": message["transaction"]}})


class TestStripe(ProviderConformance):
    provider = Stripe
    settings: ClassVar[Mapping[str, object]] = stripe_samples.SETTINGS
    fields = MessageFields(
        amount="data.object.amount_received",
        status="data.object.status",
        statuses={"succeeded": Outcome.SUCCEEDED},
        unknown_status="on_hold",
        payee=None,  # the endpoint secret names the account
        other_payee=None,
        currency="data.object.currency",
        outflow=None,  # a refund is an event of its own, tested in test_stripe_refunds.py
    )
    max_age = timedelta(seconds=300)
    answers_are_signed = False  # TLS alone proves an answer

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        found = {
            **stripe_samples.without(stripe_samples.INTENT, "amount"),
            "id": f"pi_{payment.transaction}",
            "amount_received": payment.amount,
            "metadata": {"invoice": payment.reference},
        }
        return {
            "id": f"evt_{payment.transaction}",
            "object": "event",
            "created": int(payment.at.timestamp()),
            "type": "payment_intent.succeeded",
            "livemode": False,
            "data": {"object": found},
        }

    def pending(self) -> PendingPayment:
        return replace(super().pending(), provider_reference="pi_T1")

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        header = signature_header(key_of(settings, "endpoint_secret"), body, int(at.timestamp()))
        return replace(stripe_samples.delivery(body, header), received_at=at)

    def signed_text(self, callback: Callback) -> bytes:
        return f"{int(callback.received_at.timestamp())}.".encode() + callback.body

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        return answering_with({**stripe_samples.NEW_INTENT, "amount": self.request.amount}, sent)

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        if message is None:
            return httpx.Response(404, json={"error": {"code": "resource_missing"}})
        return httpx.Response(200, json=message["data"]["object"])
