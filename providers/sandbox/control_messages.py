"""What the bank simulator's page says, in Vietnamese and English; the buttons by their behaviour."""

from collections.abc import Mapping

MESSAGES: Mapping[str, Mapping[str, str]] = {
    "vi": {
        "title": "Ngân hàng thử nghiệm",
        "about": "Không có tiền thật. Mở trang của người bệnh trên cửa sổ khác, rồi chọn cách ngân hàng trả cho mã đó.",
        "add": "Lập thêm một mã thanh toán",
        "open": "Trang của người bệnh",
        "told": "Nhật ký",
        "answered": "vienphi trả lời",
        "silent": "không báo; bấm “Tôi đã chuyển” để vienphi hỏi lại",
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
        "add": "Ask for one more payment",
        "open": "The patient's page",
        "told": "What was done",
        "answered": "vienphi answers",
        "silent": "not told; press “I have transferred” to let vienphi ask",
        "failed": "could not be paid",
        "exact": "The right amount",
        "short": "Half of it",
        "over": "10.000 đ too much",
        "twice": "Told twice",
        "split": "Text broken up",
        "wrapped": "Text wrapped in other words",
        "late": "Told 20 seconds late",
        "never": "Paid, never told",
        "forged": "Forged",
    },
}
