"""What was sent and waits for an earlier nonce, as in a real node's pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .shape import RpcError

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

MOST: Final = 1024
"""How many transactions may wait, of all senders together."""

_BUMP_PERCENT: Final = 110


class Pool:
    """Transactions by sender and nonce; one per pair."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, int], SignedTransactionAPI] = {}

    def add(self, transaction: SignedTransactionAPI) -> None:
        """Hold a transaction, or put it in the place of a cheaper one.

        Raises:
            RpcError: It is here already, pays too little to replace another, or the pool is full.
        """
        slot = (transaction.sender, transaction.nonce)
        there = self._waiting.get(slot)
        if there is not None:
            _check_replacement(there, transaction)
        elif len(self._waiting) >= MOST:
            raise RpcError(-32000, "txpool is full")
        self._waiting[slot] = transaction

    def take(self, sender: bytes, nonce: int) -> SignedTransactionAPI | None:
        """Remove and return what waits for this slot, or None."""
        return self._waiting.pop((sender, nonce), None)

    def find(self, transaction_hash: bytes) -> SignedTransactionAPI | None:
        """Return the waiting transaction with this hash, or None."""
        return next(
            (each for each in self._waiting.values() if each.hash == transaction_hash), None
        )


def _check_replacement(old: SignedTransactionAPI, new: SignedTransactionAPI) -> None:
    if new.hash == old.hash:
        raise RpcError(-32000, "already known")
    pays_more = new.max_fee_per_gas * 100 >= old.max_fee_per_gas * _BUMP_PERCENT
    tips_more = new.max_priority_fee_per_gas * 100 >= old.max_priority_fee_per_gas * _BUMP_PERCENT
    if not (pays_more and tips_more):
        raise RpcError(-32000, "replacement transaction underpriced")
