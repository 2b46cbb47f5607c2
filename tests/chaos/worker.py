"""One process under test: an engine that runs the counting agent, and dies where it is told to."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.anvil import CHAIN_ID, KEYS
from tests.chaos.cases import Case
from tests.chaos.faults import Faults, Marks
from tests.chaos.node import COUNTER, Node
from tests.counter import counter_contract
from zephyrus_exec import (
    Agent,
    AgentFunction,
    Component,
    ExecutionEngine,
    FunctionType,
    Json,
    MemoryRepository,
    SqliteStore,
    StepsPlanner,
)
from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.evm.rpc import Request, Send
from zephyrus_exec.interfaces.clock import Clock
from zephyrus_exec.testing.crash_points import CrashPoints, PointedStore

SPEED: Final = 10
"""How much faster than the world's the clock of the processes under test goes."""
LEASE: Final = 0.4
"""Of the world's seconds."""
AMOUNTS: Final = (1, 10, 100)
"""So that the sum tells which one is missing or was made twice."""
JOURNAL: Final = "journal.db"

_STEPS: Final[Json] = [
    {"function": "total", "name": "before"},
    {"function": "increment", "parameters": {"amount": 1}},
    {"function": "increment", "parameters": {"amount": 10}},
    {"function": "increment", "parameters": {"amount": 100}},
    {"function": "total", "name": "after"},
]
AGENT: Final = Agent(
    "counting",
    contract_id="counter",
    planner=Component("steps", {"steps": _STEPS}),
    functions=(
        AgentFunction("total"),
        AgentFunction("increment", type=FunctionType.WRITE),
    ),
    signer="first",
)
_PR_SET_PDEATHSIG: Final = 1
_SIGNER: Final = KeySigner.from_key(KEYS[0])


class QuickClock(Clock):
    """Shows every process of a case the same time, which goes faster, so that nobody waits long.

    Args:
        began: When the case began, seconds since the epoch.
    """

    def __init__(self, began: float) -> None:
        self._began = began

    def now(self) -> float:
        """Return seconds since the epoch, as if time went faster since the case began."""
        return self._began + (time.time() - self._began) * SPEED

    async def sleep_until(self, when: float) -> None:
        """Return at `when`, or shortly after."""
        await asyncio.sleep(max(0.0, when - self.now()) / SPEED)


@frozen
class Task:
    """What one process of a case does."""

    case: Case
    folder: Path
    """The case's own: the journal, what was marked, logs."""
    url: str
    generation: int
    """0: the first process of the case, 1: the one after it, and so on."""
    began: float
    """When the case began, seconds since the epoch."""
    submit: str
    """`always`; `missing`: only if no execution was ever accepted; `never`."""

    @property
    def kill(self) -> str:
        """Where it ends; empty: nowhere."""
        kills = self.case.kills
        return kills[self.generation] if self.generation < len(kills) else ""

    @property
    def points_file(self) -> Path:
        """Where it lists, when it ends in good order, the places it came by."""
        return self.folder / f"points-{self.generation}"


def fork_worker(task: Task) -> int:
    """Start the process and return its id. It never returns here."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # outlive nobody
    try:
        with (task.folder / f"log-{task.generation}").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, force=True)
        asyncio.run(_work(task))
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


async def _work(task: Task) -> None:
    """Run the engine until SIGTERM comes."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    points = CrashPoints(_End(task))
    chain = _chain(task, points)
    store = PointedStore(await SqliteStore.open(task.folder / JOURNAL), points)
    repository = MemoryRepository([AGENT], [counter_contract(COUNTER, CHAIN_ID)])
    try:
        async with ExecutionEngine(
            agents=repository,
            contracts=repository,
            store=store,
            planners={"steps": StepsPlanner()},
            chains={CHAIN_ID: chain},
            signers={"first": _SIGNER},
            clock=QuickClock(task.began),
            fee_policies={CHAIN_ID: FeePolicy(bump_after=10.0)},
            lease_duration=LEASE * SPEED,
            settle_timeout=5.0 * SPEED,
        ) as engine:
            if task.submit == "always" or (
                task.submit == "missing" and not await engine.list_executions()
            ):
                await engine.submit(AGENT.id)
            await stop.wait()
        task.points_file.write_text(json.dumps(points.names))
    finally:
        await store.aclose()
        await chain.aclose()


class _End:
    """Ends or stops this process at its place, once."""

    def __init__(self, task: Task) -> None:
        self._kill = task.kill
        zombie = task.case.mode == "zombie" and task.generation == 0
        self._signal = signal.SIGSTOP if zombie else signal.SIGKILL

    def __call__(self, name: str) -> None:
        if name == self._kill:
            os.kill(os.getpid(), self._signal)


def _chain(task: Task, points: CrashPoints) -> EvmChain:
    faults = Faults(task.case, Node(task.url), Marks(task.folder))

    async def around(request: Request, send: Send) -> Json:
        name = f"rpc:{request.method}" + (f"@{request.endpoint}" if request.endpoint else "")
        return await points.around(name, lambda: faults.request(request, send))

    return EvmChain(
        CHAIN_ID,
        [task.url] * (1 if task.case.endpoints == "one" else 2),
        poll_interval=0.02,
        request_timeout=2.0,
        around=around,
    )
