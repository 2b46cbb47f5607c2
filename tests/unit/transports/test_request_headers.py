"""What a client sends beside its request."""

from __future__ import annotations

import pytest

from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.transports.websocket import connect_websocket


@pytest.mark.parametrize("value", ["zx_sec\nret", "zx_sec\rret", "zx_secretñ"])
async def test_a_header_that_cannot_be_sent_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(ConfigurationError, match="header Authorization cannot be sent") as caught:
        await connect_websocket("ws://127.0.0.1:1", headers={"Authorization": value})
    assert "zx_" not in str(caught.value)
