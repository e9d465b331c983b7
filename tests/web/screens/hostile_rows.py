"""Hostile text in every place of the database where a person, a payer or another system writes free text."""

import json
from typing import Any

import asyncpg

from tests.conftest import DatabaseAddress

HOSTILE = "=cmd|'/C calc'!A0\"'><x-evil onx=1>\u202e\u0007\u200f&lt;{{7*7}}"
"""A formula, the end of an attribute, markup, marks of direction, a control character, an entity, a template."""

VISIBLE = "".join(letter for letter in HOSTILE if letter.isprintable())
"""What a price list may contain: its reader rejects characters that nobody sees."""

FREE_TEXTS: dict[str, tuple[str, ...]] = {
    "bank_account": ("holder",),
    "bank_deposit": ("slip",),
    "bank_trace_note": ("text", "document"),
    "card_terminal": ("name",),
    "charge_cancellation": ("reason",),
    "charge_item": ("order_number", "department"),
    "debt": ("reason",),
    "desk": ("name",),
    "discharge_override": ("reason",),
    "exception_comment": ("text",),
    "exception_decision": ("reason",),
    "exemption": ("reason",),
    "facility": ("name",),
    "guarantee": ("reference", "payer"),
    "guarantee_payment": ("payer",),
    "guarantee_receivable": ("payer",),
    "hand_over": ("decision_reason", "notes"),
    "integration_message": ("detail", "source"),
    "invoice_line": ("unit", "name", "department"),
    "ledger_number": ("name",),
    "line_refund": ("room_confirmation", "reason"),
    "match": ("reason", "ended_reason"),
    "organization": ("name",),
    "patient_merge": ("reason",),
    "payment": ("bank_reference",),
    "payment_origin": ("payer_bank", "payer_account", "payer_name", "transfer_text"),
    "person": ("name",),
    "posting": ("department", "payer"),
    "price_difference": ("vendor", "field"),
    "receipt": ("void_reason",),
    "receipt_void": ("reason",),
    "reconciliation_import": ("refusal", "file_name"),
    "refund": ("reason",),
    "refund_destination": ("holder",),
    "shift": ("difference_reason", "forced_reason"),
    "shift_event": ("reason",),
    "statement_line": ("sheet", "bank_reference"),
    "statement_line_text": ("counterparty_account", "counterparty_bank", "text", "counterparty_name"),
    "tariff": ("name",),
    "tariff_item": ("unit", "name"),
    "visit_account": ("price_error", "department"),
    "visit_patient": ("address", "name", "phone"),
    "visit_reopening": ("reason",),
}
_WRITE = "UPDATE {table} SET {column} = $1 || left(md5(random()::text), 6) WHERE coalesce({column}, '') <> ''"
_DOCUMENTS = ("charge_item", "debt_guarantor", "patient_identity", "receipt_print", "shift_minutes", "visit_header")


async def write_hostile_texts(database: DatabaseAddress) -> list[str]:
    """Replace free texts that are not empty; returns the columns whose rules do not admit such a text."""
    assert database.superuser_url is not None, "marked own_server"
    connection = await asyncpg.connect(database.superuser_url)
    refused = []
    try:
        await connection.execute("SET session_replication_role = replica")  # without guards against changes
        for table, columns in FREE_TEXTS.items():
            for column in columns:
                statement = _WRITE.format(table=table, column=column)
                try:
                    await connection.execute(statement, VISIBLE if table.startswith("tariff") else HOSTILE)
                except asyncpg.IntegrityConstraintViolationError:
                    refused.append(f"{table}.{column}")
        for table in _DOCUMENTS:
            for row in await connection.fetch(f"SELECT ctid, document FROM {table}"):
                document = json.dumps(_with_hostile_texts(json.loads(row["document"])))
                await connection.execute(f"UPDATE {table} SET document = $2 WHERE ctid = $1", row["ctid"], document)
    finally:
        await connection.close()
    return refused


def _with_hostile_texts(value: Any) -> Any:
    """A document whose texts of several words are hostile; codes, numbers and times stay."""
    if isinstance(value, dict):
        return {name: _with_hostile_texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_hostile_texts(each) for each in value]
    return HOSTILE if isinstance(value, str) and " " in value else value
