"""Whatever a contract reverts with, the error is bounded, printable and shown."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.kitchen import kitchen
from zephyrus_exec.evm.abi import selector
from zephyrus_exec.evm.reverts import (
    MAX_DATA_BYTES,
    MAX_REASON_CHARACTERS,
    call_reverted,
)
from zephyrus_exec.interfaces.chain import Call
from zephyrus_exec.model import FunctionType, Json, JsonObject

ERRORS: tuple[JsonObject, ...] = (
    *(one for one in kitchen()["abi"] if one["type"] == "error"),
    {
        "type": "error",
        "name": "Deep",
        "inputs": [{"name": "x", "type": "string[][]"}, {"name": "y", "type": "bytes"}],
    },
)
CALL = Call(1, "0x" + "11" * 20, b"", "f()", FunctionType.READ, {}, {}, errors=ERRORS)
HEADS = [
    selector("Error(string)"),
    selector("Panic(uint256)"),
    selector("OutOfStock(uint256,uint256,address)"),
    selector("BadOrder((uint32,uint256),string)"),
    selector("Deep(string[][],bytes)"),
    b"",
]
WORD = st.one_of(
    st.integers(0, 300),
    st.integers(2**256 - 64, 2**256 - 1),
    st.sampled_from([2**63, 2**64, 2**255, 2**31]),
).map(lambda number: number.to_bytes(32, "big"))
BODIES = st.lists(WORD | st.binary(min_size=32, max_size=32), max_size=12).map(b"".join)


@given(st.sampled_from(HEADS), BODIES | st.binary(max_size=200), st.text(max_size=20))
@example(HEADS[0], (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"), "")
@example(HEADS[0], (2**256 - 1).to_bytes(32, "big"), "")
@example(HEADS[4], (0).to_bytes(32, "big") * 50, "")
def test_any_revert_data_becomes_a_bounded_error(head: bytes, body: bytes, said: str) -> None:
    error = call_reverted(CALL, head + body, said=said)
    reason: Json = error.details["reason"]
    assert isinstance(reason, str)
    assert reason
    assert reason.isprintable()
    assert len(reason) <= MAX_REASON_CHARACTERS
    assert len(str(error.details["data"])) <= 2 + 2 * MAX_DATA_BYTES
