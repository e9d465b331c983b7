"""Taking visits in: read, kept in versions, priced at once so that the desk sees what it will cost.

The same content again makes no new version; a resent visit with other content makes the next one. What a source
states differently from us is listed, never refused.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from billing.domain.actor import Actor
from billing.domain.coverage.compare import compare_with_stated
from billing.domain.coverage.price import price
from billing.domain.coverage.priced import PricedVisit
from billing.domain.coverage.refusals import refusal_as_finding
from billing.domain.errors import InvalidValue, NotFound, NotSupported
from billing.domain.finding import Finding
from billing.domain.ids import FacilityId, OrganizationId, VisitId
from billing.domain.visit import Visit
from billing.interop.bhyt_case import write_finding
from billing.interop.visit_document import canonical, content_hash, write_patient, write_visit
from billing.interop.visit_json import read_visit as read_visit_json
from billing.interop.xml130.reader import read_claim_file
from billing.services.context import Context
from billing.storage.database import Transaction
from billing.storage.journal import write_audit
from billing.storage.organizations import find_facility
from billing.storage.visits import (
    Source,
    add_claim_file,
    add_findings,
    add_version,
    add_visit,
    lock_visit_by_ma_lk,
    read_visit,
    retell_visit,
)


class NothingReadable(InvalidValue):
    """No visit of a file could be read; `findings` say why."""

    code = "nothing_readable"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("no visit of this file could be read")
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenVisit:
    """A visit as it was taken in. `priced` is None where a rule that would decide is not built yet."""

    id: VisitId
    version: int
    is_new_version: bool
    visit: Visit
    priced: PricedVisit | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFile:
    """What one claim file gave: visits taken in, and what was found outside of them."""

    visits: tuple[TakenVisit, ...]
    findings: tuple[Finding, ...]


async def take_claim_file(
    context: Context, organization_id: OrganizationId, content: bytes, *, actor: Actor
) -> TakenFile:
    """Take in every readable visit of an XML 130 file, all in one transaction.

    Raises NothingReadable with the findings, or InvalidValue for a facility that is not the organization's.
    """
    # Reading is all computing, half a millisecond a line: callbacks must not wait for it.
    claim = await asyncio.to_thread(read_claim_file, content)
    if not claim.visits:
        raise NothingReadable(claim.findings)
    file_id = context.ids.new()
    source = Source("xml130", file_id)
    taken: list[TakenVisit] = []
    async with context.database.transaction(organization_id) as tx:
        for element in claim.visits:
            own = tuple(finding for finding in claim.findings if finding.hoso == element.hoso)
            taken.append(await _take(tx, context, element.visit, own, source=source, hoso=element.hoso, actor=actor))
        if any(visit.is_new_version for visit in taken):
            signature = claim.signature.value
            await add_claim_file(tx, file_id, content, signature=signature, received_at=context.clock())
    read = {element.hoso for element in claim.visits}
    rest = tuple(finding for finding in claim.findings if finding.hoso not in read)
    return TakenFile(visits=tuple(taken), findings=rest)


async def take_visit(
    context: Context, organization_id: OrganizationId, document: Mapping[str, object], *, actor: Actor
) -> TakenVisit:
    """Take in one visit told as JSON with the field names of the data standard. Raises InvalidValue."""
    visit = read_visit_json(document)
    async with context.database.transaction(organization_id) as tx:
        return await _take(tx, context, visit, (), source=Source("json"), hoso=1, actor=actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVisit:
    """A visit in its newest version. `document` is None once erased; `priced` None then, or where it has no price."""

    id: VisitId
    ma_lk: str
    facility_code: str
    version: int
    document: Mapping[str, Any] | None
    priced: PricedVisit | None
    findings: tuple[Mapping[str, Any], ...]


async def find_priced_visit(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> KnownVisit:
    """A visit in its newest version with the price it has today and what was found in it. Raises NotFound."""
    row = await find_visit(context, organization_id, visit_id)
    document = row["document"]
    priced = None if document is None else _price(context, read_visit_json(document), hoso=1)[0]
    return KnownVisit(
        id=visit_id,
        ma_lk=row["ma_lk"],
        facility_code=row["facility_code"],
        version=row["version"],
        document=document,
        priced=priced,
        findings=tuple(row["findings"]),
    )


async def find_visit(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> Mapping[str, Any]:
    """A visit in its newest version, with its document and findings. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_visit(tx, visit_id)
    if row is None:
        raise NotFound("no such visit", field="visit_id")
    return row


async def _take(
    tx: Transaction,
    context: Context,
    visit: Visit,
    read_findings: tuple[Finding, ...],
    *,
    source: Source,
    hoso: int,
    actor: Actor,
) -> TakenVisit:
    facility_id = await find_facility(tx, visit.facility_code)
    if facility_id is None:
        raise InvalidValue(f"facility {visit.facility_code} is not of this organization", field="MA_CSKCB")
    priced, found = _price(context, visit, hoso)
    findings = (*read_findings, *found)
    visit_id, version, is_new = await _keep(tx, context, facility_id, visit, source=source)
    if is_new:
        details = [(finding.code.value, write_finding(finding)) for finding in findings]
        await add_findings(tx, visit_id, version=version, findings=details)
        await write_audit(
            tx,
            context.ids.new(),
            recorded_at=context.clock(),
            actor=actor,
            action="visit_taken",
            subject=("visit", visit_id),
        )
    return TakenVisit(
        id=visit_id, version=version, is_new_version=is_new, visit=visit, priced=priced, findings=findings
    )


def _price(context: Context, visit: Visit, hoso: int) -> tuple[PricedVisit | None, tuple[Finding, ...]]:
    try:
        priced = price(visit, figures=context.figures, policy=context.policy)
    except (NotSupported, InvalidValue) as refusal:
        return None, (refusal_as_finding(refusal, file="", hoso=hoso, ma_lk=visit.ma_lk),)
    return priced, compare_with_stated(priced, file="", hoso=hoso, ma_lk=visit.ma_lk)


async def _keep(
    tx: Transaction, context: Context, facility_id: FacilityId, visit: Visit, *, source: Source
) -> tuple[VisitId, int, bool]:
    """Keep a telling of a visit; says its id, version, and whether the version is new."""
    now = context.clock()
    document = write_visit(visit)
    told = content_hash(canonical({"visit": document, "patient": write_patient(visit.patient)}))
    visit_id, version = VisitId(context.ids.new()), 1
    if not await add_visit(tx, visit_id, facility_id, visit, created_at=now):
        known = await lock_visit_by_ma_lk(tx, facility_id, visit.ma_lk)
        assert known is not None, "a visit is never removed"
        if known.content_hash == told:
            return known.id, known.version, False
        visit_id, version = known.id, known.version + 1
        await retell_visit(tx, visit_id, visit, version=version)
    await add_version(
        tx,
        visit_id,
        version=version,
        content_hash=told,
        source=source,
        document=document,
        patient=visit.patient,
        recorded_at=now,
    )
    return visit_id, version, True
