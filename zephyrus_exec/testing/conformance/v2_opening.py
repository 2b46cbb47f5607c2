"""How v2 begins, and what is no request of it."""

# ruff: noqa: D102 - the names of the tests are the sentences about them

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from ...interfaces.transport import V1_SUBPROTOCOL, V2_SUBPROTOCOL
from ...model import Json, JsonObject
from .peer import Peer
from .suite import ServerConformance

NO_JSON: Final = (
    "",
    "{",
    "null",
    "[]",
    '"hello"',
    '{"type":NaN}',
    "{}}",
    '{"a":1,"a":2}',
    "\ufeff{}",
)
_REQUESTS: Final[Mapping[str, Mapping[str, Json]]] = {
    "execute": {"agent_id": "a"},
    "subscribe": {"execution_id": "e"},
    "unsubscribe": {"execution_id": "e"},
    "get_execution": {"execution_id": "e"},
    "list_executions": {},
    "cancel": {"execution_id": "e"},
    "auth": {"scheme": "bearer", "token": "t"},
}
_WRONG: Final[tuple[tuple[str, Mapping[str, Json]], ...]] = (
    ("execute", {}),
    ("execute", {"agent_id": 5}),
    ("execute", {"agent_id": None}),
    ("execute", {"agent_id": ""}),
    ("execute", {"agent_id": "a", "deadline": "soon"}),
    ("execute", {"agent_id": "a", "idempotency_key": ""}),
    ("subscribe", {}),
    ("subscribe", {"execution_id": "e", "effect_key": "k"}),
    ("subscribe", {"execution_id": "e", "from_seq": -1}),
    ("subscribe", {"execution_id": "e", "from_seq": 1.5}),
    ("unsubscribe", {}),
    ("get_execution", {}),
    ("list_executions", {"limit": 0}),
    ("list_executions", {"limit": 1001}),
    ("list_executions", {"limit": "all"}),
    ("cancel", {"execution_id": ["e"]}),
)


def code_of(message: JsonObject) -> str:
    """Return the code of an error.

    Raises:
        AssertionError: It is none.
    """
    assert message["type"] == "error", f"an error was expected, and not {message}"
    data: Any = message["data"]
    return str(data["code"])


def limit_of(hello_ack: JsonObject, name: str) -> float:
    """Return a limit that the server told."""
    limits: Any = hello_ack["limits"]
    return float(limits[name])


class V2Suite(ServerConformance):
    """What the parts of the suite of v2 begin with."""

    @asynccontextmanager
    async def opened(self, *, patience: float | None = None) -> AsyncIterator[Peer]:
        """Return a context with a peer that said hello, and was welcomed."""
        async with self.peer([V2_SUBPROTOCOL], patience=patience) as peer:
            answer = await peer.hello()
            assert answer["type"] == "hello_ack", f"hello is refused: {answer}"
            yield peer


class OpeningConformance(V2Suite):
    """Hello, and frames that are refused."""

    async def test_the_subprotocol_of_v2_is_chosen_and_hello_is_answered(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            assert peer.transport.handshake.subprotocol == V2_SUBPROTOCOL
            answer = await peer.hello(client="conformance")
        assert (answer["type"], answer["version"]) == ("hello_ack", 2)

    async def test_hello_first_on_a_plain_connection_opens_v2_too(self) -> None:
        async with self.peer() as peer:
            assert peer.transport.handshake.subprotocol is None
            assert (await peer.hello())["type"] == "hello_ack"

    async def test_of_both_subprotocols_the_newer_is_chosen(self) -> None:
        async with self.peer([V1_SUBPROTOCOL, V2_SUBPROTOCOL]) as peer:
            assert peer.transport.handshake.subprotocol == V2_SUBPROTOCOL

    async def test_a_version_is_found_among_several(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            assert (await peer.hello(versions=[1, 2, 99]))["version"] == 2

    async def test_two_connections_have_two_names_and_one_store(self) -> None:
        async with self.peer() as one, self.peer() as other:
            first, second = await one.hello(), await other.hello()
        assert first["connection_id"] != second["connection_id"]
        assert first["store_epoch"] == second["store_epoch"]

    async def test_an_unknown_version_is_refused_and_closed_with_4406(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            assert code_of(await peer.hello(versions=[99])) == "unsupported_version"
            assert await peer.close_code() == 4406

    async def test_anything_before_hello_is_refused_and_closed_with_4400(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            answer = await peer.ask("execute", agent_id=self.agent_id)
            assert code_of(answer) == "invalid_request"
            assert await peer.close_code() == 4400

    async def test_a_hello_with_an_unknown_key_opens_nothing(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            assert code_of(await peer.hello(colour="blue")) == "invalid_request"
            assert await peer.close_code() == 4400

    async def test_hello_is_said_once(self) -> None:
        async with self.opened() as peer:
            assert code_of(await peer.hello()) == "invalid_request"
            await self._goes_on(peer)

    async def test_a_peer_that_never_says_hello_is_closed_with_4408(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            limit = limit_of(await peer.hello(), "hello_timeout")
        patience = self.wait_for_time_outs(limit)
        async with self.peer([V2_SUBPROTOCOL], patience=patience) as peer:
            assert await peer.close_code() == 4408

    async def test_a_silent_client_is_asked_and_its_pong_keeps_the_connection(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            heartbeat: Any = (await peer.hello())["heartbeat"]
        patience = self.wait_for_time_outs(heartbeat["lost_after"])
        async with self.opened(patience=patience) as peer:
            for _ in range(3):
                ping = await peer.find(lambda one: one["type"] == "ping")
                await peer.send(f'{{"type":"pong","t":{ping["t"]!r}}}')
            await self._goes_on(peer)

    async def test_a_client_that_answers_nothing_is_closed_with_4504(self) -> None:
        async with self.peer([V2_SUBPROTOCOL]) as peer:
            heartbeat: Any = (await peer.hello())["heartbeat"]
        patience = self.wait_for_time_outs(heartbeat["lost_after"])
        async with self.opened(patience=patience) as peer:
            assert await peer.close_code() == 4504
        assert any(one["type"] == "ping" for one in peer.messages)

    # --- who it is

    async def test_a_credential_may_be_shown_in_hello_and_renewed_later(self) -> None:
        async with self.connect_unknown([V2_SUBPROTOCOL]) as transport:
            peer = Peer(transport, self.patience, self.closed)
            known = await peer.ask_for(
                "hello_ack", "hello", versions=[2], auth={"scheme": "bearer", "token": self.token}
            )
            renewed = await peer.ask_for("auth_ack", "auth", scheme="bearer", token=self.token)
        assert renewed["principal"] == known["principal"]

    async def test_a_wrong_credential_in_hello_is_refused_and_closed_with_4401(self) -> None:
        async with self.connect_unknown([V2_SUBPROTOCOL]) as transport:
            peer = Peer(transport, self.patience, self.closed)
            answer = await peer.hello(auth={"scheme": "bearer", "token": f"{self.token}x"})
            assert code_of(answer) == "unauthenticated"
            assert await peer.close_code() == 4401

    async def test_a_wrong_credential_renews_nothing_and_the_connection_goes_on(self) -> None:
        async with self.connect_unknown([V2_SUBPROTOCOL]) as transport:
            peer = Peer(transport, self.patience, self.closed)
            await peer.hello(auth={"scheme": "bearer", "token": self.token})
            answer = await peer.ask("auth", scheme="bearer", token=f"{self.token}x")
            assert code_of(answer) in ("unauthenticated", "forbidden")
            await self._goes_on(peer)

    # --- what is no request

    async def test_what_is_no_json_object_is_refused_and_the_connection_goes_on(self) -> None:
        async with self.opened() as peer:
            for frame in NO_JSON:
                await peer.send(frame)
                answer = await peer.find(lambda one: one["type"] == "error")
                assert code_of(answer) == "invalid_json", f"{frame!r} gets {answer}"
            await self._goes_on(peer)

    async def test_a_binary_frame_that_holds_utf8_is_read(self) -> None:
        async with self.opened() as peer:
            await peer.send(b'{"type":"list_executions","request_id":"\xc3\xb1"}')
            assert (await peer.answer("ñ"))["type"] == "executions"

    async def test_an_unknown_type_is_refused(self) -> None:
        async with self.opened() as peer:
            assert code_of(await peer.ask("zephyrus_conformance_sings")) == "unknown_type"
            await self._goes_on(peer)

    async def test_an_unknown_key_is_refused_in_every_request(self) -> None:
        async with self.opened() as peer:
            for kind, members in _REQUESTS.items():
                answer = await peer.ask(kind, **{**members, "idempotency_kye": "k"})
                assert code_of(answer) == "invalid_request", f"{kind} gets {answer}"
            await self._goes_on(peer)

    async def test_a_missing_or_wrong_value_is_refused(self) -> None:
        async with self.opened() as peer:
            for kind, members in _WRONG:
                answer = await peer.ask(kind, **members)
                assert code_of(answer) == "invalid_request", f"{kind} {members} gets {answer}"
                data: Any = answer["data"]
                assert {"field", "problem", "remedy"} <= set(data["details"])
            await self._goes_on(peer)

    async def test_a_request_without_an_id_is_refused_without_one(self) -> None:
        async with self.opened() as peer:
            await peer.send('{"type":"list_executions"}')
            answer = await peer.find(lambda one: one["type"] == "error")
            assert "request_id" not in answer
            assert code_of(answer) == "invalid_request"

    async def test_a_request_id_may_be_used_again_once_it_is_answered(self) -> None:
        async with self.opened() as peer:
            for _ in range(2):
                await peer.send('{"type":"list_executions","request_id":"again"}')
                assert (await peer.answer("again"))["type"] == "executions"

    async def test_a_request_id_that_is_unanswered_is_not_taken_twice(self) -> None:
        frame = '{"type":"list_executions","request_id":"twice"}'
        async with self.opened() as peer:
            await peer.send(frame, frame)
            answers = [await peer.answer("twice") for _ in range(2)]
        errors = [code_of(one) for one in answers if one["type"] == "error"]
        # A server may be through with the first before it reads the second.
        assert errors in ([], ["duplicate_request"]), answers

    async def _goes_on(self, peer: Peer) -> None:
        answer = await peer.ask("list_executions", limit=1)
        assert answer["type"] == "executions", f"the connection does not go on: {answer}"
