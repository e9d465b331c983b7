"""The piggy bank does what every provider must: `pytest examples/piggybank` once it is installed."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from piggybank import Piggybank

from providers.contract import Callback
from providers.signing import hmac_sha256_hex
from providers.testing.conformance import REFERENCE, ProviderConformance, post

SECRET = "a-secret-of-the-tests"


class TestPiggybank(ProviderConformance):
    provider = Piggybank
    settings: ClassVar[Mapping[str, object]] = {
        "bank_bin": "970422",
        "account_number": "0110000001",
        "account_holder": "BENH VIEN",
        "secrets": [SECRET, "the-next-secret-of-the-tests"],
    }

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        message = {"id": transaction, "amount": amount, "memo": REFERENCE, "status": "paid", "at": int(at.timestamp())}
        body = json.dumps(message).encode()
        return post(body, ("x-piggy-signature", hmac_sha256_hex(SECRET.encode(), body)))
