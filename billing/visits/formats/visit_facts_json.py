"""Facts of visits and of their facility as one JSON object; they override the facts that a file states.

Shape: `facility` {technical_level, ranking_points, is_provisionally_ranked, former_tier}, `lists` {stents [{since,
codes, ceilings}], contained [{service, contains}], holidays [day], four_hours_are_a_day}, `visits` {MA_LK: facts}.
Facts of a visit carry the field names of the data standard where it has one. An unknown key is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from billing.visits.domain.facts import (
    NO_LINE_FACTS,
    NO_LISTS,
    ContainedPrice,
    FacilityFacts,
    LineFacts,
    LineKey,
    LineLists,
    StentCeiling,
    TechnicalLevel,
    VisitFacts,
)
from billing.visits.domain.visit import FormerTier, Table
from billing.visits.formats.json_fields import Fields, InvalidField
from billing.visits.formats.strict_json import read_object
from billing.visits.formats.xml130.claim_facts import read_birth_day, read_disease, read_facilities

_FLAGS = frozenset(
    {
        *("has_referral", "has_appointment", "is_appointment_used", "is_emergency", "has_moved", "is_organ_donor"),
        *("is_newborn", "is_epidemic", "came_through_emergency"),
    }
)
_TEXTS = {
    "MA_KHUVUC": "region",
    "MA_NOI_DI": "referred_from",
    "GIAY_CHUYEN_TUYEN": "paper_number",
    "KET_QUA_DTRI": "outcome",
    "MA_LOAI_RV": "leaving",
    "same_day_return_of": "same_day_return_of",
}
_VISIT_KEYS = (
    _FLAGS
    | frozenset(_TEXTS)
    | {"MA_BENH_CHINH", "MA_DKBD", "NGAY_SINH", "NGAY_VAO_NOI_TRU", "referral_signed_on", "lines"}
)
_LINE_KEYS = frozenset(
    {"table", "stt", "MA_DICH_VU", "NGAY_TH_YL", "NGAY_KQ", "NGUOI_THUC_HIEN", "TAI_SU_DUNG", "patients_in_bed"}
    | {"number_at_desk"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedFacts:
    """The facts supplied with a file. `facility` is None where no fact of it was supplied."""

    facility: FacilityFacts | None = None
    lists: LineLists = NO_LISTS
    visits: Mapping[str, Fields] = field(default_factory=dict)

    def of_visit(self, ma_lk: str, known: VisitFacts) -> VisitFacts:
        """The facts of a visit: supplied facts override known ones."""
        own = self.visits.get(ma_lk)
        return known if own is None else read_visit_facts(own, known)


def read_supplied_facts(content: bytes) -> SuppliedFacts:
    """Read a file of facts. Raises InvalidValue or InvalidField with the path of the invalid value."""
    return parse_facts(Fields(read_object(content), ""))


def parse_facts(fields: Fields) -> SuppliedFacts:
    """Facts from a parsed object; reads every visit in it once, so that an invalid one is refused here."""
    fields.refuse_other_keys(frozenset({"facility", "lists", "visits"}))
    by_key = fields.object("visits") if fields.has("visits") else Fields({}, "visits")
    visits = {key: by_key.object(key) for key in by_key.values}
    for visit in visits.values():
        read_visit_facts(visit, VisitFacts())
    return SuppliedFacts(
        facility=_facility(fields.object("facility")) if fields.has("facility") else None,
        lists=_lists(fields.object("lists")) if fields.has("lists") else NO_LISTS,
        visits=visits,
    )


def read_visit_facts(fields: Fields, known: VisitFacts) -> VisitFacts:
    """The known facts of one visit, overridden by the supplied ones. A signed referral paper is a referral."""
    fields.refuse_other_keys(_VISIT_KEYS)
    changes: dict[str, object] = {key: _flag(fields, key) for key in _FLAGS if fields.has(key)}
    changes |= {name: fields.text(key) for key, name in _TEXTS.items() if fields.has(key)}
    if fields.has("referral_signed_on"):
        changes["referral_signed_on"] = fields.day("referral_signed_on")
        changes.setdefault("has_referral", True)
    if fields.has("MA_BENH_CHINH"):
        changes["disease"] = read_disease(fields.text("MA_BENH_CHINH"))
    if fields.has("MA_DKBD"):
        changes["registered_facilities"] = read_facilities(fields.text("MA_DKBD"))
    if fields.has("NGAY_SINH"):
        changes["birth"] = read_birth_day(fields.text("NGAY_SINH"))
    if fields.has("NGAY_VAO_NOI_TRU"):
        changes["admitted_to_ward_at"] = fields.timestamp("NGAY_VAO_NOI_TRU")
    if fields.has("lines"):
        changes["lines"] = {**known.lines, **dict(_line(line, known) for line in fields.objects("lines"))}
    return replace(known, **changes)  # type: ignore[arg-type]  # each value was read as its field's type


def _line(fields: Fields, known: VisitFacts) -> tuple[LineKey, LineFacts]:
    fields.refuse_other_keys(_LINE_KEYS)
    key = (fields.choice("table", Table), fields.integer("stt"))
    return key, read_line_facts(fields, known.line(key))


def read_line_facts(fields: Fields, known: LineFacts = NO_LINE_FACTS) -> LineFacts:
    """The known facts of one line, overridden by the supplied ones."""
    changes: dict[str, object] = {}
    if fields.has("MA_DICH_VU"):
        changes["service_code"] = fields.text("MA_DICH_VU")
    for name, own in (("NGAY_TH_YL", "performed_at"), ("NGAY_KQ", "result_at")):
        if fields.has(name):
            changes[own] = fields.timestamp(name)
    if fields.has("NGUOI_THUC_HIEN"):
        changes["performers"] = frozenset(name.strip() for name in fields.text("NGUOI_THUC_HIEN").split(";"))
    if fields.has("TAI_SU_DUNG"):
        changes["is_reused"] = fields.code("TAI_SU_DUNG", frozenset("01")) == "1"
    for name in ("patients_in_bed", "number_at_desk"):
        if fields.has(name):
            changes[name] = fields.integer(name)
    return replace(known, **changes)  # type: ignore[arg-type]  # as above


def _facility(fields: Fields) -> FacilityFacts:
    fields.refuse_other_keys(frozenset({"technical_level", "ranking_points", "is_provisionally_ranked", "former_tier"}))
    with fields.naming():
        return FacilityFacts(
            technical_level=fields.choice("technical_level", TechnicalLevel) if fields.has("technical_level") else None,
            points=fields.integer("ranking_points") if fields.has("ranking_points") else None,
            is_provisional=_flag(fields, "is_provisionally_ranked") if fields.has("is_provisionally_ranked") else None,
            former_tier=fields.choice("former_tier", FormerTier) if fields.has("former_tier") else None,
        )


def _lists(fields: Fields) -> LineLists:
    fields.refuse_other_keys(frozenset({"stents", "contained", "holidays", "four_hours_are_a_day"}))
    return LineLists(
        stents=tuple(_stent(row) for row in fields.objects("stents")) if fields.has("stents") else (),
        contained=tuple(_contained(row) for row in fields.objects("contained")) if fields.has("contained") else (),
        holidays=frozenset(_day(text, fields) for text in _texts(fields, "holidays")),
        four_hours_are_a_day=fields.has("four_hours_are_a_day") and _flag(fields, "four_hours_are_a_day"),
    )


def _stent(fields: Fields) -> StentCeiling:
    fields.refuse_other_keys(frozenset({"since", "codes", "ceilings"}))
    ceilings = tuple(_ceiling(text, fields) for text in _texts(fields, "ceilings"))
    if not ceilings:
        raise InvalidField(fields.at("ceilings"), "at least one ceiling is expected")
    return StentCeiling(since=fields.day("since"), codes=frozenset(_texts(fields, "codes")), ceilings=ceilings)


def _contained(fields: Fields) -> ContainedPrice:
    fields.refuse_other_keys(frozenset({"service", "contains"}))
    return ContainedPrice(service=fields.text("service"), contains=frozenset(_texts(fields, "contains")))


def _ceiling(text: str, fields: Fields) -> Decimal:
    return Fields({"ceilings": text}, fields.path).number("ceilings")


def _day(text: str, fields: Fields) -> date:
    return Fields({"holidays": text}, fields.path).day("holidays")


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    """A list of texts or whole numbers; none where the key is missing."""
    if not fields.has(key):
        return ()
    value = fields.values[key]
    if not isinstance(value, list):
        raise InvalidField(fields.at(key), "a list is expected", found=value)
    return tuple(Fields({key: each}, fields.path).text(key) for each in value)


def _flag(fields: Fields, key: str) -> bool:
    value = fields.values[key]
    if not isinstance(value, bool):
        raise InvalidField(fields.at(key), "true or false is expected", found=value)
    return value
