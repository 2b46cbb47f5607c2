"""A disk that is really full: nothing is sent, nothing is lost, and later everything goes on."""

from __future__ import annotations

import asyncio
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import FileIO
from pathlib import Path
from typing import NoReturn

import pytest
from attrs import define, field

from tests.anvil import CHAIN_ID, KEYS, running_anvil
from tests.chaos.node import ANVIL_OPTIONS, Node
from tests.chaos.worker import AGENT, AMOUNTS
from tests.counter import deploy_counter
from zephyrus_exec import ExecutionEngine, Json, MemoryRepository, SqliteStore, StepsPlanner
from zephyrus_exec.errors import Overloaded
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.evm.rpc import Request, Send

_DISK_BYTES = 16 * 2**20
_FULL_FOR = 1.5
"""Seconds."""


@define
class Disk:
    """Where the journal is, with a switch."""

    folder: Path
    fill: Callable[[], None]
    make_room: Callable[[], None]


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount a small file system in memory; needs root."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("mounting a file system takes root; the other kind of full disk is tried")
    ballast = folder / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            with pytest.raises(OSError, match="No space left"):
                _write_forever(file, 2**12)
            with pytest.raises(OSError, match="No space left"):
                _write_forever(file, 1)

    try:
        yield Disk(folder, fill, ballast.unlink)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _write_forever(file: FileIO, size: int) -> NoReturn:
    while True:
        file.write(bytes(size))


@contextmanager
def limited_files(folder: Path) -> Iterator[Disk]:
    """Forbid this process to make any file longer, as a full quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        longest = max(file.stat().st_size for file in folder.iterdir() if file.suffix != ".db-shm")
        resource.setrlimit(resource.RLIMIT_FSIZE, (min(longest, _wal(folder)), hard))

    def make_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    try:
        yield Disk(folder, fill, make_room)
    finally:
        make_room()


def _wal(folder: Path) -> int:
    return next(folder.glob("*-wal")).stat().st_size


@define(eq=False)
class Wire:
    """Between engine and node: counts what is sent, and fills the disk before the second time."""

    disk: Disk
    sent: int = 0
    estimates: int = 0
    full: asyncio.Event = field(factory=asyncio.Event)

    async def around(self, request: Request, send: Send) -> Json:
        if request.method == "eth_sendRawTransaction":
            self.sent += 1
        reply = await send()
        if request.method == "eth_estimateGas":
            self.estimates += 1
            if self.estimates == 2:
                self.disk.fill()
                self.full.set()
        return reply


@pytest.mark.parametrize("kind", [small_disk, limited_files])
async def test_nothing_is_sent_while_the_disk_is_full_and_everything_afterwards(
    tmp_path: Path, kind: Callable[[Path], AbstractContextManager[Disk]]
) -> None:
    with running_anvil(*ANVIL_OPTIONS) as anvil, kind(tmp_path) as disk:
        wire = Wire(disk)
        chain = EvmChain(CHAIN_ID, [anvil.url], poll_interval=0.02, around=wire.around)
        contract = await deploy_counter(chain, KeySigner.from_key(KEYS[1]))
        wire.sent = 0
        repository = MemoryRepository([AGENT], [contract])
        store = await SqliteStore.open(disk.folder / "journal.db")
        try:
            async with ExecutionEngine(
                agents=repository,
                contracts=repository,
                store=store,
                planners={"steps": StepsPlanner()},
                chains={CHAIN_ID: chain},
                signers={"first": KeySigner.from_key(KEYS[0])},
            ) as engine:
                execution = await engine.submit(AGENT.id)
                await asyncio.wait_for(wire.full.wait(), 10)
                with pytest.raises(Overloaded):
                    await engine.submit(AGENT.id)
                await asyncio.sleep(_FULL_FOR)
                assert wire.sent == 1
                assert (await engine.get_execution(execution)).outcome is None
                disk.make_room()
                last = await asyncio.wait_for(engine.result(execution), 20)
        finally:
            await store.aclose()
            await chain.aclose()
        assert last["outcome"] == "succeeded"
        assert wire.sent == len(AMOUNTS)
        assert Node(anvil.url).amounts_at(contract.address) == list(AMOUNTS)
