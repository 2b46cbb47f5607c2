"""What v1 carries, byte for byte."""

from __future__ import annotations

import pytest

from zephyrus_exec.errors import InvalidMessage, InvalidValue, UnknownMessageType
from zephyrus_exec.model import ActionResult, JsonObject
from zephyrus_exec.protocol import (
    Completed,
    ExecuteRequest,
    Failed,
    Rejected,
    Reply,
    Started,
    encode_reply,
    encode_request,
    parse_reply,
    parse_request,
    result_item,
)

RESPONSE = '{"type":"execution_response","data":'


@pytest.mark.parametrize(
    ("reply", "frame"),
    [
        (
            Started("ñ"),
            RESPONSE + '{"success":true,"message":"Iniciando ejecución del agente ñ",'
            '"status":"started"}}',
        ),
        (
            Completed("ñ", ({"b": 1, "a": "é"}, {})),
            RESPONSE + '{"success":true,"results":[{"b":1,"a":"é"},{}],"agent_id":"ñ",'
            '"execution_count":2,"status":"completed"}}',
        ),
        (
            Completed("ñ"),
            RESPONSE + '{"success":true,"results":[],"agent_id":"ñ","execution_count":0,'
            '"message":"No se ejecutó ninguna acción durante el ciclo","status":"completed"}}',
        ),
        (
            Failed("ñ", 'a "b"'),
            RESPONSE + '{"success":false,"error":"a \\"b\\"","agent_id":"ñ","status":"completed"}}',
        ),
        (Rejected("ñ"), '{"type":"error","data":{"message":"ñ"}}'),
    ],
)
def test_a_reply_has_exactly_the_bytes_of_the_specification(reply: Reply, frame: str) -> None:
    assert encode_reply(reply, "es") == frame


def test_a_request_is_written_in_the_recommended_format() -> None:
    assert encode_request(ExecuteRequest("ñ")) == '{"type":"websocket_execution","agent_id":"ñ"}'


@pytest.mark.parametrize("agent_id", ["\ud800", "a\udfffb"])
def test_a_lone_surrogate_is_not_written(agent_id: str) -> None:
    with pytest.raises(InvalidValue):
        encode_reply(Started(agent_id), "es")


def test_an_id_of_256_characters_is_taken_and_one_of_257_is_not() -> None:
    assert parse_request('{"type":"execute","agent_id":"%s"}' % ("ñ" * 256), "es") == (
        ExecuteRequest("ñ" * 256)
    )
    assert parse_request('{"type":"execute","agent_id":"%s"}' % ("ñ" * 257), "es") == (
        Rejected("Se requiere agent_id para la ejecución")
    )


def test_a_blank_id_is_taken_as_it_is() -> None:
    assert parse_request('{"type":"execute","agent_id":" "}', "es") == ExecuteRequest(" ")


def test_data_given_as_text_obeys_the_limits_too() -> None:
    frame = '{"type":"execute","data":"{\\"x\\":[[]],\\"agent_id\\":\\"a\\"}"}'
    assert parse_request(frame, "es", max_depth=3) == ExecuteRequest("a")
    assert isinstance(parse_request(frame, "es", max_depth=2), Rejected)


def test_a_frame_above_the_limits_is_rejected_as_no_json() -> None:
    frame = '{"type":"execute","agent_id":"a"}'
    assert parse_request(frame, "es", max_bytes=10) == Rejected("Mensaje JSON no válido")


# --- results -------------------------------------------------------------------------------------


def test_an_item_has_four_keys_where_there_is_nothing_more_to_say() -> None:
    item = result_item(ActionResult("f", {"a": 1}, None, True, name="n"), "es")
    assert list(item.items()) == [
        ("function_name", "f"),
        ("parameters", {"a": 1}),
        ("result", None),
        ("success", True),
    ]


def test_an_item_has_the_other_keys_where_they_exist_and_in_order() -> None:
    result = ActionResult(
        "f",
        {},
        [1],
        False,
        message="why",
        error={"code": "call_reverted", "details": {"function": "f", "reason": "no"}},
        transaction_hash="0x1",
        block_number=0,
        gas_used=21000,
    )
    assert list(result_item(result, "es").items())[4:] == [
        ("message", "why"),
        ("error", "El contrato revirtió la llamada a f: no"),
        ("transaction_hash", "0x1"),
        ("block_number", 0),
        ("gas_used", 21000),
    ]


# --- reading replies -----------------------------------------------------------------------------


def test_a_reply_with_unknown_keys_is_read() -> None:
    message: JsonObject = {
        "type": "execution_response",
        "v": 2,
        "data": {"status": "completed", "success": False, "error": "e", "agent_id": "a", "x": 1},
    }
    assert parse_reply(message, "b") == Failed("a", "e")


def test_an_unknown_type_of_reply_is_told() -> None:
    with pytest.raises(UnknownMessageType) as caught:
        parse_reply({"type": "hello"}, "a")
    assert caught.value.details == {"type": "hello"}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "$.type"),
        ({"type": 1}, "$.type"),
        ({"type": "error"}, "$.data"),
        ({"type": "error", "data": {"message": None}}, "$.data.message"),
        ({"type": "execution_response", "data": []}, "$.data"),
        ({"type": "execution_response", "data": {}}, "$.data.status"),
    ],
)
def test_a_reply_that_lacks_a_field_names_it(message: JsonObject, field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse_reply(message, "a")
    assert caught.value.details == {"field": field}
    assert caught.value.message.endswith(f" @ {field}")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"status": "completed"}, "$.data.success"),
        ({"status": "completed", "success": 1}, "$.data.success"),
        ({"status": "started", "success": False}, "$.data.status"),
        ({"status": "stopped", "success": True}, "$.data.status"),
        ({"status": "completed", "success": True}, "$.data.agent_id"),
        ({"status": "completed", "success": False, "agent_id": "a"}, "$.data.error"),
        ({"status": "completed", "success": True, "agent_id": "a"}, "$.data.results"),
        (
            {"status": "completed", "success": True, "agent_id": "a", "results": [1]},
            "$.data.results",
        ),
    ],
)
def test_a_response_that_lacks_a_field_names_it(data: JsonObject, field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse_reply({"type": "execution_response", "data": data}, "a")
    assert caught.value.details == {"field": field}
