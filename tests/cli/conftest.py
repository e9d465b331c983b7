"""Fixtures of the tests of commands."""

from collections.abc import Iterator

import pytest

from billing.devserver.embedded import EmbeddedPostgres
from tests.cli.commands import called


@pytest.fixture(scope="module")
def migrated_server() -> Iterator[EmbeddedPostgres]:
    """A durable server of the module's own, as `serve` needs one, with the schema and nothing else."""
    with EmbeddedPostgres() as own:
        called("migrate", VIENPHI_OWNER_URL=own.owner_url)
        yield own
