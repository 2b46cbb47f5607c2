"""A thousand hostile frames on one connection to a real server process.

Every one is legal by RFC 6455, so every one gets its answer, in its turn. What RFC 6455 forbids
is the matter of `test_rfc6455`.
"""

from __future__ import annotations

import gc
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, seed, settings
from websockets.asyncio.client import ClientConnection, connect

from zephyrus_exec import ExecutionEngine, MemoryRepository, MemoryStore, serve
from zephyrus_exec.protocol import Rejected, parse_request
from zephyrus_exec.testing.strategies import HOSTILE_FRAMES, hostile_frames
from zephyrus_exec.testing.transports import soon

from .peers import execute, failed, nothing_done, started
from .processes import ServerProcess, host, resident_bytes

FRAMES: Final = 1000
PIPELINED: Final = 50
"""How many frames are on their way at once."""
GIVES_BACK: Final = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Makes glibc return large blocks; by default it learns to keep them, which looks like a leak."""
MEBIBYTE: Final = 1 << 20

NO_JSON: Final = "Mensaje JSON no válido"
NO_TYPE: Final = "Se requiere el campo type"
NO_ID: Final = "Se requiere agent_id para la ejecución"
UNKNOWN: Final = "Tipo de mensaje no reconocido: "


@frozen
class Said:
    """A frame, and every reply it must get."""

    frame: str
    replies: tuple[str, ...]


def refused(message: str) -> str:
    """Return the reply that repeats this message, and nothing else."""
    value = {"type": "error", "data": {"message": message}}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def full(before: str, filler: str, after: str) -> str:
    """Return a frame of exactly the largest size."""
    return before + filler * (MEBIBYTE - len(before) - len(after)) + after


LISTED: Final[tuple[tuple[str, str], ...]] = (
    # no JSON, or too much of it
    *(
        (text, NO_JSON)
        for text in (
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "<?xml version='1.0'?><execute/>",
            "{/* a comment */}",
            "// a comment\n{}",
            '{"type":"execute","agent_id":"a"}{"type":"execute","agent_id":"a"}',
            '{"type":"execute","agent_id":"a"}\u2028',
            '{"type":"execute","agent_id":"a"}]',
            '{"type" "execute"}',
            '{"type":execute,"agent_id":"a"}',
            '{type:"execute"}',
            '{"type":"execute","agent_id":"a","x":+1}',
            '{"type":"execute","agent_id":"a","x":01}',
            '{"type":"execute","agent_id":"a","x":0x10}',
            '{"type":"execute","agent_id":"a","x":1.}',
            '{"type":"execute","agent_id":"a","x":.5}',
            '{"type":"execute","agent_id":"a","x":Infinity}',
            '{"type":"execute","agent_id":"a","x":[NaN]}',
            '{"type":"execute","agent_id":"a","x":-1e400}',
            '{"type":"execute","agent_id":"a","x":undefined}',
            '{"type":"execute","agent_id":"a","x":"\\x41"}',
            '{"type":"execute","agent_id":"a","x":"\\u12"}',
            '{"type":"execute","agent_id":"a\x00b"}',
            '{"type":"execute","agent_id":"a\nb"}',
            "\x00",
            "\x00" * 100_000,
            # keys twice, however they are written and wherever
            '{"type":"execute","agent_id":"noop","\\u0061gent_id":"noop"}',
            '{"type":"execute","agent_id":"a","x":[{"y":{"z":1,"z":1}}]}',
            '{"type":"execute","agent_id":"a","":1,"":2}',
            # half of a pair is no character
            '{"type":"execute","agent_id":"\\udfff"}',
            '{"type":"execute","agent_id":"\\udc00\\ud800"}',
            '{"type":"execute","agent_id":"a","\\ud83d":1}',
            '{"type":"execute","agent_id":"a","x":[[{"y":"\\ud83d\\ud83d\\ude00"}]]}',
            # numbers
            '{"type":"execute","agent_id":"a","x":%s}' % ("1" * 5000),
            full('{"type":"execute","agent_id":"a","x":', "7", "}"),
            full('{"type":"execute","agent_id":"a","x":-', "7", "}"),
            '{"type":"execute","agent_id":"a","x":1e%s}' % ("9" * 10_000),
            # depth
            full("", "[", ""),
            full("", "{", ""),
            full('{"type":"execute","agent_id":"a","x":', "[", ""),
            '{"x":' * 200_000,
            "[]" * 500_000,
            "[{}," * 200_000,
            '{"type":"execute","agent_id":"a","x":%s}' % ('{"y":' * 64 + "1" + "}" * 64),
            # size
            full("", " ", ""),
            full('"', "a", '"'),
            full("", '"', ""),
            full("", "\\", ""),
            full('{"type":"execute","agent_id":"a","x":"', "\\", ""),
            "ñ" * (MEBIBYTE // 2),
            "😀" * (MEBIBYTE // 4),
        )
    ),
    # no type
    *(
        (text, NO_TYPE)
        for text in (
            '{"__proto__":{"type":"execute","agent_id":"noop"}}',
            '{"constructor":{"prototype":{"type":"execute"}},"agent_id":"noop"}',
            '{"Type":"execute","agent_id":"noop"}',
            '{"type ":"execute","agent_id":"noop"}',
            '{"ty\\u200bpe":"execute","agent_id":"noop"}',
            '{"":"execute","agent_id":"noop"}',
            '{"type":true,"agent_id":"noop"}',
            '{"type":0,"agent_id":"noop"}',
            '{"type":1e308,"agent_id":"noop"}',
            '{"type":[],"agent_id":"noop"}',
            '{"type":{"$ne":null},"agent_id":"noop"}',
            '{"type":{"toString":"execute"},"agent_id":"noop"}',
            '{"data":{"type":"execute","agent_id":"noop"}}',
            full('{"x":"', "a", '"}'),
            full('{"', "k", '":1}'),
            "{" + ",".join(f'"k{number}":{number}' for number in range(50_000)) + "}",
        )
    ),
    # a type nobody knows, repeated as it is, at most 100 characters of it
    *(
        (json.dumps({"type": kind, "agent_id": "noop"}), UNKNOWN + kind[:100])
        for kind in (
            "\u202eexecute",
            "execute\u0000",
            "\u200fexecute",
            "ехecute",
            "execute\u0301",
            "__proto__",
            "constructor",
            "__class__",
            "{0.__class__}",
            "%s%n%x",
            "${jndi:ldap://localhost/a}",
            "'; DROP TABLE events; --",
            "<script>alert(1)</script>",
            "../../../../etc/passwd\u0000.json",
            "Traceback (most recent call last):",
            "\u001b[2J\u0007\r\n",
            "a" * 99 + "😀" + "b" * 100,
            "x" * 1_000_000,
        )
    ),
    # no id
    *(
        (text, NO_ID)
        for text in (
            json.dumps({"type": "execute", "agent_id": "n" * 257}),
            json.dumps({"type": "execute", "agent_id": "😀" * 257}),
            '{"type":"execute","agent_id":0}',
            '{"type":"execute","agent_id":false,"agentId":"noop"}',
            '{"type":"execute","agent_id":1e308}',
            '{"type":"execute","agent_id":[[["noop"]]]}',
            '{"type":"execute","agent_id":{"toString":"noop"}}',
            '{"type":"execute","agent_id":{"__proto__":"noop"}}',
            '{"type":"execute","__proto__":{"agent_id":"noop"}}',
            '{"type":"execute","AGENT_ID":"noop"}',
            '{"type":"execute","data":true}',
            '{"type":"execute","data":12345678901234567890}',
            '{"type":"execute","data":""}',
            '{"type":"execute","data":"null"}',
            '{"type":"execute","data":"[]"}',
            '{"type":"execute","data":"\\"noop\\""}',
            '{"type":"execute","data":"{\\"agent_id\\":7}"}',
            '{"type":"execute","data":{"agent_id":{"agent_id":"noop"}}}',
            '{"type":"execute","data":{"data":{"agent_id":"noop"}}}',
            '{"type":"execute","data":"{\\"agent_id\\":\\"a\\",\\"agent_id\\":\\"a\\"}"}',
            '{"type":"execute","data":"{\\"agent_id\\":NaN}"}',
            '{"type":"execute","data":"\\u0000"}',
            full('{"type":"execute","data":"', "[", '"}'),
            full('{"type":"execute","data":"', "9", '"}'),
            full('{"type":"execute","agent_id":"', "n", '"}'),
            json.dumps({"type": "execute", "data": '{"a":' * 100_000}),
            json.dumps({"type": "execute", "data": json.dumps(json.dumps({"agent_id": "a"}))}),
        )
    ),
)

NASTY_IDS: Final = (
    "\u0000",
    "noop\u0000",
    "\u202enoop",
    "no\u00adop",
    "NOOP",
    " noop",
    "__proto__",
    "{agent_id}",
    "%(agent_id)s",
    "../../etc/passwd",
    "' OR 1=1 --",
    "a\r\nSet-Cookie: b",
    "\u001b[31m",
    "😀" * 256,
    "\ufeff",
    "a" * 256,
)
"""Legal ids of agents that do not exist."""


DRAWN: Final = 200
"""How many frames are drawn from the strategy; the rest are these, damaged further."""


def drawn(number: int) -> list[str]:
    """Return frames drawn from the strategy; the same ones for the same seed."""
    frames: list[str] = []

    @seed(number)
    @settings(
        max_examples=DRAWN,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile_frames())
    def collect(frame: str) -> None:
        frames.append(frame)

    collect()
    return [frame for frame in frames if len(frame) < 20_000]


def damaged(frames: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Yield hostile frames without end: some of these with pieces lost, doubled or moved."""
    while True:
        text = chance.choice(frames) + chance.choice(("", "", execute("noop")))
        start, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        piece = chance.choice(("", text[start:end] * 2, text[start:end][::-1], chance.choice(CUTS)))
        text = text[:start] + piece + text[end:]
        if isinstance(parse_request(text, "es"), Rejected):
            yield text


CUTS: Final = (
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "\\",
    "\\u",
    "\x00",
    "\u202e",
    "NaN",
    "1e999",
    "null",
)


def hostile(number: int) -> list[Said]:
    """Return the thousand: the listed ones, drawn ones and damaged ones in any order."""
    chance = random.Random(number)
    said = [Said(text, (refused(message),)) for text, message in LISTED]
    others = [*HOSTILE_FRAMES, *drawn(number)]
    others += islice(
        damaged(others[len(HOSTILE_FRAMES) :], chance), FRAMES - len(said) - len(others)
    )
    said += [Said(text, (expected_refusal(text),)) for text in others]
    chance.shuffle(said)
    return said


def expected_refusal(text: str) -> str:
    """Return the reply to a made frame; it holds a text of the protocol and nothing else."""
    rejection = parse_request(text, "es")
    assert isinstance(rejection, Rejected)
    message = rejection.message
    if message not in (NO_JSON, NO_TYPE, NO_ID):
        assert message == UNKNOWN + json.loads(text)["type"][:100]
    return refused(message)


def valid(number: int) -> Said:
    """Return a request that is well-formed, now and then for an agent there is."""
    if number % 2:
        return Said(execute("noop"), (started("noop"), nothing_done("noop")))
    agent_id = NASTY_IDS[number // 2 % len(NASTY_IDS)]
    quoted = json.dumps(agent_id, ensure_ascii=False)[1:-1]
    shown = "".join(c if c.isprintable() else " " for c in agent_id)
    return Said(
        json.dumps({"type": "execute", "agent_id": agent_id}),
        (started(quoted), failed_quoted(quoted, shown)),
    )


def failed_quoted(agent_id: str, shown: str) -> str:
    """Return the failed reply for an id that is quoted already."""
    error = json.dumps(f"Agente no encontrado: {shown}", ensure_ascii=False)[1:-1]
    return failed(agent_id, error)


def conversation(number: int) -> list[Said]:
    """Return the hostile frames with a valid request behind every tenth."""
    said: list[Said] = []
    for index, one in enumerate(hostile(number)):
        said.append(one)
        if index % 10 == 9:
            said.append(valid(index // 10))
    return said


async def play(client: ClientConnection, said: Sequence[Said]) -> int:
    """Say everything, many frames at once, and compare every reply; return how many came."""
    count = 0
    for start in range(0, len(said), PIPELINED):
        part = said[start : start + PIPELINED]
        for one in part:
            await client.send(one.frame)
        for one in part:
            for expected in one.replies:
                reply = await soon(client.recv())
                assert reply == expected, one.frame[:200]
                count += 1
    return count


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    store: Path = tmp_path_factory.mktemp("hostile") / "journal.db"
    async with host(store) as running:
        yield running


@pytest.fixture(scope="module")
def said() -> list[Said]:
    """The conversation, of another seed in each run."""
    number = random.randrange(1 << 32)
    print(f"seed of the hostile frames: {number}")
    return conversation(number)


def test_there_are_a_thousand_hostile_frames_and_all_of_them_are_legal(said: list[Said]) -> None:
    frames = [one.frame for one in said if len(one.replies) == 1]
    assert len(frames) == FRAMES
    assert len(set(frames)) > FRAMES // 2
    assert max(len(frame.encode()) for frame in frames) == MEBIBYTE
    assert all(isinstance(parse_request(frame, "es"), Rejected) for frame in frames)


@pytest.mark.asyncio(loop_scope="module")
async def test_each_of_a_thousand_hostile_frames_gets_its_answer_in_order(
    server: ServerProcess, said: list[Said]
) -> None:
    async with connect(server.url) as client:
        assert await play(client, said) == sum(len(one.replies) for one in said)
        await soon(await client.ping())
    async with connect(server.url) as another:
        await another.send(execute("noop"))
        assert [await soon(another.recv()) for _ in range(2)] == [
            started("noop"),
            nothing_done("noop"),
        ]
    assert server.process.returncode is None
    assert server.stderr == [f"{server.url}\n"]


@pytest.mark.slow
async def test_nothing_of_a_hostile_frame_is_kept(said: list[Said]) -> None:
    """Exact, since Python itself counts: 3,000 more frames leave no more objects behind.

    The tolerance is what an interpreter keeps for itself; one object a frame would be 3,000.
    """
    hostile = [one for one in said if len(one.replies) == 1]
    nobody = MemoryRepository()
    engine = ExecutionEngine(agents=nobody, contracts=nobody, store=MemoryStore())
    async with (
        serve(engine, host="127.0.0.1", port=0) as service,
        connect(service.addresses[0]) as client,
    ):
        await play(client, hostile)
        before = objects()
        for _ in range(3):
            await play(client, hostile)
        kept = objects() - before
    print(f"3,000 frames left {kept:+} memory blocks")
    assert kept <= 300


def objects() -> int:
    """Return how many blocks of memory Python objects hold once the garbage is gone."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
async def test_memory_stays_flat_under_hostile_frames(said: list[Said], tmp_path: Path) -> None:
    """A real server holds as much after 8,000 of them as after 5,000.

    How much goes up and down by some of the largest frames from one round to the next, so the
    least of three rounds is compared; the tolerance is four of the largest frames.
    """
    hostile = [one for one in said if len(one.replies) == 1]
    held = []
    async with (
        host(tmp_path / "journal.db", env=GIVES_BACK) as server,
        connect(server.url) as client,
    ):
        for _ in range(8):
            await play(client, hostile)
            held.append(resident_bytes(server.process.pid))
    print("after each 1,000 frames, KiB:", *(size >> 10 for size in held))
    assert min(held[5:]) - min(held[2:5]) <= 4 * MEBIBYTE
