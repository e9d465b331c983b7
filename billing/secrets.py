"""Secrets: found in the environment or in files that it names, joined to an account's settings, kept nowhere.

    VIENPHI_SECRET_<NAME>                     the one secret of that name
    VIENPHI_SECRET_<NAME>__<FIELD>            where an account's provider has several, each by its field
    VIENPHI_SECRET_<NAME>__<FIELD>__NEXT      a second one, while it is being changed
    VIENPHI_SECRET_<NAME>__NEXT               the same, where there is one
    …_FILE                                    each of them: the file that holds it

Files are read each time an account is made ready, so a secret in a file is changed without a restart.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from billing.core.errors import Unavailable
from providers.settings import SecretField

SECRET_VARIABLE = "VIENPHI_SECRET_"  # noqa: S105 - the beginning of a name
PART = "__"
NEXT = "next"

FindSecret = Callable[[str], str]


class SecretMissing(Unavailable):
    """Something names a secret that this process was not given."""

    code = "secret_missing"


def find_secret(name: str) -> str:
    """The secret of a name, from `VIENPHI_SECRET_<NAME>` or the file that `VIENPHI_SECRET_<NAME>_FILE` names.

    A name is written in capitals, with `_` for `-`. Raises SecretMissing.
    """
    variable = variable_of(name)
    if variable in os.environ:
        return os.environ[variable]
    path = os.environ.get(f"{variable}_FILE")
    if path is None:
        raise SecretMissing(f"set {variable} or {variable}_FILE")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissing(f"{variable}_FILE names a file that cannot be read: {type(error).__name__}") from None


def variable_of(name: str) -> str:
    """The environment variable of a secret's name."""
    return SECRET_VARIABLE + name.upper().replace("-", "_")


def find_secrets(
    name: str, fields: Mapping[str, SecretField], secret_of: FindSecret = find_secret
) -> dict[str, object]:
    """The secret settings of an account by field; a field that may be left out is, where nothing is given for it.

    The only secret field of a provider, and one called `secret`, may be given without its field. Raises SecretMissing.
    """
    found: dict[str, object] = {}
    for field in fields.values():
        names = [f"{name}{PART}{field.name}"]
        if _needs_no_field(fields, field):
            names.append(name)
        values = _alive(names, field, secret_of)
        if values:
            found[field.name] = values if field.is_rotated else values[0]
        elif field.is_required:
            raise SecretMissing(" or ".join(f"set {variable_of(each)} or {variable_of(each)}_FILE" for each in names))
    return found


def variable_of_field(name: str, fields: Mapping[str, SecretField], field: SecretField) -> str:
    """The environment variable of one secret of an account, as a sentence names it."""
    variable = variable_of(name if _needs_no_field(fields, field) else f"{name}{PART}{field.name}")
    return f"{variable} or {variable}_FILE"


def _needs_no_field(fields: Mapping[str, SecretField], field: SecretField) -> bool:
    return len(fields) == 1 or field.name == "secret"


def _alive(names: list[str], field: SecretField, secret_of: FindSecret) -> tuple[str, ...]:
    """What signs, and what will sign next; none where not even the first is given."""
    for name in names:
        first = _given(name, secret_of)
        if first is None:
            continue
        following = _given(f"{name}{PART}{NEXT}", secret_of) if field.is_rotated else None
        return (first,) if following in (None, first) else (first, str(following))
    return ()


def _given(name: str, secret_of: FindSecret) -> str | None:
    variable = variable_of(name)
    if secret_of is find_secret and variable not in os.environ and f"{variable}_FILE" not in os.environ:
        return None
    return secret_of(name)
