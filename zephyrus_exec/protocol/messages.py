"""What v1 carries, and the exact bytes of its replies (spec `protocol.md`, "v1, frozen").

The bytes are put together from prebuilt fragments: key order is part of the promise. What depends
on the agent's id alone, at most 256 characters, is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from attrs import frozen

from ..conversion import dumps, quote
from ..errors import InvalidMessage, RemoteProtocolError, UnknownMessageType
from ..model import ActionResult, Json, JsonObject
from .codec import MAX_BYTES, MAX_DEPTH, decode
from .texts import TEXTS, cut, render_error
from .wording import Language

T = TypeVar("T")

MAX_AGENT_ID: Final = 256
"""Longest agent id, in characters."""
MAX_SHOWN_TYPE: Final = 100
"""Characters of an unknown type that a rejection repeats."""

REQUEST_TYPES: Final = frozenset({"websocket_execution", "execute"})


@frozen
class ExecuteRequest:
    """A client asks for one execution of an agent."""

    agent_id: str


@frozen
class Started:
    """The request was taken up; nothing has been looked up yet."""

    agent_id: str


@frozen
class Completed:
    """The execution ended well."""

    agent_id: str
    results: Sequence[JsonObject] = ()
    """One item per action, as `result_item` makes them."""


@frozen
class Failed:
    """The execution did not end well."""

    agent_id: str
    error: str
    """For people; names what was already done."""


@frozen
class Rejected:
    """A frame was no request."""

    message: str


@frozen
class Unknown:
    """A message of a type that is not ours, for a host that may know it."""

    frame: str | bytes
    """What holds it."""
    rejection: Rejected
    """What it gets if nobody knows it."""


Request: TypeAlias = ExecuteRequest | Rejected | Unknown
Reply: TypeAlias = Started | Completed | Failed | Rejected


# --- writing -------------------------------------------------------------------------------------

_REPLY: Final = '{"type":"execution_response","data":{"success":'
_END: Final = ',"status":"completed"}}'


def encode_request(request: ExecuteRequest) -> str:
    """Return the frame that asks for an execution, in the recommended format."""
    return f'{{"type":"websocket_execution","agent_id":{quote(request.agent_id)}}}'


@lru_cache(maxsize=1024)
def encode_started(agent_id: str, language: Language) -> str:
    """Return the frame that says the execution begins."""
    text = quote(TEXTS[language].started + agent_id)
    return f'{_REPLY}true,"message":{text},"status":"started"}}}}'


def encode_completed(agent_id: str, results: Sequence[JsonObject], language: Language) -> str:
    """Return the frame that says the execution ended well; without results it says so too."""
    if not results:
        return _nothing_done(agent_id, language)
    return (
        f'{_REPLY}true,"results":{dumps(results)},"agent_id":{quote(agent_id)},'
        f'"execution_count":{len(results)}{_END}'
    )


@lru_cache(maxsize=1024)
def _nothing_done(agent_id: str, language: Language) -> str:
    return (
        f'{_REPLY}true,"results":[],"agent_id":{quote(agent_id)},"execution_count":0,'
        f'"message":{quote(TEXTS[language].nothing_done)}{_END}'
    )


def encode_failed(agent_id: str, error: str) -> str:
    """Return the frame that says the execution did not end well."""
    return f'{_REPLY}false,"error":{quote(error)},"agent_id":{quote(agent_id)}{_END}'


def encode_rejected(message: str) -> str:
    """Return the frame that says a frame was no request."""
    return f'{{"type":"error","data":{{"message":{quote(message)}}}}}'


def encode_reply(reply: Reply, language: Language) -> str:
    """Return the frame of any reply."""
    if isinstance(reply, Started):
        return encode_started(reply.agent_id, language)
    if isinstance(reply, Completed):
        return encode_completed(reply.agent_id, reply.results, language)
    if isinstance(reply, Failed):
        return encode_failed(reply.agent_id, reply.error)
    return encode_rejected(reply.message)


def result_item(result: ActionResult, language: Language) -> dict[str, Json]:
    """Return one item of `results`: four keys always, the others where they exist."""
    item: dict[str, Json] = {
        "function_name": result.function_name,
        "parameters": result.parameters,
        "result": result.result,
        "success": result.success,
    }
    if result.message:
        item["message"] = result.message
    if result.error is not None:
        item["error"] = render_error(result.error, language)
    for key in ("transaction_hash", "block_number", "gas_used"):
        value = getattr(result, key)
        if value is not None:
            item[key] = value
    return item


# --- reading requests ----------------------------------------------------------------------------


def parse_request(
    frame: str | bytes,
    language: Language,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    keep_unknown: bool = False,
) -> Request:
    """Return the request a frame holds, or the rejection it deserves; never raises.

    Args:
        frame: One whole message.
        language: Of the rejection's text.
        max_bytes: Longest frame accepted, in bytes of UTF-8.
        max_depth: Deepest nesting accepted.
        keep_unknown: Whether a message of another type is `Unknown`, and not a rejection.
    """
    texts = TEXTS[language]
    try:
        message = decode(frame, max_bytes=max_bytes, max_depth=max_depth)
    except RemoteProtocolError:
        return Rejected(texts.invalid_json)
    kind = message.get("type")
    if not isinstance(kind, str):
        return Rejected(texts.type_required)
    if kind not in REQUEST_TYPES:
        rejection = Rejected(texts.unknown_type + kind[:MAX_SHOWN_TYPE])
        return Unknown(frame, rejection) if keep_unknown else rejection
    agent_id = find_agent_id(message, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(agent_id, str) or not 0 < len(agent_id) <= MAX_AGENT_ID:
        return Rejected(texts.agent_id_required)
    return ExecuteRequest(agent_id)


def find_agent_id(
    message: JsonObject, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Json:
    """Return what stands where v1 looks for the agent id; null: nowhere.

    The first place that holds something other than null decides, also when what it holds is no
    id: a request that contradicts itself is refused, not guessed at.
    """
    found = _own_agent_id(message)
    if found is not None:
        return found
    data = message.get("data")
    if isinstance(data, str):
        try:
            data = decode(data, max_bytes=max_bytes, max_depth=max_depth)
        except RemoteProtocolError:
            return None
    return _own_agent_id(data) if isinstance(data, dict) else None


def _own_agent_id(message: JsonObject) -> Json:
    found = message.get("agent_id")
    return message.get("agentId") if found is None else found


# --- reading replies -----------------------------------------------------------------------------


def parse_reply(message: JsonObject, agent_id: str) -> Reply:
    """Return the reply a decoded frame is; keys it does not know are ignored.

    Args:
        message: What `decode` returned.
        agent_id: The agent the oldest open request is about, since `started` names none that a
            program could rely on.

    Raises:
        UnknownMessageType: Its type is no reply of v1.
        InvalidMessage: It lacks a field, or one is wrong.
    """
    kind = _member(message, "$.type", str, "a string")
    if kind not in ("execution_response", "error"):
        raise UnknownMessageType(f"no reply has the type {cut(kind)!r}", type=cut(kind))
    data = _member(message, "$.data", dict, "an object")
    if kind == "error":
        return Rejected(_member(data, "$.data.message", str, "a string"))
    return _parse_response(data, agent_id)


def _parse_response(data: JsonObject, agent_id: str) -> Reply:
    status = _member(data, "$.data.status", str, "a string")
    success = _member(data, "$.data.success", bool, "true or false")
    if status == "started" and success:
        return Started(agent_id)
    if status != "completed":
        raise InvalidMessage("must be started or completed @ $.data.status", field="$.data.status")
    named = _member(data, "$.data.agent_id", str, "a string")
    if not success:
        return Failed(named, _member(data, "$.data.error", str, "a string"))
    results = _member(data, "$.data.results", list, "a list")
    if not all(isinstance(item, dict) for item in results):
        raise InvalidMessage("must hold objects @ $.data.results", field="$.data.results")
    return Completed(named, tuple(results))


def _member(parent: JsonObject, path: str, kind: type[T], what: str) -> T:
    value = parent.get(path.rpartition(".")[2])
    if not isinstance(value, kind):
        raise InvalidMessage(f"must be {what} @ {path}", field=path)
    return value
