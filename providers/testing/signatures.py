"""Checks of authenticity: signature, algorithm, age, rotation of secrets, replies to verdicts."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from providers.contract import BadSignature, Callback, Callbacks, Notices, Reply, Verdict
from providers.testing.samples import NOW, SamplePayment, observe, with_headers
from providers.testing.suite import ConformanceBase

_TOKEN = re.compile(r"[0-9A-Za-z+/_-]{24,}={0,2}")
_ALGORITHMS = ("md5", "sha1", "sha224", "sha384", "sha512", "sha256")
_ALGORITHM_NAME = re.compile(r"(hmac[-_]?)?sha[-_]?(256|512|1)|md5", re.IGNORECASE)
_NAMES_OF_ALGORITHM = ("alg", "algorithm", "sign_type", "signType", "signature_type", "signature_method", "hash")
_GARBAGE = (b"", b"{", b"{}", b"[]", b"null", b"\xff\xfe", b'{"a": 1, "a": 2}', b"a=1&a=2", b"[" * 20_000)


class SignatureChecks(ConformanceBase):
    """A delivery is read only if its signature covers it."""

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        """Yield the delivery with one signed place changed; every byte of the body unless overridden."""
        body = callback.body
        for place in range(0, len(body), max(1, len(body) // 1024)):
            yield replace(callback, body=body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :])
        for changed in (body[:-1], body + b" ", body + b"\n", b" " + body, body + body):
            yield replace(callback, body=changed)

    def test_changed_byte_in_the_signed_part_is_refused(self) -> None:
        self.skip_if_nothing_is_signed()
        changes = 0
        for changed in self.signed_places(self.deliver()):
            changes += 1
            self.assert_refused(
                changed,
                "a delivery whose signed part was changed was accepted: the signature is "
                "not verified over the whole signed part, or after reading",
            )
        assert changes, "signed_places() yields no delivery"

    def test_delivery_without_its_proof_is_refused(self) -> None:
        callback = self.deliver()
        bare = replace(callback, headers=(), query=(), raw_query="")
        if callback.query or any(name != "content-type" for name, _ in callback.headers):
            self._assert_unproved(bare)
        self._assert_unproved(replace(bare, body=b"{}"))

    def test_body_is_not_read_before_the_signature_is_verified(self) -> None:
        callback = self.deliver()
        bare = replace(callback, query=(), raw_query="")
        if self.provider.signed_part == "none":
            bare = replace(bare, headers=())
        for body in _GARBAGE:
            if body != callback.body:
                self._assert_unproved(replace(bare, body=body))

    def test_altered_signature_is_refused(self) -> None:
        callback = self.deliver()
        for name, value in callback.headers:
            for token in _TOKEN.findall(value):
                last = "0" if token[-1] != "0" else "1"
                for other in (
                    "",
                    token[: len(token) // 2],
                    token[:8],
                    token[:-1] + last,
                    ("0" if token[0] != "0" else "1") + token[1:],
                    token * 2,
                ):
                    changed = with_headers(callback, {name: value.replace(token, other)})
                    self.assert_refused(changed, "a delivery with a shortened or altered signature was accepted")
                twice = replace(callback, headers=(*callback.headers, (name, value.replace(token, last * 64))))
                self.assert_refused(twice, f"a delivery with two headers {name} was accepted")

    def test_error_does_not_contain_the_expected_signature(self) -> None:
        callback, other = self.deliver(), self.deliver("T2")
        result = self.result_of(replace(callback, body=other.body, query=other.query))
        expected = [token for _, value in other.headers for token in _TOKEN.findall(value)]
        known = [token for _, value in callback.headers for token in _TOKEN.findall(value)]
        text = f"{result!r} {result} {getattr(result, 'reply', '')!r}"
        for token in set(expected) - set(known):
            if token in text:
                self.fail("the rejection contains the expected signature, which would authenticate a forged delivery")

    def test_message_does_not_select_the_algorithm(self) -> None:
        """Source: RFC 8725 §3.1: the verifier selects the algorithm, never the message."""
        self.skip_if_nothing_is_signed()
        callback, names = observe(self.deliver())
        self.open(Callbacks).read_callback(callback)
        for forged in self.forgeries(callback, names):
            self.assert_refused(
                forged, "the algorithm that the message names was used: the provider selects its own algorithm"
            )

    def forgeries(self, callback: Callback, names: set[str]) -> Iterator[Callback]:
        """Yield deliveries signed with another algorithm, or with none, that the message itself names.

        They assume HMAC over the body. `names` are the headers that the provider looked up. Extend it if the signature
        covers another text.
        """
        signatures = {name: value for name, value in callback.headers if _TOKEN.search(value)}
        for name, value in signatures.items():
            for algorithm in ("none", *_ALGORITHMS[:-1]):
                for digest in self._digests(algorithm, callback.body):
                    headers = {name: _ALGORITHM_NAME.sub(algorithm, _TOKEN.sub(digest, value))}
                    yield with_headers(callback, headers)
                    for other in sorted({*names, *_NAMES_OF_ALGORITHM} - set(signatures)):
                        for written in (algorithm, algorithm.upper(), f"hmac-{algorithm}", f"HS{algorithm[3:]}"):
                            yield with_headers(callback, {**headers, other: written})
            yield from self._forged_bodies(callback, name, value)

    def _forged_bodies(self, callback: Callback, name: str, value: str) -> Iterator[Callback]:
        """The message names the algorithm in one of its own fields."""
        message = self.message_of(callback)
        if message is None:
            return
        for field in {*_NAMES_OF_ALGORITHM, *(f for f, v in message.items() if _is_algorithm(v))}:
            for algorithm in ("none", *_ALGORITHMS[:-1]):
                body = self.write({**message, field: algorithm})
                for digest in self._digests(algorithm, body):
                    signature = _ALGORITHM_NAME.sub(algorithm, _TOKEN.sub(digest, value))
                    yield with_headers(replace(callback, body=body), {name: signature})

    def _digests(self, algorithm: str, body: bytes) -> list[str]:
        if algorithm == "none":
            return ["", "none"]
        keyed = [hmac.new(secret.encode(), body, algorithm).hexdigest() for secret in self.secrets()]
        return [*keyed, hashlib.new(algorithm, body).hexdigest()]

    def message_of(self, callback: Callback) -> dict[str, Any] | None:
        """Return the sample message if its written form is the body of the delivery."""
        message = dict(self.message(SamplePayment()))
        return message if self.write(message) == callback.body else None

    def test_old_and_future_deliveries_are_refused(self) -> None:
        """A recorded delivery cannot be sent again later."""
        callback = self.deliver()
        if self.max_age is None:
            return
        assert self.payments(self.result_of(replace(callback, received_at=NOW + self.max_age / 2))), (
            "a delivery within max_age was rejected"
        )
        for late in (self.max_age + timedelta(seconds=2), self.max_age * 10, -self.max_age * 10):
            self.assert_refused(
                replace(callback, received_at=NOW + late), f"a delivery signed {late} before its arrival was accepted"
            )

    def test_both_secrets_are_accepted_while_one_is_rotated(self) -> None:
        self.require(Callbacks)
        names = self.rotated_settings()
        if not names:
            assert not self.rotates_secrets, (
                "only one secret is accepted: type the secret of the callbacks `Secrets`, so that it can be rotated"
            )
            return
        is_used = False
        for name in names:
            current, following = self.first_secret(name), self.next_secret(name)
            both = {**self.settings, name: [current, following]}
            for secret in (current, following):
                delivered = self.sign({**self.settings, name: [secret]}, self._written(), NOW)
                result = self.result_of(delivered, both)
                if not isinstance(result, Notices):
                    self.fail(
                        f"while {name} is rotated only one secret is accepted: a delivery signed with the "
                        f"{'current' if secret == current else 'next'} one was rejected"
                    )
            delivered = self.sign({**self.settings, name: [current]}, self._written(), NOW)
            is_used |= isinstance(self.result_of(delivered, {**self.settings, name: [following]}), BadSignature)
        if not is_used:
            self.fail("a delivery signed with a secret that the settings do not hold was accepted")

    def _written(self) -> bytes:
        return self.write(self.message(SamplePayment()))

    def test_every_verdict_has_a_reply_and_only_try_later_requests_another_delivery(self) -> None:
        provider, callback = self.open(Callbacks), self.deliver()
        replies = {}
        for verdict in Verdict:
            try:
                replies[verdict] = provider.answer_callback(callback, verdict, "receipt-1")
            except Exception as error:  # noqa: BLE001 - any exception is the finding
                self.fail(f"answer_callback raised {type(error).__name__} for the verdict {verdict}: it has no reply")
            self.assert_reply(replies[verdict])
            if provider.answer_callback(callback, verdict, "receipt-1") != replies[verdict]:
                self.fail(f"the reply to the verdict {verdict} differs from call to call")
        later = replies[Verdict.TRY_LATER]
        for verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.STORED):
            if (later.status, later.body) == (replies[verdict].status, replies[verdict].body):
                self.fail(f"the reply to TRY_LATER equals the reply to {verdict}: the provider delivers no more")
            if replies[verdict].status >= 400:
                self.fail(f"the reply to {verdict} has an error status: the provider delivers again without end")

    def _assert_unproved(self, callback: Callback) -> None:
        result = self.result_of(callback)
        if isinstance(result, BadSignature):
            return
        if isinstance(result, Reply) and result.status >= 400:
            return  # a rejected method needs no check of the signature
        self.fail(
            f"a delivery without proof of authenticity gave {type(result).__name__} instead of BadSignature: "
            "the body is read before the signature is verified"
        )


def _is_algorithm(value: object) -> bool:
    return isinstance(value, str) and _ALGORITHM_NAME.fullmatch(value) is not None
