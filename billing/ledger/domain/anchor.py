"""Anchors: hashes of the chain of seals that are stored outside the database, on paper or in a file.

A chain proves that its blocks fit each other. Only an external hash proves that the chain is the original one: that no
tail was removed, nothing was sealed again after an edit, and no older dump was restored. Source:
docs/ledger-verification.md.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.ledger.domain.seal import Seal

_ANCHOR = re.compile(r"(\d{4}-\d{2}-\d{2}):([0-9a-fA-F]{64})")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The hash printed on the closing paper of a day."""

    day: date
    hash: bytes

    def __str__(self) -> str:
        return f"{self.day.isoformat()}:{self.hash.hex()}"


def read_anchor(text: str) -> Anchor:
    """Read `DAY:HASH`, as 2026-07-31:6f… with 64 hexadecimal digits. Raises InvalidValue."""
    parts = _ANCHOR.fullmatch(text.strip())
    if parts is None:
        raise InvalidValue(
            "an anchor is DAY:HASH, as 2026-07-31: and the 64 digits of the closing paper", field="anchor"
        )
    try:
        day = date.fromisoformat(parts[1])
    except ValueError:
        raise InvalidValue(f"{parts[1]} is no day of the calendar", field="anchor") from None
    return Anchor(day, bytes.fromhex(parts[2]))


@dataclass(frozen=True, slots=True)
class ExportedHead:
    """One line of the file of heads: the last block of an organization when the line was written."""

    organization_id: OrganizationId
    number: int
    hash: bytes


class HeadInvalid(InvalidValue):
    """A line of the file of heads is not ours or was changed."""

    code = "head_invalid"


def write_head(seal: Seal, key: bytes) -> str:
    """The head of a chain as one line of JSON, with HMAC-SHA256 of the line before its last field."""
    fields: dict[str, object] = {
        "organization": seal.organization_id,
        "seal": seal.number,
        "hash": seal.hash.hex(),
        "sealed_at": seal.sealed_at.isoformat(),
    }
    return json.dumps({**fields, "mac": _mac(fields, key)}, separators=(",", ":"))


def read_head(line: str, key: bytes) -> ExportedHead:
    """Read a line and verify its HMAC in constant time. Raises HeadInvalid."""
    try:
        fields = json.loads(line)
    except ValueError:
        raise HeadInvalid("it is not one line of JSON") from None
    if not isinstance(fields, dict) or set(fields) != {"organization", "seal", "hash", "sealed_at", "mac"}:
        raise HeadInvalid("it is not a head of a chain of seals")
    mac = fields.pop("mac")
    if not isinstance(mac, str) or not hmac.compare_digest(mac.encode(), _mac(fields, key).encode()):
        raise HeadInvalid("its code does not fit the line and the key")
    organization, number, written = fields["organization"], fields["seal"], fields["hash"]
    if type(organization) is not int or type(number) is not int or not _HASH.fullmatch(str(written)):
        raise HeadInvalid("it is not a head of a chain of seals")
    datetime.fromisoformat(str(fields["sealed_at"]))
    return ExportedHead(OrganizationId(organization), number, bytes.fromhex(str(written)))


def _mac(fields: Mapping[str, object], key: bytes) -> str:
    return hmac.new(key, json.dumps(fields, separators=(",", ":")).encode(), hashlib.sha256).hexdigest()
