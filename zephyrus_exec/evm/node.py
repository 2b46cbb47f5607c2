"""What one endpoint says of a chain.

Several replies that belong together name one block by its number, and that block's hash is
compared before and after, so that they tell of one history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from ..interfaces.chain import Account, Block, Lookup, Receipt
from ..model import Json
from . import replies
from .rpc import NodeFailed, NodeState, RpcConnection, RpcError

_T = TypeVar("_T")

_LOOKS: Final = 3
"""How often a view of several replies is taken before the node counts as too restless."""
_DELEGATION: Final = bytes.fromhex("ef0100")
_DELEGATION_BYTES: Final = 23
"""A delegation designator: prefix and address (EIP-7702)."""


class EvmNode:
    """One endpoint's view. Everything raises `NodeFailed` where it is of no use.

    Args:
        connection: The endpoint.
    """

    def __init__(self, connection: RpcConnection) -> None:
        self._connection = connection

    async def request(self, method: str, params: Sequence[Json]) -> Json:
        """Return the result of one request.

        Raises:
            RpcError: The node answered with an error.
        """
        return await self._connection.request(method, params)

    async def ask(self, method: str, *params: Json) -> Json:
        """Return the result of a request that no honest node refuses."""
        try:
            return await self.request(method, params)
        except RpcError as error:
            raise refused(method, error) from None

    async def probe(self) -> int:
        """Return the head's number of a node that serves the right chain, asked anew."""
        await self._connection.check_chain()
        return await self.latest(None)

    async def check_chain(self) -> None:
        """Return if the node serves the right chain, asked anew."""
        await self._connection.check_chain()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    # --- blocks

    async def latest(self, min_block: int | None) -> int:
        """Return the head's number, which is `min_block` or later."""
        number = replies.quantity(await self.ask("eth_blockNumber"), "block number")
        return self._reached(number, min_block)

    async def head(self, min_block: int | None = None) -> Block:
        """Return the latest block, which is `min_block` or later."""
        block = replies.header(await self.ask("eth_getBlockByNumber", "latest", False))
        self._reached(block.number, min_block)
        return block

    async def block(self, number: int) -> Block | None:
        """Return the block that stands at this height; null: the head is below it."""
        reply = await self.ask("eth_getBlockByNumber", hex(number), False)
        if reply is None:
            return None
        block = replies.header(reply)
        if block.number != number:
            raise replies.nonsense("block.number")
        return block

    async def standing(self, number: int) -> Block:
        """Return the block at this height, which the node must have reached."""
        block = await self.block(number)
        if block is None:
            raise _behind(number)
        return block

    async def senders(self, number: int) -> dict[str, tuple[str, int]]:
        """Return sender (lower case) and nonce of each transaction of a block, by hash."""
        reply = await self.ask("eth_getBlockByNumber", hex(number), True)
        if reply is None:
            raise _behind(number)
        return replies.senders(reply, number)

    @staticmethod
    def _reached(number: int, min_block: int | None) -> int:
        if min_block is not None and number < min_block:
            raise _behind(min_block)
        return number

    # --- accounts and transactions

    async def nonce(self, address: str, number: int) -> int:
        """Return how many transactions of this account blocks up to this number have."""
        reply = await self.ask("eth_getTransactionCount", address, hex(number))
        return replies.quantity(reply, "nonce")

    async def balance(self, address: str, number: int) -> int:
        """Return what the account has at this block, in wei."""
        reply = await self.ask("eth_getBalance", address, hex(number))
        return replies.quantity(reply, "balance")

    async def code(self, address: str, number: int) -> bytes:
        """Return the code at an address, empty where there is none."""
        reply = await self.ask("eth_getCode", address, hex(number))
        return replies.data(reply, "code")

    async def account(self, address: str, min_block: int | None) -> Account:
        """Return the account at the latest block, which is `min_block` or later."""

        async def look(block: Block) -> tuple[int, int, bytes]:
            return await asyncio.gather(
                self.nonce(address, block.number),
                self.balance(address, block.number),
                self.code(address, block.number),
            )

        block, (nonce, balance_wei, code) = await self._view(look, min_block)
        return Account(
            nonce=nonce,
            balance_wei=balance_wei,
            has_code=bool(code),
            block=block,
            delegated=code.startswith(_DELEGATION) and len(code) == _DELEGATION_BYTES,
        )

    async def lookup(self, hashes: Sequence[str], sender: str) -> Lookup:
        """Return the receipts of these hashes and the sender's nonce.

        The nonce is read before the receipts: a transaction it counts has its receipt in the
        answer, if it is one of these. Receipts in later blocks, or in blocks that do not stand,
        are left out.
        """

        async def look(block: Block) -> tuple[int, list[Receipt]]:
            nonce = await self.nonce(sender, block.number)
            found = await asyncio.gather(*(self._receipt(one) for one in dict.fromkeys(hashes)))
            receipts = [one for one in found if one and one.block_number <= block.number]
            return nonce, await self._standing(receipts, block)

        block, (nonce, receipts) = await self._view(look, None)
        return Lookup(block, nonce, {one.transaction_hash: one for one in receipts})

    async def _receipt(self, transaction_hash: str) -> Receipt | None:
        reply = await self.ask("eth_getTransactionReceipt", transaction_hash)
        return replies.receipt(reply, transaction_hash)

    async def _standing(self, receipts: Sequence[Receipt], head: Block) -> list[Receipt]:
        """Return the receipts whose block is the one that stands at its height."""
        numbers = list({one.block_number for one in receipts} - {head.number})
        blocks = [*await asyncio.gather(*(self.standing(number) for number in numbers)), head]
        standing = {block.number: block.hash for block in blocks}
        return [one for one in receipts if standing[one.block_number] == one.block_hash]

    async def _view(
        self, look: Callable[[Block], Awaitable[_T]], min_block: int | None
    ) -> tuple[Block, _T]:
        """Return what was seen at the head, and the head, which stood before and after."""
        for _ in range(_LOOKS):
            block = await self.head(min_block)
            seen = await look(block)
            if await self.block(block.number) == block:
                return block, seen
        raise NodeFailed(NodeState.GARBAGE, "changes its history faster than it can be read")


def refused(what: str, error: RpcError) -> NodeFailed:
    """Return the failure of a node that answered with an error where none is due."""
    return NodeFailed(NodeState.REFUSING, f"refused {what} with error {error.code}")


def _behind(number: int) -> NodeFailed:
    return NodeFailed(NodeState.BEHIND, f"has not reached block {number} in time")
