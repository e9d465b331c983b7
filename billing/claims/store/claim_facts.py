"""The inputs of claim checks: terms of a facility by date, imported annexes, claim files as received."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing.core.ids import FacilityId, VisitId
from billing.db.database import Transaction
from billing.visits.domain.facts import FacilityFacts, TechnicalLevel
from billing.visits.domain.visit import FormerTier


@dataclass(frozen=True, slots=True)
class FacilityTerms:
    """A facility's rank and lists, as a JSON object."""

    facts: FacilityFacts
    lists: Mapping[str, Any]


_READ_TERMS = """
    SELECT terms.technical_level, terms.ranking_points, terms.is_provisionally_ranked, terms.former_tier,
        terms.claim_lists
    FROM facility_terms AS terms
    JOIN facility ON facility.organization_id = $1 AND facility.id = terms.facility_id
    WHERE terms.organization_id = $1 AND facility.code = $2
    ORDER BY terms.valid_from <= $3 DESC, abs(terms.valid_from - $3)
    LIMIT 1
"""


async def read_facility_terms(tx: Transaction, code: str, day: date) -> FacilityTerms | None:
    """The terms of a facility on a day; before its first terms the first ones, since it was set up after it opened.

    None where the organization has no such facility.
    """
    row = await tx.fetchrow(_READ_TERMS, tx.organization_id, code, day)
    if row is None:
        return None
    line, level = row["former_tier"], row["technical_level"]
    facts = FacilityFacts(
        technical_level=TechnicalLevel(level),
        points=row["ranking_points"],
        is_provisional=row["is_provisionally_ranked"],
        former_tier=None if line is None else FormerTier(line),
    )
    return FacilityTerms(facts, row["claim_lists"])


_SET_TERMS = """
    INSERT INTO facility_terms (organization_id, facility_id, valid_from, technical_level, ranking_points,
        is_provisionally_ranked, former_tier, claim_lists)
    SELECT $1, $2, $3, $4, $5, $6, $7,
        coalesce($8, earlier.claim_lists, '{}')
    FROM (SELECT) AS nothing
    LEFT JOIN LATERAL (
        SELECT claim_lists FROM facility_terms
        WHERE organization_id = $1 AND facility_id = $2 AND valid_from <= $3
        ORDER BY valid_from DESC LIMIT 1
    ) AS earlier ON true
    ON CONFLICT (organization_id, facility_id, valid_from) DO UPDATE
    SET technical_level = excluded.technical_level, ranking_points = excluded.ranking_points,
        is_provisionally_ranked = excluded.is_provisionally_ranked, former_tier = excluded.former_tier,
        claim_lists = excluded.claim_lists
"""


async def set_facility_terms(
    tx: Transaction, facility_id: FacilityId, facts: FacilityFacts, *, valid_from: date, lists: Mapping[str, Any] | None
) -> None:
    """Store the rank of a facility from a day on; None keeps its lists, and other values of the terms are unchanged."""
    assert facts.technical_level is not None, "a facility has a technical level"
    await tx.execute(
        _SET_TERMS,
        tx.organization_id,
        facility_id,
        valid_from,
        facts.technical_level.value,
        facts.points,
        facts.is_provisional,
        None if facts.former_tier is None else facts.former_tier.value,
        None if lists is None else dict(lists),
    )


_ADD_ANNEXES = """
    INSERT INTO disease_annexes (organization_id, id, content, row_count, imported_at) VALUES ($1, $2, $3, $4, $5)
"""


async def add_annexes(
    tx: Transaction, annexes_id: UUID, content: str, *, row_count: int, imported_at: datetime
) -> None:
    """Store an imported list of annexes, which replaces the previous one in checks."""
    await tx.execute(_ADD_ANNEXES, tx.organization_id, annexes_id, content, row_count, imported_at)


_READ_ANNEXES = """
    SELECT content FROM disease_annexes WHERE organization_id = $1 ORDER BY id DESC LIMIT 1
"""


async def read_annexes_text(tx: Transaction) -> str | None:
    """The current list of annexes; None before the first import."""
    content: str | None = await tx.fetchval(_READ_ANNEXES, tx.organization_id)
    return content


_READ_CLAIM_FILE = """
    SELECT claim_file.content
    FROM visit
    JOIN visit_version ON visit_version.organization_id = $1 AND visit_version.visit_id = visit.id
        AND visit_version.version = visit.version
    JOIN claim_file ON claim_file.organization_id = $1 AND claim_file.id = visit_version.claim_file_id
    WHERE visit.organization_id = $1 AND visit.id = $2
"""


async def read_claim_file_of(tx: Transaction, visit_id: VisitId) -> bytes | None:
    """The claim file of the newest version of a visit; None where its source was JSON or is erased."""
    content: bytes | None = await tx.fetchval(_READ_CLAIM_FILE, tx.organization_id, visit_id)
    return content
