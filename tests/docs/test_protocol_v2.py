"""The reference of v2 says everything that the code does, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zephyrus_exec.protocol.v2.codec import encode, read_reply, read_request
from zephyrus_exec.protocol.v2.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from zephyrus_exec.protocol.v2.server import CloseCode

from .markdown import DOCS, blocks

PAGES = (DOCS / "protocol-v2.md", DOCS / "es" / "protocol-v2.md")
_CLIENT = {kind.type for kind in CLIENT_MESSAGES}
FRAMES = [
    pytest.param(block.text.removesuffix("\n"), id=block.id) for block in blocks(PAGES[0], "json")
]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_close_code_is_explained(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    codes = [code for name, code in vars(CloseCode).items() if not name.startswith("_")]
    assert len(codes) == 8
    assert all(f"\n| {code} |" in text for code in codes)


def test_every_message_has_its_frame() -> None:
    assert len(FRAMES) == len(CLIENT_MESSAGES) + len(SERVER_MESSAGES)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_of_the_reference_is_ours_byte_for_byte(frame: str) -> None:
    message = json.loads(frame)
    read = read_request if message["type"] in _CLIENT else read_reply
    assert encode(read(message)) == frame
