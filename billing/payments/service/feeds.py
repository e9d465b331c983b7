"""Polls feeds: the lists of accounts whose callbacks may be lost are read from the stored cursor.

A feed is leased and the lease committed, the provider is called with no transaction open, and the page enters through
`apply_notices` like a callback, under the same keys: a payment that is listed and called back is booked once. The
cursor moves in the transaction that writes the page; after a crash the page is read again and changes nothing. If a
page cannot be written, its cursor stays and nothing of it is skipped: the rest of it is written, and an exception is
opened. Source: docs/design.md §7 (Feeds).
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from billing.core.clock import business_date
from billing.core.errors import BillingError, CommitUnknown, Unavailable
from billing.core.ids import DeliveryId, OrganizationId
from billing.db.rounds import run_together
from billing.ledger.store.journal import open_day
from billing.organizations.service.context import ProviderAccount
from billing.organizations.store.organizations import read_account_names
from billing.payments.domain.event import Source, answer_as_evidence
from billing.payments.domain.exception import ExceptionReason, policy_of
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.payment_events import Delivery
from billing.payments.store.exceptions import open_exception_of_account, read_exception_policies
from billing.payments.store.feeds import fail_feed, lease_feed, move_feed
from providers.contract import Feeds, FeedUnavailable, Notice, Notices

LEASE = timedelta(minutes=3)
"""How long one worker leases a feed; longer than a call may take and its page needs to be written."""

FAILURES_MAX = 12
"""Failures in a row, about three quarters of an hour, after which an exception for the feed is opened."""

CALL_TIMEOUT_S = 60.0
PAGES_MAX = 20
"""How many pages of one feed are read in one round."""


log = structlog.get_logger(__name__)


class FeedBlocked(BillingError):
    """A page of an account's feed cannot be written; it is read again until the cause is removed."""

    code = "feed_blocked"


@dataclass(frozen=True, slots=True)
class _Page:
    answer: Notices
    cursor: str
    leased_until: datetime


async def poll_feed(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Read the next pages of the feed of every account that has one, within its budget; returns the number of notices.

    An account that hangs or fails does not prevent reading the others.
    """
    async with context.database.transaction(organization_id) as tx:
        names = await read_account_names(tx)
    return sum(await run_together("feeds", (_poll_account(context, organization_id, name) for name in names)))


async def _poll_account(context: PaymentContext, organization_id: OrganizationId, name: str) -> int:
    account = await context.accounts.find(organization_id, name)
    assert account is not None, "accounts are never removed"
    if not isinstance(account.provider, Feeds) or account.provider.feeds_per_minute <= 0:
        return 0
    received = 0
    for _ in range(PAGES_MAX):
        now = context.clock()
        until = now + LEASE
        async with context.database.transaction(organization_id) as tx:
            per_minute = account.provider.feeds_per_minute
            cursor = await lease_feed(tx, account.id, now=now, until=until, per_minute=per_minute)
        if cursor is None:
            break
        page = await _read_page(context, account, account.provider, cursor, until)
        if page is None:
            break
        await _write_page(context, account, page)
        received += len(page.answer.notices)
        if page.cursor == cursor:
            break
    return received


async def _read_page(
    context: PaymentContext, account: ProviderAccount, provider: Feeds, cursor: str, until: datetime
) -> _Page | None:
    """Call the provider, no transaction open; None if the call failed, and the feed is then retried later."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            answer, following = await provider.read_since(cursor, now=context.clock())
    except Exception as error:  # A fault of one provider must not prevent reading the others.
        is_foreseen = isinstance(error, (FeedUnavailable, TimeoutError))
        log.warning("feed_not_read", account_id=str(account.id), exc_info=None if is_foreseen else error)
        await _fail(context, account, leased_until=until, is_blocked=False)
        return None
    return _Page(answer, following, until)


async def _fail(context: PaymentContext, account: ProviderAccount, *, leased_until: datetime, is_blocked: bool) -> None:
    """Retry a feed later; if it is blocked, or has failed too often in a row, open an exception."""
    now = context.clock()
    async with context.database.transaction(account.organization_id) as tx:
        failures = await fail_feed(tx, account.id, leased_until=leased_until, now=now)
        if failures and (is_blocked or failures >= FAILURES_MAX):
            policy = policy_of(ExceptionReason.FEED_BLOCKED, await read_exception_policies(tx))
            exception_id = context.ids.new()
            await open_exception_of_account(
                tx, exception_id, ExceptionReason.FEED_BLOCKED, account.id, at=now, policy=policy
            )


async def _write_page(context: PaymentContext, account: ProviderAccount, page: _Page) -> None:
    """Write a page and the new cursor in one transaction.

    Raises FeedBlocked, or Unavailable and CommitUnknown, which are temporary.
    """
    now = context.clock()
    async with context.database.transaction(account.organization_id, posting=True) as tx:
        await open_day(tx, business_date(now), at=now)
    try:
        await _write(context, account, page, page.answer.notices, is_last=True)
    except (Unavailable, CommitUnknown):
        await _fail(context, account, leased_until=page.leased_until, is_blocked=False)
        raise
    except Exception as error:  # Any fault of one notice; the others of its page are written.
        log.error("feed_page_not_written", account_id=str(account.id), exc_info=error)
        await _write_one_by_one(context, account, page)
    context.publish_change(account.organization_id)


async def _write_one_by_one(context: PaymentContext, account: ProviderAccount, page: _Page) -> None:
    """Write each notice in its own transaction; move the cursor only if all of them were written."""
    failed: list[str] = []
    for notice in page.answer.notices:
        try:
            await _write(context, account, page, (notice,), is_last=False)
        except (Unavailable, CommitUnknown):
            raise
        except Exception as error:
            log.error("feed_notice_not_written", account_id=str(account.id), exc_info=error)
            failed.append(type(error).__name__)
    if not failed:
        await _write(context, account, page, (), is_last=True)
        return
    await _fail(context, account, leased_until=page.leased_until, is_blocked=True)
    raise FeedBlocked(f"{len(failed)} of a page of account {account.name} cannot be written: {', '.join(failed)}")


async def _write(
    context: PaymentContext, account: ProviderAccount, page: _Page, notices: tuple[Notice, ...], *, is_last: bool
) -> None:
    now = context.clock()
    async with context.database.transaction(account.organization_id, posting=True) as tx:
        if notices:
            delivery = Delivery(
                id=DeliveryId(context.ids.new()),
                account=account,
                callback=answer_as_evidence(Source.FEED, page.answer.evidence, at=now),
                notices=notices,
                source=Source.FEED,
            )
            await apply_deliveries(tx, [delivery], context)
        if is_last:
            is_moved = await move_feed(tx, account.id, leased_until=page.leased_until, cursor=page.cursor, now=now)
            if not is_moved:
                log.warning("feed_lease_expired", account_id=str(account.id))
