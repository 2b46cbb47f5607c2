"""What others wrote, on a terminal."""

from __future__ import annotations

import pytest

from zephyrus_exec.cli.execute import print_reply
from zephyrus_exec.model import JsonObject
from zephyrus_exec.protocol.messages import Completed, Failed, Rejected, Reply

STEERING = "a\x1b]0;title\x07\x1b[2J\u202eb"
ITEM: JsonObject = {"function_name": STEERING, "result": STEERING, "success": True}


@pytest.mark.parametrize(
    "reply",
    [
        Failed(STEERING, STEERING),
        Rejected(STEERING),
        Completed(STEERING),
        Completed(STEERING, ({**ITEM, "transaction_hash": STEERING},)),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_a_server_cannot_steer_the_terminal(
    reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    print_reply(reply)
    shown = "".join(capsys.readouterr())
    assert "]0;title" in shown
    assert [c for c in shown if not c.isprintable() and c != "\n"] == []
