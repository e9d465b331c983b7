"""What must hold after a morning: the record of those who were there is compared with the database, to the đồng."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import quantiles
from typing import Any

import asyncpg

from billing.db.database import Database
from billing.ledger.service.verify import VERIFY_LIMITS
from providers.sandbox.bank_simulator import OVER_BY, BankSimulator
from tests.flow import find_mismatches
from tests.morning.hospital import Hospital, Place
from tests.morning.plan import Fault, Means
from tests.morning.record import Record, Visited

RELEASE_LIMIT_MS = 1_000
_PERCENTILES = 100

_VISITS = """
    SELECT account.visit_id::text AS id, account.patient_share AS share, coalesce(deposit.held, 0) AS held,
        (SELECT count(*) FROM receipt WHERE receipt.organization_id = account.organization_id
            AND receipt.visit_id = account.visit_id AND direction = 'in' AND state = 'valid') AS receipts,
        (SELECT coalesce(sum(part.amount), 0)::bigint FROM receipt JOIN receipt_part AS part
            ON part.organization_id = receipt.organization_id AND part.receipt_id = receipt.id
            WHERE receipt.organization_id = account.organization_id AND receipt.visit_id = account.visit_id
            AND direction = 'in' AND state = 'valid') AS received,
        (SELECT coalesce(sum(amount), 0)::bigint FROM receipt WHERE receipt.organization_id = account.organization_id
            AND receipt.visit_id = account.visit_id AND direction = 'out') AS returned_in_cash
    FROM visit_account AS account
    LEFT JOIN deposit ON deposit.organization_id = account.organization_id AND deposit.visit_id = account.visit_id
"""

_TRANSFERS = """
    SELECT provider_reference AS reference, array_agg(amount) AS amounts FROM payment
    WHERE method = 'provider' GROUP BY provider_reference
"""

_UNRECEIPTED = """
    SELECT payment.provider_reference AS reference, payment.method, count(receipt.id) AS receipts
    FROM payment
    LEFT JOIN receipt_part AS part ON part.organization_id = payment.organization_id AND part.payment_id = payment.id
    LEFT JOIN receipt ON receipt.organization_id = part.organization_id AND receipt.id = part.receipt_id
        AND receipt.direction = 'in' AND receipt.state = 'valid'
    GROUP BY payment.id, payment.provider_reference, payment.method
    HAVING count(receipt.id) <> 1
"""

_SHIFTS = """
    SELECT desk.name, shift.state, shift.counted_cash, shift.expected_cash, shift.ended_by <> shift.closed_by AS by_two
    FROM shift JOIN desk ON desk.organization_id = shift.organization_id AND desk.id = shift.desk_id
"""

_COUNTS = """
    SELECT (SELECT count(*) FROM receipt WHERE state = 'valid' AND direction = 'in') AS receipts,
        (SELECT count(*) FROM receipt WHERE state = 'void') AS void_receipts,
        (SELECT count(*) FROM receipt WHERE direction = 'out') AS vouchers,
        (SELECT count(*) FROM payment) AS payments,
        (SELECT count(*) FROM exception_case) AS exceptions,
        (SELECT count(*) FROM exception_case WHERE state = 'open') AS exceptions_open
"""


async def find_wrongs(place: Place, hospital: Hospital, bank: BankSimulator, record: Record) -> list[str]:
    """Where the database has more, less or other things than happened, and who has to return to the desk."""
    connection = await asyncpg.connect(place.owner_url)
    try:
        await connection.execute(
            "SELECT set_config('vienphi.organization', $1, false)", str(place.hospital.organization_id)
        )
        visits = {row["id"]: row for row in await connection.fetch(_VISITS)}
        wrongs = [
            *_wrong_visits(record, visits),
            *_wrong_transfers(bank, await connection.fetch(_TRANSFERS)),
            *_wrong_receipts(await connection.fetch(_UNRECEIPTED), record),
            *_wrong_shifts(record, await connection.fetch(_SHIFTS)),
        ]
        record.found = dict(await connection.fetchrow(_COUNTS) or {})
    finally:
        await connection.close()
    wrongs += _wrong_exceptions(record)
    for visited in record.visits.values():
        if visited.patient.fault is not Fault.CANCELLED and not await hospital.all_cleared(visited.patient):
            wrongs.append(f"{visited.patient.ma_lk}: paid, and the rooms may not perform every order")
    for visited in record.namesakes:
        if await hospital.all_cleared(visited.patient):
            wrongs.append(f"{visited.patient.ma_lk}: the orders of the wrong patient are cleared")
    return wrongs + _returned(record) + await _mismatches(place)


def _wrong_visits(record: Record, found: Mapping[str, Any]) -> Iterator[str]:
    for visited in record.visits.values():
        row, name = found[visited.visit_id], _name(visited)
        if row["held"] != visited.kept:
            yield f"{name}: {visited.kept} was kept of what the patient paid, the books have {row['held']}"
        if row["held"] - row["share"] != _surplus(visited):
            yield f"{name}: the patient's share is {row['share']}, held is {row['held']}"
        if row["received"] != visited.kept + visited.refunded:
            yield f"{name}: paid {visited.kept + visited.refunded}, receipts of {row['received']}"
        if visited.patient.means is not Means.QR and row["receipts"] != 1:
            yield f"{name}: {row['receipts']} receipts for one payment"
    for visited in record.namesakes:
        row = found[visited.visit_id]
        if row["held"] or row["receipts"]:
            yield f"{_name(visited)}: the wrong patient has {row['held']} and {row['receipts']} receipts"


def _surplus(visited: Visited) -> int:
    """What a patient has paid beyond the share, and keeps as a deposit."""
    match visited.patient.fault:
        case Fault.OVER:
            return OVER_BY
        case Fault.TWICE:
            return visited.due
        case _:
            return 0


def _wrong_transfers(bank: BankSimulator, rows: Sequence[Any]) -> Iterator[str]:
    messages = [each.message for each in bank.transactions.transfers]
    sent = {each.transaction_id: each.amount for each in messages}
    booked = {row["reference"]: list(row["amounts"]) for row in rows}
    for reference in sent.keys() | booked.keys():
        amounts = [sent[reference]] if reference in sent else []
        if amounts != booked.get(reference, []):
            yield f"the bank moved {amounts} under {reference}, the books have {booked.get(reference, [])}"


def _wrong_receipts(rows: Sequence[Any], record: Record) -> Iterator[str]:
    """Every payment is on one receipt that is valid; those of voided receipts are on none."""
    unlisted = [row for row in rows if row["method"] != "cash" or row["receipts"]]
    for row in unlisted:
        yield f"payment {row['reference'] or row['method']} is on {row['receipts']} receipts"
    voided = len(rows) - len(unlisted)
    if voided != record.voided:
        yield f"{record.voided} receipts were voided, {voided} payments in cash have none"


def _wrong_shifts(record: Record, rows: Sequence[Any]) -> Iterator[str]:
    for row in rows:
        drawer = record.counts.get(row["name"], {}).get("counted")
        if (row["state"], row["counted_cash"], row["expected_cash"]) != ("closed", drawer, drawer):
            yield f"{row['name']}: in the drawer {drawer}, {dict(row)}"
        if not row["by_two"]:
            yield f"{row['name']}: the shift was not closed by a second person"
    if len(rows) != len(record.counts):
        yield f"{len(rows)} shifts, {len(record.counts)} were counted"


def _wrong_exceptions(record: Record) -> Iterator[str]:
    """Money whose text names no code is an exception, and nothing else; each was decided."""
    doubtful = sum(each.is_found_by_staff for each in record.visits.values())
    found, still_open = record.found["exceptions"], record.found["exceptions_open"]
    if (found, still_open) != (doubtful, 0):
        yield f"{doubtful} transfers without a code, {found} exceptions, {still_open} of them open"


def _returned(record: Record) -> list[str]:
    return [
        f"{_name(visited)}: has to return to the desk: {', '.join(visited.returned_to_desk)}"
        for visited in record.visits.values()
        if visited.returned_to_desk
    ]


def too_late(record: Record) -> list[str]:
    """The promise about time: the service is released within a second of the callback (p99)."""
    p99 = percentile(_released(record), 99)
    return [f"the service is released {p99:.0f} ms (p99) after the callback"] if p99 > RELEASE_LIMIT_MS else []


async def _mismatches(place: Place) -> list[str]:
    database = await Database.open(place.app_url, limits=VERIFY_LIMITS)
    try:
        return [
            f"the proof {name} has {number} mismatches" for name, number in (await find_mismatches(database)).items()
        ]
    finally:
        await database.close()


def summarize(record: Record, patients: int, desks: int, elapsed_s: float) -> dict[str, Any]:
    """The results of a morning, for one JSON object."""
    visits = list(record.visits.values())
    by_qr = [each for each in visits if each.patient.means is Means.QR]
    faults = [each.patient.fault.value for each in visits]
    return {
        "patients": patients,
        "desks": desks,
        "seconds": round(elapsed_s, 1),
        "by_means": {means.value: sum(each.patient.means is means for each in visits) for means in Means},
        "faults": {fault.value: faults.count(fault.value) for fault in Fault},
        "qr_returned_to_desk": sum(bool(each.returned_to_desk) for each in by_qr),
        "release_ms": _spread(_released(record)),
        "callback_sent_to_release_ms": _spread([each.whole_ms for each in by_qr if each.whole_ms is not None]),
        "message_to_rooms_ms": _spread(_messages(record)),
        "found_by_staff": sum(each.is_found_by_staff for each in by_qr),
        "decisions": dict(record.decisions),
        "page_ms": _spread(record.requests_ms),
        "pages": len(record.requests_ms),
        "shifts": record.counts,
        "shift_difference": sum(abs(each["counted"] - each["expected"]) for each in record.counts.values()),
        "transferred": sum(each.transferred for each in visits),
        "in_cash": sum(each.cash for each in visits),
        "by_card": sum(each.card for each in visits),
        "refunded": sum(each.refunded for each in visits),
        **record.found,
        "refusals": dict(record.refusals),
    }


def percentile(values: Sequence[float], number: int) -> float:
    """The value that so many percent of the values do not exceed; 0 without values."""
    if len(values) < 2:
        return max(values, default=0.0)
    return quantiles(values, n=_PERCENTILES, method="inclusive")[number - 1]


def _spread(values: Sequence[float]) -> dict[str, float]:
    spread = {f"p{number}": round(percentile(values, number), 1) for number in (50, 99)}
    return {**spread, "max": round(max(values, default=0.0), 1), "n": len(values)}


def _released(record: Record) -> list[float]:
    return [each.released_ms for each in record.visits.values() if each.released_ms is not None]


def _messages(record: Record) -> list[float]:
    """From the callback's answer to the last message about an order of the patient."""
    found = []
    for visited in record.visits.values():
        at = [record.messages.get((visited.visit_id, order)) for order in visited.patient.orders]
        times = [each for each in at if each is not None]
        if visited.acknowledged_at is not None and times:
            found.append((max(times) - visited.acknowledged_at) * 1000)
    return found


def _name(visited: Visited) -> str:
    return f"{visited.patient.ma_lk} ({visited.patient.means}, {visited.patient.fault}, {visited.desk})"
