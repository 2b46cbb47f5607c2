"""One execution that a client follows while its server is killed, again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from .processes import host

KILLS = 5
STEPS = 30
"""Of the host's agent `walk`."""

NextEvent: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Following: TypeAlias = Callable[[str], AbstractAsyncContextManager[NextEvent]]
"""Has a client at this URL execute `walk`; gives what returns each event it is told, then the
result."""


async def check_that_kills_go_unnoticed(store: Path, following: Following) -> None:
    """Fail unless a client is told every event once, in order, whatever happens to its server."""
    async with host(store, lease=1.0) as first:
        port = urlsplit(first.url).port or 0
        async with following(first.url) as next_event:
            events = [await next_event() for _ in range(6)]
            first.kill()
            await first.exit_code()
            for _ in range(KILLS - 1):
                await _go_on_until_killed(store, port, events, next_event)
            async with host(store, port=port, lease=1.0):
                while events[-1]["event"] != "completed":
                    events.append(await next_event())
                result = await next_event()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["event"] for event in events].count("taken_over") == KILLS
    assert [item["result"] for item in result["results"]] == list(range(STEPS))
    assert result == events[-1]
    assert result["outcome"] == "succeeded"


async def _go_on_until_killed(
    store: Path, port: int, events: list[dict[str, Any]], next_event: NextEvent
) -> None:
    """Let another process take the execution over, tell of four events more, and be killed."""
    async with host(store, port=port, lease=1.0) as server:
        while events[-1]["event"] != "taken_over":
            events.append(await next_event())
        events.extend([await next_event() for _ in range(4)])
        server.kill()
        await server.exit_code()
