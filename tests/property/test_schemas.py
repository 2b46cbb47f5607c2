"""The reader and the schema of a request accept the same messages."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import example, given
from hypothesis import strategies as st

from tests.frames import REPLIES, REQUESTS
from zephyrus_exec.conversion import dumps
from zephyrus_exec.errors import InvalidMessage
from zephyrus_exec.protocol.codec import decode
from zephyrus_exec.protocol.messages import ExecuteRequest, parse_request
from zephyrus_exec.protocol.v1_schemas import v1_schemas
from zephyrus_exec.protocol.v2.codec import encode, read_reply, read_request
from zephyrus_exec.protocol.v2.schema import schemas

SCHEMAS = {name: jsonschema_rs.validator_for(schema) for name, schema in schemas().items()}
V1_REQUEST = jsonschema_rs.validator_for(v1_schemas()["ExecuteRequest"])

# For a schema 1.0 is an integer; the reader says it is none, so that nothing is ever coerced.
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer()
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.just("x" * 300)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, messages: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Draw one of the messages, of which up to two members are other ones, absent or additional."""
    name = draw(st.sampled_from(sorted(messages)))
    message = dict(messages[name])
    members = st.sampled_from([*message, "surprise", "execution_id", "effect_key"])
    for member in draw(st.lists(members.filter(lambda key: key != "type"), max_size=2)):
        if draw(st.booleans()):
            message.pop(member, None)
        else:
            message[member] = draw(JSON)
    return name, message


@given(damaged(REQUESTS))
@example(("Subscribe", {"type": "subscribe", "request_id": "r", "execution_id": None}))
def test_the_reader_of_requests_takes_exactly_what_the_schema_allows(
    drawn: tuple[str, dict[str, Any]],
) -> None:
    name, message = drawn
    try:
        read_request(message)
    except InvalidMessage:
        taken = False
    else:
        taken = True
    assert taken is SCHEMAS[name].is_valid(message)


@given(damaged(REPLIES))
def test_what_a_client_reads_is_valid_when_it_is_written_again(
    drawn: tuple[str, dict[str, Any]],
) -> None:
    _, message = drawn
    try:
        reply = read_reply(message)
    except InvalidMessage:
        return
    name = type(reply).__name__
    if name in ("ExecutionEvent", "ExecutionCompleted"):
        return  # what is in their data is not read, but passed on
    assert SCHEMAS[name].is_valid(decode(encode(reply)))


IDS = st.none() | st.just("") | st.just("a1") | st.just("x" * 257) | st.integers(0, 3)
HOLDERS = st.fixed_dictionaries({}, optional={"agent_id": IDS, "agentId": IDS})
V1_REQUESTS = st.tuples(
    HOLDERS, st.fixed_dictionaries({}, optional={"data": HOLDERS | IDS | HOLDERS.map(dumps)})
).map(lambda parts: {"type": "execute", **parts[0], **parts[1]})


@given(V1_REQUESTS)
def test_a_request_of_v1_that_is_read_is_valid(message: dict[str, Any]) -> None:
    read = isinstance(parse_request(dumps(message), "es"), ExecuteRequest)
    valid = V1_REQUEST.is_valid(message)
    assert valid or not read
    if not isinstance(message.get("data"), str):  # no schema looks into a text
        assert read is valid
