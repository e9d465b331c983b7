"""Recovery after a restore to an earlier point in time: what providers and banks know and the restored state lacks.

Providers are polled about intents, feeds are read from their restored cursor, and the result lists the files to import
again and the accounts whose callbacks are to be delivered again. Every answer enters through `apply_notices`, under the
same keys as before, so a second run books nothing twice. Source: docs/operations.md, Recovery after a restore.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.ops.recovery_rows import (
    StatedUntil,
    count_due,
    read_settlements_until,
    read_statements_until,
    release_feeds,
    schedule_polls_since,
)
from billing.organizations.service.context import ProviderAccount
from billing.organizations.store.organizations import read_account_names
from billing.payments.service.context import PaymentContext
from billing.payments.service.feeds import poll_feed
from billing.payments.service.polls import poll_due_payments
from providers.contract import Callbacks, Queries, SettlementFiles

ROUNDS_MAX = 1_000
"""Rounds of polls or feeds, so that a provider that repeats itself cannot keep the command running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What a recovery did and what persons do next.

    `scheduled` intents were due, `polled` polls were made, `waiting` are left to the worker by the rate limits.
    `notices` came from feeds. `statements` and `settlements` are complete until the day they state; later files are
    imported again. `redeliveries` are the provider accounts that deliver callbacks.
    """

    scheduled: int
    polled: int
    waiting: int
    notices: int
    statements: Sequence[StatedUntil]
    settlements: Sequence[StatedUntil]
    redeliveries: Sequence[str]


async def recover(context: PaymentContext, organization_id: OrganizationId, *, since: datetime) -> Recovery:
    """Poll the providers of an organization about what happened since a timestamp, and list the next steps.

    A second run changes nothing that the first one booked. Raises InvalidValue for a timestamp in the future, and the
    errors of polls and feeds, after which the command is repeated.
    """
    now = context.clock()
    if since > now:
        raise InvalidValue("the timestamp of the restored state is in the future", field="since")
    async with context.database.transaction(organization_id, read_only=True) as tx:
        names = await read_account_names(tx)
    accounts = [account for name in names if (account := await context.accounts.find(organization_id, name))]
    polled_ids = [each.id for each in accounts if _can_poll(each)]
    async with context.database.transaction(organization_id) as tx:
        scheduled = await schedule_polls_since(tx, polled_ids, since=since, now=now)
        await release_feeds(tx)
    polled = await _repeat(poll_due_payments, context, organization_id)
    notices = await _repeat(poll_feed, context, organization_id)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        reporting = [each.id for each in accounts if isinstance(each.provider, SettlementFiles)]
        return Recovery(
            scheduled=scheduled,
            polled=polled,
            waiting=await count_due(tx, polled_ids, now=context.clock()),
            notices=notices,
            statements=await read_statements_until(tx),
            settlements=await read_settlements_until(tx, reporting),
            redeliveries=[each.name for each in accounts if isinstance(each.provider, Callbacks)],
        )


def describe_steps(recovery: Recovery, since: datetime) -> list[str]:
    """The result as sentences for the person who restores."""
    lines = [
        f"polled providers about {recovery.polled} of {recovery.scheduled} intents",
        f"read {recovery.notices} notices from feeds",
    ]
    if recovery.waiting:
        lines.append(f"{recovery.waiting} polls wait for the rate limit of their provider; the worker makes them")
    day = business_date(since)
    for kind, stated in (("statements of bank account", recovery.statements), ("reports of", recovery.settlements)):
        for each in stated:
            first = day if each.until is None else min(each.until, day)
            lines.append(f"import again: {kind} {each.name} from {first.isoformat()}")
    lines += [
        f"request redelivery: callbacks of {name} since {since.isoformat(timespec='minutes')}"
        for name in recovery.redeliveries
    ]
    return lines


def _can_poll(account: ProviderAccount) -> bool:
    return isinstance(account.provider, Queries) and account.provider.queries_per_minute > 0


async def _repeat(
    run_round: Callable[[PaymentContext, OrganizationId], Awaitable[int]],
    context: PaymentContext,
    organization_id: OrganizationId,
) -> int:
    total = 0
    for _ in range(ROUNDS_MAX):
        done = await run_round(context, organization_id)
        total += done
        if done == 0:
            break
    return total
