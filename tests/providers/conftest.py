"""The outside world of a provider."""

from collections.abc import Iterator

import pytest
import respx


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[respx.Router]:
    """The provider's server below the address `WORLD_URL` of the test's module."""
    with respx.mock(base_url=request.module.WORLD_URL, assert_all_called=False) as mocked:
        yield mocked
