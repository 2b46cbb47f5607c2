"""A server that is killed again and again while somebody watches one execution of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define, field

from tests.anvil import CHAIN_ID, KEYS, Anvil
from tests.counter import deploy_counter
from tests.integration.processes import ServerProcess, server
from zephyrus_exec.evm import EvmChain, KeySigner

from .counting_host import AMOUNTS
from .node import SENDER, Node

ANVIL_OPTIONS: Final = ("--block-time", "1", "--slots-in-an-epoch", "1", "--accounts", "2")
"""A block a second, so that there is time to die while a transaction is under way."""
DEATHS: Final[Sequence[tuple[str, int]]] = (
    ("accepted", 1),
    ("effect_signed", 1),
    ("action_finished", 2),
    ("effect_signed", 2),
    ("effect_signed", 3),
)
"""The server is killed when a client shows the so-manieth event of a kind."""
PATIENCE: Final = 120.0
"""Seconds that one execution may take, deaths included."""


@define(eq=False)
class KilledServer:
    """A server that dies where `DEATHS` says, and comes back on the same port and journal."""

    url: str
    _command: Sequence[str]
    _node: Node
    _contract: str
    _process: ServerProcess
    _processes: AsyncExitStack
    shown: list[dict[str, Any]] = field(factory=list)
    """What the client has shown, in its order: frames of events, the terminal one last."""
    deaths: int = 0

    async def show(self, frame: dict[str, Any]) -> None:
        """Hear what the client shows; die if it is time to, and come back."""
        self.shown.append(frame)
        kinds = Counter(one.get("event") for one in self.shown)
        if self.deaths < len(DEATHS):
            kind, number = DEATHS[self.deaths]
            if kinds[kind] >= number:
                await self._die()

    async def _die(self) -> None:
        self.deaths += 1
        self._process.kill()
        await self._process.exit_code()
        command = [*self._command, "--port", str(urlsplit(self.url).port)]
        self._process = await self._processes.enter_async_context(server(*command))

    def check(self) -> None:
        """Every event was shown once, in order, with the true end; nothing was done twice."""
        assert self.deaths == len(DEATHS)
        assert [one["seq"] for one in self.shown] == list(range(1, len(self.shown) + 1))
        kinds = Counter(one.get("event") for one in self.shown)
        assert kinds["effect_signed"] == len(AMOUNTS)
        assert kinds["action_finished"] == 10
        last = self.shown[-1]["data"]
        assert (last["status"], last["outcome"]) == ("completed", "succeeded")
        assert last["execution_count"] == 10
        assert last["results"][-1]["result"] == str(sum(AMOUNTS))
        assert self._node.nonce(SENDER) == len(AMOUNTS)
        assert sorted(self._node.amounts_at(self._contract)) == sorted(AMOUNTS)


@asynccontextmanager
async def killed_server(anvil: Anvil, folder: Path) -> AsyncIterator[KilledServer]:
    """Serve the counting agent of a node, from a journal in this folder."""
    contract = await _deployed(anvil.url)
    command = ["-m", "tests.chaos.counting_host", "--node", anvil.url, "--contract", contract]
    command += ["--store", str(folder / "journal.db")]
    async with AsyncExitStack() as processes:
        process = await processes.enter_async_context(server(*command))
        yield KilledServer(process.url, command, Node(anvil.url), contract, process, processes)


async def _deployed(url: str) -> str:
    chain = EvmChain(CHAIN_ID, [url])
    try:
        return (await deploy_counter(chain, KeySigner.from_key(KEYS[1]))).address
    finally:
        await chain.aclose()


async def show_all(world: KilledServer, *command: str) -> None:
    """Run a client that prints a frame a line, and show them to the server until it ends well."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while line := await process.stdout.readline():
                await world.show(json.loads(line))
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
