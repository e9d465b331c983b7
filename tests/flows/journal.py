"""The entries of a hospital's journal in the words of docs/visit-accounts.md, Accounts."""

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import asyncpg

from billing.ledger.domain.accounts import CHART, AccountRole
from tests.web.site import Site

Move = tuple[str, str, str]
"""The kind of an entry, the account that it debits and the account that it credits."""

_NAMES: Mapping[AccountRole, str] = {
    AccountRole.RECEIVABLE_PATIENT: "patient",
    AccountRole.RECEIVABLE_INSURER: "insurer",
    AccountRole.RECEIVABLE_OTHER: "other funds",
    AccountRole.RECEIVABLE_PRIVATE: "private insurer",
    AccountRole.RECEIVABLE_GUARANTOR: "guarantor",
    AccountRole.REVENUE: "revenue",
    AccountRole.UNALLOCATED: "unallocated",
    AccountRole.PATIENT_CREDIT: "credit",
    AccountRole.UNEXPLAINED_OUTFLOW: "unmatched outflow",
    AccountRole.CASH_DRAWER: "drawer",
    AccountRole.SAFE: "safe",
    AccountRole.CASH_IN_TRANSIT: "cash in transit",
    AccountRole.BANK: "bank",
    AccountRole.CASH_ROUNDING: "rounding",
    AccountRole.CASH_SHORT: "short",
    AccountRole.CASH_OVER: "over",
    AccountRole.DEPOSIT: "deposit",
    AccountRole.REFUND_IN_TRANSIT: "refund in transit",
    AccountRole.EXEMPTION: "exemption",
    AccountRole.BAD_DEBT: "bad debt",
    AccountRole.PAYMENT_FEES: "fees",
    AccountRole.TOLERANCE_DIFFERENCE: "tolerance difference",
}

_POSTINGS = """
    SELECT entry.id AS entry_id, entry.kind, debit.role AS debit_role, debit.subject AS debit_subject,
        credit.role AS credit_role, credit.subject AS credit_subject
    FROM posting
    JOIN journal_entry AS entry ON entry.organization_id = 1 AND entry.id = posting.entry_id
    JOIN ledger_account AS debit ON debit.organization_id = 1 AND debit.id = posting.debit_account_id
    JOIN ledger_account AS credit ON credit.organization_id = 1 AND credit.id = posting.credit_account_id
    WHERE posting.organization_id = 1
"""

_PAGE = Path(__file__).parents[2] / "docs" / "visit-accounts.md"
_ROW = re.compile(r"\|[^|]*\| `(\w+)` \| ([^|]+) \| ([^|]+) \|")


async def read_moves(site: Site) -> dict[str, list[Move]]:
    """The postings of each entry."""
    subjects = {
        str(row["id"]): name
        for name, statement in (
            ("card terminal", "SELECT id FROM card_terminal"),
            ("bank account", "SELECT id FROM bank_account"),
            ("provider", "SELECT id FROM provider_account"),
        )
        for row in await site.as_owner(statement)
    }
    moves: dict[str, list[Move]] = {}
    for row in await site.as_owner(_POSTINGS):
        move = (row["kind"], _label(row, "debit", subjects), _label(row, "credit", subjects))
        moves.setdefault(str(row["entry_id"]), []).append(move)
    return moves


def _label(row: asyncpg.Record, side: str, subjects: Mapping[str, str]) -> str:
    role = AccountRole(row[f"{side}_role"])
    name = subjects[row[f"{side}_subject"]] if role is AccountRole.CLEARING else _NAMES[role]
    return f"{CHART[role].number} {name}"


def documented_moves() -> set[Move]:
    """The table of the page: each account of the column debit with each of the column credit."""
    section = _PAGE.read_text("utf-8").partition("\n## Accounts\n")[2].partition("\n## ")[0]
    rows = [found.groups() for found in map(_ROW.fullmatch, section.splitlines()) if found]
    assert rows, "the page has a table of entries"
    return {
        (kind, debit, credit)
        for kind, debits, credits in rows
        for debit, credit in product(debits.split(", "), credits.split(", "))
    }
