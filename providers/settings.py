"""Base of the settings of every provider account: unknown fields are refused, no value is shown, secrets rotate.

A secret is one text or, during a rotation, two: received messages are accepted under either, sent messages are signed
with the first.

Settings are stored without their secrets; the running service adds them. A rule about several fields is therefore a
`find_problems`, which names the wrong field: the absence of a secret is no reason to refuse the stored settings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo

from providers.contract import Callback

ACTIVE_SECRETS_MAX = 2


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, (str, SecretStr)) else value


Secret = Annotated[SecretStr, Field(min_length=8)]

Secrets = Annotated[tuple[Secret, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=ACTIVE_SECRETS_MAX)]
"""One secret, or two during a rotation; the first signs messages that we send."""

GIVEN_KEY = "given-key"
"""Marks a field that is no secret but may be supplied like a secret, such as the public key of a bank in a file."""


class FieldsDisagree(ValueError):
    """Well-formed fields that contradict each other; `fields` maps each wrong field to the reason, never a value."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in fields.items()))
        self.fields = fields


class AccountSettings(BaseModel):
    """Base of the settings of a provider account.

    `timeout_s` bounds one call from its first byte to its last. `allowed_networks` are the allowed source
    networks of callbacks; empty: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    timeout_s: float = Field(default=15.0, gt=0, le=120)
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def find_problems(self) -> Iterator[tuple[str, str]]:
        """Each field that contradicts other fields: its name, the problem and the action.

        Called with and without secrets: an absent secret is None or empty. Never repeats a value.
        """
        return iter(())

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        problems = dict(self.find_problems())
        if problems:
            raise FieldsDisagree(problems)
        return self

    def allows(self, callback: Callback) -> bool:
        """Whether a callback comes from an allowed network, or no network is configured."""
        if not self.allowed_networks:
            return True
        try:
            address = ip_address(callback.source_address)
        except ValueError:
            return False
        return any(address in network for network in self.allowed_networks)


class CredentialSettings(AccountSettings):
    """Settings of an account whose callbacks are authenticated by a credential alone: they are not signed.

    A party that has seen such a callback can forge another. So a callback alone credits money only if it comes from an
    allowed network, or up to `confirm_above` đồng; every other payment is queried first (docs/design.md §7). Without
    both (0), nothing is credited before it is confirmed.
    """

    confirm_above: int = Field(default=2_000_000, ge=0)

    def is_enough(self, callback: Callback, amount: int) -> bool:
        """Whether a callback alone is enough to credit an amount."""
        return bool(self.allowed_networks) or amount <= self.confirm_above


def current_secret(secrets: tuple[SecretStr, ...]) -> bytes:
    """The secret that signs messages that we send."""
    return secrets[0].get_secret_value().encode("utf-8")


def active_secrets(secrets: tuple[SecretStr, ...]) -> tuple[bytes, ...]:
    """The secrets that verify received messages."""
    return tuple(secret.get_secret_value().encode("utf-8") for secret in secrets)


@dataclass(frozen=True, slots=True)
class SecretField:
    """A setting that the operator supplies to the service; `is_rotated` if two may be active at once.

    `is_stored`: it is no secret, and may be in the stored settings instead.
    """

    name: str
    is_required: bool
    is_rotated: bool
    is_stored: bool = False


def secret_fields(settings_type: type[BaseModel]) -> Mapping[str, SecretField]:
    """The secret settings of an account, by name: supplied to the service and never stored."""
    return {name: field for name, field in given_fields(settings_type).items() if not field.is_stored}


def given_fields(settings_type: type[BaseModel]) -> Mapping[str, SecretField]:
    """The settings that the service reads from the secret source: the secrets, and keys that may be stored as well."""
    return {
        name: SecretField(
            name, info.is_required(), _holds_several(info.annotation), is_stored=not _holds_secret(info.annotation)
        )
        for name, info in settings_type.model_fields.items()
        if _holds_secret(info.annotation) or _is_given_key(info)
    }


def _is_given_key(info: FieldInfo) -> bool:
    return GIVEN_KEY in info.metadata


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _holds_several(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_holds_several(part) for part in get_args(annotation))
