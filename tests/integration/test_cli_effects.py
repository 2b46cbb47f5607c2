"""The command line for effects and lanes, on the journal of a real server and a real node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import pytest
from attrs import define

from tests.anvil import CHAIN_ID, KEYS, Anvil, running_anvil
from tests.counter import deploy_counter
from tests.docs.markdown import ROOT, blocks
from tests.kitchen import settled
from zephyrus_exec.conversion import dumps
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.model import Contract
from zephyrus_exec.protocol.messages import Completed, Failed, Reply
from zephyrus_exec.testing.v1 import connect_v1

from .commands import PATIENCE, Ended, Serving, run, serving

SENDER: Final = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
LANE: Final = f"{CHAIN_ID}:{SENDER}"
KEY: Final = {"ZEPHYRUS_KEY_DEV": KEYS[0]}

Check = Callable[[dict[str, Any]], None]


def settings(contract: Contract, url: str) -> str:
    """Return a settings file with an agent that increments the counter twice."""
    steps = ", ".join(
        f'{{ function = "increment", parameters = {{ amount = {n} }} }}' for n in (5, 7)
    )
    return f"""
[chains.{CHAIN_ID}]
rpc = "{url}"
finality = 2

[[contracts]]
id = "counter"
address = "{contract.address}"
chain_id = {CHAIN_ID}
abi = {_toml(list(contract.abi))}

[[agents]]
id = "counting"
contract_id = "counter"
signer = "dev"
planner = {{ name = "steps", settings = {{ steps = [{steps}] }} }}
functions = [{{ name = "increment", type = "write" }}]
"""


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{k} = {_toml(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return dumps(value)


@define(eq=False)
class Town:
    """A node, a server of its own process, and its journal."""

    chain: EvmChain
    contract: Contract
    server: Serving
    folder: Path

    @property
    def config(self) -> str:
        return str(self.folder / "zephyrus.toml")

    @property
    def store(self) -> str:
        return str(self.folder / "journal.db")

    async def cli(self, *arguments: str) -> Ended:
        """Run a command on the server's journal, while it serves."""
        options = ("--store", self.store, "--config", self.config)
        return await asyncio.to_thread(run, *arguments, *options, env=KEY)

    async def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what a command prints as JSON, a line each."""
        ended = await self.cli(*arguments, "--json")
        assert (ended.code, ended.err) == (0, "")
        return [json.loads(line) for line in ended.out.splitlines()]

    async def execute(self) -> Reply:
        async with connect_v1(self.server.urls[0]) as client:
            return [reply async for reply in client.execute("counting")][-1]

    async def ready(self) -> dict[str, Any]:
        """Return what `/readyz` answers."""
        url = self.server.urls[0].replace("ws://", "http://") + "/readyz"
        body = await asyncio.to_thread(lambda: urlopen(url, timeout=PATIENCE).read())
        details: dict[str, Any] = json.loads(body)
        return details

    async def mine(self, blocks: int = 1) -> None:
        await rpc(self.chain, "anvil_mine", [hex(blocks)])


async def rpc(chain: EvmChain, method: str, parameters: list[Any]) -> Any:
    """Ask the node something that only nodes for tests know."""
    return await chain._request(method, parameters)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil() as anvil:
        yield anvil


@asynccontextmanager
async def town_at(node: Anvil, folder: Path, *options: str) -> AsyncIterator[Town]:
    """Serve a counting agent on a node that begins anew."""
    chain = EvmChain(node.chain_id, [node.url], poll_interval=0.02)
    await rpc(chain, "anvil_reset", [])
    await rpc(chain, "evm_setAutomine", [True])
    contract = await deploy_counter(chain, KeySigner.from_key(KEYS[1]))
    file = folder / "zephyrus.toml"
    file.write_text(settings(contract, node.url), encoding="utf-8")
    where = ("--host", "127.0.0.1", "--port", "0", "--store", str(folder / "journal.db"))
    try:
        async with serving(*where, "--config", str(file), *options, env=KEY) as server:
            yield Town(chain, contract, server, folder)
    finally:
        await chain.aclose()


@pytest.fixture(scope="module")
def documented_check() -> Check:
    """What the page on effects tells third parties to do with a bundle."""
    page = ROOT / "docs" / "effects.md"
    (block,) = (one for one in blocks(page, "python") if "def check(" in one.text)
    assert "zephyrus" not in block.text
    names: dict[str, Any] = {}
    exec(compile(block.text, block.id, "exec"), names)
    check: Check = names["check"]
    return check


async def test_a_bundle_can_be_checked_by_whoever_has_only_public_tools(
    node: Anvil, tmp_path: Path, documented_check: Check
) -> None:
    async with town_at(node, tmp_path) as town:
        assert isinstance(await town.execute(), Completed)
        listed = await town.objects("effects", "list")
        bundles = [(await town.objects("effects", "show", one["key"]))[0] for one in listed]
    assert [bundle["intent"]["arguments"]["amount"] for bundle in bundles] == ["7", "5"]
    for bundle in bundles:
        documented_check(bundle)
        for spoilt in spoilings(bundle):
            with pytest.raises(AssertionError):
                documented_check(spoilt)


def spoilings(bundle: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield bundles in which one thing is not as it was."""
    for path, value in (
        (("intent", "sender"), "0x" + "22" * 20),
        (("intent", "to"), "0x" + "22" * 20),
        (("intent", "value_wei"), "1"),
        (("intent", "chain_id"), 1),
        (("intent", "function"), "decrement(uint256)"),
        (("intent", "hash"), "00" * 32),
        (("lane", "nonce"), 99),
        (("receipt", "transaction_hash"), "0x" + "00" * 32),
        (("block", "hash"), "0x" + "00" * 32),
        (("decision", "snapshot", "agent", "id"), "other"),
    ):
        spoilt = json.loads(json.dumps(bundle))
        inner = spoilt
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        yield spoilt
    for name in ("transaction_hash", "raw"):
        spoilt = json.loads(json.dumps(bundle))
        text = spoilt["attempts"][0][name]
        spoilt["attempts"][0][name] = text[:-1] + ("0" if text[-1] != "0" else "1")
        yield spoilt


@pytest.mark.shows(
    "lanes check --json", "lanes check --reason", "lanes open --json", "lanes open --reason"
)
@pytest.mark.slow
async def test_foreign_use_is_told_and_an_operator_gets_the_lane_going_while_the_server_runs(
    node: Anvil, tmp_path: Path
) -> None:
    async with town_at(node, tmp_path) as town:
        assert isinstance(await town.execute(), Completed)
        await spend(town.chain, SENDER)
        assert isinstance(await town.execute(), Failed)
        (lane,) = await town.objects("lanes", "list")
        assert (lane["lane"], lane["status"], lane["reason"]) == (LANE, "halted", "foreign_use")
        ready = await town.ready()
        assert ready["status"] == "degraded"
        assert ready["halted_lanes"] == [
            {"lane": LANE, "status": "halted", "reason": "foreign_use"}
        ]
        (checked,) = await town.objects("lanes", "check", LANE, "--reason", "who was it?")
        assert checked["status"] == "halted"
        (opened,) = await town.objects("lanes", "open", LANE, "--reason", "it was me")
        assert (opened["status"], opened["next_nonce"]) == ("open", lane["next_nonce"] + 1)
        assert isinstance(await town.execute(), Completed)
        told = [line for line in await town.objects("lanes", "show", LANE) if "event" in line]
    assert [line["event"] for line in told] == ["halted", "checked", "opened"]
    assert [line["data"].get("principal") for line in told] == [None, "operator", "operator"]
    assert told[-1]["data"]["reason"] == "it was me"


@pytest.mark.shows("lanes cancel --json", "lanes cancel --reason")
@pytest.mark.slow
async def test_a_waiting_transaction_is_cancelled_from_beside_the_server(
    node: Anvil, tmp_path: Path, documented_check: Check
) -> None:
    async with town_at(node, tmp_path) as town:
        await rpc(town.chain, "evm_setAutomine", [False])
        running = asyncio.create_task(town.execute())
        (effect,) = await eventually(lambda: town.objects("effects", "list", "--open"))
        nonce = str(effect["nonce"])
        (lane,) = await town.objects("lanes", "cancel", LANE, nonce, "--reason", "it is late")
        assert lane["in_flight"] == 1
        (bundle,) = await town.objects("effects", "show", effect["key"])
        assert [one["purpose"] for one in bundle["attempts"]] == ["call", "cancel"]
        documented_check(bundle)
        for _ in range(4):
            await town.mine()
        reply = await asyncio.wait_for(running, PATIENCE)
        assert isinstance(reply, Failed)
        (bundle,) = await town.objects("effects", "show", effect["key"])
        told = [line for line in await town.objects("lanes", "show", LANE) if "event" in line]
    assert any(line["data"].get("reason") == "it is late" for line in told)
    assert bundle["state"] == "cancelled"
    assert bundle["finality"]["final"]
    documented_check(bundle)


@pytest.mark.slow
async def test_a_drained_lane_refuses_and_a_retired_one_does_so_too(
    node: Anvil, tmp_path: Path
) -> None:
    async with town_at(node, tmp_path) as town:
        assert isinstance(await town.execute(), Completed)
        (lane,) = await town.objects("lanes", "drain", LANE, "--reason", "moving")
        assert (lane["status"], lane["reason"]) == ("draining", "moving")
        assert isinstance(await town.execute(), Failed)
        early = await town.cli("lanes", "retire", LANE)
        assert (early.code, early.out) == (2, "")
        assert "has no final outcome yet" in early.complaint
        await town.mine(3)
        await town.cli("lanes", "check", LANE)
        (lane,) = await town.objects("lanes", "retire", LANE)
        assert lane["status"] == "retired"
        assert (await town.ready())["status"] == "ready"


@pytest.mark.slow
async def test_a_restored_backup_sends_nothing_before_it_was_checked_and_opened(
    node: Anvil, tmp_path: Path
) -> None:
    async with town_at(node, tmp_path) as town:
        assert isinstance(await town.execute(), Completed)
        in_use = await town.cli("store", "restored")
        assert (in_use.code, in_use.out) == (2, "")
        assert "stop it" in in_use.complaint
        await town.server.stop()
        told = await town.cli("store", "restored", "--reason", "from Tuesday")
        assert (told.code, told.err) == (
            0,
            f"next: lanes check {LANE}, look at what it shows, then lanes open {LANE}\n",
        )
        where = ("--host", "127.0.0.1", "--port", "0", "--store", town.store)
        async with serving(*where, "--config", town.config, env=KEY) as again:
            assert f"lane {LANE} is halted (restored)" in "\n".join(again.banner)
            town.server = again
            assert isinstance(await town.execute(), Failed)
            refused = await town.cli("lanes", "open", LANE)
            assert (refused.code, refused.out) == (2, "")
            assert "check the lane first" in refused.complaint
            await town.cli("lanes", "check", LANE)
            await town.cli("lanes", "open", LANE)
            assert isinstance(await town.execute(), Completed)


async def test_a_low_balance_is_told_in_the_banner(node: Anvil, tmp_path: Path) -> None:
    async with town_at(node, tmp_path) as town:
        assert isinstance(await town.execute(), Completed)
        await rpc(town.chain, "anvil_setBalance", [SENDER, hex(10**12)])
        where = ("--host", "127.0.0.1", "--port", "0", "--store", town.store)
        async with serving(*where, "--config", town.config, env=KEY) as again:
            assert f"lane {LANE} is low: it has {10**12} wei" in "\n".join(again.banner)
            town.server = again
            ready = await town.ready()
    assert ready["status"] == "degraded"
    assert [one["lane"] for one in ready["low_balances"]] == [LANE]


async def spend(chain: EvmChain, account: str) -> None:
    """Send a transaction of the account past the server, as a wallet with the same key would."""
    signer = KeySigner.from_key(KEYS[0])
    assert signer.address.lower() == account
    seen = await chain.account(account)
    fees = await chain.quote()
    unsigned = chain.build(chain.blank(account), nonce=seen.nonce, gas=21_000, fees=fees)
    signed = chain.assemble(unsigned, await signer.sign(unsigned.payload))
    await chain.broadcast(signed.raw)
    await settled(chain, signed.hash, sender=account)


async def eventually(ask: Callable[[], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Return the first answer that holds anything."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await ask()):
            await asyncio.sleep(0.05)
    return found
