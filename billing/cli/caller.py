"""Commands that act for a person: the key identifies the person and the organization."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from billing.cli.cells import open_command_service
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller, authenticate
from billing.payments.service.context import PaymentContext
from billing.settings import load_settings

KEY_VARIABLE = "VIENPHI_KEY"

T = TypeVar("T")


def run_as_caller(config: Path | None, right: Right, work: Callable[[PaymentContext, Caller], Awaitable[T]]) -> T:
    """Do something as the person whose key is given. Needs VIENPHI_DATABASE_URL and VIENPHI_KEY, or VIENPHI_KEY_FILE.

    A key in an argument would be seen by everybody on the machine, so there is no such option.
    """
    settings = load_settings(config, needed=("database_url",))
    key = _key()

    async def run() -> T:
        async with open_command_service(settings, outgoing=settings.providers.rules) as service:
            caller = await authenticate(service.context, key)
            caller.require(right)
            return await work(service.context, caller)

    return asyncio.run(run())


def _key() -> str:
    file = os.environ.get(f"{KEY_VARIABLE}_FILE")
    key = _read_key(Path(file)) if file else os.environ.get(KEY_VARIABLE, "")
    if not key.strip():
        raise click.ClickException(
            f"set {KEY_VARIABLE} or {KEY_VARIABLE}_FILE to a key: it identifies the person who decides"
        )
    return key.strip()


def _read_key(file: Path) -> str:
    """The text of the key file; what is no text is no key. Raises OSError."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(
            f"{KEY_VARIABLE}_FILE names a file that holds no text; write the key into it"
        ) from None
