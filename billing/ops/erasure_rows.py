"""Erasing personal data in bounded batches: by age, or of the visits of one patient.

Everything here is in tables of its own, apart from the books (docs/design.md §4, Personal data). What an open exception
names is kept until it is closed: the person who decides it needs the payer's name and the message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import VisitId
from billing.db.database import Transaction


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A claim file with the MA_LK of its other visits whose documents are kept."""

    id: UUID
    content: bytes
    others: tuple[str, ...]


_ERASE_IDEMPOTENCY_KEYS = """
    WITH old AS (
        SELECT caller, route, key FROM idempotency_key WHERE organization_id = $1 AND recorded_at < $2
        ORDER BY recorded_at LIMIT $3
    )
    DELETE FROM idempotency_key AS kept USING old
    WHERE kept.organization_id = $1 AND kept.caller = old.caller AND kept.route = old.route AND kept.key = old.key
"""


async def erase_idempotency_keys(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Erase keys stored before a time; returns how many rows went."""
    return _count(await tx.execute(_ERASE_IDEMPOTENCY_KEYS, tx.organization_id, before, at_most))


_ERASE_BODIES = """
    WITH old AS (
        SELECT id FROM delivery_body AS body WHERE organization_id = $1 AND id < $2
            AND NOT EXISTS (SELECT FROM exception_case AS open WHERE open.organization_id = $1 AND open.state = 'open'
                AND open.delivery_id = body.id)
        ORDER BY id LIMIT $3
    )
    DELETE FROM delivery_body AS body USING old WHERE body.organization_id = $1 AND body.id = old.id
"""


async def erase_bodies(tx: Transaction, *, before_id: UUID, at_most: int) -> int:
    """Erase raw messages with ids below `before_id`; their deliveries stay."""
    return _count(await tx.execute(_ERASE_BODIES, tx.organization_id, before_id, at_most))


_ERASE_DEAD_LETTER_BODIES = """
    WITH old AS (
        SELECT id FROM dead_letter
        WHERE organization_id = $1 AND received_at < $2 AND num_nonnulls(retried_at, closed_at) > 0
            AND (body <> '' OR query <> '' OR path_suffix <> '' OR source_address <> '' OR headers <> '{}'
                OR notices <> '')
        ORDER BY id LIMIT $3
    )
    UPDATE dead_letter AS kept
    SET path_suffix = '', query = '', headers = '{}', body = '', source_address = '', notices = ''
    FROM old
    WHERE kept.organization_id = $1 AND kept.id = old.id
"""


async def erase_dead_letter_bodies(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Empty the raw messages of dead letters that were retried or closed; one that still waits is kept whole."""
    return _count(await tx.execute(_ERASE_DEAD_LETTER_BODIES, tx.organization_id, before, at_most))


_ERASE_PAYERS = """
    WITH old AS (
        SELECT payment_id FROM payment_origin AS origin WHERE organization_id = $1 AND payment_id < $2
            AND NOT EXISTS (SELECT FROM exception_case AS open WHERE open.organization_id = $1 AND open.state = 'open'
                AND open.payment_id = origin.payment_id)
        ORDER BY payment_id LIMIT $3
    )
    DELETE FROM payment_origin AS origin USING old
    WHERE origin.organization_id = $1 AND origin.payment_id = old.payment_id
"""


async def erase_payers(tx: Transaction, *, before_id: UUID, at_most: int) -> int:
    """Erase name, account, bank and text of the payers of payments with ids below `before_id`."""
    return _count(await tx.execute(_ERASE_PAYERS, tx.organization_id, before_id, at_most))


_OLD_VISITS = """
    SELECT patient.visit_id
    FROM visit_patient AS patient
    JOIN visit ON visit.organization_id = $1 AND visit.id = patient.visit_id
    WHERE patient.organization_id = $1 AND patient.visit_id < $3
        AND coalesce(visit.discharged_at, visit.admitted_at) < $2
        AND NOT EXISTS (SELECT FROM visit_version AS version WHERE version.organization_id = $1
            AND version.visit_id = patient.visit_id AND version.recorded_at >= $2)
        AND NOT EXISTS (SELECT FROM business_day AS day WHERE day.organization_id = $1 AND day.state = 'open'
            AND day.day < $4)
    ORDER BY patient.visit_id LIMIT $5
"""


async def find_old_visits(
    tx: Transaction, *, before: datetime, before_id: UUID, first_day: date, at_most: int
) -> list[VisitId]:
    """Visits that ended before a time and still have their person; none while a day before `first_day` is open."""
    rows = await tx.fetch(_OLD_VISITS, tx.organization_id, before, before_id, first_day, at_most)
    return [VisitId(row["visit_id"]) for row in rows]


_ERASE_DOCUMENTS = """
    DELETE FROM visit_document WHERE organization_id = $1 AND visit_id = ANY ($2)
"""

_ERASE_PATIENTS = """
    DELETE FROM visit_patient WHERE organization_id = $1 AND visit_id = ANY ($2)
"""

_ERASE_PRINTED_RECEIPTS = """
    DELETE FROM receipt_print WHERE organization_id = $1 AND receipt_id IN (
        SELECT id FROM receipt WHERE organization_id = $1 AND visit_id = ANY ($2::uuid[]))
"""

_ERASE_HEADERS = """
    DELETE FROM visit_header WHERE organization_id = $1 AND visit_id = ANY ($2::uuid[])
"""

_ERASE_MESSAGES = """
    DELETE FROM integration_document WHERE organization_id = $1 AND message_id IN (
        SELECT message.id FROM integration_message AS message
        JOIN visit ON visit.organization_id = $1 AND visit.facility_id = message.facility_id
            AND visit.ma_lk = message.ma_lk
        WHERE message.organization_id = $1 AND visit.id = ANY ($2::uuid[]))
"""

# A patient whose every visit is erased, and those who were merged into them.
_ERASE_IDENTITIES = """
    DELETE FROM patient_identity WHERE organization_id = $1 AND patient_id IN (
        SELECT patient.id FROM patient
        JOIN visit_account AS account ON account.organization_id = $1
            AND account.patient_id = coalesce(patient.merged_into, patient.id)
        WHERE patient.organization_id = $1 AND account.visit_id = ANY ($2::uuid[])
            AND NOT EXISTS (
                SELECT FROM visit_account AS other
                JOIN visit_header ON visit_header.organization_id = $1 AND visit_header.visit_id = other.visit_id
                WHERE other.organization_id = $1 AND other.patient_id = account.patient_id))
"""


_ERASE_DEBT_GUARANTORS = """
    DELETE FROM debt_guarantor WHERE organization_id = $1 AND debt_id IN (
        SELECT id FROM debt WHERE organization_id = $1 AND visit_id = ANY ($2))
"""


# The account of a refund that still waits is needed to send it.
_ERASE_REFUND_DESTINATIONS = """
    DELETE FROM refund_destination WHERE organization_id = $1 AND refund_id IN (
        SELECT id FROM refund WHERE organization_id = $1 AND visit_id = ANY ($2)
            AND state IN ('refused', 'cancelled', 'done', 'failed', 'returned'))
"""


_ERASE_OLD_DESTINATIONS = """
    WITH old AS (
        SELECT kept.refund_id FROM refund_destination AS kept
        JOIN refund ON refund.organization_id = $1 AND refund.id = kept.refund_id
        WHERE kept.organization_id = $1 AND refund.visit_id IS NULL AND refund.ended_at < $2
        ORDER BY kept.refund_id LIMIT $3
    )
    DELETE FROM refund_destination AS kept USING old
    WHERE kept.organization_id = $1 AND kept.refund_id = old.refund_id
"""


async def erase_old_destinations(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Erase the accounts of refunds of no visit that ended before a time; those of a visit leave with it."""
    return _count(await tx.execute(_ERASE_OLD_DESTINATIONS, tx.organization_id, before, at_most))


async def erase_visits(tx: Transaction, visit_ids: Sequence[VisitId]) -> dict[str, int]:
    """Erase the documents of every version, the persons, messages, guarantors, refund accounts and printed receipts.

    Returns how many rows of each table went; receipts keep number, amount and parts.
    """
    return {
        "receipt_print": _count(await tx.execute(_ERASE_PRINTED_RECEIPTS, tx.organization_id, list(visit_ids))),
        "debt_guarantor": _count(await tx.execute(_ERASE_DEBT_GUARANTORS, tx.organization_id, list(visit_ids))),
        "refund_destination": _count(await tx.execute(_ERASE_REFUND_DESTINATIONS, tx.organization_id, list(visit_ids))),
        "visit_document": _count(await tx.execute(_ERASE_DOCUMENTS, tx.organization_id, list(visit_ids))),
        "visit_patient": _count(await tx.execute(_ERASE_PATIENTS, tx.organization_id, list(visit_ids))),
        "visit_header": _count(await tx.execute(_ERASE_HEADERS, tx.organization_id, list(visit_ids))),
        "integration_document": _count(await tx.execute(_ERASE_MESSAGES, tx.organization_id, list(visit_ids))),
        "patient_identity": _count(await tx.execute(_ERASE_IDENTITIES, tx.organization_id, list(visit_ids))),
    }


_ERASE_OLD_FILES = """
    WITH old AS (
        SELECT id FROM claim_file AS file WHERE organization_id = $1 AND received_at < $2
            AND NOT EXISTS (
                SELECT FROM visit_version AS version
                JOIN visit_document AS document ON document.organization_id = $1
                    AND document.visit_id = version.visit_id AND document.version = version.version
                WHERE version.organization_id = $1 AND version.claim_file_id = file.id)
        ORDER BY received_at LIMIT $3
    )
    DELETE FROM claim_file AS file USING old WHERE file.organization_id = $1 AND file.id = old.id
"""


async def erase_old_files(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Erase claim files received before a time of whose visits no document is kept any more."""
    return _count(await tx.execute(_ERASE_OLD_FILES, tx.organization_id, before, at_most))


_VISITS_BY = {
    "citizen_number": """
    SELECT visit_id FROM visit_patient WHERE organization_id = $1 AND citizen_number = $2 ORDER BY visit_id
""",
    "hospital_number": """
    SELECT visit_id FROM visit_patient WHERE organization_id = $1 AND hospital_number = $2 ORDER BY visit_id
""",
    "ma_lk": """
    SELECT id AS visit_id FROM visit WHERE organization_id = $1 AND ma_lk = $2 ORDER BY id
""",
}


async def find_visits_of(tx: Transaction, *, by: str, number: str) -> list[VisitId]:
    """The visits of a patient; `by` is citizen_number, hospital_number or ma_lk."""
    return [VisitId(row["visit_id"]) for row in await tx.fetch(_VISITS_BY[by], tx.organization_id, number)]


_PAYMENTS_OF_VISITS = """
    WITH target AS (
        SELECT invoice.id FROM invoice WHERE invoice.organization_id = $1 AND invoice.visit_id = ANY ($2)
    ), held AS (
        SELECT deposit.id FROM deposit WHERE deposit.organization_id = $1 AND deposit.visit_id = ANY ($2)
    ), intents AS (
        SELECT intent_id FROM intent_invoice
        WHERE organization_id = $1 AND invoice_id IN (SELECT id FROM target)
        UNION
        SELECT id FROM intent WHERE organization_id = $1 AND deposit_id IN (SELECT id FROM held)
    ), paid AS (
        SELECT DISTINCT payment.id, payment.delivery_id FROM payment
        WHERE payment.organization_id = $1 AND (payment.intent_id IN (SELECT intent_id FROM intents)
            OR payment.id IN (SELECT payment_id FROM allocation
                WHERE organization_id = $1
                    AND (invoice_id IN (SELECT id FROM target) OR deposit_id IN (SELECT id FROM held))))
    )
    SELECT
        ARRAY(SELECT id FROM paid ORDER BY id) AS payments,
        ARRAY(SELECT intent_id FROM intents ORDER BY intent_id) AS intents,
        ARRAY(SELECT reference_code FROM intent WHERE organization_id = $1
            AND id IN (SELECT intent_id FROM intents) ORDER BY id) AS codes,
        ARRAY(SELECT delivery_id FROM paid WHERE delivery_id IS NOT NULL
            UNION SELECT delivery_id FROM exception_case WHERE organization_id = $1 AND delivery_id IS NOT NULL
                AND (intent_id IN (SELECT intent_id FROM intents) OR payment_id IN (SELECT id FROM paid))) AS deliveries
"""


async def read_payments_of(tx: Transaction, visit_ids: Sequence[VisitId]) -> Mapping[str, list[UUID] | list[str]]:
    """What was collected and paid for visits: ids of payments, intents and deliveries, and the intents' codes."""
    row = await tx.fetchrow(_PAYMENTS_OF_VISITS, tx.organization_id, list(visit_ids))
    assert row is not None, "an aggregate always has a row"
    return dict(row)


_ERASE_PAYERS_OF = """
    DELETE FROM payment_origin WHERE organization_id = $1 AND payment_id = ANY ($2)
"""

# A message received twice names the same code in a second delivery, which no payment points to.
_ERASE_BODIES_OF = """
    DELETE FROM delivery_body WHERE organization_id = $1 AND (id = ANY ($2) OR (id >= $4 AND EXISTS (
        SELECT FROM unnest($3::text[]) AS code
        WHERE position(convert_to(code, 'UTF8') IN body) > 0 OR position(code IN query) > 0)))
"""

_ERASE_DEAD_LETTERS_OF = """
    UPDATE dead_letter
    SET path_suffix = '', query = '', headers = '{}', body = '', source_address = '', notices = ''
    WHERE organization_id = $1 AND num_nonnulls(retried_at, closed_at) > 0 AND (retried_as = ANY ($2) OR EXISTS (
        SELECT FROM unnest($3::text[]) AS code
        WHERE position(convert_to(code, 'UTF8') IN body) > 0 OR position(code IN query) > 0
            OR position(convert_to(code, 'UTF8') IN notices) > 0))
"""

_ERASE_PAGES_OF = """
    DELETE FROM pay_page WHERE organization_id = $1 AND intent_id = ANY ($2)
"""

_ERASE_INSTRUCTIONS_OF = """
    UPDATE intent SET instruction = NULL WHERE organization_id = $1 AND id = ANY ($2) AND instruction IS NOT NULL
        AND state IN ('failed', 'cancelled', 'expired', 'succeeded')
"""


async def erase_payments_of(
    tx: Transaction, found: Mapping[str, list[UUID] | list[str]], *, since_id: UUID
) -> dict[str, int]:
    """Erase payers, raw messages, pages and instructions of what was paid; `since_id` is below any message of it."""
    own, deliveries, codes, intents = (found[name] for name in ("payments", "deliveries", "codes", "intents"))
    organization_id = tx.organization_id
    return {
        "payment_origin": _count(await tx.execute(_ERASE_PAYERS_OF, organization_id, own)),
        "delivery_body": _count(await tx.execute(_ERASE_BODIES_OF, organization_id, deliveries, codes, since_id)),
        "dead_letter": _count(await tx.execute(_ERASE_DEAD_LETTERS_OF, organization_id, deliveries, codes)),
        "pay_page": _count(await tx.execute(_ERASE_PAGES_OF, organization_id, intents)),
        "instruction": _count(await tx.execute(_ERASE_INSTRUCTIONS_OF, organization_id, intents)),
    }


_FILES_OF_VISITS = """
    SELECT file.id, file.content, ARRAY(
        SELECT visit.ma_lk FROM visit_version AS version
        JOIN visit ON visit.organization_id = $1 AND visit.id = version.visit_id
        JOIN visit_document AS document ON document.organization_id = $1 AND document.visit_id = version.visit_id
            AND document.version = version.version
        WHERE version.organization_id = $1 AND version.claim_file_id = file.id AND version.visit_id <> ALL ($2)
        ORDER BY visit.ma_lk) AS others
    FROM claim_file AS file
    WHERE file.organization_id = $1 AND file.id IN (
        SELECT claim_file_id FROM visit_version
        WHERE organization_id = $1 AND visit_id = ANY ($2) AND claim_file_id IS NOT NULL)
    ORDER BY file.id
    FOR UPDATE OF file
"""


async def lock_files_of(tx: Transaction, visit_ids: Sequence[VisitId]) -> list[SharedFile]:
    """The claim files that visits came in with, and whose other visits still need them."""
    rows = await tx.fetch(_FILES_OF_VISITS, tx.organization_id, list(visit_ids))
    return [SharedFile(row["id"], bytes(row["content"]), tuple(row["others"])) for row in rows]


_ERASE_FILE = """
    DELETE FROM claim_file WHERE organization_id = $1 AND id = $2
"""

_REPLACE_FILE = """
    UPDATE claim_file SET content = $3, signature = 'unsigned' WHERE organization_id = $1 AND id = $2
"""


async def erase_file(tx: Transaction, file_id: UUID) -> None:
    """Erase a claim file whole."""
    await tx.execute(_ERASE_FILE, tx.organization_id, file_id)


async def replace_file(tx: Transaction, file_id: UUID, content: bytes) -> None:
    """Keep of a claim file only what other visits need; its signature no longer fits."""
    await tx.execute(_REPLACE_FILE, tx.organization_id, file_id, content)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
