"""Whether an engine can do its work, for those who watch over it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from attrs import frozen

from ..errors import ChainUnavailable, StoreError
from ..interfaces.chain import Chain
from ..interfaces.store import ExecutionStore
from ..model import Json, JsonObject
from .funds import LowBalance
from .listing import scan_all
from .records import HALTED, LANE, Lane, LaneStatus

_PATIENCE = 2.0
"""Seconds a chain gets to show a head."""


@frozen
class Health:
    """How an engine is at one moment."""

    ready: bool
    """Whether it would take an execution."""
    degraded: bool
    """Whether it is ready, but some agents would fail."""
    details: JsonObject
    """`{status, draining, store, halted_lanes, low_balances, chains, running, queued}`; no secrets,
    no paths. `halted_lanes` are those that wait for somebody: `{lane, status, reason}`. Where a
    chain has several endpoints, `endpoints` tells of each, by chain id and in configured order,
    `ok` or why it is left out. Where agents or contracts cannot be used, `unusable` counts them."""


async def examine(
    store: ExecutionStore,
    chains: Mapping[int, Chain],
    *,
    draining: bool,
    running: int,
    queued: int,
    low: Sequence[LowBalance] = (),
    unusable: int = 0,
) -> Health:
    """Return how the engine with these parts is."""
    store_error: str | None = None
    halted: list[Json] = []
    try:
        await store.check()
        halted = await _halted(store)
    except StoreError as error:
        store_error = error.code
    answers = await asyncio.gather(*(_answers(chain) for chain in chains.values()))
    states: dict[str, Json] = {
        str(chain_id): "ok" if answered else "unavailable"
        for chain_id, answered in zip(chains, answers, strict=True)
    }
    ready = store_error is None and not draining
    degraded = ready and (bool(halted) or bool(low) or unusable > 0 or not all(answers))
    details: dict[str, Json] = {
        "status": "degraded" if degraded else "ready" if ready else "unavailable",
        "draining": draining,
        "store": "ok" if store_error is None else store_error,
        "halted_lanes": halted,
        "low_balances": [_low(one) for one in low],
        "chains": states,
        "running": running,
        "queued": queued,
    }
    endpoints: dict[str, Json] = {
        str(chain_id): [one.state for one in chain.endpoints]
        for chain_id, chain in chains.items()
        if len(chain.endpoints) > 1
    }
    if endpoints:
        details["endpoints"] = endpoints
    if unusable:
        details["unusable"] = unusable
    return Health(ready, degraded, details)


async def _halted(store: ExecutionStore) -> list[Json]:
    """Return the lanes that take nothing new although nobody wanted that."""
    lanes = [Lane.of(record) for record in await scan_all(store, LANE, group=HALTED)]
    return [
        {"lane": lane.key, "status": lane.status.value, "reason": lane.reason}
        for lane in lanes
        if lane.status in (LaneStatus.BLOCKED, LaneStatus.HALTED)
    ]


def _low(low: LowBalance) -> JsonObject:
    return {
        "lane": low.lane,
        "balance_wei": str(low.balance_wei),
        "wanted_wei": str(low.wanted_wei),
    }


async def _answers(chain: Chain) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await chain.head()
    except (ChainUnavailable, TimeoutError):
        return False
    return True
