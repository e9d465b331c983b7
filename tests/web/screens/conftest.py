"""A cashier at a desk, signed in."""

from collections.abc import AsyncIterator

import pytest

from tests.web.screens.desk_day import DeskDay, desk_day
from tests.web.site import Site


@pytest.fixture
async def day(site: Site) -> AsyncIterator[DeskDay]:
    async with desk_day(site) as opened:
        yield opened
