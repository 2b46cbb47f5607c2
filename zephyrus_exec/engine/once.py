"""Requests that are executed once, however often they are made: the records of their keys."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

from attrs import evolve, frozen

from ..conversion import dumps
from ..errors import IdempotencyConflict, InvalidValue, OutcomeUnknown, StoreConflict
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore, Put, Record
from ..model import Json, Principal
from .journal import EXECUTION

KEY: Final = "idempotency"
"""Kind of the record of a key: `{execution_id, fingerprint}`, due when it may be forgotten."""

LONGEST_KEY: Final = 256
"""Characters."""

_UUID7: Final = re.compile(
    r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_GRACE: Final = 300.0
"""Seconds a key is kept longer than was said, since clocks of processes differ."""

Claim: TypeAlias = Callable[[str], Put]
"""Returns the record that a key stands for the execution with this id; it must be new."""

Accept: TypeAlias = Callable[[Claim], Awaitable[str]]
"""Accepts an execution, or joins one, writes what the claim returns for it in the very commit that
does so, and returns its id."""


@frozen
class Submission:
    """What became of a request with a key."""

    execution_id: str
    replayed: bool
    """Whether the same request was made before, and this is what was executed then."""


@frozen
class Request:
    """A request with a key."""

    key: str
    place: str
    """Key of its record: the same key is another one for another principal."""
    fingerprint: str
    """What tells one request from another."""
    store_epoch: str | None
    """The incarnation of the store it was first made to; null: it is made for the first time."""

    @classmethod
    def of(
        cls, key: str, principal: Principal, agent_id: str, given: Json, store_epoch: str | None
    ) -> Request:
        """Return the request.

        Args:
            key: As the client gave it.
            principal: On whose behalf.
            agent_id: Which agent.
            given: The input, plain JSON.
            store_epoch: As the client gave it.

        Raises:
            InvalidValue: The key is empty or too long.
        """
        if not 1 <= len(key) <= LONGEST_KEY:
            raise InvalidValue.at(
                "$.idempotency_key",
                "is empty or too long",
                f"write a string of 1 to {LONGEST_KEY} characters",
            )
        return cls(key, _digest([principal.id, key]), _digest([agent_id, given]), store_epoch)


class Once:
    """Decides what becomes of requests with keys; they are forgotten in due time by `Retention`.

    Which request is the first is decided by the store: the record of its key is new in the very
    commit that accepts the execution. So it holds for every process that has the store.

    Args:
        store: Where the keys are.
        clock: The time.
        retention: Seconds a key is kept at least.
    """

    def __init__(self, store: ExecutionStore, clock: Clock, *, retention: float) -> None:
        self._store = store
        self._clock = clock
        self.retention = retention
        """Seconds a key is kept at least."""
        self._deciding: dict[str, tuple[Request, asyncio.Task[Submission]]] = {}

    async def submit(self, request: Request, accept: Accept) -> Submission:
        """Return what is executed for the request, or was.

        What is being decided goes on whoever is cancelled: others may wait for it.

        Args:
            request: The request.
            accept: Called where it is the first of its key.

        Raises:
            IdempotencyConflict: Its key stands for another request.
            OutcomeUnknown: It may have been executed before.
            StoreError: The keys cannot be read or written now.
        """
        while request.place in self._deciding:
            first, task = self._deciding[request.place]
            if first == request:
                return evolve(await asyncio.shield(task), replayed=True)
            await asyncio.wait({task})
        task = asyncio.create_task(self._decide(request, accept), name=f"zephyrus {KEY}")
        self._deciding[request.place] = request, task
        task.add_done_callback(lambda task: self._decided(request.place, task))
        return await asyncio.shield(task)

    def _decided(self, place: str, task: asyncio.Task[Submission]) -> None:
        del self._deciding[place]
        if not task.cancelled():
            task.exception()  # whoever waits for it hears of it; perhaps nobody does any more

    async def _decide(self, request: Request, accept: Accept) -> Submission:
        record = await self._store.get(KEY, request.place)
        if record is not None:
            return await self._replay(request, record)
        self._check_new(request)
        try:
            execution_id = await accept(partial(self._claim, request))
        except StoreConflict:  # unless that was about something else, another process was first
            record = await self._store.get(KEY, request.place)
            if record is None:
                raise
            return await self._replay(request, record)
        return Submission(execution_id, replayed=False)

    async def _replay(self, request: Request, record: Record) -> Submission:
        execution_id = str(record.data["execution_id"])
        if record.data["fingerprint"] != request.fingerprint:
            raise IdempotencyConflict(
                "this idempotency key was given with another agent or input before; give another "
                "key to what is another request",
                execution_id=execution_id,
            )
        if await self._store.get(EXECUTION, execution_id) is None:
            raise _unknown("it was executed before, and how it ended was forgotten", "forgotten")
        return Submission(execution_id, replayed=True)

    def _check_new(self, request: Request) -> None:
        """Return if a key that is not known cannot have been known."""
        if request.store_epoch not in (None, self._store.epoch):
            raise _unknown("the journal may have lost events since it was first asked for", "epoch")
        made = _made_at(request.key)
        if made is not None and self._clock.now() - made >= self.retention:
            raise _unknown("its idempotency key is older than keys are kept", "expired")

    def _claim(self, request: Request, execution_id: str) -> Put:
        now = self._clock.now()
        made = min(_made_at(request.key) or now, now + self.retention)
        body = dumps({"execution_id": execution_id, "fingerprint": request.fingerprint})
        return Put(KEY, request.place, 0, body, due=max(now, made) + self.retention + _GRACE)


def _unknown(why: str, reason: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{why}; now nothing was executed: look at what was done before asking for it under "
        "another key",
        reason=reason,
    )


def _digest(value: Json) -> str:
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def _made_at(key: str) -> float | None:
    """Return when a UUIDv7 was made, in seconds since the epoch; null: the key is none."""
    match = _UUID7.fullmatch(key)
    return None if match is None else int(match[1] + match[2], 16) / 1000
