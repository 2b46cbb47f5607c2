"""Server processes that end: asked to, and killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import PATIENCE, host
from zephyrus_exec import Event, EventKind, Execution, ExecutionStore, Outcome, SqliteStore
from zephyrus_exec.engine.listing import list_executions, read_all
from zephyrus_exec.errors import TransportClosedByPeer, TransportError
from zephyrus_exec.protocol.messages import Completed, Reply, Started
from zephyrus_exec.testing.v1 import connect_v1

pytestmark = pytest.mark.skipif(
    os.name == "nt",
    reason="kills processes by POSIX signals",
)


async def start(url: str, agent_id: str) -> tuple[asyncio.Task[list[Reply]], asyncio.Event]:
    """Ask for an execution in a task; the event says that it was started."""
    started = asyncio.Event()

    async def run() -> list[Reply]:
        replies: list[Reply] = []
        async with connect_v1(url) as client:
            async for reply in client.execute(agent_id):
                replies.append(reply)
                started.set()
        return replies

    return asyncio.create_task(run()), started


async def until(
    store: ExecutionStore, condition: Callable[[list[Execution]], bool]
) -> list[Execution]:
    """Return the executions as soon as they meet the condition."""
    async with asyncio.timeout(PATIENCE):
        while not condition(found := [*await list_executions(store, limit=100)]):
            await asyncio.sleep(0.02)
    return found


async def events_of(store: ExecutionStore, execution: Execution) -> list[Event]:
    return await read_all(store, execution.id)


async def killed_in_the_middle(file: Path) -> tuple[ExecutionStore, list[Event]]:
    """Return the journal of a `walk` whose server was killed, and its events by then."""
    async with host(file, lease=1.0) as first:
        running, started = await start(first.url, "walk")
        await started.wait()
        store = await SqliteStore.open(file)
        (execution,) = await until(store, lambda found: len(found) == 1)
        while len(await events_of(store, execution)) < 12:
            await asyncio.sleep(0.02)
        first.kill()
        with pytest.raises(TransportError):
            await running
    return store, await events_of(store, execution)


def check_whole(before: list[Event], after: list[Event]) -> None:
    """Nothing that was journaled is changed; there is no gap, and one end."""
    assert after[: len(before)] == before
    assert [event.seq for event in after] == list(range(1, len(after) + 1))
    assert [event.kind for event in after].count(EventKind.COMPLETED) == 1
    assert after[-1].kind == EventKind.COMPLETED


async def test_a_killed_servers_execution_goes_on_after_the_restart(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    store, before = await killed_in_the_middle(file)
    async with host(file, lease=1.0):
        (execution,) = await until(store, lambda found: found[0].outcome is not None)
    assert execution.outcome is Outcome.SUCCEEDED
    after = await events_of(store, execution)
    check_whole(before, after)
    kinds = [event.kind for event in after]
    assert kinds.count(EventKind.TAKEN_OVER) == 1
    assert kinds.count(EventKind.STARTED) == 1
    assert kinds.count(EventKind.ACTION_STARTED) == kinds.count(EventKind.ACTION_FINISHED) == 30
    results: Any = after[-1].data["results"]
    assert [result["result"] for result in results] == list(range(30))
    await store.aclose()


async def test_a_killed_servers_execution_that_nobody_can_go_on_with_is_interrupted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "journal.db"
    store, before = await killed_in_the_middle(file)
    async with host(file, lease=1.0, without="walk"):
        (execution,) = await until(store, lambda found: found[0].outcome is not None)
    assert execution.outcome is Outcome.INTERRUPTED
    assert execution.error is not None
    assert execution.error["details"] == {"reason": "runner_not_configured"}
    check_whole(before, await events_of(store, execution))
    await store.aclose()


async def test_a_server_that_is_stopped_leaves_its_executions_to_the_next_at_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "journal.db"
    async with host(file, drain=0.4) as first:
        running, started = await start(first.url, "walk")
        await started.wait()
        first.terminate()
        assert await first.exit_code() == 0
        with pytest.raises(TransportClosedByPeer, match="1001"):
            await running
    store = await SqliteStore.open(file)
    (execution,) = await list_executions(store, limit=2)
    before = await events_of(store, execution)
    assert execution.outcome is None
    async with host(file) as second:
        (execution,) = await until(store, lambda found: found[0].outcome is not None)
        assert second.process.returncode is None
    assert execution.outcome is Outcome.SUCCEEDED
    check_whole(before, await events_of(store, execution))
    await store.aclose()


@pytest.mark.slow
async def test_a_second_process_on_the_same_file_ends_nobodys_living_execution(
    tmp_path: Path,
) -> None:
    file = tmp_path / "journal.db"
    async with host(file, lease=0.8) as first:
        running, started = await start(first.url, "steady")
        await started.wait()
        store = await SqliteStore.open(file)
        async with host(file, lease=0.8) as second:
            # Many of the neighbour's looks for orphans later the execution still goes on.
            for _ in range(3):
                quick, _ = await start(second.url, "brief")
                await asyncio.gather(quick, asyncio.sleep(0.8))
                alive = [e for e in await list_executions(store, limit=9) if e.agent_id == "steady"]
                assert [execution.outcome for execution in alive] == [None]
        count = len(await events_of(store, alive[0]))
        while len(await events_of(store, alive[0])) == count:
            await asyncio.sleep(0.02)
        assert not running.done()
        first.terminate()
        assert await first.exit_code() == 0
        with pytest.raises(TransportClosedByPeer):
            await running
        assert [e.kind for e in await events_of(store, alive[0])].count(EventKind.TAKEN_OVER) == 0
        await store.aclose()


@pytest.mark.slow
async def test_sigterm_under_load_leaves_no_client_without_an_answer(tmp_path: Path) -> None:
    """Every client gets its terminal frame or a close within the drain time-out; exit code 0."""
    drain = 4.0
    async with host(tmp_path / "journal.db", drain=drain) as server:

        async def client(number: int) -> str:
            try:
                async with connect_v1(server.url) as connection:
                    while True:
                        agent = "steady" if number % 5 == 0 else "brief"
                        last: Reply | None = None
                        async for reply in connection.execute(agent):
                            last = reply
                            up.set()
                        if not isinstance(last, Completed):
                            return type(last).__name__
            except TransportError as end:
                return type(end).__name__

        up = asyncio.Event()
        clients = [asyncio.create_task(client(number)) for number in range(100)]
        await up.wait()
        server.terminate()
        asked = asyncio.get_running_loop().time()
        ends = await asyncio.gather(*clients)
        took = asyncio.get_running_loop().time() - asked
        assert await server.exit_code() == 0
    assert set(ends) <= {"Failed", "TransportClosedByPeer", "TransportBroken"}
    assert ends.count("TransportClosedByPeer") >= 20
    assert took < drain + 2


async def test_a_started_frame_is_followed_by_a_terminal_one(tmp_path: Path) -> None:
    async with host(tmp_path / "journal.db") as server:
        running, _ = await start(server.url, "brief")
        first, last = await running
    assert isinstance(first, Started)
    assert isinstance(last, Completed)
    assert [item["result"] for item in last.results] == ["done", "done"]
