"""Who may run now, who waits, who is turned away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field

from ..errors import Overloaded


@define(eq=False)
class Ticket:
    """One execution's place: waiting, then running, then released."""

    agent_id: str
    max_concurrent: int
    """How many of the agent's executions may run at once."""
    start: Callable[[], None]
    """Called, once, when it may run."""
    running: bool = False


@define(eq=False)
class _AgentQueue:
    running: int = 0
    waiting: deque[Ticket] = field(factory=deque)

    @property
    def startable(self) -> bool:
        return bool(self.waiting) and self.running < self.waiting[0].max_concurrent


class Admission:
    """First come, first served within an agent; agents take turns for the places of the engine.

    Args:
        max_running: Most executions that run at once.
        max_queued: Most executions that wait; beyond it requests are refused.
    """

    def __init__(self, *, max_running: int, max_queued: int) -> None:
        self._max_running = max_running
        self._max_queued = max_queued
        self._agents: dict[str, _AgentQueue] = {}
        self._ready: dict[str, None] = {}
        """Agents that could start one more if the engine had a place, in order, each once."""
        self.running = 0
        self.queued = 0

    def occupied(self, agent_id: str, max_concurrent: int) -> bool:
        """Whether a request for this agent would have to wait for one of its own executions."""
        queue = self._agents.get(agent_id)
        return queue is not None and (queue.running >= max_concurrent or bool(queue.waiting))

    def must_wait(self, agent_id: str, max_concurrent: int) -> bool:
        """Whether a request for this agent would have to wait, whoever it would wait for."""
        return self.running >= self._max_running or self.occupied(agent_id, max_concurrent)

    def enter(self, ticket: Ticket, *, bounded: bool = True) -> None:
        """Start the ticket, now or when it is its turn.

        Args:
            ticket: A new one.
            bounded: False: it is taken however many wait already.

        Raises:
            Overloaded: It would have to wait, and the queue is full.
        """
        must_wait = self.must_wait(ticket.agent_id, ticket.max_concurrent)
        if bounded and must_wait and self.queued >= self._max_queued:
            raise Overloaded(
                f"{self.queued} executions are waiting already; nothing was executed, try later",
                queued=self.queued,
            )
        queue = self._agents.get(ticket.agent_id)
        if queue is None:
            queue = self._agents[ticket.agent_id] = _AgentQueue()
        if not must_wait:
            self._start(queue, ticket)
            return
        queue.waiting.append(ticket)
        self.queued += 1
        self._note(ticket.agent_id, queue)
        self._advance()

    def leave(self, ticket: Ticket) -> None:
        """Give the ticket's place to the next; a waiting ticket just goes. Call once."""
        queue = self._agents[ticket.agent_id]
        if ticket.running:
            queue.running -= 1
            self.running -= 1
        else:
            queue.waiting.remove(ticket)
            self.queued -= 1
        if queue.waiting or not ticket.running:
            self._note(ticket.agent_id, queue)
        if not queue.running and not queue.waiting:
            del self._agents[ticket.agent_id]
        if self._ready:
            self._advance()

    def _note(self, agent_id: str, queue: _AgentQueue) -> None:
        """Keep the agent's turn if it can use one; otherwise it has none."""
        if queue.startable:
            self._ready.setdefault(agent_id)
        else:
            self._ready.pop(agent_id, None)

    def _advance(self) -> None:
        while self._ready and self.running < self._max_running:
            agent_id = next(iter(self._ready))
            del self._ready[agent_id]
            queue = self._agents[agent_id]
            ticket = queue.waiting.popleft()
            self.queued -= 1
            self._start(queue, ticket)
            self._note(agent_id, queue)

    def _start(self, queue: _AgentQueue, ticket: Ticket) -> None:
        ticket.running = True
        queue.running += 1
        self.running += 1
        ticket.start()
