"""One cycle of each kind; `make failover CYCLES=20` runs more. `make rolling-upgrade` is the other one."""

import pytest

from tests.conftest import skip_by_name
from tests.failover.failover import KINDS, run_failover
from tests.failover.programs import ProgramsMissing
from tests.failover.upgrade import run_upgrade
from tests.rounds import long_rounds

pytestmark = [pytest.mark.own_server, pytest.mark.slow]

SEED = 20261129


async def test_whatever_primary_is_lost_each_acknowledged_callback_is_booked_once() -> None:
    try:
        findings = await run_failover(KINDS * long_rounds(1), SEED)
    except ProgramsMissing as missing:
        skip_by_name("failover", str(missing))

    assert (findings.lost, findings.doubled, findings.mismatches) == ([], [], [])
    assert findings.isolated.committed_unacknowledged > 0, "the isolated primary was written to"
    assert (findings.isolated.acknowledged, findings.isolated.found_afterwards) == ([], [])
    assert (findings.ended, findings.ledger_verify) == ([], "ok")
    assert findings.acknowledged > 0
    assert findings.seals > 0


async def test_no_callback_is_refused_while_web_and_worker_are_replaced_across_a_migration() -> None:
    try:
        findings = await run_upgrade(SEED)
    except ProgramsMissing as missing:
        skip_by_name("haproxy", str(missing))

    assert findings.broken() == []
    assert findings.answers["200"] > 0
