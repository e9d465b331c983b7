"""Open visits by the hundred thousand with ten orders each, and what a clearance reads of them, made by the server.

Triggers and foreign keys are passed over while the rows are written. A third of the visits has paid its first five
orders, another third has requests, and every fifth is an inpatient with a deposit in advance. The last of the ten
orders of a visit is a bed day.
"""

from collections.abc import Iterator
from random import Random

import asyncpg

from billing.db.context import utc_now
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres

ORDERS_EACH = 10
_CHUNK = 10_000

# $1 and $2 are the first and the last number of the visits, $3 the time.
_ID = "('019{kind}000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"
_VISIT, _PATIENT, _DEPOSIT, _REQUEST = (_ID.format(kind=kind, number="n") for kind in ("10", "20", "30", "40"))
_NUMBERS = "generate_series($1::bigint, $2::bigint) AS n"

_ROWS = (
    f"""
    INSERT INTO visit (organization_id, id, facility_id, ma_lk, version, admitted_at, created_at)
    SELECT 1, {_VISIT}, facility.id, 'LK' || n, 1, $3, $3 FROM {_NUMBERS}, facility
    """,
    f"""
    INSERT INTO patient (organization_id, id, is_unknown, created_at)
    SELECT 1, {_PATIENT}, false, $3::timestamptz FROM {_NUMBERS}
    """,
    f"""
    INSERT INTO visit_account (organization_id, visit_id, facility_id, ma_lk, patient_id, state, version,
        sender_version, is_inpatient, department, hospital_amount, patient_share, insurer_share, priced_at, opened_at)
    SELECT 1, {_VISIT}, facility.id, 'LK' || n, {_PATIENT}, 'open', 1, 1, n % 5 = 0, 'K' || n % 20, 5000000, 1000000,
        4000000, $3, $3
    FROM {_NUMBERS}, facility
    """,
    f"""
    INSERT INTO visit_header (organization_id, visit_id, document)
    SELECT 1, {_VISIT}, jsonb_build_object('MA_LK', 'LK' || n,
        'MA_LOAI_KCB', CASE WHEN n % 5 = 0 THEN '03' ELSE '01' END,
        'NGAY_VAO', to_char($3::timestamptz - interval '1 day', 'YYYYMMDDHH24MI'),
        'HO_TEN', 'Nguyễn Văn ' || n, 'DIA_CHI', repeat('Phường Thử ', 20))
    FROM {_NUMBERS}
    """,
    f"""
    INSERT INTO charge_item (organization_id, visit_id, line, facility_id, order_number, version, kind, state,
        is_elective, department, stt, document, hospital_amount, patient_amount, insurer_amount, other_amount,
        ordered_at, changed_at)
    SELECT 1, {_VISIT}, 'L' || item, facility.id, 'CLS-' || n || '-' || item, 1,
        CASE WHEN item = {ORDERS_EACH} THEN 'bed' ELSE 'service' END, 'ordered', item % 2 = 0, 'K' || n % 20, item,
        jsonb_build_object('table', 'XML3', 'name', 'Xét nghiệm sinh hóa ' || item, 'MA_NHOM', 1, 'PHAM_VI', '1',
            'SO_LUONG', '1', 'DON_GIA_BV', '500000', 'DON_GIA_BH', '500000', 'TYLE_TT_DV', '100',
            'TYLE_TT_BH', '100', 'MA_DICH_VU', '23.0003.1494', 'NGAY_YL', to_char($3::timestamptz, 'YYYYMMDDHH24MI')),
        500000, 100000, 400000, 0, $3::timestamptz + item * interval '1 minute', $3
    FROM {_NUMBERS}, facility, generate_series(1, {ORDERS_EACH}) AS item
    """,
    f"""
    INSERT INTO deposit (organization_id, id, visit_id, state, version, received, held, opened_at)
    SELECT 1, {_DEPOSIT}, {_VISIT}, 'open', 1, held, held, $3
    FROM (SELECT n, CASE n % 3 WHEN 0 THEN 500000 ELSE 0 END + CASE n % 5 WHEN 0 THEN 200000 ELSE 0 END AS held
          FROM {_NUMBERS}) AS made
    """,
    f"""
    INSERT INTO deposit_request (organization_id, id, deposit_id, kind, state, version, amount, proposed_amount,
        received, requested_at)
    SELECT 1, {_REQUEST}, {_DEPOSIT}, 'order_lines', CASE n % 3 WHEN 0 THEN 'paid' ELSE 'requested' END, 1, 500000,
        500000, CASE n % 3 WHEN 0 THEN 500000 ELSE 0 END, $3
    FROM {_NUMBERS} WHERE n % 3 < 2
    """,
)

_REQUESTED = f"""
    INSERT INTO deposit_request_line (organization_id, request_id, visit_id, line, amount)
    SELECT 1, {_REQUEST}, {_VISIT}, 'L' || item, 100000 FROM {_NUMBERS}, generate_series(1, 5) AS item WHERE n % 3 < 2
"""

_POLICIES = f"""
    INSERT INTO clearance_policy (organization_id, id, facility_id, department, valid_from, term, deposit_exhausted,
        set_by, set_at)
    SELECT 1, {_ID.format(kind="50", number="n")}, facility.id, CASE n WHEN 20 THEN '' ELSE 'K' || n END,
        date '2026-01-01', (ARRAY['pay_before', 'pay_after', 'insured_at_end'])[n % 3 + 1], 'stop_elective', person.id,
        $1::timestamptz
    FROM generate_series(0, 20) AS n, facility, (SELECT id FROM person LIMIT 1) AS person
"""


async def make_open_visits(server: EmbeddedPostgres, count: int) -> None:
    """Fill a migrated database with the demo hospital of organization 1; statistics are brought up to date."""
    now = utc_now()
    connection = await asyncpg.connect(server.url(SUPERUSER))
    await connection.execute("SET session_replication_role = replica")
    for first in range(1, count + 1, _CHUNK):
        last = min(first + _CHUNK - 1, count)
        for statement in _ROWS:
            await connection.execute(statement, first, last, now, timeout=300)
        await connection.execute(_REQUESTED, first, last, timeout=300)
    await connection.execute(_POLICIES, now)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.execute("CHECKPOINT", timeout=300)
    await connection.close()


def order_addresses(count: int, facility_code: str, seed: int) -> Iterator[str]:
    """The clearance of orders at random, without end."""
    random = Random(seed)
    while True:
        order = f"CLS-{random.randrange(count) + 1}-{random.randrange(ORDERS_EACH) + 1}"
        yield f"/v1/facilities/{facility_code}/orders/{order}/clearance"


def visit_addresses(count: int, seed: int) -> Iterator[str]:
    """The discharge clearance of visits at random, without end."""
    random = Random(seed)
    while True:
        yield f"/v1/visits/01910000-0000-7000-8000-{random.randrange(count) + 1:012x}/discharge-clearance"
