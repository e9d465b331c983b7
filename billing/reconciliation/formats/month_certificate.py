"""The certificate of a month as JSON. The content is canonical, as that of a day (`day_certificate.py`).

`docs/verify_month.py` checks a certificate with those of its days without this code.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from uuid import UUID

from billing.ledger.domain.seal import Seal, SealedKind, Value
from billing.reconciliation.domain.month_closing import MonthContent
from billing.reconciliation.formats.day_certificate import write_certificate

FORMAT = "vienphi-month-1"


def write_month_content(content: MonthContent) -> bytes:
    """The canonical bytes of the content; their SHA-256 is sealed."""
    document = {
        "organization_id": content.organization_id,
        "month": content.month.isoformat(),
        "entries": content.entries,
        "amount": content.amount,
        "days": [asdict(each) for each in content.days],
        "balances": [asdict(each) for each in content.balances],
        "bank_accounts": [asdict(each) for each in content.bank_accounts],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_text)
    return text.encode()


def write_month_certificate(content: bytes, seal: Seal, rows: Mapping[SealedKind, Sequence[Sequence[Value]]]) -> bytes:
    """The file for a third party; `rows` are all month closings of the block."""
    return write_certificate(content, seal, rows, form=FORMAT)


def _text(value: object) -> str:
    assert isinstance(value, (UUID, date)), "amounts and texts are JSON already"
    return str(value)
