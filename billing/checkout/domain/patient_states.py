"""Texts of a collection's state for the patient: one table from the stored state to Vietnamese and English.

Each provider's file maps provider status → Outcome; `intent.py` maps Outcome → intent state; this table maps intent
state → patient. `docs/states.md` prints all of it, and a test compares the two. Source: docs/design.md §5, States.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from billing.coverage.domain.explain import Language
from billing.payments.domain.amount_due import PatientState
from providers.contract import Verdict


@dataclass(frozen=True, slots=True)
class Words:
    """A short label and one sentence for the patient; `{due}`, `{received}`, `{owed}` and `{credit}` are amounts.

    `at_desk` is the label for the cashier, if it differs from the patient's.
    """

    label: str
    sentence: str
    at_desk: str = ""

    @property
    def desk_label(self) -> str:
        """The label for staff. Source: docs/ux.md, Words on screen."""
        return self.at_desk or self.label


_VI, _EN = Language.VIETNAMESE, Language.ENGLISH

WORDS: Mapping[PatientState, Mapping[Language, Words]] = {
    PatientState.PREPARING: {
        _VI: Words("Đang lập mã", "Mã thanh toán đang được lập; trang này tự cập nhật."),
        _EN: Words("Preparing", "The payment code is being made; this page updates by itself."),
    },
    PatientState.WAITING: {
        _VI: Words(
            "Chờ chuyển khoản",
            "Trang này tự báo khi tiền về tới bệnh viện.",
            at_desk="Chờ báo có",
        ),
        _EN: Words(
            "Waiting for your transfer",
            "This page updates by itself when the money reaches the hospital.",
            at_desk="Waiting for the bank",
        ),
    },
    PatientState.CHECKING: {
        _VI: Words(
            "Đang hỏi ngân hàng",
            "Nếu đã chuyển, xin đừng chuyển lần nữa; hãy chờ hoặc hỏi quầy thu viện phí.",
            at_desk="Chờ báo có",
        ),
        _EN: Words(
            "Checking with the bank",
            "If you have transferred, please do not do so again; wait, or contact the payment desk.",
            at_desk="Waiting for the bank",
        ),
    },
    PatientState.SHORT: {
        _VI: Words("Còn thiếu", "Đã nhận {received}, còn thiếu {due}."),
        _EN: Words("Not complete", "{received} received, {due} still to pay."),
    },
    PatientState.PAID: {
        _VI: Words(
            "Đã thanh toán",
            "Đã nhận đủ {received}. Khoản này đã thanh toán, không cần chuyển thêm.",
            at_desk="Đã thu",
        ),
        _EN: Words("Paid", "{received} received in full. Nothing more is to be paid."),
    },
    PatientState.PART_PAID: {
        _VI: Words(
            "Đã nhận phần này",
            "Đã nhận {received} theo mã này. Bảng kê còn {owed} chưa trả: mời hỏi quầy thu viện phí.",
            at_desk="Đã thu một phần",
        ),
        _EN: Words(
            "This part is paid",
            "{received} received under this code. {owed} of the bill is still to pay: contact the payment desk.",
        ),
    },
    PatientState.OVER: {
        _VI: Words(
            "Nộp thừa",
            "Đã nhận {received}, trong đó nộp thừa {credit}. Tiền thừa được giữ cho người bệnh: mời đến quầy thu "
            "viện phí để nhận lại hoặc trừ vào lần sau.",
        ),
        _EN: Words(
            "Overpaid",
            "{received} received, {credit} of it too much. The excess is kept for the patient: contact the payment "
            "desk to have it returned or used next time.",
        ),
    },
    PatientState.PAID_OTHERWISE: {
        _VI: Words("Đã thanh toán", "Khoản này đã thanh toán bằng phiếu khác. Xin đừng chuyển thêm.", at_desk="Đã thu"),
        _EN: Words("Paid", "This was already paid in another way. Please do not transfer any more."),
    },
    PatientState.EXPIRED: {
        _VI: Words(
            "Đã quá thời hạn",
            "Thời hạn của mã đã qua nhưng mã vẫn nhận được tiền. Xin trả đúng số tiền còn phải trả lúc này.",
            at_desk="Quá hạn",
        ),
        _EN: Words(
            "Past its time",
            "The code still takes money. Please pay exactly the amount that is due now.",
        ),
    },
    PatientState.CANCELLED: {
        _VI: Words(
            "Đã hủy",
            "Quầy đã hủy mã này, xin đừng chuyển. Nếu đã chuyển, tiền vẫn được ghi nhận cho người bệnh ngay khi "
            "về tới bệnh viện, thường trong ngày: mời hỏi quầy thu viện phí.",
        ),
        _EN: Words(
            "Cancelled",
            "The desk has cancelled this code; please do not transfer. Money already sent is still recorded for the "
            "patient as soon as the bank reports it, as a rule the same day: contact the payment desk.",
        ),
    },
    PatientState.CANCELLED_SHORT: {
        _VI: Words(
            "Đã hủy",
            "Mã này không còn thu nữa. Đã nhận {received} và đã ghi nhận cho người bệnh; phần còn thiếu {due} xin hỏi "
            "quầy thu viện phí.",
        ),
        _EN: Words(
            "Cancelled",
            "This code collects no more. {received} was received and recorded for the patient; for the remaining {due} "
            "contact the payment desk.",
        ),
    },
    PatientState.FAILED: {
        _VI: Words(
            "Không dùng được",
            "Không thu được bằng mã này. Mời đến quầy thu viện phí để trả cách khác; nếu đã chuyển, tiền vẫn được "
            "ghi nhận.",
        ),
        _EN: Words(
            "Not usable",
            "This code cannot be used. Please pay another way at the payment desk; money already sent is still "
            "recorded.",
        ),
    },
    PatientState.STANDING: {
        _VI: Words(
            "Mã nộp tạm ứng",
            "Nộp số tiền tùy ý, nhiều lần, trong suốt đợt điều trị. Đã nhận {received} theo mã này.",
            at_desk="Mã thu cố định",
        ),
        _EN: Words(
            "Code for advances",
            "Pay any amount, any number of times, during the stay. {received} received under this code.",
            at_desk="Standing code",
        ),
    },
    PatientState.CLOSED: {
        _VI: Words(
            "Không cần nộp",
            "Hiện không cần nộp khoản nào theo mã này, xin đừng chuyển. Nếu đã chuyển, tiền vẫn được ghi nhận cho "
            "người bệnh: mời hỏi quầy thu viện phí.",
            at_desk="Đã đóng",
        ),
        _EN: Words(
            "Nothing is due",
            "Nothing is to be paid under this code now; please do not transfer. Money already sent is still recorded "
            "for the patient: contact the payment desk.",
            at_desk="Closed",
        ),
    },
}


@dataclass(frozen=True, slots=True)
class StateLabel:
    """A state shown to the patient, with its labels for staff in Vietnamese and English."""

    state: PatientState
    vi: str
    en: str


def state_label(state: PatientState) -> StateLabel:
    """The labels of a state for staff."""
    return StateLabel(state, vi=WORDS[state][_VI].desk_label, en=WORDS[state][_EN].desk_label)


START_UNKNOWN: Mapping[Language, str] = {
    _VI: (
        "Không rõ nhà cung cấp đã lập khoản thu này chưa; hệ thống đang hỏi. Có thể thu bằng cách khác; tiền về theo "
        "mã này vẫn được ghi nhận."
    ),
    _EN: (
        "It is not known whether the provider has begun this payment; its status is being checked. You may collect "
        "another way; money that comes under this code is booked all the same."
    ),
}
"""The message for the desk if the provider gave no trustworthy answer when a payment was started."""

VERDICTS: Mapping[Verdict, str] = {
    Verdict.ACCEPTED: "accepted, and booked if it reports money",
    Verdict.DUPLICATE: "already known; nothing was booked again",
    Verdict.UNKNOWN_REFERENCE: "stored, and money booked as unallocated: no code of ours was found",
    Verdict.AMOUNT_DIFFERS: "booked, but the amount is not the requested amount",
    Verdict.STORED: "stored for a person; nothing was booked",
    Verdict.TRY_LATER: "not accepted; deliver it again",
}
"""The meaning of each verdict; each provider receives it in its own format."""
