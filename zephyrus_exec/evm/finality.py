"""When a block counts as final: by the node's word, by its depth, or at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal, TypeAlias

from ..errors import ConfigurationError
from ..interfaces.chain import Block
from ..model import Json
from . import replies
from .node import EvmNode
from .rpc import NodeFailed, NodeState, RpcError

Finality: TypeAlias = int | Literal["auto", "finalized", "safe", "instant"]
"""`finalized`, `safe`: the tag of that name; a number: so many blocks below the head;
`instant`: the head; `auto`: the tag `finalized`, and for nodes that do not know it 64 blocks
below the head."""

WORDS: Final = ("auto", "finalized", "safe", "instant")
DEFAULT_DEPTH: Final = 64
"""Blocks below the head where nothing else is known: two epochs of Ethereum."""


def check_finality(value: Finality) -> None:
    """Return if the value is one.

    Raises:
        ConfigurationError: It is not.
    """
    if value in WORDS or (type(value) is int and value >= 0):
        return
    raise ConfigurationError(
        f"finality {value!r} is unknown; write {', '.join(WORDS)}, or a number of blocks"
    )


class FinalBlocks:
    """Tells the newest final block of one node.

    Args:
        node: Whom to ask.
        rule: What counts as final.
    """

    def __init__(self, node: EvmNode, rule: Finality) -> None:
        self._node = node
        self._rule = rule
        self._has_tag = False

    async def newest(self) -> Block:
        """Return the newest final block.

        Raises:
            NodeFailed: The node does not tell, or not any more.
        """
        match self._rule:
            case "instant":
                return await self._node.head()
            case "auto":
                return await self._tagged_or_deep()
            case int(depth):
                return await self._below_head(depth)
            case tag:
                return _known(await self._node.ask("eth_getBlockByNumber", tag, False), tag)

    async def _below_head(self, depth: int) -> Block:
        head = await self._node.latest(None)
        return await self._node.standing(max(0, head - depth))

    async def _tagged_or_deep(self) -> Block:
        """Return the tagged block; where it was there once, nothing weaker takes its place."""
        reply: Json = None
        with suppress(RpcError):
            reply = await self._node.request("eth_getBlockByNumber", ["finalized", False])
        if reply is None and not self._has_tag:
            return await self._below_head(DEFAULT_DEPTH)
        self._has_tag = True
        return _known(reply, "finalized")


def _known(reply: Json, tag: str) -> Block:
    if reply is None:
        raise NodeFailed(NodeState.REFUSING, f"does not tell which block is {tag}")
    return replies.header(reply)
