"""API keys: their format and their stored hash. `service/api_keys.py` decides whether a key is valid."""

import hashlib
import re

from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId

_KEY = re.compile(r"vp_([1-9][0-9]{0,8})_([0-9A-Za-z_-]{16,128})")


def write_key(organization_id: OrganizationId, secret: str) -> str:
    """The key of a secret: `vp_{organization}_{secret}`."""
    return f"vp_{organization_id}_{secret}"


def split_key(key: str) -> tuple[OrganizationId, str]:
    """The organization and the secret of a key.

    Raises InvalidValue for anything that is no key; does not check whether the key is valid.
    """
    form = _KEY.fullmatch(key)
    if form is None:
        raise InvalidValue("a key looks like vp_1_… with a secret of 16 to 128 characters", field="authorization")
    return OrganizationId(int(form.group(1))), form.group(2)


def hash_secret(secret: str) -> bytes:
    """The stored hash of a key: SHA-256 is enough for a secret of 192 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
