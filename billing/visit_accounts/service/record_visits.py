"""Record visits: read them, store them in versions, and price them at once so that the desk sees the cost.

Repeated content creates no new version; a resent visit with other content creates the next one. Differences between
the amounts of a source and ours are listed, never refused.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound, NotSupported
from billing.core.ids import FacilityId, OrganizationId, VisitId
from billing.coverage.domain.compare_stated import compare_with_stated, exclude_reported
from billing.coverage.domain.price_result import PricedVisit
from billing.coverage.domain.refusals import PriceNotInForce, refusal_as_finding
from billing.coverage.formats.visit_input import read_visit as read_visit_json
from billing.coverage.formats.worked_case_json import write_finding
from billing.coverage.service.pricing_inputs import PricingInputs, load_pricing_inputs
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.store.journal import write_audit
from billing.organizations.store.organizations import find_facility
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.service.visit_snapshot import read_content, snapshot_document
from billing.visit_accounts.store.accounts import read_account
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import Visit
from billing.visits.formats.visit_document import canonical, content_hash, write_patient, write_visit
from billing.visits.formats.visit_value_formats import find_value_warnings
from billing.visits.formats.xml130.reader import ClaimFile, read_claim_file
from billing.visits.store.visits import (
    NewVersion,
    Source,
    VisitDetails,
    add_claim_file,
    add_findings,
    add_version,
    add_visit,
    lock_visit_by_ma_lk,
    read_visit,
    update_visit,
)

_PERSONAL_FIELDS = frozenset({"MA_THE_BHYT", "SO_CCCD", "HO_TEN", "NGAY_SINH", "DIEN_THOAI", "DIA_CHI"})


class NoReadableVisit(InvalidValue):
    """No visit of a file could be read; `findings` state the reasons."""

    code = "no_readable_visit"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("no visit of this file could be read")
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVisit:
    """A recorded visit. `priced` is None where it cannot be priced as supplied."""

    id: VisitId
    version: int
    is_new_version: bool
    visit: Visit
    priced: PricedVisit | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """The recorded visits of one claim file, and the findings outside of them."""

    visits: tuple[RecordedVisit, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class PricedInput:
    """A visit that was read and priced but not yet written."""

    hoso: int
    visit: Visit
    priced: PricedVisit | None
    findings: tuple[Finding, ...]


async def record_claim_file(
    context: PaymentContext,
    organization_id: OrganizationId,
    content: bytes,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> RecordedFile:
    """Record every readable visit of an XML 130 file, all in one transaction.

    A visit of a facility that is not the organization's is omitted with a finding, like an unreadable visit. A repeated
    `request` records nothing and returns no visits: they are the subjects of its previous result. Raises
    NoReadableVisit with the findings where no visit remains, or idempotency errors.
    """
    # Reading only uses the CPU, half a millisecond per line: callbacks must not wait for it.
    file = await asyncio.to_thread(read_claim_file, content)
    terms = await _read_terms(context, organization_id, [element.visit for element in file.visits])
    priced_inputs = await asyncio.to_thread(_price_all, file, terms)
    source = Source("xml130", context.ids.new())
    async with context.database.transaction(organization_id) as tx:
        if await find_previous_result(tx, request) is not None:
            readable = {one.hoso for one in priced_inputs}
            return RecordedFile((), tuple(finding for finding in file.findings if finding.hoso not in readable))
        codes = sorted({one.visit.facility_code for one in priced_inputs})
        facilities = {code: await find_facility(tx, code) for code in codes}
        of_unknown_facilities = tuple(
            _unknown_facility(one) for one in priced_inputs if facilities[one.visit.facility_code] is None
        )
        own = [one for one in priced_inputs if facilities[one.visit.facility_code] is not None]
        if not own:
            raise NoReadableVisit((*file.findings, *of_unknown_facilities))
        taken: dict[int, RecordedVisit] = {}
        for one in sorted(own, key=lambda one: (one.visit.facility_code, one.visit.ma_lk)):  # one order for all writers
            facility_id = facilities[one.visit.facility_code]
            taken[one.hoso] = await _record(tx, context, one, facility_id=facility_id, source=source, actor=actor)
        if source.claim_file_id is not None and any(visit.is_new_version for visit in taken.values()):
            await add_claim_file(
                tx,
                source.claim_file_id,
                content,
                signature=file.signature.value,
                received_at=context.clock(),
            )
        visits = tuple(taken[hoso] for hoso in sorted(taken))
        await _save_result(tx, request, visits, context)
    rest = tuple(finding for finding in file.findings if finding.hoso not in taken)
    return RecordedFile(visits, findings=(*rest, *of_unknown_facilities))


async def record_visit(
    context: PaymentContext,
    organization_id: OrganizationId,
    document: Mapping[str, object],
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> RecordedVisit | None:
    """Record one visit supplied as JSON with the field names of the data standard.

    A repeated `request` returns None: the visit is the subject of its previous result. Raises InvalidValue, or
    idempotency errors.
    """
    visit = await asyncio.to_thread(read_visit_json, document)
    [terms] = await _read_terms(context, organization_id, [visit])
    warnings = find_value_warnings(document)
    priced_input = await asyncio.to_thread(lambda: _price_input(visit, terms, warnings, hoso=1))
    async with context.database.transaction(organization_id) as tx:
        if await find_previous_result(tx, request) is not None:
            return None
        facility_id = await find_facility(tx, priced_input.visit.facility_code)
        if facility_id is None:
            raise InvalidValue(
                f"facility {priced_input.visit.facility_code} is not of this organization", field="MA_CSKCB"
            )
        taken = await _record(tx, context, priced_input, facility_id=facility_id, source=Source("json"), actor=actor)
        await _save_result(tx, request, (taken,), context)
    return taken


async def find_priced_visit(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId
) -> tuple[VisitDetails, PricedVisit | None]:
    """A visit in its newest version with its document and findings, and its current price.

    The document of an open visit account is its newest header and charges. The price is None where the document is
    erased or has none. Raises NotFound.
    """
    details = await find_visit(context, organization_id, visit_id)
    document = await _live_document(context, organization_id, visit_id) or details.document
    if document is None:
        return details, None
    visit = await asyncio.to_thread(read_visit_json, document)
    [terms] = await _read_terms(context, organization_id, [visit])
    priced_input = await asyncio.to_thread(lambda: _price_input(visit, terms, (), hoso=1))
    return replace(details, document=document), priced_input.priced


async def _live_document(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId
) -> Mapping[str, object] | None:
    """The document of a visit with an account: its newest header and charges; None without, or once erased."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = await read_account(tx, visit_id)
        if account is None:
            return None
        content = await read_content(tx, account)
    if not content.header:
        return None
    document = snapshot_document(account, content)
    document.pop("patient", None)
    return document


async def find_visit(context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId) -> VisitDetails:
    """A visit in its newest version, with its document and findings. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_visit(tx, visit_id)
    if row is None:
        raise NotFound("no such visit", field="visit_id")
    return row


async def _record(
    tx: Transaction,
    context: PaymentContext,
    priced_input: PricedInput,
    *,
    facility_id: FacilityId | None,
    source: Source,
    actor: Actor,
) -> RecordedVisit:
    assert facility_id is not None, "visits of other facilities were left out"
    visit_id, version, is_new = await _store(tx, context, facility_id, priced_input.visit, source=source)
    if is_new:
        details = [(finding.code.value, write_finding(_without_person(finding))) for finding in priced_input.findings]
        await add_findings(tx, visit_id, version=version, findings=details)
        await write_audit(
            tx,
            context.ids.new(),
            recorded_at=context.clock(),
            actor=actor,
            action="visit_taken",
            subject=("visit", visit_id),
        )
    return RecordedVisit(
        id=visit_id,
        version=version,
        is_new_version=is_new,
        visit=priced_input.visit,
        priced=priced_input.priced,
        findings=priced_input.findings,
    )


async def _save_result(
    tx: Transaction, request: IdempotentRequest | None, taken: Sequence[RecordedVisit], context: PaymentContext
) -> None:
    is_new = any(visit.is_new_version for visit in taken)
    await save_result(tx, request, [visit.id for visit in taken], now=context.clock(), is_new=is_new)


async def _read_terms(
    context: PaymentContext, organization_id: OrganizationId, visits: Sequence[Visit]
) -> list[PricingInputs]:
    if not visits:
        return []
    async with context.database.transaction(organization_id) as tx:
        return await load_pricing_inputs(tx, context, visits)


def _price_all(claim: ClaimFile, terms: Sequence[PricingInputs]) -> list[PricedInput]:
    priced_inputs = []
    for element, own_terms in zip(claim.visits, terms, strict=True):
        own = tuple(finding for finding in claim.findings if finding.hoso == element.hoso)
        priced_inputs.append(_price_input(element.visit, own_terms, own, hoso=element.hoso))
    return priced_inputs


def _price_input(visit: Visit, terms: PricingInputs, read_findings: tuple[Finding, ...], *, hoso: int) -> PricedInput:
    try:
        collected = terms.price_for_collection(visit)
    except (NotSupported, InvalidValue, PriceNotInForce) as refusal:
        found = refusal_as_finding(refusal, file="", hoso=hoso, ma_lk=visit.ma_lk)
        return PricedInput(hoso, visit, None, (*read_findings, found))
    if collected.computed is None:
        return PricedInput(hoso, visit, collected.priced, read_findings)
    differing = compare_with_stated(collected.computed, file="", hoso=hoso, ma_lk=visit.ma_lk)
    return PricedInput(hoso, visit, collected.priced, (*read_findings, *exclude_reported(differing, read_findings)))


def _without_person(finding: Finding) -> Finding:
    """The finding without personal data: findings are kept permanently, and an unreadable card number is personal."""
    return replace(finding, found="…") if finding.field.rpartition(".")[2] in _PERSONAL_FIELDS else finding


def _unknown_facility(priced_input: PricedInput) -> Finding:
    return Finding(
        code=FindingCode.CODE_UNKNOWN,
        file="",
        hoso=priced_input.hoso,
        ma_lk=priced_input.visit.ma_lk,
        table="XML1",
        stt=None,
        field="MA_CSKCB",
        found=priced_input.visit.facility_code,
        expected="a facility of this organization",
    )


async def _store(
    tx: Transaction, context: PaymentContext, facility_id: FacilityId, visit: Visit, *, source: Source
) -> tuple[VisitId, int, bool]:
    """Store a reported visit; returns its id, version, and whether the version is new."""
    now = context.clock()
    document = write_visit(visit)
    new_hash = content_hash(canonical({"visit": document, "patient": write_patient(visit.patient)}))
    visit_id, version = VisitId(context.ids.new()), 1
    if not await add_visit(tx, visit_id, facility_id, visit, created_at=now):
        known = await lock_visit_by_ma_lk(tx, facility_id, visit.ma_lk)
        assert known is not None, "a visit is never removed"
        if known.content_hash == new_hash:
            return known.id, known.version, False
        visit_id, version = known.id, known.version + 1
        await update_visit(tx, visit_id, visit, version=version)
    await add_version(
        tx,
        visit_id,
        NewVersion(version=version, content_hash=new_hash, source=source, document=document),
        patient=visit.patient,
        recorded_at=now,
    )
    return visit_id, version, True
