"""A process of its own that works on a journal: `python -m tests.integration.sqlite_worker`."""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from zephyrus_exec.errors import StoreConflict
from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.stores.sqlite import SqliteStore


async def increment(store: SqliteStore, *, durable: bool) -> bool:
    """Add one to the shared counter, and tell of it in the shared stream; False: lost the race."""
    record = await store.get("counter", "shared")
    version, value = (record.version, int(record.body)) if record else (0, 0)
    event = NewEvent(float(value), "incremented", f"{value + 1}")
    writes = (Put("counter", "shared", version, f"{value + 1}"), Append("log", value + 1, (event,)))
    try:
        await store.commit(writes, durable=durable)
    except StoreConflict:
        return False
    return True


async def count_up(path: str, wins: int, *, durable: bool) -> None:
    """Increment so many times, then print how often the race was lost."""
    store = await SqliteStore.open(path, busy_timeout=30)
    print("ready", flush=True)
    sys.stdin.readline()
    lost = 0
    for _ in range(wins):
        while not await increment(store, durable=durable):
            lost += 1
    print(lost, flush=True)
    await store.aclose()


async def write_forever(path: str) -> None:
    """Commit units of three writes until killed; one line after each batch that is committed."""
    store = await SqliteStore.open(path)
    for batch in count():

        async def unit(n: int) -> None:
            name = f"{n}"
            events = tuple(NewEvent(0.0, "a", "x" * 2000) for _ in range(3))
            await store.commit(
                (Append(name, 1, events), Put("k", name, 0, "y" * 3000), Put("j", name, 0, "z")),
                durable=n % 16 == 0,
            )

        await asyncio.gather(*(unit(batch * 8 + n) for n in range(8)))
        print(batch * 8 + 8, flush=True)


async def open_only(path: str) -> None:
    """Open at the same moment as others, and print the epoch found."""
    print("ready", flush=True)
    sys.stdin.readline()
    store = await SqliteStore.open(path)
    print(store.epoch, flush=True)
    await store.aclose()


if __name__ == "__main__":
    task, path, *rest = sys.argv[1:]
    if task == "count":
        asyncio.run(count_up(path, int(rest[0]), durable=rest[1] == "durable"))
    elif task == "write":
        asyncio.run(write_forever(path))
    else:
        asyncio.run(open_only(path))
