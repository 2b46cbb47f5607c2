"""The suite of v1, which is frozen."""

# ruff: noqa: D102 - the names of the tests are the sentences about them

from __future__ import annotations

import asyncio
import json
import re
from typing import Final
from uuid import uuid4

from ...conversion import dumps, quote
from ...interfaces.transport import V1_SUBPROTOCOL, Frame
from ...protocol.texts import TEXTS
from ...protocol.wording import Texts
from .peer import Peer
from .suite import ServerConformance

_FORMS: Final = (
    '{{"type":"websocket_execution","agent_id":{id}}}',
    '{{"type":"execute","agent_id":{id}}}',
    '{{"type":"execute","data":{{"agent_id":{id}}}}}',
    '{{"type":"execute","agentId":{id}}}',
    '{{"type":"execute","data":{text}}}',
    '{{"type":"execute","agent_id":{id},"of no interest":[1,{{}}]}}',
)
"""The first three are the original's own."""
_REJECTED: Final = (
    ("{", "invalid_json"),
    ("[]", "invalid_json"),
    ("{}", "type_required"),
    ('{"type":5,"agent_id":"a"}', "type_required"),
    ('{"type":"execute"}', "agent_id_required"),
    ('{"type":"execute","agent_id":""}', "agent_id_required"),
    ('{"type":"execute","agent_id":5}', "agent_id_required"),
)
_STARTED: Final = '{"type":"execution_response","data":{"success":true,"message":'
_ENDED: Final = '{"type":"execution_response","data":{"success":'


class V1ServerConformance(ServerConformance):
    """The promises of a server that speaks v1, byte for byte where they are. See `connect`."""

    async def test_every_form_of_a_request_is_started_and_completed(self) -> None:
        held = dumps({"agent_id": self.agent_id})
        async with self.peer() as peer:
            for form in _FORMS:
                frame = form.format(id=quote(self.agent_id), text=quote(held))
                started, ended = await self._say(peer, frame, 2)
                self._is_started(started, self.agent_id)
                self._is_ended(ended, self.agent_id)

    async def test_a_binary_frame_is_read_and_answered_by_text(self) -> None:
        async with self.peer() as peer:
            frame = _FORMS[0].format(id=quote(self.agent_id)).encode()
            for answer in await self._say(peer, frame, 2):
                assert isinstance(answer, str)

    async def test_its_subprotocol_is_chosen(self) -> None:
        async with self.peer([V1_SUBPROTOCOL]) as peer:
            assert peer.transport.handshake.subprotocol == V1_SUBPROTOCOL

    async def test_an_unknown_agent_is_started_and_fails(self) -> None:
        missing = f"conformance-{uuid4()}"
        async with self.peer() as peer:
            frame = _FORMS[0].format(id=quote(missing))
            started, ended = await self._say(peer, frame, 2)
        self._is_started(started, missing)
        data = json.loads(ended)["data"]
        assert (data["success"], data["agent_id"], data["status"]) == (False, missing, "completed")
        assert list(data) == ["success", "error", "agent_id", "status"]

    async def test_what_is_no_request_is_rejected_with_the_promised_text(self) -> None:
        async with self.peer() as peer:
            for frame, reason in _REJECTED:
                (answer,) = await self._say(peer, frame, 1)
                allowed = [_rejection(getattr(texts, reason)) for texts in TEXTS.values()]
                assert answer in allowed, f"{frame} gets {answer}"

    async def test_an_unknown_type_is_repeated_in_its_rejection(self) -> None:
        async with self.peer() as peer:
            (answer,) = await self._say(peer, '{"type":"sing ñ","agent_id":"a"}', 1)
        assert answer in [_rejection(f"{texts.unknown_type}sing ñ") for texts in TEXTS.values()]

    async def test_requests_of_a_connection_are_answered_in_their_order(self) -> None:
        ids = [self.agent_id, f"conformance-{uuid4()}"] * 5
        async with self.peer() as peer:
            await peer.send(*(_FORMS[1].format(id=quote(agent_id)) for agent_id in ids))
            for agent_id in ids:
                self._is_started(await self._next(peer), agent_id)
                self._is_ended(await self._next(peer), agent_id)

    async def test_hello_is_no_message_of_a_connection_that_speaks_v1(self) -> None:
        async with self.peer([V1_SUBPROTOCOL]) as peer:
            (answer,) = await self._say(peer, '{"type":"hello","request_id":"r","versions":[2]}', 1)
        assert answer in [_rejection(f"{texts.unknown_type}hello") for texts in TEXTS.values()]

    async def test_a_connection_that_began_with_v1_stays_with_it(self) -> None:
        async with self.peer() as peer:
            await self._say(peer, "{", 1)
            await self._say(peer, '{"type":"hello","request_id":"r","versions":[2]}', 1)
            started, _ = await self._say(peer, _FORMS[1].format(id=quote(self.agent_id)), 2)
        self._is_started(started, self.agent_id)

    async def test_an_execution_goes_on_when_its_client_leaves(self) -> None:
        async with self.peer() as peer:
            await self._say(peer, _FORMS[1].format(id=quote(self.agent_id)), 1)
        async with self.peer() as other:
            _, ended = await self._say(other, _FORMS[1].format(id=quote(self.agent_id)), 2)
        self._is_ended(ended, self.agent_id)

    # --- helpers

    async def _say(self, peer: Peer, frame: Frame, answers: int) -> list[str]:
        await peer.send(frame)
        return [await self._next(peer) for _ in range(answers)]

    async def _next(self, peer: Peer) -> str:
        async with asyncio.timeout(self.patience):
            await peer.find(lambda _: True)
        frame = peer.frames[-1]
        assert isinstance(frame, str), "replies are text"
        return frame

    def _is_started(self, frame: str, agent_id: str) -> None:
        expected = [_started(texts, agent_id) for texts in TEXTS.values()]
        assert frame in expected, f"{frame} is none of {expected}"

    def _is_ended(self, frame: str, agent_id: str) -> None:
        assert frame.startswith(_ENDED), frame
        data = json.loads(frame)["data"]
        keys = r"success results agent_id execution_count( message)? status"
        expected = keys if data["success"] else "success error agent_id status"
        assert re.fullmatch(expected, " ".join(data)), f"its keys, or their order: {frame}"
        assert (data["agent_id"], data["status"]) == (agent_id, "completed")
        if data["success"]:
            assert data["execution_count"] == len(data["results"])


def _started(texts: Texts, agent_id: str) -> str:
    return f'{_STARTED}{quote(texts.started + agent_id)},"status":"started"}}}}'


def _rejection(text: str) -> str:
    return f'{{"type":"error","data":{{"message":{quote(text)}}}}}'
