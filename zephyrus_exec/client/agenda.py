"""What is wanted of the server: it outlives connections, and each new one is told all of it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import count

from ..errors import ZephyrusError
from ..interfaces.clock import Clock
from ..protocol.v2.client import Stream, StreamEvent
from ..protocol.v2.messages import Subscribe, Subscribed, Unsubscribe, Unsubscribed
from .asks import Ask, Step
from .backoff import Backoff
from .ends import again, retry_after
from .feeds import Cursors, Feed, Reader


class Channel(ABC):
    """An open connection, as the agenda sees it."""

    @property
    @abstractmethod
    def store_epoch(self) -> str | None:
        """Which incarnation of the server's store it leads to; null: the server does not say."""

    @abstractmethod
    def ask(self, ask: Ask) -> None:
        """Send a request as soon as the server takes it."""


class Agenda(Cursors):
    """Unanswered requests, and what is watched.

    Args:
        clock: Time.
        new_backoff: Makes the waits before a request is sent again that was refused.
    """

    def __init__(self, clock: Clock, new_backoff: Callable[[], Backoff]) -> None:
        self._clock = clock
        self._new_backoff = new_backoff
        self._numbers = count(1)
        self._asks: dict[str, Ask] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._feeds: dict[Stream, Feed] = {}
        self._channel: Channel | None = None
        self._epoch: str | None = None
        self._ended: ZephyrusError | None = None
        self._waits: set[asyncio.Task[None]] = set()

    def new_request_id(self) -> str:
        """Return an id that no other request of this client has."""
        return f"r{next(self._numbers)}"

    # --- requests --------------------------------------------------------------------------------

    def add(self, ask: Ask) -> None:
        """See to it that the request is answered."""
        if self._ended is not None:
            ask.refused(again(self._ended))
            return
        self._asks[ask.request.request_id] = ask
        if self._channel is not None:
            self._channel.ask(ask)

    def drop(self, ask: Ask) -> None:
        """Let go of a request that is answered, or whose answer nobody waits for."""
        self._asks.pop(ask.request.request_id, None)
        self._backoffs.pop(ask.request.request_id, None)

    def refuse(self, ask: Ask, error: ZephyrusError) -> None:
        """Take note that the server refuses a request: it is asked again later, or never."""
        request_id = ask.request.request_id
        ask.sent = False
        if request_id not in self._asks or not ask.is_worth_another(error):
            self.drop(ask)
            ask.refused(error)
            return
        backoff = self._backoffs.setdefault(request_id, self._new_backoff())
        wait = self._ask_after(retry_after(error) + backoff.next(), ask)
        task = asyncio.create_task(wait)
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)

    async def _ask_after(self, delay: float, ask: Ask) -> None:
        channel = self._channel
        await self._clock.sleep_until(self._clock.now() + delay)
        if channel is not None and channel is self._channel:
            channel.ask(ask)

    # --- what is watched -------------------------------------------------------------------------

    def watch(self, stream: Stream, reader: Reader) -> None:
        """Let a reader have a stream's events."""
        if self._ended is not None:
            reader.fail(self._ended)
        else:
            self._feed(stream).join(reader)

    def follow(self, stream: Stream, reader: Reader) -> None:
        """Let a reader have a stream whose events the server sends by itself."""
        self._feed(stream).started()
        self.watch(stream, reader)

    def _feed(self, stream: Stream) -> Feed:
        return self._feeds.setdefault(stream, Feed(stream, self))

    def offer(self, stream: Stream, event: StreamEvent) -> None:
        """Hand an event to whoever reads its stream."""
        if stream in self._feeds:
            self._feeds[stream].offer(event)

    def lose(self, stream: Stream, error: ZephyrusError) -> None:
        """Let whoever reads a stream know why there is nothing more of it."""
        if stream in self._feeds:
            self._feeds[stream].fail(error)

    def subscribe(self, feed: Feed, after: int) -> bool:
        """Ask for the events of a feed."""
        if self._channel is None:
            return False
        stream = feed.stream
        request = Subscribe(
            self.new_request_id(),
            execution_id=None if stream.effect else stream.id,
            effect_key=stream.id if stream.effect else None,
            from_seq=after,
        )

        def on_answer(answer: Subscribed) -> None:
            feed.subscribed(after, answer)

        self.add(Step(request, on_answer, feed.fail, again=feed.known))
        return True

    def unsubscribe(self, feed: Feed) -> None:
        """Ask for no more events of a feed."""
        stream = feed.stream
        request = Unsubscribe(
            self.new_request_id(),
            execution_id=None if stream.effect else stream.id,
            effect_key=stream.id if stream.effect else None,
        )

        def on_answer(_: Unsubscribed | ZephyrusError) -> None:
            feed.unsubscribed()

        self.add(Step(request, on_answer, on_answer, again=True))

    def forget(self, feed: Feed) -> None:
        """Let go of a feed that nobody reads; another one of its stream stays."""
        if self._feeds.get(feed.stream) is feed:
            del self._feeds[feed.stream]

    # --- connections -----------------------------------------------------------------------------

    def attach(self, channel: Channel) -> None:
        """Ask a new connection everything that is unanswered, and for everything watched."""
        self._channel = channel
        if self._epoch not in (None, channel.store_epoch):
            for feed in self._feeds.values():
                feed.doubt()
        self._epoch = channel.store_epoch
        for ask in list(self._asks.values()):
            channel.ask(ask)
        for feed in list(self._feeds.values()):
            feed.update()

    def detach(self) -> None:
        """Note that the connection is gone."""
        self._channel = None
        for ask in list(self._asks.values()):
            ask.lost()
            if isinstance(ask, Step):
                self.drop(ask)
        for feed in list(self._feeds.values()):
            feed.lost()

    def end(self, error: ZephyrusError) -> None:
        """Let everybody have the error who waits, now or later."""
        self._ended = error
        for wait in self._waits:
            wait.cancel()
        for ask in list(self._asks.values()):
            self.drop(ask)
            ask.refused(again(error))
        for feed in list(self._feeds.values()):
            feed.fail(error)
