"""`make races RACES=n`: each pair of operations at once, n rounds a pair: at one visit, one drawer, one exception.

Prints one line a pair. A pair fails where money was doubled or lost, a check of the books does not hold, an error is no
refusal by name, or a loser does not learn who was first and when.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from random import Random
from unittest.mock import patch

import structlog

from billing.db.database import Database, DatabaseLimits
from billing.devserver.embedded import EmbeddedPostgres
from billing.visit_accounts.service import visit_messages
from tests.builders import ACCOUNT_NAME, DemoHospital, add_demo_hospital, build_context, set_refund_limit
from tests.database_server import DatabaseAddress, DatabaseServer
from tests.flow import PaymentFlow, find_mismatches
from tests.races.desk_scene import DESK_ACTS, DESK_EXPLAINED, DeskScene
from tests.races.exception_scene import EXCEPTION_ACTS, EXCEPTION_EXPLAINED, ExceptionScene
from tests.races.race import Race, Scene, Tally
from tests.races.visit_scene import ACTS, EXPLAINED, VisitScene
from tests.visit_accounts.accounts import open_visit
from tests.visit_accounts.cashiers import CashDesk, as_owner, open_desk

VERIFIED_EVERY = 100
"""Rounds after which every check of the books is made, and after the last one."""

SEED = 20261129


def pairs_of(acts: Sequence[str]) -> list[tuple[str, str]]:
    """Each pair of acts, and each with itself."""
    return [(first, second) for number, first in enumerate(acts) for second in acts[number:]]


class Place(StrEnum):
    """Where the acts of a pair meet."""

    VISIT = "visit"
    DESK = "desk"
    EXCEPTION = "exception"


ACTS_AT: Mapping[Place, Sequence[str]] = {
    Place.VISIT: ACTS,
    Place.DESK: DESK_ACTS,
    Place.EXCEPTION: EXCEPTION_ACTS,
}

_EXPLAINED: Mapping[Place, frozenset[str]] = {
    Place.VISIT: EXPLAINED,
    Place.DESK: DESK_EXPLAINED,
    Place.EXCEPTION: EXCEPTION_EXPLAINED,
}


@asynccontextmanager
async def one_hospital(
    database: DatabaseAddress, hospital: DemoHospital
) -> AsyncIterator[tuple[PaymentFlow, CashDesk]]:
    """The demo hospital of a database with a desk, and enough connections for two acts with their own ones."""
    opened = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=8))
    try:
        context = build_context(opened)
        account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
        assert account is not None
        yield PaymentFlow(context, hospital, account), await open_desk(database, context)
    finally:
        await opened.close()


@contextmanager
def as_in_two_processes() -> Iterator[None]:
    """Messages of one visit are not in turn, as in two processes of the service."""
    with patch.object(visit_messages, "_turn", lambda _work: asyncio.Lock()):
        yield


async def race_pair(
    flow: PaymentFlow,
    desk: CashDesk,
    first: str,
    second: str,
    *,
    rounds: int,
    place: Place = Place.VISIT,
    is_verified: bool = True,
) -> tuple[Tally, list[str]]:
    """Rounds of one pair; returns its tally and what does not hold."""
    tally = Tally(first, second)
    race = Race(tally=tally, random=Random(f"{SEED} {first} {second}"), explains=_EXPLAINED[place])
    wrongs: list[str] = []
    with as_in_two_processes():
        for number in range(1, rounds + 1):
            is_closed = not {"reopen", "revert"}.isdisjoint((first, second)) or number % 2 == 0
            scene = await _scene(flow, desk, place, is_closed=is_closed)
            try:
                await race.run(scene)
            except AssertionError as error:
                wrongs.append(f"round {number}: {error}")
                break
            await scene.finish()
            if is_verified and (number % VERIFIED_EVERY == 0 or number == rounds):
                mismatches = await find_mismatches(flow.context.database)
                wrongs += [f"round {number}: {count} mismatches of {name}" for name, count in mismatches.items()]
            if wrongs:
                break
    return tally, wrongs + [f"does not state who was first and when: {text}" for text in tally.unexplained]


async def _scene(flow: PaymentFlow, desk: CashDesk, place: Place, *, is_closed: bool) -> Scene:
    if place is Place.EXCEPTION:
        exception = ExceptionScene(flow, desk, is_closed=is_closed)
        await exception.set_up()
        return exception
    if place is Place.DESK:
        return await DeskScene.set_up(desk, await open_visit(flow.context, f"LK-DESK-{flow.context.ids.new()}"[:40]))
    scene = VisitScene(flow, desk, is_closed=is_closed)
    await scene.set_up()
    return scene


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _race_all(server: DatabaseServer, template: str, hospital: DemoHospital, rounds: int, only: str) -> int:
    failed = 0
    pairs = [(pair, place) for place, acts in ACTS_AT.items() for pair in pairs_of(acts)]
    chosen = [each for each in pairs if only in " × ".join(each[0])]
    for (first, second), place in chosen:
        database = await asyncio.to_thread(server.create, template)
        async with one_hospital(database, hospital) as (flow, desk):
            await as_owner(database, set_refund_limit(0))
            tally, wrongs = await race_pair(flow, desk, first, second, rounds=rounds, place=place)
        _print(str(tally))
        for wrong in wrongs:
            _print(f"  WRONG {wrong}")
        failed += bool(wrongs)
        await asyncio.to_thread(server.drop, database.name)
    _print(f"{len(chosen)} pairs, {failed} failed")
    return failed if chosen else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="pairs whose name contains this")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with EmbeddedPostgres(durable=False) as own:
        server = DatabaseServer(own, "races")
        template = server.create()
        server.migrate(template)
        hospital = server.run(add_demo_hospital(template.owner_url))
        failed = asyncio.run(_race_all(server, template.name, hospital, arguments.rounds, arguments.only))
        server.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
