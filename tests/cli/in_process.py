"""The service in this process, as `vienphi serve` opens it, for tests of commands that send it requests."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from billing.cli.startup import open_checked_service, start
from billing.web.server import serving
from tests.cli.commands import environment
from tests.database_server import Loop


@contextmanager
def service_here(**given: str) -> Iterator[str]:
    """Serve on a port that the system chooses; gives the address. Commands may run meanwhile."""
    with environment({"VIENPHI_PORT": "0", **given}):
        settings = start(None)
        loop, opened = Loop(), AsyncExitStack()

        async def serve() -> str:
            service = await opened.enter_async_context(open_checked_service(settings, name="vienphi-test"))
            application = service.application
            return await opened.enter_async_context(serving(application, host=settings.host, port=settings.port))

        try:
            yield loop.run(serve())
        finally:
            loop.run(opened.aclose())
            loop.close()
