"""Checks a captured callback: it is verified and read as if it had just arrived; nothing is written or sent.

For the operator who is on the phone with a bank. The report names fields and amounts, never a secret, the value of a
header or the payer.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from billing.organizations.service.context import ProviderAccount
from providers.contract import (
    BadSignature,
    BillInquiry,
    Callback,
    Callbacks,
    Notice,
    Notices,
    Reply,
    Unreadable,
    Verdict,
)

_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True)
class CallbackCheck:
    """Whether a captured callback would be accepted, and the report, line by line."""

    is_accepted: bool
    lines: tuple[str, ...]


def check_callback(account: ProviderAccount, callback: Callback) -> CallbackCheck:
    """Verify and read a callback of an account; changes nothing."""
    provider = account.provider
    if not isinstance(provider, Callbacks):
        return CallbackCheck(False, ("this provider takes no callbacks",))
    body = f"body: {len(callback.body)} bytes, sha256 {hashlib.sha256(callback.body).hexdigest()}"
    if not account.allows(callback):
        return CallbackCheck(False, (body, "REFUSED: it comes from outside the account's allowed_networks: 403"))
    try:
        read = provider.read_callback(callback)
    except BadSignature as refusal:
        return CallbackCheck(False, (body, *_why_not_authentic(account, provider, callback), *_reply(refusal.reply)))
    except Unreadable as refusal:
        return CallbackCheck(False, (body, f"AUTHENTIC, but not readable: {refusal.reason}", *_reply(refusal.reply)))
    return CallbackCheck(True, (body, *_parsed_lines(provider, callback, read)))


def _parsed_lines(provider: Callbacks, callback: Callback, read: Notices | BillInquiry | Reply) -> Iterator[str]:
    if isinstance(read, Reply):
        yield "answered at once, without a notice"
        yield from _reply(read)
        return
    if isinstance(read, BillInquiry):
        yield f"AUTHENTIC: bill inquiry for {read.reference}"
        return
    yield f"AUTHENTIC: notices: {len(read.notices)}"
    for notice in read.notices:
        yield from _notice(notice)
    for verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.TRY_LATER):
        yield f"if {verdict.value}:"
        yield from _reply(provider.answer_callback(callback, verdict, "check"))


def _why_not_authentic(account: ProviderAccount, provider: Callbacks, callback: Callback) -> Iterator[str]:
    yield f"NOT AUTHENTIC: the signature or credential does not hold; signed is {account.provider.signed_part}"
    yield f"headers: {', '.join(sorted({name for name, _ in callback.headers})) or 'none'}"
    missing = sorted(account.evidence_headers - {name for name, _ in callback.headers})
    if missing:
        yield f"missing: {', '.join(missing)}"
    for what, body in _recaptured(callback.body):
        if _is_authentic(provider, replace(callback, body=body)):
            yield f"it holds {what}: this capture is not what was sent, byte for byte"


def _recaptured(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The known changes that capturing tools make to a body, reversed."""
    if body.endswith(b"\n"):
        yield "without the line break at its end", body.rstrip(b"\r\n")
    if b"\r\n" in body:
        yield "with line breaks of one character", body.replace(b"\r\n", b"\n")
    elif b"\n" in body:
        yield "with line breaks of two characters", body.replace(b"\n", b"\r\n")


def _is_authentic(provider: Callbacks, callback: Callback) -> bool:
    try:
        return isinstance(provider.read_callback(callback), Notices)
    except (BadSignature, Unreadable):
        return False


def _notice(notice: Notice) -> Iterator[str]:
    yield f"  {notice.movement.value} {notice.amount} đ: {notice.provider_status!r} is {notice.outcome.value}"
    yield f"  at {notice.occurred_at.isoformat()}, event {notice.event_key}"
    yield f"  movement keys: {', '.join(sorted(notice.movement_keys)) or 'none, so a person must look at it'}"
    yield f"  reference: {notice.reference or '—'}; transfer text: {notice.transfer_text!r}"
    if notice.names_other_account:
        yield "  it names ANOTHER merchant or bank account: nothing of it would be booked"


def _reply(reply: Reply) -> Iterator[str]:
    yield f"  answer {reply.status} {reply.body[:_SHOWN_MAX].decode('utf-8', 'replace')}"
