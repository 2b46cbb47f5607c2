"""Starting executions, and starting them once."""

# ruff: noqa: D102 - the names of the tests are the sentences about them

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any
from uuid import uuid4

from ...errors import TransportClosedByPeer
from ...model import Json, JsonObject
from .peer import Peer
from .v2_opening import V2Suite, code_of, limit_of

AT_ONCE = 50


async def executed(peer: Peer, agent_id: str, **members: Json) -> tuple[JsonObject, JsonObject]:
    """Execute an agent; return what says that it started, and its terminal frame.

    Raises:
        AssertionError: It is not started.
    """
    started = await peer.ask("execute", agent_id=agent_id, **members)
    assert started["type"] == "execution_response", f"it is not executed: {started}"
    return started, await peer.terminal(id_of(started))


def id_of(message: JsonObject) -> str:
    """Return which execution a message is about."""
    return str(message["execution_id"])


def _replayed(started: JsonObject) -> bool:
    data: Any = started["data"]
    return bool(data["replayed"])


class ExecutingConformance(V2Suite):
    """`execute`, with a key and without."""

    async def test_an_execution_is_told_from_its_acceptance_to_its_one_end(self) -> None:
        async with self.opened() as peer:
            started, terminal = await executed(peer, self.agent_id)
            peer.finish()
        data: Any = terminal["data"]
        assert data["status"] == "completed"
        assert data["agent_id"] == self.agent_id
        assert data["success"] is (data["outcome"] == "succeeded")
        assert data["execution_count"] == len(data["results"])
        assert not _replayed(started)
        assert len(peer.events(id_of(started))) == terminal["seq"]

    async def test_an_agent_that_does_not_exist_is_refused_and_nothing_follows(self) -> None:
        async with self.opened() as peer:
            answer = await peer.ask("execute", agent_id=f"conformance-{uuid4()}")
            assert code_of(answer) == "agent_not_found"
            await executed(peer, self.agent_id)
        ids = {one["execution_id"] for one in peer.messages if "execution_id" in one}
        assert len(ids) == 1

    async def test_without_a_key_two_requests_are_two_executions(self) -> None:
        async with self.opened() as peer:
            ids = {id_of((await executed(peer, self.agent_id))[0]) for _ in range(2)}
        assert len(ids) == 2

    async def test_many_executions_at_once_are_all_told_to_their_ends(self) -> None:
        async with self.opened() as peer:
            ids = await peer.say_all("execute", [{"agent_id": self.agent_id}] * AT_ONCE)
            answers = [await peer.answer(request_id) for request_id in ids]
            started = [one for one in answers if one["type"] != "error"]
            refused = {code_of(one) for one in answers if one["type"] == "error"}
            assert refused <= {"overloaded", "rate_limited", "agent_busy"}, refused
            assert started, "none of them is executed"
            for one in started:
                await peer.terminal(id_of(one))
            peer.finish()
        assert len({id_of(one) for one in started}) == len(started)

    async def test_an_execution_goes_on_when_its_client_leaves(self) -> None:
        async with self.opened() as peer:
            started = await peer.ask("execute", agent_id=self.slow_agent_id or self.agent_id)
        async with self.opened() as other:
            await other.ask("subscribe", execution_id=id_of(started), from_seq=0)
            terminal = await other.terminal(id_of(started))
        assert len(other.events(id_of(started))) == terminal["seq"]

    # --- once

    async def test_the_same_key_again_is_the_same_execution_from_its_beginning(self) -> None:
        key = str(uuid4())
        async with self.opened() as peer:
            first, _ = await executed(peer, self.agent_id, idempotency_key=key)
            before = peer.events(id_of(first))
            again, _ = await executed(peer, self.agent_id, idempotency_key=key)
        assert id_of(again) == id_of(first)
        assert (_replayed(first), _replayed(again)) == (False, True)
        assert peer.events(id_of(first)) == before * 2

    async def test_the_same_key_at_once_on_two_connections_is_one_execution(self) -> None:
        key = str(uuid4())
        request: JsonObject = {"agent_id": self.agent_id, "idempotency_key": key}

        async def ask(peer: Peer) -> list[JsonObject]:
            ids = await peer.say_all("execute", [request] * 5)
            return [await peer.answer(request_id) for request_id in ids]

        async with self.opened() as one, self.opened() as other:
            answers = [*chain(*await asyncio.gather(ask(one), ask(other)))]
            assert {one["type"] for one in answers} == {"execution_response"}, answers
            assert len({id_of(answer) for answer in answers}) == 1
            assert sum(not _replayed(answer) for answer in answers) == 1

    async def test_a_key_that_is_taken_conflicts_with_another_request(self) -> None:
        key = str(uuid4())
        async with self.opened() as peer:
            await executed(peer, self.agent_id, idempotency_key=key, input={"n": 1})
            other = await peer.ask(
                "execute", agent_id=self.agent_id, idempotency_key=key, input={"n": 2}
            )
        assert code_of(other) == "idempotency_conflict"

    async def test_the_order_of_an_input_s_keys_makes_no_other_request(self) -> None:
        key = str(uuid4())
        async with self.opened() as peer:
            first, _ = await executed(
                peer, self.agent_id, idempotency_key=key, input={"a": 1, "b": 2}
            )
            again, _ = await executed(
                peer, self.agent_id, idempotency_key=key, input={"b": 2, "a": 1}
            )
        assert id_of(again) == id_of(first)

    async def test_a_key_from_before_the_store_was_lost_runs_nothing(self) -> None:
        async with self.opened() as peer:
            answer = await peer.ask(
                "execute",
                agent_id=self.agent_id,
                idempotency_key=str(uuid4()),
                store_epoch="an epoch that is over",
            )
            assert code_of(answer) == "outcome_unknown"

    async def test_a_key_that_says_it_is_older_than_the_retention_runs_nothing(self) -> None:
        first_millisecond_of_1970 = f"00000000-0000-7{str(uuid4())[15:]}"
        async with self.opened() as peer:
            answer = await peer.ask(
                "execute",
                agent_id=self.agent_id,
                idempotency_key=first_millisecond_of_1970,
            )
            assert code_of(answer) == "outcome_unknown"

    async def test_a_new_key_under_the_present_epoch_runs(self) -> None:
        async with self.peer() as peer:
            epoch = (await peer.hello())["store_epoch"]
            started, _ = await executed(
                peer, self.agent_id, idempotency_key=str(uuid4()), store_epoch=epoch
            )
        assert not _replayed(started)
        assert started["store_epoch"] == epoch

    # --- limits

    async def test_a_key_longer_than_the_limit_is_refused(self) -> None:
        async with self.peer() as peer:
            longest = int(limit_of(await peer.hello(), "max_idempotency_key"))
            answer = await peer.ask(
                "execute", agent_id=self.agent_id, idempotency_key="k" * (longest + 1)
            )
            assert code_of(answer) == "invalid_request"

    async def test_an_input_deeper_than_the_limit_is_refused_and_the_connection_goes_on(
        self,
    ) -> None:
        async with self.peer() as peer:
            deepest = int(limit_of(await peer.hello(), "max_message_depth"))
            value = "[" * deepest + "]" * deepest
            await peer.send(f'{{"type":"execute","request_id":"deep","input":{value}}}')
            answer = await peer.find(lambda one: one["type"] == "error")
            assert code_of(answer) == "too_large"
            await executed(peer, self.agent_id)

    async def test_a_message_longer_than_the_limit_is_refused_or_closed_with_1009(self) -> None:
        async with self.peer() as peer:
            longest = int(limit_of(await peer.hello(), "max_message_bytes"))
            await peer.send(f'{{"type":"execute","request_id":"big","input":"{"x" * longest}"}}')
            assert await self._refusal_of_size(peer) in ("too_large", 1009)
        async with self.opened() as other:
            await executed(other, self.agent_id)

    async def _refusal_of_size(self, peer: Peer) -> str | int:
        try:
            return code_of(await peer.find(lambda one: one["type"] == "error"))
        except TransportClosedByPeer as end:
            code = end.details["close_code"]
            assert isinstance(code, int)
            return code

    async def test_more_unanswered_requests_than_the_limit_are_refused_and_not_lost(self) -> None:
        async with self.peer() as peer:
            most = int(limit_of(await peer.hello(), "max_requests"))
            ids = await peer.say_all("list_executions", [{"limit": 1}] * min(most + 10, 5000))
            answers = [await peer.answer(request_id) for request_id in ids]
        refused = {code_of(one) for one in answers if one["type"] == "error"}
        assert refused <= {"overloaded", "rate_limited"}, refused
