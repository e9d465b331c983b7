"""Checks of status queries: the same notice as the callback, and no belief in an unsigned answer."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import httpx
import pytest

from providers.contract import Notices, Outcome, PendingPayment, Queries
from providers.testing.faults import faults
from providers.testing.samples import AMOUNT, OTHER_REFERENCE, REFERENCE, SamplePayment, with_field
from providers.testing.suite import ConformanceBase

Change = Callable[[httpx.Response], httpx.Response]


class QueryChecks(ConformanceBase):
    """A status query concludes from an authentic answer only."""

    query_names_bank_key: bool = True
    """False if the provider's answer lacks the bank reference that its callback has: comment the reason."""

    def test_query_without_a_trustworthy_answer_is_unknown(self) -> None:
        self._require_queries()
        for fault, number in product(faults(), ("", self.pending().provider_reference)):
            result = self._query(fault.answer, replace(self.pending(), provider_reference=number))
            if [each.outcome for each in result.notices] != [Outcome.UNKNOWN]:
                self.fail(
                    f"a status query of the number `{number}` that failed ({fault.name}) gave {_outcomes(result)} "
                    "instead of UNKNOWN"
                )

    def test_query_and_callback_give_the_same_event(self) -> None:
        self._require_queries()
        answered = [each for each in self._answer(SamplePayment()).notices if each.outcome is Outcome.SUCCEEDED]
        assert len(answered) == 1, "the answer to a query about a paid payment gives one notice SUCCEEDED"
        [notice] = answered
        [called] = self.read(self.deliver())
        for name in ("event_key", "movement_keys", "fingerprint", "amount", "movement"):
            mine, theirs = getattr(notice, name), getattr(called, name)
            if name == "movement_keys" and not self.query_names_bank_key:
                mine, theirs = (frozenset(k for k in keys if not k.startswith("bank:")) for keys in (mine, theirs))
            if mine != theirs:
                self.fail(
                    f"{name} of the queried payment differs from that of its callback: the payment would be "
                    "booked twice or shown as a mismatch"
                )

    def test_unsigned_query_answer_is_unknown(self) -> None:
        self._require_queries()
        if not self.answers_are_signed:
            return
        other_secrets = {**self.settings, **{name: self.next_secret(name) for name in self.rotated_settings()}}
        message = self.message(SamplePayment())
        for change in (_without_headers, _changed(b"%d" % AMOUNT, b"%d" % (AMOUNT + 1)), _with_other_reference):
            result = self._answer(SamplePayment(), change)
            if any(each.outcome is not Outcome.UNKNOWN for each in result.notices):
                self.fail(f"an unsigned or changed answer to a status query was believed: {_outcomes(result)}")
        if self.rotated_settings():

            async def forge(request: httpx.Request) -> httpx.Response:
                return self.answer_query(other_secrets, request, message)

            result = self._query(forge)
            if any(each.outcome is not Outcome.UNKNOWN for each in result.notices):
                self.fail("an answer to a status query that another secret signed was believed")

    def test_answer_of_another_payment_is_not_taken_for_this_one(self) -> None:
        self._require_queries()
        result = self._answer(SamplePayment(reference=OTHER_REFERENCE))
        for notice in self.payments(result):
            if REFERENCE in (notice.reference or "") or REFERENCE in notice.transfer_text:
                self.fail("the answer about another payment was taken for the queried one")
        if self.fields.payee is not None:
            message = with_field(self.message(SamplePayment()), self.fields.payee, self.fields.other_payee)
            if self.payments(self._answer_message(message)):
                self.fail("a payment of another merchant was accepted from the answer to a status query")

    def test_unknown_status_of_an_answer_is_unknown(self) -> None:
        self._require_queries()
        if self.fields.status is None and not self.fields.statuses:
            return
        message = self.message(SamplePayment())
        for status, outcome in {**self.fields.statuses, self.fields.unknown_status: Outcome.UNKNOWN}.items():
            found = {each.outcome for each in self._answer_message(self.with_status(message, status)).notices}
            if found != {outcome}:
                names = " and ".join(sorted(each.name for each in found)) or "no notice"
                self.fail(f"the status {status!r} of an answer is read as {names}, not as {outcome.name}")

    def test_payment_that_the_provider_does_not_know_is_not_found(self) -> None:
        self._require_queries()

        async def deny(request: httpx.Request) -> httpx.Response:
            return self.answer_query(self.settings, request, None)

        result = self._query(deny)
        if [each.outcome for each in result.notices] != [Outcome.NOT_FOUND]:
            self.fail(f"a payment that the provider does not know gave {_outcomes(result)} instead of NOT_FOUND")

    def _require_queries(self) -> None:
        self.require(Queries)
        if self.open().queries_per_minute == 0:
            pytest.skip("the settings of this account allow no status query")

    def _answer(self, payment: SamplePayment, change: Change | None = None) -> Notices:
        return self._answer_message(self.message(payment), change)

    def _answer_message(self, message: Mapping[str, Any], change: Change | None = None) -> Notices:
        async def respond(request: httpx.Request) -> httpx.Response:
            response = self.answer_query(self.settings, request, message)
            return change(response) if change else response

        return self._query(respond)

    def _query(
        self, respond: Callable[[httpx.Request], Awaitable[httpx.Response]], known: PendingPayment | None = None
    ) -> Notices:
        provider = self.open(Queries, client=self.client(respond))
        with self.nothing_secret_logged():
            try:
                result = self.run(self.bounded(provider.query_payment(known or self.pending())))
            except Exception as error:  # noqa: BLE001 - any exception is the finding
                self.fail(f"query_payment raised {type(error).__name__} instead of a notice UNKNOWN")
        assert isinstance(result, Notices), "query_payment returns Notices"
        self.assert_secret_free(repr(result))
        return result


def _without_headers(response: httpx.Response) -> httpx.Response:
    """Only the content of the answer remains; a signature inside it is emptied."""
    return httpx.Response(
        response.status_code, content=_emptied(response.content), headers={"content-type": "application/json"}
    )


def _emptied(content: bytes) -> bytes:
    return re.sub(rb"[0-9a-fA-F]{64,}", b"", content)


def _changed(old: bytes, new: bytes) -> Change:
    return lambda response: _with_content(response, response.content.replace(old, new))


def _with_other_reference(response: httpx.Response) -> httpx.Response:
    return _with_content(response, response.content.replace(REFERENCE.encode(), OTHER_REFERENCE.encode()))


def _with_content(response: httpx.Response, content: bytes) -> httpx.Response:
    kept = {name: value for name, value in response.headers.items() if name != "content-length"}
    return httpx.Response(response.status_code, content=content, headers=kept)


def _outcomes(result: Notices) -> str:
    return ", ".join(each.outcome.name for each in result.notices) or "no notice"
