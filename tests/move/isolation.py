"""The tests of isolation of the repository, run on databases of cells: what they check holds after moves too.

The functions of `tests/db/test_catalogue.py` are called as they are, with connections to a cell.
"""

import inspect
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import asyncpg

from billing.core.ids import OrganizationId
from tests.db import test_catalogue
from tests.db.guards import REFUSALS
from tests.db.test_app_role_sql import REFUSED
from tests.move.clusters import Cell

_ORGANIZATION = re.compile(r"(?<=VALUES \()1(?=,)|(?<=SELECT )1(?=,)")


async def find_failed_isolation(cell: Cell, organization: OrganizationId, *, has_left: bool = False) -> list[str]:
    """The tests that fail in a cell, with an organization. `has_left`: the cell refuses the rows of one that left."""
    refusals = (*REFUSALS, asyncpg.LockNotAvailableError) if has_left else REFUSALS
    owner, app = await asyncpg.connect(cell.owner_url), await asyncpg.connect(cell.app_url)
    failed = []
    for name, test, arguments in _tests():
        connections = {"owner": owner, "app": app}
        given = {each: connections[each] for each in inspect.signature(test).parameters if each in connections}
        try:
            await test(**given, **arguments)
        except refusals as error:
            if not has_left or not isinstance(error, asyncpg.LockNotAvailableError):
                failed.append(f"{name} {arguments}: {error!r}")
        except BaseException as error:  # noqa: BLE001 - pytest's failures are no Exception
            failed.append(f"{name} {arguments}: {error!r}")
        await owner.reset()
        await app.reset()
    for name, statement in REFUSED.items():
        await app.execute(f"SET vienphi.organization = '{organization:d}'")
        try:
            result = await app.execute(_ORGANIZATION.sub(str(organization), statement))
        except refusals:
            continue
        except asyncpg.PostgresError as error:
            failed.append(f"{name}: {error!r}")
        else:
            if result != "UPDATE 0":  # a simulated day lacks rows of some tables
                failed.append(f"{name} was accepted: {result}")
    await owner.close()
    await app.close()
    return failed


def _tests() -> Iterator[tuple[str, Any, dict[str, object]]]:
    """Every test of the catalogue with each of its parameters."""
    for name, test in inspect.getmembers(test_catalogue, inspect.iscoroutinefunction):
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        names = [mark.args[0] for mark in marks]
        for values in product(*(mark.args[1] for mark in marks)):
            yield name, test, dict(zip(names, values, strict=True))
