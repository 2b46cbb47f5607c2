"""What nodes answer, checked field by field before it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..errors import ChainUnavailable
from ..interfaces.chain import Block, Receipt
from ..model import Json
from .rpc import RpcError

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_REVERT_DATA = re.compile(r"(?:0x|Reverted 0x)((?:[0-9a-fA-F]{2})*)")
_HALTED = re.compile(
    r"revert|invalid opcode|invalid jump|bad jump|stack (?:under|over)flow|out of gas"
    r"|gas required exceeds|vm execution error|vm exception|evm error",
    re.IGNORECASE,
)
"""What nodes say where a call ran and failed; anything else is the node's own trouble."""
_KNOWN = re.compile(
    r"already.?known|already imported|already.?exists|\bknown transaction", re.IGNORECASE
)
_MAX_DATA_DEPTH: Final = 4
_REVERTED: Final = 3
"""JSON-RPC code of go-ethereum and those who follow it."""


class Replies:
    """Reads replies of one chain's nodes.

    Args:
        chain_id: Named in errors, since a URL must not be.
    """

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id

    def quantity(self, value: Json, name: str) -> int:
        """Return a hex number of at most 256 bits."""
        if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
            raise self.nonsense(name)
        return int(value, 16)

    def data(self, value: Json, name: str) -> bytes:
        """Return a hex byte string."""
        if not isinstance(value, str) or not _BYTES.fullmatch(value):
            raise self.nonsense(name)
        return bytes.fromhex(value[2:])

    def block_hash(self, value: Json, name: str) -> str:
        """Return a hash of 32 bytes in lower case."""
        if not isinstance(value, str) or not _HASH.fullmatch(value):
            raise self.nonsense(name)
        return value.lower()

    def header(self, value: Json) -> tuple[Block, int | None]:
        """Return a block and its base fee per gas; null: it has none."""
        if not isinstance(value, Mapping):
            raise self.nonsense("block")
        base_fee = value.get("baseFeePerGas")
        block = Block(
            number=self.quantity(value.get("number"), "block.number"),
            hash=self.block_hash(value.get("hash"), "block.hash"),
            timestamp=self.quantity(value.get("timestamp"), "block.timestamp"),
            gas_limit=self.quantity(value.get("gasLimit"), "block.gasLimit"),
            base_fee_wei=(
                None if base_fee is None else self.quantity(base_fee, "block.baseFeePerGas")
            ),
        )
        return block, block.base_fee_wei

    def senders(self, value: Json, number: int) -> dict[str, tuple[str, int]]:
        """Return sender (lower case) and nonce of each transaction of a whole block, by hash."""
        block, _ = self.header(value)
        if block.number != number:
            raise self.nonsense("block.number")
        listed = value.get("transactions") if isinstance(value, Mapping) else None
        if not isinstance(listed, list):
            raise self.nonsense("block.transactions")
        return dict(self._sender(one) for one in listed)

    def _sender(self, value: Json) -> tuple[str, tuple[str, int]]:
        if not isinstance(value, Mapping):
            raise self.nonsense("block.transactions")
        sender = value.get("from")
        if not isinstance(sender, str) or not _ADDRESS.fullmatch(sender):
            raise self.nonsense("transaction.from")
        nonce = self.quantity(value.get("nonce"), "transaction.nonce")
        return self.block_hash(value.get("hash"), "transaction.hash"), (sender.lower(), nonce)

    def receipt(self, value: Json, transaction_hash: str) -> Receipt | None:
        """Return the receipt of this transaction; null: it is in no block yet."""
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.nonsense("receipt")
        if self.block_hash(value.get("transactionHash"), "receipt.transactionHash") != (
            transaction_hash.lower()
        ):
            raise self.nonsense("receipt.transactionHash")
        if value.get("blockHash") is None:
            return None
        status = self.quantity(value.get("status"), "receipt.status")
        if status > 1:
            raise self.nonsense("receipt.status")
        return Receipt(
            transaction_hash=transaction_hash,
            success=status == 1,
            block_number=self.quantity(value.get("blockNumber"), "receipt.blockNumber"),
            block_hash=self.block_hash(value.get("blockHash"), "receipt.blockHash"),
            gas_used=self.quantity(value.get("gasUsed"), "receipt.gasUsed"),
            effective_gas_price_wei=self.quantity(
                value.get("effectiveGasPrice"), "receipt.effectiveGasPrice"
            ),
        )

    def nonsense(self, name: str) -> ChainUnavailable:
        """Return the error for a field that is missing or wrong."""
        return self.unavailable(f"gave no valid {name}")

    def unavailable(self, problem: str) -> ChainUnavailable:
        """Return the error for a node that is of no use now."""
        return ChainUnavailable(
            f"the node of chain {self._chain_id} {problem}", chain_id=self._chain_id
        )


def revert_data(error: RpcError) -> bytes | None:
    """Return what a call reverted with, empty where the node does not tell; null: no revert.

    Nodes put the data into `error.data` as hex text, behind a word (Parity), or into objects
    (Hardhat, Ganache).
    """
    halted = error.code == _REVERTED or _HALTED.search(error.message) is not None
    return (_find_data(error.data, _MAX_DATA_DEPTH) or b"") if halted else None


def is_known(error: RpcError) -> bool:
    """Return whether a node says that it has these bytes already."""
    return _KNOWN.search(error.message) is not None


def _find_data(value: Json, depth: int) -> bytes | None:
    if isinstance(value, str):
        match = _REVERT_DATA.fullmatch(value)
        return bytes.fromhex(match[1]) if match else None
    if not isinstance(value, Mapping) or depth == 0:
        return None
    named = [value.get("data"), value.get("return"), value.get("result")]
    nested = [one for one in value.values() if isinstance(one, Mapping)]
    found = (_find_data(one, depth - 1) for one in (*named, *nested))
    return next((data for data in found if data), None)
