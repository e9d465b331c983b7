"""Payment codes in EMVCo merchant-presented format: VietQR (NAPAS 247) and VNPAY-QR, built and read offline.

A code is tag (2 digits), length (2 digits, 01–99), value, repeated; tag 63 ends it with a CRC over everything before.
It is ASCII: the caller transliterates Vietnamese text; other text is refused. Building is strict, because some bank
applications cut or drop nonconforming fields; reading reports the fields of the code and whether its CRC is valid.
A code confirms no payment: only the bank does.
Source: NAPAS technical specification 1.5.2 (January 2021); EMVCo merchant-presented mode 1.1.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

AMOUNT_MAX = 9_999_999_999_999
"""Tag 54 has at most 13 digits."""
ACCOUNT_LENGTH_MAX = 19
PAYLOAD_LENGTH_MAX = 512

_VIETQR_TAG, _VIETQR_GUID = "38", "A000000727"
_VNPAY_TAG, _VNPAY_GUID = "26", "A000000775"
_CURRENCY, _COUNTRY = "704", "VN"
_CRC_HEAD = "6304"

_TAG_AND_LENGTH = re.compile(r"[0-9]{4}")
_BIN = re.compile(r"[0-9]{6}")
_ACCOUNT = re.compile(r"[0-9A-Za-z]{1,19}")
_MERCHANT_ID = re.compile(r"[0-9A-Za-z]{1,20}")
_CATEGORY = re.compile(r"[0-9]{4}")
_AMOUNT = re.compile(r"[0-9]{1,13}")
_CRC = re.compile(r"[0-9A-Fa-f]{4}")
_PLAIN_TEXT = re.compile(r"[0-9A-Za-z]([0-9A-Za-z ]*[0-9A-Za-z])?")


class QrError(Exception):
    """Base of this module's errors; holds at most a tag of the payload."""


class FieldRefused(QrError):
    """A value that is not allowed in a code; `field` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class NotAVietQr(QrError):
    """A text that is neither VietQR nor VNPAY-QR."""


class WrongPayee(QrError):
    """A code that pays another account than the approved account, or whose CRC is invalid."""


class Service(StrEnum):
    """The kind of the consumer id: an account or a card."""

    ACCOUNT = "QRIBFTTA"
    CARD = "QRIBFTTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """Optional fields of a code; an empty field is left out. Letters, digits and inner spaces only.

    `purpose` is the transfer text (62-08); `category` 8062 is hospitals.
    """

    category: str = ""
    merchant_name: str = ""
    city: str = ""
    postal_code: str = ""
    bill_number: str = ""
    store_label: str = ""
    reference_label: str = ""
    customer_label: str = ""
    terminal_label: str = ""
    purpose: str = ""

    def __post_init__(self) -> None:
        if self.category and not _CATEGORY.fullmatch(self.category):
            raise FieldRefused("category", "4 digits are needed")
        for field, length_max in _TEXT_LENGTHS.items():
            value = getattr(self, field)
            if len(value) > length_max:
                raise FieldRefused(field, f"at most {length_max} characters")
            if value and not _PLAIN_TEXT.fullmatch(value):
                raise FieldRefused(field, "ASCII letters, digits and inner spaces only")


_TEXT_LENGTHS = {
    "merchant_name": 25,
    "city": 15,
    "postal_code": 10,
    "bill_number": 25,
    "store_label": 25,
    "reference_label": 25,
    "customer_label": 25,
    "terminal_label": 25,
    "purpose": 25,
}
_ADDITIONAL_TAGS = {
    "01": "bill_number",
    "03": "store_label",
    "05": "reference_label",
    "06": "customer_label",
    "07": "terminal_label",
    "08": "purpose",
}
_NO_PARTICULARS = Particulars()


@dataclass(frozen=True, slots=True, kw_only=True)
class VietQr:
    """A code for a transfer to a bank account or card.

    `amount` is whole đồng, 1 … AMOUNT_MAX, or None if the payer types it. A code with an amount is for one use
    (dynamic) unless `is_reusable`; a code without an amount is always reusable (static).
    """

    bank_bin: str
    account_number: str
    amount: int | None = None
    is_reusable: bool = False
    service: Service = Service.ACCOUNT
    particulars: Particulars = _NO_PARTICULARS

    def __post_init__(self) -> None:
        if not _BIN.fullmatch(self.bank_bin):
            raise FieldRefused("bank_bin", "6 digits are needed")
        if not _ACCOUNT.fullmatch(self.account_number):
            raise FieldRefused("account_number", f"1 to {ACCOUNT_LENGTH_MAX} letters and digits are needed")
        _refuse_amount(self.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class VnpayQr:
    """A code of the VNPAY-QR network, which names a merchant instead of an account."""

    merchant_id: str
    amount: int | None = None
    is_reusable: bool = False
    particulars: Particulars = _NO_PARTICULARS

    def __post_init__(self) -> None:
        if not _MERCHANT_ID.fullmatch(self.merchant_id):
            raise FieldRefused("merchant_id", "1 to 20 letters and digits are needed")
        _refuse_amount(self.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedQr:
    """The fields of a code; None if a field is absent.

    `crc` is as written; `crc_valid` is whether it is correct. `provider_field` is the tag of the payee: 38 for VietQR
    (`bank_bin`, `account_number`), 26 for VNPAY-QR (`merchant_id`). `initiation` is 11 static, 12 dynamic.
    """

    crc: str
    crc_valid: bool
    version: str
    initiation: str
    provider_field: str
    provider_guid: str
    service: str | None
    bank_bin: str | None
    account_number: str | None
    merchant_id: str | None
    amount: int | None
    currency: str
    country: str
    category: str | None
    merchant_name: str | None
    city: str | None
    postal_code: str | None
    bill_number: str | None
    store_label: str | None
    reference_label: str | None
    customer_label: str | None
    terminal_label: str | None
    purpose: str | None


def crc16(text: str) -> str:
    """CRC-16/CCITT-FALSE of an ASCII text, four upper-case hex digits; `123456789` has `29B1`."""
    if not text.isascii():
        raise FieldRefused("text", "ASCII only")
    crc = 0xFFFF
    for byte in text.encode("ascii"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return f"{crc:04X}"


def build_vietqr(code: VietQr) -> str:
    """The payload of a VietQR code, ready to be drawn.

    Raises FieldRefused if the fields together do not fit their template of 99 characters.
    """
    payee = _field("00", code.bank_bin) + _field("01", code.account_number)
    template = _field("00", _VIETQR_GUID) + _field("01", payee) + _field("02", code.service)
    return _build(_field(_VIETQR_TAG, template), code)


def build_vnpay_qr(code: VnpayQr) -> str:
    """The payload of a VNPAY-QR code, ready to be drawn."""
    template = _field("00", _VNPAY_GUID) + _field("01", code.merchant_id)
    return _build(_field(_VNPAY_TAG, template), code)


def parse(payload: str) -> ParsedQr:
    """Read a code. Trailing white space is ignored; the CRC may be lower-case.

    An invalid CRC is reported, not refused. Raises NotAVietQr for everything but a single VietQR or VNPAY-QR in
    đồng: non-ASCII, lengths that do not add up, a tag twice, data after the CRC, two payees.
    """
    text = payload.rstrip(" \t\r\n")
    if not text.isascii() or len(text) > PAYLOAD_LENGTH_MAX:
        raise NotAVietQr(f"a code is ASCII and has at most {PAYLOAD_LENGTH_MAX} characters")
    fields = _split(text)
    _refuse_frame(fields)
    body = text[:-4]
    tag = _payee_tag(fields)
    payee = _read_payee(tag, _split(fields[tag]))
    amount = fields.get("54")
    if amount is not None and not _AMOUNT.fullmatch(amount):
        raise NotAVietQr("tag 54 is no whole amount of at most 13 digits")
    additional = _split(fields.get("62", ""))
    return ParsedQr(
        crc=fields["63"],
        crc_valid=crc16(body) == fields["63"].upper(),
        version=fields["00"],
        initiation=fields["01"],
        provider_field=tag,
        provider_guid=payee["guid"],
        service=payee.get("service"),
        bank_bin=payee.get("bank_bin"),
        account_number=payee.get("account_number"),
        merchant_id=payee.get("merchant_id"),
        amount=None if amount is None else int(amount),
        currency=fields["53"],
        country=fields["58"],
        category=fields.get("52"),
        merchant_name=fields.get("59"),
        city=fields.get("60"),
        postal_code=fields.get("61"),
        bill_number=additional.get("01"),
        store_label=additional.get("03"),
        reference_label=additional.get("05"),
        customer_label=additional.get("06"),
        terminal_label=additional.get("07"),
        purpose=additional.get("08"),
    )


def is_intact(payload: str) -> bool:
    """Whether a text is a readable code with a valid CRC."""
    try:
        return parse(payload).crc_valid
    except NotAVietQr:
        return False


def check_payee(payload: str, *, bank_bin: str, account_number: str) -> ParsedQr:
    """Read a code back before it is shown: it must pay exactly this account.

    Raises WrongPayee for another bank, account or service or an invalid CRC, NotAVietQr for a text that is no code.
    Other faults of a code do no harm; these faults pay another payee.
    """
    parsed = parse(payload)
    if (parsed.bank_bin, parsed.account_number, parsed.service) != (bank_bin, account_number, Service.ACCOUNT):
        raise WrongPayee("the code does not name the approved account")
    if not parsed.crc_valid:
        raise WrongPayee("the CRC of the code does not hold")
    return parsed


def _build(payee: str, code: VietQr | VnpayQr) -> str:
    is_dynamic = code.amount is not None and not code.is_reusable
    stated = code.particulars
    additional = "".join(_field(tag, getattr(stated, name)) for tag, name in _ADDITIONAL_TAGS.items())
    parts = (
        _field("00", "01"),
        _field("01", "12" if is_dynamic else "11"),
        payee,
        _field("52", stated.category),
        _field("53", _CURRENCY),
        _field("54", "" if code.amount is None else str(code.amount)),
        _field("58", _COUNTRY),
        _field("59", stated.merchant_name),
        _field("60", stated.city),
        _field("61", stated.postal_code),
        _field("62", additional),
        _CRC_HEAD,
    )
    body = "".join(parts)
    return body + crc16(body)


def _field(tag: str, value: str) -> str:
    if len(value) > 99:
        raise FieldRefused(f"tag {tag}", "its parts together have more than 99 characters")
    return f"{tag}{len(value):02d}{value}" if value else ""


def _refuse_amount(amount: int | None) -> None:
    if amount is not None and (type(amount) is not int or not 1 <= amount <= AMOUNT_MAX):
        raise FieldRefused("amount", f"a whole number of đồng from 1 to {AMOUNT_MAX} is needed")


def _split(text: str) -> dict[str, str]:
    """The fields of a template by tag, in order; the empty text has no fields."""
    fields: dict[str, str] = {}
    offset = 0
    while offset < len(text):
        if not _TAG_AND_LENGTH.fullmatch(text, offset, offset + 4):
            raise NotAVietQr("a tag and a length of two digits each are needed")
        tag, length = text[offset : offset + 2], int(text[offset + 2 : offset + 4])
        value = text[offset + 4 : offset + 4 + length]
        if length == 0 or len(value) < length:
            raise NotAVietQr(f"tag {tag} is empty or cut")
        if tag in fields:
            raise NotAVietQr(f"tag {tag} stands twice")
        fields[tag] = value
        offset += 4 + length
    return fields


def _refuse_frame(fields: dict[str, str]) -> None:
    tags = list(fields)
    if not tags or tags[0] != "00" or fields["00"] != "01":
        raise NotAVietQr("a code begins with format 01")
    if tags[-1] != "63" or not _CRC.fullmatch(fields["63"]):
        raise NotAVietQr("a code ends with a CRC of four hex digits")
    if fields.get("01") not in {"11", "12"}:
        raise NotAVietQr("tag 01 is neither static nor dynamic")
    if fields.get("53") != _CURRENCY or fields.get("58") != _COUNTRY:
        raise NotAVietQr("a code is in đồng and of Vietnam")


def _payee_tag(fields: dict[str, str]) -> str:
    templates = [tag for tag in fields if "02" <= tag <= "51"]
    if len(templates) != 1 or templates[0] not in {_VIETQR_TAG, _VNPAY_TAG}:
        raise NotAVietQr("exactly one payee, of VietQR or VNPAY-QR, is needed")
    return templates[0]


def _read_payee(tag: str, template: dict[str, str]) -> dict[str, str]:
    guid = template.get("00", "")
    if guid != (_VIETQR_GUID if tag == _VIETQR_TAG else _VNPAY_GUID):
        raise NotAVietQr(f"tag {tag} names another network")
    if tag == _VNPAY_TAG:
        if not _MERCHANT_ID.fullmatch(template.get("01", "")):
            raise NotAVietQr("a VNPAY-QR names a merchant")
        return {"guid": guid, "merchant_id": template["01"]}
    beneficiary = _split(template.get("01", ""))
    bank_bin, account_number = beneficiary.get("00", ""), beneficiary.get("01", "")
    if not _BIN.fullmatch(bank_bin) or not _ACCOUNT.fullmatch(account_number):
        raise NotAVietQr("a VietQR names a bank of 6 digits and an account of at most 19 letters and digits")
    payee = {"guid": guid, "bank_bin": bank_bin, "account_number": account_number}
    return payee | ({"service": template["02"]} if "02" in template else {})
