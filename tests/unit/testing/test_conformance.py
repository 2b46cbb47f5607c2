"""The suites find what is wrong with a server, and the command says so."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias
from unittest import SkipTest

import pytest

from tests.integration.peers import engine_of, noop
from tests.integration.processes import server
from zephyrus_exec import MemoryStore, Service, serve
from zephyrus_exec.access import Anonymous, TokenAuthenticator, new_token
from zephyrus_exec.demo import IDLE_AGENT, PATIENT_AGENT
from zephyrus_exec.interfaces.transport import Frame, Transport, select_subprotocol
from zephyrus_exec.testing.conformance import V1ServerConformance, V2ServerConformance
from zephyrus_exec.testing.conformance.__main__ import main
from zephyrus_exec.testing.frame_checker import FrameChecker
from zephyrus_exec.transports.memory import MemoryListener

Change: TypeAlias = Callable[[dict[str, Any]], list[dict[str, Any]]]


class Liar(FrameChecker):
    """The client's end of a channel to a server whose frames are changed on their way."""

    def __init__(self, transport: Transport, change: Change) -> None:
        super().__init__(transport, side="client", on_violation=lambda _: None)
        self._change = change

    async def receive(self) -> Sequence[Frame]:
        frames: list[Frame] = []
        while not frames:
            for frame in await super().receive():
                frames += [
                    json.dumps(told, ensure_ascii=False, separators=(",", ":"))
                    for told in self._change(json.loads(frame))
                ]
        return frames


class Lying:
    """Makes a suite talk to a liar."""

    agent_id = "idle"
    patience = 0.5

    def __init__(self, listener: MemoryListener, change: Change) -> None:
        self._listener = listener
        self._change = change

    def connect(self, subprotocols: Sequence[str] = ()) -> AbstractAsyncContextManager[Transport]:
        return self._connected(subprotocols)

    @asynccontextmanager
    async def _connected(self, subprotocols: Sequence[str]) -> AsyncIterator[Transport]:
        transport = await self._listener.connect(subprotocols=subprotocols)
        yield Liar(transport, self._change)
        await transport.aclose()


class LyingV2(Lying, V2ServerConformance):
    pass


class LyingV1(Lying, V1ServerConformance):
    pass


@pytest.fixture
async def listener() -> AsyncIterator[MemoryListener]:
    listener = MemoryListener(select_subprotocol=select_subprotocol)
    async with engine_of({"idle": noop}, store=MemoryStore()) as engine:
        service = Service(engine)
        await service.listen(listener)
        yield listener
        await service.aclose()


def without(seq: int) -> Change:
    return lambda told: [] if told.get("event") and told["seq"] == seq else [told]


def twice(told: dict[str, Any]) -> list[dict[str, Any]]:
    last = told.get("data", {}).get("status") == "completed"
    return [told, {**told, "seq": told["seq"] + 1}] if last else [told]


def with_member(kind: str, **members: Any) -> Change:
    def change(told: dict[str, Any]) -> list[dict[str, Any]]:
        if told["type"] != kind:
            return [told]
        return [{**told, **members}]

    return change


def fresh(told: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer to a known key claims to be the first one."""
    data = told.get("data", {})
    return [{**told, "data": {**data, "replayed": False}} if "replayed" in data else told]


def silent(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Refusals are swallowed."""
    return [] if told["type"] == "error" else [told]


LIES: dict[str, tuple[Change, str]] = {
    "an event is left out": (
        without(2),
        "test_an_execution_is_told_from_its_acceptance_to_its_one_end",
    ),
    "there are two ends": (
        twice,
        "test_the_same_key_again_is_the_same_execution_from_its_beginning",
    ),
    "a frame lacks a field": (
        with_member("hello_ack", server=None),
        "test_the_subprotocol_of_v2_is_chosen_and_hello_is_answered",
    ),
    "an answer is not to what was asked": (
        with_member("subscribed", request_id="other"),
        "test_to_subscribe_again_moves_the_cursor",
    ),
    "an end is denied": (
        with_member("subscribed", terminal=False),
        "test_from_behind_every_event_the_same_bytes_follow_on_a_new_connection",
    ),
    "a known key is told as new": (
        fresh,
        "test_the_same_key_at_once_on_two_connections_is_one_execution",
    ),
    "a refusal is swallowed": (silent, "test_an_unknown_key_is_refused_in_every_request"),
    "a cancel is promised": (
        with_member("cancel_ack", disposition="requested"),
        "test_what_has_ended_is_already_terminal",
    ),
    "nothing is listed": (
        with_member("executions", executions=[]),
        "test_executions_are_listed_newest_first_page_by_page",
    ),
}


@pytest.mark.parametrize(("change", "name"), LIES.values(), ids=list(LIES))
async def test_a_lie_is_found(listener: MemoryListener, change: Change, name: str) -> None:
    await getattr(LyingV2(listener, lambda told: [told]), name)()
    with pytest.raises((AssertionError, TimeoutError)):
        await getattr(LyingV2(listener, change), name)()


def reordered(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**told, "data": dict(reversed(told["data"].items()))}]


@pytest.mark.parametrize(
    "name",
    [
        "test_every_form_of_a_request_is_started_and_completed",
        "test_an_unknown_agent_is_started_and_fails",
    ],
)
async def test_keys_of_v1_in_another_order_are_found(listener: MemoryListener, name: str) -> None:
    await getattr(LyingV1(listener, lambda told: [told]), name)()
    with pytest.raises(AssertionError):
        await getattr(LyingV1(listener, reordered), name)()


async def test_what_needs_a_slow_agent_is_skipped_without_one(listener: MemoryListener) -> None:
    suite = LyingV2(listener, lambda told: [told])
    with pytest.raises(SkipTest, match="no slow agent"):
        await suite.test_after_unsubscribed_no_event_of_it_follows()
    with pytest.raises(SkipTest, match="takes 10 s"):
        await suite.test_a_peer_that_never_says_hello_is_closed_with_4408()


# --- the command ---------------------------------------------------------------------------------


async def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the command in a process of its own; return its exit code and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "zephyrus_exec.testing.conformance", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_the_command_prints_a_line_for_each_test_and_succeeds() -> None:
    async with serve(engine_of({"idle": noop}), host="127.0.0.1", port=0) as service:
        code, out, errors = await run(service.addresses[0], "--agent", "idle", "--v1")
    *lines, summary = out.splitlines()
    assert (code, errors) == (0, "")
    assert all(line.startswith("ok       v1  ") for line in lines)
    assert summary == f"{len(lines)} ok, 0 failed, 0 skipped"


async def test_the_command_says_what_failed_and_why() -> None:
    async with serve(engine_of({"idle": noop}), host="127.0.0.1", port=0) as service:
        code, out, _ = await run(service.addresses[0], "--agent", "missing", "--json")
    results = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert {one["suite"] for one in results} == {"v1", "v2"}
    assert {one["status"] for one in results} == {"ok", "failed", "skipped"}
    failed = [one["reason"] for one in results if one["status"] == "failed"]
    assert any("agent_not_found" in reason for reason in failed)
    assert all(failed)


async def test_the_command_shows_a_token_and_never_prints_it() -> None:
    right, wrong = new_token(), new_token()
    engine = engine_of({"idle": noop})
    access = TokenAuthenticator(engine.clock, operator_token=right, anonymous=Anonymous.NOBODY)
    async with serve(engine, host="127.0.0.1", port=0, authenticator=access) as service:
        where = (service.addresses[0], "--agent", "idle", "--v1", "--token-env", "ZX_TOKEN")
        done = [await run(*where, ZX_TOKEN=token) for token in (right, wrong)]
    assert [code for code, _, _ in done] == [0, 2]
    assert not any(token in out + errors for _, out, errors in done for token in (right, wrong))


@pytest.mark.slow
async def test_the_demo_keeps_every_promise() -> None:
    demo = ("-m", "zephyrus_exec", "serve", "--demo", "--host", "127.0.0.1", "--port", "0")
    token = new_token()
    async with server(*demo, env={**os.environ, "ZEPHYRUS_OPERATOR_TOKEN": token}) as running:
        code, out, errors = await run(
            *(running.url, "--agent", IDLE_AGENT, "--agent-slow", PATIENT_AGENT),
            *("--token-env", "ZX_TOKEN", "--json"),
            ZX_TOKEN=token,
        )
    results = [json.loads(line) for line in out.splitlines()]
    assert (code, errors) == (0, ""), [one for one in results if one["status"] == "failed"]
    skipped = [one["reason"] for one in results if one["status"] == "skipped"]
    assert len(results) > 60
    assert all("where it is asked for only" in reason for reason in skipped)


def test_where_there_is_no_server_the_exit_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ws://127.0.0.1:1", "--agent", "idle"]) == 2
    assert capsys.readouterr().err.startswith("ws://127.0.0.1:1: ")


def test_without_what_understands_schemas_the_install_line_is_told_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    assert main(["ws://127.0.0.1:1", "--agent", "idle"]) == 2
    assert "pip install 'zephyrus-exec[conformance]'" in capsys.readouterr().err


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SystemExit, match="no ZX_NOT_SET"):
        main(["ws://127.0.0.1:1", "--agent", "idle", "--token-env", "ZX_NOT_SET"])
