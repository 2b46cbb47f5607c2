"""Two processes on one journal and one account: nobody starves, no nonce is lost or given twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.anvil import CHAIN_ID, KEYS, REPOSITORY, running_anvil
from tests.chaos.journal import Journal
from tests.chaos.node import ANVIL_OPTIONS, Node
from tests.counter import deploy_counter
from zephyrus_exec.evm import EvmChain, KeySigner

SECONDS = 60
LEAST_SHARE = 0.05
LONGEST_WAIT = 5.0


async def deployed(url: str) -> str:
    """Put a counter on the node and return its address."""
    chain = EvmChain(CHAIN_ID, [url])
    try:
        return (await deploy_counter(chain, KeySigner.from_key(KEYS[1]))).address
    finally:
        await chain.aclose()


def fight(url: str, counter: str, journal: Path, seconds: int) -> list[dict[str, Any]]:
    """Let two processes send at once, and return what each says."""
    command = [sys.executable, "-m", "tests.chaos.lane_fighter", url, counter, str(journal)]
    fighters = [
        subprocess.Popen(
            [*command, str(seconds)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for one in fighters:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        outputs = []
        for one in fighters:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in fighters:
            output, _ = one.communicate(timeout=seconds + 60)
            outputs.append(json.loads(output))
        return outputs
    finally:
        for one in fighters:
            one.kill()


@pytest.mark.slow
def test_two_processes_share_a_lane_for_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "journal.db"
    with running_anvil(*ANVIL_OPTIONS) as anvil:
        counter = asyncio.run(deployed(anvil.url))
        said = fight(anvil.url, counter, journal, SECONDS)
        node = Node(anvil.url)
        mined, used = len(node.amounts_at(counter)), node.nonce()
    with capsys.disabled():
        print(f"\n{said}")
    done = [int(one["done"]) for one in said]
    nonces = sorted(effect["nonce"] for effect in Journal.read(journal).bodies("effect"))
    assert nonces == list(range(len(nonces)))
    assert len(nonces) == mined == used == sum(done)
    assert min(done) >= LEAST_SHARE * sum(done)
    assert max(float(one["slowest"]) for one in said) <= LONGEST_WAIT
