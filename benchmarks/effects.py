"""Transactions per second through the full path, against a plain web3.py loop.

    python -m benchmarks.effects

The loop is what is usually written: ask for the nonce, sign, send, wait for the receipt, next; it
keeps no record. Both send to one anvil that mines every second, and take turns, so that a change of
the machine's speed meets both. Quote the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

from attrs import frozen
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

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

BLOCK_TIME: Final = 1
_STEPS: Final[Json] = [{"function": "increment", "parameters": {"amount": 1}}]


@frozen
class Place:
    """What both send to."""

    url: str
    contract: Contract


def naive(place: Place, seconds: float) -> float:
    """Send one after the other with web3.py; return how many per second."""
    w3 = Web3(Web3.HTTPProvider(place.url))
    account: LocalAccount = Account.from_key(KEYS[1])
    counter = w3.eth.contract(
        address=Web3.to_checksum_address(place.contract.address), abi=place.contract.abi
    )
    began, sent = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        transaction = counter.functions.increment(1).build_transaction(
            {
                "from": account.address,
                "nonce": w3.eth.get_transaction_count(account.address),
                "chainId": CHAIN_ID,
            }
        )
        signed = account.sign_transaction(cast(Any, transaction))
        hash_ = w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = w3.eth.wait_for_transaction_receipt(hash_, poll_latency=0.1)
        assert receipt["status"] == 1
        sent += 1
    return sent / (time.monotonic() - began)


async def full(place: Place, seconds: float, *, at_once: int) -> float:
    """Send through an engine on a SQLite file, so many executions at once; return the rate."""
    agent = Agent(
        "counting",
        contract_id="counter",
        planner=Component("steps", {"steps": _STEPS}),
        functions=(AgentFunction("increment", type=FunctionType.WRITE),),
        signer="first",
        max_concurrent=at_once,
    )

    repository = MemoryRepository([agent], [place.contract])
    chain = EvmChain(CHAIN_ID, [place.url])
    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteStore.open(Path(folder, "journal.db"))
        engine = ExecutionEngine(
            agents=repository,
            contracts=repository,
            store=store,
            planners={"steps": StepsPlanner()},
            chains={CHAIN_ID: chain},
            signers={"first": KeySigner.from_key(KEYS[0])},
        )
        async with engine:
            rate = await _drive(engine, agent.id, at_once, seconds)
        await store.aclose()
    await chain.aclose()
    return rate


async def _drive(engine: ExecutionEngine, agent_id: str, at_once: int, seconds: float) -> float:
    began, done = time.monotonic(), 0

    async def send() -> None:
        nonlocal done
        while time.monotonic() - began < seconds:
            last = await engine.result(await engine.submit(agent_id))
            assert last["outcome"] == "succeeded", last
            done += 1

    await asyncio.gather(*(send() for _ in range(at_once)))
    return done / (time.monotonic() - began)


async def _deployed(url: str) -> Contract:
    chain = EvmChain(CHAIN_ID, [url])
    try:
        return await deploy_counter(chain, KeySigner.from_key(KEYS[1]))
    finally:
        await chain.aclose()


def measure(*, rounds: int, seconds: float, at_once: tuple[int, ...]) -> dict[str, list[float]]:
    """Return each way's rates, round by round."""
    found: dict[str, list[float]] = {}
    with running_anvil("--block-time", str(BLOCK_TIME)) as anvil:
        place = Place(anvil.url, asyncio.run(_deployed(anvil.url)))
        for _ in range(rounds):
            found.setdefault("web3.py loop", []).append(naive(place, seconds))
            for number in at_once:
                rate = asyncio.run(full(place, seconds, at_once=number))
                found.setdefault(f"zephyrus_exec, {number} at once", []).append(rate)
    return found


def print_results(found: dict[str, list[float]]) -> None:
    """Print a row for each way: median over the rounds, and the ratio to the first."""
    base = statistics.median(next(iter(found.values())))
    print(f"{'':<28}{'transactions/s':>15}{'ratio':>8}")
    for name, rates in found.items():
        rate = statistics.median(rates)
        print(f"{name:<28}{rate:>15.2f}{rate / base:>8.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each way in each round")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 64])
    options = parser.parse_args()
    print_results(
        measure(rounds=options.rounds, seconds=options.seconds, at_once=tuple(options.at_once))
    )


if __name__ == "__main__":
    main()
