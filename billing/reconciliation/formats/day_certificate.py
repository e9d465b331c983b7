"""The certificate of a day as JSON: its content, the seal block that covers its hash, and the rows of that block.

The content is canonical: keys in order, no spaces, UTF-8. `docs/verify_day.py` checks a certificate without this code.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date
from uuid import UUID

from billing.ledger.domain.seal import Seal, SealedKind, Value, canonical_row
from billing.reconciliation.domain.day_certificate import CertifiedItem, DayContent
from billing.reconciliation.domain.day_result import AccountDay

FORMAT = "vienphi-day-1"


def write_content(content: DayContent) -> bytes:
    """The canonical bytes of the content; their SHA-256 is sealed."""
    document = {
        "organization_id": content.organization_id,
        "day": content.day.isoformat(),
        "entries": content.entries,
        "amount": content.amount,
        "balances": [asdict(each) for each in content.balances],
        "sources": [asdict(each) for each in content.sources],
        "statements": [asdict(each) for each in content.statements],
        "lines": [asdict(each) for each in content.lines],
        "matches": _matches(content.matched),
        "results": [_result(each) for each in content.results],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_text)
    return text.encode()


def hash_content(content: bytes) -> bytes:
    """SHA-256 of the canonical bytes."""
    return hashlib.sha256(content).digest()


def write_certificate(
    content: bytes, seal: Seal, rows: Mapping[SealedKind, Sequence[Sequence[Value]]], *, form: str = FORMAT
) -> bytes:
    """The file for a third party. `rows` are all rows of the block of the kinds that the check needs."""
    document = {
        "format": form,
        "content": json.loads(content),
        "seal": {
            "organization_id": seal.organization_id,
            "number": seal.number,
            "previous_hash": seal.previous_hash.hex(),
            "covers_from": seal.covers_from,
            "covers_until": seal.covers_until,
            "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "parts": {kind.value: [part.rows, part.digest.hex()] for kind, part in sorted(seal.parts.items())},
            "hash": seal.hash.hex(),
        },
        "sealed_rows": {
            kind.value: [json.loads(canonical_row(kind, values)) for values in rows[kind]] for kind in sorted(rows)
        },
    }
    return (json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _matches(items: Sequence[CertifiedItem]) -> list[dict[str, object]]:
    matches: dict[UUID, dict[str, object]] = {}
    listed: dict[UUID, list[dict[str, object]]] = {}
    for item in items:
        listed.setdefault(item.match_id, []).append({"kind": item.item_kind, "id": item.item_id, "amount": item.amount})
        matches[item.match_id] = {
            "id": item.match_id,
            "rule": item.rule,
            "difference": item.difference,
            "items": listed[item.match_id],
        }
    return list(matches.values())


def _result(account: AccountDay) -> dict[str, object]:
    return {
        "account_kind": account.kind.value,
        "account_id": account.account_id,
        "result": account.result.value,
        "statement_closing": account.statement_closing,
        "ledger_balance": account.ledger_balance,
        "residual": account.residual,
        "open_exceptions": account.open_exceptions,
        "items": [{"kind": item.kind.value, "id": item.item_id, "amount": item.amount} for item in account.items],
    }


def _text(value: object) -> str:
    assert isinstance(value, (UUID, date)), "amounts and texts are JSON already"
    return str(value)
