"""A session with one peer that speaks v1."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from ..conversion import structure
from ..engine.acceptance import Accepted
from ..engine.clock import new_id
from ..engine.engine import ExecutionEngine
from ..engine.execution import completed_fields
from ..engine.quotas import TokenBucket
from ..errors import (
    Draining,
    ExecutionReleased,
    StoreUnavailable,
    TransportError,
    ZephyrusError,
)
from ..interfaces.transport import Frame, Transport
from ..model import ActionResult, JsonObject, Outcome
from ..protocol.connection import Close, V1Connection
from ..protocol.messages import ExecuteRequest, Unknown, result_item
from ..protocol.texts import render_error, render_failure
from ..protocol.wording import Language
from .peer import Grant, OnUnknown, Peer, SessionLimits

_log = logging.getLogger(__name__)


class V1Session:
    """Answers one v1 peer: its requests one after the other, its frames read all the while.

    Args:
        transport: The channel.
        engine: Runs what it asks for.
        grant: On whose behalf it asks. It is asked before each request whether that still holds;
            where it does not, the channel is closed with 1008.
        language: Of the texts it gets.
        limits: What it may ask of us.
        on_unknown: Answers messages of other types; null: they are rejected.
    """

    def __init__(
        self,
        transport: Transport,
        engine: ExecutionEngine,
        *,
        grant: Grant,
        language: Language,
        limits: SessionLimits,
        on_unknown: OnUnknown | None = None,
    ) -> None:
        self._transport = transport
        self._engine = engine
        self._principal = grant.principal
        self._connection = V1Connection(
            language=language,
            max_message_bytes=limits.max_message_bytes,
            max_depth=limits.max_message_depth,
            max_pending=limits.max_pending,
            keep_unknown=on_unknown is not None,
        )
        self._holds = grant.holds
        self._bucket = TokenBucket(limits.rate, engine.clock.now()) if limits.rate else None
        self._on_unknown = on_unknown
        self._answering: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._submitting = False
        self._gone = False

    @property
    def submitting(self) -> Collection[asyncio.Task[None]]:
        """What hands a request that was said to be started over to the engine.

        It outlives `run` where the peer leaves meanwhile, and ends by itself.
        """
        return (self._answering,) if self._submitting and self._answering is not None else ()

    async def run(self, frames: Sequence[Frame]) -> None:
        """Serve the peer until its channel ends. Executions it started go on without it.

        Args:
            frames: What it has sent already.

        Raises:
            TransportError: The channel has ended.
        """
        try:
            await self._read(frames)
        finally:
            self._gone = True
            if not self._submitting:
                await _stop(self._answering)
            await _stop(self._finishing)

    def finish(self) -> None:
        """Answer what was started, refuse what was not, then close the channel with 1001.

        What was started and goes on in another process stays unanswered.
        """
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish())

    async def aclose(self) -> None:
        """Close the channel with 1001, whatever is unanswered."""
        await self._transport.aclose(1001, "going away")

    async def _read(self, frames: Sequence[Frame]) -> None:
        while True:
            for frame in frames:
                order = self._connection.receive(frame)
                if isinstance(order, Close):
                    await self._transport.aclose(order.code, order.reason)
                    _log.info("the connection is refused: %d %s", order.code, order.reason)
                    return
            if self._answering is None or self._answering.done():
                self._answering = asyncio.create_task(self._answer_all())
            frames = await self._transport.receive()

    async def _finish(self) -> None:
        while self._answering is not None and not self._answering.done():
            await asyncio.wait({self._answering})
        await self.aclose()

    async def _answer_all(self) -> None:
        """Answer until nothing is unanswered; the reader starts this again when there is."""
        try:
            while not self._gone and (request := self._connection.current) is not None:
                if self._holds is not None and not await self._holds():
                    self._gone = True
                    await self._transport.aclose(1008, "the credential is no longer valid")
                elif isinstance(request, ExecuteRequest):
                    await self._execute(request)
                elif isinstance(request, Unknown):
                    await self._ask_host()
                else:
                    await self._transport.send([self._connection.rejected()])
        except TransportError as end:
            _log.debug("a reply was not delivered: %s", end)
        except Exception:  # noqa: BLE001 - a bug of ours must end this peer's session only
            incident = new_id()
            _log.exception("a session failed, incident %s", incident, extra={"incident": incident})
            await self._transport.aclose(1011, f"internal error, incident {incident}")

    async def _ask_host(self) -> None:
        assert self._on_unknown is not None
        peer = Peer(self._principal, self._transport.handshake)
        try:
            replies = await self._on_unknown(self._connection.unknown(), peer)
        except ZephyrusError as error:
            frames = [self._connection.rejected(render_error(error, self._connection.language))]
        else:
            if replies is None:
                frames = [self._connection.rejected()]
            else:
                several = [replies] if isinstance(replies, Mapping) else replies
                frames = self._connection.answered(several)
        await self._transport.send(frames)

    async def _execute(self, request: ExecuteRequest) -> None:
        await self._transport.send([self._connection.started()])
        try:
            accepted = await self._accept(request)
            if self._gone:
                return
            completed = await self._end_of(accepted)
        except ExecutionReleased:
            self._gone = True  # there will be a reply, but not from this process: close instead
            self.finish()
            return
        except StoreUnavailable:
            self._gone = True
            await self._transport.aclose(1011, "the journal cannot be written now")
            return
        except ZephyrusError as error:
            frame = self._connection.failed(render_error(error, self._connection.language))
        else:
            frame = self._last_reply(completed)
        await self._transport.send([frame])

    async def _accept(self, request: ExecuteRequest) -> Accepted:
        if self._finishing is not None:
            raise Draining("the service is shutting down and takes no new work")
        if self._bucket is not None:
            self._bucket.take(self._engine.clock.now())
        self._submitting = True
        try:
            return await self._engine.accept(request.agent_id, principal=self._principal)
        finally:
            self._submitting = False

    async def _end_of(self, accepted: Accepted) -> JsonObject:
        """Return the data of an execution's `completed` event."""
        if accepted.completed is not None:
            return completed_fields(accepted.completed)
        return await self._engine.result(accepted.id, principal=self._principal)

    def _last_reply(self, completed: JsonObject) -> str:
        """Return the frame that tells what a `completed` event says."""
        language = self._connection.language
        items = completed["results"]
        assert isinstance(items, list)
        succeeded = completed["outcome"] == Outcome.SUCCEEDED
        if succeeded and not items:
            return self._connection.completed(())
        results = [structure(item, ActionResult) for item in items]
        if succeeded:
            return self._connection.completed([result_item(each, language) for each in results])
        error, planned = completed["error"], completed["planned"]
        return self._connection.failed(
            render_failure(
                error if isinstance(error, Mapping) else {},
                results,
                planned if isinstance(planned, int) and planned else None,
                language,
            )
        )


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task})
