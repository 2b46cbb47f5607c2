"""The demo's token: its artifact is what its source compiles to, and it is shipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from zephyrus_exec.demo.deploy import token_artifact
from zephyrus_exec.errors import TransactionRejected
from zephyrus_exec.evm.embedded import embedded_chain

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "zephyrus_exec" / "demo" / "contracts" / "DemoToken.sol"


@pytest.fixture
def node() -> str:
    """The node executable, with the compiler in reach of the build script."""
    program = shutil.which("node")
    home = Path(os.environ.get("ZEPHYRUS_TEST_NODE", ROOT / "tests" / "node"))
    if program is None or not (home / "node_modules" / "solc").is_dir():
        problem = "needs node and solc: run `npm install` in tests/node"
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    return program


def test_the_artifact_is_what_the_source_compiles_to(node: str) -> None:
    script = ROOT / "tests" / "contracts" / "build.mjs"
    rebuilt = subprocess.run([node, script, SOURCE, "-"], capture_output=True, check=True).stdout
    assert rebuilt.decode() == SOURCE.with_suffix(".json").read_text(encoding="utf-8")


def test_the_artifact_is_found_as_package_data() -> None:
    assert (resources.files("zephyrus_exec.demo") / "contracts" / "DemoToken.json").is_file()
    assert set(token_artifact()) == {"abi", "bytecode"}


async def test_the_token_counts_what_is_minted_and_only_its_minter_mints() -> None:
    async with embedded_chain(accounts=2) as chain:
        token = await chain.deploy(token_artifact()["bytecode"])
        minter, other = (account.address for account in chain.accounts)
        receiver = other[2:].lower().rjust(64, "0")
        mint = {"to": token, "data": "0x40c10f19" + receiver + f"{2**70:064x}"}
        await chain.request("eth_sendTransaction", {"from": minter, **mint})
        supply = await chain.request("eth_call", {"to": token, "data": "0x18160ddd"}, "latest")
        balance = {"to": token, "data": "0x70a08231" + receiver}
        assert supply == await chain.request("eth_call", balance, "latest") == f"0x{2**70:064x}"
        with pytest.raises(TransactionRejected, match="execution reverted"):
            await chain.request("eth_sendTransaction", {"from": other, **mint})
