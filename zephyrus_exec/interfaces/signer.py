"""Who signs. The key never leaves its signer."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Signer(ABC):
    """One account's signature."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Checksummed address of the account."""

    @abstractmethod
    async def sign(self, payload: bytes) -> bytes:
        """Return the signature over the Keccak-256 of `payload`, without blocking the loop.

        Args:
            payload: An unsigned transaction as `Chain.build` gives it.

        Returns:
            65 bytes: r (32), s (32), parity of y (1: 0 or 1); s in the lower half (EIP-2).
        """
