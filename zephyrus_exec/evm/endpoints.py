"""The endpoints of one chain: which of them are of use now, and in which order they are asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from attrs import define

from ..interfaces.chain import Block, EndpointHealth
from .consumer import ConsumerSearch
from .finality import FinalBlocks
from .node import EvmNode
from .rpc import NodeFailed, NodeState

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_NO_FAULT = frozenset({NodeState.REFUSING, NodeState.BEHIND})
"""Failures that say something of the question: the endpoint is still good for others."""


class NoneOfUse(Exception):
    """No endpoint could answer a question.

    Args:
        failures: Why, one for each that was asked.
    """

    def __init__(self, failures: Sequence[NodeFailed]) -> None:
        super().__init__(*(one.problem for one in failures))
        self.failures = tuple(failures)

    def every(self, state: NodeState) -> bool:
        """Return whether all of them failed in this way."""
        return all(one.state is state for one in self.failures)

    def any(self, state: NodeState) -> bool:
        """Return whether one of them failed in this way."""
        return any(one.state is state for one in self.failures)


@define(eq=False)
class Endpoint:
    """One endpoint, and how it was when it was last asked."""

    index: int
    node: EvmNode
    final: FinalBlocks
    search: ConsumerSearch
    state: NodeState = NodeState.OK
    head: int | None = None
    """Number of its latest block at the last survey; null: not known."""
    agreed: Block | None = None
    """The last block counted as final that it was seen to have."""


class Endpoints:
    """Keeps the order in which endpoints were configured, and leaves out those of no use.

    One that failed is left out until a survey finds it well again. A survey asks all of them for
    chain id and head; where there are several, use starts one in the background now and then.

    Args:
        chain_id: For the log.
        members: Best first, at least one.
        max_lag_blocks: How far behind the newest head an endpoint may be.
        survey_every: Least seconds between two surveys.
        now: Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        chain_id: int,
        members: Sequence[Endpoint],
        *,
        max_lag_blocks: int,
        survey_every: float,
        now: Callable[[], float],
    ) -> None:
        self._chain_id = chain_id
        self._members = tuple(members)
        self._max_lag_blocks = max_lag_blocks
        self._survey_every = survey_every
        self._now = now
        self._next_survey = now()
        self._survey: asyncio.Task[None] | None = None
        self.final: Block | None = None
        """The last block that counted as final; null: there was none yet."""

    @property
    def health(self) -> tuple[EndpointHealth, ...]:
        """How each is, in configured order."""
        return tuple(EndpointHealth(one.index, one.state.value, one.head) for one in self._members)

    def usable(self) -> list[Endpoint]:
        """Return those to ask, best first: the well ones, then those behind; all if none is."""
        self._watch()
        return [*self._those(NodeState.OK), *self._those(NodeState.BEHIND)] or list(self._members)

    def trusted(self) -> list[Endpoint]:
        """Return those whose word counts together: one that is behind holds nobody up."""
        self._watch()
        return self._those(NodeState.OK) or self.usable()

    def behind(self) -> list[Endpoint]:
        """Return those that are not trusted only because others are further."""
        return self._those(NodeState.BEHIND) if self._those(NodeState.OK) else []

    def _those(self, state: NodeState) -> list[Endpoint]:
        return [one for one in self._members if one.state is state]

    def failed(self, endpoint: Endpoint, failure: NodeFailed) -> None:
        """Leave an endpoint out from now on, if it is to blame."""
        if failure.state not in _NO_FAULT:
            self._mark(endpoint, failure.state, failure.problem)

    def answered(self, endpoint: Endpoint) -> None:
        """Use an endpoint again; one that is behind stays so until it is seen to have caught up."""
        if endpoint.state is not NodeState.BEHIND:
            self._mark(endpoint, NodeState.OK, "answers again")

    async def ask(self, work: Callable[[Endpoint], Awaitable[_T]]) -> _T:
        """Return what the first endpoint that can answer says.

        Args:
            work: Asks one endpoint; everything that belongs together.

        Raises:
            NoneOfUse: None can.
        """
        failures: list[NodeFailed] = []
        for endpoint in self.usable():
            try:
                answer = await work(endpoint)
            except NodeFailed as failure:
                self.failed(endpoint, failure)
                failures.append(failure)
            else:
                self.answered(endpoint)
                return answer
        raise NoneOfUse(failures)

    async def survey(self) -> None:
        """Ask every endpoint for chain id and head; afterwards its state is as it is now."""
        self._next_survey = self._now() + self._survey_every
        heads = await asyncio.gather(*(self._probe(one) for one in self._members))
        best = max((head for head in heads if head is not None), default=0)
        for endpoint, head in zip(self._members, heads, strict=True):
            if head is None:
                continue
            endpoint.head = head
            if best - head > self._max_lag_blocks:
                self._mark(endpoint, NodeState.BEHIND, f"is {best - head} blocks behind another")
            else:
                self._mark(endpoint, NodeState.OK, "is well again")

    async def aclose(self) -> None:
        """Close all connections."""
        if self._survey is not None:
            self._survey.cancel()
            await asyncio.gather(self._survey, return_exceptions=True)
        for endpoint in self._members:
            await endpoint.node.aclose()

    def _watch(self) -> None:
        """Start a survey if it is time for one."""
        running = self._survey is not None and not self._survey.done()
        if len(self._members) > 1 and not running and self._now() >= self._next_survey:
            name = f"zephyrus endpoints of chain {self._chain_id}"
            self._survey = asyncio.create_task(self.survey(), name=name)

    async def _probe(self, endpoint: Endpoint) -> int | None:
        try:
            return await endpoint.node.probe()
        except NodeFailed as failure:
            self._mark(endpoint, failure.state, failure.problem)
            return None

    def _mark(self, endpoint: Endpoint, state: NodeState, problem: str) -> None:
        if state is endpoint.state:
            return
        endpoint.state = state
        level = logging.INFO if state is NodeState.OK else logging.WARNING
        _log.log(
            level,
            "chain %d: endpoint %d of %d is %s: it %s",
            self._chain_id,
            endpoint.index + 1,
            len(self._members),
            state.value,
            problem,
        )
