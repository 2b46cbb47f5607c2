"""Whatever comes: a message, or a protocol error and nothing else."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from zephyrus_exec.conversion import dumps
from zephyrus_exec.errors import MessageTooBig, RemoteProtocolError
from zephyrus_exec.model import ActionResult, Json
from zephyrus_exec.protocol import (
    Completed,
    ExecuteRequest,
    Failed,
    Rejected,
    Reply,
    Started,
    V1Client,
    V1Connection,
    decode,
    encode_request,
    parse_request,
    result_item,
)
from zephyrus_exec.testing.strategies import (
    HOSTILE_FRAMES,
    action_results,
    agent_ids,
    execute_frames,
    hostile_frames,
    json_objects,
)

TEXTS = st.text(st.characters(codec="utf-8"))
ANYTHING: SearchStrategy[str | bytes] = st.one_of(
    st.text(),
    st.binary(),
    hostile_frames(),
    execute_frames().map(lambda made: made[0]),
    st.text('{}[]",:\\ue1dD8', max_size=60),
)


@given(json_objects())
def test_what_is_written_is_read_back(value: dict[str, Json]) -> None:
    text = dumps(value)
    assert decode(text) == decode(text.encode()) == value


@given(json_objects())
def test_escapes_make_no_difference(value: dict[str, Json]) -> None:
    assert decode(json.dumps(value, indent=1)) == value


@given(ANYTHING)
def test_any_frame_is_an_object_or_a_protocol_error(frame: str | bytes) -> None:
    try:
        value = decode(frame)
    except RemoteProtocolError:
        return
    dumps(value).encode()


@given(ANYTHING, st.integers(0, 100), st.integers(0, 5))
def test_any_frame_is_a_request_or_a_rejection_that_can_be_sent(
    frame: str | bytes, max_bytes: int, max_depth: int
) -> None:
    connection = V1Connection(max_message_bytes=max_bytes, max_depth=max_depth)
    if isinstance(connection.receive(frame), Rejected):
        decode(connection.rejected())
    else:
        decode(connection.started())
        decode(connection.failed("e"))


@given(ANYTHING)
def test_any_reply_is_a_reply_or_a_protocol_error(frame: str | bytes) -> None:
    client = V1Client()
    client.execute("a")
    try:
        client.receive(frame)
    except RemoteProtocolError:
        assert client.pending == 1


@given(execute_frames())
def test_every_format_of_a_request_names_its_agent(made: tuple[str | bytes, str]) -> None:
    frame, agent_id = made
    assert parse_request(frame, "es") == ExecuteRequest(agent_id)


@given(agent_ids())
def test_a_request_round_trips(agent_id: str) -> None:
    request = ExecuteRequest(agent_id)
    assert parse_request(encode_request(request), "es") == request


@given(agent_ids(), st.lists(action_results(), max_size=3), TEXTS)
def test_replies_round_trip(agent_id: str, results: list[ActionResult], error: str) -> None:
    client, server = V1Client(), V1Connection(language="en")
    for _ in range(2):
        server.receive(client.execute(agent_id))
    items = tuple(result_item(result, "en") for result in results)
    expected: list[Reply] = [
        Started(agent_id),
        Completed(agent_id, items),
        Started(agent_id),
        Failed(agent_id, error),
    ]
    frames = (server.started(), server.completed(items), server.started(), server.failed(error))
    assert [client.receive(frame) for frame in frames] == expected


@given(hostile_frames())
@example(HOSTILE_FRAMES[-1])
def test_a_rejection_has_one_of_four_texts(frame: str) -> None:
    rejected = parse_request(frame, "es")
    assert isinstance(rejected, Rejected)
    unknown = "Tipo de mensaje no reconocido: "
    assert len(rejected.message) <= len(unknown) + 100
    assert rejected.message.startswith(unknown) or rejected.message in (
        "Mensaje JSON no válido",
        "Se requiere el campo type",
        "Se requiere agent_id para la ejecución",
    )


def depth_of(value: Json) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(json_objects(), st.integers(0, 6))
def test_depth_is_judged_without_decoding_and_exactly(
    value: dict[str, Json], max_depth: int
) -> None:
    try:
        decode(dumps(value), max_depth=max_depth)
    except MessageTooBig:
        assert depth_of(value) > max_depth
    else:
        assert depth_of(value) <= max_depth


@given(json_objects(), st.data())
def test_a_duplicate_key_is_refused_wherever_it_is(
    value: dict[str, Json], data: st.DataObject
) -> None:
    key = dumps(data.draw(st.text(st.characters(codec="utf-8"), max_size=5)))
    inner = f"{{{key}:1,{key}:2}}"
    members = [f"{dumps(name)}:{dumps(item)}" for name, item in value.items()]
    members.insert(data.draw(st.integers(0, len(members))), f'"~":[{inner}]')
    try:
        decode("{" + ",".join(members) + "}")
    except RemoteProtocolError:
        return
    raise AssertionError("a duplicate key was taken")
