"""The AsyncAPI document is one, and says what the code says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from tests.anvil import skip_or_fail
from tests.javascript import MODULES
from zephyrus_exec.protocol.v1_schemas import v1_schemas
from zephyrus_exec.protocol.v2.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from zephyrus_exec.protocol.v2.schema import schemas

from .markdown import DOCS

DOCUMENT: Any = json.loads((DOCS / "asyncapi.json").read_text(encoding="utf-8"))
OFFICIAL = MODULES / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"


@pytest.fixture(scope="module")
def official() -> jsonschema_rs.Draft7Validator:
    if not OFFICIAL.exists():
        skip_or_fail("the schema of AsyncAPI is missing: run `npm install` in tests/node")
    return jsonschema_rs.Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))


def test_it_is_valid_by_the_official_schema(official: jsonschema_rs.Draft7Validator) -> None:
    official.validate(DOCUMENT)
    assert not official.is_valid({**DOCUMENT, "chanels": {}})


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        place = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_message_is_in_its_channel_and_in_an_operation() -> None:
    two = {kind.__name__ for kind in (*CLIENT_MESSAGES, *SERVER_MESSAGES)}
    one = {f"V1{name}" for name in v1_schemas()}
    channels = DOCUMENT["channels"]
    assert set(channels["v2"]["messages"]) == two
    assert set(channels["v1"]["messages"]) == one
    used = {
        reference.rpartition("/")[2]
        for reference in references(DOCUMENT["operations"])
        if "/messages/" in reference
    }
    assert used == one | two


@pytest.mark.parametrize("name", [*schemas()])
def test_the_example_of_a_message_is_valid(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    (example,) = message["examples"]
    jsonschema_rs.validator_for(schemas()[name]).validate(example["payload"])
    jsonschema_rs.validator_for(message["payload"]).validate(example["payload"])


def test_clients_are_not_told_to_refuse_what_a_later_server_adds() -> None:
    payload = DOCUMENT["components"]["messages"]["HelloAck"]["payload"]
    assert "additionalProperties" not in json.dumps(payload)
    assert DOCUMENT["components"]["messages"]["Hello"]["payload"]["additionalProperties"] is False
