"""Erasing personal data: what is past its retention, and one patient's at once. The books stay whole.

What is erased stands in tables of its own. Payments, invoices with their lines and frozen inputs, entries, audit and
seals hold ids, amounts and charges: they stay, so balances, seals and recomputed invoices are as before. Source:
docs/design.md §4, Personal data; docs/personal-data.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.db.database import Database, Transaction
from billing.db.partitions import detach_partitions
from billing.ledger.service.audit import note
from billing.ops.comment_rows import (
    erase_comments,
    erase_comments_of,
    erase_trace_notes,
    erase_trace_notes_of,
)
from billing.ops.erasure_rows import (
    erase_bodies,
    erase_dead_letter_bodies,
    erase_file,
    erase_idempotency_keys,
    erase_old_destinations,
    erase_old_files,
    erase_payers,
    erase_payments_of,
    erase_visits,
    find_old_visits,
    find_visits_of,
    lock_files_of,
    read_payments_of,
    replace_file,
)
from billing.ops.retention import Retention, days_before, first_id_of
from billing.ops.statement_text_rows import erase_statement_texts, erase_statement_texts_of
from billing.organizations.store.sessions import delete_sessions
from billing.payments.service.context import PaymentContext
from billing.visits.formats.xml130.redact import keep_visits

ERASED_AT_ONCE = 1_000
"""Rows of one transaction, so that nobody waits long for it."""

_VISITS_AT_ONCE = 100

log = structlog.get_logger(__name__)

Batch = Callable[[Transaction], Awaitable[int]]


async def erase_once(context: PaymentContext, organization_id: OrganizationId, retention: Retention) -> int:
    """Erase what is past its retention, in short transactions until nothing is left; returns how many rows went."""
    now = context.clock()
    documents_before = retention.documents_before(now)
    body_before, payer_before = days_before(now, retention.body_days), days_before(now, retention.payer_days)

    async def visits(tx: Transaction) -> int:
        found = await find_old_visits(
            tx,
            before=documents_before,
            before_id=first_id_of(documents_before),
            first_day=documents_before.date(),
            at_most=_VISITS_AT_ONCE,
        )
        await erase_visits(tx, found)
        return len(found)

    most = ERASED_AT_ONCE
    batches: dict[str, tuple[Batch, int]] = {
        "idempotency_key": (
            lambda tx: erase_idempotency_keys(tx, before=days_before(now, retention.idempotency_days), at_most=most),
            most,
        ),
        "screen_session": (
            lambda tx: delete_sessions(tx, before=days_before(now, retention.session_days), at_most=most),
            most,
        ),
        "delivery_body": (lambda tx: erase_bodies(tx, before_id=first_id_of(body_before), at_most=most), most),
        "dead_letter": (lambda tx: erase_dead_letter_bodies(tx, before=body_before, at_most=most), most),
        "payment_origin": (lambda tx: erase_payers(tx, before_id=first_id_of(payer_before), at_most=most), most),
        "statement_line_text": (
            lambda tx: erase_statement_texts(tx, before_id=first_id_of(payer_before), at_most=most),
            most,
        ),
        "exception_comment": (lambda tx: erase_comments(tx, before=payer_before, at_most=most), most),
        "bank_trace_note": (lambda tx: erase_trace_notes(tx, before=payer_before, at_most=most), most),
        "visit": (visits, _VISITS_AT_ONCE),
        "claim_file": (lambda tx: erase_old_files(tx, before=documents_before, at_most=most), most),
        "refund_destination": (lambda tx: erase_old_destinations(tx, before=documents_before, at_most=most), most),
    }
    erased = {name: await _repeat(context, organization_id, *batch) for name, batch in batches.items()}
    if any(erased.values()):
        log.info("personal_data_erased", organization_id=organization_id, rows=erased)
    return sum(erased.values())


async def detach_old_partitions(
    database: Database, retention: Retention, *, now: datetime, drops: bool
) -> dict[str, list[str]]:
    """Detach, or drop, the partitions whose retention is over, by table; `database` is opened as the owner.

    Bodies go after `body_days`, the outbox after `delivered_days`, deliveries after `document_years`.
    """
    today = business_date(now)
    ends = {
        "delivery_body": today - timedelta(days=retention.body_days),
        "outbox": today - timedelta(days=retention.delivered_days),
        "delivery": retention.documents_before(now).date(),
    }
    detached = {}
    for parent, before in ends.items():
        async with database.system_transaction(writing=True) as reader:
            detached[parent] = await detach_partitions(reader, parent, before=before, drops=drops)
    return detached


async def _repeat(context: PaymentContext, organization_id: OrganizationId, batch: Batch, at_most: int) -> int:
    erased = 0
    while True:
        async with context.database.transaction(organization_id) as tx:
            gone = await batch(tx)
        erased += gone
        if gone < at_most:
            return erased


@dataclass(frozen=True, slots=True)
class PatientNumber:
    """By which number a patient is known: `by` is citizen_number, hospital_number or ma_lk (one visit)."""

    by: str
    number: str

    def __post_init__(self) -> None:
        if self.by not in {"citizen_number", "hospital_number", "ma_lk"} or not self.number.strip():
            raise InvalidValue("name the patient by a number that is not empty", field="number")


@dataclass(frozen=True, slots=True)
class PatientErasure:
    """What was erased of a patient, or would be: visits and rows by table.

    `claim_file_of_others` counts files that others came in too and that could not be cut: their claims are no longer
    exported with the rows of that file.
    """

    visits: int
    rows: dict[str, int]


class _OnlyTried(Exception):
    """Ends the transaction of a trial without a trace."""


async def erase_patient(
    context: PaymentContext, organization_id: OrganizationId, patient: PatientNumber, *, actor: Actor, is_trial: bool
) -> PatientErasure:
    """Erase the person, documents, claim files, payers, raw messages and pages of a patient's visits, all or nothing.

    Each visit gets an audit row with the person who erased it. A trial does the same and rolls it back.

    Raises NotFound if no visit has this number, PersonNeeded.
    """
    require_person(actor)
    erasure: PatientErasure | None = None
    try:
        async with context.database.transaction(organization_id) as tx:
            erasure = await _erase(tx, context, patient, actor)
            if is_trial:
                raise _OnlyTried
    except _OnlyTried:
        pass
    assert erasure is not None, "it was erased, or an error was raised"
    return erasure


async def _erase_files(tx: Transaction, visit_ids: Sequence[VisitId]) -> dict[str, int]:
    """Erase the claim files of visits; of a shared one all but what others need, where it can be cut."""
    files = await lock_files_of(tx, visit_ids)
    spoilt = 0
    for file in files:
        left = await asyncio.to_thread(keep_visits, file.content, file.others) if file.others else None
        if left is not None:
            await replace_file(tx, file.id, left)
            continue
        await erase_file(tx, file.id)
        spoilt += bool(file.others)
    return {"claim_file": len(files), "claim_file_of_others": spoilt}


async def _erase(tx: Transaction, context: PaymentContext, patient: PatientNumber, actor: Actor) -> PatientErasure:
    visit_ids = await find_visits_of(tx, by=patient.by, number=patient.number.strip())
    if not visit_ids:
        raise NotFound("no visit has this number, or it was erased before", field="number")
    found = await read_payments_of(tx, visit_ids)
    intents = [each for each in found["intents"] if isinstance(each, UUID)]
    since = min(intents, default=context.ids.new())
    rows = {**await _erase_files(tx, visit_ids), **await erase_visits(tx, visit_ids)}
    rows |= await erase_payments_of(tx, found, since_id=since)
    rows["statement_line_text"] = await erase_statement_texts_of(tx, found["payments"], found["codes"])
    rows["bank_trace_note"] = await erase_trace_notes_of(tx, found["payments"], found["intents"])
    rows["exception_comment"] = await erase_comments_of(tx, found["payments"], found["intents"])
    for visit_id in visit_ids:
        await note(tx, context, actor, "patient_erased", ("visit", visit_id))
    return PatientErasure(len(visit_ids), rows)
