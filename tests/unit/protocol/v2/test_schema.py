"""Schemas say what the classes say, and what only the documents say beyond them."""

from __future__ import annotations

import inspect
from typing import Any

import attrs
import jsonschema_rs
import pytest
from attrs import frozen

from tests.frames import REPLIES, REQUESTS, changed
from zephyrus_exec.conversion import dumps
from zephyrus_exec.model import EventKind
from zephyrus_exec.protocol.v1_schemas import v1_schemas
from zephyrus_exec.protocol.v2.facts import DATA
from zephyrus_exec.protocol.v2.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from zephyrus_exec.protocol.v2.schema import field_docs, schema_of, schemas

CLASSES = (*CLIENT_MESSAGES, *SERVER_MESSAGES, *DATA.values())


def valid(name: str, message: Any, *, closed: bool = True) -> bool:
    return jsonschema_rs.validator_for(schemas(closed=closed)[name]).is_valid(message)


@pytest.mark.parametrize("name", [*schemas()])
def test_a_schema_is_one(name: str) -> None:
    jsonschema_rs.meta.validate(schemas()[name])
    assert dumps(schemas()[name])


def test_every_message_has_a_schema_and_an_example() -> None:
    assert set(schemas()) == {*REQUESTS, *REPLIES}


@pytest.mark.parametrize(("name", "message"), (REQUESTS | REPLIES).items())
def test_an_example_is_valid_and_one_without_any_required_member_is_not(
    name: str, message: dict[str, Any]
) -> None:
    assert valid(name, message)
    for member in schemas()[name]["required"]:
        rest = {key: value for key, value in message.items() if key != member}
        assert not valid(name, rest), member


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_field_of_every_class_is_explained(kind: type[Any]) -> None:
    docs = field_docs(kind)
    assert inspect.getdoc(kind)
    assert not [field.name for field in attrs.fields(kind) if not docs.get(field.name)]


def test_parts_of_messages_are_explained_too() -> None:
    def visit(schema: Any, place: str) -> None:
        for name, member in schema.get("properties", {}).items():
            assert name == "type" or member.get("description"), f"{place}.{name}"
            for inner in (member, member.get("items", {}), *member.get("anyOf", [])):
                visit(inner, f"{place}.{name}")

    for name, schema in schemas().items():
        visit(schema, name)


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("Hello", {"request_id": ""}),
        ("Hello", {"request_id": "x" * 129}),
        ("Hello", {"versions": ["2"]}),
        ("Hello", {"auth": {"scheme": "bearer"}}),
        ("Execute", {"deadline": -1}),
        ("Execute", {"idempotency_kye": "k"}),
        ("Subscribe", {"effect_key": "k1"}),
        ("Subscribe", {"execution_id": None}),
        ("Subscribe", {"from_seq": -1}),
        ("ListExecutions", {"limit": 0}),
        ("ListExecutions", {"limit": 1001}),
        ("HelloAck", {"version": 3}),
        ("ExecutionStarted", {"seq": 2}),
        ("ExecutionStarted", {"data__success": False}),
        ("ExecutionStarted", {"data__status": "completed"}),
        ("ExecutionEvent", {"seq": 0}),
        ("ExecutionEvent", {"data": {"owner": 1}}),
        ("ExecutionEvent", {"data": {"owner": "o", "more": 1}}),
        ("ExecutionCompleted", {"data__outcome": "won"}),
        ("ExecutionCompleted", {"data__results": [{"function_name": "f"}]}),
        ("ExecutionCompleted", {"data__effects__mined": -1}),
        ("Subscribed", {"effect_key": "k1"}),
        ("CancelAck", {"disposition": "done"}),
        ("ExecutionReport", {"execution__status": "lost"}),
    ],
)
def test_what_the_documents_forbid_is_invalid(name: str, members: dict[str, Any]) -> None:
    assert not valid(name, changed((REQUESTS | REPLIES)[name], **members))


def test_a_target_may_be_named_beside_a_null() -> None:
    assert valid("Subscribe", changed(REQUESTS["Subscribe"], effect_key=None))


def test_clients_accept_what_a_later_server_adds() -> None:
    later = changed(REPLIES["HelloAck"], limits__max_beauty=3, region="eu")
    assert valid("HelloAck", later, closed=False)
    assert not valid("HelloAck", later)


def test_a_request_with_a_key_that_nobody_knows_is_never_valid() -> None:
    assert not valid("Hello", changed(REQUESTS["Hello"], region="eu"), closed=False)


def test_an_event_of_a_kind_that_nobody_knows_has_any_data() -> None:
    unknown = changed(REPLIES["ExecutionEvent"], event="sang", data={"song": 1})
    assert valid("ExecutionEvent", unknown)


def test_what_a_runner_tells_is_free() -> None:
    told = changed(REPLIES["ExecutionEvent"], event="progress", data={"done": 0.5})
    assert valid("ExecutionEvent", told)
    planned = changed(told, event="planned", data={"cycle": 1, "mood": "calm"})
    assert valid("ExecutionEvent", planned)
    assert not valid("ExecutionEvent", changed(planned, data={"mood": "calm"}))


def test_every_kind_of_event_has_its_data() -> None:
    assert set(DATA) == set(EventKind)


def test_a_name_that_python_keeps_is_itself_on_the_wire() -> None:
    data = {"owner": "b", "from": "a"}
    taken = changed(REPLIES["ExecutionEvent"], event="taken_over", data=data)
    assert valid("ExecutionEvent", taken)


def test_what_is_inherited_is_explained() -> None:
    schema: Any = schema_of(DATA[EventKind.ACTION_FINISHED])
    assert schema["properties"]["gas_used"]["description"] == "Gas its transaction used."


def test_without_its_source_a_class_has_a_schema_without_words() -> None:
    namespace: dict[str, Any] = {"frozen": frozen, "__name__": __name__}
    exec("@frozen\nclass Bare:\n    size: int\n", namespace)  # no file has it
    assert schema_of(namespace["Bare"])["properties"] == {"size": {"type": "integer"}}


@pytest.mark.parametrize("name", [*v1_schemas()])
def test_a_schema_of_v1_is_one(name: str) -> None:
    jsonschema_rs.meta.validate(v1_schemas()[name])
