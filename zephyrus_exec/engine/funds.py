"""Noticing that a sender will soon be unable to pay, before a transaction fails for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from attrs import frozen

from ..errors import ChainUnavailable, StoreError
from ..interfaces.chain import Chain
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from .accounts import last_effect
from .listing import scan_all
from .records import LANE, Lane, LaneStatus

_log = logging.getLogger(__name__)


@frozen
class LowBalance:
    """An account that cannot pay many more transactions like its last one."""

    lane: str
    balance_wei: int
    wanted_wei: int
    """Below this it counts as low."""


class Funds:
    """Compares what senders have with what their last transactions could have cost.

    Only accounts whose keys are here are looked at, and only where they have sent something.

    Args:
        store: Where lanes and effects are recorded.
        clock: The time.
        chains: By chain id.
        senders: Addresses of the configured signers.
        factor: How many times the last transaction's worst cost an account should have; 0: it is
            never told.
        look_every: Seconds between two looks.
        patience: Seconds in which the chains must answer in one look.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        chains: Mapping[int, Chain],
        senders: Iterable[str],
        *,
        factor: float = 10.0,
        look_every: float = 60.0,
        patience: float = 5.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._senders = {sender.lower() for sender in senders}
        self._factor = factor
        self._look_every = look_every
        self._patience = patience
        self._low: dict[str, LowBalance] = {}

    @property
    def low(self) -> tuple[LowBalance, ...]:
        """Accounts that were low when they were last looked at."""
        return tuple(self._low.values())

    async def look(self) -> tuple[LowBalance, ...]:
        """Look at every account now, and return those that are low.

        An account whose chain does not answer in time stays what it was. What changes is logged,
        once.

        Raises:
            StoreError: The lanes cannot be read.
        """
        lanes = [Lane.of(record) for record in await scan_all(self._store, LANE)]
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.gather(*(self._look_at(lane) for lane in lanes if self._pays(lane)))
        except TimeoutError:
            _log.info("not every balance could be looked at in time")
        return self.low

    async def run(self) -> None:
        """Look again and again, first after one pause, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._look_every)
            try:
                await self.look()
            except StoreError as error:
                _log.info("balances could not be looked at: %s", error)

    def _pays(self, lane: Lane) -> bool:
        ours = lane.sender.lower() in self._senders and lane.chain_id in self._chains
        return ours and self._factor > 0 and lane.status is not LaneStatus.RETIRED

    async def _look_at(self, lane: Lane) -> None:
        last = await last_effect(self._store, lane)
        if last is None:
            return
        try:
            account = await self._chains[lane.chain_id].account(lane.sender)
        except ChainUnavailable as error:
            _log.info("the balance of %s could not be looked at: %s", lane.key, error)
            return
        wanted = int(last.worst_cost_wei * self._factor)
        if account.balance_wei >= wanted:
            if self._low.pop(lane.key, None) is not None:
                _log.info("lane %s has enough again: %d wei", lane.key, account.balance_wei)
            return
        if lane.key not in self._low:
            _log.warning(
                "lane %s has %d wei, less than %g times what its last transaction could cost; "
                "send its account some",
                lane.key,
                account.balance_wei,
                self._factor,
            )
        self._low[lane.key] = LowBalance(lane.key, account.balance_wei, wanted)
