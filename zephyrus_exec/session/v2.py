"""A session with one peer that speaks v2."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from attrs import evolve

from ..conversion import dumps
from ..engine.clock import new_id
from ..engine.engine import ExecutionEngine
from ..engine.quotas import TokenBucket
from ..errors import (
    Draining,
    Forbidden,
    Overloaded,
    StoreError,
    TransportError,
    Unauthenticated,
    ZephyrusError,
)
from ..interfaces.transport import Frame, Transport
from ..logs import about
from ..model import Event, Execution, Principal
from ..protocol.connection import Close
from ..protocol.messages import MAX_AGENT_ID
from ..protocol.texts import TEXTS
from ..protocol.v2.codec import encode
from ..protocol.v2.messages import (
    MAX_IDEMPOTENCY_KEY,
    Auth,
    Cancel,
    CancelAck,
    ClientMessage,
    Credential,
    Execute,
    ExecutionList,
    ExecutionReport,
    ExecutionStarted,
    ExecutionView,
    GetExecution,
    GoAway,
    Hello,
    Identity,
    Limits,
    ListExecutions,
    StartedData,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from ..protocol.v2.server import CloseCode, Foreign, Refused, State, V2Connection
from ..protocol.wording import Language
from .frames import EventFrames, error_info
from .outbox import Outbox, Watch
from .peer import Grant, Identify, OnUnknown, Peer, SessionLimits

_log = logging.getLogger(__name__)

_Work: TypeAlias = Callable[[], Awaitable[None]]

_AWAY: Final = Close(CloseCode.DRAINING, "this server shuts down; connect again")
_UNAUTHENTICATED: Final = Close(CloseCode.UNAUTHENTICATED, "a valid credential is required")
_RETRY_AFTER: Final = 1.0
"""Seconds after which clients are asked to come back when the server goes."""


class V2Session:
    """Answers one v2 peer: any number of requests at once, and whatever it watches.

    Args:
        transport: The channel.
        engine: Runs what it asks for.
        grant: On whose behalf it asks, as far as the handshake told; null: its `hello` has to tell.
        identify: Finds out who brings a credential in `hello` or `auth`.
        language: Of the texts it gets.
        limits: What it may ask of us.
        frames: Makes the frames of events.
        server: Our name and release.
        connection_id: Names the connection in the log.
        on_unknown: Answers messages of other types; null: they are refused.
    """

    def __init__(
        self,
        transport: Transport,
        engine: ExecutionEngine,
        *,
        grant: Grant | None,
        identify: Identify,
        language: Language,
        limits: SessionLimits,
        frames: EventFrames,
        server: str,
        connection_id: str,
        on_unknown: OnUnknown | None = None,
    ) -> None:
        self._transport = transport
        self._engine = engine
        self._grant = grant
        self._identify = identify
        self._limits = limits
        self._event_frames = frames
        self._server = server
        self._connection_id = connection_id
        self._on_unknown = on_unknown
        now = engine.clock.now()
        self._connection = V2Connection(
            _told(limits, engine),
            now=now,
            heartbeat=limits.heartbeat,
            language=language,
            keep_unknown=on_unknown is not None,
        )
        self._bucket = TokenBucket(limits.rate, now) if limits.rate else None
        self._outbox = Outbox(
            transport,
            engine.clock,
            lost=lambda error: self._connection.refusal(None, error),
            busy=lambda: self._connection.unanswered > 0,
        )
        self._answering: set[asyncio.Task[None]] = set()
        self._submitting: set[asyncio.Task[None]] = set()
        self._going = False
        self._over = False

    @property
    def submitting(self) -> Collection[asyncio.Task[None]]:
        """What hands requests over to the engine.

        They outlive `run` where the peer leaves meanwhile, and end by themselves.
        """
        return tuple(self._submitting)

    async def run(self, frames: Sequence[Frame]) -> None:
        """Serve the peer until its channel ends. Executions it started go on without it.

        Args:
            frames: What it has sent already.

        Raises:
            TransportError: The channel has ended.
        """
        helpers = {
            asyncio.create_task(self._guard(self._outbox.run)),
            asyncio.create_task(self._guard(self._keep_time)),
        }
        try:
            await self._read(frames)
        finally:
            self._over = True
            ending = {*helpers, *(self._answering - self._submitting)}
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)
            self._outbox.close()

    def finish(self) -> None:
        """Take nothing new, tell what is still to be told, then close the channel with 4503."""
        if self._going:
            return
        self._going = True
        if self._connection.state is State.OPEN:
            self._outbox.send(encode(GoAway(_RETRY_AFTER)))
        self._outbox.end_when_told(_AWAY)

    async def aclose(self) -> None:
        """Close the channel with 4503; the peer goes on from where it is, elsewhere."""
        await self._transport.aclose(_AWAY.code, _AWAY.reason)

    # --- reading ---------------------------------------------------------------------------------

    async def _read(self, frames: Sequence[Frame]) -> None:
        while True:
            for frame in frames:
                if not self._over:
                    await self._take(frame)
            frames = await self._transport.receive()

    async def _take(self, frame: Frame) -> None:
        received = self._connection.receive(frame, self._engine.clock.now())
        match received:
            case None:
                pass
            case Refused():
                self._outbox.send(received.frame)
                if received.close is not None:
                    self._end(received.close)
            case Hello():
                await self._welcome(received)
            case Foreign():
                self._spawn(partial(self._ask_host, received))
            case _:
                self._spawn(partial(self._answer, received))

    def _end(self, close: Close) -> None:
        """Close the channel behind what is to be sent, and hear nothing more."""
        self._over = True
        self._outbox.end(close)
        _log.info("the connection is closed: %d %s", close.code, close.reason)

    def _spawn(self, work: _Work) -> None:
        task = asyncio.create_task(self._guard(work))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _guard(self, work: _Work) -> None:
        try:
            await work()
        except TransportError as end:
            _log.debug("the channel has ended: %s", end)
        except StoreError as error:
            _log.warning("a journal cannot be read now: %s", error)
            await self._transport.aclose(1011, "the journal cannot be read now")
        except Exception:  # noqa: BLE001 - a bug of ours must end this peer's session only
            incident = new_id()
            _log.exception("a session failed, incident %s", incident, extra={"incident": incident})
            await self._transport.aclose(1011, f"internal error, incident {incident}")

    # --- who it is -------------------------------------------------------------------------------

    async def _welcome(self, request: Hello) -> None:
        try:
            grant = await self._granted(request.auth)
        except Unauthenticated as error:
            _log.warning("refused %s: %s", self._transport.handshake.peer, error)
            self._outbox.send(self._connection.refuse(request.request_id, error))
            self._end(_UNAUTHENTICATED)
            return
        self._grant = grant
        about(principal=grant.principal.id)
        self._outbox.send(
            self._connection.welcome(
                request,
                server=self._server,
                connection_id=self._connection_id,
                store_epoch=self._engine.store.epoch,
                principal=_identity(grant),
            )
        )

    async def _granted(self, credential: Credential | None) -> Grant:
        if credential is not None:
            return await self._grant_for(credential.scheme, credential.token)
        if self._grant is None:
            raise Unauthenticated("it has no credential, neither in its handshake nor in hello")
        return self._grant

    async def _grant_for(self, scheme: str, token: str) -> Grant:
        handshake = self._transport.handshake
        headers = {**handshake.headers, "authorization": f"{scheme} {token}"}
        return await self._identify(evolve(handshake, headers=headers, principal=None))

    async def _renew(self, request: Auth) -> None:
        grant = await self._grant_for(request.scheme, request.token)
        if grant.principal != self._principal:
            raise Forbidden("a connection stays its principal's; connect anew for another one")
        self._grant = grant
        self._outbox.send(self._connection.renewed(request, _identity(grant)))

    @property
    def _principal(self) -> Principal:
        assert self._grant is not None
        return self._grant.principal

    async def _holds(self) -> bool:
        """Return whether the peer may go on; if not, its channel is about to be closed."""
        if self._grant is None or self._grant.holds is None or await self._grant.holds():
            return True
        self._end(Close(CloseCode.UNAUTHENTICATED, "the credential is no longer valid"))
        return False

    # --- requests --------------------------------------------------------------------------------

    async def _answer(self, request: ClientMessage) -> None:
        assert not isinstance(request, Hello)
        try:
            if not await self._holds():
                return
            if self._bucket is not None:
                self._bucket.take(self._engine.clock.now())
            await self._do(request)
        except ZephyrusError as error:
            self._refuse(request, error)
        except Exception:  # noqa: BLE001 - a bug of ours must fail this request only
            incident = new_id()
            _log.exception("a request failed, incident %s", incident, extra={"incident": incident})
            self._refuse(request, ZephyrusError("internal error", incident=incident))

    def _refuse(self, request: Any, error: ZephyrusError) -> None:
        self._outbox.send(self._connection.refuse(request.request_id, error))

    async def _do(self, request: ClientMessage) -> None:
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
            case Auth():
                await self._renew(request)

    async def _execute(self, request: Execute) -> None:
        if self._going:
            raise Draining("the service is shutting down and takes no new work")
        self._check_room()
        execution_id, replayed = await self._submit(request)
        watch = self._execution_watch(execution_id)
        watch.cursor = await self._engine.open_cursor(
            execution_id, principal=self._principal, ready=watch.ready
        )
        watch.greeting = self._connection.answer(
            ExecutionStarted(
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
        )
        self._add(watch)

    async def _submit(self, request: Execute) -> tuple[str, bool]:
        task = asyncio.current_task()
        assert task is not None
        self._submitting.add(task)
        task.add_done_callback(self._submitting.discard)
        try:
            if request.idempotency_key is None:
                execution_id = await self._engine.submit(
                    request.agent_id,
                    principal=self._principal,
                    input=request.input,
                    deadline=request.deadline,
                )
                return execution_id, False
            submission = await self._engine.submit_once(
                request.agent_id,
                request.idempotency_key,
                principal=self._principal,
                input=request.input,
                deadline=request.deadline,
                store_epoch=request.store_epoch,
            )
            return submission.execution_id, submission.replayed
        finally:
            self._submitting.discard(task)

    async def _subscribe(self, request: Subscribe) -> None:
        self._check_room()
        if request.execution_id is not None:
            watch = self._execution_watch(request.execution_id)
            watch.cursor = await self._engine.open_cursor(
                request.execution_id,
                after=request.from_seq,
                principal=self._principal,
                ready=watch.ready,
            )
        else:
            watch = self._effect_watch(effect_key := request.effect_key or "")
            watch.cursor = await self._engine.open_effect_cursor(
                effect_key, after=request.from_seq, principal=self._principal, ready=watch.ready
            )
        watch.greeting = self._connection.answer(
            Subscribed(
                request_id=request.request_id,
                execution_id=request.execution_id,
                effect_key=request.effect_key,
                head_seq=watch.cursor.head,
                terminal=watch.cursor.terminal,
            )
        )
        self._add(watch)

    def _check_room(self) -> None:
        if self._outbox.watches >= self._limits.max_subscriptions:
            raise Overloaded(
                "this connection watches as much as it may; unsubscribe, or use another"
            )

    def _execution_watch(self, execution_id: str) -> Watch:
        key = f"execution:{execution_id}"
        return Watch(key, self._event_frames.of_execution, self._outbox.turn)

    def _effect_watch(self, effect_key: str) -> Watch:
        def frames_of(_: object, events: Sequence[Event]) -> list[str]:
            return self._event_frames.of_effect(effect_key, events)

        return Watch(f"effect:{effect_key}", frames_of, self._outbox.turn)

    def _add(self, watch: Watch) -> None:
        if self._over:
            watch.cursor.close()
        else:
            self._outbox.add(watch)

    def _unsubscribe(self, request: Unsubscribe) -> None:
        if request.execution_id is not None:
            self._outbox.drop(f"execution:{request.execution_id}")
        else:
            self._outbox.drop(f"effect:{request.effect_key}")
        answer = Unsubscribed(request.request_id, request.execution_id, request.effect_key)
        self._outbox.send(self._connection.answer(answer))

    async def _get_execution(self, request: GetExecution) -> None:
        execution = await self._engine.get_execution(
            request.execution_id, principal=self._principal
        )
        head = await self._engine.store.head(execution.id)
        report = ExecutionReport(request.request_id, _view(execution, head))
        self._outbox.send(self._connection.answer(report))

    async def _list_executions(self, request: ListExecutions) -> None:
        page = await self._engine.list_executions(
            principal=self._principal,
            limit=request.limit,
            before=request.before,
            agent_id=request.agent_id,
        )
        views = tuple(_view(execution) for execution in page.executions)
        answer = ExecutionList(request.request_id, views, page.next)
        self._outbox.send(self._connection.answer(answer))

    async def _cancel(self, request: Cancel) -> None:
        disposition = await self._engine.cancel(
            request.execution_id, principal=self._principal, reason=request.reason or ""
        )
        answer = CancelAck(request.request_id, request.execution_id, disposition)
        self._outbox.send(self._connection.answer(answer))

    async def _ask_host(self, foreign: Foreign) -> None:
        assert self._on_unknown is not None
        if not await self._holds():
            return
        peer = Peer(self._principal, self._transport.handshake)
        request_id = foreign.message.get("request_id")
        try:
            replies = await self._on_unknown(foreign.message, peer)
        except ZephyrusError as error:
            named = request_id if isinstance(request_id, str) else None
            frames = [self._connection.refusal(named, error)]
        else:
            if replies is None:
                frames = [foreign.refusal]
            else:
                several = [replies] if isinstance(replies, Mapping) else replies
                frames = [dumps(reply) for reply in several]
        for frame in frames:
            self._outbox.send(frame)

    # --- time ------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Ask for life, and give up who shows none: silent, stalled, or no longer welcome."""
        clock, limits = self._engine.clock, self._limits
        while (close := await self._due()) is None:
            patience = min(limits.stall_timeout, limits.heartbeat.ping_after)
            await clock.sleep_until(clock.now() + patience if self._over else self._next(patience))
        _log.info("the connection is closed: %d %s", close.code, close.reason)
        await self._transport.aclose(close.code, close.reason)

    def _next(self, patience: float) -> float:
        return min(self._connection.due, self._engine.clock.now() + patience)

    async def _due(self) -> Close | None:
        """Do what it is time for; return why the channel is to be closed at once, if it is."""
        if self._outbox.stalled(self._limits.stall_timeout):
            return Close(CloseCode.SLOW, "you take nothing; come back and go on")
        if self._over:
            return None
        order = self._connection.poll(self._engine.clock.now())
        if isinstance(order, Close):
            return order
        for frame in order:
            self._outbox.send(frame)
        await self._holds()
        return None


def _told(limits: SessionLimits, engine: ExecutionEngine) -> Limits:
    return Limits(
        max_message_bytes=limits.max_message_bytes,
        max_message_depth=limits.max_message_depth,
        max_requests=limits.max_pending,
        max_subscriptions=limits.max_subscriptions,
        max_request_rate=float(limits.rate),
        hello_timeout=limits.hello_timeout,
        stall_timeout=limits.stall_timeout,
        max_duration=engine.max_duration,
        executions_kept=engine.keep_ended,
        idempotency_key_retention=engine.key_retention,
        max_idempotency_key=MAX_IDEMPOTENCY_KEY,
        max_agent_id=MAX_AGENT_ID,
    )


def _identity(grant: Grant) -> Identity:
    principal = grant.principal
    return Identity(principal.id, tuple(sorted(principal.scopes)), grant.expires_at)


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
