"""The journal in words: what persons, providers and the system did, act by act. Use case.

Source: docs/ux.md, Finance.
"""

from collections.abc import Sequence

from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.reconciliation.domain.act import Act, ActSubject
from billing.reconciliation.store.acts import read_acts

__all__ = ["Act", "ActSubject", "list_acts"]


async def list_acts(
    context: Context, organization_id: OrganizationId, part: ListSlice, *, subject: ActSubject | None = None
) -> Sequence[Act]:
    """Acts of a slice, the newest first; None: of every kind of object."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_acts(tx, part, subject_kind=None if subject is None else subject.value)
