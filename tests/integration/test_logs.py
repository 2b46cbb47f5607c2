"""What the log tells of a life, and what it never tells."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.world import World, chain_agent, plan
from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    MemoryRepository,
    MemoryStore,
    Principal,
    RunContext,
    Service,
)
from zephyrus_exec.demo import MINTING_AGENT
from zephyrus_exec.logs import AboutFilter
from zephyrus_exec.protocol.messages import Completed, Failed, Reply
from zephyrus_exec.testing.v1 import V1Peer, connect_v1
from zephyrus_exec.transports.memory import memory_pair

from .commands import PATIENCE, Serving, run, serving

LOOPBACK = ("--host", "127.0.0.1", "--port", "0")
CHAIN = """
[[contracts]]
id = "token"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
chain_id = 57054

[[agents]]
id = "reader"
contract_id = "token"
planner = { name = "steps", settings = { steps = [{ function = "totalSupply" }] } }

[[agents.functions]]
name = "totalSupply"
abi = { type = "function", name = "totalSupply", stateMutability = "view", inputs = [], outputs = [{ name = "", type = "uint256" }] }
"""  # noqa: E501


async def last(client: V1Peer, agent: str) -> Reply:
    return [reply async for reply in client.execute(agent)][-1]


# --- a real server


async def lines_until(server: Serving, message: str) -> list[dict[str, Any]]:
    """Read what a server logs until a message begins so."""
    assert server.process.stderr is not None
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while not lines or not lines[-1]["message"].startswith(message):
            lines.append(json.loads(await server.process.stderr.readline()))
    return lines


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")
async def test_one_execution_is_found_by_its_key_from_its_connection_to_its_final_block(
    tmp_path: Path,
) -> None:
    options = ("--log-format", "json", "--log-level", "info")
    async with serving("--demo", *LOOPBACK, *options, cwd=tmp_path) as server:
        async with connect_v1(server.urls[0]) as client:
            done = await last(client, MINTING_AGENT)
        assert isinstance(done, Completed)
        lines = await lines_until(server, "the effect is finalized")
        ended = await server.stop()
    lines += [json.loads(line) for line in ended.err.splitlines()]
    (accepted,) = [one for one in lines if one["message"] == "the execution is accepted"]
    about = [one for one in lines if one.get("execution") == accepted["execution"]]
    told = [one["message"].split(":")[0].partition(" in block")[0] for one in about]
    told = [message.partition(" after")[0] for message in told]
    assert told == [
        "the execution is accepted",
        "the execution starts",
        "the effect is signed",
        "the effect is mined",
        "the execution ended as succeeded",
        "the effect is finalized",
    ]
    assert {one["agent"] for one in about if "effect" not in one} == {MINTING_AGENT}
    hashes = {one["transaction"] for one in about if "effect" in one}
    assert hashes == {done.results[1]["transaction_hash"]}
    peer = [one["message"] for one in lines if one.get("connection") == accepted["connection"]]
    assert peer[0].startswith("a connection from 127.0.0.1:")
    assert peer[-1] == "the connection has ended: the peer closed the channel with code 1000"
    assert {one.get("principal") for one in about if "effect" not in one} == {"anonymous"}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")
@pytest.mark.parametrize("form", ["text", "json"])
async def test_at_the_most_talkative_level_no_secret_is_told(tmp_path: Path, form: str) -> None:
    (tmp_path / "z.toml").write_text(CHAIN, encoding="utf-8")
    key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
    env = {
        "ZEPHYRUS_RPC_57054": "http://user:hunter2pw@127.0.0.1:1/v3/projectsecret?apikey=querysec",
        "ZEPHYRUS_KEY_MAIN": key,
        "PYTHONASYNCIODEBUG": "1",
    }
    options = ("--config", "z.toml", "--store", "memory:", "--log-format", form)
    async with serving(
        *LOOPBACK, *options, "--log-level", "debug", env=env, cwd=tmp_path
    ) as server:
        async with connect_v1(server.urls[0]) as client:
            assert isinstance(await last(client, "reader"), Failed)
        ended = await server.stop()
    said = ended.err + "".join(server.banner)
    assert "unreachable" in said
    for secret in ("hunter2pw", "projectsecret", "querysec", key):
        assert secret not in said


def test_a_server_that_does_not_start_says_so_in_a_line_of_json_too(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = str(other.getsockname()[1])
        options = ("--host", "127.0.0.1", "--port", port, "--store", "memory:")
        ended = run("serve", *options, "--log-format", "json", cwd=tmp_path)
    lines = [json.loads(line)["message"] for line in ended.err.splitlines()]
    assert ended.code == 2
    assert lines[-1].startswith("zephyrus-exec: ")
    assert port in lines[-1]


# --- in this process


class Lines(logging.Handler):
    """Keeps records, and what they are about."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(AboutFilter())
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def about(self, message: str) -> list[dict[str, Any]]:
        """Return the attributes of the records whose message begins so."""
        return [vars(one) for one in self.records if one.getMessage().startswith(message)]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, ours = Lines(), logging.getLogger("zephyrus_exec")
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield handler
    ours.removeHandler(handler)
    ours.setLevel(before)


def engine_with(**runners: Any) -> ExecutionEngine:
    agents = MemoryRepository([Agent(name, runner=Component(name)) for name in runners])
    return ExecutionEngine(agents=agents, contracts=agents, store=MemoryStore(), runners=runners)


async def test_an_incident_has_the_same_id_in_the_log_as_its_client_was_told(lines: Lines) -> None:
    async def broken(_: RunContext) -> None:
        raise ZeroDivisionError("secret of the code")

    async with engine_with(broken=broken) as engine:
        execution = await engine.submit("broken", principal=Principal("ann"))
        completed: Any = await engine.result(execution, principal=Principal("ann"))
    (logged,) = lines.about("execution")
    told = completed["error"]
    assert logged["incident"] in told["message"]
    assert (logged["execution"], logged["principal"]) == (execution, "ann")
    assert "secret of the code" not in json.dumps(completed)


async def test_an_execution_that_waited_is_about_its_own_peer_and_not_about_who_left(
    lines: Lines,
) -> None:
    gate = asyncio.Event()

    async def gated(_: RunContext) -> None:
        logging.getLogger("zephyrus_exec.agent").info("the agent works")
        await gate.wait()

    async with engine_with(gated=gated) as engine:
        service = Service(engine)
        peers, sessions = [], []
        for name in ("ann", "bob"):
            near, far = memory_pair()
            sessions.append(asyncio.create_task(service.run(far, principal=Principal(name))))
            peers.append(V1Peer(near))
        asked = [asyncio.create_task(last(peer, "gated")) for peer in peers]
        while len(lines.about("the execution is accepted")) < 2:
            await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(*asked)
        for peer in peers:
            await peer._transport.aclose()
        await asyncio.gather(*sessions)
    came = {one["principal"]: one["connection"] for one in lines.about("a connection from")}
    assert len(set(came.values())) == 2
    for message in ("the execution starts", "the agent works", "the execution ended"):
        told = lines.about(message)
        assert {one["principal"]: one["connection"] for one in told} == came
        assert len({one["execution"] for one in told}) == 2


async def test_a_level_that_is_off_costs_no_record(lines: Lines) -> None:
    async def quick(_: RunContext) -> None: ...

    logging.getLogger("zephyrus_exec").setLevel(logging.WARNING)
    made: list[str] = []
    factory = logging.getLogRecordFactory()

    def counted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made.append(str(args[0]))
        return factory(*args, **kwargs)

    async with engine_with(quick=quick) as engine:
        logging.setLogRecordFactory(counted)
        try:
            await engine.result(await engine.submit("quick"))
        finally:
            logging.setLogRecordFactory(factory)
    assert made == []


async def test_what_becomes_of_an_effect_is_told_with_its_hash_and_by_nobody_else_s_task(
    lines: Lines,
) -> None:
    world = World(chain_agent())
    async with world.chain_engine(plan("set", "set")) as engine:
        execution = await engine.submit("a", principal=Principal("ann"))
        await engine.result(execution, principal=Principal("ann"))
    facts = [one for one in lines.records if one.getMessage().startswith("the effect is")]
    messages = [one.getMessage() for one in facts]
    assert [message.split(" in block")[0] for message in messages[:2]] == [
        "the effect is signed: set(), nonce 0",
        "the effect is mined",
    ]
    for one in facts:
        attributes = vars(one)
        assert attributes["execution"] == execution
        assert attributes["effect"].startswith(execution)
        assert attributes["transaction"].startswith("0x")
        assert attributes["lane"].startswith("1337:0x")
