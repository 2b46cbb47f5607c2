"""How connections begin, end and begin again, and what the user is told of it."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from zephyrus_exec.client import Status
from zephyrus_exec.errors import (
    AgentNotFound,
    Draining,
    EffectNotFound,
    ExecutionNotFound,
    Forbidden,
    InvalidMessage,
    MessageTooBig,
    ProtocolError,
    RequestRefused,
    TransportBroken,
    TransportRefused,
    Unauthenticated,
    UnexpectedMessage,
    UnsupportedVersion,
    ZephyrusError,
)
from zephyrus_exec.protocol.v2.messages import (
    Auth,
    AuthAck,
    AuthExpiring,
    Cancel,
    CancelAck,
    Error,
    ErrorData,
    Execute,
    ExecutionList,
    ExecutionReport,
    ExecutionView,
    GetExecution,
    GoAway,
    Hello,
    Identity,
    ListExecutions,
    Ping,
    Pong,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
)
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import soon

from .scripted import (
    LIMITS,
    World,
    broken,
    completed,
    connected,
    error,
    event,
    hello_ack,
    started,
    subscribed,
)
from .test_executions import seqs

VIEW = ExecutionView("x1", "a", "ana", "running", 1.0, None, None, None)


async def opening(world: World, **options: bool) -> asyncio.Task[None]:
    task = asyncio.ensure_future(world.client.open(**options))
    await settle()
    return task


# --- the first time ------------------------------------------------------------------------------


async def test_a_client_says_who_it_is_and_which_version_is_spoken() -> None:
    world = World(token="secret")
    task = await opening(world)
    near = await world.server.accept()
    hello = await near.welcome()
    await soon(task)
    assert near.token == "secret"
    assert (hello.versions, hello.auth) == ((2,), None)
    assert hello.client is not None
    assert hello.client.startswith("zephyrus_exec/")
    assert world.client.version == 2
    await world.client.aclose()


async def test_where_there_is_no_server_the_first_attempt_says_so() -> None:
    world = World()
    world.server.down = [broken()]
    with pytest.raises(TransportBroken, match="cannot connect"):
        await soon(world.client.open())
    assert [one.kind for one in world.statuses] == ["connecting", "closed"]


async def test_a_patient_client_waits_for_its_server() -> None:
    world = World()
    world.server.down = [broken(), broken()]
    task = await opening(world, patient=True)
    await world.again()
    await soon(task)
    assert [(one.kind, one.retry_in) for one in world.statuses] == [
        ("connecting", None),
        ("waiting", 0.25),
        ("connecting", None),
        ("waiting", 0.5),
        ("connecting", None),
        ("open", None),
    ]
    assert world.statuses[1].reason == "cannot connect"
    await world.client.aclose()
    assert world.statuses[-1] == Status("closed", reason="the client was closed")


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, TransportRefused)]
)
async def test_a_server_that_refuses_the_handshake_is_told_by_its_status(
    status: int, kind: type[ZephyrusError]
) -> None:
    world = World()
    world.server.down = [TransportRefused(f"HTTP {status}", http_status=status)]
    with pytest.raises(kind, match=f"HTTP {status}"):
        await soon(world.client.open())


@pytest.mark.parametrize("patient", [False, True])
async def test_a_server_that_refuses_hello_says_why(patient: bool) -> None:
    world = World()
    task = await opening(world, patient=patient)
    near = await world.server.accept()
    await near.say(error((await near.hear(Hello)).request_id, "unauthenticated"))
    with pytest.raises(Unauthenticated):
        await soon(task)


async def test_a_patient_client_comes_back_to_a_server_that_is_overloaded() -> None:
    world = World()
    task = await opening(world, patient=True)
    near = await world.server.accept()
    refused = error(
        (await near.hear(Hello)).request_id, "overloaded", retryable=True, retry_after=7.0
    )
    await near.say(refused)
    await settle()
    assert world.statuses[-1].retry_in == 7.25
    await world.again()
    await soon(task)
    await world.client.aclose()


async def test_messages_of_later_releases_are_ignored_while_it_opens_and_after() -> None:
    world = World()
    task = await opening(world)
    near = await world.server.accept()
    hello = await near.hear(Hello)
    news = '{"type":"news","data":1}'
    await near.say(news)
    await near.say(news, hello_ack(hello), news, Ping(1.5))
    await soon(task)
    assert (await near.hear(Pong)).t == 1.5
    await world.client.aclose()


async def test_a_server_that_does_not_answer_hello_is_none() -> None:
    world = World()
    task = await opening(world)
    near = await world.server.accept()
    await near.hear(Hello)
    await world.clock.advance(10)
    with pytest.raises(TransportBroken, match="did not answer hello"):
        await soon(task)


async def test_an_opening_can_be_cancelled() -> None:
    world = World()
    task = await opening(world)
    await world.server.accept()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)
    assert world.statuses[-1].kind == "closed"


async def test_a_client_that_was_never_open_can_be_closed() -> None:
    await World().client.aclose()


async def test_what_a_token_source_raises_is_raised() -> None:
    def token() -> str:
        raise RuntimeError("no keyring")

    with pytest.raises(RuntimeError, match="no keyring"):
        await soon(World(token=token).client.open())


# --- the end, and the next time ------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 4503, 4504, 4510, 4600])
async def test_most_ends_are_followed_by_another_connection(code: int) -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        if code == 1006:
            near.cut()
        else:
            await near.close(code)
        near = await world.again()
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4400, ProtocolError),
        (4401, Unauthenticated),
        (4403, Forbidden),
        (4406, UnsupportedVersion),
        (4408, ProtocolError),
        (4499, ProtocolError),
    ],
)
async def test_some_ends_are_final_and_everybody_is_told(
    code: int, kind: type[ZephyrusError]
) -> None:
    async with connected() as (world, client, near):
        unanswered, watched = client.execute("a"), client.watch("x2")
        asking = asyncio.ensure_future(client.get_execution("x"))
        await settle()
        await near.close(code, "for a reason")
        for waiting in (unanswered.started(), unanswered.result(), watched.result(), asking):
            with pytest.raises(kind, match="for a reason"):
                await soon(waiting)
        assert world.statuses[-1].kind == "closed"
        await world.clock.advance(100)
        assert world.server.idle
        for late in (client.execute("a"), client.watch("x")):
            with pytest.raises(kind):
                await soon(late.result())


async def test_waits_grow_at_random_and_begin_anew_once_there_is_a_server() -> None:
    async with connected() as (world, _, near):
        world.server.down = [broken() for _ in range(8)]
        near.cut()
        near = await world.again()
        assert [one.retry_in for one in world.statuses if one.kind == "waiting"] == [
            *(0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
        ]
        await world.clock.advance(1)
        near.cut()
        await settle()
        assert world.statuses[-1].retry_in == 0.25


async def test_a_server_that_went_away_is_back_after_the_time_it_said() -> None:
    async with connected() as (world, client, near):
        await near.say(GoAway(5.0))
        await settle()
        execution = client.execute("a")
        assert await near.silent()
        await near.close(4503)
        await settle()
        assert world.statuses[-1].retry_in == 5.25
        near = await world.again()
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_a_server_that_goes_still_tells_events_and_answers() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        await near.say(GoAway(1.0), started(request.request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_a_status_of_the_handshake_that_may_pass_is_tried_again() -> None:
    async with connected() as (world, _, near):
        world.server.down = [TransportRefused("HTTP 502", http_status=502)]
        near.cut()
        await world.again()


async def test_a_silent_server_is_given_up_for_another_connection() -> None:
    async with connected() as (world, client, near):
        await near.say(Ping(3.5))
        assert (await near.hear(Pong)).t == 3.5
        await world.clock.advance(59)
        assert world.server.idle
        await world.again()
        assert any("nothing was heard" in one.reason for one in world.statuses)
        assert client.version == 2


async def test_a_server_that_breaks_the_protocol_is_the_end() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        await near.say(started(request.request_id), event(1), event(3))
        assert (await soon(anext(execution))).seq == 1
        with pytest.raises(UnexpectedMessage, match="event 2 is missing"):
            await soon(anext(execution))


async def test_a_frame_that_the_server_could_not_read_is_the_end() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        await near.say(error(None, "invalid_request"))
        with pytest.raises(InvalidMessage):
            await soon(execution.result())


# --- credentials ---------------------------------------------------------------------------------


async def test_each_connection_gets_a_token_of_its_own() -> None:
    given = ["one", "two"]

    async def token() -> str:
        return given.pop(0)

    async with connected(token=token) as (world, _, near):
        assert near.token == "one"
        near.cut()
        assert (await world.again()).token == "two"


@pytest.mark.parametrize("refused", [False, True])
async def test_a_credential_that_ends_is_renewed(
    refused: bool, caplog: pytest.LogCaptureFixture
) -> None:
    given = ["one", "two"]
    async with connected(token=lambda: given.pop(0)) as (_, client, near):
        await near.say(AuthExpiring(9.0))
        auth = await near.hear(Auth)
        assert (auth.scheme, auth.token) == ("bearer", "two")
        if refused:
            await near.say(error(auth.request_id, "forbidden"))
        else:
            await near.say(AuthAck(auth.request_id, Identity("ana", (), None)))
        asking = asyncio.ensure_future(client.get_execution("x1"))
        request = await near.hear(GetExecution)
        await near.say(ExecutionReport(request.request_id, VIEW))
        assert await soon(asking) == VIEW
        assert ("not renewed" in caplog.text) is refused


async def test_a_token_that_cannot_change_is_not_sent_again() -> None:
    async with connected(token="only") as (_, _, near):
        await near.say(AuthExpiring(9.0))
        assert await near.silent()


async def test_a_credential_that_ended_is_replaced_where_there_may_be_another() -> None:
    given = ["one", "two"]
    async with connected(token=lambda: given.pop(0)) as (world, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        await near.close(4401)
        near = await world.again()
        assert near.token == "two"
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


# --- requests ------------------------------------------------------------------------------------


async def test_an_execution_is_looked_up_over_connections() -> None:
    async with connected() as (world, client, near):
        asking = asyncio.ensure_future(client.get_execution("x1"))
        await near.hear(GetExecution)
        near.cut()
        near = await world.again()
        request = await near.hear(GetExecution)
        await near.say(ExecutionReport(request.request_id, VIEW))
        assert await soon(asking) == VIEW


async def test_executions_are_listed() -> None:
    async with connected() as (_, client, near):
        asking = asyncio.ensure_future(client.list_executions(limit=5, before="x9", agent_id="a"))
        request = await near.hear(ListExecutions)
        assert (request.limit, request.before, request.agent_id) == (5, "x9", "a")
        page = ExecutionList(request.request_id, (VIEW,), "x1")
        await near.say(page)
        assert await soon(asking) == page


async def test_an_execution_is_cancelled_once_it_is_accepted() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        cancelling = asyncio.ensure_future(execution.cancel("enough"))
        request = await near.hear(Execute)
        assert await near.silent()
        await near.say(started(request.request_id))
        asked = await near.hear(Cancel)
        assert (asked.execution_id, asked.reason) == ("x1", "enough")
        await near.say(CancelAck(asked.request_id, "x1", "requested"))
        assert await soon(cancelling) == "requested"


async def test_a_refused_question_raises_the_error_of_its_code() -> None:
    async with connected() as (_, client, near):
        asking = asyncio.ensure_future(client.get_execution("x1"))
        request = await near.hear(GetExecution)
        await near.say(error(request.request_id, "agent_not_found"))
        with pytest.raises(AgentNotFound):
            await soon(asking)


async def test_a_code_that_is_not_known_is_a_refusal() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        refused = error(request.request_id, "odd_one", retryable=True, retry_after=3.0)
        await near.say(refused)
        with pytest.raises(RequestRefused) as raised:
            await soon(execution.result())
        assert raised.value.details == {"refusal": "odd_one", "retry_after": 3.0}


async def test_the_answer_to_a_question_that_nobody_waits_for_is_dropped() -> None:
    async with connected() as (_, client, near):
        for answered in (True, False):
            asking = asyncio.ensure_future(client.get_execution("x1"))
            request = await near.hear(GetExecution)
            asking.cancel()
            await settle()
            refusal = error(request.request_id, "internal")
            await near.say(ExecutionReport(request.request_id, VIEW) if answered else refusal)
            await settle()
        assert client.version == 2


async def test_no_more_requests_are_unanswered_than_the_server_takes() -> None:
    async with connected(limits=evolve(LIMITS, max_requests=2)) as (_, client, near):
        executions = [client.execute("a") for _ in range(3)]
        requests = [await near.hear(Execute), await near.hear(Execute)]
        assert await near.silent()
        for number, request in enumerate(requests):
            await near.say(started(request.request_id, f"x{number}"), completed(1, f"x{number}"))
        request = await near.hear(Execute)
        await near.say(started(request.request_id, "x9"), completed(1, "x9"))
        assert [await soon(one.started()) for one in executions] == ["x0", "x1", "x9"]


async def test_what_is_too_long_for_the_server_is_told_to_whoever_asks() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a", input="x" * 20_000)
        with pytest.raises(MessageTooBig):
            await soon(execution.result())
        assert await near.silent()


async def test_an_execute_that_drains_is_asked_again_later_where_the_server_stays() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        first = await near.hear(Execute)
        await near.say(error(first.request_id, Draining.code, retryable=True))
        await world.clock.advance(1)
        again = await near.hear(Execute)
        assert again == first
        await near.say(started(again.request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_what_may_have_been_committed_is_asked_again() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        for code in ("commit_unknown", "overloaded"):
            request = await near.hear(Execute)
            await near.say(error(request.request_id, code, retryable=True))
            await world.clock.advance(2)
        request = await near.hear(Execute)
        await near.say(started(request.request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_a_wait_to_ask_again_ends_with_its_connection() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        first = await near.hear(Execute)
        await near.say(error(first.request_id, "draining", retryable=True, retry_after=30.0))
        await settle()
        near.cut()
        near = await world.again()
        request = await near.hear(Execute)
        await world.clock.advance(29)
        await near.say(started(request.request_id), event(1))
        await world.clock.advance(29)
        assert await near.silent()
        await near.say(completed(2))
        assert await soon(seqs(execution)) == [1, 2]


async def test_what_is_asked_while_there_is_no_connection_is_sent_on_the_next_one() -> None:
    async with connected() as (world, client, near):
        near.cut()
        await settle()
        execution, watched = client.execute("a"), client.watch("x2")
        near = await world.again()
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 1, terminal=True), completed(1, "x2"))
        assert await soon(seqs(watched)) == [1]


async def test_subscriptions_are_asked_for_on_each_connection() -> None:
    async with connected() as (world, client, near):
        execution = client.watch("x1")
        await near.hear(Subscribe)
        near.cut()
        near = await world.again()
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 1, terminal=True), completed(1))
        assert await soon(seqs(execution)) == [1]
        assert await near.silent()


# --- what servers may do to a client -------------------------------------------------------------


async def test_a_server_that_hangs_up_on_everybody_is_called_ever_less_often() -> None:
    async with connected() as (world, _, near):
        for _ in range(6):
            near.cut()
            near = await world.again()
        waits = [one.retry_in for one in world.statuses if one.kind == "waiting"]
        assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("asked", [1e300, 10**400], ids=["a float", "an integer"])
async def test_no_server_can_keep_a_client_away_for_ever(asked: float) -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        data = ErrorData("no", "draining", retryable=True, details={"retry_after": asked})
        await near.say(Error(request_id=request.request_id, data=data))
        await settle()
        near.cut()
        near = await world.again()
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]
        await near.say(GoAway(1e300))
        await near.close(4503)
        await settle()
        wait = world.statuses[-1].retry_in
        assert wait is not None
        assert 3600 < wait < 3601


async def test_what_the_server_has_forgotten_is_told_to_its_readers_alone() -> None:
    async with connected() as (_, client, near):
        replayed, watched = client.execute("a"), client.watch("x2")
        request = await near.hear(Execute)
        await near.say(started(request.request_id, replayed=True))
        await near.say(subscribed(await near.hear(Subscribe), 1))
        for details in ({"execution_id": "x1"}, {"execution_id": "never watched"}):
            data = ErrorData("no", "execution_not_found", retryable=False, details=details)
            await near.say(Error(data=data))
        with pytest.raises(ExecutionNotFound):
            await soon(replayed.result())
        await near.say(event(1, "x2"), completed(2, "x2"))
        assert await soon(seqs(watched)) == [1, 2]


async def test_an_effect_that_the_server_has_forgotten_is_told_to_its_readers_alone() -> None:
    async with connected() as (world, client, near):
        reading = asyncio.ensure_future(anext(client.watch_effect("e")))
        await near.say(subscribed(await near.hear(Subscribe), 1))
        data = ErrorData("no", "effect_not_found", retryable=False, details={"effect_key": "e"})
        await near.say(Error(data=data))
        with pytest.raises(EffectNotFound):
            await soon(reading)
        assert world.statuses[-1].kind == "open"


async def test_a_token_source_that_fails_for_a_while_ends_nothing() -> None:
    given: list[str | Exception] = ["one", RuntimeError("key sk-1"), "two"]

    def token() -> str:
        got = given.pop(0)
        if isinstance(got, Exception):
            raise got
        return got

    async with connected(token=token) as (world, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        near.cut()
        near = await world.again()
        assert near.token == "two"
        reasons = [one.reason for one in world.statuses if one.kind == "waiting"]
        assert reasons[-1] == "no credential: RuntimeError"
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_a_token_source_that_cannot_renew_leaves_the_connection_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = ["one"]
    async with connected(token=lambda: given.pop(0)) as (_, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        await near.say(AuthExpiring(9.0))
        await near.say(started(request.request_id), completed(1))
        assert await soon(seqs(execution)) == [1]
        assert "not renewed" in caplog.text


async def test_an_unsubscribe_is_asked_again_later_and_not_at_each_event() -> None:
    async with connected(room=2) as (world, client, near):
        execution = client.watch("x1")
        await near.say(subscribed(await near.hear(Subscribe), 9), event(1), event(2))
        request = await near.hear(Unsubscribe)
        await near.say(error(request.request_id, "rate_limited", retryable=True, retry_after=3.0))
        await near.say(event(3), event(4), event(5))
        assert await near.silent()
        await world.clock.advance(4)
        request = await near.hear(Unsubscribe)
        await near.say(Unsubscribed(request.request_id, execution_id="x1"))
        assert [(await soon(anext(execution))).seq for _ in range(2)] == [1, 2]
        assert (await near.hear(Subscribe)).from_seq == 2
