"""What a v2 peer asks for, done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from ..engine.cursors import Cursor
from ..engine.engine import ExecutionEngine
from ..errors import Draining, ExecutionNotFound, Overloaded
from ..interfaces.store import NewEvent
from ..model import Event, Execution
from ..protocol.texts import TEXTS
from ..protocol.v2.messages import (
    Cancel,
    CancelAck,
    Execute,
    ExecutionList,
    ExecutionReport,
    ExecutionStarted,
    ExecutionView,
    GetExecution,
    ListExecutions,
    StartedData,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from ..protocol.v2.server import V2Connection
from .credentials import Credentials
from .frames import EventFrames, error_info
from .outbox import Outbox, Watch

AboutExecutions: TypeAlias = (
    Execute | Subscribe | Unsubscribe | GetExecution | ListExecutions | Cancel
)


class Requests:
    """Does what one peer asks for, and leaves the answers in its outbox.

    Args:
        engine: Runs what it asks for.
        connection: Makes the answers.
        outbox: Sends them.
        credentials: On whose behalf it asks.
        frames: Makes the frames of events.
        max_subscriptions: How much it may watch at once.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        connection: V2Connection,
        outbox: Outbox,
        credentials: Credentials,
        *,
        frames: EventFrames,
        max_subscriptions: int,
    ) -> None:
        self._engine = engine
        self._connection = connection
        self._outbox = outbox
        self._credentials = credentials
        self._frames = frames
        self._max_subscriptions = max_subscriptions
        self._opening = 0
        self._asked: dict[str, list[Subscribe]] = {}
        self._listing = asyncio.Lock()
        self.submitting: set[asyncio.Task[None]] = set()
        """What hands requests over to the engine now."""
        self.leaving = False
        """Whether nothing new is taken."""

    async def do(self, request: AboutExecutions) -> None:
        """Do what is asked, and answer.

        Raises:
            ZephyrusError: It cannot be done; the request is still to be answered.
        """
        match request:
            case Execute():
                await self._execute(request)
            case Subscribe():
                await self._subscribe(request)
            case Unsubscribe():
                self._unsubscribe(request)
            case GetExecution():
                await self._get_execution(request)
            case ListExecutions():
                await self._list_executions(request)
            case Cancel():
                await self._cancel(request)

    # --- executing -------------------------------------------------------------------------------

    async def _execute(self, request: Execute) -> None:
        if self.leaving:
            raise Draining("the service is shutting down and takes no new work")
        with self._room():
            execution_id, replayed = await self._submit(request)
            started = self._connection.answer(self._started(request, execution_id, replayed))
            await self._watch_started(execution_id, started)

    def _started(self, request: Execute, execution_id: str, replayed: bool) -> ExecutionStarted:
        return ExecutionStarted(
            request_id=request.request_id,
            execution_id=execution_id,
            store_epoch=self._engine.store.epoch,
            seq=1,
            data=StartedData(
                success=True,
                message=TEXTS[self._connection.language].started + request.agent_id,
                status="started",
                replayed=replayed,
            ),
        )

    async def _watch_started(self, execution_id: str, started: str) -> None:
        """Answer with `started`, whatever becomes of watching: it is accepted.

        Raises:
            StoreError: Its journal cannot be read now.
        """
        watch = self._watch_of_execution(execution_id)
        try:
            watch.cursor = await self._engine.open_cursor(
                execution_id, principal=self._credentials.principal, ready=watch.ready
            )
        except ExecutionNotFound as error:  # it has ended, and is forgotten
            self._outbox.send(started)
            self._outbox.send(self._connection.refusal(None, error))
        except BaseException:
            self._outbox.send(started)
            raise
        else:
            watch.greeting = started
            self._outbox.add(watch)

    async def _submit(self, request: Execute) -> tuple[str, bool]:
        task = asyncio.current_task()
        assert task is not None
        self.submitting.add(task)
        try:
            if request.idempotency_key is None:
                execution_id = await self._engine.submit(
                    request.agent_id,
                    principal=self._credentials.principal,
                    input=request.input,
                    deadline=request.deadline,
                )
                return execution_id, False
            submission = await self._engine.submit_once(
                request.agent_id,
                request.idempotency_key,
                principal=self._credentials.principal,
                input=request.input,
                deadline=request.deadline,
                store_epoch=request.store_epoch,
            )
            return submission.execution_id, submission.replayed
        finally:
            self.submitting.discard(task)

    async def _cancel(self, request: Cancel) -> None:
        disposition = await self._engine.cancel(
            request.execution_id,
            principal=self._credentials.principal,
            reason=request.reason or "",
        )
        answer = CancelAck(request.request_id, request.execution_id, disposition)
        self._outbox.send(self._connection.answer(answer))

    # --- watching --------------------------------------------------------------------------------

    async def _subscribe(self, request: Subscribe) -> None:
        key = _key(request.execution_id, request.effect_key)
        with self._room(key), self._asking(key, request) as asked:
            watch = await self._opened(request)
            wanted = request in asked
            if wanted:
                del asked[: asked.index(request)]  # this one moves their cursor
        subscribed = self._connection.answer(
            Subscribed(
                request_id=request.request_id,
                execution_id=request.execution_id,
                effect_key=request.effect_key,
                head_seq=watch.cursor.head,
                terminal=watch.cursor.terminal,
            )
        )
        if wanted:
            watch.greeting = subscribed
            self._outbox.add(watch)
        else:
            watch.cursor.close()
            self._outbox.send(subscribed)

    @contextmanager
    def _asking(self, key: str, request: Subscribe) -> Iterator[list[Subscribe]]:
        """Give the requests to watch the same that are under way, in the order they came in.

        One that is not among them any more came before another that was faster, or before an end.
        """
        asked = self._asked.setdefault(key, [])
        asked.append(request)
        try:
            yield asked
        finally:
            if request in asked:
                asked.remove(request)
            if not asked and self._asked.get(key) is asked:
                del self._asked[key]

    async def _opened(self, request: Subscribe) -> Watch:
        after, principal = request.from_seq, self._credentials.principal
        if request.execution_id is not None:
            watch = self._watch_of_execution(request.execution_id)
            watch.cursor = await self._engine.open_cursor(
                request.execution_id, after=after, principal=principal, ready=watch.ready
            )
            return watch
        assert request.effect_key is not None
        watch = self._watch_of_effect(request.effect_key)
        watch.cursor = await self._engine.open_effect_cursor(
            request.effect_key, after=after, principal=principal, ready=watch.ready
        )
        return watch

    @contextmanager
    def _room(self, key: str = "") -> Iterator[None]:
        """Hold a place for one more thing that is watched.

        Args:
            key: What it is, where that is known: what is watched already has its place.

        Raises:
            Overloaded: There is none.
        """
        full = self._outbox.watches + self._opening >= self._max_subscriptions
        if full and not self._outbox.has(key):
            raise Overloaded("this connection watches as much as it may; unsubscribe first")
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    def _watch_of_execution(self, execution_id: str) -> Watch:
        key = _key(execution_id, None)
        return Watch(key, self._frames.of_execution, self._outbox.turn)

    def _watch_of_effect(self, effect_key: str) -> Watch:
        def frames_of(_: Cursor, first: int, events: Sequence[NewEvent | Event]) -> list[str]:
            return self._frames.of_effect(effect_key, first, events)

        return Watch(_key(None, effect_key), frames_of, self._outbox.turn)

    def _unsubscribe(self, request: Unsubscribe) -> None:
        key = _key(request.execution_id, request.effect_key)
        self._asked.pop(key, []).clear()
        self._outbox.drop(key)
        answer = Unsubscribed(request.request_id, request.execution_id, request.effect_key)
        self._outbox.send(self._connection.answer(answer))

    # --- asking ----------------------------------------------------------------------------------

    async def _get_execution(self, request: GetExecution) -> None:
        execution = await self._engine.get_execution(
            request.execution_id, principal=self._credentials.principal
        )
        head = await self._engine.store.head(execution.id)
        report = ExecutionReport(request.request_id, _view(execution, head))
        self._outbox.send(self._connection.answer(report))

    async def _list_executions(self, request: ListExecutions) -> None:
        async with self._listing:  # a page is long, so the next one is not made before it is taken
            await self._outbox.room()
            page = await self._engine.list_executions(
                principal=self._credentials.principal,
                limit=request.limit,
                before=request.before,
                agent_id=request.agent_id,
            )
            views = tuple(_view(execution) for execution in page.executions)
            answer = ExecutionList(request.request_id, views, page.next)
            self._outbox.send(self._connection.answer(answer))


def _key(execution_id: str | None, effect_key: str | None) -> str:
    return f"effect:{effect_key}" if execution_id is None else f"execution:{execution_id}"


def _view(execution: Execution, head: int | None = None) -> ExecutionView:
    return ExecutionView(
        execution_id=execution.id,
        agent_id=execution.agent_id,
        principal=execution.principal,
        status=execution.status,
        created_at=execution.created_at,
        ended_at=execution.ended_at,
        outcome=execution.outcome,
        error_info=error_info(execution.error),
        head_seq=head,
    )
