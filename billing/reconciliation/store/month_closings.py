"""Closed months with their certificates, and the days that a month certifies."""

import zlib
from datetime import date, datetime

from billing.core.actor import Actor
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.month_closing import CertifiedDay, MonthClosing, MonthContent

_CLOSINGS = """
    SELECT month, closed_at, coalesce(acting_for, CASE WHEN actor_kind = 'person' THEN actor_id END) AS closed_by, days,
        entries, amount
    FROM month_closing WHERE organization_id = $1 AND ($2::date IS NULL OR month = $2)
    ORDER BY month DESC LIMIT $3
"""


async def read_month_closings(tx: Transaction, *, limit: int, month: date | None = None) -> list[MonthClosing]:
    """Closed months, the newest first; only one of them with `month`, its first day."""
    rows = await tx.fetch(_CLOSINGS, tx.organization_id, month, limit)
    return [read_row(MonthClosing, row) for row in rows]


_EARLIER_OPEN = """
    SELECT date_trunc('month', min(earlier.day))::date FROM business_day AS earlier
    WHERE earlier.organization_id = $1 AND earlier.day < $2 AND NOT EXISTS (SELECT FROM month_closing AS closed
        WHERE closed.organization_id = $1 AND closed.month = date_trunc('month', earlier.day)::date)
"""


async def find_earlier_open_month(tx: Transaction, month: date) -> date | None:
    """The first month before this one that has days and is not closed."""
    found: date | None = await tx.fetchval(_EARLIER_OPEN, tx.organization_id, month)
    return found


_DAYS = """
    SELECT closing.day, closing.entries, closing.amount, encode(certificate.content_hash, 'hex') AS content_sha256
    FROM day_closing AS closing
    LEFT JOIN day_certificate AS certificate ON certificate.organization_id = $1 AND certificate.day = closing.day
    WHERE closing.organization_id = $1 AND closing.day BETWEEN $2 AND $3
    ORDER BY closing.day
"""


async def read_certified_days(tx: Transaction, *, first_day: date, last_day: date) -> list[CertifiedDay]:
    """The closed days of a period with the hashes of their certificates."""
    return [read_row(CertifiedDay, row) for row in await tx.fetch(_DAYS, tx.organization_id, first_day, last_day)]


_ADD = """
    INSERT INTO month_closing (organization_id, month, closed_at, actor_kind, actor_id, acting_for, days, entries,
        amount, content, content_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


async def add_month_closing(
    tx: Transaction, month: MonthContent, *, written: tuple[bytes, bytes], at: datetime, actor: Actor
) -> None:
    """Store the closing of a month; `written` is its certificate and the hash of it."""
    content, content_hash = written
    await tx.execute(
        _ADD,
        tx.organization_id,
        month.month,
        at,
        actor.kind.value,
        actor.id,
        actor.person,
        len(month.days),
        month.entries,
        month.amount,
        zlib.compress(content),
        content_hash,
    )


_CONTENT = """
    SELECT content FROM month_closing WHERE organization_id = $1 AND month = $2
"""


async def read_month_content(tx: Transaction, month: date) -> bytes | None:
    """The content of the certificate of a month; None if it is open."""
    stored: bytes | None = await tx.fetchval(_CONTENT, tx.organization_id, month)
    return None if stored is None else zlib.decompress(stored)
