"""Exceptions are opened with the terms of their organization."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.payments.domain.exception import DEFAULT_POLICIES, ExceptionReason
from billing.payments.service.exception_policies import read_exception_policies, set_exception_policy
from billing.reconciliation.service.exceptions import list_exceptions
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow


@pytest.fixture
async def owned(database: DatabaseAddress) -> AsyncIterator[Database]:
    """The database with the owner's role."""
    opened = await Database.open(database.owner_url)
    yield opened
    await opened.close()


async def opened(flow: PaymentFlow) -> tuple[timedelta, object]:
    """How long after its opening the newest exception is due, and its owner."""
    (row, *_) = await list_exceptions(flow.context, flow.hospital.organization_id, after=None, limit=1)
    return row.due_at - row.opened_at, row.owner_id


async def test_exception_is_due_by_our_table_and_owned_by_nobody_alone(flow: PaymentFlow) -> None:
    await flow.deliver(flow.notice("T1", "no code at all"))

    due, owner_id = await opened(flow)

    assert abs(due - DEFAULT_POLICIES[ExceptionReason.NO_REFERENCE].due) < timedelta(seconds=1)
    assert owner_id is None


async def test_organization_sets_its_own_term_and_owner_by_reason(flow: PaymentFlow, owned: Database) -> None:
    organization_id = flow.hospital.organization_id
    await set_exception_policy(
        owned, organization_id, ExceptionReason.NO_REFERENCE, due=timedelta(hours=9), owner_name="Thu ngân"
    )

    await flow.deliver(flow.notice("T1", "no code at all"))
    due, owner_id = await opened(flow)
    policies = await read_exception_policies(owned, organization_id)

    assert abs(due - timedelta(hours=9)) < timedelta(seconds=1)
    assert owner_id is not None
    assert owner_id == policies[ExceptionReason.NO_REFERENCE].owner_id
    assert policies[ExceptionReason.REVIEW] == DEFAULT_POLICIES[ExceptionReason.REVIEW]


async def test_exceptions_are_listed_newest_first_whatever_their_ids_are_made_of(flow: PaymentFlow) -> None:
    for number in range(4):
        await flow.deliver(flow.notice(f"T{number}", "no code at all"))
        await flow.deliver(flow.notice(f"T{number}", "no code at all", fingerprint=b"another"))

    pages, after = [], None
    while page := await list_exceptions(flow.context, flow.hospital.organization_id, after=after, limit=3):
        pages.append([row.opened_at for row in page])
        after = page[-1].id

    opened_at = [opened for page in pages for opened in page]
    assert [len(page) for page in pages] == [3, 3, 2]
    assert opened_at == sorted(opened_at, reverse=True)


async def test_terms_set_again_replace_the_earlier(flow: PaymentFlow, owned: Database) -> None:
    organization_id = flow.hospital.organization_id
    for hours, owner in ((9, "Thu ngân"), (10, None)):
        await set_exception_policy(
            owned, organization_id, ExceptionReason.ALREADY_PAID, due=timedelta(hours=hours), owner_name=owner
        )

    policies = (await read_exception_policies(owned, organization_id))[ExceptionReason.ALREADY_PAID]

    assert (policies.due, policies.owner_id) == (timedelta(hours=10), None)


@pytest.mark.parametrize("due", [timedelta(0), timedelta(hours=-1), timedelta(minutes=90), timedelta(hours=721)])
async def test_term_that_is_none_is_refused(flow: PaymentFlow, owned: Database, due: timedelta) -> None:
    with pytest.raises(InvalidValue):
        await set_exception_policy(owned, flow.hospital.organization_id, ExceptionReason.ALREADY_PAID, due=due)


async def test_unknown_owner_or_organization_is_rejected(flow: PaymentFlow, owned: Database) -> None:
    organization_id, day = flow.hospital.organization_id, timedelta(days=1)

    with pytest.raises(NotFound):
        await set_exception_policy(owned, organization_id, ExceptionReason.ALREADY_PAID, due=day, owner_name="Nobody")
    with pytest.raises(NotFound):
        await set_exception_policy(owned, OrganizationId(9), ExceptionReason.ALREADY_PAID, due=day)
