"""Finding a provider by its name and making one for an account.

Providers are installed, not listed: each is an entry point of the group `billing.providers`. What a provider can do
is asked of its class: `issubclass(provider_class(name), Callbacks)`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import httpx
from pydantic import BaseModel, ValidationError

from providers.contract import Provider
from providers.settings import secret_fields

GROUP = "billing.providers"


class UnknownProvider(Exception):
    """No provider of that name is installed; the text names those that are."""


class BrokenProvider(Exception):
    """An entry point that does not lead to a provider."""


class SettingsRefused(Exception):
    """Settings of an account that its provider cannot work with.

    `fields` maps each wrong field to what is wrong with it; no value is ever repeated, as some are secrets.
    """

    def __init__(self, name: str, fields: Mapping[str, str]) -> None:
        super().__init__(f"settings of {name}: " + "; ".join(f"{field}: {reason}" for field, reason in fields.items()))
        self.fields = fields


def installed_providers() -> tuple[str, ...]:
    """The names of all installed providers, in order of the alphabet."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


@cache  # reading the entry points takes many milliseconds; what is installed does not change in a running process
def provider_class(name: str) -> type[Provider]:
    """The class of an installed provider.

    Raises UnknownProvider, or BrokenProvider where its entry point cannot be loaded, is no provider, or stands in two
    packages, since a second package must never take over where money is sent.
    """
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if not found:
        raise UnknownProvider(
            f"no provider {name!r} is installed; installed: {', '.join(installed_providers()) or '—'}"
        )
    if len(found) > 1:
        raise BrokenProvider(f"provider {name!r} is declared more than once: {', '.join(sorted(found))}")
    loaded = _load(next(iter(found.values())))
    if not (isinstance(loaded, type) and issubclass(loaded, Provider)):
        raise BrokenProvider(f"provider {name!r} is no subclass of Provider")
    return loaded


def open_provider(name: str, settings: Mapping[str, object], client: httpx.AsyncClient) -> Provider:
    """Make the provider of one account from its stored settings and its own HTTP client.

    Raises SettingsRefused naming every wrong field at once; also what `provider_class` raises.
    """
    return provider_class(name)(read_settings(name, settings), client)


def read_settings(name: str, settings: Mapping[str, object]) -> BaseModel:
    """The settings of an account, secrets among them, as its provider's model.

    Raises SettingsRefused naming every wrong field at once; also what `provider_class` raises.
    """
    try:
        return provider_class(name).settings_type.model_validate(dict(settings))
    except ValidationError as error:
        wrong = {".".join(map(str, each["loc"])) or "settings": each["type"] for each in error.errors()}
        raise SettingsRefused(name, wrong) from None  # its text would repeat the values


def check_stored_settings(name: str, settings: Mapping[str, object]) -> None:
    """Look at settings as they are stored, without the secrets that will join them.

    Raises SettingsRefused, also where a secret stands among them; and what `provider_class` raises.
    """
    secrets = secret_fields(provider_class(name).settings_type)
    wrong = {field: "a secret is given to the service, never stored" for field in settings if field in secrets}
    if wrong:
        raise SettingsRefused(name, wrong)
    try:
        read_settings(name, settings)
    except SettingsRefused as refusal:
        told = {field: why for field, why in refusal.fields.items() if why != "missing" or field not in secrets}
        if told:
            raise SettingsRefused(name, told) from None


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise BrokenProvider(f"provider {entry.name!r} cannot be loaded from {entry.value}") from error
