"""The three visits of the example claim files: what was done in November 2026, for whom, and what it costs.

The people do not exist; names of services and drugs are real, their codes and prices only illustrate. Every amount is
computed here by the plain formulae of the claim data standard, independently of the product, so that the product can
be held against it. Source: Decision 130/QĐ-BYT as amended by 4750/QĐ-BYT (formulae), base salary 2,530,000 đồng
(Decree 161/2026/NĐ-CP), benefit digits 3 and 4 (Decision 1351/QĐ-BHXH).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

SMALL_VISIT = Decimal(2_530_000) * 15 / 100  # strictly below it the fund pays 100 %
HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Product:
    """What can be charged: a service, drug or supply with its price a unit and its cost group [MA_NHOM]."""

    code: str
    name: str
    price: str
    group: int
    unit: str = "Lần"
    strength: str = ""
    route: str = ""

    @property
    def is_drug(self) -> bool:
        return self.group == 4

    @property
    def is_supply(self) -> bool:
        return self.group == 10


@dataclass(frozen=True)
class Line:
    """A product used in a visit. `at` is day and time of the order in November 2026 (ddHHMM).

    `covered_price` None means that the fund uses the hospital's price.
    """

    product: Product
    quantity: str
    at: str
    covered_price: str | None = None
    ratio: int = 100
    scope: int = 1
    dose: str = ""
    bed: str = ""

    @property
    def hospital_amount(self) -> Decimal:
        return rounded(Decimal(self.quantity) * Decimal(self.product.price))

    @property
    def insured_amount(self) -> Decimal:
        unit_price = Decimal(self.covered_price or self.product.price)
        return rounded(Decimal(self.quantity) * unit_price * self.ratio / HUNDRED)

    def amounts(self, level: Decimal) -> Mapping[str, Decimal]:
        """The amounts of the line at a benefit level in percent; no other funds."""
        fund = rounded(self.insured_amount * level / HUNDRED)
        return {
            "THANH_TIEN_BV": self.hospital_amount,
            "THANH_TIEN_BH": self.insured_amount,
            "T_BNTT": self.hospital_amount - self.insured_amount,
            "T_BNCCT": self.insured_amount - fund,
            "T_BHTT": fund,
        }


@dataclass(frozen=True, kw_only=True)
class Example:
    """One visit of one invented person; `card_level` is the percent of the card's digit."""

    file: str
    ma_lk: str
    care_kind: str
    card: str
    card_level: int
    person: Mapping[str, str]
    diagnosis: str
    disease: str
    department: str
    admitted: str
    discharged: str
    days: int
    lines: Sequence[Line]

    @property
    def level(self) -> Decimal:
        insured = sum((line.insured_amount for line in self.lines), Decimal(0))
        return HUNDRED if insured < SMALL_VISIT else Decimal(self.card_level)


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def person(name: str, birth: str, sex: int, patient: int) -> dict[str, str]:
    return {
        "MA_BN": f"BN-MAU-{patient:04}",
        "HO_TEN": name,
        "SO_CCCD": f"{patient:012}",
        "NGAY_SINH": birth,
        "GIOI_TINH": str(sex),
        "DIA_CHI": f"Số {patient} phố Ví Dụ, phường Thử Nghiệm",
    }


EXAMINATION = Product("02.1896", "Khám Nội", "50600", 13)
EXAMINATION_ON_DEMAND = Product("02.1896", "Khám Nội (theo yêu cầu)", "200000", 13)
BED = Product("K03.1911", "Giường Nội khoa loại 1 Hạng I", "305500", 15, "Ngày")
BLOOD_COUNT = Product("22.0121.1369", "Tổng phân tích tế bào máu ngoại vi (bằng máy đếm laser)", "49700", 1)
CRP = Product("23.0228.1483", "Định lượng CRP [Máu]", "56100", 1)
GLUCOSE = Product("23.0075.1494", "Định lượng Glucose [Máu]", "22400", 1)
CHOLESTEROL = Product("23.0041.1506", "Định lượng Cholesterol toàn phần [Máu]", "28000", 1)
UREA = Product("23.0166.1494", "Định lượng Urê máu [Máu]", "22400", 1)
CREATININE = Product("23.0051.1494", "Định lượng Creatinin [Máu]", "22400", 1)
ELECTROLYTES = Product("23.0058.1487", "Điện giải đồ (Na, K, Cl) [Máu]", "30200", 1)
BLOOD_GASES = Product("23.0103.1531", "Xét nghiệm khí máu [Máu]", "224400", 1)
STAINING = Product("24.0001.1714", "Vi khuẩn nhuộm soi", "74200", 1)
CULTURE = Product("24.0005.1716", "Vi khuẩn nuôi cấy định danh hệ thống tự động", "325200", 1)
CHEST_X_RAY = Product("18.0119.0028", "Chụp X-quang ngực thẳng (số hóa 1 phim)", "73300", 2)
HEAD_CT = Product("18.0149.0040", "Chụp cắt lớp vi tính sọ não không tiêm thuốc cản quang", "550100", 2)
ECG = Product("02.0085.1778", "Điện tim thường", "39900", 3)
NEBULISATION = Product("02.0032.0898", "Khí dung thuốc giãn phế quản", "27500", 18)
INFUSION_SET = Product("N03.05.010", "Bộ dây truyền dịch", "3318", 10, "Bộ")
CANNULA = Product("N03.02.070", "Kim luồn tĩnh mạch ngoại vi", "12600", 10, "Cái")
AMOXICILLIN = Product("40.154", "Amoxicilin", "1890", 4, "Viên", "500mg", "1.01")
PARACETAMOL = Product("40.48", "Paracetamol", "390.5", 4, "Viên", "500mg", "1.01")
BROMHEXINE = Product("40.998", "Bromhexin hydroclorid", "472.5", 4, "Viên", "8mg", "1.01")
AMLODIPINE = Product("40.491", "Amlodipin", "231.525", 4, "Viên", "5mg", "1.01")
ATORVASTATIN = Product("40.549", "Atorvastatin", "418.367", 4, "Viên", "10mg", "1.01")
CITICOLINE = Product("40.572", "Citicolin", "9877.35", 4, "Viên", "500mg", "1.01")
FISH_OIL = Product("MAU.01", "Dầu cá (ngoài danh mục)", "3150", 4, "Viên", "1000mg", "1.01")
CEFTRIAXONE = Product("40.183", "Ceftriaxon", "7245", 4, "Lọ", "1g", "2.10")
SALINE = Product("40.1021", "Natri clorid 0,9%", "6930.25", 4, "Chai", "500ml", "2.15")
SALBUTAMOL = Product("40.980", "Salbutamol (khí dung)", "4389.524", 4, "Ống", "5mg/2,5ml", "5.05")


def all_examples() -> tuple[Example, ...]:
    return small_visit(), visit_with_copayment(), stay()


def small_visit() -> Example:
    """An examination under the 15 % line: 100 %, nothing left to pay."""
    return Example(
        file="kham-ngoai-tru.xml",
        ma_lk="MAU2611040001",
        care_kind="01",
        card="DN4010000000001",
        card_level=80,
        person=person("NGUYỄN VĂN MẪU", "199003150000", 1, 1),
        diagnosis="Viêm phế quản cấp",
        disease="J20",
        department="K01",
        admitted="040742",
        discharged="041015",
        days=0,
        lines=(
            Line(EXAMINATION, "1", "040750"),
            Line(BLOOD_COUNT, "1", "040805"),
            Line(CHEST_X_RAY, "1", "040806"),
            Line(AMOXICILLIN, "14", "040955", dose="2 viên/ngày * 7 ngày"),
            Line(PARACETAMOL, "10", "040955", dose="1 viên khi sốt trên 38,5°C"),
            Line(BROMHEXINE, "21", "040955", dose="3 viên/ngày * 7 ngày"),
        ),
    )


def visit_with_copayment() -> Example:
    """An examination above the 15 % line at 80 %: on demand, with a 50 % drug and one outside the lists."""
    return Example(
        file="ngoai-tru-dong-chi-tra.xml",
        ma_lk="MAU2611050002",
        care_kind="01",
        card="GD4010000000002",
        card_level=80,
        person=person("TRẦN THỊ VÍ DỤ", "196807200000", 2, 2),
        diagnosis="Di chứng nhồi máu não; Tăng huyết áp",
        disease="I69.3",
        department="K01",
        admitted="050715",
        discharged="051130",
        days=0,
        lines=(
            Line(EXAMINATION_ON_DEMAND, "1", "050720", covered_price=EXAMINATION.price),
            Line(BLOOD_COUNT, "1", "050735"),
            Line(GLUCOSE, "1", "050735"),
            Line(CHOLESTEROL, "1", "050735"),
            Line(ECG, "1", "050745"),
            Line(HEAD_CT, "1", "050800"),
            Line(AMLODIPINE, "28", "051110", dose="1 viên/ngày * 28 ngày"),
            Line(CITICOLINE, "28", "051110", dose="1 viên/ngày * 28 ngày", ratio=50),
            Line(ATORVASTATIN, "28", "051110", dose="1 viên/ngày * 28 ngày"),
            Line(FISH_OIL, "30", "051110", dose="1 viên/ngày * 30 ngày", ratio=0, scope=2),
        ),
    )


def stay() -> Example:
    """Six days in hospital with pneumonia at 95 %: most of the lines come again every day."""
    return Example(
        file="noi-tru.xml",
        ma_lk="MAU2611090003",
        care_kind="03",
        card="HT3010000000003",
        card_level=95,
        person=person("LÊ VĂN THỬ NGHIỆM", "195109020000", 1, 3),
        diagnosis="Viêm phổi do vi khuẩn; Bệnh phổi tắc nghẽn mạn tính",
        disease="J15.9",
        department="K03",
        admitted="090910",
        discharged="151000",
        days=7,
        lines=(
            Line(BED, "6", "090915", bed="H012"),
            *(Line(test, "1", "090930") for test in (BLOOD_COUNT, CRP, UREA, CREATININE, ELECTROLYTES, BLOOD_GASES)),
            *(Line(test, "1", "090940") for test in (STAINING, CULTURE)),
            Line(CHEST_X_RAY, "1", "091010"),
            Line(ECG, "1", "091020"),
            Line(CANNULA, "2", "090945"),
            *(line for day in range(9, 15) for line in day_of_treatment(f"{day:02}")),
            *(Line(test, "1", "130830") for test in (BLOOD_COUNT, CRP)),
            Line(CHEST_X_RAY, "1", "130900"),
            Line(BROMHEXINE, "18", "150900", dose="3 viên/ngày * 6 ngày"),
            Line(PARACETAMOL, "12", "150900", dose="1 viên khi sốt trên 38,5°C"),
        ),
    )


def day_of_treatment(day: str) -> tuple[Line, ...]:
    return (
        Line(CEFTRIAXONE, "2", f"{day}1000", dose="1 lọ/lần * 2 lần/ngày"),
        Line(SALINE, "2", f"{day}1000", dose="1 chai/lần * 2 lần/ngày"),
        Line(SALBUTAMOL, "3", f"{day}1030", dose="1 ống/lần * 3 lần/ngày"),
        Line(NEBULISATION, "3", f"{day}1030"),
        Line(INFUSION_SET, "1", f"{day}1000"),
    )
