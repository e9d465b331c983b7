"""Signatures between a bank and us: RSA in both directions, or a shared secret.

Two public keys (or secrets) may be active during a rotation; sent messages are signed with the first secret, or our
private key. Source: RFC 8017 (PKCS#1 v1.5), RFC 2104, FIPS 180-4; the profile selects the algorithm.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from providers.bank_collection.profile import Algorithm, Signing
from providers.signing import hmac_sha256_hex, is_same_secret

KEY_BITS_MIN = 2048
_SIGNATURE_LENGTH_MAX = 4096


class KeyRefused(ValueError):
    """A text that is no RSA key in PEM of at least 2048 bits; repeats no part of the text."""


def read_public_key(pem: str) -> RSAPublicKey:
    """The bank's public key. Raises KeyRefused."""
    try:
        key = serialization.load_pem_public_key(pem.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused("no public key in PEM") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise KeyRefused(f"no RSA key of at least {KEY_BITS_MIN} bits")
    return key


def read_private_key(pem: str) -> RSAPrivateKey:
    """Our private key, in PEM without a pass phrase. Raises KeyRefused."""
    try:
        key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("no private key in PEM without a pass phrase") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
        raise KeyRefused(f"no RSA key of at least {KEY_BITS_MIN} bits")
    return key


def signed_text(values: Sequence[str], signing: Signing, secret: str = "") -> str:
    """The signed text: the values in the profile's order, joined and emptied by its rules."""
    parts = [value for value in values if value or not signing.skips_empty]
    if signing.key_stands == "first":
        parts = [secret, *parts]
    elif signing.key_stands == "last":
        parts = [*parts, secret]
    return signing.separator.join(parts)


class Signer:
    """Signs and verifies by the rules of one profile, with the keys of one account."""

    def __init__(
        self,
        signing: Signing,
        *,
        public_keys: Sequence[RSAPublicKey] = (),
        private_key: RSAPrivateKey | None = None,
        secrets: Sequence[bytes] = (),
    ) -> None:
        self._signing = signing
        self._public_keys = tuple(public_keys)
        self._private_key = private_key
        self._secrets = tuple(secrets)

    def sign(self, values: Sequence[str]) -> str:
        """Our signature over values, in the profile's form."""
        if not self._signing.algorithm.is_rsa:
            return self._keyed(values, self._secrets[0])
        assert self._private_key is not None, "the settings refuse an account without"
        text = signed_text(values, self._signing).encode("utf-8")
        return self._written(self._private_key.sign(text, padding.PKCS1v15(), self._hash()))

    def is_signed(self, values: Sequence[str], received: object) -> bool:
        """Whether the bank signed these values, with either active key; never raises."""
        if not isinstance(received, str) or not 0 < len(received) <= _SIGNATURE_LENGTH_MAX:
            return False
        if not self._signing.algorithm.is_rsa:
            given = received.lower() if self._signing.form == "hex" else received
            return any(is_same_secret(self._keyed(values, secret), given) for secret in self._secrets)
        signature = self._read(received)
        text = signed_text(values, self._signing).encode("utf-8", "surrogatepass")
        return signature is not None and any(self._verifies(key, signature, text) for key in self._public_keys)

    def _verifies(self, key: RSAPublicKey, signature: bytes, text: bytes) -> bool:
        try:
            key.verify(signature, text, padding.PKCS1v15(), self._hash())
        except InvalidSignature:
            return False
        return True

    def _hash(self) -> hashes.HashAlgorithm:
        if self._signing.algorithm is Algorithm.RSA_SHA1:
            return hashes.SHA1()  # noqa: S303 - required by an old contract
        return hashes.SHA256()

    def _keyed(self, values: Sequence[str], secret: bytes) -> str:
        algorithm = self._signing.algorithm
        if algorithm is Algorithm.HMAC_SHA256:
            digest = bytes.fromhex(hmac_sha256_hex(secret, signed_text(values, self._signing).encode("utf-8")))
        else:
            text = signed_text(values, self._signing, secret.decode("utf-8")).encode("utf-8", "surrogatepass")
            digest = hashlib.new(algorithm.value, text, usedforsecurity=algorithm is not Algorithm.MD5).digest()
        return self._written(digest)

    def _written(self, signature: bytes) -> str:
        return signature.hex() if self._signing.form == "hex" else base64.b64encode(signature).decode("ascii")

    def _read(self, received: str) -> bytes | None:
        try:
            if self._signing.form == "hex":
                return bytes.fromhex(received)
            return base64.b64decode(received, validate=True)
        except (binascii.Error, ValueError):
            return None
