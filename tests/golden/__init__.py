"""Transcripts of v1, byte for byte, and the agents they speak of.

A file holds one conversation, one frame a line, in the order in which a client sees it:

    # a comment; `# language: en` chooses the server's language, Spanish is the default
    > a text frame from the client
    >b a binary frame from the client: the UTF-8 of this text
    >x a binary frame from the client: these bytes, in hexadecimal
    < a frame from the server

Several `>` before the first `<` are pipelined. A server under test needs the agents of
`golden_agents()` and the runners of `RUNNERS`, and nothing else: no chain, no contract. The id
`missing` must lead nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from zephyrus_exec.errors import CallReverted, SignerNotConfigured
from zephyrus_exec.interfaces.runner import RunContext, Runner
from zephyrus_exec.model import Agent, Component, Json
from zephyrus_exec.protocol import Language

FOLDER: Final = Path(__file__).parent / "v1"

ODD_ID: Final = 'ñandú "✓" \\ 😀\t\u2028'
"""An agent id with everything that JSON escapes, and some things it does not."""


@frozen
class Sent:
    """The client sends this frame."""

    frame: str | bytes


@frozen
class Expected:
    """The server's next frame is this one."""

    frame: str


@frozen
class Transcript:
    """One conversation."""

    name: str
    language: Language
    lines: tuple[Sent | Expected, ...]


def transcripts() -> list[Transcript]:
    """Return every transcript, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.txt"))]


def _read(path: Path) -> Transcript:
    text = path.read_text(encoding="utf-8")
    language: Language = "en" if "# language: en\n" in text else "es"
    # Not splitlines: U+2028 may stand inside a frame.
    lines = tuple(_line(line) for line in text.split("\n") if line and not line.startswith("#"))
    return Transcript(path.stem, language, lines)


def _line(line: str) -> Sent | Expected:
    mark, _, frame = line.partition(" ")
    match mark:
        case ">":
            return Sent(frame)
        case ">b":
            return Sent(frame.encode())
        case ">x":
            return Sent(bytes.fromhex(frame))
        case "<":
            return Expected(frame)
        case _:
            raise ValueError(f"a line of a transcript begins with {mark!r}")


# --- the agents ----------------------------------------------------------------------------------

ALICE: Final = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


async def noop(context: RunContext) -> None:
    """Do nothing."""


async def two(context: RunContext) -> None:
    """Read a balance, then mint; both succeed."""

    async def balance() -> Json:
        return "1000000000000000000"

    async def mint() -> Json:
        return True

    await context.action("balanceOf", balance, parameters={"account": ALICE})
    await context.action(
        "mint",
        mint,
        parameters={"to": ALICE, "amount": "5", "tags": ["ñ", None, 1.5]},
        message="El saldo es bajo",
        once=True,
    )


async def halfway(context: RunContext) -> None:
    """Approve, then burn, which the contract reverts."""

    async def approve() -> Json:
        return None

    async def burn() -> Json:
        raise CallReverted("burn: paused", function="burn", reason="paused")

    await context.action("approve", approve)
    await context.action("burn", burn)


async def refused(context: RunContext) -> None:
    """Fail before any action."""
    raise SignerNotConfigured("no such signer", signer="treasury")


RUNNERS: Final[Mapping[str, Runner]] = {
    "noop": noop,
    "two": two,
    "halfway": halfway,
    "refused": refused,
}


def golden_agents() -> tuple[Agent, ...]:
    """Return the agents of the transcripts: one per runner, of its name, and one with an odd id."""
    named = tuple(Agent(name, runner=Component(name)) for name in RUNNERS)
    return (*named, Agent(ODD_ID, runner=Component("noop")))
