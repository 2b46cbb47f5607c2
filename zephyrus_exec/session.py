"""One peer: a channel to it, its protocol connection, and the engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from attrs import frozen

from .conversion import structure
from .engine.clock import new_id
from .engine.engine import ExecutionEngine
from .engine.quotas import TokenBucket
from .errors import (
    Draining,
    ExecutionReleased,
    StoreUnavailable,
    TransportError,
    ZephyrusError,
)
from .interfaces.transport import Transport
from .model import ActionResult, JsonObject, Outcome, Principal
from .protocol.codec import MAX_BYTES, MAX_DEPTH
from .protocol.connection import MAX_PENDING, Close, V1Connection
from .protocol.messages import ExecuteRequest, result_item
from .protocol.texts import render_error, render_failure
from .protocol.wording import Language

_log = logging.getLogger(__name__)


@frozen
class SessionLimits:
    """What one peer may ask of us."""

    max_message_bytes: int = MAX_BYTES
    """Longest message that is decoded, in bytes."""
    max_message_depth: int = MAX_DEPTH
    """Deepest nesting that is decoded."""
    max_pending: int = MAX_PENDING
    """How many requests may wait for their answers; beyond it the channel is closed with 1013."""
    rate: float = 0
    """How many requests a second it may make, a second's worth at once; 0: no bound."""


Holds: TypeAlias = Callable[[], Awaitable[bool]]
"""Tells whether what a peer was granted when it came still holds."""


class Session:
    """Answers one v1 peer: its requests one after the other, its frames read all the while.

    Args:
        transport: The channel.
        engine: Runs what it asks for.
        principal: On whose behalf it asks.
        language: Of the texts it gets.
        limits: What it may ask of us.
        holds: Asked before each request; where it says no, the channel is closed with 1008. Null:
            it always holds.
    """

    def __init__(
        self,
        transport: Transport,
        engine: ExecutionEngine,
        *,
        principal: Principal,
        language: Language,
        limits: SessionLimits,
        holds: Holds | None = None,
    ) -> None:
        self._transport = transport
        self._engine = engine
        self._principal = principal
        self._connection = V1Connection(
            language=language,
            max_message_bytes=limits.max_message_bytes,
            max_depth=limits.max_message_depth,
            max_pending=limits.max_pending,
        )
        self._holds = holds
        self._bucket = TokenBucket(limits.rate, engine.clock.now()) if limits.rate else None
        self._answering: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._submitting = False
        self._gone = False

    @property
    def submitting(self) -> asyncio.Task[None] | None:
        """What hands a request that was said to be started over to the engine; null: nothing.

        It outlives `run` where the peer leaves meanwhile, and ends by itself.
        """
        return self._answering if self._submitting else None

    async def run(self) -> None:
        """Serve the peer until its channel ends. Executions it started go on without it."""
        try:
            await self._read()
        except TransportError as end:
            _log.debug("a session ended: %s", end)
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

    async def _read(self) -> None:
        while True:
            for frame in await self._transport.receive():
                order = self._connection.receive(frame)
                if isinstance(order, Close):
                    await self._transport.aclose(order.code, order.reason)
                    return
            if self._answering is None or self._answering.done():
                self._answering = asyncio.create_task(self._answer_all())

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
                else:
                    await self._transport.send([self._connection.rejected()])
        except TransportError as end:
            _log.debug("a reply was not delivered: %s", end)
        except Exception:  # noqa: BLE001 - a bug of ours must end this peer's session only
            incident = new_id()
            _log.exception("a session failed, incident %s", incident)
            await self._transport.aclose(1011, f"internal error, incident {incident}")

    async def _execute(self, request: ExecuteRequest) -> None:
        await self._transport.send([self._connection.started()])
        try:
            execution_id = await self._submit(request)
            if self._gone:
                return
            completed = await self._engine.result(execution_id, principal=self._principal)
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

    async def _submit(self, request: ExecuteRequest) -> str:
        if self._finishing is not None:
            raise Draining("the service is shutting down and takes no new work")
        if self._bucket is not None:
            self._bucket.take(self._engine.clock.now())
        self._submitting = True
        try:
            return await self._engine.submit(request.agent_id, principal=self._principal)
        finally:
            self._submitting = False

    def _last_reply(self, completed: JsonObject) -> str:
        """Return the frame that tells what a `completed` event says."""
        language = self._connection.language
        items = completed["results"]
        assert isinstance(items, list)
        results = [structure(item, ActionResult) for item in items]
        if completed["outcome"] == Outcome.SUCCEEDED:
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
