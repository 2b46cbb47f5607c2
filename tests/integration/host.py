"""A host application for tests that kill it: `python -m tests.integration.host`.

Prints `ws://HOST:PORT` on stdout once it serves. Its agents need no chain:

- `noop` does nothing;
- `steady` emits `progress` events, a hundredth of a second apart, until it is ended;
- `brief` does one action that takes a tenth of a second;
- `walk` does thirty actions, one after the other, of a twentieth of a second each.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from functools import partial

from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    Json,
    MemoryRepository,
    RunContext,
    SqliteStore,
    serve,
)


async def noop(context: RunContext) -> Json:
    return None


async def steady(context: RunContext) -> Json:
    number = 0
    while True:
        number += 1
        await context.emit({"number": number})
        await asyncio.sleep(0.01)


async def brief(context: RunContext) -> Json:
    async def work() -> Json:
        await asyncio.sleep(0.1)
        return "done"

    return await context.action("work", work)


async def walk(context: RunContext) -> Json:
    for number in range(30):
        await context.action("step", partial(_step, number), parameters={"number": number})
    return None


async def _step(number: int) -> Json:
    await asyncio.sleep(0.05)
    return number


RUNNERS = {"noop": noop, "steady": steady, "brief": brief, "walk": walk}
AGENTS = MemoryRepository(
    Agent(name, runner=Component(name), max_concurrent=1000) for name in RUNNERS
)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--lease", type=float, default=20.0)
    parser.add_argument("--drain", type=float, default=5.0)
    parser.add_argument("--without", help="a runner that this process does not have")
    options = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = await SqliteStore.open(options.store)
    engine = ExecutionEngine(
        agents=AGENTS,
        contracts=AGENTS,
        store=store,
        runners={name: each for name, each in RUNNERS.items() if name != options.without},
        lease_duration=options.lease,
    )
    async with serve(
        engine, host="127.0.0.1", port=options.port, drain_timeout=options.drain
    ) as service:
        print(service.addresses[0], flush=True)
        await stop.wait()
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
