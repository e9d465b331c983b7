"""Texts of the bank simulator's page, in Vietnamese and English; the buttons by their behaviour."""

from collections.abc import Mapping

MESSAGES: Mapping[str, Mapping[str, str]] = {
    "vi": {
        "title": "Ngân hàng thử nghiệm",
        "about": "Không có tiền thật. Mở trang của người bệnh trong cửa sổ khác, rồi chọn cách ngân hàng xử lý mã đó.",
        "add": "Lập thêm một mã thanh toán",
        "open": "Trang của người bệnh",
        "log": "Nhật ký",
        "answered": "vienphi trả lời",
        "silent": "không báo; bấm “Tôi đã chuyển” để vienphi vấn tin",
        "failed": "không trả được",
        "exact": "Đúng số tiền",
        "short": "Thiếu một nửa",
        "over": "Thừa 10.000 đ",
        "twice": "Báo hai lần",
        "split": "Nội dung bị ngắt",
        "wrapped": "Nội dung bị thêm chữ",
        "late": "Báo muộn 20 giây",
        "never": "Trả nhưng không báo",
        "forged": "Báo giả mạo",
    },
    "en": {
        "title": "The bank simulator",
        "about": "No real money. Open the patient's page in another window, then choose how the bank pays the code.",
        "add": "Add a payment request",
        "open": "The patient's page",
        "log": "Log",
        "answered": "vienphi answers",
        "silent": "not reported; press “I have transferred” so that vienphi queries the bank",
        "failed": "could not be paid",
        "exact": "The right amount",
        "short": "Half the amount",
        "over": "10.000 đ too much",
        "twice": "Reported twice",
        "split": "Code split in the text",
        "wrapped": "Bank text added",
        "late": "Reported 20 seconds late",
        "never": "Paid, never reported",
        "forged": "Forged callback",
    },
}
