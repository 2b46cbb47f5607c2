"""Real frames, one of each message: from the transcripts, or made by the codec.

Of several, the longest one says the most.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from zephyrus_exec.protocol.v2.codec import encode
from zephyrus_exec.protocol.v2.events import encode_effect_event
from zephyrus_exec.protocol.v2.messages import (
    CLIENT_MESSAGES,
    Auth,
    AuthAck,
    AuthExpiring,
    ClientMessage,
    Credential,
    Execute,
    GoAway,
    Hello,
    Identity,
    Ping,
    Pong,
    ServerMessage,
)
from zephyrus_exec.testing.frames import reply_name

_TRANSCRIPTS: Final = Path(__file__).parents[1] / "tests" / "golden" / "v2"
_REQUESTS: Final = {kind.type: kind.__name__ for kind in CLIENT_MESSAGES}
_IDS: Final = {
    "connection": "01982f5c-7a10-7cc4-9d2a-3f6f0a1b2c3d",
    "epoch": "5d0f2a7e91b34c6886a1f0c2d3e4b596",
    "execution": "01982f5c-8b21-7d35-8e3b-4a7a1b2c3d4e",
    "second": "01982f5c-9c32-7e46-9f4c-5b8b2c3d4e5f",
    "owner": "01982f5c-0a0b-7c0d-8e0f-101112131415",
    "server": "zephyrus_exec",
}
"""What stands for the names in the transcripts."""
_EFFECT: Final = f"{_IDS['execution']}:1:2"
_SOON: Final = 1_700_003_600.0


def examples() -> dict[str, str]:
    """Return a frame of each message, by the name of its class."""
    return {**_transcribed(), **_made()}


def _transcribed() -> dict[str, str]:
    found: dict[str, str] = {}
    for mark, frame in _lines():
        message: dict[str, Any] = json.loads(frame)
        name = reply_name(message, 2) if mark == "<" else _REQUESTS.get(message["type"])
        if name is not None:
            found[name] = max(found.get(name, ""), frame, key=len)
    return found


def _lines() -> Iterator[tuple[str, str]]:
    """Yield what is said, and what is refused, but not what is refused for its form."""
    for path in sorted(_TRANSCRIPTS.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            mark, _, frame = line.partition(" ")
            wrong = mark == ">" and path.stem in ("refused", "bad-hello", "other-version")
            if frame.startswith('{"type":"') and not wrong:
                yield mark, re.sub(r"«(\w+)»", lambda name: _IDS.get(name[1], "0f" * 16), frame)


def _made() -> dict[str, str]:
    principal = Identity("ana", ("execute", "watch"), _SOON + 3600)
    messages: list[ClientMessage | ServerMessage] = [
        Hello("r1", (2,), "my-client/1.0", Credential("bearer", "zx_the-one-i-have")),
        Execute(
            "r2",
            "8191feef-546d-46a8-a26f-b92073882f5c",
            "01982f5c-6a00-7bb3-8c19-2e5f9a0b1c2d",
            _IDS["epoch"],
            {"quantity": 5},
            _SOON,
        ),
        AuthExpiring(_SOON),
        Auth("r7", "bearer", "zx_a-new-one"),
        AuthAck("r7", principal),
        Ping(1_700_000_025.0),
        Pong(1_700_000_025.0),
        GoAway(1.0),
    ]
    made = {type(message).__name__: encode(message) for message in messages}
    mined = {
        "transaction_hash": f"0x{'ab' * 32}",
        "success": True,
        "block_number": 7,
        "block_hash": f"0x{'cd' * 32}",
        "gas_used": 51_000,
    }
    body = json.dumps(mined, separators=(",", ":"))
    return {**made, "EffectEvent": encode_effect_event(_EFFECT, 2, 1_700_000_002.0, "mined", body)}
