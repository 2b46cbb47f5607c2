"""Between JSON-RPC's hex text and Python values, the way real nodes write it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rlp
from eth_tester.utils.address import generate_contract_address

from ...model import Json

if TYPE_CHECKING:
    from eth.abc import BlockAPI, BlockHeaderAPI, LogAPI, ReceiptAPI, SignedTransactionAPI


class RpcError(Exception):
    """The answer to a request is an error: code, message and, for a revert, its data.

    Args:
        code: JSON-RPC code, as go-ethereum uses them: 3 revert, -32000 refused, -32602 arguments.
        message: Text in go-ethereum's words where it has any.
        data: Bytes the contract reverted with; null: not a revert.
    """

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def json(self) -> dict[str, Json]:
        """Return the `error` object of the reply."""
        body: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.data is not None:
            body["data"] = hexed(self.data)
        return body


def invalid(what: str) -> RpcError:
    """Return the error for an argument nobody can read."""
    return RpcError(-32602, f"invalid argument: {what}")


# --- out -----------------------------------------------------------------------------------------


def hexed(value: bytes) -> str:
    """Return bytes as `0x…`, all of them."""
    return "0x" + value.hex()


def word(value: int) -> str:
    """Return a number as 32 bytes, as in topics."""
    return hexed(value.to_bytes(32, "big"))


def address(value: bytes) -> str | None:
    """Return an address in lower case; null for the empty one of a contract creation."""
    return hexed(value) if value else None


def block(value: BlockAPI, *, full: bool) -> dict[str, Json]:
    """Return a block as `eth_getBlockByNumber` does, with its transactions or their hashes."""
    transactions: list[Json] = [
        transaction(each, value, index) if full else hexed(each.hash)
        for index, each in enumerate(value.transactions)
    ]
    return {
        **_header(value.header),
        "size": hex(len(rlp.encode(value))),
        "transactions": transactions,
        "uncles": [],
        "withdrawals": [],
    }


def _header(header: BlockHeaderAPI) -> dict[str, Json]:
    return {
        "number": hex(header.block_number),
        "hash": hexed(header.hash),
        "parentHash": hexed(header.parent_hash),
        "nonce": hexed(header.nonce),
        "mixHash": hexed(header.mix_hash),
        "sha3Uncles": hexed(header.uncles_hash),
        "logsBloom": hexed(header.bloom.to_bytes(256, "big")),
        "stateRoot": hexed(header.state_root),
        "transactionsRoot": hexed(header.transaction_root),
        "receiptsRoot": hexed(header.receipt_root),
        "miner": hexed(header.coinbase),
        "difficulty": hex(header.difficulty),
        "extraData": hexed(header.extra_data),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas or 0),
        "withdrawalsRoot": hexed(header.withdrawals_root or b""),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": hexed(header.parent_beacon_block_root or b""),
    }


def transaction(
    value: SignedTransactionAPI, mined_in: BlockAPI | None, index: int
) -> dict[str, Json]:
    """Return a transaction as `eth_getTransactionByHash` does; `mined_in` null: still waiting."""
    kind = value.type_id or 0
    base_fee = (mined_in.header.base_fee_per_gas or 0) if mined_in else 0
    body: dict[str, Json] = {
        "type": hex(kind),
        "hash": hexed(value.hash),
        "nonce": hex(value.nonce),
        "blockHash": hexed(mined_in.hash) if mined_in else None,
        "blockNumber": hex(mined_in.number) if mined_in else None,
        "transactionIndex": hex(index) if mined_in else None,
        "from": hexed(value.sender),
        "to": address(value.to),
        "value": hex(value.value),
        "gas": hex(value.gas),
        "gasPrice": hex(gas_price(value, base_fee)),
        "input": hexed(value.data),
        "chainId": hex(value.chain_id or 0),
        "r": hex(value.r),
        "s": hex(value.s),
        "v": hex(value.y_parity if kind else value.v),  # type: ignore[attr-defined]
    }
    if kind:
        body["yParity"] = hex(value.y_parity)
        body["accessList"] = [
            {"address": hexed(account), "storageKeys": [word(slot) for slot in slots]}
            for account, slots in value.access_list
        ]
    if kind >= 2:
        body["maxFeePerGas"] = hex(value.max_fee_per_gas)
        body["maxPriorityFeePerGas"] = hex(value.max_priority_fee_per_gas)
    return body


def gas_price(value: SignedTransactionAPI, base_fee: int) -> int:
    """Return what a transaction pays per unit of gas at this base fee, in wei."""
    return min(value.max_fee_per_gas, base_fee + value.max_priority_fee_per_gas)


def receipt(value: ReceiptAPI, sent: SignedTransactionAPI, mined_in: BlockAPI) -> dict[str, Json]:
    """Return the receipt of a block's only transaction."""
    created = None if sent.to else generate_contract_address(sent.sender, sent.nonce)
    place: dict[str, Json] = {
        "transactionHash": hexed(sent.hash),
        "transactionIndex": "0x0",
        "blockHash": hexed(mined_in.hash),
        "blockNumber": hex(mined_in.number),
    }
    return {
        **place,
        "type": hex(sent.type_id or 0),
        "status": hex(int.from_bytes(value.state_root, "big")),
        "from": hexed(sent.sender),
        "to": address(sent.to),
        "contractAddress": hexed(created) if created else None,
        "gasUsed": hex(value.gas_used),
        "cumulativeGasUsed": hex(value.gas_used),
        "effectiveGasPrice": hex(gas_price(sent, mined_in.header.base_fee_per_gas or 0)),
        "logsBloom": hexed(value.bloom.to_bytes(256, "big")),
        "logs": _logs(value.logs, place),
    }


def _logs(logs: Sequence[LogAPI], place: dict[str, Json]) -> list[Json]:
    return [
        {
            **place,
            "address": hexed(each.address),
            "topics": [word(topic) for topic in each.topics],
            "data": hexed(each.data),
            "logIndex": hex(index),
            "removed": False,
        }
        for index, each in enumerate(logs)
    ]


# --- in ------------------------------------------------------------------------------------------


def to_bytes(value: Json, *, size: int | None = None) -> bytes:
    """Return the bytes of `0x…`.

    Args:
        value: What the client sent.
        size: How many bytes it must be; null: any number.

    Raises:
        RpcError: It is not that.
    """
    if not isinstance(value, str) or not value.startswith("0x"):
        raise invalid("expected a hex string with 0x prefix")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        raise invalid("not a hex string of whole bytes") from None
    if size is not None and len(raw) != size:
        raise invalid(f"expected {size} bytes, got {len(raw)}")
    return raw


def to_number(value: Json) -> int:
    """Return the number a `0x…` quantity stands for.

    Raises:
        RpcError: It is no quantity.
    """
    if isinstance(value, str) and re.fullmatch("0x[0-9a-fA-F]{1,64}", value):
        return int(value, 16)
    raise invalid("expected a hex quantity with 0x prefix")
