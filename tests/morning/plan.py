"""The patients of a simulated morning: when each arrives, how each pays, and what goes wrong. Pure, by a seed.

Source: the shares of methods and faults are those of docs/performance.md, Method of `make morning`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

MORNING_S = 3 * 3600


class Means(StrEnum):
    """How a patient pays."""

    QR = "qr"
    CASH = "cash"
    CARD = "card"


class Fault(StrEnum):
    """What goes wrong with a patient."""

    NONE = "none"
    SHORT = "short"  # half is paid, the rest later by the same code
    OVER = "over"  # more is paid
    TWICE = "twice"  # two transfers under one code
    MANGLED = "mangled"  # the transfer text is not the text of the code
    LATE = "late"  # the bank reports the transfer long after
    DOUBLE_SCAN = "double_scan"  # the card is read twice, the button pressed twice
    WRONG_PATIENT = "wrong_patient"  # the cashier has opened another patient of the same name
    CANCELLED = "cancelled"  # a line is cancelled after it was paid


PERCENT = {
    Fault.SHORT: 5,
    Fault.OVER: 3,
    Fault.TWICE: 2,
    Fault.MANGLED: 3,
    Fault.LATE: 2,
    Fault.DOUBLE_SCAN: 2,
    Fault.WRONG_PATIENT: 1,
    Fault.CANCELLED: 1,
}
"""The part of all patients, in percent; at least one of each."""

_VARIANTS = 4
_OF_TRANSFERS = frozenset({Fault.SHORT, Fault.OVER, Fault.TWICE, Fault.MANGLED, Fault.LATE})
_BY_CARD_NOT = frozenset({Fault.WRONG_PATIENT, Fault.CANCELLED})

_FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Lý", "Vàng", "Lò", "Hà", "Ngô")
_MIDDLE = ("Văn", "Thị", "Thanh", "Minh", "Ngọc", "Quang", "Hữu", "Kim", "Đức", "Bảo", "Mai", "Tuấn")
_GIVEN = ("An", "Bích", "Cường", "Dung", "Hạnh", "Hoa", "Khải", "Lan", "Mận", "Nam", "Phước", "Sen", "Tuyền", "Xuân")
_SERVICES = (
    ("XN", "K31", (("Tổng phân tích tế bào máu", 1, 49_700), ("Định lượng Glucose máu", 1, 22_400))),
    ("XQ", "K33", (("Chụp X-quang ngực thẳng", 2, 73_300),)),
    ("SA", "K33", (("Siêu âm ổ bụng", 2, 58_600),)),
    ("DT", "K33", (("Điện tim thường", 3, 39_900),)),
    ("NS", "K35", (("Nội soi dạ dày", 8, 415_000),)),
)
_VISIT_FEE = ("KB", "K01", (("Khám Nội", 13, 50_600),))
_COSTLY = ("CT", "K33", (("Chụp CLVT sọ não", 2, 663_400),))


@dataclass(frozen=True, slots=True)
class Service:
    """One ordered service: its line and order slip, name, MA_NHOM, department and price in đồng."""

    line: str
    order: str
    name: str
    group: int
    department: str
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient of the morning. `variant` numbers the patients of one fault, so that each has its forms in turn."""

    number: int
    ma_lk: str
    name: str
    born: str
    sex: str
    citizen: str
    is_insured: bool
    arrives_s: float
    means: Means
    fault: Fault
    variant: int
    services: tuple[Service, ...]

    @property
    def orders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.order for each in self.services))


def make_patients(count: int, seed: int) -> list[Patient]:
    """So many patients in the order of their arrival: 70 % pay by QR, 20 % in cash, 10 % by card."""
    random = Random(seed)
    arrivals = sorted(random.uniform(0, MORNING_S) for _ in range(count))
    means = _means(count, random)
    faults = _faults(means, random)
    seen: Counter[Fault] = Counter()
    patients = []
    for number, arrives_s in enumerate(arrivals):
        fault = faults.get(number, Fault.NONE)
        patients.append(
            _patient(number, arrives_s, means[number], fault, random, variant=seen[fault] + seed % _VARIANTS)
        )
        seen[fault] += 1
    return patients


def namesake(patient: Patient, number: int) -> Patient:
    """Another patient of the same name, who has orders and does not come to the desk."""
    services = tuple(
        Service(f"{each.line}x", f"{each.order}x", each.name, each.group, each.department, each.price)
        for each in patient.services
    )
    return Patient(
        number=number,
        ma_lk=f"{patient.ma_lk}X",
        name=patient.name,
        born=patient.born,
        sex=patient.sex,
        citizen=f"099{number:09d}",
        is_insured=patient.is_insured,
        arrives_s=patient.arrives_s,
        means=patient.means,
        fault=Fault.NONE,
        variant=0,
        services=services,
    )


def _means(count: int, random: Random) -> list[Means]:
    cash, card = round(count * 0.2), round(count * 0.1)
    means = [Means.CASH] * cash + [Means.CARD] * card + [Means.QR] * (count - cash - card)
    random.shuffle(means)
    return means


def _faults(means: Sequence[Means], random: Random) -> dict[int, Fault]:
    """The fault of each patient who has one, by number; faults of transfers fall on those who pay by QR."""
    found: dict[int, Fault] = {}
    for fault, percent in PERCENT.items():
        fitting = [each for each in range(len(means)) if each not in found and _fits(fault, means[each])]
        for each in random.sample(fitting, max(1, round(len(means) * percent / 100))):
            found[each] = fault
    return found


def _fits(fault: Fault, means: Means) -> bool:
    if fault in _OF_TRANSFERS:
        return means is Means.QR
    return means is not Means.CARD if fault in _BY_CARD_NOT else True


def _patient(number: int, arrives_s: float, means: Means, fault: Fault, random: Random, *, variant: int) -> Patient:
    is_insured = random.random() < 0.5
    # An insured patient pays a share only above the line of 15 % of the base salary.
    slips = [_VISIT_FEE, *([_COSTLY] if is_insured else []), *random.sample(_SERVICES, random.choice((1, 1, 2, 3)))]
    return Patient(
        number=number,
        ma_lk=f"SM{1000 + number}",
        name=" ".join(random.choice(part) for part in (_FAMILY, _MIDDLE, _GIVEN)),
        born=f"{random.randrange(1935, 2020)}{random.randrange(1, 13):02d}{random.randrange(1, 29):02d}",
        sex=random.choice("12"),
        citizen=f"001{number + 1:09d}",
        is_insured=is_insured,
        arrives_s=arrives_s,
        means=means,
        fault=fault,
        variant=variant,
        services=tuple(_services(number, slips)),
    )


def _services(number: int, slips: Sequence[tuple[str, str, tuple[tuple[str, int, int], ...]]]) -> Iterator[Service]:
    for kind, department, services in slips:
        for place, (name, group, price) in enumerate(services, 1):
            order = f"{kind}-{1000 + number}"
            yield Service(f"{order}-{place}", order, name, group, department, price)
