"""Any sequence of acts of a ward, a desk, a bank and a provider leaves every view of a visit account with one sum."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.database_server import DatabaseAddress, Loop
from tests.model.hospital import close_all
from tests.model.visit_order_rules import OrderRules
from tests.model.visit_payer_rules import PayerRules
from tests.model.visit_service import VisitService
from tests.rounds import long_rounds


class VisitAccountMachine(OrderRules, PayerRules):
    """Everything that happens to the accounts of an organization."""


@pytest.fixture
def service(database: DatabaseAddress) -> Iterator[VisitService]:
    loop = Loop()
    opened = VisitService(database, loop)
    yield opened
    opened.close()
    close_all(loop)


@pytest.mark.parametrize(
    "examples", [pytest.param(2, marks=pytest.mark.short), pytest.param(long_rounds(6), marks=pytest.mark.slow)]
)
def test_every_view_of_a_visit_account_agrees_after_every_step(service: VisitService, examples: int) -> None:
    VisitAccountMachine.service = service

    run_state_machine_as_test(
        VisitAccountMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
