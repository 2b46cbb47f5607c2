"""The transcripts hold for the protocol alone, with runners played by a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.golden import RUNNERS, Expected, Sent, Transcript, golden_agents, transcripts
from zephyrus_exec.errors import AgentNotFound, ZephyrusError
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import ANONYMOUS, Action, ActionResult, Agent, Json, JsonObject
from zephyrus_exec.protocol import (
    ExecuteRequest,
    V1Connection,
    render_error,
    render_failure,
    result_item,
)


class Script(RunContext):
    """Notes actions as the engine does, without a journal."""

    execution_id = "1"
    contract = None
    principal = ANONYMOUS
    input = None
    deadline = None
    cancelled = False
    history: tuple[ActionResult, ...] = ()

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    async def action(
        self,
        name: str,
        perform: Callable[[], Awaitable[Json]],
        *,
        parameters: JsonObject | None = None,
        message: str = "",
        once: bool = False,
    ) -> Json:
        try:
            value = await perform()
        except ZephyrusError as error:
            told: JsonObject = {"code": error.code, "details": error.details}
            failed = ActionResult(name, parameters or {}, None, False, message=message, error=told)
            self.history += (failed,)
            raise
        self.history += (ActionResult(name, parameters or {}, value, True, message=message),)
        return value

    async def invoke(self, action: Action) -> ActionResult:
        raise NotImplementedError

    async def decide(self, ask: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        raise NotImplementedError

    async def emit(self, data: JsonObject) -> None:
        raise NotImplementedError


async def answer(connection: V1Connection) -> list[str]:
    """Answer everything that is unanswered, as a session does."""
    frames: list[str] = []
    while (request := connection.current) is not None:
        if isinstance(request, ExecuteRequest):
            frames += [connection.started(), await execute(connection, request.agent_id)]
        else:
            frames.append(connection.rejected())
    return frames


async def execute(connection: V1Connection, agent_id: str) -> str:
    agents = {agent.id: agent for agent in golden_agents()}
    language = connection.language
    if agent_id not in agents:
        return connection.failed(render_error(AgentNotFound("", agent_id=agent_id), language))
    agent = agents[agent_id]
    assert agent.runner is not None
    context = Script(agent)
    try:
        await RUNNERS[agent.runner.name](context)
    except ZephyrusError as error:
        return connection.failed(render_failure(error, context.history, None, language))
    return connection.completed([result_item(result, language) for result in context.history])


@pytest.mark.parametrize("transcript", transcripts(), ids=lambda transcript: transcript.name)
def test_a_transcript_holds_byte_for_byte(transcript: Transcript) -> None:
    connection = V1Connection(language=transcript.language)
    frames: list[str] = []
    for line in transcript.lines:
        if isinstance(line, Sent):
            assert not frames, "the server said more than the transcript"
            connection.receive(line.frame)
        else:
            frames = frames or asyncio.run(answer(connection))
            assert frames.pop(0) == line.frame
    assert not frames
    assert connection.pending == 0


def test_there_are_transcripts_of_every_reply() -> None:
    told = "".join(
        line.frame for each in transcripts() for line in each.lines if isinstance(line, Expected)
    )
    for fragment in (
        '"status":"started"',
        '"results":[{',
        '"results":[],',
        '"success":false,"error":',
        '"type":"error"',
    ):
        assert fragment in told


def test_a_line_with_an_unknown_mark_is_refused() -> None:
    from tests.golden import _line

    with pytest.raises(ValueError, match="begins with"):
        _line("? frame")
