"""The main job on a real node: an agent is asked for over a WebSocket, and changes a contract."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from attrs import define, evolve, field, frozen
from eth_utils.crypto import keccak

from tests.anvil import CHAIN_ID, KEYS, Anvil, running_anvil
from tests.kitchen import deploy_kitchen, mine
from zephyrus_exec import (
    Agent,
    AgentFunction,
    Component,
    Contract,
    EventKind,
    ExecutionEngine,
    FunctionType,
    Json,
    MemoryRepository,
    SqliteStore,
    StepsPlanner,
    serve,
)
from zephyrus_exec.engine.listing import read_all
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.protocol.messages import Completed, Failed, Reply, Started
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.testing.v1 import connect_v1

WIDE: Final = 2**200 + 1
"""What `total` returns; far beyond what a JSON number holds exactly."""
ORDER: Final[Mapping[str, Json]] = {
    "buyer": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "lines": [{"sku": 7, "amount": str(2**53 + 1)}, {"sku": 4_294_967_295, "amount": str(WIDE)}],
    "gift": {"sku": 0, "amount": "0"},
    "ref": "0x" + "ab" * 32,
    "note": "ñandú ✓",
    "shifts": ["-9223372036854775808", "9223372036854775807"],
    "express": True,
}
SIGNATURES: Final = {
    "total": "total()",
    "count": "count()",
    "small": "small(uint8,int48,uint48)",
    "named": "named(uint256)",
    "echo": "",
    "store": "",
    "cook": "cook(uint256)",
    "cookOrFail": "cookOrFail(uint256)",
    "onlyFirst": "onlyFirst()",
    "pay": "pay()",
    "paid": "paid(address)",
    "failWith": "failWith(string)",
    "failCustom": "failCustom(uint256)",
    "failPanic": "failPanic(uint256)",
}
WRITES: Final = ("store", "cook", "cookOrFail", "onlyFirst")


def functions() -> tuple[AgentFunction, ...]:
    """Return the kitchen's functions as agents may call them."""
    kinds = dict.fromkeys(WRITES, FunctionType.WRITE) | {"pay": FunctionType.PAYABLE}
    return tuple(
        AgentFunction(name, signature, type=kinds.get(name, FunctionType.READ))
        for name, signature in SIGNATURES.items()
    )


def step(function: str, *, value_wei: int = 0, **parameters: Json) -> Json:
    return {"function": function, "parameters": parameters, "value_wei": value_wei}


class Shelf(MemoryRepository):
    """A repository that tests fill as they go."""

    def __init__(self) -> None:
        super().__init__()
        self._agents: dict[str, Agent] = {}
        self._contracts: dict[str, Contract] = {}

    def hold(self, agent: Agent, contract: Contract) -> None:
        self._agents[agent.id], self._contracts[contract.id] = agent, contract

    async def get_agent(self, agent_id: str) -> Agent:
        return self._agents[agent_id]

    async def get_contract(self, contract_id: str) -> Contract:
        return self._contracts[contract_id]


@define(eq=False)
class Kitchen:
    """A contract on a node, an engine for it, and a server in front of that."""

    chain: EvmChain
    contract: Contract
    signers: Mapping[str, KeySigner]
    store: SqliteStore
    engine: ExecutionEngine
    url: str
    repository: Shelf

    async def run(self, *steps: Json, contract: Contract | None = None, **fields: Any) -> Reply:
        """Execute an agent with these steps over a WebSocket, and return the last reply."""
        used = contract or self.contract
        agent = Agent(
            f"cook of {used.id}",
            contract_id=used.id,
            planner=Component("steps", {"steps": steps}),
            functions=functions(),
            **{"signer": "first", **fields},
        )
        self.repository.hold(agent, used)
        async with connect_v1(self.url) as client:
            first, last = [reply async for reply in client.execute(agent.id)]
        assert first == Started(agent.id)
        return last

    async def results(self, *steps: Json, **fields: Any) -> list[Any]:
        """Execute, successfully, and return the results."""
        reply = await self.run(*steps, **fields)
        assert isinstance(reply, Completed), reply
        return list(reply.results)

    async def error(self, *steps: Json, **fields: Any) -> str:
        """Execute, in vain, and return what the client is told."""
        reply = await self.run(*steps, **fields)
        assert isinstance(reply, Failed), reply
        return reply.error

    async def nonce(self, signer: str = "first") -> int:
        return (await self.chain.account(self.signers[signer].address)).nonce


@asynccontextmanager
async def kitchen_at(url: str, file: Path) -> AsyncIterator[Kitchen]:
    """Serve the kitchen of a node that is reached at `url`."""
    chain = EvmChain(CHAIN_ID, [url], poll_interval=0.02)
    signers = {"first": KeySigner.from_key(KEYS[0]), "second": KeySigner.from_key(KEYS[1])}
    shelf = Shelf()
    store = await SqliteStore.open(file)
    try:
        contract = await deploy_kitchen(chain, signers["second"])
        engine = ExecutionEngine(
            agents=shelf,
            contracts=shelf,
            store=store,
            planners={"steps": StepsPlanner()},
            chains={CHAIN_ID: chain},
            signers=signers,
        )
        async with serve(engine, host="127.0.0.1", port=0) as service:
            yield Kitchen(chain, contract, signers, store, engine, service.addresses[0], shelf)
    finally:
        await store.aclose()
        await chain.aclose()


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil() as anvil:
        yield anvil


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kitchen(node: Anvil, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kitchen]:
    async with kitchen_at(node.url, tmp_path_factory.mktemp("main") / "journal.db") as one:
        yield one


pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- what succeeds -------------------------------------------------------------------------------


async def test_a_read_brings_a_wide_number_exactly(kitchen: Kitchen) -> None:
    (item,) = await kitchen.results(step("total"))
    assert item["result"] == str(WIDE)
    assert int(item["result"]) == WIDE
    assert item["success"] is True
    assert item["block_number"] > 0
    assert "transaction_hash" not in item


async def test_a_values_json_type_follows_its_declared_type_not_its_size(kitchen: Kitchen) -> None:
    small, named = await kitchen.results(
        step("small", a=255, b=str(-(2**47)), c=2**48 - 1), step("named", a=7)
    )
    assert small["result"] == [255, -(2**47), 2**48 - 1]
    assert small["parameters"] == {"a": 255, "b": -(2**47), "c": 2**48 - 1}
    assert named["result"] == {"half": "3", "even": False}


async def test_a_write_changes_the_contract_and_says_by_which_transaction(kitchen: Kitchen) -> None:
    before, cooked, after = await kitchen.results(
        step("count"), step("cook", amount="9007199254740993"), step("count")
    )
    assert int(after["result"]) == int(before["result"]) + 2**53 + 1
    assert cooked["parameters"] == {"amount": "9007199254740993"}
    view = await kitchen.chain.lookup(
        [cooked["transaction_hash"]], sender=kitchen.signers["first"].address
    )
    receipt = view.receipts[cooked["transaction_hash"]]
    assert receipt.success
    assert (cooked["block_number"], cooked["gas_used"]) == (receipt.block_number, receipt.gas_used)
    assert after["block_number"] >= receipt.block_number


async def test_a_payable_function_gets_the_value(kitchen: Kitchen) -> None:
    payer = kitchen.signers["first"].address
    before = (await kitchen.chain.account(kitchen.contract.address)).balance_wei
    paid, total = await kitchen.results(
        step("pay", value_wei=10**18 + 1), {"function": "paid", "parameters": {"0": payer}}
    )
    assert paid["success"] is True
    assert int(total["result"]) >= 10**18 + 1
    after = (await kitchen.chain.account(kitchen.contract.address)).balance_wei
    assert after - before == 10**18 + 1


async def test_a_tuple_goes_in_and_comes_out_exactly(kitchen: Kitchen) -> None:
    (item,) = await kitchen.results(step("echo", order=ORDER))
    assert item["result"] == item["parameters"]["order"] == ORDER


async def test_a_tuple_goes_into_a_transaction(kitchen: Kitchen) -> None:
    order: Json = {**ORDER, "lines": [{"sku": 1, "amount": 5}, {"sku": 2, "amount": "6"}]}
    before, stored, after = await kitchen.results(
        step("count"), step("store", order=order), step("count")
    )
    assert stored["success"] is True
    assert int(after["result"]) == int(before["result"]) + 11


async def test_a_step_may_use_the_result_of_another(kitchen: Kitchen) -> None:
    named, cooked = await kitchen.results(
        {**_object(step("named", a="86")), "name": "half"},
        step("cook", amount="${steps.half.result.half}"),
    )
    assert (named["result"]["half"], cooked["parameters"]) == ("43", {"amount": "43"})


# --- what fails before anything is sent ----------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (
            step("failWith", why="sin sal"),
            "El contrato revirtió la llamada a failWith(string): sin sal",
        ),
        (step("failPanic", a="0"), "failPanic(uint256)"),
        (step("cookOrFail", amount=100), "too much"),
    ],
    ids=["reason", "panic", "require"],
)
async def test_a_revert_is_told_with_its_reason_and_nothing_is_sent(
    kitchen: Kitchen, failing: Json, said: str
) -> None:
    before = await kitchen.nonce()
    assert said in await kitchen.error(failing)
    assert await kitchen.nonce() == before


async def test_a_custom_error_is_told_with_its_name_and_its_values(kitchen: Kitchen) -> None:
    (count,) = await kitchen.results(step("count"))
    error = await kitchen.error(step("failCustom", wanted=str(WIDE)))
    assert "OutOfStock" in error
    assert str(WIDE) in error
    assert count["result"] in error


async def test_a_failed_reply_names_what_already_ran_by_its_transactions(kitchen: Kitchen) -> None:
    before = await kitchen.nonce()
    error = await kitchen.error(
        step("cook", amount=1), step("cook", amount=2), step("failWith", why="sin sal")
    )
    assert await kitchen.nonce() == before + 2
    (execution, *_) = await kitchen.engine.list_executions(limit=1)
    hashes = [
        str(event.data["transaction_hash"])
        for event in await read_all(kitchen.store, execution.id)
        if event.kind == EventKind.EFFECT_SIGNED
    ]
    assert error == (
        "La acción 3 (failWith) falló: "
        "El contrato revirtió la llamada a failWith(string): sin sal. "
        f"2 de 3 acciones ya se ejecutaron (cook {hashes[0]}, cook {hashes[1]}); "
        "no repita sin comprobar"
    )


async def test_gas_beyond_the_agents_limit_is_refused_before_anything_is_sent(
    kitchen: Kitchen,
) -> None:
    before = await kitchen.nonce()
    error = await kitchen.error(step("cook", amount=1), gas_limit=25_000)
    assert "el límite del agente es 25000" in error
    assert await kitchen.nonce() == before


async def test_a_chain_nobody_configured_is_told(kitchen: Kitchen) -> None:
    elsewhere = Contract("far", kitchen.contract.address, 57054, abi=kitchen.contract.abi)
    error = await kitchen.error(step("total"), contract=elsewhere)
    assert "La cadena 57054 no está configurada" in error


async def test_an_address_without_a_contract_is_told(kitchen: Kitchen) -> None:
    nowhere = Contract("gone", "0x" + "11" * 20, CHAIN_ID, abi=kitchen.contract.abi)
    error = await kitchen.error(step("total"), contract=nowhere)
    assert "No hay ningún contrato en 0x1111111111111111111111111111111111111111" in error


@pytest.mark.parametrize(
    "wrong",
    [
        step("cook", amount="-1"),
        step("cook", amount=str(2**256)),
        step("cook", amount="1.5"),
        step("cook"),
        step("echo", order={**ORDER, "buyer": "0x1"}),
    ],
    ids=["negative", "too-wide", "fraction", "missing", "address"],
)
async def test_arguments_that_do_not_fit_are_refused_before_the_node_is_asked(
    kitchen: Kitchen, wrong: Json
) -> None:
    before = await kitchen.nonce()
    assert "Argumento no válido" in await kitchen.error(wrong)
    assert await kitchen.nonce() == before


# --- what fails on the chain ---------------------------------------------------------------------


async def test_a_mined_revert_is_told_with_its_transaction(kitchen: Kitchen) -> None:
    """Two accounts call what only the first may: both simulations pass, one is mined in vain."""
    fresh = await deploy_kitchen(kitchen.chain, kitchen.signers["second"])
    await kitchen.chain._request("evm_setAutomine", [False])
    try:
        asked = []
        for signer in kitchen.signers:
            contract = evolve(fresh, id=f"kitchen of {signer}")
            once = kitchen.run(step("onlyFirst"), contract=contract, signer=signer)
            asked.append(asyncio.create_task(once))
            await _until_pooled(kitchen, len(asked))
        await mine(kitchen.chain)
        replies = await soon(asyncio.gather(*asked))
    finally:
        await kitchen.chain._request("evm_setAutomine", [True])
    (won,) = [reply for reply in replies if isinstance(reply, Completed)]
    (lost,) = [reply for reply in replies if isinstance(reply, Failed)]
    hashes = [
        str(event.data["transaction_hash"])
        for execution in await kitchen.engine.list_executions(limit=2)
        for event in await read_all(kitchen.store, execution.id)
        if event.kind == EventKind.EFFECT_SIGNED
    ]
    hashes.remove(str(won.results[0]["transaction_hash"]))
    assert "El contrato revirtió la llamada a onlyFirst()" in lost.error
    assert "no repita sin comprobar" in lost.error
    assert hashes[0] in lost.error


async def _until_pooled(kitchen: Kitchen, count: int) -> None:
    """Return when the node's pool holds so many transactions."""
    async with asyncio.timeout(10):
        while True:
            status = await kitchen.chain._request("txpool_status", [])
            assert isinstance(status, dict)
            if int(str(status["pending"]), 16) == count:
                return
            await asyncio.sleep(0.01)


# --- order ---------------------------------------------------------------------------------------


@frozen
class Broadcast:
    """Bytes that were on their way to the node, and what the journal's file held at that moment."""

    hash: str
    attempts: frozenset[str]
    """Every signed transaction in the file's effect records, as `0x…`."""
    signed: frozenset[str]
    """Every hash its `effect_signed` events name."""
    next_nonces: frozenset[int]
    raw: str


@define(eq=False)
class Watchman:
    """Stands between engine and node, and looks into the file whenever bytes are sent.

    It looks as another process would: with a connection of its own, past the engine's memory.
    """

    node: str
    file: Path
    seen: list[Broadcast] = field(factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                body = await reader.readexactly(_length(head))
                call = json.loads(body)
                if call["method"] == "eth_sendRawTransaction":
                    self.seen.append(self._look(call["params"][0]))
                answer = await self._forward(body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
                )
                await writer.drain()
        finally:
            writer.close()

    def _look(self, raw: str) -> Broadcast:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as connection:
            records = connection.execute("SELECT kind, body FROM zx_record").fetchall()
            events = connection.execute("SELECT kind, body FROM zx_event").fetchall()
        bodies = [(kind, json.loads(body)) for kind, body in records]
        return Broadcast(
            hash="0x" + keccak(hexstr=raw).hex(),
            attempts=frozenset(
                a["raw"] for kind, body in bodies if kind == "effect" for a in body["attempts"]
            ),
            signed=frozenset(
                json.loads(body)["transaction_hash"]
                for kind, body in events
                if kind == EventKind.EFFECT_SIGNED
            ),
            next_nonces=frozenset(body["next_nonce"] for kind, body in bodies if kind == "lane"),
            raw=raw,
        )

    async def _forward(self, body: bytes) -> bytes:
        host, _, port = self.node.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        answer = await reader.readexactly(_length(await _head(reader)))
        writer.close()
        await writer.wait_closed()
        return answer


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Return the next head of a message; empty at the end."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _length(head: bytes) -> int:
    (line,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(line.partition(b":")[2])


async def test_bytes_are_in_the_journals_file_before_the_node_sees_them(
    node: Anvil, tmp_path: Path
) -> None:
    """Attempt, event and lane counter are committed when the very same bytes go out."""
    file = tmp_path / "journal.db"
    watchman = Watchman(node.url, file)
    proxy = await asyncio.start_server(watchman.handle, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy, kitchen_at(f"http://127.0.0.1:{port}", file) as kitchen:
        del watchman.seen[:]  # the contract's creation is none of the engine's
        first = await kitchen.nonce()
        results = await kitchen.results(*[step("cook", amount=n) for n in range(1, 4)])
    assert [one.hash for one in watchman.seen] == [r["transaction_hash"] for r in results]
    for number, one in enumerate(watchman.seen, start=1):
        assert one.raw in one.attempts
        assert len(one.attempts) == number
        assert one.hash in one.signed
        assert one.next_nonces == {first + number}


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value
