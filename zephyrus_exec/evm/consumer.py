"""Who used a nonce: the transaction of (sender, nonce) in a range of blocks, at one endpoint.

A node that keeps the account's history is asked for it in halves, which takes a few requests; one
that has forgotten it is asked for every block of the range. An account's nonce may also grow
without a transaction of its own (EIP-7702), so nothing is said to be absent before every block
was read, unless the history shows that the nonce was not used in the range at all.
"""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

from attrs import frozen

from ..errors import ChainUnavailable
from .node import EvmNode
from .rpc import NodeFailed, NodeState

MAX_BLOCKS: Final = 500
"""Most whole blocks read in one call; the next call with the same question goes on from there."""
_AT_ONCE: Final = 8
_MAX_KEPT: Final = 64


@frozen
class Question:
    """Which transaction of which account, in which blocks."""

    chain_id: int
    sender: str
    nonce: int
    after: int
    """Blocks above this number; -1: from the first."""
    upto: int
    """Blocks up to this number, itself included."""

    def fits(self, sender: str, nonce: int) -> bool:
        """Return whether a transaction of this account with this nonce is the one."""
        return (sender, nonce) == (self.sender.lower(), self.nonce)


_Progress: TypeAlias = tuple[str, int]
"""Hash of the range's last block, and the next number to read."""


class ConsumerSearch:
    """Searches one node, and remembers how far it came.

    Args:
        node: Whom to ask.
        max_blocks: Most whole blocks to read in one call.
    """

    def __init__(self, node: EvmNode, *, max_blocks: int = MAX_BLOCKS) -> None:
        self._node = node
        self._max_blocks = max_blocks
        self._kept: dict[Question, _Progress] = {}

    async def find(self, question: Question) -> str | None:
        """Return the transaction's hash; null: the range has none.

        Raises:
            NodeFailed: The node lacks the blocks, or they changed meanwhile.
            ChainUnavailable: There are too many blocks for one call; ask again.
        """
        if question.after >= question.upto:
            return None
        await self._node.check_chain()  # on another one the key may have used this nonce, too
        last = await self._node.standing(question.upto)
        found = await self._found(question, last.hash)
        if await self._node.block(question.upto) != last:
            raise NodeFailed(NodeState.GARBAGE, "changes its history faster than it can be read")
        return found

    async def _found(self, question: Question, last_hash: str) -> str | None:
        try:
            number = await self._halving(question)
        except NodeFailed as failure:
            if failure.state is not NodeState.REFUSING:
                raise
        else:
            if number is None:
                return None
            if found := await self._in_block(question, number):
                return found
        return await self._reading(question, last_hash)

    async def _halving(self, question: Question) -> int | None:
        """Return the first block after which the nonce counts as used; null: it is not in range.

        Raises:
            NodeFailed: `REFUSING`: the node does not keep that history.
        """
        low, high = question.after, question.upto
        if await self._used(question, low) or not await self._used(question, high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if await self._used(question, middle):
                high = middle
            else:
                low = middle
        return high

    async def _used(self, question: Question, number: int) -> bool:
        """Return whether the nonce is used after this block; before the first none is."""
        return number >= 0 and await self._node.nonce(question.sender, number) > question.nonce

    async def _reading(self, question: Question, last_hash: str) -> str | None:
        kept_hash, start = self._kept.pop(question, (last_hash, question.after + 1))
        if kept_hash != last_hash:
            start = question.after + 1
        stop = min(start + self._max_blocks, question.upto + 1)
        for first in range(start, stop, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, stop))
            seen = await asyncio.gather(*(self._in_block(question, one) for one in numbers))
            if found := next(filter(None, seen), None):
                return found
        if stop <= question.upto:
            self._keep(question, (last_hash, stop))
            raise ChainUnavailable(
                f"who used nonce {question.nonce} of {question.sender} is being searched for on "
                f"chain {question.chain_id}: {question.upto + 1 - stop} blocks are left; ask again",
                chain_id=question.chain_id,
            )
        return None

    async def _in_block(self, question: Question, number: int) -> str | None:
        senders = await self._node.senders(number)
        return next((found for found, one in senders.items() if question.fits(*one)), None)

    def _keep(self, question: Question, progress: _Progress) -> None:
        self._kept[question] = progress
        if len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
