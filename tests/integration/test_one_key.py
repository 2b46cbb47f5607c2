"""One key, sent a hundred times at once to two servers on one file, one of which dies meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.processes import host
from zephyrus_exec import OPERATOR, ExecutionEngine, MemoryRepository, SqliteStore
from zephyrus_exec.client import RemoteExecution, connect
from zephyrus_exec.protocol.v2.messages import ExecutionCompleted

CONNECTIONS = 10
EACH = 10
KEY = "the one"


async def test_a_key_that_is_sent_a_hundred_times_is_executed_once(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    async with AsyncExitStack() as servers, AsyncExitStack() as connections:
        stays = await servers.enter_async_context(host(file, lease=1.0))
        dies = await servers.enter_async_context(host(file, lease=1.0))
        clients = [
            await connections.enter_async_context(connect(url))
            for url in [stays.url, dies.url] * (CONNECTIONS // 2)
        ]
        asked = [client.execute("brief", idempotency_key=KEY) for client in clients * EACH]
        first = {asyncio.create_task(one.started()) for one in asked}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        dies.kill()
        await dies.exit_code()
        port = urlsplit(dies.url).port or 0
        await servers.enter_async_context(host(file, lease=1.0, port=port))
        async with asyncio.timeout(60):
            ends = await asyncio.gather(*map(_end, asked))
            await asyncio.wait(first)
    assert len({one.id for one in asked}) == 1
    assert len({end.seq for end in ends}) == 1
    assert {end.data.outcome for end in ends} == {"succeeded"}
    assert sum(one.replayed is False for one in asked) <= 1
    assert await _stored(file) == 1


async def _end(execution: RemoteExecution) -> ExecutionCompleted:
    seqs = [event.seq async for event in execution]
    assert seqs == list(range(1, len(seqs) + 1))
    return await execution.result()


async def _stored(file: Path) -> int:
    store = await SqliteStore.open(file)
    nothing = MemoryRepository()
    engine = ExecutionEngine(agents=nothing, contracts=nothing, store=store)
    page = await engine.list_executions(principal=OPERATOR)
    await store.aclose()
    return len(page.executions)
