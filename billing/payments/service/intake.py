"""The intake: deliveries wait in queues and are written in batches, one commit in flight for each queue.

There is no timer. While one commit is in flight the next batch fills, and a single delivery waits for no other. A queue
serves the organizations whose hash maps to it; a batch never mixes organizations, but organizations with few waiting
deliveries share a commit (`waiting_deliveries.py` chooses them). The reply is sent only after COMMIT.
Source: docs/design.md §5, points 3 to 6.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from time import monotonic

import asyncpg
import structlog

from billing.core.clock import business_date
from billing.core.errors import CommitUnknown, InvalidValue, Unavailable
from billing.core.ids import DeliveryId, OrganizationId, ProviderAccountId
from billing.db.background import KeptTask
from billing.db.connection_errors import DatabaseUnavailable, TransactionConflict
from billing.ledger.store.journal import open_day
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.apply_single import apply_single, apply_singles
from billing.payments.service.context import PaymentContext
from billing.payments.service.delivery_faults import is_ours, may_be_data, place_of, probe_of, store_dead_letter
from billing.payments.service.payment_events import Answer, Delivery
from billing.payments.service.waiting_deliveries import WaitingDeliveries, WaitingDelivery
from billing.tracing import current_span, shared_span
from providers.contract import Verdict

log = structlog.get_logger(__name__)

DEAD_LETTERS_PER_MINUTE_MAX = 5
"""Above this number of dead letters of one account within a minute, its deliveries are answered TRY_LATER."""

Observer = Callable[[int, float], None]
"""Called with a committed batch: number of deliveries, seconds."""


class QueueFull(Unavailable):
    """Too many deliveries wait; the provider delivers again."""

    code = "try_later"


_CONFLICTS_MAX = 3
"""How often a batch is written again after a conflict."""

_STALL_MAX = 20
"""The maximum wait for a stalled commit, as a multiple of `wait_max_ms`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """Number of queues for each cell, deliveries in a batch, waiting deliveries of a queue, and the longest wait."""

    queues: int = 8
    batch_max: int = 96
    waiting_max: int = 2_048
    wait_max_ms: float = 100.0


class Intake:
    """Queues with one writer each. Use as an async context manager; on exit it writes the waiting deliveries."""

    def __init__(self, context: PaymentContext, limits: IntakeLimits | None = None) -> None:
        self._limits = limits or IntakeLimits()
        self._database = context.database
        queues = self._limits.queues * len(self._database.cells)
        self._queues = [_IntakeQueue(context, self._limits) for _ in range(queues)]

    async def __aenter__(self) -> "Intake":
        for number, queue in enumerate(self._queues):
            queue.start(f"queue_{number}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(queue.stop() for queue in self._queues))

    def is_full(self, organization_id: OrganizationId) -> bool:
        """Whether a delivery of this organization would be rejected: checked before its signature is verified."""
        return self._queue(organization_id).is_full(organization_id)

    def observe(self, observer: Observer) -> None:
        """Report every committed batch: its deliveries, and the seconds from its start to its commit."""
        for queue in self._queues:
            queue.observer = observer

    def waiting(self) -> list[int]:
        """How many deliveries wait in each queue now."""
        return [queue.waiting for queue in self._queues]

    @property
    def dead_letters(self) -> int:
        """How many deliveries this process stored as dead letters."""
        return sum(queue.dead_letters for queue in self._queues)

    def throttled_accounts(self) -> set[ProviderAccountId]:
        """Accounts whose deliveries are answered TRY_LATER, since too many of their deliveries could not be written."""
        return {account_id for queue in self._queues for account_id in queue.throttled_accounts()}

    async def submit(self, delivery: Delivery) -> Answer:
        """Apply one verified delivery; returns after COMMIT.

        Raises QueueFull, Unavailable or CommitUnknown: the delivery must then not be acknowledged, and the keys make
        the provider's next delivery exact.
        """
        return await self._queue(delivery.account.organization_id).submit(delivery)

    def _queue(self, organization_id: OrganizationId) -> "_IntakeQueue":
        first = self._database.cell_number(organization_id) * self._limits.queues
        return self._queues[first + organization_id % self._limits.queues]


class _IntakeQueue:
    """One writer and its waiting deliveries by organization, served in turn."""

    def __init__(self, context: PaymentContext, limits: IntakeLimits) -> None:
        self._context = context
        self._limits = limits
        self._waiting = WaitingDeliveries(batch_max=limits.batch_max)
        self._under_way: list[WaitingDelivery] = []
        self._arrived = asyncio.Event()
        self._is_stopping = False
        self._writer: KeptTask | None = None
        self._opened: dict[OrganizationId, date] = {}
        self._dead_letters: dict[ProviderAccountId, deque[float]] = {}
        self.observer: Observer | None = None
        self.dead_letters = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def start(self, name: str) -> None:
        self._writer = self._context.background.start(name, self._run, on_end=self._reject_pending)

    def _reject_pending(self, error: BaseException | None) -> None:
        """Reject the deliveries that a writer left in the queue when it ended: the provider delivers them again."""
        waiting = [*self._under_way, *self._waiting]
        self._under_way = []
        self._waiting.clear()
        _reject(waiting, error)

    async def stop(self) -> None:
        self._is_stopping = True
        self._arrived.set()
        if self._writer is not None:
            await self._writer.stop(grace_s=None)

    def is_full(self, organization_id: OrganizationId) -> bool:
        if self._is_stopping or self._writer is None or self._writer.is_down:
            return True
        return len(self._waiting) >= self._limits.waiting_max or self._is_behind(organization_id)

    def _is_behind(self, organization_id: OrganizationId) -> bool:
        """Whether an organization's deliveries wait too long.

        A single stalled commit is no overload: while the next batch contains all waiting deliveries, one more may wait
        as well, because a rejected delivery is repeated only minutes later. A stall that lasts causes rejections.
        """
        age_ms, limit_ms = self._waiting.age_ms(organization_id), self._limits.wait_max_ms
        if age_ms <= limit_ms:
            return False
        return self._waiting.count_of(organization_id) >= self._limits.batch_max or age_ms > _STALL_MAX * limit_ms

    async def submit(self, delivery: Delivery) -> Answer:
        if self.is_full(delivery.account.organization_id):
            raise QueueFull("too many deliveries wait already")
        if self._is_throttled(delivery.account.id):
            raise QueueFull("too many deliveries of this account could not be written")
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.add(WaitingDelivery(delivery, answered, monotonic(), current_span()))
        self._arrived.set()
        return await answered

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            batches = self._waiting.take()
            if batches:
                self._under_way = [waiting for batch in batches for waiting in batch]
                with shared_span("callback batch", [each.span for each in self._under_way]):
                    await self._apply_group(batches)
                self._under_way = []
                if self._writer is not None:
                    self._writer.note_success()
                continue
            if self._is_stopping:
                return
            self._arrived.clear()

    async def _apply_group(self, batches: Sequence[Sequence[WaitingDelivery]]) -> None:
        """Apply the plain deliveries of several organizations in one commit; then each other one with its organization.

        If the commit fails, nothing was written, and each organization is served alone: a fault of one organization
        then decides nothing for another.
        """
        answers: dict[DeliveryId, Answer] = {}
        if len(batches) > 1:
            group = [waiting for batch in batches for waiting in batch]
            try:
                answers = await self._write_shared([waiting.delivery for waiting in group])
            except (CommitUnknown, DatabaseUnavailable) as error:
                _reject(group, error)
                return
            except Exception as error:  # noqa: BLE001 - the batches decide; they log what remains wrong
                log.warning("shared_commit_failed", count=len(group), error=type(error).__name__, at=place_of(error))
            except BaseException as error:
                _reject(group, error)
                raise
            _answer([waiting for waiting in group if waiting.delivery.id in answers], answers)
        for batch in batches:
            rest = [waiting for waiting in batch if waiting.delivery.id not in answers]
            if rest:
                await self._apply(rest, may_be_single=len(batches) == 1)

    async def _write_shared(self, deliveries: Sequence[Delivery]) -> dict[DeliveryId, Answer]:
        """Write the plain ones of organizations whose day is open already, in one commit."""
        context, today = self._context, business_date(self._context.clock())
        began = monotonic()
        answers = await apply_singles(
            [each for each in deliveries if self._opened.get(each.account.organization_id) == today], context
        )
        for organization_id in {each.account.organization_id for each in deliveries if each.id in answers}:
            context.publish_change(organization_id)
        if self.observer is not None and answers:
            self.observer(len(answers), monotonic() - began)
        return answers

    async def _apply(
        self, batch: Sequence[WaitingDelivery], *, is_part: bool = False, may_be_single: bool = True
    ) -> None:
        """Apply a batch; if a delivery of it causes an error, halve the batch until that delivery is isolated."""
        try:
            answers = await self._write_again([waiting.delivery for waiting in batch], may_be_single=may_be_single)
        except Exception as error:  # noqa: BLE001 - a queue survives every error of one batch; nothing is acknowledged
            await self._find_cause(batch, error, is_part=is_part)
        except BaseException as error:
            _reject(batch, error)
            raise
        else:
            _answer(batch, answers)

    async def _find_cause(self, batch: Sequence[WaitingDelivery], error: Exception, *, is_part: bool) -> None:
        """Reject a batch for a fault of our side; a single delivery that causes its error becomes a dead letter.

        A whole batch is checked once before it is halved: a fault of our side then costs two transactions, not many.
        """
        if is_ours(error):
            _reject(batch, error)
        elif len(batch) > 1:
            if is_part or not may_be_data(error) or await self._is_cause(batch[0].delivery, error):
                middle = len(batch) // 2
                await self._apply(batch[:middle], is_part=True)
                await self._apply(batch[middle:], is_part=True)
            else:
                _reject(batch, error)
        elif may_be_data(error) and await self._is_cause(batch[0].delivery, error):
            await self._end_single(batch[0])
        else:
            _reject(batch, error)

    async def _end_single(self, waiting: WaitingDelivery) -> None:
        """Retry a delivery that failed alone, in the general way; a second failure is a fault of the delivery."""
        try:
            answers = await self._write([waiting.delivery], may_be_single=False)
        except Exception as error:  # noqa: BLE001 - as in _apply
            if is_ours(error) or not may_be_data(error):
                _reject([waiting], error)
            else:
                await self._store_dead_letter(waiting, error)
        else:
            _answer([waiting], answers)

    async def _is_cause(self, delivery: Delivery, error: Exception) -> bool:
        """Whether the content of a delivery causes an error: a probe without content is written and rolled back.

        The probe has the same account, kind and time. If it fails as well, the day, the schema, the books or the clock
        are at fault, and the provider must deliver again. If the error is of a type that concerns a value and the probe
        raises it too, the cause is undecided: the delivery is stored, and a second one soon throttles the account
        (`_is_throttled`). Source: docs/design.md §5, point 7.
        """
        probe = probe_of(delivery, DeliveryId(self._context.ids.new()))
        organization_id = delivery.account.organization_id
        try:
            await self._open_today(organization_id)
            async with self._context.database.transaction(organization_id, posting=True) as tx:
                await apply_deliveries(tx, [probe], self._context)
                await tx.execute("SET CONSTRAINTS ALL IMMEDIATE")
                raise _RolledBack
        except _RolledBack:
            return True
        except Exception as other:  # noqa: BLE001 - any error decides the check
            log.error(
                "delivery_probe_failed",
                account_id=str(delivery.account.id),
                error=type(other).__name__,
                at=place_of(other),
            )
            return type(other) is type(error) and isinstance(error, (InvalidValue, asyncpg.DataError))

    async def _store_dead_letter(self, waiting: WaitingDelivery, error: Exception) -> None:
        """Store a delivery that cannot be written with its verified notices, reserving no key; acknowledge it.

        An account with too many of these a minute is answered TRY_LATER instead: the fault is on our side.
        """
        delivery = waiting.delivery
        account_id = delivery.account.id
        recent = self._dead_letters.setdefault(account_id, deque(maxlen=DEAD_LETTERS_PER_MINUTE_MAX))
        if self._is_throttled(account_id):
            _reject([waiting], error)
            return
        fault = str(getattr(error, "sqlstate", None) or getattr(error, "code", None) or type(error).__name__)
        try:
            async with self._context.database.transaction(delivery.account.organization_id) as tx:
                await store_dead_letter(tx, delivery, fault=fault)
        except Exception as second:  # noqa: BLE001 - a delivery that cannot even be stored is not acknowledged
            _reject([waiting], second)
            return
        recent.append(monotonic())
        self.dead_letters += 1
        log.error(
            "delivery_dead_lettered",
            delivery_id=str(delivery.id),
            account_id=str(account_id),
            fault=fault,
            at=place_of(error),
        )
        _answer([waiting], {delivery.id: Answer(Verdict.STORED, delivery.id)})

    def throttled_accounts(self) -> set[ProviderAccountId]:
        """Accounts whose deliveries are answered TRY_LATER, since too many of their deliveries could not be written."""
        return {account_id for account_id in self._dead_letters if self._is_throttled(account_id)}

    def _is_throttled(self, account_id: ProviderAccountId) -> bool:
        recent = self._dead_letters.get(account_id)
        return recent is not None and len(recent) == DEAD_LETTERS_PER_MINUTE_MAX and monotonic() - recent[0] < 60

    async def _write_again(self, deliveries: Sequence[Delivery], *, may_be_single: bool) -> dict[DeliveryId, Answer]:
        """Write, and again where a deadlock or a migration ended the transaction; the providers need not deliver again.

        After a conflict a batch is written in the general way, which takes its locks in the order of all writers.
        """
        for tries_left in range(_CONFLICTS_MAX, 0, -1):
            try:
                return await self._write(deliveries, may_be_single=may_be_single and tries_left == _CONFLICTS_MAX)
            except TransactionConflict as error:
                log.warning("deliveries_written_again", count=len(deliveries), error=place_of(error))
        return await self._write(deliveries, may_be_single=False)

    async def _write(self, deliveries: Sequence[Delivery], *, may_be_single: bool = True) -> dict[DeliveryId, Answer]:
        context = self._context
        organization_id = deliveries[0].account.organization_id
        await self._open_today(organization_id)
        began = monotonic()
        single = await apply_single(deliveries[0], context) if may_be_single and len(deliveries) == 1 else None
        if single is not None:
            answers = {deliveries[0].id: single}
        else:
            async with context.database.transaction(organization_id, posting=True) as tx:
                answers = await apply_deliveries(tx, deliveries, context)
        context.publish_change(organization_id)
        if self.observer is not None:
            self.observer(len(deliveries), monotonic() - began)
        return answers

    async def _open_today(self, organization_id: OrganizationId) -> None:
        """Open the day in its own transaction before its first posting: no lock of a batch waits for it."""
        now = self._context.clock()
        today = business_date(now)
        if self._opened.get(organization_id) == today:
            return
        async with self._context.database.transaction(organization_id, posting=True) as tx:
            await open_day(tx, today, at=now)
        self._opened[organization_id] = today


class _RolledBack(Exception):
    """Ends the transaction of a probe."""


def _answer(batch: Sequence[WaitingDelivery], answers: Mapping[DeliveryId, Answer]) -> None:
    for waiting in batch:
        if not waiting.answered.done():
            waiting.answered.set_result(answers[waiting.delivery.id])


def _reject(waiting: Sequence[WaitingDelivery], error: BaseException | None) -> None:
    """Set the results first, log second: a fault of a logger leaves no delivery without a result."""
    for one in waiting:
        if not one.answered.done():
            refusal = Unavailable("the delivery could not be written; deliver it again")
            refusal.__cause__ = error
            one.answered.set_exception(refusal)
    if waiting:
        log.error("deliveries_rejected", count=len(waiting), error=type(error).__name__, exc_info=error)
