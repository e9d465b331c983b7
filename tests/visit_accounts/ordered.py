"""An open visit with orders that nobody has performed or paid, as a hospital's system sends them."""

import json
from collections.abc import Mapping
from typing import Any

from billing.core.actor import Actor
from billing.core.ids import OrganizationId, VisitId
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.message import Channel, Message, MessageKind
from billing.visit_accounts.service.visit_messages import put_charges, put_visit
from tests.builders import FACILITY_CODE, service_line

ORGANIZATION = OrganizationId(1)
CARD = {"code": "DN4791234567890", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
PATIENT = {"HO_TEN": "Nguyễn Văn An", "NGAY_SINH": "19580312", "GIOI_TINH": "1", "SO_CCCD": "001058000001"}
LINES = {"L1": ("PK-1", "Khám Nội", "50000", 13), "L2": ("XN-1", "Xét nghiệm", "450000", 1)}
"""The patient pays 20 % of 500 000: 10 000 for L1 and 90 000 for L2."""


async def order_visit(
    context: PaymentContext,
    ma_lk: str = "LK0001",
    *,
    lines: Mapping[str, tuple[str, str, str, int]] = LINES,
    patient: Mapping[str, Any] = PATIENT,
    **header: object,
) -> VisitId:
    """Open a visit of an insured patient with lines: (order number, name, price, cost group) by line id."""
    document = {
        "version": 1,
        "MA_LOAI_KCB": "01",
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": "202611020800",
        "cards": [CARD],
        "patient": dict(patient),
        **header,
    }
    opened = await put_visit(
        context, ORGANIZATION, _message(context, MessageKind.VISIT, ma_lk, document), actor=Actor.system()
    )
    if lines:
        await order_lines(context, ma_lk, lines)
    return opened.account.visit_id


async def order_lines(
    context: PaymentContext, ma_lk: str, lines: Mapping[str, tuple[str, str, str, int]], *, version: int = 1
) -> None:
    """Order lines of an open visit."""
    charges = []
    for line, (number, name, price, group) in lines.items():
        item = service_line(1, name=name, group=group, price=price)
        del item["stt"]
        charges.append({"line": line, "version": version, "order_number": number, "item": item})
    message = _message(context, MessageKind.CHARGES, ma_lk, {"charges": charges})
    await put_charges(context, ORGANIZATION, message, actor=Actor.system())


def _message(context: PaymentContext, kind: MessageKind, ma_lk: str, document: Mapping[str, Any]) -> Message:
    return Message(
        channel=Channel.HTTP,
        kind=kind,
        facility_code=FACILITY_CODE,
        ma_lk=ma_lk,
        document=json.dumps(document),
        received_at=context.clock(),
    )
