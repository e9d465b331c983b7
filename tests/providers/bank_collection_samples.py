"""A collection account with the vectors' throw-away keys, and a bank that signs with a key of the tests' own."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from providers.bank_collection.adapter import BankCollection
from providers.bank_collection.settings import BankCollectionSettings
from providers.contract import Callback, Notice, Notices, Reply

_FILE = json.loads((Path(__file__).parents[1] / "vectors" / "bank_collection.json").read_text("utf-8"))
VECTORS, KEYS = _FILE["vectors"], _FILE["keys"]
AT = datetime(2026, 1, 2, 2, 15, 40, tzinfo=UTC)
BIDV_SECRET = "FAKE_BIDV_SECRET"
INQUIRY_TAIL, NOTIFY_PATH_SUFFIX = "api/v1/inq-bill", "api/v1/notify-bill"


@cache
def bank_key() -> rsa.RSAPrivateKey:
    """What our bank simulator signs with; the vectors hold only their bank's public key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def settings(**changed: Any) -> dict[str, Any]:
    return {
        "profile": "vietinbank_collection",
        "provider_id": "9999",
        "code_prefix": "9TST",
        "company": "BENH VIEN TEST",
        "bank_bin": "970415",
        "account_number": "000000000017",
        "account_holder": "BENH VIEN TEST",
        "bank_public_keys": [KEYS["bank_public_key_pem"], public_pem(bank_key())],
        "private_key": KEYS["biller_private_key_pem_TEST_ONLY"],
        "reconciliation_key": "FAKE_RECON_KEY",
        **changed,
    }


def bidv_settings(**changed: Any) -> dict[str, Any]:
    mine = settings(profile="bidv_collection", provider_id="999999", secrets=BIDV_SECRET, bank_bin="970418")
    for name in ("bank_public_keys", "private_key", "code_prefix"):
        del mine[name]
    return {**mine, "uses_virtual_accounts": False, **changed}


def account(given: dict[str, Any] | None = None, **changed: Any) -> BankCollection:
    read = BankCollectionSettings.model_validate(settings(**changed) if given is None else given)
    return BankCollection(read, httpx.AsyncClient())


def delivery(path_suffix: str, body: str, *, at: datetime = AT, headers: tuple[tuple[str, str], ...] = ()) -> Callback:
    return Callback("POST", path_suffix, "", (), headers, body.encode(), "203.0.113.99", at)


def signature(text: str, algorithm: hashes.HashAlgorithm | None = None, key: rsa.RSAPrivateKey | None = None) -> str:
    made = (key or bank_key()).sign(text.encode(), padding.PKCS1v15(), algorithm or hashes.SHA256())
    return base64.b64encode(made).decode("ascii")


def notification(**changed: Any) -> dict[str, Any]:
    """A notification as the bank writes it, before it is signed."""
    return {
        "msgId": "00000000000000000000000000000001",
        "providerId": "9999",
        "transId": "900000001",
        "transTime": "20260102091530",
        "transType": "3",
        "custCode": "9TSTK7ABCDEFR",
        "sendBankId": "970436",
        "sendBranchId": "",
        "sendAcctId": "0099",
        "sendAcctName": "NGUYEN VAN A",
        "recvAcctId": "000000000017",
        "recvAcctName": "BENH VIEN TEST",
        "recvVirtualAcctId": "9TSTK7ABCDEFR",
        "recvVirtualAcctName": "BENH VIEN TEST",
        "amount": "350000",
        "bankTransId": "000T26000TESTAB1",
        "remark": "CT DEN:000T26000TESTAB1 K7ABCDEFR",
        "currencyCode": "VND",
        **changed,
    }


SIGNED = ("transId", "transTime", "custCode", "amount", "bankTransId", "remark")


def notify(*, after_signing: dict[str, Any] | None = None, at: datetime = AT, **changed: Any) -> Callback:
    """A signed notification; `after_signing` is changed on the way."""
    document = notification(**changed)
    document["signature"] = signature("".join(str(document[name]) for name in SIGNED))
    return delivery(NOTIFY_PATH_SUFFIX, json.dumps({**document, **(after_signing or {})}, ensure_ascii=False), at=at)


def inquire(code: str = "9TSTK7ABCDEFR", **header: Any) -> Callback:
    """A signed inquiry of a customer code."""
    data = {
        "transId": "INQ000000001",
        "transTime": "20260102091000",
        "transType": "3",
        "custCode": code,
        "custName": "",
        "custAcct": "",
    }
    text = f"{data['transId']}211701{data['transTime']}{data['transType']}{code}"
    decoded = {"msgId": "2", "msgType": "1100", "channelId": "211701", "providerId": "9999", **header}
    decoded["signature"] = signature(text)
    return delivery(INQUIRY_TAIL, json.dumps({"header": decoded, "data": data}))


def paybill(secret: str = BIDV_SECRET, **changed: Any) -> Callback:
    document = {
        "trans_id": "TB0000000001",
        "trans_date": "20260102091530",
        "customer_id": "BN000123",
        "service_id": "999999",
        "bill_id": "K7ABCDEFR",
        "amount": "350000",
        **changed,
    }
    text = f"{secret}|{document['trans_id']}|{document['bill_id']}|{document['amount']}"
    return delivery("paybill", json.dumps({**document, "checksum": hashlib.sha256(text.encode()).hexdigest()}))


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]


def code(answer: Reply) -> str:
    document = json.loads(answer.body)
    found: str = document["errorCode"] if "errorCode" in document else document["data"]["errors"]["errorCode"]
    return found
