"""Tasks that must not end while the process works: queue writers, loops, watchers.

A task that ends, whatever ended it, is started again after a pause, counted and named in the log; until then it is
`down`, and readiness says so (`readiness.py`). What a task does about an error of its work is its own matter.
Source: docs/design.md §5, points 3 and 6: a delivery is answered by a living writer or not at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

PAUSE_S = 0.1
PAUSE_MAX_S = 5.0

log = structlog.get_logger(__name__)


class KeptTask:
    """One task, started again where it ends before `stop`. Made by `Background.start`."""

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
        """Whether it has ended and is not yet started again."""
        return not self._is_over and (self._task is None or self._task.done())

    def note_success(self) -> None:
        """Its work goes well: the pause before the next start is short again."""
        self._pause_s = PAUSE_S

    async def stop(self, *, grace_s: float | None = 0.0) -> None:
        """Start it no more and wait until it has ended; after `grace_s` it is cancelled (None: never)."""
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
    """The kept tasks of one process."""

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
        """Start work that goes on until it is stopped, or until the event is set.

        `on_end` is called each time the task ends, before it is started again, with the error if there was one.
        """
        task = self._tasks[name] = KeptTask(name, work, on_end=on_end, until=until)
        return task

    def down(self) -> list[str]:
        """The names of tasks that have ended and wait to be started again."""
        return sorted(name for name, task in self._tasks.items() if task.is_down)

    def restarts(self) -> Mapping[str, int]:
        """How often each task was started again, of those that were."""
        return {name: task.restarts for name, task in sorted(self._tasks.items()) if task.restarts}
