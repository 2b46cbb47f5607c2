"""`doctor` against a real node, as its user runs it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.anvil import CHAIN_ID, KEYS, running_anvil
from tests.counter import deploy_counter
from zephyrus_exec.evm import EvmChain, KeySigner

from .commands import run
from .test_cli_effects import settings


def findings(out: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in out.splitlines():
        one = json.loads(line)
        found.setdefault(one["check"], []).append(one)
    return found


@pytest.mark.slow
async def test_everything_is_found_well_or_not_and_nothing_is_sent(tmp_path: Path) -> None:
    env = {"ZEPHYRUS_KEY_DEV": KEYS[0]}
    with running_anvil() as node:
        chain, signer = EvmChain(CHAIN_ID, [node.url]), KeySigner.from_key(KEYS[0])
        contract = await deploy_counter(chain, signer)
        config = tmp_path / "zephyrus.toml"
        config.write_text(settings(contract, node.url), encoding="utf-8")
        before = await chain.account(signer.address)
        arguments = ("doctor", "--json", "--port", "0", "--config", str(config))
        well = await asyncio.to_thread(run, *arguments, env=env, cwd=tmp_path)
        wrong = await asyncio.to_thread(
            run, *arguments, "--rpc", f"57054={node.url}", env=env, cwd=tmp_path
        )
        assert (await chain.account(signer.address)).nonce == before.nonce
        assert (await chain.head()).number == before.block.number
        await chain.aclose()
    gone = await asyncio.to_thread(run, *arguments, env=env, cwd=tmp_path)
    assert (well.code, well.err) == (0, "")
    found = findings(well.out)
    assert [one["status"] for one in found[f"chain {CHAIN_ID}"]] == ["green"]
    assert [one["status"] for one in found["signer dev"]] == ["yellow", "green"]
    assert [one["status"] for one in found["agent counting"]] == ["green"]
    assert wrong.code == 1
    assert [one["status"] for one in findings(wrong.out)["chain 57054"]] == ["red"]
    assert gone.code == 1
    assert [one["status"] for one in findings(gone.out)["agent counting"]] == ["red"]
