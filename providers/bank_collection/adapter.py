"""Bank collection (thu hộ): the bank queries the amount due, collects it and notifies us; each bank has a profile.

A notification reports money already received: it is booked whatever the reply. Its direction and virtual account are
not signed in every profile, so neither proves more than the signed fields.
Source: docs/reference/providers.md, bank collection; the interface document of each bank.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import BinaryIO, ClassVar

import httpx
from pydantic import BaseModel

from providers.bank_collection.message import (
    check_forms,
    code_of,
    differing_lengths,
    match,
    parse_timestamp,
    read_amount,
    read_values,
    value_at,
    well_formed,
)
from providers.bank_collection.profile import Answer, Auth, Message
from providers.bank_collection.settings import BankCollectionSettings
from providers.bank_collection.settlement import read_lines, transaction_key
from providers.contract import (
    BadSignature,
    Bill,
    BillInquiry,
    BillState,
    Callback,
    Inquiries,
    LocalQr,
    Notice,
    Notices,
    Outcome,
    Payer,
    PaymentInstruction,
    PaymentRefused,
    PaymentRequest,
    Provider,
    Reply,
    SettlementFiles,
    SettlementLine,
    SettlementUnreadable,
    Unreadable,
    Verdict,
)
from providers.local_qr import build_local_qr
from providers.notices import VIETNAM, fingerprint
from providers.references import is_placeholder, without_placeholder
from providers.settings import active_secrets, current_secret
from providers.signing import is_same_secret, read_json_object
from providers.strict_json import NotStrictJson
from providers.tokens import basic_credentials, is_token, issue_token, shown_token

_ACCOUNT_LENGTH_MAX = 19
_EARLY = timedelta(days=1)


class BankCollection(Provider, Inquiries, LocalQr, SettlementFiles):
    """One collection account."""

    signed_part: ClassVar[str] = "the fields that the profile lists, in its order"
    settings_type: ClassVar[type[BaseModel]] = BankCollectionSettings

    def __init__(self, settings: BankCollectionSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._profile = settings.agreed
        self._signer = settings.signer()

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """No call to the bank is made. Raises PaymentRefused."""
        return self.qr_for(request)

    def qr_for(self, request: PaymentRequest) -> PaymentInstruction:
        """A VietQR for the code's own virtual account or the shared account, read back before it is returned."""
        settings = self._settings
        if request.amount > settings.amount_max:
            raise PaymentRefused(f"a fast transfer carries at most {settings.amount_max} đồng; split, or pay otherwise")
        number = settings.account_number
        if settings.uses_virtual_accounts:
            number = settings.code_prefix + request.reference
        if len(number) > _ACCOUNT_LENGTH_MAX:
            raise PaymentRefused(f"a virtual account has at most {_ACCOUNT_LENGTH_MAX} characters")
        code = ""
        if settings.has_qr:
            code = build_local_qr(request, bank_bin=settings.bank_bin, account_number=number)
        return PaymentInstruction(
            qr_payload=code,
            bank_bin=settings.bank_bin,
            account_number=number,
            account_holder=settings.account_holder,
        )

    def read_callback(self, callback: Callback) -> Notices | BillInquiry | Reply:
        """Check the credential and signature of a call, then read the bill inquiry or the notification."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        path_suffix, profile = callback.path_suffix.strip("/"), self._profile
        if profile.auth is Auth.BEARER and path_suffix == profile.token_path_suffix:
            return self._token(callback)
        message = self._message(callback)
        if message is None:
            return Reply(404)
        if not self._is_let_in(callback):
            raise BadSignature(Reply(401))
        document = self._parse_body(callback.body)
        values = read_values(document, message)
        signed = [values[name] for name in message.signed]
        if not self._signer.is_signed(signed, value_at(document, message.signature)):
            raise BadSignature(self._reply(callback, message.answers.bad_signature))
        separator = profile.signing.separator
        try:
            check_forms(document, message, timestamp_format=profile.timestamp_format, separator=separator)
            if profile.inquiry is not None and message is profile.inquiry:
                return self._inquiry(callback, values)
            return self._notices(callback, values)
        except ValueError as error:
            raise Unreadable(str(error), self._reply(callback, message.answers.unreadable)) from error

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """The bank's code for the verdict. A bill that is not found is reported so, although the money is booked."""
        message = self._message(callback)
        if message is None:
            return Reply(503, headers={"Retry-After": "30"})
        answers = message.answers
        wanted = self._settings.duplicate_answer or self._profile.notification.duplicate_answer
        values = {
            Verdict.ACCEPTED: answers.ok,
            Verdict.STORED: answers.ok,
            Verdict.DUPLICATE: answers.duplicate if wanted == "code" else answers.ok,
            Verdict.UNKNOWN_REFERENCE: answers.not_found,
            Verdict.AMOUNT_DIFFERS: answers.amount_differs,
            Verdict.TRY_LATER: answers.try_later,
        }
        return self._reply(callback, values[verdict])

    def answer_inquiry(self, callback: Callback, inquiry: BillInquiry, bill: Bill | None) -> Reply:
        """The amount due, and no data of the patient."""
        inquiry_profile = self._profile.inquiry
        assert inquiry_profile is not None, "it was read as an inquiry"
        if bill is None or bill.reference != inquiry.reference:
            return self._reply(callback, inquiry_profile.answers.not_found)
        if bill.state is BillState.PAID or (bill.state is BillState.OPEN and bill.remaining == 0):
            return self._reply(callback, inquiry_profile.answers.paid, bill)
        if bill.state is not BillState.OPEN:
            return self._reply(callback, inquiry_profile.answers.expired, bill)
        return self._reply(callback, inquiry_profile.answers.ok, bill)

    def answer_inquiry_later(self, callback: Callback, inquiry: BillInquiry) -> Reply:
        """The bank's code for a temporary failure."""
        inquiry_profile = self._profile.inquiry
        assert inquiry_profile is not None, "it was read as an inquiry"
        return self._reply(callback, inquiry_profile.answers.try_later)

    def read_settlement(self, file: BinaryIO) -> Iterator[SettlementLine]:
        """The bank's file of a day; every checksum must be correct. Raises SettlementUnreadable."""
        key = self._settings.reconciliation_key
        if key is None:
            raise SettlementUnreadable("the settings hold no reconciliation_key")
        restarts = self._profile.notification.references_restart_daily
        return read_lines(file, key.get_secret_value(), restarts_daily=restarts)

    def _message(self, callback: Callback) -> Message | None:
        """The kind of a call, by the end of its address."""
        messages: tuple[Message | None, ...] = (self._profile.notification, self._profile.inquiry)
        path_suffix = callback.path_suffix.strip("/")
        return next((each for each in messages if each is not None and each.path_suffix == path_suffix), None)

    def _is_let_in(self, callback: Callback) -> bool:
        """Check the credential of a call, if the profile requires one."""
        settings, secrets = self._settings, active_secrets(self._settings.auth_secrets)
        match self._profile.auth:
            case Auth.NONE:
                return True
            case Auth.BEARER:
                return is_token(secrets, shown_token(callback), now=callback.received_at)
            case Auth.HEADER:
                shown = callback.header(self._profile.auth_header)
                return any(is_same_secret(secret.decode("utf-8"), shown) for secret in secrets)
            case Auth.BASIC:
                name, password = basic_credentials(callback)
                is_known = any(is_same_secret(secret.decode("utf-8"), password) for secret in secrets)
                return is_same_secret(settings.auth_name, name) and is_known

    def _token(self, callback: Callback) -> Reply:
        settings = self._settings
        name, password = basic_credentials(callback)
        is_known = any(is_same_secret(each.decode("utf-8"), password) for each in active_secrets(settings.auth_secrets))
        if not (is_same_secret(settings.auth_name, name) and is_known):
            raise BadSignature(Reply(401))
        token = issue_token(
            current_secret(settings.auth_secrets), now=callback.received_at, life_s=settings.token_life_s
        )
        body = {"access_token": token, "token_type": "Bearer", "expires_in": settings.token_life_s}
        return Reply(200, json.dumps(body).encode("ascii"), headers={"Cache-Control": "no-store"})

    def _parse_body(self, body: bytes) -> Mapping[str, object]:
        """The body as an object; empty if it is no object, so that no field counts as signed."""
        try:
            return read_json_object(body)
        except NotStrictJson:
            return {}

    def _inquiry(self, callback: Callback, values: Mapping[str, str]) -> BillInquiry | Reply:
        inquiry_profile = self._profile.inquiry
        assert inquiry_profile is not None, "it was read as an inquiry"
        code = next((values[name] for name in inquiry_profile.code_fields if values[name]), "")
        if not code or self._is_other_provider(values):
            return self._reply(callback, inquiry_profile.answers.not_found)
        return BillInquiry(code_of(code, self._settings.code_prefix))

    def _notices(self, callback: Callback, values: Mapping[str, str]) -> Notices:
        """Raises ValueError naming the invalid field."""
        settings, document = self._settings, self._profile.notification
        if values.get("currency", "") not in {"", "VND"}:
            raise ValueError("currency is not VND")
        amount = read_amount(values["amount"])
        occurred_at = parse_timestamp(values["timestamp"], self._profile.timestamp_format)
        age = callback.received_at - occurred_at
        if not -_EARLY <= age <= timedelta(days=settings.age_max_days):
            raise ValueError("timestamp is too long ago, or has not come")
        direction = values.get("direction", "")
        if direction and direction in document.debits:
            return Notices(())
        found = match(values, document, prefix=settings.code_prefix, account_number=settings.account_number)
        is_clear = not (found.conflicts_with or differing_lengths(values, document, settings.field_lengths))
        is_credit = not document.credits or direction in document.credits
        outcome = Outcome.SUCCEEDED if is_clear and is_credit else Outcome.REVIEW
        meaning = fingerprint(*(values[name] for name in document.signed))
        named = ":".join(values[name] for name in document.dedupe)
        key = transaction_key(named, occurred_at, restarts_daily=document.references_restart_daily)
        keys = {f"transaction:{key}"}
        if is_placeholder(values["transaction"]):
            # No id: the signed fields identify the transfer, if its timestamp is signed. An unsigned timestamp could be
            # forged.
            key = fingerprint(meaning.hex(), values["timestamp"]).hex()
            keys = {f"transfer:{key}"}
            outcome = outcome if "timestamp" in document.signed else Outcome.REVIEW
        bank_reference = (
            without_placeholder(values.get("bank_reference", "")) if "bank_reference" in document.signed else ""
        )
        if bank_reference:
            keys.add(f"bank:{bank_reference}")
        notice = Notice(
            event_key=f"{key}:{outcome.value}",
            outcome=outcome,
            provider_status=direction or "paid",
            occurred_at=occurred_at,
            amount=amount,
            movement_keys=frozenset(keys),
            fingerprint=meaning,
            reference=found.reference,
            transfer_text=found.text,
            virtual_account=values.get("virtual_account", ""),
            provider_reference=values["transaction"],
            bank_reference=bank_reference,
            payer=_payer(values),
            names_other_account=self._is_other_provider(values) or self._is_other_account(values),
            payee=self._payee(values),
        )
        return Notices((notice,))

    def _payee(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The identifiers in a notification that differ from the settings."""
        named = []
        if self._is_other_provider(values):
            named.append(("provider_id", values["provider"]))
        if self._is_other_account(values):
            named.append(("account_number", values["account"]))
        return tuple(named)

    def _is_other_provider(self, values: Mapping[str, str]) -> bool:
        ours, theirs = self._settings.provider_id, values.get("provider", "")
        return bool(ours and theirs) and ours != theirs

    def _is_other_account(self, values: Mapping[str, str]) -> bool:
        return values.get("account", "") not in {"", self._settings.account_number}

    def _reply(self, callback: Callback, answer: Answer, bill: Bill | None = None) -> Reply:
        """One result in the fields of the profile, signed if the profile states so.

        A value of the call is repeated only if its form is valid: arbitrary text of an unknown client is never signed.
        """
        message = self._message(callback)
        assert message is not None, "only a call of the profile is answered by it"
        values = well_formed(read_values(self._parse_body(callback.body), message), message)
        values |= {
            "code": answer.code,
            "description": answer.text,
            "name": "",
            "bill": "",
            "term": "",
            "amount_due": "",
        }
        if bill is not None and answer.shows_bill:
            values["bill"] = bill.reference
            if answer == message.answers.ok:
                values |= self._shown(bill)
        if message.answer_signed:
            values["signature"] = self._signer.sign([values[name] for name in message.answer_signed])
        return Reply(200, json.dumps(_placed(message.answer, values), ensure_ascii=False).encode("utf-8"))

    def _shown(self, bill: Bill) -> dict[str, str]:
        inquiry_profile, amount = self._profile.inquiry, str(bill.remaining)
        assert inquiry_profile is not None, "only an inquiry is answered with a bill"
        values = inquiry_profile.name_format.replace("{company}", self._settings.company).replace(
            "{code}", bill.reference
        )
        term = bill.created_at.astimezone(VIETNAM).strftime("%Y%m")
        return {"name": values.replace("{amount}", amount), "term": term, "amount_due": amount}


def _payer(values: Mapping[str, str]) -> Payer | None:
    name, account, bank = (values.get(f"sender_{part}", "") for part in ("name", "account", "bank"))
    return Payer(name=name, account=account, bank=bank) if name or account else None


def _placed(answer: Mapping[str, str], values: Mapping[str, str]) -> dict[str, object]:
    """The reply's fields at their paths, in the profile's order."""
    root: dict[str, object] = {}
    for path, source in answer.items():
        *parents, last = path.split(".")
        place = root
        for parent in parents:
            below = place.setdefault(parent, {})
            assert isinstance(below, dict), "the profile puts a text and an object at one place"
            place = below
        place[last] = source[1:] if source.startswith("=") else values[source] if source else ""
    return root
