"""The kinds of discharge blockers: one table with the rule, the role that overrides, the texts and the way out.

A rule lists the subjects that block; each has a test that it blocks and a test of its way out
(tests/visit_accounts/domain/test_discharge.py). Source: docs/visit-accounts.md, Discharge.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, time

from billing.core.actor import Role
from billing.core.clock import VIETNAM
from billing.visit_accounts.domain.bed_days import Bed, find_beds_on_leave, find_doubled_beds, find_missing_days
from billing.visit_accounts.domain.charge import ChargeStage, ChargeState
from billing.visit_accounts.domain.discharge import (
    BlockerKind,
    BlockerRow,
    DischargeFacts,
    DischargeLine,
    OpenItem,
    Rule,
    Subject,
)

_NOT_STARTED = frozenset({ChargeState.ORDERED, ChargeState.CLEARED})
_UNFINISHED = frozenset({ChargeState.ORDERED, ChargeState.CLEARED, ChargeState.STARTED})


def _subject(line: DischargeLine, since: datetime) -> Subject:
    return Subject(line=line.line, since=since, department=line.department, version=line.version)


def _paid_not_performed(facts: DischargeFacts) -> Iterator[Subject]:
    """A drug or sample on its way is listed as such, and a drug that was received is used."""
    for line in facts.lines:
        if line.collected > 0 and line.state in _UNFINISHED and line.stage is ChargeStage.NONE:
            yield _subject(line, line.ordered_at)


def _ordered_not_performed(facts: DischargeFacts) -> Iterator[Subject]:
    """An order that nobody paid and no room has started: the final bill would charge it all the same."""
    for line in facts.lines:
        if line.collected == 0 and line.state in _NOT_STARTED and line.stage is ChargeStage.NONE:
            yield _subject(line, line.ordered_at)


def _performed_not_priced(facts: DischargeFacts) -> Iterator[Subject]:
    for line in facts.lines:
        if line.state is ChargeState.PERFORMED and not line.is_priced:
            yield _subject(line, line.performed_at or line.changed_at)


def _in_stage(stage: ChargeStage, *states: ChargeState) -> Rule:
    """Lines in a stage of their logistics, in one of these states."""

    def rule(facts: DischargeFacts) -> Iterator[Subject]:
        for line in facts.lines:
            if line.stage is stage and line.state in states:
                yield _subject(line, line.changed_at)

    return rule


def _charge_version_gap(facts: DischargeFacts) -> Iterator[Subject]:
    for line in facts.lines:
        if line.gap_since is not None:
            yield _subject(line, line.gap_since)


def _header_version_gap(facts: DischargeFacts) -> Iterator[Subject]:
    if facts.header_gap is not None:
        yield _open_item(facts.header_gap)


def _open_item(item: OpenItem) -> Subject:
    return Subject(line=item.reference, since=item.since, version=item.version)


def _qr_waiting(facts: DischargeFacts) -> Iterator[Subject]:
    return map(_open_item, facts.intents)


def _deposit_request_open(facts: DischargeFacts) -> Iterator[Subject]:
    return map(_open_item, facts.requests)


def _guarantee_unconfirmed(facts: DischargeFacts) -> Iterator[Subject]:
    return map(_open_item, facts.guarantees)


def _bed_day_missing(facts: DischargeFacts) -> Iterator[Subject]:
    for day in [] if facts.stay is None else find_missing_days(facts.stay, facts.beds):
        yield Subject(line=day.isoformat(), since=datetime.combine(day, time(), tzinfo=VIETNAM))


def _bed_day_on_leave(facts: DischargeFacts) -> Iterator[Subject]:
    return map(_bed, [] if facts.stay is None else find_beds_on_leave(facts.stay, facts.beds))


def _bed(bed: Bed) -> Subject:
    return Subject(line=bed.line, since=bed.recorded_at, department=bed.department, version=bed.version)


def _bed_day_doubled(facts: DischargeFacts) -> Iterator[Subject]:
    return map(_bed, find_doubled_beds(facts.stay, facts.beds))


def _row(kind: BlockerKind, rule: Rule, *, title: Mapping[str, str], way_out: Mapping[str, str]) -> BlockerRow:
    return BlockerRow(kind=kind, rule=rule, may_override=Role.HEAD_CASHIER, title=title, way_out=way_out)


BLOCKER_KINDS = (
    _row(
        BlockerKind.PAID_NOT_PERFORMED,
        _paid_not_performed,
        title={"vi": "Đã thu tiền nhưng chưa thực hiện", "en": "Paid but not performed"},
        way_out={
            "vi": "Khoa thực hiện báo đã làm; hoặc hủy chỉ định để hoàn tiền.",
            "en": "The department reports the service as performed, or cancels the order and the money is returned.",
        },
    ),
    _row(
        BlockerKind.ORDERED_NOT_PERFORMED,
        _ordered_not_performed,
        title={"vi": "Đã chỉ định nhưng chưa thực hiện", "en": "Ordered but not performed"},
        way_out={
            "vi": "Khoa thực hiện báo đã làm; hoặc hủy chỉ định.",
            "en": "The department reports the service as performed, or cancels the order.",
        },
    ),
    _row(
        BlockerKind.PERFORMED_NOT_PRICED,
        _performed_not_priced,
        title={"vi": "Đã thực hiện nhưng chưa có giá", "en": "Performed but not priced"},
        way_out={
            "vi": "Bổ sung giá hoặc sửa dòng chi phí rồi tính lại.",
            "en": "Add the price or correct the charge; the visit is then priced again.",
        },
    ),
    _row(
        BlockerKind.DRUG_REQUESTED,
        _in_stage(ChargeStage.REQUESTED, *_UNFINISHED, ChargeState.PERFORMED),
        title={"vi": "Thuốc, vật tư đã đề nghị lĩnh, kho chưa cấp", "en": "Drug or supply requested, not issued yet"},
        way_out={
            "vi": "Kho dược cấp phát, khoa xác nhận đã nhận; hoặc hủy phiếu lĩnh.",
            "en": "The pharmacy issues it and the ward confirms it, or the request is cancelled.",
        },
    ),
    _row(
        BlockerKind.DRUG_ISSUED,
        _in_stage(ChargeStage.ISSUED, *_UNFINISHED, ChargeState.PERFORMED),
        title={"vi": "Thuốc, vật tư đã cấp, khoa chưa xác nhận", "en": "Drug or supply issued, not confirmed yet"},
        way_out={
            "vi": "Khoa xác nhận đã nhận, hoặc trả lại kho.",
            "en": "The ward confirms that it was received, or returns it.",
        },
    ),
    _row(
        BlockerKind.DRUG_RETURNING,
        _in_stage(ChargeStage.RETURNING, *ChargeState),
        title={"vi": "Thuốc, vật tư đang hoàn trả", "en": "Drug or supply on its way back"},
        way_out={
            "vi": "Kho dược xác nhận đã nhận lại.",
            "en": "The pharmacy confirms that it came back.",
        },
    ),
    _row(
        BlockerKind.SAMPLE_NOT_SENT,
        _in_stage(ChargeStage.SAMPLE_DUE, *_UNFINISHED),
        title={"vi": "Mẫu bệnh phẩm chưa gửi", "en": "Sample not sent"},
        way_out={
            "vi": "Lấy và gửi mẫu, hoặc hủy chỉ định.",
            "en": "Take and send the sample, or cancel the order.",
        },
    ),
    _row(
        BlockerKind.CHARGE_VERSION_GAP,
        _charge_version_gap,
        title={"vi": "Thiếu một phiên bản của dòng chi phí", "en": "A version of the charge is missing"},
        way_out={
            "vi": "Phần mềm gửi lại phiên bản còn thiếu.",
            "en": "The sending system sends the missing version again.",
        },
    ),
    _row(
        BlockerKind.HEADER_VERSION_GAP,
        _header_version_gap,
        title={"vi": "Thiếu một phiên bản của hồ sơ lượt khám", "en": "A version of the visit header is missing"},
        way_out={
            "vi": "Phần mềm gửi lại phiên bản còn thiếu.",
            "en": "The sending system sends the missing version again.",
        },
    ),
    _row(
        BlockerKind.QR_WAITING,
        _qr_waiting,
        title={"vi": "Mã QR đang chờ thanh toán", "en": "A payment code is waiting for money"},
        way_out={
            "vi": "Chờ tiền về, hoặc hủy mã; mã hết hạn không chặn.",
            "en": "Wait for the money, or cancel the code; an expired code does not block.",
        },
    ),
    _row(
        BlockerKind.DEPOSIT_REQUEST_OPEN,
        _deposit_request_open,
        title={"vi": "Phiếu đề nghị thu chưa xong", "en": "A deposit request is open"},
        way_out={
            "vi": "Thu tiền theo đề nghị, hoặc rút đề nghị.",
            "en": "Collect the request, or withdraw it.",
        },
    ),
    _row(
        BlockerKind.GUARANTEE_UNCONFIRMED,
        _guarantee_unconfirmed,
        title={"vi": "Bảo lãnh chưa được xác nhận", "en": "A guarantee is not confirmed"},
        way_out={
            "vi": "Bên bảo lãnh xác nhận hoặc từ chối, hoặc rút bảo lãnh.",
            "en": "The guarantor confirms or rejects it, or it is withdrawn.",
        },
    ),
    _row(
        BlockerKind.BED_DAY_MISSING,
        _bed_day_missing,
        title={"vi": "Thiếu ngày giường", "en": "A bed day is missing"},
        way_out={
            "vi": "Bổ sung ngày giường, hoặc ghi nhận ngày nghỉ của người bệnh.",
            "en": "Add the bed day, or record the day as leave.",
        },
    ),
    _row(
        BlockerKind.BED_DAY_ON_LEAVE,
        _bed_day_on_leave,
        title={"vi": "Tính giường trong ngày người bệnh nghỉ", "en": "A bed day is charged on a day of leave"},
        way_out={
            "vi": "Hủy dòng giường của ngày nghỉ, hoặc sửa ngày nghỉ.",
            "en": "Cancel the bed of that day, or correct the days of leave.",
        },
    ),
    _row(
        BlockerKind.BED_DAY_DOUBLED,
        _bed_day_doubled,
        title={"vi": "Trùng ngày giường", "en": "A bed day is charged twice"},
        way_out={
            "vi": "Hủy dòng giường bị trùng, hoặc chia ngày chuyển khoa thành hai nửa.",
            "en": "Cancel the second bed, or charge a day in two departments as two halves.",
        },
    ),
)
"""Every kind of blocker, in the order in which a clearance lists them."""
