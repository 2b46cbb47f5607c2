"""Watching, coming back, and asking for the end."""

# ruff: noqa: D102 - the names of the tests are the sentences about them

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from ...interfaces.transport import Frame
from ...model import JsonObject
from .peer import Peer
from .v2_executing import executed, id_of
from .v2_opening import V2Suite, code_of


class WatchingConformance(V2Suite):
    """`subscribe`, `unsubscribe`, `get_execution`, `list_executions` and `cancel`."""

    async def test_from_behind_every_event_the_same_bytes_follow_on_a_new_connection(self) -> None:
        async with self.opened() as peer:
            execution_id = id_of((await executed(peer, self.agent_id))[0])
        frames = peer.events(execution_id)
        for from_seq in range(len(frames) + 1):
            async with self.opened() as other:
                answer = await self._subscribe(other, execution_id, from_seq)
                assert answer["head_seq"] == len(frames)
                assert answer["terminal"] is True
                if from_seq < len(frames):
                    await other.terminal(execution_id)
                other.finish()
            assert other.events(execution_id) == frames[from_seq:], f"from {from_seq}"

    async def test_everybody_gets_the_same_bytes_while_it_runs(self) -> None:
        async with self.opened() as peer, self.opened() as one, self.opened() as other:
            started = await peer.ask("execute", agent_id=self.slow_agent_id or self.agent_id)
            execution_id = id_of(started)
            seen: list[list[Frame]] = []
            for watcher in (one, other):
                await self._subscribe(watcher, execution_id, 0)
            for watcher in (peer, one, other):
                await watcher.terminal(execution_id)
                seen.append(watcher.events(execution_id))
        assert seen[0] == seen[1] == seen[2]

    async def test_a_watcher_that_leaves_in_the_middle_misses_nothing(self) -> None:
        agent_id = self.slow_agent()
        async with self.opened() as peer:
            started = await peer.ask("execute", agent_id=agent_id)
            execution_id = id_of(started)
            seen: list[Frame] = []
            await peer.find(lambda one: one["type"] == "execution_event")
            seen += peer.events(execution_id)
        for _ in range(50):
            async with self.opened() as peer:
                answer = await self._subscribe(peer, execution_id, len(seen))
                if answer["terminal"] and answer["head_seq"] == len(seen):
                    break
                await peer.find(lambda one: one.get("execution_id") == execution_id)
                seen += peer.events(execution_id)
        async with self.opened() as peer:
            await self._subscribe(peer, execution_id, 0)
            await peer.terminal(execution_id)
            whole = peer.events(execution_id)
        assert seen == whole[: len(seen)]

    async def test_to_subscribe_again_moves_the_cursor(self) -> None:
        async with self.opened() as peer:
            started, terminal = await executed(peer, self.agent_id)
            execution_id, before = id_of(started), len(peer.events(id_of(started)))
            await self._subscribe(peer, execution_id, before - 1)
            assert await peer.terminal(execution_id) == terminal
        assert len(peer.events(execution_id)) == before + 1

    async def test_beyond_the_last_event_is_execution_lost(self) -> None:
        async with self.opened() as peer:
            started, terminal = await executed(peer, self.agent_id)
            seq = terminal["seq"]
            assert isinstance(seq, int)
            answer = await peer.ask("subscribe", execution_id=id_of(started), from_seq=seq + 1)
            assert code_of(answer) == "execution_lost"

    async def test_an_execution_that_does_not_exist_is_not_found(self) -> None:
        async with self.opened() as peer:
            for kind in ("subscribe", "get_execution", "cancel"):
                answer = await peer.ask(kind, execution_id=str(uuid4()))
                assert code_of(answer) == "execution_not_found", f"{kind} gets {answer}"

    async def test_an_effect_that_does_not_exist_is_an_error(self) -> None:
        async with self.opened() as peer:
            answer = await peer.ask("subscribe", effect_key=str(uuid4()))
            assert answer["type"] == "error"

    async def test_after_unsubscribed_no_event_of_it_follows(self) -> None:
        agent_id = self.slow_agent()
        async with self.opened() as peer, self.opened() as other:
            execution_id = id_of(await peer.ask("execute", agent_id=agent_id))
            await peer.ask_for("unsubscribed", "unsubscribe", execution_id=execution_id)
            before = len(peer.events(execution_id))
            await self._subscribe(other, execution_id, 0)
            await other.terminal(execution_id)
            await peer.ask_for("executions", "list_executions", limit=1)
        assert len(peer.events(execution_id)) == before

    # --- asking

    async def test_an_execution_that_ended_stands_as_its_terminal_frame_says(self) -> None:
        async with self.opened() as peer:
            started, terminal = await executed(peer, self.agent_id)
            execution = await self._stands(peer, id_of(started))
        data: Any = terminal["data"]
        assert execution["execution_id"] == id_of(started)
        assert execution["agent_id"] == self.agent_id
        assert execution["status"] == "completed"
        assert execution["outcome"] == data["outcome"]
        assert execution["head_seq"] == terminal["seq"]
        assert execution["created_at"] <= terminal["at"] <= execution["ended_at"]

    async def test_executions_are_listed_newest_first_page_by_page(self) -> None:
        async with self.opened() as peer:
            ids = [id_of((await executed(peer, self.agent_id))[0]) for _ in range(3)]
            listed = [one async for one in _pages(peer, self.agent_id, 2)]
        found = [one["execution_id"] for one in listed if one["execution_id"] in ids]
        assert found == ids[::-1]

    async def test_executions_of_another_agent_are_left_out_where_one_is_named(self) -> None:
        async with self.opened() as peer:
            await executed(peer, self.agent_id)
            answer = await peer.ask_for(
                "executions", "list_executions", agent_id=f"conformance-{uuid4()}"
            )
        assert answer["executions"] == []

    # --- cancelling

    async def test_what_has_ended_is_already_terminal(self) -> None:
        async with self.opened() as peer:
            started, terminal = await executed(peer, self.agent_id)
            answer = await peer.ask_for("cancel_ack", "cancel", execution_id=id_of(started))
            assert answer["disposition"] == "already_terminal"
            await self._subscribe(peer, id_of(started), 0)
            assert await peer.terminal(id_of(started)) == terminal

    async def test_a_cancel_is_told_and_the_end_says_what_came_of_it(self) -> None:
        agent_id = self.slow_agent()
        async with self.opened() as peer:
            execution_id = id_of(await peer.ask("execute", agent_id=agent_id))
            answer = await peer.ask_for(
                "cancel_ack", "cancel", execution_id=execution_id, reason="conformance"
            )
            assert answer["disposition"] == "requested", answer
            data: Any = (await peer.terminal(execution_id))["data"]
            report = await self._stands(peer, execution_id)
        told = [one for one in peer.messages if one.get("event") == "cancel_requested"]
        assert len(told) == 1
        assert report["outcome"] == data["outcome"]
        if data["outcome"] == "cancelled":
            assert data["success"] is False
            assert data["error_info"]["code"] == "cancelled"

    # --- helpers

    async def _subscribe(self, peer: Peer, execution_id: str, from_seq: int) -> JsonObject:
        return await peer.ask_for(
            "subscribed", "subscribe", execution_id=execution_id, from_seq=from_seq
        )

    async def _stands(self, peer: Peer, execution_id: str) -> dict[str, Any]:
        answer = await peer.ask_for("execution", "get_execution", execution_id=execution_id)
        execution: dict[str, Any] = answer["execution"]
        return execution


async def _pages(peer: Peer, agent_id: str, size: int) -> AsyncIterator[dict[str, Any]]:
    before: str | None = None
    for _ in range(20):
        answer = await peer.ask_for(
            "executions", "list_executions", agent_id=agent_id, limit=size, before=before
        )
        assert len(answer["executions"]) <= size
        for execution in answer["executions"]:
            yield execution
        before = answer["next"]
        if before is None:
            return
