"""Tasks that must run as long as the process: queue writers, loops, watchers.

A task that ends for any reason is restarted after a pause, counted and logged; until then it is `down`, and readiness
reports it (`readiness.py`). The task itself handles the errors of its work. Source: docs/design.md §5, points 3 and 6:
only a running writer answers a delivery.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

PAUSE_S = 0.1
PAUSE_MAX_S = 5.0

log = structlog.get_logger(__name__)


class KeptTask:
    """One task, restarted if it ends before `stop`. Created by `Background.start`."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        on_end: Callable[[BaseException | None], None] | None,
        until: asyncio.Event | None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._work = work
        self._on_end = on_end
        self._until = until
        self._is_stopping = False
        self._pause_s = PAUSE_S
        self._task: asyncio.Task[None] | None = None
        self._restart: asyncio.TimerHandle | None = None
        self._start()

    @property
    def is_down(self) -> bool:
        """Whether the task has ended and is not restarted yet."""
        return not self._is_over and (self._task is None or self._task.done())

    def note_success(self) -> None:
        """Record that the work succeeds: the pause before the next restart is short again."""
        self._pause_s = PAUSE_S

    async def stop(self, *, grace_s: float | None = 0.0) -> None:
        """Stop restarting the task and wait until it has ended; after `grace_s` it is cancelled (None: never)."""
        self._is_stopping = True
        if self._restart is not None:
            self._restart.cancel()
        task = self._task
        if task is None or task.done():
            return
        if grace_s is None or grace_s > 0:
            await asyncio.wait({task}, timeout=grace_s)
        task.cancel()
        await asyncio.wait({task})

    @property
    def _is_over(self) -> bool:
        return self._is_stopping or (self._until is not None and self._until.is_set())

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.name)
        self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        await self._work()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if self._on_end is not None:
            self._on_end(error)
        if self._is_over:
            return
        self.restarts += 1
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, PAUSE_MAX_S)
        self._restart = task.get_loop().call_later(pause_s, self._start)
        log.error("task_ended", task=self.name, restarts=self.restarts, pause_s=pause_s, exc_info=error)


class Background:
    """The tasks of one process that must not end."""

    def __init__(self) -> None:
        self._tasks: dict[str, KeptTask] = {}

    def start(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        on_end: Callable[[BaseException | None], None] | None = None,
        until: asyncio.Event | None = None,
    ) -> KeptTask:
        """Start work that runs until it is stopped, or until the event is set.

        `on_end` is called each time the task ends, before it is restarted, with the error if there was one.
        """
        task = self._tasks[name] = KeptTask(name, work, on_end=on_end, until=until)
        return task

    def down(self) -> list[str]:
        """The names of tasks that have ended and wait for their restart."""
        return sorted(name for name, task in self._tasks.items() if task.is_down)

    def restarts(self) -> Mapping[str, int]:
        """The number of restarts of each restarted task."""
        return {name: task.restarts for name, task in sorted(self._tasks.items()) if task.restarts}
