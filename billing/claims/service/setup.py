"""Set up the inputs of claim checks: a facility's rank and lists from a day on, and the disease annexes.

Runs with the owner role of the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from billing.claims.formats.disease_annexes import read_annexes
from billing.claims.store.claim_facts import add_annexes, set_facility_terms
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.coverage.domain.annexes import Annexes
from billing.db.context import Clock, Ids
from billing.db.database import Database
from billing.organizations.service.facilities import require_facility
from billing.visits.domain.facts import FacilityFacts
from billing.visits.formats.json_fields import Fields
from billing.visits.formats.visit_facts_json import parse_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTerms:
    """The rank of a facility from a day on. With `lists` None its lists are unchanged."""

    facility_code: str
    valid_from: date
    facts: FacilityFacts
    lists: Mapping[str, object] | None = None


class ClaimSetup:
    """Sets up the inputs of claim checks. `database` must be opened with the owner role."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def set_terms(self, organization_id: OrganizationId, terms: NewTerms) -> None:
        """Set the rank of a facility. Raises NotFound, and InvalidValue for invalid lists."""
        if terms.facts.technical_level is None:
            raise InvalidValue("a facility has a technical level", field="technical_level")
        if terms.lists is not None:
            parse_facts(Fields({"lists": dict(terms.lists)}, ""))
        async with self._database.transaction(organization_id) as tx:
            facility_id = await require_facility(tx, terms.facility_code)
            await set_facility_terms(tx, facility_id, terms.facts, valid_from=terms.valid_from, lists=terms.lists)

    async def import_annexes(self, organization_id: OrganizationId, content: bytes) -> Annexes:
        """Import a list of annexes, which replaces the previous one. Stores nothing if it raises AnnexesUnreadable."""
        annexes = read_annexes(content)
        async with self._database.transaction(organization_id) as tx:
            await add_annexes(
                tx,
                self._ids.new(),
                content.decode("utf-8-sig"),
                row_count=len(annexes.rows),
                imported_at=self._clock(),
            )
        return annexes
