"""What nodes answer, checked field by field before it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..interfaces.chain import Block, Receipt
from ..model import Json
from .rpc import NodeFailed, NodeState, RpcError

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


def quantity(value: Json, name: str) -> int:
    """Return a hex number of at most 256 bits."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise nonsense(name)
    return int(value, 16)


def data(value: Json, name: str) -> bytes:
    """Return a hex byte string."""
    if not isinstance(value, str) or not _BYTES.fullmatch(value):
        raise nonsense(name)
    return bytes.fromhex(value[2:])


def block_hash(value: Json, name: str) -> str:
    """Return a hash of 32 bytes in lower case."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise nonsense(name)
    return value.lower()


def header(value: Json) -> Block:
    """Return a block."""
    if not isinstance(value, Mapping):
        raise nonsense("block")
    base_fee = value.get("baseFeePerGas")
    return Block(
        number=quantity(value.get("number"), "block.number"),
        hash=block_hash(value.get("hash"), "block.hash"),
        timestamp=quantity(value.get("timestamp"), "block.timestamp"),
        gas_limit=quantity(value.get("gasLimit"), "block.gasLimit"),
        base_fee_wei=None if base_fee is None else quantity(base_fee, "block.baseFeePerGas"),
    )


def senders(value: Json, number: int) -> dict[str, tuple[str, int]]:
    """Return sender (lower case) and nonce of each transaction of a whole block, by hash."""
    if not isinstance(value, Mapping) or header(value).number != number:
        raise nonsense("block.number")
    listed = value.get("transactions")
    if not isinstance(listed, list | tuple):
        raise nonsense("block.transactions")
    return dict(_sender(one) for one in listed)


def _sender(value: Json) -> tuple[str, tuple[str, int]]:
    if not isinstance(value, Mapping):
        raise nonsense("block.transactions")
    sender = value.get("from")
    if not isinstance(sender, str) or not _ADDRESS.fullmatch(sender):
        raise nonsense("transaction.from")
    nonce = quantity(value.get("nonce"), "transaction.nonce")
    return block_hash(value.get("hash"), "transaction.hash"), (sender.lower(), nonce)


def receipt(value: Json, transaction_hash: str) -> Receipt | None:
    """Return the receipt of this transaction; null: it is in no block yet."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise nonsense("receipt")
    if block_hash(value.get("transactionHash"), "receipt.transactionHash") != (
        transaction_hash.lower()
    ):
        raise nonsense("receipt.transactionHash")
    if value.get("blockHash") is None:
        return None
    status = quantity(value.get("status"), "receipt.status")
    if status > 1:
        raise nonsense("receipt.status")
    return Receipt(
        transaction_hash=transaction_hash,
        success=status == 1,
        block_number=quantity(value.get("blockNumber"), "receipt.blockNumber"),
        block_hash=block_hash(value.get("blockHash"), "receipt.blockHash"),
        gas_used=quantity(value.get("gasUsed"), "receipt.gasUsed"),
        effective_gas_price_wei=quantity(
            value.get("effectiveGasPrice"), "receipt.effectiveGasPrice"
        ),
    )


def nonsense(name: str) -> NodeFailed:
    """Return the error for a field that is missing or wrong."""
    return NodeFailed(NodeState.GARBAGE, f"gave no valid {name}")


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
