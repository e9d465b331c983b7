"""The states that rows may get by the SQL of the app role: their first one, and others by a decision of two persons."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.db.guards import REFUSALS


@pytest.fixture
def database_template(paid_template: str) -> str:
    """Each test has the paid invoice in its database."""
    return paid_template


BORN = {
    "proposal approved": """INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by,
        proposed_at, decided_by, decided_at)
        SELECT 1, gen_random_uuid(), 'account_change', id, '{}', 'approved', $1, now(), $2, now()
        FROM provider_account""",
    "proposal approved without a person": """INSERT INTO approval (organization_id, id, kind, subject_id, payload,
        state, proposed_by, proposed_at)
        SELECT 1, gen_random_uuid(), 'account_change', id, '{}', 'approved', coalesce($1::uuid, $2::uuid), now()
        FROM provider_account""",
    "proposal of a price list that is not there": """INSERT INTO approval (organization_id, id, kind, subject_id,
        payload, state, proposed_by, proposed_at)
        VALUES (1, gen_random_uuid(), 'tariff', gen_random_uuid(), '{}', 'proposed', coalesce($1::uuid, $2::uuid),
        now())""",
    "price list effective": """INSERT INTO tariff (organization_id, id, name, valid_from, state, items_expected,
        content_hash, drafted_by, drafted_at, completed_at, activated_by, activated_at)
        VALUES (1, gen_random_uuid(), 'x', '2026-01-01', 'effective', 1, sha256(''), $1, now(), now(), $2, now())""",
    "price list approved": """INSERT INTO tariff (organization_id, id, name, valid_from, state, items_expected,
        content_hash, drafted_by, drafted_at, completed_at)
        VALUES (1, gen_random_uuid(), 'x', '2026-01-01', 'approved', 1, sha256(''), coalesce($1::uuid, $2::uuid),
        now(), now())""",
    "invoice discarded": """INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version,
        patient_share, other_share, insurer_share, owed)
        SELECT 1, coalesce($1::uuid, $2::uuid), visit_id, visit_version, 'X', 'discarded', 1, 1, 0, 0, 1
        FROM invoice""",
    "invoice paid": """INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version,
        patient_share, other_share, insurer_share, allocated, owed, issued_at)
        SELECT 1, coalesce($1::uuid, $2::uuid), visit_id, visit_version, 'X', 'issued', 1, 1, 0, 0, 1, 0, now()
        FROM invoice""",
    "intent succeeded": """INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state,
        version, amount, received, created_at)
        SELECT 1, coalesce($1::uuid, $2::uuid), id, '222222222', 'succeeded', 1, 5, 5, now() FROM provider_account""",
    "intent with money": """INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state,
        version, amount, received, created_at)
        SELECT 1, coalesce($1::uuid, $2::uuid), id, '222222222', 'created', 1, 5, 1, now() FROM provider_account""",
    "exception closed": """INSERT INTO exception_case (organization_id, id, reason, state, amount, opened_at, due_at)
        VALUES (1, coalesce($1::uuid, $2::uuid), 'review', 'closed', 1, now(), now())""",
    "webhook delivered": """INSERT INTO webhook_delivery (organization_id, endpoint_id, message_id, topic, payload,
        state, due_at) VALUES (1, $1, $2, 't', '{}', 'delivered', now())""",
    "hold released": """INSERT INTO payment_hold (organization_id, payment_id, other_payment_id, held_at, released_at)
        SELECT 1, min(id::text)::uuid, max(id::text)::uuid, now(), now() FROM payment WHERE $1 <> $2::uuid""",
}


@pytest.mark.parametrize("name", BORN)
async def test_row_is_not_created_beyond_its_first_state(
    app: asyncpg.Connection, owner: asyncpg.Connection, two_persons: tuple[UUID, UUID], name: str
) -> None:
    """Neither by the app role nor, where its grants were widened, by the owner."""
    for role in (app, owner):
        with pytest.raises(REFUSALS):
            await role.execute(BORN[name], *two_persons)


async def test_account_change_needs_two_persons_and_is_then_applied(
    app: asyncpg.Connection, two_persons: tuple[UUID, UUID]
) -> None:
    account = await app.fetchrow("SELECT id, settings FROM provider_account")
    change = uuid4()
    await app.execute(
        "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
        " VALUES (1, $1, 'account_change', $2, jsonb_build_object('settings', $3::jsonb, 'settings_before', $3::jsonb,"
        " 'payee', NULL, 'is_active', false), 'proposed', $4, now())",
        *(change, account["id"], account["settings"], two_persons[0]),
    )
    decide = "UPDATE approval SET state = 'approved', decided_by = $2, decided_at = now() WHERE id = $1"
    apply = "SELECT vienphi_apply_account_change($1, gen_random_uuid())"
    with pytest.raises(asyncpg.RestrictViolationError, match="two persons"):
        await app.execute(apply, change)
    with pytest.raises(asyncpg.CheckViolationError):
        await app.execute(decide, change, two_persons[0])
    async with app.transaction():
        await app.execute(decide, change, two_persons[1])
        await app.execute(apply, change)

    assert await app.fetchval("SELECT is_active FROM provider_account WHERE id = $1", account["id"]) is False
    with pytest.raises(asyncpg.RestrictViolationError, match="in this transaction"):
        await app.execute(apply, change)
    with pytest.raises(asyncpg.RestrictViolationError):
        await app.execute("UPDATE approval SET state = 'rejected' WHERE id = $1", change)


async def test_setting_is_in_force_only_with_its_approval_and_is_never_changed(
    app: asyncpg.Connection, two_persons: tuple[UUID, UUID]
) -> None:
    """A row by itself decides nothing: readers join the approved proposal, which two statements of two persons make."""
    setting = uuid4()
    await app.execute(
        "INSERT INTO facility_pricing SELECT 1, $1, id, '2026-01-01', 'vienphi', 'ordered', '' FROM facility", setting
    )
    for act in ("UPDATE facility_pricing SET vendor = 'x'", "DELETE FROM facility_pricing"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(act)
    propose = (
        "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
        " VALUES (1, gen_random_uuid(), $1, $2, '{}', 'proposed', $3, now())"
    )
    await app.execute(propose, "facility_pricing", setting, two_persons[0])
    with pytest.raises(asyncpg.UniqueViolationError, match="approval_one_proposed"):
        await app.execute(propose, "facility_pricing", setting, two_persons[1])
    await app.execute("UPDATE approval SET state = 'approved', decided_by = $1, decided_at = now()", two_persons[1])
    await app.execute(propose, "facility_pricing", setting, two_persons[0])
    with pytest.raises(asyncpg.UniqueViolationError, match="approval_one_approved"):
        await app.execute(
            "UPDATE approval SET state = 'approved', decided_by = $1, decided_at = now() WHERE state = 'proposed'",
            two_persons[1],
        )


_DEAD_LETTER = """
    INSERT INTO dead_letter (organization_id, id, provider_account_id, received_at, fault, method, path_suffix,
        query, headers,
        body, source_address, notices, verified_at, verified_by)
    SELECT 1, gen_random_uuid(), id, now(), 'DataError', 'POST', 't', 'q', '[["a", "b"]]', 'b', 'a', '[]', now(),
        'sandbox'
    FROM provider_account
"""


@pytest.mark.parametrize("column", ["path_suffix", "query", "headers", "body", "source_address"])
async def test_message_of_a_waiting_dead_letter_is_kept(app: asyncpg.Connection, column: str) -> None:
    """Erased only after it was retried or closed."""
    await app.execute(_DEAD_LETTER)
    empty = f"UPDATE dead_letter SET {column} = '[]'"

    with pytest.raises(asyncpg.RestrictViolationError, match="kept until it ends"):
        await app.execute(empty)
    with pytest.raises(asyncpg.RestrictViolationError, match="kept until it ends"):
        await app.execute(f"{empty}, retried_at = now(), retried_as = id")
    await app.execute("UPDATE dead_letter SET retried_at = now(), retried_as = id")
    await app.execute(empty)


async def test_dead_letter_is_closed_by_two_persons_for_a_reason(
    app: asyncpg.Connection, two_persons: tuple[UUID, UUID]
) -> None:
    await app.execute(_DEAD_LETTER)
    propose = (
        "INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)"
        " SELECT 1, gen_random_uuid(), 'dead_letter_closing', id, $1, 'proposed', $2, now() FROM dead_letter"
    )
    close = "UPDATE dead_letter SET closed_at = now()"

    with pytest.raises(asyncpg.CheckViolationError, match="closing_has_a_reason"):
        await app.execute(propose, "{}", two_persons[0])
    await app.execute(propose, '{"reason": "test notice of the bank"}', two_persons[0])
    with pytest.raises(asyncpg.RestrictViolationError, match="two persons"):
        await app.execute(close)
    await app.execute("UPDATE approval SET state = 'approved', decided_by = $1, decided_at = now()", two_persons[1])
    await app.execute(close)


async def test_closed_exception_is_not_opened_again(app: asyncpg.Connection) -> None:
    await app.execute("UPDATE exception_case SET state = 'closed'")

    with pytest.raises(asyncpg.RestrictViolationError):
        await app.execute("UPDATE exception_case SET state = 'open'")
