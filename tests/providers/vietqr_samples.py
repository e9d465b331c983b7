"""An account at vietqr.vn for tests: its settings, its token, its calls about transfers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.contract import Callback, Notice, Notices, PaymentRequest, Reply
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.vietqr.adapter import SYNC_PATH_SUFFIX, TOKEN_PATH_SUFFIX, Vietqr
from providers.vietqr.settings import VietqrSettings
from providers.vietqr.signing import basic_authorization

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "vietqr.json").read_text("utf-8"))["vectors"]
USER, PASSWORD = "vietqr-vn", "FAKE_VIETQRVN_PASSWORD_0001"
AT = datetime.fromtimestamp(1790000003, UTC)
SETTINGS: dict[str, Any] = {
    "bank_bin": "970436",
    "account_number": "0000000000017",
    "username": USER,
    "passwords": PASSWORD,
    "timeout_s": 0.2,
}
SYNC: dict[str, Any] = {
    "bankaccount": "0000000000017",
    "amount": 350000,
    "transType": "C",
    "content": "VQR00TEST01 K7ABCDEFR",
    "transactionid": "11111111-1111-4111-8111-111111111111",
    "transactiontime": 1790000000000,
    "referencenumber": "FT26002000001",
    "orderId": "K7ABCDEFR",
    "sign": "",
}
REQUEST = PaymentRequest(
    reference="K7ABCDEFR",
    amount=350_000,
    purpose="K7ABCDEFR VIEN PHI",
    expires_at=None,
    requested_at=AT,
)


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


def account(client: httpx.AsyncClient | None = None, **changed: Any) -> Vietqr:
    return Vietqr(VietqrSettings.model_validate({**SETTINGS, **changed}), client or httpx.AsyncClient())


def delivery(path_suffix: str, body: str = "", *, authorization: str | None = None, at: datetime = AT) -> Callback:
    return Callback(
        method="POST",
        path_suffix=path_suffix,
        raw_query="",
        query=(),
        headers=[] if authorization is None else [("authorization", authorization)],
        body=body.encode(),
        source_address="203.0.113.99",
        received_at=at,
    )


def token(bank: Vietqr, *, at: datetime = AT) -> str:
    given = bank.read_callback(delivery(TOKEN_PATH_SUFFIX, authorization=basic_authorization(USER, PASSWORD), at=at))
    assert isinstance(given, Reply)
    result = json.loads(given.body)
    assert (given.status, result["token_type"], result["expires_in"]) == (200, "Bearer", 300)
    return str(result["access_token"])


def sync(bank: Vietqr, body: str | None = None, **changed: object) -> Callback:
    result = json.dumps({**SYNC, **changed}) if body is None else body
    return delivery(SYNC_PATH_SUFFIX, result, authorization=f"Bearer {token(bank)}")


def one(read: object) -> Notice:
    assert isinstance(read, Notices)
    assert len(read.notices) == 1
    return read.notices[0]


def order_code(**changed: Any) -> dict[str, Any]:
    """The answer of vietqr.vn to a new order: its VietQR and the transfer text, which has a prefix of vietqr.vn."""
    text = "VQR00TEST K7ABCDEFR"
    code = {"bank_bin": "970436", "account_number": "0000000000017", "amount": 350_000, **changed}
    payload = build_vietqr(VietQr(**code, particulars=Particulars(purpose=text)))
    return {"qrCode": payload, "content": text, "transactionRefId": "ref-1"}
