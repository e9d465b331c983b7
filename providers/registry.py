"""Finding a provider by its name and making one for an account.

Providers are installed, not listed: each is an entry point of the group `billing.providers`. What a provider can do
is asked of its class: `issubclass(provider_class(name), Callbacks)`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError, create_model

from providers.contract import Provider
from providers.settings import SecretField, given_fields, secret_fields
from providers.settings_problems import wrong_fields

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
        problems = (f"{field}: {reason}" if field else reason for field, reason in fields.items())
        super().__init__(f"settings of {name}: " + "; ".join(problems))
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
    settings_type = provider_class(name).settings_type
    try:
        return settings_type.model_validate(dict(settings))
    except ValidationError as error:
        # Without its cause: its text would repeat the values.
        raise SettingsRefused(name, wrong_fields(error, settings, settings_type)) from None


def check_stored_settings(
    name: str, settings: Mapping[str, object], given: Mapping[str, object] | None = None
) -> tuple[SecretField, ...]:
    """Check settings as they are stored, with those secrets that are at hand.

    `given` are the secrets that this process was given, by field: they are checked with the settings. Returns the
    secrets that are not at hand and that the service needs for these settings.

    Raises SettingsRefused naming every wrong field at once, also where a secret stands among the stored settings; and
    what `provider_class` raises.
    """
    settings_type = provider_class(name).settings_type
    secrets = secret_fields(settings_type)
    stored_secrets = {field: "a secret is given to the service, never stored" for field in settings if field in secrets}
    if stored_secrets:
        raise SettingsRefused(name, stored_secrets)
    joined = {**settings, **(given or {})}
    absent = {field: secret_field for field, secret_field in given_fields(settings_type).items() if field not in joined}
    problems = _problems(settings_type, joined, absent)
    wrong = {path: reason for path, reason in problems.items() if path not in absent}
    if wrong:
        raise SettingsRefused(name, wrong)
    return tuple(
        secret_field for field, secret_field in absent.items() if secret_field.is_required or field in problems
    )


def _problems(
    settings_type: type[BaseModel], settings: Mapping[str, object], absent: Mapping[str, SecretField]
) -> Mapping[str, str]:
    """What is wrong, by field, while some secrets are absent."""
    try:
        _without(settings_type, frozenset(absent)).model_validate(dict(settings))
    except ValidationError as error:
        found = wrong_fields(error, settings, settings_type)
    except Exception:  # noqa: BLE001 - a validator of a provider's own that cannot work without its secrets
        found = {"": "not known"}
    else:
        return {}
    if not absent or "" not in found:
        return found
    # A validator of the provider's own refused the whole without saying a field: perhaps for want of the secrets. The
    # fields are checked one by one, and the whole is checked in the service, where the secrets are.
    try:
        settings_type.model_validate(dict(settings))
    except ValidationError as error:
        return {path: reason for path, reason in wrong_fields(error, settings, settings_type).items() if path}
    return {}


@cache
def _without(settings_type: type[BaseModel], absent: frozenset[str]) -> type[BaseModel]:
    """The same settings where each of the absent secrets may be missing, so that the others are checked together."""
    optional: dict[str, Any] = {
        field: (info.annotation, None)
        for field, info in settings_type.model_fields.items()
        if field in absent and info.is_required()
    }
    return create_model(settings_type.__name__, __base__=settings_type, **optional) if optional else settings_type


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise BrokenProvider(f"provider {entry.name!r} cannot be loaded from {entry.value}") from error
