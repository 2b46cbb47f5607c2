"""Reading requests and writing replies, against pydantic and msgspec with the same messages.

    python -m benchmarks.codec

One process, in turns; figures are CPU time per message. All three refuse fields of a wrong type,
and, in v2, those that nobody knows. Ours also refuses what the others take or never see: keys that
are there twice, lone surrogates, numbers JSON does not have, nesting without end. msgspec is C.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from attrs import frozen
from pydantic import BaseModel, ConfigDict, Field

from benchmarks.peers import AGENT
from benchmarks.results import Figure, Result, command_line, conclude, median, ratio
from zephyrus_exec.conversion import dumps
from zephyrus_exec.model import Json
from zephyrus_exec.interfaces.store import NewEvent
from zephyrus_exec.protocol.codec import MAX_BYTES, MAX_DEPTH, decode
from zephyrus_exec.protocol.messages import encode_completed, encode_started, parse_request
from zephyrus_exec.protocol.v2.codec import encode, read_request
from zephyrus_exec.protocol.v2.events import encode_execution_events
from zephyrus_exec.protocol.v2.messages import CancelAck

OURS: Final = "zephyrus_exec"
PYDANTIC: Final = "pydantic"
MSGSPEC: Final = "msgspec"
_EXECUTION: Final = "01982f5c-8b21-7d35-8e3b-4a7a1b2c3d4e"
_AT: Final = 1700000000.0
_V1_REQUEST: Final = f'{{"type":"execute","agent_id":"{AGENT}"}}'
_V2_REQUEST: Final = (
    f'{{"type":"execute","request_id":"r-17","agent_id":"{AGENT}","idempotency_key":"order-4711",'
    '"input":{"amount":"5","to":"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"}}'
)
_EVENT: Final[dict[str, Json]] = {
    "cycle": 0,
    "step": 2,
    "function_name": "mint",
    "result": True,
    "success": True,
}
_CPU: Final = "CPU"


# --- pydantic ------------------------------------------------------------------------------------


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class PydanticV1Request(BaseModel):
    """A request of v1, which may hold more."""

    model_config = ConfigDict(strict=True)
    type: Literal["execute", "websocket_execution"]
    agent_id: str = Field(min_length=1, max_length=256)


class PydanticV2Request(_Model):
    """A request of v2."""

    type: Literal["execute"]
    request_id: str = Field(min_length=1, max_length=128)
    agent_id: str = Field(min_length=1, max_length=256)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=256)
    store_epoch: str | None = Field(default=None, min_length=1, max_length=128)
    input: Any = None
    deadline: float | None = Field(default=None, ge=0)


class PydanticStarted(_Model):
    """What is in v1's first reply."""

    success: bool = True
    message: str
    status: Literal["started"] = "started"


class PydanticCompleted(_Model):
    """What is in its last."""

    success: bool = True
    results: list[dict[str, Any]]
    agent_id: str
    execution_count: int
    status: Literal["completed"] = "completed"


class PydanticReply(_Model):
    """A reply of v1."""

    type: Literal["execution_response"] = "execution_response"
    data: PydanticStarted | PydanticCompleted


class PydanticEvent(_Model):
    """An event of v2."""

    type: Literal["execution_event"] = "execution_event"
    execution_id: str
    seq: int
    at: float
    event: str
    data: dict[str, Any]


class PydanticCancelAck(_Model):
    """An answer of v2."""

    type: Literal["cancel_ack"] = "cancel_ack"
    request_id: str
    execution_id: str
    disposition: str


# --- msgspec -------------------------------------------------------------------------------------


class _V1Struct(msgspec.Struct):
    type: Literal["execute", "websocket_execution"]
    agent_id: str


class _V2Struct(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["execute"]
    request_id: str
    agent_id: str
    idempotency_key: str | None = None
    store_epoch: str | None = None
    input: Any = None
    deadline: float | None = None


class _StartedStruct(msgspec.Struct):
    message: str
    success: bool = True
    status: str = "started"


class _CompletedStruct(msgspec.Struct):
    results: list[dict[str, Any]]
    agent_id: str
    execution_count: int
    success: bool = True
    status: str = "completed"


class _ReplyStruct(msgspec.Struct):
    data: _StartedStruct | _CompletedStruct
    type: str = "execution_response"


class _EventStruct(msgspec.Struct):
    execution_id: str
    seq: int
    at: float
    event: str
    data: dict[str, Any]
    type: str = "execution_event"


class _CancelAckStruct(msgspec.Struct):
    request_id: str
    execution_id: str
    disposition: str
    type: str = "cancel_ack"


_read_v1: Final = msgspec.json.Decoder(_V1Struct).decode
_read_v2: Final = msgspec.json.Decoder(_V2Struct).decode
_write: Final = msgspec.json.Encoder().encode


# --- the messages --------------------------------------------------------------------------------

Work: TypeAlias = Callable[[], object]


@frozen
class Message:
    """One message, and what each library does with it."""

    name: str
    ours: Work
    pydantic: Work
    msgspec: Work

    @property
    def turns(self) -> dict[str, Work]:
        """Who does it, by name."""
        return {OURS: self.ours, PYDANTIC: self.pydantic, MSGSPEC: self.msgspec}


def _ours_v2() -> object:
    return read_request(decode(_V2_REQUEST, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH))


def _event_body() -> str:
    return dumps(_EVENT)  # the journal does this, once; every watcher's frame has it


MESSAGES: Final = (
    Message(
        "v1, read a request",
        lambda: parse_request(_V1_REQUEST, "es"),
        lambda: PydanticV1Request.model_validate_json(_V1_REQUEST),
        lambda: _read_v1(_V1_REQUEST),
    ),
    Message(
        "v2, read a request",
        _ours_v2,
        lambda: PydanticV2Request.model_validate_json(_V2_REQUEST),
        lambda: _read_v2(_V2_REQUEST),
    ),
    Message(
        "v1, write started",
        lambda: encode_started(AGENT, "es"),
        lambda: PydanticReply(data=PydanticStarted(message=f"Iniciando {AGENT}")).model_dump_json(),
        lambda: _write(_ReplyStruct(_StartedStruct(f"Iniciando {AGENT}"))).decode(),
    ),
    Message(
        "v1, write completed with a result",
        lambda: encode_completed(AGENT, [_EVENT], "es"),
        lambda: PydanticReply(
            data=PydanticCompleted(results=[_EVENT], agent_id=AGENT, execution_count=1)
        ).model_dump_json(),
        lambda: _write(_ReplyStruct(_CompletedStruct([_EVENT], AGENT, 1))).decode(),
    ),
    Message(
        "v2, write an event",
        lambda: encode_execution_events(
            _EXECUTION, 6, (NewEvent(_AT, "action_finished", _event_body()),)
        )[0],
        lambda: PydanticEvent(
            execution_id=_EXECUTION, seq=6, at=_AT, event="action_finished", data=_EVENT
        ).model_dump_json(),
        lambda: _write(_EventStruct(_EXECUTION, 6, _AT, "action_finished", _EVENT)).decode(),
    ),
    Message(
        "v2, write an answer",
        lambda: encode(CancelAck("r-17", _EXECUTION, "requested")),
        lambda: PydanticCancelAck(
            request_id="r-17", execution_id=_EXECUTION, disposition="requested"
        ).model_dump_json(),
        lambda: _write(_CancelAckStruct("r-17", _EXECUTION, "requested")).decode(),
    ),
)


def measure(message: Message, *, rounds: int, times: int) -> dict[str, list[float]]:
    """Return each one's microseconds per message, round by round."""
    found: dict[str, list[float]] = {name: [] for name in message.turns}
    for _ in range(rounds):
        for name, work in message.turns.items():
            found[name].append(_microseconds(work, times))
    return found


def _microseconds(work: Work, times: int) -> float:
    gc.collect()
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def figures_of(message: Message, found: dict[str, list[float]]) -> list[Figure]:
    """Return the times, and ours to both others'."""
    ours = found[OURS]
    return [
        *(median(message.name, name, _CPU, each, "µs") for name, each in found.items()),
        ratio(message.name, OURS, "to pydantic", ours, found[PYDANTIC]),
        ratio(message.name, OURS, "to msgspec", ours, found[MSGSPEC]),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("codec", rounds=7)
    parser.add_argument("--times", type=int, default=20_000, help="of each message [20000]")
    options = parser.parse_args(arguments)
    rounds, times = (1, 50) if options.quick else (options.rounds, options.times)
    figures: list[Figure] = []
    for message in MESSAGES:
        figures += figures_of(message, measure(message, rounds=rounds, times=times))
    notes = (
        "All refuse wrong types, and unknown fields of v2. Ours alone also refuses keys that are "
        "there twice, lone surrogates, and nesting beyond a bound; it is Python, on the standard "
        "library's JSON. `started` is the same for every execution of an agent, and written once.",
    )
    return conclude(Result("codec", "Messages", tuple(figures), notes=notes), options)


if __name__ == "__main__":
    sys.exit(main())
