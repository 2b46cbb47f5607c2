"""A host application with a loop of its own, whose agents clients may ask for.

    python examples/embed.py [JOURNAL]

A warehouse sells all the time; that is the host's own work. Two plain coroutines are agents:
`restock` orders what runs low, `report` tells what is there. They see the host's objects. With
JOURNAL, a file, what they did can be read afterwards:

    python -m zephyrus_exec executions list --store JOURNAL

WS_PORT chooses the port, 0 a free one. Ctrl-C stops it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from zephyrus_exec import (
    OPERATOR,
    Agent,
    Component,
    ExecutionEngine,
    ExecutionStore,
    Json,
    MemoryRepository,
    MemoryStore,
    RunContext,
    SqliteStore,
    serve,
)


class Warehouse:
    """What the host is about."""

    def __init__(self) -> None:
        self.stock = {"bolts": 30, "nuts": 4, "washers": 2}

    async def sell(self) -> None:
        """Sell one of everything that is there, every five seconds, for ever."""
        while True:
            await asyncio.sleep(5)
            self.stock = {item: max(0, count - 1) for item, count in self.stock.items()}

    async def restock(self, context: RunContext) -> None:
        """Order whatever runs low; each order is an action that must not happen twice."""
        for item, count in self.stock.items():
            if count < 10 and not context.cancelled:
                await context.action(
                    "order",
                    partial(self._order, item),
                    parameters={"item": item},
                    message=f"only {count} left",
                    once=True,
                )

    async def _order(self, item: str) -> Json:
        self.stock[item] += 50
        return {"item": item, "now": self.stock[item]}

    async def report(self, context: RunContext) -> Json:
        """Return what is there; a returned value becomes a result."""
        await context.emit({"counting": len(self.stock)})
        return dict(self.stock)


async def open_store() -> ExecutionStore:
    """Return a journal in the file that was named, or one that is gone at the end."""
    return await SqliteStore.open(sys.argv[1]) if sys.argv[1:] else MemoryStore()


async def main() -> None:
    """Run the host until it is cancelled."""
    warehouse = Warehouse()
    store = await open_store()
    agents = MemoryRepository(
        [
            Agent("restock", runner=Component("restock")),
            Agent("report", runner=Component("report"), max_concurrent=10),
        ]
    )
    engine = ExecutionEngine(
        agents=agents,
        contracts=agents,
        store=store,
        runners={"restock": warehouse.restock, "report": warehouse.report},
    )
    selling = asyncio.create_task(warehouse.sell())
    try:
        async with serve(engine, port=int(os.environ.get("WS_PORT") or 8765)) as service:
            print(f"serving restock and report at {service.addresses[0]}", flush=True)
            # The host may ask for executions too, without any socket.
            execution_id = await engine.submit("report", principal=OPERATOR)
            completed = await engine.result(execution_id, principal=OPERATOR)
            print(f"the first report: {completed['results']}", flush=True)
            await selling
    finally:
        selling.cancel()
        await store.aclose()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("stopped")
