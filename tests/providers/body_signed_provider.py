"""A provider whose signature and algorithm stand in the body, next to the message; and the wrong ones of its kind."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from providers.contract import BadSignature, Callback, Notices, Reply
from providers.settings import active_secrets
from providers.signing import hmac_sha256_hex, is_same_secret, read_json_object
from providers.strict_json import NotStrictJson
from providers.testing.conformance import post
from tests.providers.conformance_clients import changed_values, key_of
from tests.providers.wrong_providers import SIGNATURE_HEADER, Piggybank, PiggybankSuite

_OUTSIDE = ("sign", "sign_type")


def text_of(message: Mapping[str, object]) -> bytes:
    """The signed text: every field but the signature and its type, sorted by name."""
    pairs = sorted((name, json.dumps(value)) for name, value in message.items() if name not in _OUTSIDE)
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


class BodySigned(Piggybank):
    """The example, with `sign` and `sign_type` as fields of the body."""

    def read_callback(self, callback: Callback) -> Notices | Reply:
        try:
            read_json_object(callback.body)
        except NotStrictJson:
            raise BadSignature(Reply(401)) from None
        found = json.loads(callback.body)
        if not self._is_proved(text_of(found), found.get("sign"), found.get("sign_type")):
            raise BadSignature(Reply(401))
        body = json.dumps({name: value for name, value in found.items() if name not in _OUTSIDE}).encode()
        mac = hmac_sha256_hex(active_secrets(self._settings.secrets)[0], body)
        return super().read_callback(replace(callback, body=body, headers=((SIGNATURE_HEADER, f"sha256={mac}"),)))

    def _is_proved(self, text: bytes, signature: object, _named: object) -> bool:
        secrets = active_secrets(self._settings.secrets)
        return any(is_same_secret(hmac_sha256_hex(secret, text), signature) for secret in secrets)


class AlgorithmOfABodyField(BodySigned):
    def _is_proved(self, text: bytes, signature: object, named: object) -> bool:
        algorithm = str(named).lower().removeprefix("hmac-")
        if algorithm not in {"md5", "sha1", "sha256", "sha512"}:
            return False
        secrets = active_secrets(self._settings.secrets)
        return any(hmac.new(secret, text, algorithm).hexdigest() == signature for secret in secrets)


class PlainHashOfABodyField(BodySigned):
    """The body may name a hash without a secret."""

    def _is_proved(self, text: bytes, signature: object, named: object) -> bool:
        return super()._is_proved(text, signature, named) or (
            named == "md5" and signature == hashlib.md5(text, usedforsecurity=False).hexdigest()
        )


class NoneOfABodyField(BodySigned):
    def _is_proved(self, text: bytes, signature: object, named: object) -> bool:
        return named == "none" or super()._is_proved(text, signature, named)


class ShortenedSignatureInTheBody(BodySigned):
    """A signature of half the length is accepted."""

    def _is_proved(self, text: bytes, signature: object, _named: object) -> bool:
        secrets = active_secrets(self._settings.secrets)
        return any(signature in (full := hmac_sha256_hex(secret, text), full[: len(full) // 2]) for secret in secrets)


class BodySignedSuite(PiggybankSuite):
    provider = BodySigned

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        try:
            text = text_of(json.loads(body))
        except (AttributeError, TypeError, ValueError):
            text = b""
        mac = hmac_sha256_hex(key_of(settings, "secrets"), text)
        return post(body[:-1] + f', "sign_type": "HMAC-SHA256", "sign": "{mac}"'.encode() + body[-1:])

    def signed_text(self, callback: Callback) -> bytes:
        return text_of(json.loads(callback.body))

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        return changed_values(callback, "sign_type")


class WithoutSignedText(BodySignedSuite):
    """The definition of the signed text is missing."""

    def signed_text(self, callback: Callback) -> bytes:
        return callback.body


WRONG_IN_THE_BODY: tuple[tuple[type[BodySigned], type[Any], str], ...] = (
    (AlgorithmOfABodyField, BodySignedSuite, "the algorithm that the message names was used"),
    (PlainHashOfABodyField, BodySignedSuite, "the algorithm that the message names was used"),
    (NoneOfABodyField, BodySignedSuite, "the algorithm that the message names was used"),
    (ShortenedSignatureInTheBody, BodySignedSuite, "a delivery with a shortened or altered signature was accepted"),
    (BodySigned, WithoutSignedText, r"signed_text\(\) is not the text that the signature covers"),
)
"""Wrong provider, its suite, and the message of the only check that fails."""
