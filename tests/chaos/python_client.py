"""A client in Python that prints every event as a line: `python -m tests.chaos.python_client`."""

from __future__ import annotations

import asyncio
import sys

from zephyrus_exec.client import connect
from zephyrus_exec.protocol.v2.codec import encode


async def main(url: str, agent_id: str) -> None:
    async with connect(url) as client:
        async for event in client.execute(agent_id):
            print(encode(event), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
