"""What a client asks of the server, each until it is answered, whatever becomes of connections."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from attrs import evolve

from ..errors import CommitUnknown, Draining, ZephyrusError
from ..protocol.v2.client import Request
from ..protocol.v2.messages import Execute, ExecutionCompleted, ExecutionEvent, ExecutionStarted
from ..protocol.v2.server import Answer

A = TypeVar("A")


class Ask(ABC):
    """One request, and what to do with its answer.

    Args:
        request: What to send.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.sent = False
        """Whether a server has it, and has not answered yet."""

    def send_under(self, store_epoch: str) -> Request:
        """Return what to send to a server whose store is this incarnation."""
        self.sent = True
        return self.request

    def lost(self) -> None:
        """Note that the connection is gone that it was sent on."""
        self.sent = False

    @abstractmethod
    def answered(self, answer: Answer) -> None:
        """Take the answer."""

    @abstractmethod
    def refused(self, error: ZephyrusError) -> None:
        """Take the reason why there is none."""

    def is_worth_another(self, error: ZephyrusError) -> bool:
        """Return whether to ask again, later, after it was refused for that reason."""
        return False


class Question(Ask, Generic[A]):
    """Somebody waits for the answer, and nothing changes by asking twice."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()

    def answered(self, answer: Answer) -> None:
        """Hand it over, if somebody still waits."""
        if not self.answer.done():
            self.answer.set_result(cast(A, answer))

    def refused(self, error: ZephyrusError) -> None:
        """Hand it over, if somebody still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Target(ABC):
    """What an execution's start is told to."""

    @abstractmethod
    def begin(self, started: ExecutionStarted) -> None:
        """Note that it is accepted: its events follow."""

    @abstractmethod
    def take(self, event: ExecutionEvent | ExecutionCompleted) -> None:
        """Take an event from a server that tells no stream it belongs to."""

    @abstractmethod
    def refuse(self, error: ZephyrusError) -> None:
        """Note that there is none, or that it is not known."""


class Start(Ask):
    """An execution is asked for, once: by the same key, under the epoch that it was first sent in.

    Args:
        request: Has a key.
        target: What is told.
        key_given: Whether the user chose the key.
    """

    request: Execute

    def __init__(self, request: Execute, target: Target, *, key_given: bool) -> None:
        super().__init__(request)
        self.target = target
        self.key_given = key_given
        self.uncertain = False
        """Whether a server that did not answer may have accepted it."""

    def send_under(self, store_epoch: str) -> Request:
        """Return the request, which names the epoch that it was first sent in."""
        if self.request.store_epoch is None:
            self.request = evolve(self.request, store_epoch=store_epoch)
        return super().send_under(store_epoch)

    def lost(self) -> None:
        """Note that the server may have accepted it, or not."""
        self.uncertain = self.uncertain or self.sent
        super().lost()

    def answered(self, answer: Answer) -> None:
        """Let the execution begin."""
        self.target.begin(cast(ExecutionStarted, answer))

    def refused(self, error: ZephyrusError) -> None:
        """Let there be none."""
        self.target.refuse(error)

    def is_worth_another(self, error: ZephyrusError) -> bool:
        """Return whether that server ends, or what became of the request is open.

        Where it is, being refused for a while says nothing about the first time: only asking by
        the same key does.
        """
        self.uncertain = self.uncertain or isinstance(error, CommitUnknown)
        return isinstance(error, Draining) or (self.uncertain and error.retryable)


class Step(Ask):
    """A part of what the client does by itself; it belongs to one connection.

    Args:
        request: What to send.
        on_answer: Called with the answer.
        on_refused: Called with the reason why there is none.
        again: Whether a server that refuses it for a while is asked again.
    """

    def __init__(
        self,
        request: Request,
        on_answer: Callable[[Any], None],
        on_refused: Callable[[ZephyrusError], None],
        *,
        again: bool = False,
    ) -> None:
        super().__init__(request)
        self._on_answer = on_answer
        self._on_refused = on_refused
        self._again = again

    def answered(self, answer: Answer) -> None:
        """Go on."""
        self._on_answer(answer)

    def refused(self, error: ZephyrusError) -> None:
        """Take note."""
        self._on_refused(error)

    def is_worth_another(self, error: ZephyrusError) -> bool:
        """Return whether it worked before, and may work again."""
        return self._again and error.retryable
