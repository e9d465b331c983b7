"""Checks of the notices: what a signed message becomes, and which signed messages are no payment."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields as fields_of
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from providers.contract import BadSignature, BillInquiry, Movement, Notice, Notices, Outcome, Reply, Unreadable
from providers.notice_json import read_notices, write_notices
from providers.testing.samples import (
    AMOUNT,
    NOW,
    OTHER_REFERENCE,
    REFERENCE,
    SamplePayment,
    field_of,
    paths_of,
    with_field,
    without_field,
)
from providers.testing.suite import ConformanceBase

_KEY_KINDS = ("transaction:", "transfer:", "bank:")
_ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, "", " ", "x" * 100_000, "\x00", "\ud800", [], {}, [[]], {"a": {"a": 1}}, "٣",
    "9999-12-31T23:59:59", "00000000000000",
)  # fmt: skip


class MessageChecks(ConformanceBase):
    """A signed message becomes exactly the notice that it documents."""

    # ------------------------------------------------------------ one payment

    def test_authentic_delivery_is_read_as_the_payment(self) -> None:
        notices = self.read(self.deliver())

        paid = [each for each in notices if each.outcome in (Outcome.SUCCEEDED, Outcome.UNKNOWN)]
        assert len(paid) == 1, f"the delivery of one payment gave {len(paid)} notices of a payment"
        [notice] = paid
        assert notice.movement is Movement.RECEIVED, "a received payment has the movement RECEIVED"
        assert type(notice.amount) is int, f"the amount is {type(notice.amount).__name__}, not int"
        assert notice.amount == AMOUNT, f"the amount is {notice.amount}, not {AMOUNT}"
        assert not notice.names_other_account, "the delivery names our own merchant, yet names_other_account is set"
        assert notice.outcome is Outcome.UNKNOWN or notice.movement_keys, "a payment has no movement key"
        assert all(key.startswith(_KEY_KINDS) for key in notice.movement_keys), (
            f"a movement key begins with one of {_KEY_KINDS}"
        )
        assert notice.fingerprint, "the fingerprint is empty"
        assert isinstance(notice.fingerprint, bytes), "the fingerprint is bytes"

    def test_reference_reaches_the_notice(self) -> None:
        for reference in (REFERENCE, OTHER_REFERENCE):
            [notice] = self.read(self.deliver(reference=reference))
            carried = (notice.reference or "", notice.transfer_text, notice.virtual_account)
            if not any(reference in text for text in carried):
                self.fail("the reference was dropped: neither reference nor transfer_text nor virtual_account holds it")

    def test_time_of_the_payment_is_exact(self) -> None:
        """Whatever the time zone of the machine; a provider writes UTC, an offset or Vietnamese time (UTC+7)."""
        for zone in ("UTC", "America/New_York", "Asia/Ho_Chi_Minh"):
            for at in (NOW, NOW - timedelta(minutes=37)):
                with machine_zone(zone):
                    [notice] = self.read(self.deliver(at=at))
                if notice.occurred_at.tzinfo is None:
                    self.fail("occurred_at has no time zone")
                wrong = notice.occurred_at - at
                if abs(wrong) >= timedelta(seconds=1):
                    self.fail(
                        f"occurred_at differs by {wrong} from the time of the message: a time zone was mistaken "
                        "(UTC and Vietnamese time differ by 7 hours)"
                    )

    # ------------------------------------------------------------------- keys

    def test_second_delivery_is_the_same_event_and_movement(self) -> None:
        first = self.read(self.deliver())
        later = NOW + timedelta(seconds=45)
        again = self.sign(self.settings, self.write(self.message(SamplePayment())), later)
        again = replace(again, received_at=later, source_address="203.0.113.77")
        other = self.read(self.deliver("T2"))

        if [identity(each) for each in first] != [identity(each) for each in self.read(again)]:
            self.fail("the second delivery of a message has another event key, movement key or fingerprint")
        if not {each.event_key for each in first}.isdisjoint(each.event_key for each in other):
            self.fail("two payments have the same event key")
        if first[0].movement_keys and not first[0].movement_keys.isdisjoint(other[0].movement_keys):
            self.fail("two payments have the same movement key")

    def test_fingerprint_covers_the_amount(self) -> None:
        fingerprints = {
            self.read(self.deliver(transaction, amount=amount))[0].fingerprint
            for transaction in ("T1", "T2")
            for amount in (AMOUNT, AMOUNT + 1_000)
        }
        if len(fingerprints) != 4:
            self.fail(
                "the fingerprint is constant or does not cover transaction and amount: a changed message with "
                "a known event key would pass as a duplicate"
            )

    def test_delivery_is_stored_and_restored_exactly(self) -> None:
        """A dead letter stores the notices, without any credential; billing later applies them from there alone."""
        for transaction in ("T1", "T2"):
            notices = self.read(self.deliver(transaction))
            stored = write_notices(notices)
            if read_notices(stored) != notices or write_notices(read_notices(stored)) != stored:
                self.fail("a notice holds a value that cannot be stored and restored exactly")
            self.assert_secret_free(stored.decode("ascii"))

    # ----------------------------------------------------------------- status

    def test_each_status_has_its_documented_outcome(self) -> None:
        if self._has_no_status():
            return
        assert Outcome.SUCCEEDED in self.fields.statuses.values(), "fields.statuses lists no status of a paid payment"
        for status, outcome in self.fields.statuses.items():
            result = self._with_status(status)
            found = {each.outcome for each in result.notices} if isinstance(result, Notices) else result
            if found != {outcome}:
                self.fail(f"the status {status!r} is read as {_shown(found)}, not as {outcome.name}")

    def test_unknown_status_is_unknown(self) -> None:
        if self._has_no_status():
            return
        result = self._with_status(self.fields.unknown_status)
        found = {each.outcome for each in result.notices} if isinstance(result, Notices) else result
        if found != {Outcome.UNKNOWN}:
            self.fail(f"a status that the document does not list is read as {_shown(found)}, not as UNKNOWN")
        for status, outcome in self.fields.statuses.items():
            if outcome is not Outcome.SUCCEEDED or not isinstance(status, str):
                continue
            for other in {f"{status}x", f"x{status}", f"un{status}", f"{status} ", status.swapcase(), status[:-1]}:
                if other not in self.fields.statuses and self.payments(self._with_status(other)):
                    self.fail(f"the status {other!r}, which the document does not list, is read as a payment")

    def test_event_key_includes_the_status(self) -> None:
        if self._has_no_status():
            return
        keys: dict[str, Any] = {}
        for status in (*self.fields.statuses, self.fields.unknown_status):
            result = self._with_status(status)
            for notice in result.notices if isinstance(result, Notices) else ():
                if notice.event_key in keys:
                    self.fail(
                        f"the event key of the status {status!r} equals that of {keys[notice.event_key]!r}: it "
                        "does not include the status, so the later message would pass as a duplicate"
                    )
                keys[notice.event_key] = status

    def _has_no_status(self) -> bool:
        self.open_callbacks()
        return self.fields.status is None and not self.fields.statuses

    def _with_status(self, status: Any) -> Any:
        return self.result_of(self.deliver_message(self.with_status(self.message(SamplePayment()), status)))

    # ------------------------------------------------- messages of other money

    def test_message_of_another_merchant_is_marked(self) -> None:
        self.open_callbacks()
        if self.fields.payee is None:
            return
        message = with_field(self.message(SamplePayment()), self.fields.payee, self.fields.other_payee)
        result = self.result_of(self.deliver_message(message))
        if self.payments(result):
            self.fail("a payment of another merchant or bank account was accepted: set names_other_account")
        for notice in result.notices if isinstance(result, Notices) else ():
            known = self.provider.settings_type.model_fields
            if notice.names_other_account and not all(name in known for name, _ in notice.payee):
                self.fail("payee names a setting that the settings do not have")

    def test_amount_in_another_currency_is_rejected(self) -> None:
        self.open_callbacks()
        if self.fields.currency is None:
            return
        message, path = self.message(SamplePayment()), self.fields.currency
        for currency in ("USD", "XXX", 840):
            try:
                callback = self.deliver_message(with_field(message, path, currency))
            except (TypeError, ValueError):
                continue  # the protocol's own format has no such value
            self.assert_not_booked(callback, f"an amount in the currency {currency} was accepted as đồng")

    def test_money_that_left_is_no_payment(self) -> None:
        self.open_callbacks()
        if self.fields.outflow is None:
            return
        message: Mapping[str, Any] = self.message(SamplePayment())
        for path, value in self.fields.outflow.items():
            message = with_field(message, path, value)
        self.assert_not_booked(
            self.deliver_message(message), "a notice of money that left (refund, reversal) was read as an inflow"
        )

    # ------------------------------------------------------------------ values

    def test_amount_of_another_type_is_rejected(self) -> None:
        self.open_callbacks()
        message, path = self.message(SamplePayment()), self.fields.amount
        written = field_of(message, path)
        digits = str(written)
        wrong: list[Any] = [True, False, None, "", 0, -1, "-1", [written], {"value": written}, 1.5, 10**30, "1e5"]
        wrong += [
            f" {digits}",
            f"{digits} ",
            f"{digits}\n",
            f"+{digits}",
            f"-{digits}",
            f"{digits}.5",
            f"{digits},0",
            f"{digits[:-3]},{digits[-3:]}",
            f"{digits[:-3]}_{digits[-3:]}",
            "٣٥٠٠٠٠",
            f"0x{digits}",
            "NaN",
        ]
        wrong += [float(f"{digits}.5"), float("nan"), float("inf")] if digits.isdigit() else []
        if type(written) is int:
            wrong += [float(written), f"{digits}.0"] + ([] if self.fields.text_amounts else [digits])
        for value in wrong:
            try:
                callback = self.deliver_message(with_field(message, path, value))
            except (TypeError, ValueError):
                continue  # the protocol's own format has no such value
            paid = self.payments(self.result_of(callback))
            if paid:
                self.fail(
                    f"the amount {value!r} ({type(value).__name__}) was accepted as {paid[0].amount} đồng; "
                    f"the document has {written!r}"
                )

    def test_duplicate_json_key_is_rejected(self) -> None:
        self.open_callbacks()
        body = self.write(self.message(SamplePayment()))
        if not body.startswith(b"{"):
            return
        message = json.loads(body)
        for name, value in message.items():
            for other in (value, f"{value}0" if isinstance(value, str) else 1):
                pair = f"{json.dumps(name)}: {json.dumps(other)}".encode()
                for twice in (b"{" + pair + b", " + body[1:], body[:-1] + b", " + pair + b"}"):
                    result = self.result_of(self.sign(self.settings, twice, NOW))
                    if isinstance(result, Notices):
                        self.fail(f"a message with the JSON key {name!r} twice was accepted: two readers could differ")
        for broken in (b"\xef\xbb\xbf" + body, body + b"{}", body.replace(b"{", b'{"extra": NaN, ', 1)):
            if isinstance(self.result_of(self.sign(self.settings, broken, NOW)), Notices):
                self.fail("a message that is no strict JSON (byte-order mark, NaN, second object) was accepted")

    def test_field_of_a_form_twice_is_rejected(self) -> None:
        self.open_callbacks()
        body = self.write(self.message(SamplePayment()))
        try:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        except ValueError:
            return
        for name, value in pairs:
            for other in (value, f"{value}0"):
                pair = urlencode({name: other}).encode()
                for twice in (pair + b"&" + body, body + b"&" + pair):
                    result = self.result_of(self.sign(self.settings, twice, NOW))
                    if isinstance(result, Notices):
                        self.fail(f"a message with the field {name} twice was accepted: two readers could differ")

    def test_malformed_message_is_rejected_without_another_exception(self) -> None:
        self.open_callbacks()
        message = self.message(SamplePayment())
        for path in paths_of(message):
            for changed in (without_field(message, path), *(with_field(message, path, odd) for odd in _ODD_VALUES)):
                try:
                    callback = self.deliver_message(changed)
                except (TypeError, ValueError):
                    continue  # the protocol's own format has no such value
                self._assert_sound(self.result_of(callback), path)
        for body in (b"", b"[]", b"null", b"{}", b"\xff", b'"text"', b"[" * 20_000):
            try:
                callback = self.sign(self.settings, body, NOW)
            except (TypeError, ValueError, RecursionError):
                continue
            self._assert_sound(self.result_of(callback), "the whole message")

    def _assert_sound(self, result: Any, path: str) -> None:
        assert isinstance(result, (Notices, BillInquiry, Reply, Unreadable, BadSignature)), (
            f"read_callback returned {type(result).__name__}"
        )
        for notice in result.notices if isinstance(result, Notices) else ():
            if type(notice.amount) is not int or notice.amount < 0:
                self.fail(f"with a malformed {path} the amount became {notice.amount!r}")
            if any("\x00" in text or not _is_encodable(text) for text in _texts(notice)):
                self.fail(f"a text of the notice holds NUL or half a character (malformed {path}): it cannot be stored")

    def open_callbacks(self) -> None:
        """Skip the test if the provider has no callbacks."""
        self.deliver()


@contextmanager
def machine_zone(name: str) -> Iterator[None]:
    """The machine is in a time zone while the block runs."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def identity(notice: Notice) -> tuple[object, ...]:
    """Return the values by which billing recognises a notice."""
    return notice.event_key, notice.movement_keys, notice.fingerprint, notice.amount, notice.outcome


def _shown(found: object) -> str:
    if isinstance(found, set):
        return " and ".join(sorted(each.name for each in found)) or "no notice"
    return type(found).__name__


def _texts(notice: Notice) -> Iterator[str]:
    for each in fields_of(notice):
        value = getattr(notice, each.name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, frozenset):
            yield from value


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
