"""The phones of the payment desks of a hospital, for a patient whose link is invalid.

Served from memory: the client is anonymous, and must cause no more than one database statement a minute.
"""

from dataclasses import dataclass
from time import monotonic

import structlog

from billing.checkout.store.pay_pages import read_desk_phones
from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.payments.service.context import PaymentContext

KEPT_S = 60.0
"""The longest time that an old phone is shown after a change."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeskPhone:
    """The phone of a facility, or of the organization if no facility has its own."""

    name: str
    phone: str


class DeskPhones:
    """The phones of every organization of the installation, each read at most once a minute."""

    def __init__(self, context: PaymentContext) -> None:
        self._context = context
        self._organizations: frozenset[OrganizationId] = frozenset()
        self._listed_at = float("-inf")
        self._phones: dict[OrganizationId, tuple[float, tuple[DeskPhone, ...]]] = {}

    async def find(self, organization_id: OrganizationId) -> tuple[DeskPhone, ...]:
        """The phones of one organization; empty if there is none, no such organization, or no database."""
        try:
            if organization_id not in await self._known():
                return ()
            return await self._read(organization_id)
        except Unavailable as error:
            log.warning("desk_phones_not_read", reason=error.code)
            return self._phones.get(organization_id, (0.0, ()))[1]

    async def _known(self) -> frozenset[OrganizationId]:
        now = monotonic()
        if now - self._listed_at >= KEPT_S:
            self._listed_at = now  # first, so that concurrent requests cause one read
            self._organizations = frozenset(await self._context.database.list_organizations())
        return self._organizations

    async def _read(self, organization_id: OrganizationId) -> tuple[DeskPhone, ...]:
        now = monotonic()
        read_at, phones = self._phones.get(organization_id, (float("-inf"), ()))
        if now - read_at < KEPT_S:
            return phones
        self._phones[organization_id] = (now, phones)
        async with self._context.database.transaction(organization_id) as tx:
            phones = tuple(DeskPhone(name, phone) for name, phone in await read_desk_phones(tx))
        self._phones[organization_id] = (now, phones)
        return phones
