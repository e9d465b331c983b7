"""What was paid for the deposit of a visit is erased with its patient, as what was paid for its invoices."""

from billing.checkout.service.intent_targets import StandingTarget
from billing.checkout.service.intents import open_intent
from billing.core.actor import Actor
from billing.ops.erasure import PatientNumber, erase_patient
from providers.contract import Payer
from tests.builders import ACCOUNT_NAME
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.open_visits import open_visit
from tests.ops.test_erasure import counts, paid_intent
from tests.persons import actors


async def test_payers_and_messages_of_a_deposit_are_erased_with_the_patient(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    organization_id = flow.hospital.organization_id
    [admin] = await actors(database, flow.context, ("desk-admin", "Quản trị"))
    visit = await open_visit(flow, database.owner_url)
    intent_id = await open_intent(
        flow.context,
        organization_id,
        account_name=ACCOUNT_NAME,
        target=StandingTarget(visit.visit_id),
        amount=None,
        actor=Actor.system(),
    )
    code = (await flow.read(intent_id)).reference_code
    payer = Payer(name="NGUYEN VAN THU", account="0001", bank="970436")
    await flow.deliver(flow.notice("T1", f"{code} TAM UNG", payer=payer))
    await paid_intent(flow, "LK0002", patient={"HO_TEN": "Trần B", "SO_CCCD": "002", "MA_BN": "BN-2"})

    erased = await erase_patient(
        flow.context, organization_id, PatientNumber("ma_lk", "LK0001"), actor=admin, is_trial=False
    )

    assert (erased.rows["payment_origin"], erased.rows["delivery_body"]) == (1, 1)
    assert await counts(flow, "payment_origin", "delivery_body", "payment") == {
        "payment_origin": 1,
        "delivery_body": 1,
        "payment": 2,
    }
    await assert_books_are_right(flow.context.database)
