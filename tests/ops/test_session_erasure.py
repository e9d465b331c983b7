"""Ended sessions of the screens are erased after their days; the accounts stay."""

from datetime import timedelta

from billing.core.actor import Role
from billing.core.ids import PersonId
from billing.db.database import Database
from billing.ops.erasure import erase_once
from billing.ops.retention import Retention
from billing.organizations.store.api_keys import add_person
from billing.organizations.store.sessions import NewSession, add_session
from billing.organizations.store.sign_in_accounts import add_account
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.ops.test_erasure import counts, turn


async def test_ended_sessions_leave_after_their_days(flow: PaymentFlow, database: DatabaseAddress) -> None:
    organization_id = flow.hospital.organization_id
    person_id = PersonId(flow.context.ids.new())
    now = flow.context.clock()
    owner = await Database.open(database.owner_url)
    async with owner.transaction(organization_id) as tx:
        await add_person(tx, person_id, name="Lê Thị Hoa", roles=[Role.CASHIER])
        await add_account(
            tx,
            person_id,
            login_name="hoa.le",
            password_hash="$argon2id$none",
            at=now,
            facility_codes=None,
            must_change=False,
        )
        new = NewSession(
            id=flow.context.ids.new(),
            person_id=person_id,
            secret_hash=bytes(32),
            desk_id=None,
            address="127.0.0.1",
            browser="test",
            created_at=now,
            password_at=now,
            expires_at=now + timedelta(hours=13),
        )
        await add_session(tx, new)
    await owner.close()

    turn(flow, days=90)
    early = await erase_once(flow.context, organization_id, Retention())
    turn(flow, days=1)
    late = await erase_once(flow.context, organization_id, Retention())

    assert (early, late) == (0, 1)
    assert await counts(flow, "screen_session", "sign_in_account") == {"screen_session": 0, "sign_in_account": 1}
