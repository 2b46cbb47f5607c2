"""What can be asked of a server."""

from __future__ import annotations

import asyncio
import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isawaitable
from typing import TypeAlias, TypeVar, cast

from .. import __version__
from ..conversion import as_json
from ..engine.clock import SystemClock, new_id
from ..interfaces.clock import Clock
from ..model import Json
from ..protocol.v2.client import Request, Stream
from ..protocol.v2.messages import (
    Cancel,
    CancelAck,
    EffectEvent,
    Execute,
    ExecutionList,
    ExecutionReport,
    ExecutionView,
    GetExecution,
    ListExecutions,
    Subscribe,
)
from .agenda import Agenda
from .asks import Question, Start
from .backoff import Backoff
from .ends import again
from .execution import RemoteExecution
from .feeds import ROOM, Reader
from .link import Dial, Link, OnStatus, Status
from .v1 import not_supported
from .v2 import NewToken

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A credential, or what gives one each time it is needed."""
_A = TypeVar("_A")


class Client:
    """Asks one server, over one connection that is made again whenever it ends.

    Nothing is asked for twice and nothing is missed by that: what a server may have accepted is
    asked for again by the same idempotency key, and events go on behind the last that came.

    Made by `connect`; or over a channel of your own: `open` it, and `aclose` it at the end.

    Args:
        dial: Opens channels to the server, given the credential.
        token: The credential; null: none.
        on_status: Hears how the connection stands; must not raise.
        clock: Time; null: the machine's.
        random: Returns a number in [0, 1), for the waits between attempts.
        offer_v2: Whether v2 may be spoken.
        room: Events that a reader may be behind before the server is asked to wait.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        token: Token | None = None,
        on_status: OnStatus | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] | None = None,
        offer_v2: bool = True,
        room: int = ROOM,
    ) -> None:
        self._room = room
        clock = clock or SystemClock()
        random = random or _random.random
        self._agenda = Agenda(clock, lambda: Backoff(random))
        self._link = Link(
            dial,
            self._agenda,
            clock,
            backoff=Backoff(random),
            token=_source(token),
            renewable=callable(token),
            on_status=on_status or _ignore,
            name=f"zephyrus_exec/{__version__}",
            offer_v2=offer_v2,
        )
        self._running: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        """Which version of the protocol is spoken: 2, or 1 to a server that knows no other."""
        return self._link.version or 2

    async def open(self, *, patient: bool = False) -> None:
        """Connect.

        Args:
            patient: Whether to try again where there is no server yet.

        Raises:
            TransportError: There is no server, or it does not take us.
            Unauthenticated: It wants a credential, or another one.
            Forbidden: It takes us not, whoever we are.
        """
        running = asyncio.create_task(self._link.run(patient=patient))
        self._running = running
        try:
            await self._link.decided.wait()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if self._link.end is not None:
            await self.aclose()
            raise again(self._link.end)

    async def aclose(self) -> None:
        """Close the connection. Executions go on; whoever waits for one here is told so."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
            if not self._running.cancelled():
                self._running.result()

    # --- executions ------------------------------------------------------------------------------

    def execute(
        self,
        agent_id: str,
        *,
        input: Json = None,
        deadline: float | None = None,
        idempotency_key: str | None = None,
    ) -> RemoteExecution:
        """Ask for one execution, and return it at once.

        Args:
            agent_id: 1 to 256 characters.
            input: For the agent.
            deadline: When it must end, in seconds since the epoch; null: the server's bound.
            idempotency_key: Names what you want done, so that asking again, from anywhere, does not
                do it again; null: a new one.

        Raises:
            InvalidValue: An argument is out of bounds, or no JSON.
            NotSupported: The server speaks v1 only, which has none of the optional arguments.
        """
        if (input, deadline, idempotency_key) != (None, None, None):
            self._check_v2("input, deadline and idempotency_key of execute")
        key = new_id() if idempotency_key is None else idempotency_key
        request = Execute(
            self._agenda.new_request_id(),
            agent_id,
            idempotency_key=key,
            input=None if input is None else as_json(input),
            deadline=deadline,
        )
        execution = self._execution(Reader(room=self._room), idempotency_key=key)
        self._agenda.add(Start(request, execution, key_given=idempotency_key is not None))
        return execution

    def watch(self, execution_id: str, *, after: int = 0) -> RemoteExecution:
        """Return an execution that was asked for before, by anybody.

        Args:
            execution_id: Which.
            after: The last event that is known already; 0: none.

        Raises:
            InvalidValue: An argument is out of bounds.
            NotSupported: The server speaks v1 only.
        """
        self._check_v2("watch")
        Subscribe("-", execution_id=execution_id, from_seq=after)
        execution = self._execution(Reader(after, room=self._room))
        execution.watch(execution_id)
        return execution

    def _execution(self, reader: Reader, *, idempotency_key: str | None = None) -> RemoteExecution:
        return RemoteExecution(self._agenda, reader, self._cancel, idempotency_key=idempotency_key)

    async def _cancel(self, execution_id: str, reason: str) -> str:
        self._check_v2("cancel")
        request = Cancel(self._agenda.new_request_id(), execution_id, reason or None)
        answer: CancelAck = await self._ask(request)
        return answer.disposition

    async def get_execution(self, execution_id: str) -> ExecutionView:
        """Return how an execution stands.

        Raises:
            ExecutionNotFound: There is none, or none that we may see.
            NotSupported: The server speaks v1 only.
        """
        self._check_v2("get_execution")
        request = GetExecution(self._agenda.new_request_id(), execution_id)
        answer: ExecutionReport = await self._ask(request)
        return answer.execution

    async def list_executions(
        self, *, limit: int = 100, before: str | None = None, agent_id: str | None = None
    ) -> ExecutionList:
        """Return executions, newest first.

        Args:
            limit: At most so many, 1 to 1,000.
            before: The `next` of the page before; null: from the newest on.
            agent_id: Only those of this agent; null: of any.

        Raises:
            NotSupported: The server speaks v1 only.
        """
        self._check_v2("list_executions")
        answer: ExecutionList = await self._ask(
            ListExecutions(self._agenda.new_request_id(), limit, before, agent_id)
        )
        return answer

    async def watch_effect(self, effect_key: str, *, after: int = 0) -> AsyncIterator[EffectEvent]:
        """Yield what happens to an effect, until nothing can change it any more.

        Args:
            effect_key: Which, as the execution's `effect_signed` event tells it.
            after: The last event that is known already; 0: none.

        Raises:
            EffectNotFound: There is none, or none that we may see.
            NotSupported: The server speaks v1 only.
        """
        self._check_v2("watch_effect")
        Subscribe("-", effect_key=effect_key, from_seq=after)
        reader = Reader(after, room=self._room)
        self._agenda.watch(Stream(effect_key, effect=True), reader)
        while (event := await reader.next()) is not None:
            yield cast(EffectEvent, event)

    # --- asking ----------------------------------------------------------------------------------

    async def _ask(self, request: Request) -> _A:
        question: Question[_A] = Question(request)
        self._agenda.add(question)
        try:
            return await question.answer
        finally:
            self._agenda.drop(question)

    def _check_v2(self, feature: str) -> None:
        if self.version == 1:
            raise not_supported(feature)


def _source(token: Token | None) -> NewToken:
    async def give() -> str | None:
        if token is None or isinstance(token, str):
            return token
        given = token()
        return await given if isawaitable(given) else given

    return give


def _ignore(_: Status) -> None:
    """Nobody wants to know."""
