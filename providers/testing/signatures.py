"""Checks of authenticity: signature, algorithm, age, rotation of secrets, replies to verdicts."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from providers.contract import BadSignature, Callback, Callbacks, Notices, Reply, Verdict
from providers.testing.samples import NOW, SamplePayment, observe, texts_of, with_headers, with_token
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
        for token in self.signature_tokens(callback):
            flipped = [digit if token[at] != digit else "1" for at, digit in ((0, "0"), (-1, "0"))]
            others = (
                "",
                token[: len(token) // 2],
                token[:8],
                token[:-1] + flipped[1],
                flipped[0] + token[1:],
                token * 2,
            )
            for other in others:
                self.assert_refused(
                    with_token(callback, token, other), "a delivery with a shortened or altered signature was accepted"
                )
            for name, value in callback.headers:
                if token in value:
                    twice = replace(
                        callback, headers=(*callback.headers, (name, value.replace(token, flipped[1] * 64)))
                    )
                    self.assert_refused(twice, f"a delivery with two headers {name} was accepted")

    def test_error_does_not_contain_the_expected_signature(self) -> None:
        callback, other = self.deliver(), self.deliver("T2")
        known, expected = self.signature_tokens(callback), self.signature_tokens(other, "T2")
        forged = other
        for mine, theirs in zip(known, expected, strict=False):
            forged = with_token(forged, theirs, mine)
        result = self.result_of(forged)
        text = f"{result!r} {result} {getattr(result, 'reply', '')!r}"
        for token in set(expected) - set(known):
            if token in text:
                self.fail("the rejection contains the expected signature, which would authenticate a forged delivery")

    def test_message_does_not_select_the_algorithm(self) -> None:
        """Source: RFC 8725 §3.1: the verifier selects the algorithm, never the message."""
        self.skip_if_nothing_is_signed()
        callback, names = observe(self.deliver())
        self.open(Callbacks).read_callback(callback)
        callback = self.deliver()
        if self.signs_with_a_secret and not self.signature_tokens(callback):
            self.fail("the delivery holds no signature: sign() writes it into a header, the query or the body")
        if self.signs_with_a_secret and not self._own_algorithm(callback):
            self.fail(
                "signed_text() is not the text that the signature covers: override it, so that the suite can sign it "
                "with another algorithm"
            )
        for forged in self.forgeries(names):
            self.assert_refused(
                forged, "the algorithm that the message names was used: the provider selects its own algorithm"
            )

    def signature_tokens(self, callback: Callback, transaction: str = "T1") -> list[str]:
        """Return the signatures in the headers, the query and the body; they are no part of the written message."""
        written = self.write(self.message(SamplePayment(transaction=transaction))).decode("latin-1")
        held = [value for name, value in callback.headers if name != "content-type"]
        held += [value for _, value in callback.query] + [callback.body.decode("latin-1").replace(written, "")]
        return [token for text in held for token in _TOKEN.findall(text) if token not in written]

    def forgeries(self, names: set[str]) -> Iterator[Callback]:
        """Yield deliveries signed with another algorithm, or with none, that the delivery itself names.

        The name stands in the signature's header, in another header (`names` are those that the provider looked up), in
        the query, in a field of the message, or in a field next to it.
        """
        own = self._own_algorithm(self.deliver())
        others = _ALGORITHMS if self.signs_with_a_secret else ("sha256",)
        for algorithm in ("none", *(each for each in others if each != own)):
            for named in self._naming(algorithm, names):
                tokens = self.signature_tokens(named) or self.signature_tokens(self.deliver())
                for digest in self._digests(algorithm, named):
                    forged = named
                    for token in tokens:
                        forged = with_token(forged, token, digest)
                    yield forged

    def _naming(self, algorithm: str, names: set[str]) -> Iterator[Callback]:
        """Yield the sample delivery, authentic, with the algorithm named in each place that a provider may read."""
        callback, message = self.deliver(), self.message(SamplePayment())
        written: tuple[str, ...] = (
            algorithm,
            algorithm.upper(),
            f"hmac-{algorithm}",
            f"HMAC-{algorithm.upper()}",
            f"HS{algorithm[3:]}",
        )
        written = written if self.signs_with_a_secret else written[:1]  # each rejection may be signed with RSA
        renamed = [(name, _ALGORITHM_NAME.sub(algorithm, value)) for name, value in callback.headers]
        callback = replace(callback, headers=tuple(renamed))
        yield callback
        signed_by = {name for name, value in callback.headers if _TOKEN.search(value)}
        for header in sorted({*names, *_NAMES_OF_ALGORITHM} - signed_by):
            for name in written:
                yield with_headers(callback, {header: name})
        fields = {*_NAMES_OF_ALGORITHM, *(field for field, value in message.items() if _is_algorithm(value))}
        for field in sorted(fields):
            for name in written:
                yield replace(self.deliver_message({**message, field: name}), headers=callback.headers)
        yield from self._naming_outside(callback, written)

    def _naming_outside(self, callback: Callback, written: tuple[str, ...]) -> Iterator[Callback]:
        """Yield the delivery with the algorithm named next to the signature, outside the message."""
        signed_by = [name for name, value in callback.query if _TOKEN.search(value)]
        for field in (*_NAMES_OF_ALGORITHM, *(f"{name}Type" for name in signed_by)):
            for name in written if callback.query else ():
                kept = tuple(pair for pair in callback.query if pair[0] != field)
                yield replace(callback, query=(*kept, (field, name)))
        try:
            envelope = json.loads(callback.body)
        except ValueError:
            return
        fields = {*_NAMES_OF_ALGORITHM, *(field for field, value in envelope.items() if _is_algorithm(value))}
        for field in sorted(fields):
            for name in written:
                yield replace(callback, body=json.dumps({**envelope, field: name}).encode())

    def _digests(self, algorithm: str, callback: Callback) -> list[str]:
        if algorithm == "none":
            return ["", "none"]
        text = self.signed_text(callback)
        return [made.hex() for made in self._hashes(algorithm, text)]

    def _hashes(self, algorithm: str, text: bytes) -> list[bytes]:
        """Return the HMACs of a text under each secret or public key (RFC 8725 §2.1), and its plain hash."""
        public_keys = [text for text in texts_of(self.settings) if "PUBLIC KEY" in text]
        keys = [key.encode() for key in (self.secrets() if self.signs_with_a_secret else public_keys)]
        return [*(hmac.new(key, text, algorithm).digest() for key in keys), hashlib.new(algorithm, text).digest()]

    def _own_algorithm(self, callback: Callback) -> str:
        """Return the hash by which signed_text() and a secret give a signature of the delivery; empty if none does."""
        text, tokens = self.signed_text(callback), self.signature_tokens(callback)
        for algorithm in _ALGORITHMS:
            made = self._hashes(algorithm, text)
            known = {each.hex() for each in made} | {base64.b64encode(each).decode("ascii") for each in made}
            if any(token.lower() in known or token in known for token in tokens):
                return algorithm
        return ""

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
