"""Each reason of an exception for the clerk: one Vietnamese sentence, and the one action that is proposed.

The due times are in `payments/domain/exception.py`. Source: docs/reconciliation.md, Exceptions; docs/ux.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from billing.payments.domain.exception import ExceptionReason
from billing.reconciliation.domain.exception_case import DecisionAction


@dataclass(frozen=True, slots=True)
class ReasonDefinition:
    """What the clerk reads, and what is proposed."""

    sentence: str
    action: DecisionAction


REASONS: Mapping[ExceptionReason, ReasonDefinition] = {
    ExceptionReason.NO_REFERENCE: ReasonDefinition(
        "Tiền về không có mã thanh toán; tìm người nộp rồi gán vào lượt khám.",
        DecisionAction.ASSIGN,
    ),
    ExceptionReason.AMBIGUOUS_REFERENCE: ReasonDefinition(
        "Nội dung chuyển khoản có nhiều mã thanh toán; chọn đúng lượt khám để gán.",
        DecisionAction.ASSIGN,
    ),
    ExceptionReason.SPLIT_REFERENCE_AMOUNT_MISMATCH: ReasonDefinition(
        "Mã thanh toán bị tách rời và số tiền khác số phải thu; đối chiếu rồi gán.",
        DecisionAction.ASSIGN,
    ),
    ExceptionReason.CODE_NAMED_LATER: ReasonDefinition(
        "Khoản tiền chưa có mã, kênh khác báo mã sau; kiểm tra rồi gán theo mã đó.",
        DecisionAction.ASSIGN,
    ),
    ExceptionReason.OVER_PAID: ReasonDefinition(
        "Người bệnh nộp thừa so với số còn phải thu; hoàn phần thừa.",
        DecisionAction.REFUND,
    ),
    ExceptionReason.ALREADY_PAID: ReasonDefinition(
        "Bảng kê đã thu đủ mà tiền vẫn về; hoàn lại khoản này.",
        DecisionAction.REFUND,
    ),
    ExceptionReason.PAID_AFTER_CANCEL: ReasonDefinition(
        "Tiền về sau khi bảng kê đã hủy hoặc điều chỉnh giảm; hoàn lại khoản này.",
        DecisionAction.REFUND,
    ),
    ExceptionReason.PROBABLE_DUPLICATE: ReasonDefinition(
        "Hai kênh báo hai khoản bằng nhau; nếu sao kê chỉ có một dòng thì ghi nhận trùng, nếu có hai thì bỏ tạm giữ.",
        DecisionAction.DECLARE_DUPLICATE,
    ),
    ExceptionReason.EVENT_CONTENT_CHANGED: ReasonDefinition(
        "Cổng gửi lại thông báo cũ với nội dung khác; hỏi cổng, sổ giữ bản đầu.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.AMOUNT_CHANGED: ReasonDefinition(
        "Hai thông báo của một giao dịch có số tiền khác nhau; đối chiếu với sao kê.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.KEYS_MATCH_TWO_PAYMENTS: ReasonDefinition(
        "Một thông báo trùng khóa với hai khoản đã ghi; đối chiếu với sao kê.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.BANK_REFERENCE_REPEATED: ReasonDefinition(
        "Ngân hàng dùng lại số tham chiếu cho giao dịch khác; kiểm tra đủ hai dòng trên sao kê.",
        DecisionAction.NO_ACTION,
    ),
    ExceptionReason.NO_TRANSACTION_ID: ReasonDefinition(
        "Thông báo có tiền nhưng không có số giao dịch, chưa ghi sổ; chờ dòng sao kê.",
        DecisionAction.NO_ACTION,
    ),
    ExceptionReason.FOREIGN_ACCOUNT: ReasonDefinition(
        "Thông báo nêu tài khoản không phải của đơn vị, chưa ghi sổ; báo cổng và người quản trị.",
        DecisionAction.NO_ACTION,
    ),
    ExceptionReason.REVIEW: ReasonDefinition(
        "Cổng đang xem xét giao dịch này; chờ kết quả hoặc dòng sao kê.",
        DecisionAction.NO_ACTION,
    ),
    ExceptionReason.UNEXPECTED_REVERSAL: ReasonDefinition(
        "Cổng lấy lại tiền mà đơn vị không yêu cầu; tra soát với ngân hàng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.STATUS_UNRESOLVED: ReasonDefinition(
        "Cổng chưa trả lời kết quả sau một ngày; tra soát với cổng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.FEED_BLOCKED: ReasonDefinition(
        "Danh sách giao dịch của cổng không đọc tiếp được; báo người quản trị sửa cấu hình.",
        DecisionAction.NO_ACTION,
    ),
    ExceptionReason.CALLBACK_MISSING: ReasonDefinition(
        "Sao kê có tiền mang mã của đơn vị nhưng cổng không báo; ghi nhận theo dòng sao kê.",
        DecisionAction.BOOK_PAYMENT,
    ),
    ExceptionReason.FEE_WITHHELD: ReasonDefinition(
        "Cổng trừ phí trước khi chuyển tiền; ghi phí vào chi phí thanh toán.",
        DecisionAction.ACCEPT_FEE,
    ),
    ExceptionReason.FEE_VARIANCE: ReasonDefinition(
        "Phí cổng trừ khác phí theo hợp đồng; tra soát với cổng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.FEE_DATA_MISSING: ReasonDefinition(
        "Báo cáo của cổng không nêu phí nhưng tiền về thiếu; ghi phần thiếu là phí.",
        DecisionAction.ACCEPT_FEE,
    ),
    ExceptionReason.AFTER_CUT_OFF: ReasonDefinition(
        "Giao dịch sau giờ chốt, cổng chuyển sang ngày sau; chờ đợt chuyển tiền kế tiếp.",
        DecisionAction.NO_ACTION,
    ),
    ExceptionReason.DUPLICATE_TRANSFER: ReasonDefinition(
        "Người bệnh chuyển hai lần cho một khoản; ghi nhận dòng này rồi hoàn khoản thừa.",
        DecisionAction.BOOK_PAYMENT,
    ),
    ExceptionReason.RETURNED_TRANSFER: ReasonDefinition(
        "Ngân hàng trả lại tiền đã chuyển hoặc lấy lại tiền đã ghi có; ghi nhận tiền trả lại, khoản đó được nợ lại.",
        DecisionAction.BOOK_RETURN,
    ),
    ExceptionReason.AMOUNT_LOW: ReasonDefinition(
        "Tiền trên sao kê ít hơn số phải nhận; chấp nhận chênh lệch (hai người) hoặc tra soát.",
        DecisionAction.ACCEPT_DIFFERENCE,
    ),
    ExceptionReason.AMOUNT_HIGH: ReasonDefinition(
        "Tiền trên sao kê nhiều hơn số phải nhận; chấp nhận chênh lệch (hai người) hoặc tra soát.",
        DecisionAction.ACCEPT_DIFFERENCE,
    ),
    ExceptionReason.TEXT_UNREADABLE: ReasonDefinition(
        "Dòng sao kê không đọc được mã nhưng khớp số tiền và ngày của một khoản đã ghi; kiểm tra rồi khớp.",
        DecisionAction.MATCH,
    ),
    ExceptionReason.PROVIDER_ONLY: ReasonDefinition(
        "Cổng báo giao dịch mà sổ và ngân hàng không có; tra soát với cổng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.BANK_ONLY: ReasonDefinition(
        "Sao kê có tiền mà sổ và cổng không có; ghi nhận là tiền chưa rõ người nộp.",
        DecisionAction.BOOK_PAYMENT,
    ),
    ExceptionReason.BANK_CHARGE: ReasonDefinition(
        "Ngân hàng thu phí hoặc thuế; ghi vào chi phí thanh toán.",
        DecisionAction.BOOK_CHARGE,
    ),
    ExceptionReason.LEDGER_ONLY: ReasonDefinition(
        "Sổ có khoản tiền mà ngân hàng chưa ghi có; tra soát với ngân hàng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.PAYOUT_NOT_SEEN: ReasonDefinition(
        "Cổng báo đã chuyển tiền mà tài khoản chưa nhận; tra soát với cổng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.MANUAL_CONFIRMATION_NOT_SEEN: ReasonDefinition(
        "Khoản chuyển khoản được xác nhận thủ công chưa thấy trên sao kê; tra soát với ngân hàng.",
        DecisionAction.OPEN_TRACE,
    ),
    ExceptionReason.STATEMENT_GAP: ReasonDefinition(
        "Chuỗi sao kê bị thiếu hoặc chồng nhau; tải sao kê của những ngày thiếu.",
        DecisionAction.NO_ACTION,
    ),
}
"""Every reason with its definition; a test compares the keys with the enumeration."""
