"""Texts of statement lines leave after their retention and with their patient; the lines stay."""

from billing.core.actor import Actor
from billing.db.database import Database
from billing.ops.erasure import PatientNumber, erase_once, erase_patient
from billing.ops.retention import Retention
from billing.reconciliation.service.import_statement import import_statement
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.ops.test_erasure import counts, owner, paid_intent, turn
from tests.persons import actors
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

__all__ = ["owner"]


async def _import(flow: PaymentFlow, *lines: Line) -> None:
    organization_id = flow.hospital.organization_id
    await import_statement(flow.context, organization_id, statement_file(statement_csv(*lines)), actor=Actor.system())


async def test_texts_of_statement_lines_leave_after_their_days_and_the_lines_stay(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    await _import(flow, Line(amount=5, text="NGUYEN VAN THU"))

    turn(flow, days=399)
    early = await erase_once(flow.context, organization_id, Retention(idempotency_days=1000))
    turn(flow, days=2)
    late = await erase_once(flow.context, organization_id, Retention(idempotency_days=1000))

    assert (early, late) == (0, 1)
    assert await counts(flow, "statement_line", "statement_line_text") == {
        "statement_line": 1,
        "statement_line_text": 0,
    }
    await _import(flow, Line(amount=5, text="NGUYEN VAN THU"), Line(amount=6))
    assert await counts(flow, "statement_line") == {"statement_line": 2}


async def test_text_of_a_statement_line_of_an_open_exception_stays(flow: PaymentFlow, owner: Database) -> None:
    organization_id = flow.hospital.organization_id
    await flow.deliver(flow.notice("T1", "no code at all"))
    await _import(flow, Line(amount=5))
    async with owner.transaction(organization_id) as tx:
        await tx.execute(
            "UPDATE exception_case SET item_kind = 'statement_line', item_id = (SELECT id FROM statement_line)"
        )
    turn(flow, days=500)

    await erase_once(flow.context, organization_id, Retention())
    held = await counts(flow, "statement_line_text")
    async with owner.transaction(organization_id) as tx:
        await tx.execute("UPDATE exception_case SET state = 'closed'")
    await erase_once(flow.context, organization_id, Retention())

    assert (held, await counts(flow, "statement_line_text")) == (
        {"statement_line_text": 1},
        {"statement_line_text": 0},
    )


async def test_erasing_a_patient_takes_the_texts_that_name_its_codes(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await paid_intent(flow)
    await _import(flow, Line(amount=136_000, text=f"{started.code} NGUYEN VAN THU"), Line(amount=7, text="TRAN VAN B"))
    number = PatientNumber("citizen_number", "001080000001")
    [administrator] = await actors(database, flow.context, ("a", "A"))

    erasure = await erase_patient(
        flow.context, flow.hospital.organization_id, number, actor=administrator, is_trial=False
    )

    assert erasure.rows["statement_line_text"] == 1
    assert await counts(flow, "statement_line", "statement_line_text") == {
        "statement_line": 2,
        "statement_line_text": 1,
    }
