"""How an engine starts, drains and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TypeAlias

from ..errors import Draining, ExecutionInterrupted, NotRunning
from ..interfaces.clock import Clock
from ..model import Outcome
from .calls import Tools
from .clock import wait_until
from .conductor import Conductor
from .cursors import Cursors
from .execution import Ending
from .leases import Leases
from .reconciler import Reconciler
from .roster import Roster
from .takeover import TakeOver
from .tasks import spawn
from .watching import Watching

_log = logging.getLogger(__name__)

Work: TypeAlias = Callable[[], Coroutine[None, None, None]]

_SHUT_DOWN = Ending(
    Outcome.INTERRUPTED,
    ExecutionInterrupted(
        "the service was shut down before it was done; look at what was already done "
        "before asking for it again",
        reason="shutdown",
    ),
)


class Lifecycle:
    """Starts an engine's standing work, and lets go of everything at its end.

    Args:
        clock: The time.
        work: What goes on in the background from start to end, by name.
        durable: Whether the store outlives this process, so that another one can go on.
        tools: Whose settle time-out a hasty end may shorten.
        roster: What runs and waits.
        conductor: Lets go of it.
        leases: This process's.
        reconciler: Watches effects.
        takeover: Takes up what others left.
        watching: Whoever waits is told of the end.
        cursors: Likewise.
    """

    def __init__(
        self,
        clock: Clock,
        work: Mapping[str, Work],
        *,
        durable: bool,
        tools: Tools,
        roster: Roster,
        conductor: Conductor,
        leases: Leases,
        reconciler: Reconciler,
        takeover: TakeOver,
        watching: Watching,
        cursors: Cursors,
    ) -> None:
        self._clock = clock
        self._work = dict(work)
        self._durable = durable
        self._tools = tools
        self._roster = roster
        self._conductor = conductor
        self._leases = leases
        self._reconciler = reconciler
        self._takeover = takeover
        self._watching = watching
        self._cursors = cursors
        self.tasks: list[asyncio.Task[None]] = []
        """The work in the background."""
        self.looking: asyncio.Task[None] | None = None
        """Looks for what other processes left."""
        self.started = False
        """Whether it was started and not closed yet."""
        self.draining = False
        """Whether it takes no new work any more."""
        self._closing: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether it takes new work, and takes up what others leave."""
        return self.started and not self.draining

    def check_open(self) -> None:
        """Return if new work is taken.

        Raises:
            Draining: Not any more.
            NotRunning: Not yet.
        """
        if self.draining:
            raise Draining("the service is shutting down and takes no new work")
        if not self.started:
            raise NotRunning("the engine is not running; use `async with engine`")

    async def start(self) -> None:
        """Take the lease, watch open effects, take up what others released; then take work.

        Raises:
            StoreError: The store cannot be used.
        """
        await self._leases.renew()
        try:
            await self._reconciler.start()
        except BaseException:
            await self._reconciler.aclose()
            raise
        self.tasks = [spawn(work(), f"zephyrus {name}") for name, work in self._work.items()]
        self.started = True
        try:
            await self._takeover.look()
        except BaseException:
            await self.aclose(None)
            raise
        self.looking = spawn(self._takeover.run(), "zephyrus take-over")

    async def drain(self, seconds: float | None) -> bool:
        """Take no new work and wait for what runs and waits; return whether all of it ended.

        Args:
            seconds: How long to wait at most; null: as long as it takes.
        """
        self.draining = True
        await self._stop_looking()
        if seconds is None:
            await self._roster.idle.wait()
            return True
        idle = asyncio.ensure_future(self._roster.idle.wait())
        try:
            await wait_until(self._clock, self._clock.now() + seconds, idle)
        finally:
            idle.cancel()
        return self._roster.idle.is_set()

    async def aclose(self, settle_timeout: float | None) -> None:
        """Let go of everything, once; that goes on where a caller is cancelled.

        Args:
            settle_timeout: Seconds to wait for transactions that were signed, if that is less than
                usual.
        """
        self.draining = True
        if settle_timeout is not None:
            self._tools.settle_timeout = min(settle_timeout, self._tools.settle_timeout)
        if self.started:
            self.started = False
            self._closing = spawn(self._close(), "zephyrus close")
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._stop_looking()
        self._let_go()
        all_left = await self.drain(3 * self._tools.settle_timeout)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._reconciler.aclose()
        if all_left:
            await self._leases.release()
        else:
            _log.error(
                "%d executions do not stop, or could not be journaled as ended; whoever opens the "
                "store next goes on with them",
                len(self._roster),
            )
            self._conductor.leave_behind()

    def kill(self) -> None:
        """End as a process that is killed, for tests: nobody is told, nothing more is journaled."""
        self.started, self.draining = False, True
        for task in (*self.tasks, self.looking):
            if task is not None:
                task.cancel()
        self._reconciler.stop()
        self._conductor.leave_behind()

    def _let_go(self) -> None:
        for execution in list(self._roster.executions.values()):
            if self._durable:
                self._conductor.release(execution)
            else:
                self._conductor.end_early(execution, _SHUT_DOWN)
        self._cursors.closed = True
        self._watching.close()

    async def _stop_looking(self) -> None:
        if self.looking is not None:
            self.looking.cancel()
            await asyncio.wait({self.looking})
