"""Effects per second through the full exactly-once path, against scripts that keep no record.

    python -m benchmarks.effects

So many calls of one account, all wanted at once: simulated, signed, journaled in SQLite, flushed,
sent, watched until they are mined, and the executions ended. The scripts are those of
`benchmarks.senders`. All of them send to one anvil that mines every second, and take turns. A round
begins at another moment between two blocks than the one before, the same for all, since nobody is
quicker than the next block.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.load import LOAD_CORE, pin
from benchmarks.peers import SERVER_CORE
from benchmarks.results import Chart, Figure, Result, command_line, conclude, median, ratio
from benchmarks.senders import Place, Spent, Watch, pipelined, plain, send_and_wait
from benchmarks.verdicts import Goal
from tests.anvil import CHAIN_ID, KEYS, running_anvil
from tests.counter import deploy_counter
from zephyrus_exec import (
    Agent,
    AgentFunction,
    Component,
    Contract,
    ExecutionEngine,
    FunctionType,
    Json,
    MemoryRepository,
    SqliteStore,
    StepsPlanner,
)
from zephyrus_exec.evm import EvmChain, KeySigner

Send: TypeAlias = Callable[[Place, int], Awaitable[Spent]]

BLOCK_TIME: Final = 1
OURS: Final = "zephyrus_exec, sqlite"
FEWER: Final = "zephyrus_exec, sqlite, 64 under way"
WAITING: Final = "web3.py, send and wait"
PIPELINED: Final = "web3.py, pipelined"
PLAIN: Final = "JSON-RPC, pipelined"
UNSIMULATED: Final = "JSON-RPC, pipelined, not simulated"

_STEPS: Final[Json] = [{"function": "increment", "parameters": {"amount": 1}}]
_DEFAULT_IN_FLIGHT: Final = 64
_FIRST_LOOK: Final = 0.01
"""Seconds between two looks for the block with which a round begins."""
_NOTES: Final = (
    "Everybody but the one that says so estimates the gas of each call, which is its simulation. "
    "The library also makes the call itself and looks whether there is a contract. Send and wait "
    "was measured with fewer calls: each takes a block.",
    "64 under way is what the library does by default, for nodes that keep few transactions of one "
    "account; 100 calls then need two blocks. The scripts have no such limit; in the first row the "
    "library has none, either.",
)


# --- this library --------------------------------------------------------------------------------


async def full(place: Place, number: int, *, under_way: int | None = None) -> Spent:
    """Send through an engine on a SQLite file.

    Args:
        place: What to send to.
        number: How many executions with one call each, all submitted at once.
        under_way: Most transactions under way; null: all.
    """
    chain = EvmChain(CHAIN_ID, [place.url])
    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteStore.open(Path(folder, "journal.db"))
        engine = _engine(place.contract, chain, store, number, under_way or number)
        async with engine:
            await chain.head()
            watch = Watch()
            await asyncio.gather(*(_one(engine) for _ in range(number)))
            spent = watch.read()
        await store.aclose()
    await chain.aclose()
    return spent


def _engine(
    contract: Contract, chain: EvmChain, store: SqliteStore, number: int, under_way: int
) -> ExecutionEngine:
    agent = Agent(
        "counting",
        contract_id="counter",
        planner=Component("steps", {"steps": _STEPS}),
        functions=(AgentFunction("increment", type=FunctionType.WRITE),),
        signer="first",
        max_concurrent=number,
    )
    repository = MemoryRepository([agent], [contract])
    return ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=store,
        planners={"steps": StepsPlanner()},
        chains={CHAIN_ID: chain},
        signers={"first": KeySigner.from_key(KEYS[0])},
        max_in_flight=under_way,
    )


async def _one(engine: ExecutionEngine) -> None:
    last = await engine.result(await engine.submit("counting"))
    assert last["outcome"] == "succeeded", last


# --- all of them ---------------------------------------------------------------------------------

SENDERS: Final[dict[str, Send]] = {
    OURS: full,
    FEWER: partial(full, under_way=_DEFAULT_IN_FLIGHT),
    PIPELINED: pipelined,
    PLAIN: plain,
    UNSIMULATED: partial(plain, simulated=False),
    WAITING: send_and_wait,
}


def measure(*, rounds: int, calls: int, waiting: int) -> dict[str, list[tuple[float, float]]]:
    """Return calls per second and CPU milliseconds per call of each, round by round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SENDERS}
    pin(SERVER_CORE)  # the node's, which inherits it
    with running_anvil("--block-time", str(BLOCK_TIME)) as anvil:
        pin(LOAD_CORE)
        place = Place(anvil.url, asyncio.run(_deployed(anvil.url)))
        for send in SENDERS.values():
            asyncio.run(_begin(place, send, 1, 0.0))
        for number in range(rounds):
            for name, send in SENDERS.items():
                wanted = waiting if name == WAITING else calls
                spent = asyncio.run(_begin(place, send, wanted, number / rounds * BLOCK_TIME))
                found[name].append((wanted / spent.seconds, spent.cpu / wanted * 1000))
    return found


async def _begin(place: Place, send: Send, number: int, after: float) -> Spent:
    """Send, beginning so many seconds after a block."""
    chain = EvmChain(CHAIN_ID, [place.url])
    head = await chain.head()
    while (await chain.head()).number == head.number:
        await asyncio.sleep(_FIRST_LOOK)
    began = time.monotonic()
    await chain.aclose()
    await asyncio.sleep(max(0.0, began + after - time.monotonic()))
    return await send(place, number)


async def _deployed(url: str) -> Contract:
    chain = EvmChain(CHAIN_ID, [url])
    try:
        return await deploy_counter(chain, KeySigner.from_key(KEYS[1]))
    finally:
        await chain.aclose()


def result_of(found: dict[str, list[tuple[float, float]]], calls: int) -> Result:
    """Return the figures, and how ours compare."""
    case = f"{calls} calls at once"
    rates = {name: [rate for rate, _ in each] for name, each in found.items()}
    figures: list[Figure] = []
    for name, each in found.items():
        figures.append(median(case, name, "calls", rates[name], "1/s"))
        figures.append(median(case, name, "CPU per call", [cpu for _, cpu in each], "ms"))
        figures.append(ratio(case, name, "to send and wait", rates[name], rates[WAITING]))
        figures.append(ratio(case, name, "to web3.py pipelined", rates[name], rates[PIPELINED]))
    bounds = ((WAITING, 5.0), (PIPELINED, 0.8), (PLAIN, 0.8))
    goals = tuple(
        Goal(
            f"{OURS} to {other}",
            ratio(case, OURS, "", rates[OURS], rates[other]).value,
            at_least=least,
        )
        for other, least in bounds
    )
    charts = (Chart("Calls of one account, blocks of 1 s", "calls"),)
    return Result(
        "effects", "Effects per second", tuple(figures), goals, charts, (*_NOTES, _signing())
    )


def _signing() -> str:
    """Return with what everybody signed."""
    how = "coincurve (the extra `fast`)" if find_spec("coincurve") else "pure Python"
    return f"Everybody signed with {how}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = command_line("effects", rounds=5)
    parser.add_argument("--calls", type=int, default=100, help="at once [100]")
    parser.add_argument("--waiting", type=int, default=5, help="calls of send and wait [5]")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.calls, options.waiting = 1, 3, 1
    found = measure(rounds=options.rounds, calls=options.calls, waiting=options.waiting)
    sys.exit(conclude(result_of(found, options.calls), options))


if __name__ == "__main__":
    main()
