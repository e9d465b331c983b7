"""The patient category (object code) [MA_DOITUONG_KCB] that the facts of a visit select (B-049).

The first match in table order is selected. Every row of Decision 3276 annex 1 is a list of conditions; a condition is
met, not met, or undecided because a fact is missing. A code is chosen only where every row before it is ruled out;
otherwise the missing facts are named.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from billing.core.clock import business_date
from billing.coverage.domain.annexes import Annex, Annexes, all_of
from billing.coverage.domain.benefit_level import visit_days
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.referrals import referral_validity
from billing.visits.domain.facts import FacilityFacts, TechnicalLevel, VisitFacts
from billing.visits.domain.visit import FormerTier, Visit

TABLE_SINCE = date(2025, 1, 1)
"""Law 51/2024/QH15; claim data carry the codes from 2025-07-01. Before that day no code is chosen (B-040)."""

_REGIONS = frozenset({"K1", "K2", "K3"})
_PICK_UP = "07"


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFacts:
    """All facts that conditions use."""

    visit: Visit
    facts: VisitFacts
    facility: FacilityFacts
    annexes: Annexes
    parameters: Parameters
    holidays: frozenset[date] = frozenset()

    @property
    def day(self) -> date:
        return business_date(self.visit.admitted_at)


@dataclass(frozen=True, slots=True)
class Condition:
    """One requirement of a code; `fact` is our name of it, `is_paper` means that the patient can still bring it."""

    fact: str
    is_met: Callable[[CategoryFacts], bool | None]
    is_paper: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMatch:
    """Whether a code fits: True, False, or None while facts are missing. `unmet` names the conditions not met.

    `needs_paper_only`: the only unmet conditions are papers or circumstances of the patient.
    """

    code: str
    fits: bool | None
    used: tuple[str, ...]
    unmet: tuple[str, ...]
    lacking: tuple[str, ...]
    needs_paper_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryChoice:
    """The code that the rules select, or None where facts are missing; then `possible` are the codes left, in order.

    `used` are the facts that decided, `lacking` those that would decide; `fits` holds the match of every code.
    """

    code: str | None
    possible: tuple[str, ...]
    used: tuple[str, ...]
    lacking: tuple[str, ...]
    fits: tuple[CategoryMatch, ...]

    def match_of(self, code: str) -> CategoryMatch | None:
        return next((fit for fit in self.fits if fit.code == code), None)


def choose_category(inputs: CategoryFacts) -> CategoryChoice:
    """The first code in table order all of whose conditions are met.

    Codes that only a person can decide (7.2–7.4, 8) are never chosen. Before 2025 another law was in force: no code is
    chosen.
    Source: Decision 3276/QĐ-BYT annex 1, notes; Law 51/2024/QH15 Art. 22; Circular 01/2025/TT-BYT Art. 3–5, 9–11.
    """
    if inputs.day < TABLE_SINCE:
        return CategoryChoice(code=None, possible=(), used=("date",), lacking=(), fits=())
    fits = tuple(_fit(code, conditions, inputs) for code, conditions in _ROWS)
    possible: list[CategoryMatch] = []
    for fit in fits:
        if fit.fits is not False:
            possible.append(fit)
        if fit.fits:
            break
    chosen = possible[0].code if possible and possible[0].fits else None
    considered = fits[: fits.index(possible[-1]) + 1] if possible else fits
    return CategoryChoice(
        code=chosen,
        possible=tuple(fit.code for fit in possible),
        used=_once(name for fit in considered for name in (*fit.used, *fit.unmet)),
        lacking=_once(name for fit in possible for name in fit.lacking),
        fits=fits,
    )


def is_inpatient(inputs: CategoryFacts) -> bool | None:
    """Whether the kind of care is inpatient; None for a kind that the table does not classify."""
    kind = inputs.visit.care_kind
    if kind in inputs.parameters.inpatient_kinds:
        return True
    return False if kind in inputs.parameters.outpatient_kinds else None


def holds_referral(inputs: CategoryFacts) -> bool | None:
    """Whether a referral paper was shown that was valid on the day of admission (B-047)."""
    facts = inputs.facts
    if not facts.has_referral or facts.referral_signed_on is None:
        return facts.has_referral
    listed = inputs.annexes.lists(Annex.THIRD, facts.disease, age=facts.age_on(inputs.day), day=inputs.day)
    short, long = (
        referral_validity(facts.referral_signed_on, on=inputs.day, is_for_year=for_year, holidays=inputs.holidays)
        for for_year in (False, True)
    )
    if short.is_valid or not long.is_valid:
        return short.is_valid
    return listed


def _fit(code: str, conditions: tuple[Condition, ...], inputs: CategoryFacts) -> CategoryMatch:
    answers = [(condition, condition.is_met(inputs)) for condition in conditions]
    unmet = [condition for condition, answer in answers if answer is False]
    return CategoryMatch(
        code=code,
        fits=all_of(answer for _, answer in answers),
        used=tuple(condition.fact for condition, answer in answers if answer is True),
        unmet=tuple(condition.fact for condition in unmet),
        lacking=tuple(condition.fact for condition, answer in answers if answer is None),
        needs_paper_only=all(condition.is_paper for condition in unmet),
    )


def _is_insured(inputs: CategoryFacts) -> bool:
    first, last = visit_days(inputs.visit)
    return any(card.valid_from <= last and (card.valid_to or last) >= first for card in inputs.visit.cards)


def _is_registered(inputs: CategoryFacts) -> bool | None:
    registered = inputs.facts.registered_facilities
    return None if registered is None else inputs.visit.facility_code in registered


def _has_level(*levels: TechnicalLevel) -> Callable[[CategoryFacts], bool | None]:
    def is_met(inputs: CategoryFacts) -> bool | None:
        level = inputs.facility.technical_level
        return None if level is None else level in levels

    return is_met


def _was(*lines: FormerTier) -> Callable[[CategoryFacts], bool | None]:
    def is_met(inputs: CategoryFacts) -> bool | None:
        line = inputs.facility.former_tier
        return None if line is None else line in lines

    return is_met


def _is_under_50_points(inputs: CategoryFacts) -> bool | None:
    """Fewer than 50 points, or ranked provisionally."""
    facility = inputs.facility
    if facility.is_provisional or facility.points is None:
        return facility.is_provisional or None
    return facility.points < 50


def _has_50_to_70_points(inputs: CategoryFacts) -> bool | None:
    """From 50 to under 70, as the research note of the decree interprets the boundary."""
    facility = inputs.facility
    if facility.is_provisional:
        return False
    return None if facility.points is None else 50 <= facility.points < 70


def _is_listed(annex: Annex) -> Callable[[CategoryFacts], bool | None]:
    def is_met(inputs: CategoryFacts) -> bool | None:
        facts = inputs.facts
        return inputs.annexes.lists(annex, facts.disease, age=facts.age_on(inputs.day), day=inputs.day)

    return is_met


def _not(is_met: Callable[[CategoryFacts], bool | None]) -> Callable[[CategoryFacts], bool | None]:
    def negated(inputs: CategoryFacts) -> bool | None:
        result = is_met(inputs)
        return None if result is None else not result

    return negated


def _has_region(inputs: CategoryFacts) -> bool | None:
    """Whether the card has a residence mark K1, K2 or K3; only this rule uses it (B-017)."""
    region = inputs.facts.region
    return None if region is None else region in _REGIONS


def _is_outpatient_or_without_region(inputs: CategoryFacts) -> bool | None:
    """That 3.6 does not fit: otherwise 3.1, which precedes it and pays 40 %, would match all its patients.

    Source: Health Insurance Law Art. 22 cl. 4 (B-042); that it overrides the table order is our interpretation.
    """
    return True if _OUTPATIENT.is_met(inputs) else _not(_has_region)(inputs)


def _has_appointment(inputs: CategoryFacts) -> bool | None:
    """An appointment that no earlier visit has used (B-048); without information it counts as unused."""
    facts = inputs.facts
    return False if facts.is_appointment_used else facts.has_appointment


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


_SPECIALISED = Condition("technical_level", _has_level(TechnicalLevel.SPECIALISED))
_BASIC = Condition("technical_level", _has_level(TechnicalLevel.BASIC))
_INSURED = Condition("card", _is_insured)
_INPATIENT = Condition("care_kind", is_inpatient)
_OUTPATIENT = Condition("care_kind", _not(is_inpatient))
_NOT_COMMUNE = Condition("former_tier", _not(_was(FormerTier.COMMUNE)))
_WAS_PROVINCE = Condition("former_tier", _was(FormerTier.PROVINCE))
_WAS_HIGHER = Condition("former_tier", _was(FormerTier.PROVINCE, FormerTier.CENTRAL))
_NEVER_HIGHER = Condition("former_tier", _not(_WAS_HIGHER.is_met))
_NOT_IN_ANNEX_II = Condition("annex_ii", _not(_is_listed(Annex.SECOND)))
_EPIDEMIC = Condition("epidemic", lambda inputs: inputs.facts.is_epidemic)
_NOT_3_6 = Condition("region", _is_outpatient_or_without_region)
_PICKS_UP = Condition("care_kind", lambda inputs: inputs.visit.care_kind == _PICK_UP)

_ROWS: tuple[tuple[str, tuple[Condition, ...]], ...] = (
    # Commune care has code 1.2 even at the registered facility: 100 % with any card (B-022).
    ("1.1", (_INSURED, Condition("registered_facility", _is_registered), _NOT_COMMUNE)),
    ("1.2", (_INSURED, Condition("former_tier", _was(FormerTier.COMMUNE)))),
    ("1.3", (_INSURED, Condition("referral", holds_referral, is_paper=True))),
    ("1.4", (_INSURED, Condition("residence", lambda inputs: inputs.facts.has_moved, is_paper=True))),
    ("1.5", (_INSURED, Condition("appointment", _has_appointment, is_paper=True))),
    ("1.6", (_INSURED, Condition("organ_donor", lambda inputs: inputs.facts.is_organ_donor))),
    ("1.7", (_INSURED, Condition("newborn", lambda inputs: inputs.facts.is_newborn))),
    ("1.11", (_INSURED, Condition("technical_level", _has_level(TechnicalLevel.INITIAL)))),
    ("1.12", (_INSURED, _OUTPATIENT, _BASIC, Condition("points", _is_under_50_points), _NEVER_HIGHER)),
    ("1.13", (_INSURED, _OUTPATIENT, _BASIC, Condition("points", _has_50_to_70_points), _NOT_IN_ANNEX_II)),
    ("1.14", (_INSURED, _OUTPATIENT, _BASIC, _WAS_HIGHER, _NOT_IN_ANNEX_II)),
    ("1.15", (_INSURED, _INPATIENT, _BASIC)),
    ("1.16", (_INSURED, _BASIC, Condition("annex_ii", _is_listed(Annex.SECOND)))),
    ("1.17", (_INSURED, _SPECIALISED, Condition("annex_i", _is_listed(Annex.FIRST)))),
    (
        "1.18",
        (_INSURED, _OUTPATIENT, _SPECIALISED, _WAS_PROVINCE, Condition("annex_i", _not(_is_listed(Annex.FIRST)))),
    ),
    ("2", (_INSURED, Condition("emergency", lambda inputs: inputs.facts.is_emergency, is_paper=True))),
    ("3.1", (_INSURED, _SPECIALISED, Condition("former_tier", _was(FormerTier.CENTRAL)), _NOT_3_6)),
    ("3.2", (_INSURED, _INPATIENT, _SPECIALISED, _WAS_PROVINCE)),
    (
        "3.3",
        (
            _INSURED,
            Condition("technical_level", _has_level(TechnicalLevel.BASIC, TechnicalLevel.SPECIALISED)),
            Condition("former_tier", _was(FormerTier.DISTRICT)),
        ),
    ),
    ("3.6", (_INSURED, _INPATIENT, _SPECIALISED, Condition("region", _has_region))),
    ("7", (_INSURED, _PICKS_UP, _EPIDEMIC)),
    ("9", (Condition("card", _not(_is_insured)),)),
    ("10", (_INSURED, _PICKS_UP)),
)
"""The table in its order. Source: Decision 3276/QĐ-BYT annex 1."""
