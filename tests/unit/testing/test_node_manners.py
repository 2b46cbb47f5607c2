"""How a lagging node answers, method by method."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from zephyrus_exec.model import Json, JsonObject
from zephyrus_exec.testing.node_manners import Lag


async def node(method: str, params: Sequence[Json]) -> JsonObject:
    """Answer as a node at block 10 whose block 4 is final, and say what was asked."""
    if method == "eth_blockNumber":
        return {"result": "0xa"}
    if method == "eth_getBlockByNumber" and params[0] == "finalized":
        return {"result": {"number": "0x4"}}
    if method == "eth_getTransactionReceipt":
        return {"result": None if params[0] is None else {"blockNumber": params[0]}}
    return {"result": [method, *params]}


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("eth_blockNumber", [], "0x7"),
        ("eth_getBlockByNumber", ["latest", False], ["eth_getBlockByNumber", "0x7", False]),
        ("eth_getBlockByNumber", ["0x7", True], ["eth_getBlockByNumber", "0x7", True]),
        ("eth_getBlockByNumber", ["0x8", True], None),
        ("eth_getBalance", ["0x1", "pending"], ["eth_getBalance", "0x1", "0x7"]),
        ("eth_call", [{}, "0x2"], ["eth_call", {}, "0x2"]),
        ("eth_call", [{}], ["eth_call", {}]),
        ("eth_getStorageAt", ["0x1", "0x0", "latest"], ["eth_getStorageAt", "0x1", "0x0", "0x7"]),
        ("eth_chainId", [], ["eth_chainId"]),
        ("eth_getTransactionReceipt", ["0x7"], {"blockNumber": "0x7"}),
        ("eth_getTransactionReceipt", ["0x8"], None),
        ("eth_getTransactionReceipt", [None], None),
    ],
)
async def test_a_node_three_blocks_behind_answers_as_it_would_have_then(
    method: str, params: list[Json], expected: Json
) -> None:
    assert await Lag(3).ask(node, method, params) == {"result": expected}


@pytest.mark.parametrize(("blocks", "number"), [(3, "0x4"), (8, "0x2"), (20, "0x0")])
async def test_what_is_final_is_never_above_the_head(blocks: int, number: str) -> None:
    reply = await Lag(blocks).ask(node, "eth_getCode", ["0x1", "finalized"])
    assert reply == {"result": ["eth_getCode", "0x1", number]}


async def test_state_of_a_block_it_has_not_yet_is_an_error() -> None:
    reply = await Lag(3).ask(node, "eth_getBalance", ["0x1", "0x8"])
    assert reply == {"error": {"code": -32000, "message": "header not found"}}
