"""Edits by the owner of the database, past every trigger: each is named by verification or listed as not sealed.

docs/ledger-verification.md has the same two lists. An anchor is the hash of a closing paper, a head is a line of the
file of heads.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.database import Database, DatabaseLimits
from billing.ledger.domain.anchor import Anchor
from billing.ledger.service.anchors import check_anchors, check_exported_heads
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import find_head_of_day, seal_once
from billing.ledger.store.seal_export import SealExport
from tests.builders import DemoHospital, add_demo_hospital
from tests.clock import StandingClock
from tests.closing import close_books
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.flow import PaymentFlow, find_mismatches, open_flow
from tests.tampering import edit

pytestmark = pytest.mark.own_server
ONE = OrganizationId(1)


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """Sealed books of a closed day with the hash on its paper and the file of heads."""

    flow: PaymentFlow
    anchor: Anchor
    export: SealExport
    address: DatabaseAddress

    async def tamper(self, *statements: str, seals_again: bool = False) -> None:
        """Change rows as the owner can, with the triggers off; the sealer and the snapshots may run afterwards."""
        await edit(self.address, *statements)
        if seals_again:
            self.flow.context.seal_export = None
            await seal_once(self.flow.context, ONE)
            await snapshot_once(self.flow.context, ONE)

    async def named_inside(self) -> set[str]:
        """The proofs that fail without anything from outside."""
        return set(await find_mismatches(self.flow.context.database))

    async def named_by_anchor(self) -> bool:
        return bool(await check_anchors(self.flow.context.database, [self.anchor]))

    async def named_by_heads(self) -> bool:
        _, mismatches = await check_exported_heads(self.flow.context.database, self.export)
        return bool(mismatches)


_APPROVAL = """
    WITH proposer AS (INSERT INTO person (organization_id, id, name) VALUES (1, gen_random_uuid(), 'Lan') RETURNING id)
    INSERT INTO approval (organization_id, id, kind, subject_id, payload, state, proposed_by, proposed_at)
    SELECT 1, gen_random_uuid(), 'account_change', account.id, jsonb_build_object('settings', settings), 'proposed',
        proposer.id, now()
    FROM provider_account AS account, proposer
"""

_DEAD_LETTER = """
    INSERT INTO dead_letter (organization_id, id, provider_account_id, received_at, fault, method, path_suffix,
        query, headers,
        body, source_address, notices, verified_at, verified_by)
    SELECT 1, gen_random_uuid(), id, now(), 'DataError', 'POST', '', '', '[]', '', '', '[]', now(), 'sandbox'
    FROM provider_account
"""


_UNMATCHED_OUTFLOW = """
    INSERT INTO unmatched_outflow (organization_id, id, provider_account_id, delivery_id, amount, keys, code,
        occurred_at, recorded_at)
    SELECT 1, gen_random_uuid(), id, gen_random_uuid(), 5000, '{x/transaction:T77}', '', now(), now()
    FROM provider_account
"""


async def store(database: DatabaseAddress, *statements: str) -> None:
    """Write as the owner does, under every guard."""
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("SET vienphi.organization = '1'")
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@dataclass(frozen=True, slots=True)
class StoredBooks:
    """A database with the books, to which nobody is connected, and what they left outside it."""

    name: str
    hospital: DemoHospital
    now: datetime
    anchor: Anchor
    heads: bytes


@pytest.fixture(scope="module")
async def stored_books(
    database_server: DatabaseServer, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StoredBooks]:
    address = database_server.create(migrated_template)
    clock = StandingClock()
    hospital = await add_demo_hospital(address.owner_url, clock=clock)
    heads = tmp_path_factory.mktemp("books") / "heads.jsonl"
    database = await Database.open(address.app_url, limits=DatabaseLimits(connections_max=4))
    flow = await _open_books(database, hospital, clock, heads)
    context = flow.context
    intents = [await flow.start_intent(f"LK{number}") for number in range(4)]
    for number in range(3):
        await flow.deliver(flow.notice(f"T{number}", intents[number].code))
    await flow.deliver(flow.notice("T9", "no code"))
    await store(address, _APPROVAL, _DEAD_LETTER, _UNMATCHED_OUTFLOW)
    await seal_once(context, ONE)
    await flow.deliver(flow.notice("T3", intents[3].code))
    day = business_date(clock())
    await store(address, "UPDATE dead_letter SET retried_at = now(), retried_as = id")
    clock.forward(timedelta(days=1))
    await close_books(context, ONE, day, actor=Actor.system())
    await seal_once(context, ONE)
    await snapshot_once(context, ONE)
    head = await find_head_of_day(context, ONE, day)
    assert head is not None
    await database.close()
    yield StoredBooks(address.name, hospital, clock(), Anchor(day, head.hash), heads.read_bytes())
    database_server.drop_template(address.name)


@pytest.fixture
def database_template(stored_books: StoredBooks) -> str:
    """Each test has the books in its database."""
    return stored_books.name


@pytest.fixture
async def books(
    stored_books: StoredBooks, database: DatabaseAddress, app_database: Database, tmp_path: Path
) -> ReferenceData:
    heads = tmp_path / "heads.jsonl"
    heads.write_bytes(stored_books.heads)
    clock = StandingClock()
    clock.now = stored_books.now
    flow = await _open_books(app_database, stored_books.hospital, clock, heads)
    assert flow.context.seal_export is not None
    return ReferenceData(flow, stored_books.anchor, flow.context.seal_export, database)


async def _open_books(database: Database, hospital: DemoHospital, clock: StandingClock, heads: Path) -> PaymentFlow:
    flow = await open_flow(database, hospital, clock=clock)
    flow.context.seal_export = SealExport(heads, b"a key of the operator")
    return flow


async def test_books_are_right_before_an_edit(books: ReferenceData) -> None:
    assert await books.named_inside() == set()
    assert not await books.named_by_anchor()
    assert not await books.named_by_heads()


_ENTRY = "(SELECT id FROM journal_entry WHERE kind = 'payment_received' ORDER BY id DESC LIMIT 1)"
_PAYMENT = "(SELECT id FROM payment ORDER BY id DESC LIMIT 1)"
_TAIL = (
    f"DELETE FROM posting WHERE entry_id = {_ENTRY}",
    f"DELETE FROM journal_entry WHERE id = {_ENTRY}",
    "UPDATE invoice SET allocated = 0, owed = patient_share"
    f" WHERE id = (SELECT invoice_id FROM allocation WHERE payment_id = {_PAYMENT})",
    f"UPDATE intent SET received = 0, state = 'pending'"
    f" WHERE id = (SELECT intent_id FROM payment WHERE id = {_PAYMENT})",
    f"DELETE FROM movement_key WHERE movement_id = {_PAYMENT}",
    f"DELETE FROM event_key WHERE delivery_id = (SELECT delivery_id FROM payment WHERE id = {_PAYMENT})",
    f"DELETE FROM allocation WHERE payment_id = {_PAYMENT}",
    f"DELETE FROM payment_position WHERE payment_id = {_PAYMENT}",
    f"DELETE FROM payment_origin WHERE payment_id = {_PAYMENT}",
    f"DELETE FROM audit WHERE subject_id = {_PAYMENT}",
    f"DELETE FROM payment WHERE id = {_PAYMENT}",
    "UPDATE day_closing SET entries = (SELECT count(*) FROM journal_entry), amount = (SELECT sum(amount) FROM posting)",
)
_NO_SNAPSHOTS = ("DELETE FROM balance_snapshot", "DELETE FROM balance_watermark")
_LAST_SEAL = "DELETE FROM seal WHERE number = (SELECT max(number) FROM seal)"
_AMOUNT_OF_ONE = (
    f"UPDATE posting SET amount = 1 WHERE entry_id = {_ENTRY}",
    f"UPDATE payment SET amount = 1 WHERE id = {_PAYMENT}",
    f"UPDATE payment_position SET amount = 1, on_invoices = 1 WHERE payment_id = {_PAYMENT}",
    f"UPDATE allocation SET amount = 1 WHERE payment_id = {_PAYMENT}",
    "UPDATE invoice SET allocated = 1, owed = patient_share - 1"
    f" WHERE id = (SELECT invoice_id FROM allocation WHERE payment_id = {_PAYMENT})",
    f"UPDATE intent SET received = 1, state = 'pending'"
    f" WHERE id = (SELECT intent_id FROM payment WHERE id = {_PAYMENT})",
    "UPDATE day_closing SET amount = (SELECT sum(amount) FROM posting)",
    *_NO_SNAPSHOTS,
)
_SLIPPED_ENTRY = (
    "INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind,"
    " transaction_id) SELECT 1, '00000000-0000-7000-8000-000000000001', kind, effective_at, recorded_at,"
    " accounting_date, actor_kind, {} FROM journal_entry ORDER BY id LIMIT 1"
)
_SLIPPED_POSTING = (
    "INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, transaction_id)"
    " SELECT 1, '00000000-0000-7000-8000-000000000001', 1, debit_account_id, credit_account_id, 5, {}"
    " FROM posting ORDER BY entry_id LIMIT 1"
)

NAMED: dict[str, str | Sequence[str]] = {
    "a posting's amount": (
        "UPDATE posting SET amount = amount + 1 WHERE (entry_id, line) ="
        " (SELECT entry_id, line FROM posting ORDER BY entry_id LIMIT 1)",
    ),
    "an amount everywhere, seals left": _AMOUNT_OF_ONE,
    "the last entry removed": _TAIL[:2],
    "the last payment removed everywhere, seals left": (*_TAIL, *_NO_SNAPSHOTS),
    "an entry slipped under a seal": (
        _SLIPPED_ENTRY.format("transaction_id"),
        _SLIPPED_POSTING.format("transaction_id"),
        *_NO_SNAPSHOTS,
    ),
    "an entry slipped into a closed day": (
        _SLIPPED_ENTRY.format("vienphi_transaction_id()"),
        _SLIPPED_POSTING.format("vienphi_transaction_id()"),
    ),
    "a posting's invoice": "UPDATE posting SET invoice_id = NULL WHERE invoice_id IS NOT NULL",
    "a posting's payer": "UPDATE posting SET payer = 'x'",
    "an audit row": "UPDATE audit SET actor_id = gen_random_uuid()",
    "an audit row removed": "DELETE FROM audit WHERE id = (SELECT id FROM audit ORDER BY id LIMIT 1)",
    "an invoice line moved between payers": "UPDATE invoice_line SET copay = copay + fund, fund = 0 WHERE fund > 0",
    "an invoice line removed": "DELETE FROM invoice_line WHERE line = 1",
    "the input of a price": "UPDATE invoice_snapshot SET document = document || ' '",
    "an invoice's number": "UPDATE invoice SET number = 'X-1' WHERE id = (SELECT id FROM invoice ORDER BY id LIMIT 1)",
    "one of two names of a movement removed": "DELETE FROM bank_reference",
    "the names of a movement removed": f"DELETE FROM movement_key WHERE movement_id = {_PAYMENT}",
    "a movement key's text": f"UPDATE movement_key SET key = 'x' WHERE movement_id = {_PAYMENT}",
    "a bank reference's text": f"UPDATE bank_reference SET reference = 'X' WHERE payment_id = {_PAYMENT}",
    "a dead letter removed": "DELETE FROM dead_letter",
    "a dead letter's fault": "UPDATE dead_letter SET fault = 'x'",
    "a waiting outflow's amount": "UPDATE unmatched_outflow SET amount = 1",
    "a waiting outflow's names": "UPDATE unmatched_outflow SET keys = '{x/transaction:T78}'",
    "a waiting outflow removed": "DELETE FROM unmatched_outflow",
    "what is proposed": "UPDATE approval SET payload = '{}'",
    "a proposal removed": "DELETE FROM approval",
    "a proposal decided by nobody": "UPDATE approval SET state = 'withdrawn', decided_by = proposed_by,"
    " decided_at = now()",
    "the event keys removed": "DELETE FROM event_key",
    "an event key's fingerprint": "UPDATE event_key SET fingerprint = 'x'",
    "an exception removed": "DELETE FROM exception_case",
    "an exception's amount": "UPDATE exception_case SET amount = 0",
    "a delivery's verdict": "UPDATE delivery SET verdict = 'stored'",
    "a delivery removed": "DELETE FROM delivery",
    "a ledger account's number": "UPDATE ledger_number SET number = '999'",
    "a ledger account's role": "UPDATE ledger_account SET subject = 'x' WHERE role = 'revenue'",
    "a payee's name": "UPDATE bank_account SET holder = 'EVIL'",
}

NAMED_FROM_OUTSIDE: dict[str, Sequence[str]] = {
    "the last payment and its seal removed": (*_TAIL, *_NO_SNAPSHOTS, _LAST_SEAL),
    "the last seal removed": (_LAST_SEAL,),
    "an amount everywhere, sealed again from the beginning": (*_AMOUNT_OF_ONE, "DELETE FROM seal"),
}

NOT_SEALED = {
    "outbox": "DELETE FROM outbox",
    "bodies": "UPDATE delivery_body SET body = 'x'",
    "payer names": "UPDATE payment_origin SET payer_name = 'someone', transfer_text = 'x'",
    "visit documents": "UPDATE visit_document SET document = '{}'",
    "names of persons": "UPDATE person SET name = 'Nobody ' || id",
}


@pytest.mark.parametrize("name", NAMED)
async def test_edit_under_a_seal_is_named(books: ReferenceData, name: str) -> None:
    statements = NAMED[name]
    await books.tamper(*([statements] if isinstance(statements, str) else statements))

    assert await books.named_inside()


@pytest.mark.parametrize("seals_again", [False, True])
@pytest.mark.parametrize("name", NAMED_FROM_OUTSIDE)
async def test_chain_that_is_not_the_one_of_the_day_is_named_from_outside(
    books: ReferenceData, name: str, seals_again: bool
) -> None:
    await books.tamper(*NAMED_FROM_OUTSIDE[name], seals_again=seals_again)

    assert await books.named_by_anchor()
    assert await books.named_by_heads()


async def test_anchor_alone_finds_what_was_sealed_again(books: ReferenceData) -> None:
    """The premise of anchors: everything inside fits, only the paper does not."""
    await books.tamper(*_AMOUNT_OF_ONE, "DELETE FROM seal", seals_again=True)

    assert await books.named_inside() == set()
    assert await books.named_by_anchor()


async def test_older_dump_is_named(books: ReferenceData) -> None:
    """What a restore of the evening before leaves: neither the closing nor the last blocks."""
    await books.tamper(
        *_TAIL[:-1],
        *_NO_SNAPSHOTS,
        "DELETE FROM day_closing",
        "UPDATE business_day SET state = 'open', closed_at = NULL",
        "DELETE FROM audit WHERE action = 'day_closed'",
        "DELETE FROM seal WHERE number > 1",
        seals_again=True,
    )

    assert await books.named_by_anchor()
    assert await books.named_by_heads()


async def test_anchor_of_another_day_or_another_hash_is_named(books: ReferenceData) -> None:
    database = books.flow.context.database
    day, value = books.anchor.day, books.anchor.hash

    assert await check_anchors(database, [books.anchor, books.anchor]) == []
    assert len(await check_anchors(database, [books.anchor, Anchor(day - timedelta(days=1), value)])) == 1
    assert len(await check_anchors(database, [Anchor(day, bytes(32)), books.anchor])) == 1


@pytest.mark.parametrize("name", NOT_SEALED)
async def test_what_is_derived_or_erasable_is_listed_and_not_sealed(books: ReferenceData, name: str) -> None:
    await books.tamper(NOT_SEALED[name])

    assert await books.named_inside() == set()
    document = (Path(__file__).parents[3] / "docs" / "ledger-verification.md").read_text()
    assert f"| {name} |" in document.lower()


async def test_line_of_the_file_of_heads_that_was_changed_is_named(books: ReferenceData) -> None:
    lines = books.export.path.read_text().splitlines()
    assert len(lines) == 2
    for changed in (lines[0].replace('"seal":1', '"seal":3'), lines[0][:40], "{}", '{"organization":1}', "[]"):
        books.export.path.write_text("\n".join([changed, *lines[1:]]) + "\n")

        assert await books.named_by_heads()

    other_key = SealExport(books.export.path, b"another key, not the same")
    books.export.path.write_text("\n".join(lines) + "\n")
    _, mismatches = await check_exported_heads(books.flow.context.database, other_key)
    assert len(mismatches) == 2


async def test_head_that_could_not_be_written_is_written_later(books: ReferenceData, tmp_path: Path) -> None:
    context = books.flow.context
    folder = tmp_path / "later"
    context.seal_export = SealExport(folder / "heads.jsonl", b"a key of the operator")
    await books.flow.start_intent("LK9")
    with pytest.raises(OSError, match="heads"):
        await seal_once(context, ONE)
    folder.mkdir()

    assert await seal_once(context, ONE) == 0

    assert await check_exported_heads(context.database, context.seal_export) == (1, [])


async def test_line_that_a_crash_cut_off_does_not_spoil_the_next(books: ReferenceData) -> None:
    with books.export.path.open("a") as file:
        file.write('{"organization":1,"se')
    await books.flow.start_intent("LK9")
    await seal_once(books.flow.context, ONE)

    heads, mismatches = await check_exported_heads(books.flow.context.database, books.export)

    assert heads == 3
    assert [mismatch.subject for mismatch in mismatches] == ["line 3 of heads.jsonl"]
