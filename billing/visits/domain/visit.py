"""A visit (one MA_LK) with its cards and charge items, as every reader returns it and coverage prices it.

Names in brackets are the fields of the claim data standard (Decision 130/QĐ-BYT and amendments; tables XML1–XML3).
The results that a source states (`StatedAmounts`, `StatedTotals`) are evidence to compare with, never an input of a
price. Names and other personal data are in `Patient`, separate from the inputs of the price.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import combinations

from billing.core.errors import InvalidValue
from billing.core.money import ZERO, total
from billing.visits.domain.card import Card
from billing.visits.domain.copay_history import CopayHistory
from billing.visits.domain.invalid_input import CardsOverlap, DischargeBeforeAdmission, RatioOutOfRange
from billing.visits.domain.private_insurance import PrivateInsurance

_FACILITY_CODE = re.compile(r"[0-9A-Z]{5}")
_HUNDRED = Decimal(100)

_SUPPLY_GROUPS = frozenset({10, 11})

MA_LK_LENGTH_MAX = 100
ITEMS_MAX = 20_000
CARDS_MAX = 100
QUANTITY_LIMIT = Decimal(10) ** 9
PRICE_LIMIT = Decimal(10) ** 12
COST_LIMIT = Decimal(10) ** 15
"""The cost of a visit is below this limit: an amount of the data standard has 15 digits."""


class Table(StrEnum):
    """The table of the claim file that contains a charge item."""

    DRUGS = "XML2"
    SERVICES = "XML3"


def is_supply_line(table: Table, *, group: int, supply_code: str) -> bool:
    """Whether a line is a medical supply [counted in T_VTYT]: of XML3, with a MA_VAT_TU or in a group of supplies.

    Groups [MA_NHOM] are 10, and 11 of the 4210 era. Source: Decision 5937/QĐ-BYT annex 3; formula of T_VTYT.
    """
    return table is Table.SERVICES and (bool(supply_code) or group in _SUPPLY_GROUPS)


class Scope(StrEnum):
    """Who an item is covered for [PHAM_VI]."""

    INSURED = "1"
    PATIENT = "2"
    ARMED_FORCES = "3"


class PayerClass(StrEnum):
    """The payer class of an item in the hospital's books; the shares are computed from it."""

    INSURANCE = "bhyt"
    FEE = "vien_phi"
    ON_DEMAND = "yeu_cau"
    FREE = "mien_phi"
    CONTRACT = "hop_dong"


class CeilingKind(StrEnum):
    """The scope of a ceiling [T_TRANTT]: a unit (B-070), the whole line, or each stent in order (B-071)."""

    UNIT = "unit"
    LINE = "line"
    STENT = "stent"


class FormerTier(StrEnum):
    """The hospital tier of a facility before 2025-01-01 (tuyến)."""

    COMMUNE = "commune"
    DISTRICT = "district"
    PROVINCE = "province"
    CENTRAL = "central"


OUT_OF_ROUTE_TIERS = (FormerTier.CENTRAL, FormerTier.PROVINCE, FormerTier.DISTRICT)
"""The tiers at which care can be out of route under Law 46/2014/QH13 (B-040); commune care is always in route."""


@dataclass(frozen=True, slots=True)
class OtherFunds:
    """Money that other funds pay for one item, two decimals [T_NGUONKHAC_NSNN, _VTNN, _VTTN, _CL]."""

    state_budget: Decimal = ZERO
    from_abroad: Decimal = ZERO
    domestic: Decimal = ZERO
    remaining: Decimal = ZERO

    def __post_init__(self) -> None:
        if min(self.state_budget, self.from_abroad, self.domestic, self.remaining) < 0:
            raise InvalidValue("an amount of other funds cannot be negative", field="T_NGUONKHAC")

    @property
    def total(self) -> Decimal:
        return total((self.state_budget, self.from_abroad, self.domestic, self.remaining))


NO_OTHER_FUNDS = OtherFunds()


@dataclass(frozen=True, slots=True)
class StatedAmounts:
    """The amounts that the source computed for one item, two decimals; None where it states none."""

    hospital_amount: Decimal | None = None  # THANH_TIEN_BV
    insured_amount: Decimal | None = None  # THANH_TIEN_BH
    level: Decimal | None = None  # MUC_HUONG
    other_funds: Decimal | None = None  # T_NGUONKHAC
    self_pay: Decimal | None = None  # T_BNTT
    copay: Decimal | None = None  # T_BNCCT
    fund: Decimal | None = None  # T_BHTT


@dataclass(frozen=True, slots=True)
class StatedTotals:
    """The totals that the source states for the visit in XML1; None where it states none."""

    drugs: Decimal | None = None  # T_THUOC
    supplies: Decimal | None = None  # T_VTYT
    hospital_amount: Decimal | None = None  # T_TONGCHI_BV
    insured_amount: Decimal | None = None  # T_TONGCHI_BH
    self_pay: Decimal | None = None  # T_BNTT
    copay: Decimal | None = None  # T_BNCCT
    fund: Decimal | None = None  # T_BHTT
    other_funds: Decimal | None = None  # T_NGUONKHAC
    fund_outside_capitation: Decimal | None = None  # T_BHTT_GDV


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeItem:
    """One service, drug or supply of a visit.

    Prices are đồng a unit, up to three decimals and more after a unit conversion; ratios are whole percent 0 … 100.
    For a drug `hospital_price` and `insurance_price` are both DON_GIA and `service_ratio` is 100.
    """

    table: Table
    number: int  # STT; unique within its table
    name: str
    code: str = ""  # MA_THUOC, MA_DICH_VU or MA_VAT_TU
    unit: str = ""  # DON_VI_TINH
    group: int  # MA_NHOM
    scope: Scope  # PHAM_VI
    quantity: Decimal  # SO_LUONG
    hospital_price: Decimal  # DON_GIA_BV, or DON_GIA of XML2
    insurance_price: Decimal  # DON_GIA_BH, or DON_GIA of XML2
    service_ratio: Decimal = _HUNDRED  # TYLE_TT_DV
    payment_ratio: Decimal = _HUNDRED  # TYLE_TT_BH
    ceiling: Decimal | None = None  # T_TRANTT, đồng; `ceiling_kind` states its scope
    ceiling_kind: CeilingKind = CeilingKind.UNIT
    package: str = ""  # GOI_VTYT
    is_supply: bool = False  # the result of `is_supply_line`
    other_funds: OtherFunds = NO_OTHER_FUNDS
    ordered_at: datetime | None = None  # NGAY_YL; None means the time of arrival
    department: str = ""  # MA_KHOA
    is_war_wound: bool = False  # VET_THUONG_TP
    paying_source: str = "1"  # NGUON_CTRA: 1 insurance
    payment_method: str = "1"  # MA_PTTT: 1 fee for service
    payer_class: PayerClass = PayerClass.INSURANCE
    is_copay_replaced: bool = False  # another source pays the co-payment whatever it is: ARV drugs (B-077)
    stated: StatedAmounts | None = None

    def __post_init__(self) -> None:
        _between(self.quantity, Decimal(0), QUANTITY_LIMIT, "SO_LUONG")
        _between(self.hospital_price, Decimal(0), PRICE_LIMIT, "DON_GIA_BV")
        _between(self.insurance_price, Decimal(0), PRICE_LIMIT, "DON_GIA_BH")
        _whole_percent(self.service_ratio, "TYLE_TT_DV")
        _whole_percent(self.payment_ratio, "TYLE_TT_BH")
        if self.ceiling is not None:
            _between(self.ceiling, Decimal(0), PRICE_LIMIT, "T_TRANTT")
        if self.number < 0:
            raise InvalidValue("STT cannot be negative", field="STT")
        if self.ordered_at is not None:
            _zoned(self.ordered_at, "NGAY_YL")

    @property
    def key(self) -> tuple[Table, int]:
        return (self.table, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Personal data of a visit; stored separately from everything that is kept permanently."""

    name: str = ""  # HO_TEN
    birth: str = ""  # NGAY_SINH, as written: the year may be all that is known
    sex: str = ""  # GIOI_TINH
    citizen_number: str = ""  # SO_CCCD
    hospital_number: str = ""  # MA_BN
    address: str = ""  # DIA_CHI
    phone: str = ""  # DIEN_THOAI


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One open or closed encounter. Items are unique by (table, number); timestamps have a zone."""

    ma_lk: str
    facility_code: str  # MA_CSKCB
    care_kind: str  # MA_LOAI_KCB
    category_code: str  # MA_DOITUONG_KCB, exact text: 1.10 is not 1.1
    admitted_at: datetime  # NGAY_VAO
    discharged_at: datetime | None  # NGAY_RA; None while the visit is open
    cards: tuple[Card, ...]
    items: tuple[ChargeItem, ...]
    exempt_from: datetime | None = None  # NGAY_MIEN_CCT
    copay_history: CopayHistory | None = None  # None: no exemption test (B-025)
    out_of_route_tier: FormerTier | None = None  # the tier of the facility, if out of route under Law 46 (B-040)
    private_insurance: PrivateInsurance | None = None
    patient: Patient = field(default_factory=Patient)
    stated: StatedTotals | None = None

    def __post_init__(self) -> None:
        if not self.ma_lk or len(self.ma_lk) > MA_LK_LENGTH_MAX:
            raise InvalidValue("MA_LK must have 1 to 100 characters", field="MA_LK")
        if not _FACILITY_CODE.fullmatch(self.facility_code):
            raise InvalidValue("MA_CSKCB must have 5 characters", field="MA_CSKCB")
        if len(self.items) > ITEMS_MAX:
            raise InvalidValue(f"a visit has at most {ITEMS_MAX} charge items", field="items")
        if len({item.key for item in self.items}) != len(self.items):
            raise InvalidValue("two charge items share table and STT", field="STT")
        if sum(item.quantity * item.hospital_price for item in self.items) >= COST_LIMIT:
            raise InvalidValue(f"a visit costs less than {COST_LIMIT:f} đồng", field="T_TONGCHI_BV")
        if self.out_of_route_tier is FormerTier.COMMUNE:
            raise InvalidValue("commune care is in route under Law 46/2014/QH13 (B-040)", field="route.line")
        for timestamp, name in (
            (self.admitted_at, "NGAY_VAO"),
            (self.discharged_at, "NGAY_RA"),
            (self.exempt_from, "NGAY_MIEN_CCT"),
        ):
            if timestamp is not None:
                _zoned(timestamp, name)
        if self.discharged_at is not None and self.discharged_at < self.admitted_at:
            raise DischargeBeforeAdmission("a visit ends before it begins", field="NGAY_RA")
        if len(self.cards) > CARDS_MAX:
            raise InvalidValue(f"a visit has at most {CARDS_MAX} cards", field="cards")
        for first, second in combinations(self.cards, 2):
            if first.conflicts_with(second):
                raise CardsOverlap("one card has two periods that overlap", field="GT_THE_TU")


def _between(value: Decimal, low: Decimal, high: Decimal, name: str) -> None:
    if not value.is_finite() or not low <= value <= high:
        raise InvalidValue(f"{name} must be from {low} to {high}", field=name)


def _whole_percent(ratio: Decimal, name: str) -> None:
    """Check a ratio: Decision 130/QĐ-BYT allows three digits, no decimals; 0.5 would be half a percent, not a half."""
    if not ratio.is_finite() or not 0 <= ratio <= _HUNDRED or ratio != ratio.to_integral_value():
        raise RatioOutOfRange(f"{name} must be a whole percent from 0 to 100", field=name)


def _zoned(timestamp: datetime, name: str) -> None:
    if timestamp.tzinfo is None:
        raise InvalidValue(f"{name} must carry a time zone", field=name)
