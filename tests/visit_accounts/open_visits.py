"""Open visits with charge items, deposits and requests, written as rows of the database."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.core.ids import OrganizationId, VisitId
from billing.db.context import Context
from tests.builders import FACILITY_CODE

ORGANIZATION = OrganizationId(1)

_ADD_VISIT = """
    WITH facility AS (SELECT id FROM facility WHERE organization_id = 1 AND code = $3), visit AS (
        INSERT INTO visit (organization_id, id, facility_id, ma_lk, version, admitted_at, created_at)
        SELECT 1, $1, id, $4, 1, $5, $5 FROM facility
    ), patient AS (
        INSERT INTO patient (organization_id, id, is_unknown, created_at) VALUES (1, $2, false, $5)
    )
    INSERT INTO visit_account (organization_id, visit_id, facility_id, ma_lk, patient_id, state, version,
        sender_version, is_inpatient, is_emergency, department, opened_at)
    SELECT 1, $1, id, $4, $2, 'open', 1, 1, $6, $7, 'K01', $5 FROM facility
"""

_ADD_CHARGE = """
    INSERT INTO charge_item (organization_id, visit_id, line, facility_id, order_number, version, gap_since, kind,
        state, stage, is_elective, is_emergency, department, stt, document, patient_amount, insurer_amount, ordered_at,
        cleared_at, started_at, performed_at, cancelled_at, changed_at)
    SELECT 1, $1, $2, facility_id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
        CASE WHEN $7 = 'cleared' THEN $16::timestamptz END, CASE WHEN $7 = 'started' THEN $16::timestamptz END,
        CASE WHEN $7 = 'performed' THEN $16::timestamptz END, NULL, $16
    FROM visit_account WHERE organization_id = 1 AND visit_id = $1
"""


@dataclass(slots=True)
class OpenVisit:
    """One visit; `add` orders a line, `change` sets columns of a line, `collect` pays lines, `advance` the rest."""

    context: Context
    id: VisitId
    deposit_id: UUID | None = None
    lines: list[str] = field(default_factory=list)

    async def execute(self, query: str, *arguments: object) -> None:
        async with self.context.database.transaction(ORGANIZATION) as tx:
            await tx.execute(query, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:
        async with self.context.database.transaction(ORGANIZATION) as tx:
            return await tx.fetchval(query, *arguments)

    async def add(
        self, line: str = "L1", *, order: str = "ORDER-1", patient: int | None = 100_000, **fields: Any
    ) -> None:
        values = {
            "version": 1, "gap_since": None, "kind": "service", "state": "ordered", "stage": "", "is_elective": False,
            "is_emergency": False, "department": "K01", "document": {}, "insurer": 0, "at": self.context.clock(),
            **fields,
        }  # fmt: skip
        self.lines.append(line)
        await self.execute(
            _ADD_CHARGE,
            self.id,
            line,
            order,
            *(values[name] for name in ("version", "gap_since", "kind", "state", "stage", "is_elective")),
            values["is_emergency"],
            values["department"],
            len(self.lines),
            values["document"],
            patient,
            None if patient is None else values["insurer"],
            values["at"],
        )

    async def bed(self, line: str, on: str, *, quantity: str = "1", scope: str = "1", **fields: Any) -> None:
        document = {"NGAY_YL": f"{on}0800", "SO_LUONG": quantity, "PHAM_VI": scope, "MA_DICH_VU": "K02.1907"}
        await self.add(line, order="", kind="bed", state="performed", document=document, **fields)

    async def change(self, line: str, **columns: object) -> None:
        """Set columns of a line, as a later version of the sender does."""
        names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 3))
        await self.execute(
            f"UPDATE charge_item SET {names} WHERE organization_id = 1 AND visit_id = $1 AND line = $2",
            self.id, line, *columns.values(),
        )  # fmt: skip

    async def perform(self, line: str) -> None:
        await self.change(line, state="performed", performed_at=self.context.clock())

    async def cancel(self, line: str) -> None:
        await self.change(line, state="cancelled", cancelled_at=self.context.clock())

    async def account(self, **columns: object) -> None:
        names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
        await self.execute(
            f"UPDATE visit_account SET {names} WHERE organization_id = 1 AND visit_id = $1",
            self.id, *columns.values(),
        )  # fmt: skip

    async def header(self, **document: object) -> None:
        await self.execute(
            "INSERT INTO visit_header (organization_id, visit_id, document) VALUES (1, $1, $2) "
            "ON CONFLICT (organization_id, visit_id) DO UPDATE SET document = excluded.document",
            self.id, document,
        )  # fmt: skip

    async def close(self) -> None:
        await self.account(state="closed", ended_at=self.context.clock())

    async def deposit(self) -> UUID:
        if self.deposit_id is None:
            self.deposit_id = self.context.ids.new()
            await self.execute(
                "INSERT INTO deposit (organization_id, id, visit_id, state, version, opened_at) "
                "VALUES (1, $1, $2, 'open', 1, $3)",
                self.deposit_id, self.id, self.context.clock(),
            )  # fmt: skip
        return self.deposit_id

    async def receive(self, amount: int) -> None:
        """Money of the deposit that no order line is named for."""
        await self.execute(
            "UPDATE deposit SET received = received + $2, held = held + $2 WHERE organization_id = 1 AND id = $1",
            await self.deposit(), amount,
        )  # fmt: skip

    async def request(self, **lines: int) -> UUID:
        """Request the payment of lines."""
        request_id = self.context.ids.new()
        await self.execute(
            "INSERT INTO deposit_request (organization_id, id, deposit_id, kind, state, version, amount, "
            "proposed_amount, requested_at) VALUES (1, $1, $2, 'order_lines', 'requested', 1, $3, $3, $4)",
            request_id, await self.deposit(), sum(lines.values()), self.context.clock(),
        )  # fmt: skip
        await self.execute(
            "INSERT INTO deposit_request_line (organization_id, request_id, visit_id, line, amount) "
            "SELECT 1, $1, $2, line, amount FROM unnest($3::text[], $4::bigint[]) AS t (line, amount)",
            request_id, self.id, list(lines), list(lines.values()),
        )  # fmt: skip
        return request_id

    async def pay(self, request_id: UUID) -> None:
        """Pay all of a request."""
        amount = await self.value(
            "SELECT amount FROM deposit_request WHERE organization_id = 1 AND id = $1", request_id
        )
        await self.execute(
            "UPDATE deposit_request SET state = 'paid', received = amount WHERE organization_id = 1 AND id = $1",
            request_id,
        )
        await self.receive(amount)

    async def withdraw(self, request_id: UUID) -> None:
        await self.execute(
            "UPDATE deposit_request SET state = 'withdrawn' WHERE organization_id = 1 AND id = $1", request_id
        )

    async def collect(self, **lines: int) -> UUID:
        """Request the payment of lines, and pay it."""
        request_id = await self.request(**lines)
        await self.pay(request_id)
        return request_id

    async def intent(self, *, is_standing: bool = False, expires_at: datetime | None = None) -> UUID:
        """Open a code for the deposit."""
        intent_id = self.context.ids.new()
        await self.execute(
            "INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, "
            "created_at, expires_at, deposit_id, is_standing) SELECT 1, $1, id, $2, 'created', 1, $3, $4, $5, $6, $7 "
            "FROM provider_account WHERE organization_id = 1 LIMIT 1",
            intent_id, _reference(intent_id), 0 if is_standing else 50_000, self.context.clock(),
            expires_at or self.context.clock() + timedelta(hours=1), await self.deposit(), is_standing,
        )  # fmt: skip
        return intent_id

    async def end_intent(self, intent_id: UUID, state: str = "cancelled") -> None:
        await self.execute("UPDATE intent SET state = $2 WHERE organization_id = 1 AND id = $1", intent_id, state)


def _reference(intent_id: UUID) -> str:
    letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    return "".join(letters[intent_id.int >> (5 * place) & 31] for place in range(9))


async def open_visit(
    context: Context, ma_lk: str = "LK0001", *, is_inpatient: bool = False, is_emergency: bool = False
) -> OpenVisit:
    """An open visit without charges."""
    visit = OpenVisit(context, VisitId(context.ids.new()))
    await visit.execute(
        _ADD_VISIT,
        visit.id,
        context.ids.new(),
        FACILITY_CODE,
        ma_lk,
        context.clock(),
        is_inpatient,
        is_emergency,
    )
    return visit
