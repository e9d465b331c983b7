"""Visit facts: papers, diseases, the facility's rank, the way of leaving; charge items are in `visit`.

A fact is None where it is unknown, which differs from False. Facts that need a paper (change of residence, organ
donation) are False until the paper was shown. Names in brackets are fields of the data standard.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from billing.core.errors import InvalidValue
from billing.visits.domain.visit import FormerTier, Table

LineKey = tuple[Table, int]


class TechnicalLevel(StrEnum):
    """Technical level of a facility (cấp chuyên môn kỹ thuật) since 2025-01-01."""

    INITIAL = "initial"
    BASIC = "basic"
    SPECIALISED = "specialised"


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityFacts:
    """A facility's rank on the day of a visit. `points` are 0 … 100; without points it may be ranked provisionally."""

    technical_level: TechnicalLevel | None = None
    points: int | None = None
    is_provisional: bool | None = None
    former_tier: FormerTier | None = None

    def __post_init__(self) -> None:
        if self.points is not None and not 0 <= self.points <= 100:
            raise InvalidValue("ranking points are 0 to 100", field="ranking_points")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """Facts of one charge item, except its price.

    `performers` [NGUOI_THUC_HIEN] is the team. `patients_in_bed` and `number_at_desk` (the ordinal of the consultation
    at its desk within 8 hours) are in no table and are supplied separately; None where they are unknown.
    """

    service_code: str = ""  # MA_DICH_VU, also of a supply or drug that belongs to a service
    performed_at: datetime | None = None  # NGAY_TH_YL
    result_at: datetime | None = None  # NGAY_KQ
    performers: frozenset[str] = frozenset()
    is_reused: bool = False  # TAI_SU_DUNG
    patients_in_bed: int | None = None
    number_at_desk: int | None = None


NO_LINE_FACTS = LineFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFacts:
    """Facts of a visit, except its cards and charge items."""

    birth: date | None = None  # NGAY_SINH, where the day is known
    disease: str | None = None  # MA_BENH_CHINH
    registered_facilities: tuple[str, ...] | None = None  # MA_DKBD
    region: str | None = None  # MA_KHUVUC: K1, K2, K3, empty where the card has no mark
    referred_from: str = ""  # MA_NOI_DI
    paper_number: str = ""  # GIAY_CHUYEN_TUYEN
    has_referral: bool | None = None
    referral_signed_on: date | None = None
    has_appointment: bool | None = None
    is_appointment_used: bool | None = None  # by an earlier visit
    is_emergency: bool | None = None
    has_moved: bool = False  # change of stay or residence, declared
    is_organ_donor: bool = False
    is_newborn: bool = False  # right after birth
    is_epidemic: bool = False  # group-A epidemic
    admitted_to_ward_at: datetime | None = None  # NGAY_VAO_NOI_TRU
    outcome: str = ""  # KET_QUA_DTRI
    leaving: str = ""  # MA_LOAI_RV
    came_through_emergency: bool | None = None
    same_day_return_of: str = ""  # MA_LK of an earlier visit of the person on the same day with a consultation
    lines: Mapping[LineKey, LineFacts] = field(default_factory=dict)

    def line(self, key: LineKey) -> LineFacts:
        return self.lines.get(key, NO_LINE_FACTS)

    def age_on(self, day: date) -> int | None:
        """Whole years of age on a day; None where the day of birth is not known."""
        if self.birth is None:
            return None
        before_birthday = (day.month, day.day) < (self.birth.month, self.birth.day)
        return day.year - self.birth.year - before_birthday


@dataclass(frozen=True, slots=True, kw_only=True)
class StentCeiling:
    """Ceilings of coronary stents by their order in one visit, đồng each; the last applies to all further ones (B-071).

    `codes` are the supply codes [MA_VAT_TU] that it applies to.
    """

    since: date
    codes: frozenset[str]
    ceilings: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainedPrice:
    """A service whose price includes others, so that they must not be charged separately (B-067)."""

    service: str
    contains: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLists:
    """Lists of a facility for the rules on lines; none is shipped, because our sources reproduce none.

    `holidays` are days off on weekdays; `four_hours_are_a_day` decides a stay of exactly 4 hours, on which sources
    disagree (B-066).
    """

    stents: tuple[StentCeiling, ...] = ()
    contained: tuple[ContainedPrice, ...] = ()
    holidays: frozenset[date] = frozenset()
    four_hours_are_a_day: bool = False


NO_LISTS = LineLists()
