"""The message catalogue of the payment page in Vietnamese and English, and the explanation of the cost."""

from collections.abc import Mapping

from billing.checkout.domain.page_content import PageBill
from billing.coverage.domain.explain import Language, explain, money_text

_VI: Mapping[str, str] = {
    "lang": "vi",
    "other_lang": "en",
    "other_lang_name": "English",
    "title": "Thanh toán viện phí",
    "training": "TẬP HUẤN — KHÔNG CÓ GIÁ TRỊ. Xin đừng chuyển tiền thật.",
    "for": "Viện phí",
    "patient": "Người bệnh",
    "visit": "Lượt khám",
    "bill": "Bảng kê",
    "deposit": "Tạm ứng viện phí",
    "any_amount": "Tùy ý",
    "to_pay": "Số tiền cần trả",
    "received": "Đã nhận",
    "requested": "Số tiền của khoản này",
    "remaining": "Còn thiếu",
    "credit": "Nộp thừa",
    "qr_alt": "Mã QR chuyển {amount}, nội dung {text}",
    "scan": "Quét bằng ứng dụng ngân hàng, hoặc chuyển khoản theo đúng các dòng dưới đây.",
    "scan_here": "Trên chính điện thoại này: lưu ảnh QR, mở ứng dụng ngân hàng, chọn Quét QR rồi chọn ảnh vừa lưu.",
    "code_for_rest": "Mã dưới đây là cho phần còn thiếu.",
    "save_qr": "Lưu ảnh QR",
    "bank": "Ngân hàng",
    "account": "Số tài khoản",
    "holder": "Chủ tài khoản",
    "amount": "Số tiền",
    "text": "Nội dung",
    "copy_this": "Chép",
    "copied": "Đã chép",
    "keep_text": "Giữ nguyên nội dung để khoản tiền được nhận ra ngay.",
    "valid_until": "Số tiền này có hiệu lực đến {time}; sau đó mã vẫn nhận được tiền, nhưng số tiền có thể đổi.",
    "no_code": "Không hiển thị được mã thanh toán. Mời đến quầy thu viện phí; xin đừng chuyển theo mã chụp lại.",
    "redirect": "Thanh toán trên trang {host}",
    "redirect_note": "Trang của đơn vị thanh toán mở ra; trả xong, trang này tự cập nhật.",
    "transferred": "Tôi đã chuyển",
    "transferred_note": "Chỉ để chúng tôi hỏi ngân hàng sớm hơn; khoản này là đã thanh toán khi tiền về tới bệnh viện.",
    "checking": "Cảm ơn, đang hỏi ngân hàng",
    "checking_note": "Trang này tự báo khi tiền về tới bệnh viện; xin đừng chuyển lần nữa.",
    "checking_rest": "Nếu vừa chuyển phần còn thiếu, xin đừng chuyển lần nữa: chúng tôi đang hỏi ngân hàng.",
    "paid_at": "Lúc",
    "paid_amount": "Số tiền",
    "bank_reference": "Mã giao dịch ngân hàng",
    "what_next": "Việc tiếp theo",
    "next_paid": "Không cần quay lại quầy thu. Mời tiếp tục theo phiếu chỉ định; trang này đủ để lấy phiếu thu.",
    "next_part_paid": "Mời đến quầy thu viện phí để trả phần còn lại của bảng kê.",
    "over_received": "Đã nhận {received}, trong đó nộp thừa {credit}.",
    "next_over": "Xin chọn cách xử lý phần thừa; chưa chọn cũng không mất. Tiền mặt nhận lại tại quầy thu viện phí.",
    "next_over_keep": "Phần thừa được giữ cho lần sau của người bệnh. Đổi ý vẫn được.",
    "next_over_return": "Đã ghi yêu cầu trả lại. Kế toán duyệt rồi trả theo đường tiền đã về.",
    "keep_surplus": "Giữ lại cho lần sau",
    "return_surplus": "Trả lại cho tôi",
    "save_page": "Lưu xác nhận",
    "confirmation": "Xác nhận thanh toán viện phí",
    "code": "Mã thanh toán",
    "printed_at": "Lập lúc {time}. Đây không phải hóa đơn hay phiếu thu.",
    "why": "Vì sao số tiền này?",
    "total": "Tổng chi phí của bảng kê {number} là {total}.",
    "insurer": "Quỹ BHYT trả {amount}.",
    "other": "Nguồn khác trả {amount}.",
    "private": "Bảo hiểm tư nhân bảo lãnh trả {amount}.",
    "left": "Người bệnh còn phải trả {amount}.",
    "share": "Người bệnh trả {amount}.",
    "parts": "Trong đó cùng chi trả với quỹ BHYT {copay}, tự trả {self_pay}.",
    "part_of_bill": "Mã này thu {amount} trong số đó.",
    "help": "Cần giúp? Gọi quầy thu viện phí",
    "help_desk": "Cần giúp? Mời hỏi quầy thu viện phí.",
    "offline": "Mất kết nối, đang thử lại. Tiền đã chuyển không bị mất.",
    "unknown_title": "Không có trang này",
    "unknown": "Đường dẫn không đúng hoặc đã được thay. Không có khoản tiền nào bị mất vì điều đó.",
    "unknown_help": "Mời quét lại mã trên phiếu mới nhất, hoặc hỏi quầy thu viện phí đã đưa phiếu.",
    "call_desk": "Gọi quầy thu viện phí",
    "unavailable_title": "Xin thử lại",
    "unavailable": "Trang chưa mở được lúc này. Tiền đã chuyển không bị mất; xin tải lại trang sau một phút.",
}

_EN: Mapping[str, str] = {
    "lang": "en",
    "other_lang": "vi",
    "other_lang_name": "Tiếng Việt",
    "title": "Pay the hospital fee",
    "training": "TRAINING — WITHOUT VALUE. Please transfer no real money.",
    "for": "Hospital fee",
    "patient": "Patient",
    "visit": "Visit",
    "bill": "Bill",
    "deposit": "Advance payment",
    "any_amount": "Any amount",
    "to_pay": "Amount to pay",
    "received": "Received",
    "requested": "Amount requested",
    "remaining": "Still to pay",
    "credit": "Overpaid",
    "qr_alt": "QR code to transfer {amount}, text {text}",
    "scan": "Scan with your banking app, or transfer exactly as in the lines below.",
    "scan_here": "On this phone: save the picture, open your banking application, scan a QR and choose the picture.",
    "code_for_rest": "The code below is for the rest.",
    "save_qr": "Save the QR picture",
    "bank": "Bank",
    "account": "Account number",
    "holder": "Account holder",
    "amount": "Amount",
    "text": "Transfer text",
    "copy_this": "Copy",
    "copied": "Copied",
    "keep_text": "Keep the text as it is, so that the money is recognised at once.",
    "valid_until": "This amount is valid until {time}; the code accepts payments later, but the amount may change.",
    "no_code": "The payment code cannot be shown. Please go to the payment desk, and do not use a photographed code.",
    "redirect": "Pay on {host}",
    "redirect_note": "The payment provider's page opens; once you have paid, this page updates by itself.",
    "transferred": "I have transferred",
    "transferred_note": "We then check with the bank sooner. The fee is paid once the money reaches the hospital.",
    "checking": "Thank you, we are checking with the bank",
    "checking_note": "This page updates when the money reaches the hospital; please do not transfer again.",
    "checking_rest": "If you have just transferred the rest, do not do so again: we are checking with the bank.",
    "paid_at": "Time",
    "paid_amount": "Amount",
    "bank_reference": "Bank reference",
    "what_next": "What to do next",
    "next_paid": "No need to return to the desk. Go on with your order slip; show this page if you need a receipt.",
    "next_part_paid": "Please go to the payment desk for the rest of the bill.",
    "over_received": "{received} received, {credit} of it too much.",
    "next_over": "Choose what happens to the excess; without a choice it is not lost. Cash is returned at the desk.",
    "next_over_keep": "The excess is kept for the patient's next payment. You can still change this.",
    "next_over_return": "Your request is recorded. Finance approves it and returns the money the way it came.",
    "keep_surplus": "Keep it for next time",
    "return_surplus": "Return it to me",
    "save_page": "Save this confirmation",
    "confirmation": "Confirmation of payment",
    "code": "Payment code",
    "printed_at": "Made at {time}. This is neither an invoice nor a receipt.",
    "why": "Why this amount?",
    "total": "Bill {number} comes to {total} in all.",
    "insurer": "The health insurance fund pays {amount}.",
    "other": "Other sources pay {amount}.",
    "private": "The private insurer has guaranteed {amount}.",
    "left": "The patient is left with {amount}.",
    "share": "The patient pays {amount}.",
    "parts": "Of it {copay} is shared with the insurance fund and {self_pay} is outside the insurance.",
    "part_of_bill": "This code collects {amount} of it.",
    "help": "Need help? Call the payment desk",
    "help_desk": "Need help? Please go to the payment desk.",
    "offline": "The connection is lost and tried again. Money already sent is not lost.",
    "unknown_title": "There is no such page",
    "unknown": "The address is wrong or was replaced. No money is lost by that.",
    "unknown_help": "Scan the code on your latest slip again, or contact the payment desk that issued it.",
    "call_desk": "Call the payment desk",
    "unavailable_title": "Please try again",
    "unavailable": "The page cannot be opened just now. Money already sent is not lost; reload in a minute.",
}

PAGE_MESSAGES: Mapping[Language, Mapping[str, str]] = {Language.VIETNAMESE: _VI, Language.ENGLISH: _EN}


def cost_sentences(bill: PageBill, language: Language) -> list[str]:
    """Explain the shares of one invoice, one sentence each."""
    messages = PAGE_MESSAGES[language]
    whole = bill.patient_share + bill.other_share + bill.insurer_share + bill.private_share
    sentences = [messages["total"].format(number=bill.number, total=money_text(whole))]
    if bill.insurer_share:
        sentences.append(messages["insurer"].format(amount=money_text(bill.insurer_share)))
    if bill.other_share:
        sentences.append(messages["other"].format(amount=money_text(bill.other_share)))
    sentences.append(messages["share"].format(amount=money_text(bill.patient_share + bill.private_share)))
    if bill.is_whole_visit and bill.copay and bill.self_pay:
        sentences.append(messages["parts"].format(copay=money_text(bill.copay), self_pay=money_text(bill.self_pay)))
    if bill.private_share:
        sentences.append(messages["private"].format(amount=money_text(bill.private_share)))
        sentences.append(messages["left"].format(amount=money_text(bill.patient_share)))
    if bill.is_whole_visit:
        explained = [explain(reason, language) for reason in bill.reasons]
        sentences += [f"{each.sentence} ({each.citation})" for each in explained]
    return sentences
