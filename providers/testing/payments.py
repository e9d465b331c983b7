"""Checks of settings, started payments, refunds, cancellations, feeds and settlement files."""

import io
from collections.abc import Awaitable
from dataclasses import replace
from itertools import product
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import ValidationError

from providers.contract import (
    Cancellations,
    Feeds,
    FeedUnavailable,
    LocalQr,
    Outcome,
    PaymentInstruction,
    PaymentUnknown,
    ProviderUnreachable,
    RefundRequest,
    Refunds,
    SettlementFiles,
    SettlementUnreadable,
)
from providers.emvqr import QrError, check_payee
from providers.testing.faults import faults
from providers.testing.samples import NOW
from providers.testing.suite import ConformanceBase, T, error_text


class SettingsChecks(ConformanceBase):
    """Settings are strict and show no secret."""

    def test_settings_reject_an_unknown_field_without_repeating_a_secret(self) -> None:
        try:
            self.provider.settings_type.model_validate({**self.settings, "no_such_setting": 1})
        except ValidationError as error:
            self.assert_secret_free(str(error))
            if "no_such_setting" not in str(error):
                self.fail("the rejection does not name the unknown setting")
        else:
            self.fail("settings with an unknown field were accepted: a typing error would pass unnoticed")

    def test_account_shows_no_secret(self) -> None:
        settings = self.provider.settings_type.model_validate(dict(self.settings))
        opened = self.open()

        assert self.secrets(), "the settings hold no secret: type each secret SecretStr or Secrets"
        for text in (repr(settings), str(settings), settings.model_dump_json(), repr(opened), repr(vars(opened))):
            self.assert_secret_free(text)

    def test_signed_part_is_declared(self) -> None:
        assert self.provider.signed_part, "signed_part is empty: state which bytes are signed, or `none`"


class PaymentChecks(ConformanceBase):
    """A payment is started once, and no failure of the network counts as an answer."""

    def test_payment_carries_its_purpose_and_goes_to_our_account(self) -> None:
        assert self.request.purpose.isascii()
        assert len(self.request.purpose) <= 25
        sent: list[bytes] = []
        instruction = self.run(self.begin(self.answering(sent)))

        assert isinstance(instruction, PaymentInstruction), "create_payment returns a PaymentInstruction"
        self.assert_qr(instruction)
        posted = [value for _, value in instruction.form_fields]
        requests = [part.decode("latin-1") for part in sent]
        carried = [instruction.qr_payload, instruction.redirect_url, *posted, *requests]
        if any(carried) and not any(self.request.reference in each for each in carried):
            self.fail("the payment does not carry the reference: the money could not be matched")
        if any(carried) and not any(str(self.request.amount) in each for each in carried):
            self.fail(f"the payment does not request {self.request.amount} đồng")
        self.assert_secret_free(repr(instruction))

    def test_local_qr_requests_the_amount(self) -> None:
        self.require(LocalQr)
        for amount in (self.request.amount, self.request.amount + 1_000):
            self.assert_qr(self.open().qr_for(replace(self.request, amount=amount)), amount)

    def assert_qr(self, instruction: PaymentInstruction, amount: int | None = None) -> None:
        """A VietQR of an instruction pays the shown account the requested amount."""
        if not instruction.qr_payload or not instruction.bank_bin:
            return
        try:
            payee = {"bank_bin": instruction.bank_bin, "account_number": instruction.account_number}
            code = check_payee(instruction.qr_payload, **payee)
        except QrError as error:
            self.fail(f"the QR does not pay the account of the instruction: {error}")
        if code.amount != (amount or self.request.amount):
            self.fail(f"the QR has {code.amount}, not the requested amount")

    def test_repeated_request_is_the_same_payment(self) -> None:
        sent: list[bytes] = []
        first = self.run(self.begin(self.answering(sent)))
        count = len(sent)
        second = self.run(self.begin(self.answering(sent)))
        if first != second or sorted(sent[:count]) != sorted(sent[count:]):
            self.fail(
                "create_payment repeated with the same request starts another payment: derive every id and time "
                "from the request"
            )

    def test_payment_without_a_trustworthy_answer_is_unknown_or_refused_as_the_contract_states(self) -> None:
        for fault in faults():
            sent: list[bytes] = []
            with self.nothing_secret_logged():
                ended = self.run(self.ended(self.begin(self.failing(fault, sent))))
            if not sent:
                continue  # the instruction is made locally
            wanted = (PaymentUnknown,) if fault.was_sent else (ProviderUnreachable, PaymentUnknown)
            if not isinstance(ended, wanted):
                self.fail(f"create_payment after the fault `{fault.name}` gave {ended!r}, not {wanted[0].__name__}")
            self.assert_secret_free(error_text(ended))
            if len(sent) > self.calls_to_begin:
                self.fail(f"create_payment was sent {len(sent)} times after the fault `{fault.name}`: send it once")

    def test_feed_that_cannot_be_read_is_unknown(self) -> None:
        self.require(Feeds)
        for fault in faults():
            provider = self.open(client=self.failing(fault, []))
            if provider.feeds_per_minute == 0:
                pytest.skip("the settings of this account allow no feed")
            with self.nothing_secret_logged():
                ended = self.run(self.ended(provider.read_since("", now=NOW)))
            if not isinstance(ended, FeedUnavailable):
                self.fail(f"read_since after the fault `{fault.name}` gave {type(ended).__name__}, not FeedUnavailable")
            self.assert_secret_free(error_text(ended))

    def test_refund_without_a_trustworthy_answer_is_not_concluded(self) -> None:
        self.require(Refunds)
        assert isinstance(self.provider.partial_refunds, bool), "partial_refunds is not declared"  # type: ignore[attr-defined]  # Refunds only
        for fault in faults():
            sent: list[bytes] = []
            provider = self.open(client=self.failing(fault, sent))
            with self.nothing_secret_logged():
                result = self.run(self.ended(provider.refund(self.refund_request)))
            wanted = {Outcome.UNKNOWN} if fault.was_sent else {Outcome.UNKNOWN, Outcome.FAILED}
            self.assert_outcome(result, wanted, f"refund after the fault `{fault.name}`", bool(sent))
            if len(set(sent)) < len(sent):
                self.fail(f"refund was sent again after the fault `{fault.name}`: send it once")

    def test_query_of_a_refund_without_a_trustworthy_answer_is_unknown(self) -> None:
        self.require(Refunds)
        for fault, number in product(faults(), ("", "R1")):
            sent: list[bytes] = []
            provider = self.open(client=self.failing(fault, sent))
            query = provider.query_refund(self.refund_request, provider_reference=number, queried_at=NOW)
            with self.nothing_secret_logged():
                result = self.run(self.ended(query))
            where = f"query_refund of the number `{number}` after the fault `{fault.name}`"
            self.assert_outcome(result, {Outcome.UNKNOWN}, where, bool(sent))

    def test_repeated_refund_is_the_same_refund(self) -> None:
        self.require(Refunds)
        for fault in faults():
            sent: list[bytes] = []
            for _ in range(2):
                refund = self.open(client=self.failing(fault, sent)).refund(self.refund_request)
                self.run(self.ended(refund))
            if sorted(sent[: len(sent) // 2]) != sorted(sent[len(sent) // 2 :]):
                self.fail(
                    "refund repeated with the same request starts another refund: derive every id and time from the "
                    "request"
                )

    def test_cancellation_without_a_trustworthy_answer_is_unknown(self) -> None:
        self.require(Cancellations)
        for fault in faults():
            sent: list[bytes] = []
            provider = self.open(client=self.failing(fault, sent))
            with self.nothing_secret_logged():
                result = self.run(self.ended(provider.cancel_payment(self.pending(), reason="test")))
            self.assert_outcome(result, {Outcome.UNKNOWN}, f"cancel_payment after the fault `{fault.name}`", bool(sent))

    def assert_outcome(self, result: Any, wanted: set[Outcome], where: str, was_called: bool) -> None:
        """The result of a call has one of the outcomes, if the provider was called at all."""
        if isinstance(result, BaseException):
            self.fail(f"{where} raised {type(result).__name__} instead of an outcome")
        if was_called and result.outcome not in wanted:
            self.fail(f"{where} gave {result.outcome.name}: without an authentic answer it is UNKNOWN")
        self.assert_secret_free(repr(result))

    def test_settlement_file_that_is_no_report_is_rejected(self) -> None:
        self.require(SettlementFiles)
        for content in (b"", b"\xff\xfe\x00", b"<html></html>", b"a,b\n1,2,3\n"):
            try:
                lines = list(self.open().read_settlement(io.BytesIO(content)))
            except SettlementUnreadable as error:
                self.assert_secret_free(error_text(error))
                continue
            except Exception as error:  # noqa: BLE001 - any other exception is the finding
                self.fail(f"read_settlement raised {type(error).__name__} instead of SettlementUnreadable")
            assert not lines, "a file that is no report gave settlement lines"

    @property
    def refund_request(self) -> RefundRequest:
        """A refund of the sample payment; override if the provider's transaction ids have another form."""
        return RefundRequest(
            reference="RF0000001",
            amount=100_000,
            paid=136_000,
            payment=self.pending(),
            transaction=self.refunded_transaction,
            reason="service cancelled",
            requested_at=NOW,
            requested_by="cashier01",
        )

    refunded_transaction: ClassVar[str] = "4000000001"

    async def begin(self, client: httpx.AsyncClient) -> PaymentInstruction:
        """Start the requested payment."""
        instruction: PaymentInstruction = await self.bounded(self.open(client=client).create_payment(self.request))
        return instruction

    async def ended(self, work: Awaitable[T]) -> Any:
        """Return the result of a call, or the exception that it raised."""
        try:
            return await self.bounded(work)
        except Exception as error:  # noqa: BLE001 - the check compares the exception with the contract
            return error
