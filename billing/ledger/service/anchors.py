"""Verification against external hashes: closing hashes on paper, and the file of heads.

`verify.py` verifies that the chains fit themselves and their rows; this module, that they are the original chains.
"""

from collections.abc import Sequence

from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.ledger.domain.anchor import Anchor, ExportedHead
from billing.ledger.store.check import Check, Mismatch
from billing.ledger.store.seal_export import SealExport
from billing.ledger.store.seals import read_hashes, read_head_of_day

ANCHORS_HOLD = Check("anchors-hold", "every closing hash given is the hash of its day")
HEADS_HOLD = Check("exported-heads-hold", "every exported head is a block of its chain")

_AT_ONCE = 1_000


async def check_anchors(database: Database, anchors: Sequence[Anchor]) -> list[Mismatch]:
    """The anchors that match the closing of their day in no organization."""
    mismatches = []
    organizations = await _organizations(database)
    for anchor in anchors:
        found: dict[OrganizationId, bytes] = {}
        for organization_id in organizations:
            async with database.transaction(organization_id) as tx:
                head = await read_head_of_day(tx, anchor.day)
            if head is not None:
                found[organization_id] = head.hash
        if anchor.hash not in found.values():
            hashes = ", ".join(f"{value.hex()} of organization {number}" for number, value in found.items())
            mismatches.append(
                Mismatch(f"closing of {anchor.day.isoformat()}", anchor.hash.hex(), hashes or "no sealed closing")
            )
    return mismatches


async def check_exported_heads(
    database: Database, export: SealExport, *, is_part: bool = False
) -> tuple[int, list[Mismatch]]:
    """The number of heads that were compared, and those that are not authentic or not in their chain. Raises OSError.

    `is_part`: other cells have further organizations, so heads of organizations that are not here are left out.
    """
    heads: list[tuple[int, ExportedHead]] = []
    mismatches = []
    organizations = set(await _organizations(database))
    for line, head in export.read():
        if isinstance(head, ExportedHead):
            if not is_part or head.organization_id in organizations:
                heads.append((line, head))
        else:
            mismatches.append(Mismatch(f"line {line} of {export.path.name}", "an exported head", str(head.detail)))
    for organization_id in sorted({head.organization_id for _, head in heads}):
        own = [(line, head) for line, head in heads if head.organization_id == organization_id]
        for first in range(0, len(own), _AT_ONCE):
            piece = own[first : first + _AT_ONCE]
            hashes: dict[int, bytes] = {}
            if organization_id in organizations:
                async with database.transaction(organization_id) as tx:
                    hashes = await read_hashes(tx, [head.number for _, head in piece])
            mismatches += [
                Mismatch(
                    f"organization {organization_id}, seal {head.number}, line {line} of {export.path.name}",
                    head.hash.hex(),
                    hashes[head.number].hex() if head.number in hashes else "no such block",
                )
                for line, head in piece
                if hashes.get(head.number) != head.hash
            ]
    return len(heads), mismatches


async def _organizations(database: Database) -> Sequence[OrganizationId]:
    return await database.list_organizations()
