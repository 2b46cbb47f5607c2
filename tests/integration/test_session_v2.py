"""A session of v2 in memory: everything live, from anywhere, again."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field

from tests.integration.peers import Held, engine_of, noop
from zephyrus_exec import (
    ANONYMOUS,
    ExecutionEngine,
    Json,
    MemoryStore,
    Principal,
    RunContext,
    Service,
)
from zephyrus_exec.access import (
    Token,
    TokenAuthenticator,
    TokenFile,
    append_token,
    digest,
    new_token,
)
from zephyrus_exec.errors import (
    AgentNotFound,
    ExecutionNotFound,
    StoreUnavailable,
    TransportClosedByPeer,
    TransportError,
    Unauthenticated,
)
from zephyrus_exec.interfaces.transport import BEARER_SUBPROTOCOL, V2_SUBPROTOCOL, Handshake
from zephyrus_exec.model import Event, JsonObject
from zephyrus_exec.protocol.connection import Close
from zephyrus_exec.protocol.v2.messages import HEARTBEAT
from zephyrus_exec.session import OnUnknown, SessionLimits
from zephyrus_exec.session import Peer as SessionPeer
from zephyrus_exec.session.outbox import Outbox
from zephyrus_exec.testing.clock import ManualClock
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.memory import MemoryTransport, memory_pair


@define(eq=False)
class Far:
    """The client's end of a v2 connection, without any client."""

    transport: MemoryTransport
    _frames: list[str] = field(factory=list)
    _number: int = 0

    async def send(self, kind: str, **fields: Any) -> str:
        """Send a message, and return its request id."""
        self._number += 1
        request_id = str(fields.pop("request_id", f"r{self._number}"))
        message = {"type": kind, "request_id": request_id, **fields}
        await self.transport.send([json.dumps(message)])
        return request_id

    async def next(self) -> dict[str, Any]:
        """Return the next message of the server."""
        while not self._frames:
            self._frames += [str(frame) for frame in await soon(self.transport.receive())]
        message: dict[str, Any] = json.loads(self._frames.pop(0))
        return message

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request, and return the message that comes next."""
        await self.send(kind, **fields)
        return await self.next()

    async def hello(self, **fields: Any) -> dict[str, Any]:
        return await self.ask("hello", versions=[2], **fields)

    async def to_the_end(self, execution_id: str) -> list[dict[str, Any]]:
        """Return the events of an execution up to its last."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] == "execution_event":
            message = await self.next()
            assert message["execution_id"] == execution_id
            events.append(message)
        return events

    async def end(self) -> tuple[object, object]:
        """Return code and reason of the close that the server says."""
        error = await end_of(self.transport)
        assert isinstance(error, TransportClosedByPeer), error
        return error.details["close_code"], error.details["reason"]


@asynccontextmanager
async def far_of(
    service: Service,
    *,
    principal: Principal | None = ANONYMOUS,
    handshake: Handshake | None = None,
    **options: Any,
) -> AsyncIterator[Far]:
    """Connect to a service that chose v2 by subprotocol."""
    shown = handshake or Handshake(subprotocol=V2_SUBPROTOCOL)
    server, client = memory_pair(handshake=shown, **options)
    serving = asyncio.create_task(service.run(server, principal=principal))
    try:
        yield Far(client)
    finally:
        await client.aclose()
        await soon(serving)


@asynccontextmanager
async def open_far(engine: ExecutionEngine, **options: Any) -> AsyncIterator[Far]:
    """Connect, and say hello."""
    async with far_of(Service(engine, **options)) as far:
        assert (await far.hello())["type"] == "hello_ack"
        yield far


async def three(context: RunContext) -> Json:
    """Tell of three things."""
    for number in range(3):
        await context.emit({"number": number})
    return "done"


def plain_far(engine: ExecutionEngine) -> AbstractAsyncContextManager[Far]:
    """Connect without a subprotocol."""
    return far_of(Service(engine), handshake=Handshake())


# --- how v2 is chosen ----------------------------------------------------------------------------


async def test_a_plain_connection_that_says_hello_first_speaks_v2() -> None:
    async with engine_of({"noop": noop}) as engine, plain_far(engine) as far:
        ack = await far.hello(client="test/1")
        assert (ack["type"], ack["version"]) == ("hello_ack", 2)
        assert ack["store_epoch"] == engine.store.epoch


async def test_the_welcome_tells_how_long_executions_are_kept() -> None:
    async with engine_of({"noop": noop}) as engine, plain_far(engine) as far:
        engine.keep_ended, engine.keep_ended_for = 20, 86_400.0
        limits = (await far.hello())["limits"]
        assert (limits["executions_kept"], limits["executions_kept_for"]) == (20, 86_400.0)


async def test_a_plain_connection_that_says_something_else_first_never_speaks_v2() -> None:
    async with engine_of({"noop": noop}) as engine, plain_far(engine) as far:
        await far.transport.send(['{"type":"execute","agent_id":"noop"}'])
        assert (await far.next())["data"]["status"] == "started"
        assert (await far.next())["data"]["status"] == "completed"
        error = await far.hello()
        message = "Tipo de mensaje no reconocido: hello"
        assert error == {"type": "error", "data": {"message": message}}


async def test_a_connection_that_chose_v1_never_speaks_v2() -> None:
    async with engine_of({"noop": noop}) as engine:
        chosen = Handshake(subprotocol="zephyrus.exec.v1.json")
        async with far_of(Service(engine), handshake=chosen) as far:
            assert "data" in await far.hello()


async def test_a_silent_connection_that_chose_nothing_stays_and_ends_with_the_service() -> None:
    async with engine_of({"noop": noop}) as engine:
        service = Service(engine)
        async with far_of(service, handshake=Handshake()) as far:
            await asyncio.sleep(0)
            await service.aclose()
            assert await far.end() == (1001, "going away")


async def test_what_comes_together_with_hello_is_answered_behind_it() -> None:
    async with engine_of({"noop": noop}) as engine, far_of(Service(engine)) as far:
        hello = '{"type":"hello","request_id":"h","versions":[2]}'
        execute = '{"type":"execute","request_id":"e","agent_id":"noop"}'
        await far.transport.send([hello, execute])
        assert (await far.next())["type"] == "hello_ack"
        assert (await far.next())["data"]["status"] == "started"


async def test_a_first_frame_that_is_no_hello_is_told_why_before_the_close() -> None:
    async with engine_of({"noop": noop}) as engine, far_of(Service(engine)) as far:
        error = await far.ask("execute", agent_id="noop")
        assert error["data"]["details"]["remedy"] == "say hello first"
        assert await far.end() == (4400, "hello was expected")


# --- executing -----------------------------------------------------------------------------------


async def test_an_execution_is_told_from_its_first_event_to_its_last() -> None:
    async with engine_of({"three": three}) as engine, open_far(engine) as far:
        started = await far.ask("execute", request_id="e", agent_id="three")
        assert started == {
            "type": "execution_response",
            "request_id": "e",
            "execution_id": started["execution_id"],
            "store_epoch": engine.store.epoch,
            "seq": 1,
            "data": {
                "success": True,
                "message": "Iniciando ejecución del agente three",
                "status": "started",
                "replayed": False,
            },
        }
        events = await far.to_the_end(started["execution_id"])
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6]
        assert [event.get("event") for event in events] == [
            "accepted",
            "started",
            "progress",
            "progress",
            "progress",
            None,
        ]
        last = events[-1]
        assert last["data"] == {
            "success": True,
            "results": [
                {"function_name": "three", "parameters": {}, "result": "done", "success": True}
            ],
            "agent_id": "three",
            "execution_count": 1,
            "status": "completed",
            "outcome": "succeeded",
            "error_info": None,
            "effects": dict.fromkeys(
                ("mined", "finalized", "reverted", "pending", "displaced", "in_doubt"), 0
            ),
        }


async def _flood(context: RunContext) -> Json:
    for number in range(2000):
        await context.emit({"number": number})
        await asyncio.sleep(0)
    return None


async def test_a_flood_is_told_whole_in_few_batches_for_the_execution_goes_first() -> None:
    async with engine_of({"flood": _flood}) as engine, open_far(engine) as far:
        await far.send("execute", agent_id="flood")
        frames: list[str] = []
        batches = 0
        while not frames or '"status":"completed"' not in frames[-1]:
            frames += [str(frame) for frame in await soon(far.transport.receive())]
            batches += 1
    assert [json.loads(frame)["seq"] for frame in frames] == [1, *range(1, 2004)]
    assert batches < 2000 / 5


async def test_an_execution_that_did_nothing_says_so() -> None:
    async with engine_of({"noop": noop}) as engine, open_far(engine, language="en") as far:
        started = await far.ask("execute", agent_id="noop")
        last = (await far.to_the_end(started["execution_id"]))[-1]["data"]
        assert last["message"] == "No action was executed during the cycle"


async def test_what_is_not_accepted_is_refused_and_leaves_nothing() -> None:
    async with engine_of({"noop": noop}) as engine, open_far(engine) as far:
        error = await far.ask("execute", request_id="e", agent_id="nobody")
        assert error == {
            "type": "error",
            "request_id": "e",
            "data": {
                "message": "Agente no encontrado: nobody",
                "code": "agent_not_found",
                "retryable": False,
                "details": {"agent_id": "nobody"},
            },
        }


async def test_a_failure_is_told_to_people_and_to_programs() -> None:
    async def failing(context: RunContext) -> Json:
        raise StoreUnavailable("the shop is closed")

    async with engine_of({"failing": failing}) as engine, open_far(engine) as far:
        started = await far.ask("execute", agent_id="failing")
        last = (await far.to_the_end(started["execution_id"]))[-1]["data"]
        assert (last["success"], last["outcome"]) == (False, "failed")
        assert last["error_info"]["code"] == "store_unavailable"
        assert last["error_info"]["retryable"] is True
        assert last["error"]


async def test_executions_of_one_connection_run_at_once() -> None:
    held = Held()
    async with engine_of({"held": held, "noop": noop}) as engine, open_far(engine) as far:
        first = await far.ask("execute", agent_id="held")
        await far.next()
        await far.next()
        second = await far.ask("execute", agent_id="noop")
        assert second["data"]["status"] == "started"
        await far.to_the_end(second["execution_id"])
        held.release.set()
        assert (await far.next())["execution_id"] == first["execution_id"]


async def test_a_known_key_leads_to_the_first_execution_and_its_events_from_the_beginning() -> None:
    async with engine_of({"three": three}) as engine:
        async with open_far(engine) as far:
            first = await far.ask("execute", agent_id="three", idempotency_key="k")
            told = await far.to_the_end(first["execution_id"])
        async with open_far(engine) as far:
            again = await far.ask("execute", agent_id="three", idempotency_key="k")
            assert again["data"]["replayed"] is True
            assert again["execution_id"] == first["execution_id"]
            assert await far.to_the_end(first["execution_id"]) == told


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"agent_id": "other", "idempotency_key": "k"}, "idempotency_conflict"),
        ({"agent_id": "noop", "idempotency_key": "k", "input": 1}, "idempotency_conflict"),
        ({"agent_id": "noop", "idempotency_key": "x", "store_epoch": "old"}, "outcome_unknown"),
    ],
)
async def test_what_may_have_been_done_otherwise_is_not_done_again(
    fields: JsonObject, code: str
) -> None:
    runs = Held()
    runs.release.set()
    async with engine_of({"noop": runs, "other": runs}) as engine, open_far(engine) as far:
        first = await far.ask("execute", agent_id="noop", idempotency_key="k")
        await far.to_the_end(first["execution_id"])
        error = await far.ask("execute", **fields)
        assert error["data"]["code"] == code
        assert runs.runs == 1


async def test_an_input_reaches_the_agent() -> None:
    async def echo(context: RunContext) -> Json:
        return context.input

    async with engine_of({"echo": echo}) as engine, open_far(engine) as far:
        started = await far.ask("execute", agent_id="echo", input={"amount": 3})
        (result,) = (await far.to_the_end(started["execution_id"]))[-1]["data"]["results"]
        assert result["result"] == {"amount": 3}


# --- watching ------------------------------------------------------------------------------------


async def _finished(engine: ExecutionEngine, agent_id: str) -> str:
    execution_id = await engine.submit(agent_id)
    await engine.result(execution_id)
    return execution_id


async def test_whoever_comes_later_reads_on_from_anywhere() -> None:
    async with engine_of({"three": three}) as engine:
        execution_id = await _finished(engine, "three")
        for from_seq in range(6):
            async with open_far(engine) as far:
                subscribed = await far.ask(
                    "subscribe", request_id="s", execution_id=execution_id, from_seq=from_seq
                )
                assert subscribed == {
                    "type": "subscribed",
                    "request_id": "s",
                    "execution_id": execution_id,
                    "head_seq": 6,
                    "terminal": True,
                }
                events = await far.to_the_end(execution_id)
                assert [event["seq"] for event in events] == list(range(from_seq + 1, 7))


async def test_behind_the_last_event_nothing_follows() -> None:
    async with engine_of({"three": three, "noop": noop}) as engine, open_far(engine) as far:
        execution_id = await _finished(engine, "three")
        assert (await far.ask("subscribe", execution_id=execution_id, from_seq=6))["terminal"]
        answer = await far.ask("get_execution", execution_id=execution_id)
        assert answer["type"] == "execution"


async def test_events_that_the_store_lost_are_told_as_lost() -> None:
    async with engine_of({"noop": noop}) as engine, open_far(engine) as far:
        execution_id = await _finished(engine, "noop")
        error = await far.ask("subscribe", execution_id=execution_id, from_seq=7)
        assert error["data"]["code"] == "execution_lost"


async def test_all_who_watch_get_the_same_bytes() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        service = Service(engine)
        async with far_of(service) as one, far_of(service) as other:
            execution_id = await engine.submit("held")
            for far in (one, other):
                await far.hello()
                await far.ask("subscribe", execution_id=execution_id)
            held.release.set()
            told = [await far.to_the_end(execution_id) for far in (one, other)]
            assert json.dumps(told[0]) == json.dumps(told[1])


async def test_subscribing_again_moves_the_cursor() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine, open_far(engine) as far:
        execution_id = await engine.submit("held")
        await soon(held.began.wait())
        await far.ask("subscribe", execution_id=execution_id, from_seq=2)
        assert (await far.ask("subscribe", execution_id=execution_id))["type"] == "subscribed"
        assert [(await far.next())["seq"], (await far.next())["seq"]] == [1, 2]
        held.release.set()
        assert [(await far.next())["seq"]] == [3]


async def test_after_unsubscribing_nothing_of_it_comes() -> None:
    held = Held()
    async with engine_of({"held": held, "noop": noop}) as engine, open_far(engine) as far:
        started = await far.ask("execute", agent_id="held")
        await far.next()
        await far.next()
        execution_id = started["execution_id"]
        answer = await far.ask("unsubscribe", request_id="u", execution_id=execution_id)
        assert answer == {
            "type": "unsubscribed",
            "request_id": "u",
            "execution_id": execution_id,
        }
        held.release.set()
        await engine.result(execution_id)
        assert (await far.ask("get_execution", execution_id=execution_id))["type"] == "execution"


async def test_no_more_is_watched_than_may_be() -> None:
    held = Held()
    limits = SessionLimits(max_subscriptions=1)
    async with engine_of({"held": held}) as engine, open_far(engine, limits=limits) as far:
        started = await far.ask("execute", agent_id="held")
        await far.next()
        await far.next()
        assert (await far.ask("execute", agent_id="held"))["data"]["code"] == "overloaded"
        assert held.runs == 1
        again = await far.ask("subscribe", execution_id=started["execution_id"], from_seq=2)
        assert again["type"] == "subscribed"


async def test_what_is_not_there_and_what_is_not_yours_get_the_same_answer() -> None:
    async with engine_of({"noop": noop}) as engine:
        service = Service(engine)
        theirs = await engine.submit("noop", principal=Principal("ana"))
        answers = []
        async with far_of(service, principal=Principal("eva")) as far:
            await far.hello()
            for execution_id in (theirs, "nothing"):
                for kind in ("subscribe", "get_execution", "cancel"):
                    error = await far.ask(kind, execution_id=execution_id)
                    answers.append(error["data"]["code"])
        assert answers == ["execution_not_found"] * 6


async def test_an_effect_that_is_not_there_is_not_watched() -> None:
    async with engine_of({"noop": noop}) as engine, open_far(engine) as far:
        error = await far.ask("subscribe", effect_key="nothing")
        assert error["data"]["code"] == "effect_not_found"
        assert (await far.ask("unsubscribe", effect_key="nothing"))["effect_key"] == "nothing"


async def test_executions_are_listed_newest_first_page_by_page() -> None:
    async with engine_of({"noop": noop, "three": three}) as engine, open_far(engine) as far:
        ids = [await _finished(engine, agent) for agent in ("noop", "three", "noop")]
        page = await far.ask("list_executions", limit=2)
        assert [one["execution_id"] for one in page["executions"]] == [ids[2], ids[1]]
        rest = await far.ask("list_executions", limit=2, before=page["next"])
        assert [one["execution_id"] for one in rest["executions"]] == [ids[0]]
        assert rest["next"] is None
        of_one = await far.ask("list_executions", agent_id="three")
        assert [one["execution_id"] for one in of_one["executions"]] == [ids[1]]


# --- steering ------------------------------------------------------------------------------------


async def test_a_cancel_is_answered_and_the_last_event_tells_what_came_of_it() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine, open_far(engine) as far:
        started = await far.ask("execute", agent_id="held")
        execution_id = started["execution_id"]
        await far.next()
        await far.next()
        await far.send("cancel", request_id="c", execution_id=execution_id, reason="enough")
        messages = [await far.next() for _ in range(3)]
        acks = [one for one in messages if one["type"] == "cancel_ack"]
        assert acks == [
            {
                "type": "cancel_ack",
                "request_id": "c",
                "execution_id": execution_id,
                "disposition": "requested",
            }
        ]
        assert messages[-1]["data"]["outcome"] == "cancelled"
        again = await far.ask("cancel", execution_id=execution_id)
        assert again["disposition"] == "already_terminal"


# --- bounds, silence, the end --------------------------------------------------------------------


async def test_requests_beyond_the_rate_are_refused_with_the_time_to_come_back() -> None:
    limits = SessionLimits(rate=1.0)
    engine = engine_of({"noop": noop}, clock=ManualClock())
    async with engine, open_far(engine, limits=limits) as far:
        await far.ask("list_executions")
        error = await far.ask("list_executions")
        assert error["data"]["code"] == "rate_limited"
        assert error["data"]["retry_after"] == 1.0


async def test_a_silent_client_is_asked_then_closed() -> None:
    clock = ManualClock()
    async with engine_of({"noop": noop}, clock=clock) as engine, open_far(engine) as far:
        await clock.advance(HEARTBEAT.ping_after)
        ping = await far.next()
        assert ping["type"] == "ping"
        await far.transport.send([json.dumps({"type": "pong", "t": ping["t"]})])
        await clock.advance(HEARTBEAT.ping_after)
        assert (await far.next())["type"] == "ping"
        await clock.advance(HEARTBEAT.lost_after)
        assert await far.end() == (4504, "nothing was heard of you")


async def test_a_client_that_says_no_hello_is_closed() -> None:
    clock = ManualClock()
    async with engine_of({"noop": noop}, clock=clock) as engine, far_of(Service(engine)) as far:
        await clock.advance(10.0)
        assert await far.end() == (4408, "no hello came in time")


async def many(context: RunContext) -> Json:
    for number in range(200):
        await context.emit({"number": number, "text": "x" * 1000})
    return None


async def test_a_client_that_takes_nothing_is_closed_and_can_go_on_where_it_was() -> None:
    clock = ManualClock()
    async with engine_of({"many": many}, clock=clock) as engine:
        service = Service(engine)
        async with far_of(service, max_frames=10) as far:
            await far.hello()
            await far.send("execute", agent_id="many")
            (execution,) = [one async for one in _until_listed(engine)]
            await engine.result(execution)
            await clock.advance(2 * 30.0 + 1)
            seen: list[dict[str, Any]] = []
            error = None
            while error is None:
                try:
                    seen.append(await far.next())
                except TransportClosedByPeer as end:
                    error = end
            assert error.details["close_code"] == 4510
        last = seen[-1]["seq"]
        async with far_of(service) as far:
            await far.hello()
            await far.ask("subscribe", execution_id=execution, from_seq=last)
            events = await far.to_the_end(execution)
            assert [event["seq"] for event in events] == list(range(last + 1, 204))


async def _until_listed(engine: ExecutionEngine) -> AsyncIterator[str]:
    async for event in engine.tail(principal=ANONYMOUS):
        yield event.stream
        return


async def test_a_service_that_ends_says_goodbye_and_lets_what_runs_here_be_told() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        service = Service(engine)
        async with far_of(service) as far:
            await far.hello()
            started = await far.ask("execute", agent_id="held")
            await far.next()
            await far.next()
            draining = asyncio.create_task(service.drain(timeout=10))
            assert await far.next() == {"type": "goaway", "retry_after": 1.0}
            error = await far.ask("execute", agent_id="held")
            assert error["data"]["code"] == "draining"
            held.release.set()
            assert (await far.to_the_end(started["execution_id"]))[-1]["data"]["success"]
            assert await far.end() == (4503, "this server shuts down; connect again")
            assert await soon(draining)


async def test_a_service_that_has_to_end_closes_who_still_watches() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        service = Service(engine)
        async with far_of(service) as far:
            await far.hello()
            await far.ask("execute", agent_id="held")
            await service.aclose(timeout=0.01)
            assert (await far.end())[0] == 4503
        held.release.set()


async def test_an_execution_that_goes_on_elsewhere_ends_the_connection_not_the_watch() -> None:
    held = Held()
    store = MemoryStore()
    store.durable = True
    async with engine_of({"held": held}, store=store) as engine:
        service = Service(engine)
        async with far_of(service) as far:
            await far.hello()
            await far.ask("execute", agent_id="held")
            await engine.aclose()
            service_end = asyncio.create_task(service.aclose())
            assert (await far.end())[0] == 4503
            await soon(service_end)


async def test_what_was_being_accepted_when_the_peer_left_is_executed() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        async with open_far(engine) as far:
            await far.send("execute", agent_id="held")
            await asyncio.sleep(0)
        await soon(held.began.wait())
        held.release.set()


# --- trouble -------------------------------------------------------------------------------------


class Broken(MemoryStore):
    """A store that cannot read streams, once told so."""

    error: Exception | None = None

    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        if self.error is not None:
            raise self.error
        return await super().read(stream, after=after, limit=limit)


async def _long(context: RunContext) -> Json:
    for number in range(300):  # more than is kept in memory
        await context.emit({"number": number})
    return None


async def test_a_journal_that_cannot_be_read_ends_the_channel_and_nothing_else() -> None:
    store = Broken()
    async with engine_of({"long": _long}, store=store) as engine, open_far(engine) as far:
        execution_id = await _finished(engine, "long")
        store.error = StoreUnavailable("the disk is gone")
        await far.send("subscribe", execution_id=execution_id)
        assert await far.end() == (1011, "the journal cannot be read now")


async def test_a_bug_ends_the_channel_with_an_incident_and_without_a_word_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Broken()
    async with engine_of({"long": _long}, store=store) as engine, open_far(engine) as far:
        execution_id = await _finished(engine, "long")
        store.error = KeyError("/home/somebody/secret.py")
        await far.send("subscribe", execution_id=execution_id)
        code, reason = await far.end()
    assert code == 1011
    assert "secret" not in str(reason)
    assert str(reason).rpartition(" ")[2] in caplog.text


async def test_a_bug_in_a_request_fails_that_request_only(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_of({"noop": noop}) as engine, open_far(engine) as far:

        async def broken(*_: object, **__: object) -> None:
            raise KeyError("/home/somebody/secret.py")

        monkeypatch.setattr(engine, "get_execution", broken)
        error = await far.ask("get_execution", execution_id="x")
        assert error["data"]["code"] == "internal"
        assert error["data"]["details"]["incident"] in caplog.text
        assert "secret" not in json.dumps(error)
        assert (await far.ask("list_executions"))["type"] == "executions"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnavailable("the disk is gone"), "the journal cannot be read now"),
        (KeyError("/home/somebody/secret.py"), "internal error"),
    ],
)
async def test_what_was_accepted_is_said_to_be_started_whatever_comes_after(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise error

    async with engine_of({"noop": noop}) as engine, open_far(engine) as far:
        monkeypatch.setattr(engine, "open_cursor", broken)
        assert (await far.ask("execute", agent_id="noop"))["data"]["status"] == "started"
        code, said = await far.end()
        assert code == 1011
        assert str(said).startswith(reason)


async def test_what_is_forgotten_before_it_could_be_told_was_started_and_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forgotten(*_: object, **__: object) -> None:
        raise ExecutionNotFound("there is no execution x", execution_id="x")

    async with engine_of({"noop": noop}) as engine, open_far(engine) as far:
        monkeypatch.setattr(engine, "open_cursor", forgotten)
        assert (await far.ask("execute", agent_id="noop"))["data"]["status"] == "started"
        error = await far.next()
        assert error["data"]["code"] == "execution_not_found"
        assert "request_id" not in error
        assert (await far.ask("list_executions"))["type"] == "executions"


async def test_a_client_that_asks_and_reads_no_answers_is_closed() -> None:
    engine = engine_of({"noop": noop})
    async with engine, far_of(Service(engine), max_frames=10) as far:
        await far.hello()
        with suppress(TransportError):
            for _ in range(10_000):
                await far.transport.send(["{"] * 10)
        assert (await far.end())[0] == 4510


async def test_the_host_is_not_asked_more_at_once_than_may_be_unanswered() -> None:
    asked = 0

    async def on_unknown(message: dict[str, Json], peer: SessionPeer) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    limits = SessionLimits(max_pending=2)
    engine = engine_of({"noop": noop})
    async with engine, open_far(engine, limits=limits, on_unknown=on_unknown) as far:
        for _ in range(3):
            request_id = await far.send("greet")
        error = await far.next()
        assert (error["request_id"], error["data"]["code"]) == (request_id, "overloaded")
        assert asked == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"type": "greeting"}, ["greeting"]),
        ([{"type": "one"}, {"type": "two"}], ["one", "two"]),
        (None, ["error"]),
        (AgentNotFound("no", agent_id="x"), ["error"]),
    ],
)
async def test_the_host_may_answer_messages_of_its_own(answer: Any, expected: list[str]) -> None:
    async def on_unknown(
        message: dict[str, Json], peer: SessionPeer
    ) -> JsonObject | Sequence[JsonObject] | None:
        assert message["to"] == "x"
        assert peer.principal == ANONYMOUS
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    host: OnUnknown = on_unknown
    async with engine_of({"noop": noop}) as engine, open_far(engine, on_unknown=host) as far:
        await far.send("greet", to="x")
        assert [(await far.next())["type"] for _ in expected] == expected


# --- who it is -----------------------------------------------------------------------------------


class Known:
    """Two tokens of ana, of which the first ends, and one of eva."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = ManualClock()
        self.path = tmp_path / "tokens.toml"
        self.path.touch()
        self.first, self.second, self.evas = new_token(), new_token(), new_token()
        self.ends_at = self.clock.now() + 300
        soon_over = datetime.fromtimestamp(self.ends_at, UTC)
        scopes = frozenset({"execute"})
        append_token(self.path, Token("first", digest(self.first), "ana", scopes, soon_over))
        append_token(self.path, Token("second", digest(self.second), "ana", scopes))
        append_token(self.path, Token("evas", digest(self.evas), "eva", scopes))

    @asynccontextmanager
    async def far(self, **headers: str) -> AsyncIterator[Far]:
        async with engine_of({"noop": noop}, clock=self.clock) as engine:
            authenticator = TokenAuthenticator(self.clock, file=TokenFile(self.path))
            service = Service(engine, authenticator=authenticator)
            shown = {"sec-websocket-protocol": V2_SUBPROTOCOL, **headers}
            handshake = Handshake(headers=shown, subprotocol=V2_SUBPROTOCOL)
            async with far_of(service, principal=None, handshake=handshake) as far:
                yield far


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path)


def bearer(token: str) -> dict[str, str]:
    return {"scheme": "bearer", "token": token}


async def test_a_credential_may_come_with_hello(known: Known) -> None:
    async with known.far() as far:
        ack = await far.hello(auth=bearer(known.first))
        assert ack["principal"] == {
            "id": "ana",
            "scopes": ["execute"],
            "expires_at": known.ends_at,
        }


async def test_a_credential_in_the_handshake_needs_none_in_hello(known: Known) -> None:
    async with known.far(authorization=f"Bearer {known.second}") as far:
        ack = await far.hello()
        assert ack["principal"] == {"id": "ana", "scopes": ["execute"], "expires_at": None}


@pytest.mark.parametrize("auth", [None, bearer("zx_wrong"), {"scheme": "basic", "token": "x"}])
async def test_without_a_valid_credential_nothing_opens(known: Known, auth: Json) -> None:
    async with known.far() as far:
        error = await far.hello(**({} if auth is None else {"auth": auth}))
        assert error["data"]["code"] == "unauthenticated"
        assert await far.end() == (4401, "a valid credential is required")


async def test_a_wrong_credential_in_the_handshake_is_not_let_in(known: Known) -> None:
    async with known.far(authorization="Bearer zx_wrong") as far:
        assert await far.end() == (1008, "a valid credential is required")


async def test_listeners_let_in_who_can_still_say_who_it_is(known: Known) -> None:
    async with engine_of({"noop": noop}, clock=known.clock) as engine:
        authenticator = TokenAuthenticator(known.clock, file=TokenFile(known.path))
        service = Service(engine, authenticator=authenticator)
        offers = {"sec-websocket-protocol": f"x, {V2_SUBPROTOCOL}"}
        assert await service.authenticate(Handshake(headers=offers)) is None
        for headers in (
            {},
            {"sec-websocket-protocol": "zephyrus.exec.v1.json"},
            {**offers, "authorization": "Bearer zx_wrong"},
            {"sec-websocket-protocol": f"{V2_SUBPROTOCOL}, zephyrus.auth.bearer.eHg"},
        ):
            with pytest.raises(Unauthenticated):
                await service.authenticate(Handshake(headers=headers))


async def test_a_credential_that_ends_is_announced_and_can_be_renewed(known: Known) -> None:
    async with known.far() as far:
        await far.hello(auth=bearer(known.first))
        for _ in range(10):
            await known.clock.advance(24.0)
            await far.transport.send(['{"type":"pong","t":0}'])
        assert await far.next() == {"type": "auth_expiring", "expires_at": known.ends_at}
        theirs = await far.ask("auth", **bearer(known.evas))
        assert theirs["data"]["code"] == "forbidden"
        ack = await far.ask("auth", **bearer(known.second))
        assert (ack["type"], ack["principal"]["expires_at"]) == ("auth_ack", None)
        for _ in range(4):
            await known.clock.advance(24.0)
            await far.transport.send(['{"type":"pong","t":0}'])
        assert (await far.ask("list_executions"))["type"] == "executions"


async def test_a_credential_that_has_ended_closes(known: Known) -> None:
    async with known.far() as far:
        await far.hello(auth=bearer(known.first))
        for _ in range(13):
            await known.clock.advance(24.0)
            with suppress(TransportError):
                await far.transport.send(['{"type":"pong","t":0}'])
        assert (await far.end())[0] == 4401


@pytest.mark.parametrize("asks", [True, False])
async def test_a_credential_that_is_revoked_closes(known: Known, *, asks: bool) -> None:
    async with known.far() as far:
        await far.hello(auth=bearer(known.second))
        known.path.write_text("")
        if asks:
            await far.send("list_executions")
        else:
            await known.clock.advance(HEARTBEAT.ping_after)
        assert await far.end() == (4401, "the credential is no longer valid")


async def test_who_a_host_has_vouched_for_stays_that_whatever_hello_shows_nobody_to_check() -> None:
    reader = Principal("reader", frozenset({"watch"}))
    engine = engine_of({"noop": noop})
    async with engine, far_of(Service(engine), principal=reader) as far:
        ack = await far.hello(auth=bearer("whatever"))
        assert ack["principal"] == {"id": "reader", "scopes": ["watch"], "expires_at": None}
        renewed = await far.ask("auth", **bearer("whatever"))
        assert (renewed["type"], renewed["principal"]["id"]) == ("auth_ack", "reader")
        refused = await far.ask("execute", agent_id="noop")
        assert refused["data"]["code"] == "agent_not_found"


async def test_a_credential_that_came_as_a_subprotocol_can_be_renewed(known: Known) -> None:
    shown = base64.urlsafe_b64encode(known.first.encode()).decode().rstrip("=")
    offers = {"sec-websocket-protocol": f"{V2_SUBPROTOCOL}, {BEARER_SUBPROTOCOL}{shown}"}
    async with known.far(**offers) as far:
        assert (await far.hello())["principal"]["expires_at"] == known.ends_at
        ack = await far.ask("auth", **bearer(known.second))
        assert (ack["type"], ack["principal"]["expires_at"]) == ("auth_ack", None)
        assert (await far.ask("list_executions"))["type"] == "executions"


class _SlowFirst:
    """Holds the first cursor that is opened from now on, until it is released."""

    def __init__(self, engine: ExecutionEngine) -> None:
        self.release = asyncio.Event()
        self._open = engine.open_cursor
        self._engine = engine
        engine.open_cursor = self._first  # type: ignore[method-assign]

    async def _first(self, *args: Any, **options: Any) -> Any:
        self._engine.open_cursor = self._open  # type: ignore[method-assign]
        await self.release.wait()
        return await self._open(*args, **options)


async def test_what_is_unsubscribed_before_its_journal_was_found_is_not_told() -> None:
    async with engine_of({"three": three}) as engine, open_far(engine) as far:
        execution_id = await engine.submit("three")
        await engine.result(execution_id)
        slow = _SlowFirst(engine)
        await far.send("subscribe", execution_id=execution_id)
        assert (await far.ask("unsubscribe", execution_id=execution_id))["type"] == "unsubscribed"
        slow.release.set()
        assert (await far.next())["type"] == "subscribed"
        assert (await far.ask("list_executions"))["type"] == "executions"


async def test_of_two_subscriptions_at_once_the_later_one_counts() -> None:
    async with engine_of({"three": three}) as engine, open_far(engine) as far:
        execution_id = await engine.submit("three")
        await engine.result(execution_id)
        slow = _SlowFirst(engine)
        await far.send("subscribe", execution_id=execution_id, from_seq=0)
        later = await far.ask("subscribe", execution_id=execution_id, from_seq=4)
        assert (later["type"], (await far.next())["seq"]) == ("subscribed", 5)
        assert (await far.next())["seq"] == 6
        slow.release.set()
        assert (await far.next())["type"] == "subscribed"
        assert (await far.ask("list_executions"))["type"] == "executions"


async def test_a_subscription_counts_where_a_later_one_is_refused() -> None:
    async with engine_of({"three": three}) as engine, open_far(engine) as far:
        execution_id = await engine.submit("three")
        await engine.result(execution_id)
        slow = _SlowFirst(engine)
        await far.send("subscribe", execution_id=execution_id, from_seq=5)
        later = await far.ask("subscribe", execution_id=execution_id, from_seq=99)
        assert later["data"]["code"] == "execution_lost"
        slow.release.set()
        assert (await far.next())["type"] == "subscribed"
        assert (await far.next())["seq"] == 6


async def test_whoever_watches_when_only_the_engine_ends_is_sent_to_the_next_server() -> None:
    held = Held()
    store = MemoryStore()
    store.durable = True
    async with engine_of({"held": held}, store=store) as engine, open_far(engine) as far:
        await far.ask("execute", agent_id="held")
        await far.next()
        await far.next()
        await engine.aclose()
        assert (await far.next())["type"] == "goaway"
        assert (await far.end())[0] == 4503


async def test_a_peer_that_comes_while_a_service_ends_is_sent_on_at_once() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        service = Service(engine)
        async with far_of(service) as first:
            await first.hello()
            await first.ask("execute", agent_id="held")
            draining = asyncio.create_task(service.drain(timeout=10))
            await asyncio.sleep(0)
            async with far_of(service) as late:
                assert (await late.end())[0] == 4503
            held.release.set()
            assert await soon(draining)


async def test_long_lists_that_nobody_takes_are_not_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with engine_of({"noop": noop}) as engine, far_of(Service(engine), max_frames=2) as far:
        await far.hello()
        for _ in range(3):
            await engine.result(await engine.submit("noop"))
        made = 0
        listed = engine.list_executions

        async def counted(**options: Any) -> Any:
            nonlocal made
            made += 1
            page = await listed(**options)
            return evolve(page, executions=page.executions * 100)

        monkeypatch.setattr(engine, "list_executions", counted)
        for _ in range(30):
            await far.send("list_executions")
        for _ in range(500):
            await asyncio.sleep(0)
        assert made < 10
        for _ in range(30):
            assert (await far.next())["type"] == "executions"
        assert made == 30


async def test_nothing_is_sent_behind_the_order_to_close() -> None:
    server, client = memory_pair(handshake=Handshake())
    outbox = Outbox(server, ManualClock(), lost=str, released=lambda: None, busy=lambda: False)
    outbox.send("before")
    outbox.end(Close(4401, "no longer valid"))
    outbox.send("behind")
    running = asyncio.create_task(outbox.run())
    assert await soon(client.receive()) == ["before"]
    error = await end_of(client)
    assert error.details["close_code"] == 4401
    await soon(running)
