"""What is put together from text is what would be written of the message; what begins v2."""

from __future__ import annotations

import pytest

from zephyrus_exec.interfaces.store import NewEvent
from zephyrus_exec.protocol.v2.codec import encode
from zephyrus_exec.protocol.v2.events import encode_effect_event, encode_execution_events
from zephyrus_exec.protocol.v2.hello import is_hello
from zephyrus_exec.protocol.v2.messages import EffectEvent, ExecutionEvent


def test_the_frame_of_an_events_text_is_that_of_the_message() -> None:
    events = [NewEvent(n / 2, "progress", f'{{"n":{n}}}') for n in range(3)]
    assert encode_execution_events('x"ñ', 7, events) == [
        encode(ExecutionEvent('x"ñ', 7 + n, n / 2, "progress", {"n": n})) for n in range(3)
    ]
    written = encode_effect_event('x"ñ', 3, 1.5, "mined", '{"n":1}')
    assert written == encode(EffectEvent('x"ñ', 3, 1.5, "mined", {"n": 1}))


@pytest.mark.parametrize(
    ("frame", "begins"),
    [
        ('{"type":"hello"}', True),
        (b'{"type":"hello","versions":"wrong"}', True),
        ('{"type":"execute","agent_id":"hello"}', False),
        ('{"type":"hello"', False),
        ('{"type":"hello","x":"' + "x" * 200 + '"}', False),
        ("[[[hello", False),
        ('{"type":"execute"}', False),
    ],
)
def test_only_a_hello_that_can_be_read_begins_v2(frame: str | bytes, *, begins: bool) -> None:
    assert is_hello(frame, max_bytes=200) is begins
