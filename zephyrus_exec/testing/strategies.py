"""Hypothesis strategies for the library's values and for what peers may send."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    ActionResult,
    Agent,
    AgentFunction,
    AgentStatus,
    Component,
    Contract,
    FunctionParameter,
    FunctionType,
    Json,
    OnFailure,
    Overlap,
    Rules,
)
from ..protocol import MAX_AGENT_ID, Rejected, parse_request

_TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=40)
_DEEP: Final = 100_000

HOSTILE_FRAMES: Final[tuple[str, ...]] = (
    "",
    " ",
    "\ufeff{}",
    "null",
    "[]",
    '"execute"',
    "{",
    "{}}",
    "{'type':'execute'}",
    '{"type":"execute",}',
    '{"type":"execute"}',
    '{"type":null,"agent_id":"a"}',
    '{"type":["execute"],"agent_id":"a"}',
    '{"type":"EXECUTE","agent_id":"a"}',
    '{"type":"execute ","agent_id":"a"}',
    '{"type":"execute","agent_id":""}',
    '{"type":"execute","agent_id":1}',
    '{"type":"execute","agent_id":{"agent_id":"a"}}',
    '{"type":"execute","agent_id":["a"],"data":{"agent_id":"a"}}',
    '{"type":"execute","agent_id":"%s"}' % ("a" * (MAX_AGENT_ID + 1)),
    '{"type":"execute","agent_id":"\\ud800"}',
    '{"type":"execute","agent_id":"a","agent_id":"b"}',
    '{"type":"execute","agent_id":"a","x":NaN}',
    '{"type":"execute","agent_id":"a","x":-Infinity}',
    '{"type":"execute","agent_id":"a","x":1e999}',
    '{"type":"execute","agent_id":"a","x":%s}' % ("9" * 5000),
    '{"type":"execute","agent_id":"a\tb"}',
    '{"type":"execute","agent_id":"a"}\x00',
    '{"type":"execute","data":"{\\"data\\":{\\"agent_id\\":\\"a\\"}}"}',
    '{"type":"execute","data":"not json"}',
    '{"type":"execute","data":[{"agent_id":"a"}]}',
    '{"type":"%s"}' % ("t" * 10_000),
    '{"type":"../../etc/passwd"}',
    '{"type":"{agent_id}","agent_id":"a"}',
    "[" * _DEEP,
    '{"a":' * _DEEP,
    '{"type":"execute","agent_id":"a","x":' + "[" * 64 + "]" * 64 + "}",
    '"' * 1001,
    "\\" * 1001,
)
"""Text frames that RFC 6455 allows and v1 rejects, each in its own way."""


def json_values(*, max_leaves: int = 20) -> SearchStrategy[Json]:
    """Return JSON values: finite numbers, well-formed strings, lists, objects."""
    scalars: SearchStrategy[Json] = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 256), 1 << 256),
        st.floats(allow_nan=False, allow_infinity=False),
        _TEXT,
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
        max_leaves=max_leaves,
    )


def json_objects() -> SearchStrategy[dict[str, Json]]:
    """Return JSON objects."""
    return st.dictionaries(_TEXT, json_values(), max_size=5)


def agent_ids() -> SearchStrategy[str]:
    """Return every kind of agent id that v1 accepts."""
    return st.text(st.characters(codec="utf-8"), min_size=1, max_size=MAX_AGENT_ID)


def addresses() -> SearchStrategy[str]:
    """Return addresses in any case, without regard to checksums."""
    return st.text("0123456789abcdefABCDEF", min_size=40, max_size=40).map("0x".__add__)


def functions() -> SearchStrategy[AgentFunction]:
    """Return functions of agents, with and without an ABI of their own."""
    lengths = st.none() | st.integers(0, 100)
    rules = st.builds(
        Rules,
        minimum=st.none() | st.integers(),
        maximum=st.none() | st.integers(),
        allowed=st.none() | st.lists(json_values(max_leaves=3), max_size=3).map(tuple),
        pattern=st.none() | st.sampled_from(["[a-z]+", "", ".*"]),
        min_length=lengths,
        max_length=lengths,
    )
    parameters = st.builds(FunctionParameter, _TEXT, rules, json_values(max_leaves=3))
    return st.builds(
        AgentFunction,
        name=_TEXT,
        signature=_TEXT,
        type=st.sampled_from(FunctionType),
        enabled=st.booleans(),
        parameters=st.lists(parameters, max_size=2).map(tuple),
        abi=st.none() | json_objects(),
        confirmations=st.none() | st.integers(1, 100),
    )


def agents() -> SearchStrategy[Agent]:
    """Return agents; their references to contracts, signers and planners lead nowhere."""
    components = st.none() | st.builds(Component, _TEXT, json_objects())
    gwei = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=9)
    return st.builds(
        Agent,
        id=agent_ids(),
        name=_TEXT,
        description=_TEXT,
        contract_id=st.none() | _TEXT,
        status=st.sampled_from(AgentStatus),
        owner=st.none() | _TEXT,
        gas_limit=st.none() | st.integers(1, 1 << 64),
        max_priority_fee_gwei=st.none() | gwei | st.integers(0, 100).map(Decimal),
        runner=components,
        planner=components,
        functions=st.lists(functions(), max_size=2).map(tuple),
        signer=st.none() | _TEXT,
        on_failure=st.sampled_from(OnFailure),
        max_cycles=st.integers(1, 100),
        max_concurrent=st.integers(1, 100),
        overlap=st.sampled_from(Overlap),
    )


def contracts() -> SearchStrategy[Contract]:
    """Return contracts; nothing needs to be at their addresses."""
    return st.builds(
        Contract,
        id=agent_ids(),
        address=addresses(),
        chain_id=st.integers(1, 1 << 63),
        name=_TEXT,
        type=_TEXT,
        abi=st.lists(json_objects(), max_size=2).map(tuple),
    )


def action_results() -> SearchStrategy[ActionResult]:
    """Return results of actions, with and without a transaction, successful or not."""
    error = st.fixed_dictionaries({"code": _TEXT, "message": _TEXT, "details": json_objects()})
    numbers = st.none() | st.integers(0, 1 << 63)
    return st.builds(
        ActionResult,
        function_name=_TEXT,
        parameters=json_objects(),
        result=json_values(),
        success=st.booleans(),
        name=_TEXT,
        message=_TEXT,
        error=st.none() | error,
        transaction_hash=st.none() | st.binary(min_size=32, max_size=32).map(_hash),
        block_number=numbers,
        gas_used=numbers,
    )


def _hash(raw: bytes) -> str:
    return f"0x{raw.hex()}"


@st.composite
def execute_frames(draw: st.DrawFn) -> tuple[str | bytes, str]:
    """Return a frame that v1 takes as a request, in any of its formats, and the id it names."""
    agent_id = draw(agent_ids())
    own: dict[str, Json] = {draw(st.sampled_from(["agent_id", "agentId"])): agent_id}
    escaped = draw(st.booleans())
    where = draw(st.sampled_from(["top", "data", "text"]))
    if where == "data":
        own = {"data": own}
    elif where == "text":
        own = {"data": json.dumps(own, ensure_ascii=escaped)}
    own["type"] = draw(st.sampled_from(["execute", "websocket_execution"]))
    taken = {"type", "agent_id", "agentId", "data"}
    others = draw(
        json_objects().map(lambda more: {k: v for k, v in more.items() if k not in taken})
    )
    keys = draw(st.permutations([*own, *others]))
    text = json.dumps({key: {**others, **own}[key] for key in keys}, ensure_ascii=escaped)
    frame: str | bytes = text.encode() if draw(st.booleans()) else text
    return frame, agent_id


def hostile_frames() -> SearchStrategy[str]:
    """Return text frames that RFC 6455 allows and that v1 rejects."""
    noise = st.one_of(
        st.sampled_from(HOSTILE_FRAMES),
        st.text(st.characters(codec="utf-8"), max_size=200),
        json_values().map(json.dumps),
        st.builds(_broken, execute_frames(), st.integers(0, 1 << 16), st.sampled_from('{}[]",:\\')),
    )
    return noise.filter(lambda frame: isinstance(parse_request(frame, "es"), Rejected))


def _broken(request: tuple[str | bytes, str], place: int, what: str) -> str:
    frame = request[0] if isinstance(request[0], str) else request[0].decode()
    place %= len(frame)
    return frame[:place] + what + frame[place:]
