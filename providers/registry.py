"""Finds a provider by its name and builds it for an account.

Providers are installed packages: each is an entry point of the group `billing.providers`. The bases of its class are
its abilities: `issubclass(provider_class(name), Callbacks)`.
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
    """No provider of that name is installed; the text names the installed providers."""


class BrokenProvider(Exception):
    """An entry point that does not lead to a provider."""


class SettingsRefused(Exception):
    """Settings of an account that its provider cannot work with.

    `fields` maps each wrong field to its problem; no value is repeated, as some are secrets.
    """

    def __init__(self, name: str, fields: Mapping[str, str]) -> None:
        problems = (f"{field}: {reason}" if field else reason for field, reason in fields.items())
        super().__init__(f"settings of {name}: " + "; ".join(problems))
        self.fields = fields


def installed_providers() -> tuple[str, ...]:
    """The names of all installed providers, in order of the alphabet."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


@cache  # reading entry points costs many milliseconds; installed packages do not change in a running process
def provider_class(name: str) -> type[Provider]:
    """The class of an installed provider.

    Raises UnknownProvider, or BrokenProvider if its entry point cannot be loaded, is no provider, or is in two
    packages, since a second package must never replace the payee of payments.
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
    """Build the provider of one account from its stored settings and its own HTTP client.

    Raises SettingsRefused naming every wrong field at once, and the errors of `provider_class`.
    """
    return provider_class(name)(read_settings(name, settings), client)


def read_settings(name: str, settings: Mapping[str, object]) -> BaseModel:
    """The settings of an account, including its secrets, as its provider's model.

    Raises SettingsRefused naming every wrong field at once, and the errors of `provider_class`.
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
    """Check stored settings, together with the secrets that this process has.

    `given` are the secrets of this process, by field: they are checked with the settings. Returns the missing secrets
    that the service needs for these settings.

    Raises SettingsRefused naming every wrong field at once, also if a secret is among the stored settings, and the
    errors of `provider_class`.
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
    """The problems by field, while some secrets are absent."""
    try:
        _without(settings_type, frozenset(absent)).model_validate(dict(settings))
    except ValidationError as error:
        found = wrong_fields(error, settings, settings_type)
    except Exception:  # noqa: BLE001 - a provider's own validator that cannot run without its secrets
        found = {"": "not known"}
    else:
        return {}
    if not absent or "" not in found:
        return found
    # The provider's own validator refused the whole without a field, perhaps because secrets are absent. The
    # fields are checked one by one, and the whole is checked in the service, where the secrets are.
    try:
        settings_type.model_validate(dict(settings))
    except ValidationError as error:
        return {path: reason for path, reason in wrong_fields(error, settings, settings_type).items() if path}
    return {}


@cache
def _without(settings_type: type[BaseModel], absent: frozenset[str]) -> type[BaseModel]:
    """The same model with each absent secret optional, so that the other fields are checked together."""
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
