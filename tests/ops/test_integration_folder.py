"""Dropped files: complete ones are processed, a crash in the middle changes nothing of the result."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from billing.core.actor import Actor
from billing.db.database import Database
from billing.ops import integration_folder
from billing.ops.integration_folder import FolderReader, IntegrationFolder
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.message import Channel, Message, MessageKind
from billing.visit_accounts.service.visit_messages import put_visit
from tests.builders import FACILITY_CODE, DemoHospital, build_context
from tests.web.live_visit import header

HEADER = "MA_LK,line,version,order_number,state,table,name,MA_NHOM,PHAM_VI,SO_LUONG,DON_GIA_BV,DON_GIA_BH\n"


def row(line: str, *, ma_lk: str = "LK0001", quantity: str = "1", version: str = "1", state: str = "ordered") -> str:
    return f"{ma_lk},{line},{version},XN-{line},{state},XML3,Xét nghiệm,1,1,{quantity},450000,450000\n"


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
async def context(app_database: Database, hospital: DemoHospital) -> PaymentContext:
    built = build_context(app_database)
    message = Message(
        channel=Channel.HTTP,
        kind=MessageKind.VISIT,
        facility_code=FACILITY_CODE,
        ma_lk="LK0001",
        document=json_of(header()),
        received_at=built.clock(),
    )
    await put_visit(built, hospital.organization_id, message, actor=Actor.system())
    return built


def json_of(document: dict[str, Any]) -> str:
    return json.dumps(document)


def reader(context: PaymentContext, hospital: DemoHospital, path: Path) -> FolderReader:
    folder = IntegrationFolder(organization_id=hospital.organization_id, facility_code=FACILITY_CODE, path=path)
    return FolderReader(context, [folder], quiet_s=0.0)


async def state_of(context: PaymentContext, hospital: DemoHospital) -> dict[str, Any]:
    async with context.database.transaction(hospital.organization_id) as tx:
        return {
            "charges": [
                tuple(each) for each in await tx.fetch("SELECT line, version, state FROM charge_item ORDER BY 1")
            ],
            "share": await tx.fetchval("SELECT patient_share FROM visit_account"),
            "inbox": [
                tuple(each)
                for each in await tx.fetch(
                    "SELECT kind, line, outcome, error_code, field FROM integration_message WHERE channel = 'folder'"
                    " ORDER BY kind, line"
                )
            ],
        }


def names(path: Path) -> list[str]:
    """The files of a folder without their ids."""
    return sorted(f"{each.name.partition('.')[0]}.{each.name.split('.', 2)[2]}" for each in path.iterdir())


async def test_a_complete_file_is_processed_and_done(
    context: PaymentContext, hospital: DemoHospital, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(HEADER + row("L1") + row("L2", state="performed"), "utf-8")
    folder = reader(context, hospital, tmp_path)

    assert await folder.run_once() == 0  # seen for the first time: it may still grow
    assert await folder.run_once() == 1

    assert names(tmp_path / "done") == ["a.csv"]
    state = await state_of(context, hospital)
    assert state["charges"] == [("L1", 1, "ordered"), ("L2", 1, "performed")]
    assert state["share"] == 180_000
    assert [each[:3] for each in state["inbox"]] == [
        ("charge", "L1", "accepted"),
        ("charge", "L2", "accepted"),
        ("file", "", "accepted"),
    ]


async def test_a_growing_file_is_not_read(context: PaymentContext, hospital: DemoHospital, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + row("L1"), "utf-8")
    folder = reader(context, hospital, tmp_path)
    await folder.run_once()
    with path.open("a", encoding="utf-8") as file:
        file.write(row("L2"))

    assert await folder.run_once() == 0
    assert await folder.run_once() == 1
    assert len((await state_of(context, hospital))["charges"]) == 2


async def test_a_file_with_a_wrong_row_fails_with_row_and_column_and_the_others_count(
    context: PaymentContext, hospital: DemoHospital, tmp_path: Path
) -> None:
    content = HEADER + row("L1") + row("L2", quantity="-1") + row("L3", ma_lk="LK9")
    (tmp_path / "a.csv").write_text(content, "utf-8")
    folder = reader(context, hospital, tmp_path)
    await folder.run_once()
    await folder.run_once()

    assert names(tmp_path / "failed") == ["a.csv", "a.errors.csv"]
    [errors] = (tmp_path / "failed").glob("*.errors.csv")
    lines = errors.read_text("utf-8").splitlines()
    assert lines[0] == "row,column,code,detail"
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["3", "SO_LUONG", "invalid_value"],
        ["4", "ma_lk", "unknown_visit"],
    ]
    state = await state_of(context, hospital)
    assert state["charges"] == [("L1", 1, "ordered")]
    assert ("file", "", "rejected", "rows_rejected", "") in state["inbox"]


@pytest.mark.parametrize(
    ("content", "column", "detail"),
    [
        (b"\xff\xfe", "", "UTF-8"),
        (b"", "", "empty"),
        (b"MA_LK,line,version,tabel\n", "tabel", "not known"),
        (b"MA_LK,line,table\n", "version", "missing"),
        (b"MA_LK,line,version,table,line\n", "line", "twice"),
    ],
)
async def test_an_unreadable_file_fails_with_its_column(
    context: PaymentContext, hospital: DemoHospital, tmp_path: Path, content: bytes, column: str, detail: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    folder = reader(context, hospital, tmp_path)
    await folder.run_once()
    await folder.run_once()

    [errors] = (tmp_path / "failed").glob("*.errors.csv")
    line = errors.read_text("utf-8").splitlines()[1]
    assert line.startswith(f"1,{column},file_unreadable,")
    assert detail in line


@pytest.mark.parametrize("after", range(5))
async def test_a_crash_in_the_middle_changes_nothing_of_the_result(
    context: PaymentContext, hospital: DemoHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    content = HEADER + row("L1") + row("L2", quantity="x") + row("L3") + row("L1", version="2", state="started")
    (tmp_path / "a.csv").write_text(content, "utf-8")
    await crash(reader(context, hospital, tmp_path), monkeypatch, after)

    restarted = reader(context, hospital, tmp_path)
    await restarted.run_once()
    await restarted.run_once()

    assert names(tmp_path / "failed") == ["a.csv", "a.errors.csv"]
    assert list((tmp_path / "working").iterdir()) == []
    assert await state_of(context, hospital) == {
        "charges": [("L1", 2, "started"), ("L3", 1, "ordered")],
        "share": 180_000,
        "inbox": [
            ("charge", "L1", "accepted", "", ""),
            ("charge", "L1", "accepted", "", ""),
            ("charge", "L2", "rejected", "invalid_value", "item.SO_LUONG"),
            ("charge", "L3", "accepted", "", ""),
            ("file", "", "rejected", "rows_rejected", ""),
        ],
    }


async def crash(folder: FolderReader, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """End the process after so many rows; after 4, when the file is in the inbox and not yet moved."""
    processed = 0
    put_charges = integration_folder.put_charges

    async def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal processed
        if processed == after:
            raise Crash
        processed += 1
        return await put_charges(*arguments, **options)

    def ended(*_: object) -> None:
        raise Crash

    await folder.run_once()
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(integration_folder, "put_charges", counting)
        patched.setattr(integration_folder, "_finish", ended)
        await folder.run_once()


async def test_two_readers_process_a_file_once(context: PaymentContext, hospital: DemoHospital, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + row("L1") + row("L2"), "utf-8")
    readers = [reader(context, hospital, tmp_path) for _ in range(3)]
    for each in readers:
        await each.run_once()
    processed = await asyncio.gather(*(each.run_once() for each in readers))

    assert sum(processed) == 1
    assert len((await state_of(context, hospital))["inbox"]) == 3


async def test_the_same_file_dropped_again_changes_nothing(
    context: PaymentContext, hospital: DemoHospital, tmp_path: Path
) -> None:
    folder = reader(context, hospital, tmp_path)
    for _ in range(2):
        (tmp_path / "a.csv").write_text(HEADER + row("L1"), "utf-8")
        await folder.run_once()
        await folder.run_once()

    assert names(tmp_path / "done") == ["a.csv", "a.csv"]
    outcomes = [each[2] for each in (await state_of(context, hospital))["inbox"] if each[0] == "charge"]
    assert sorted(outcomes) == ["accepted", "unchanged"]


async def test_a_file_of_another_program_in_the_working_folder_is_left_alone(
    context: PaymentContext, hospital: DemoHospital, tmp_path: Path
) -> None:
    folder = reader(context, hospital, tmp_path)
    await folder.run_once()
    foreign = tmp_path / "working" / "no-id.csv"
    foreign.write_text(HEADER + row("L1"), "utf-8")

    assert await folder.run_once() == 0

    assert foreign.exists()
    assert (await state_of(context, hospital))["charges"] == []
