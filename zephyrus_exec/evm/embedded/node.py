"""The JSON-RPC methods of a node, as go-ethereum answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from threading import Lock
from typing import TYPE_CHECKING, Final

from eth.exceptions import PyEVMError
from eth_account import Account
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from ...model import Json
from . import shape
from .machine import Machine, Message, insufficient_funds, intrinsic_gas_too_low
from .pool import Pool
from .shape import RpcError, invalid

if TYPE_CHECKING:
    from eth.abc import BlockHeaderAPI, SignedTransactionAPI, StateAPI

TIP: Final = 10**9
"""The priority fee it suggests, in wei."""

_TAGS: Final = frozenset({"latest", "pending", "safe", "finalized"})
_UNREADABLE: Final = (RLPException, ValidationError, PyEVMError, BadSignature, ValueError)
_MOST_BLOCKS: Final = 1024


class Node:
    """Answers one request at a time; may be asked from any thread.

    Args:
        chain_id: EIP-155 chain id it answers for.
        accounts: How many funded accounts it has.
    """

    def __init__(self, *, chain_id: int, accounts: int) -> None:
        self.chain_id = chain_id
        self._machine = Machine(chain_id=chain_id, accounts=accounts)
        self._pool = Pool()
        self._mined: dict[bytes, int] = {}
        """Block numbers by transaction hash: eth-tester would look through every block."""
        self._lock = Lock()
        self._methods = self._table()

    @property
    def accounts(self) -> tuple[tuple[bytes, bytes], ...]:
        """Address and private key of every funded account."""
        return tuple(self._machine.keys.items())

    def answer(self, method: str, params: Sequence[Json]) -> Json:
        """Return the result of one request.

        Raises:
            RpcError: The answer is an error.
        """
        perform = self._methods.get(method)
        if perform is None:
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        try:
            signature(perform).bind(*params)
        except TypeError as error:
            raise RpcError(-32602, f"wrong number of arguments for {method}") from error
        with self._lock:
            return perform(*params)

    def _table(self) -> Mapping[str, Callable[..., Json]]:
        return {
            "web3_clientVersion": lambda: "zephyrus-exec/embedded/py-evm",
            "net_version": lambda: str(self.chain_id),
            "net_listening": lambda: True,
            "eth_syncing": lambda: False,
            "eth_chainId": lambda: hex(self.chain_id),
            "eth_accounts": lambda: [shape.hexed(each) for each in self._machine.keys],
            "eth_blockNumber": lambda: hex(self._machine.head.block_number),
            "eth_gasPrice": lambda: hex(self._machine.next_base_fee + TIP),
            "eth_maxPriorityFeePerGas": lambda: hex(TIP),
            "eth_feeHistory": self._fee_history,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBalance": self._balance,
            "eth_getCode": self._code,
            "eth_getStorageAt": self._storage,
            "eth_getTransactionCount": self._nonce,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": self._send_raw,
            "eth_sendTransaction": self._send,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "evm_mine": self._mine_empty,
        }

    # --- blocks

    def _header(self, which: Json) -> BlockHeaderAPI | None:
        if isinstance(which, Mapping):  # EIP-1898
            if "blockHash" in which:
                return self._machine.header_by_hash(shape.to_bytes(which["blockHash"], size=32))
            which = which.get("blockNumber")
        if which is None or which in _TAGS:
            return self._machine.head
        return self._machine.header(0 if which == "earliest" else shape.to_number(which))

    def _known_header(self, which: Json) -> BlockHeaderAPI:
        header = self._header(which)
        if header is None:
            raise RpcError(-32000, "header not found")
        return header

    def _block_by_number(self, which: Json, full: Json = False) -> Json:
        return self._block(self._header(which), full=full is True)

    def _block_by_hash(self, block_hash: Json, full: Json = False) -> Json:
        header = self._machine.header_by_hash(shape.to_bytes(block_hash, size=32))
        return self._block(header, full=full is True)

    def _block(self, header: BlockHeaderAPI | None, *, full: bool) -> Json:
        return None if header is None else shape.block(self._machine.block(header), full=full)

    def _fee_history(self, count: Json, newest: Json, percentiles: Json = None) -> Json:
        wanted = count if isinstance(count, int) else shape.to_number(count)
        last = self._known_header(newest).block_number
        first = max(0, last - min(wanted, _MOST_BLOCKS) + 1)
        headers = [self._known_header(hex(number)) for number in range(first, last + 1)]
        after = self._header(hex(last + 1))
        next_fee = self._machine.next_base_fee if after is None else after.base_fee_per_gas
        fees = [each.base_fee_per_gas for each in headers]
        history: dict[str, Json] = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(fee or 0) for fee in [*fees, next_fee]],
            "gasUsedRatio": [each.gas_used / each.gas_limit for each in headers],
        }
        if isinstance(percentiles, list) and percentiles:
            rewards: list[Json] = [[hex(self._tip(each))] * len(percentiles) for each in headers]
            history["reward"] = rewards
        return history

    def _tip(self, header: BlockHeaderAPI) -> int:
        base_fee = header.base_fee_per_gas or 0
        transactions = self._machine.block(header).transactions
        return shape.gas_price(transactions[0], base_fee) - base_fee if transactions else 0

    def _mine_empty(self, _options: Json = None) -> Json:
        self._machine.mine()
        return "0x0"

    # --- accounts

    def _state(self, which: Json) -> StateAPI:
        return self._machine.state(self._known_header(which))

    def _balance(self, account: Json, which: Json = "latest") -> Json:
        address = shape.to_bytes(account, size=20)
        return hex(self._state(which).get_balance(address))  # type: ignore[arg-type]

    def _code(self, account: Json, which: Json = "latest") -> Json:
        address = shape.to_bytes(account, size=20)
        return shape.hexed(self._state(which).get_code(address))  # type: ignore[arg-type]

    def _nonce(self, account: Json, which: Json = "latest") -> Json:
        address = shape.to_bytes(account, size=20)
        return hex(self._state(which).get_nonce(address))  # type: ignore[arg-type]

    def _storage(self, account: Json, slot: Json, which: Json = "latest") -> Json:
        address = shape.to_bytes(account, size=20)
        state = self._state(which)
        return shape.word(state.get_storage(address, shape.to_number(slot)))  # type: ignore[arg-type]

    # --- calls

    def _call(self, request: Json, which: Json = "latest", _overrides: Json = None) -> Json:
        return shape.hexed(self._machine.call(_message(request), self._known_header(which)))

    def _estimate(self, request: Json, which: Json = "latest", _overrides: Json = None) -> Json:
        return hex(self._machine.estimate(_message(request), self._known_header(which)))

    # --- transactions

    def _send_raw(self, raw: Json) -> Json:
        transaction = self._decoded(shape.to_bytes(raw))
        next_nonce = self._next_nonce(transaction.sender)
        if transaction.nonce < next_nonce:
            raise RpcError(
                -32000, f"nonce too low: next nonce {next_nonce}, tx nonce {transaction.nonce}"
            )
        self._check_funds(transaction)
        if transaction.nonce > next_nonce:
            self._pool.add(transaction)
        else:
            self._include(transaction)
            self._include_followers(transaction)
        return shape.hexed(transaction.hash)

    def _send(self, request: Json) -> Json:
        message = _message(request)
        key = self._machine.keys.get(message.sender)
        if key is None:
            raise RpcError(-32000, "unknown account")
        gas = message.gas or self._machine.estimate(message, self._machine.head)
        fields = {
            "chainId": self.chain_id,
            "nonce": self._next_nonce(message.sender),
            "maxPriorityFeePerGas": TIP,
            "maxFeePerGas": 2 * self._machine.next_base_fee + TIP,
            "gas": gas,
            "to": message.to,
            "value": message.value_wei,
            "data": message.data,
        }
        signed = Account.sign_transaction(fields, key)
        return self._send_raw(shape.hexed(signed.raw_transaction))

    def _decoded(self, raw: bytes) -> SignedTransactionAPI:
        try:
            transaction = self._machine.decode(raw)
            transaction.validate()
            sender = transaction.sender
        except _UNREADABLE as error:
            raise RpcError(-32000, f"invalid transaction: {error}") from error
        if transaction.chain_id != self.chain_id:
            raise RpcError(
                -32000,
                "invalid sender: invalid chain id for signer: "
                f"have {transaction.chain_id} want {self.chain_id}",
            )
        if len(sender) != 20:
            raise RpcError(-32000, "invalid sender")
        return transaction

    def _check_funds(self, transaction: SignedTransactionAPI) -> None:
        if transaction.gas < transaction.intrinsic_gas:
            raise intrinsic_gas_too_low(transaction.gas, transaction.intrinsic_gas)
        if transaction.gas > self._machine.head.gas_limit:
            raise RpcError(-32000, "exceeds block gas limit")
        balance = self._machine.state(self._machine.head).get_balance(transaction.sender)
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        if balance < cost:
            raise insufficient_funds(transaction.sender, balance, cost)

    def _next_nonce(self, sender: bytes) -> int:
        return self._machine.state(self._machine.head).get_nonce(sender)  # type: ignore[arg-type]

    def _include(self, transaction: SignedTransactionAPI) -> None:
        self._machine.refresh()
        base_fee = self._machine.next_base_fee
        if transaction.max_fee_per_gas < base_fee:
            raise RpcError(
                -32000,
                "max fee per gas less than block base fee: "
                f"maxFeePerGas: {transaction.max_fee_per_gas}, baseFee: {base_fee}",
            )
        try:
            header = self._machine.mine(transaction)
        except ValidationError as error:
            raise RpcError(-32000, str(error)) from error
        self._mined[transaction.hash] = header.block_number

    def _include_followers(self, transaction: SignedTransactionAPI) -> None:
        """Include what waited for this one; what cannot be included any more is dropped."""
        sender, nonce = transaction.sender, transaction.nonce + 1
        while (follower := self._pool.take(sender, nonce)) is not None:
            try:
                self._include(follower)
            except RpcError:
                return
            nonce += 1

    def _transaction(self, transaction_hash: Json) -> Json:
        key = shape.to_bytes(transaction_hash, size=32)
        header = self._mined_in(key)
        if header is not None:
            block = self._machine.block(header)
            return shape.transaction(block.transactions[0], block, 0)
        waiting = self._pool.find(key)
        return None if waiting is None else shape.transaction(waiting, None, 0)

    def _receipt(self, transaction_hash: Json) -> Json:
        header = self._mined_in(shape.to_bytes(transaction_hash, size=32))
        if header is None:
            return None
        block = self._machine.block(header)
        return shape.receipt(self._machine.receipt(block), block.transactions[0], block)

    def _mined_in(self, transaction_hash: bytes) -> BlockHeaderAPI | None:
        number = self._mined.get(transaction_hash)
        return None if number is None else self._machine.header(number)


def _message(request: Json) -> Message:
    if not isinstance(request, Mapping):
        raise invalid("expected a transaction object")
    data = request.get("input", request.get("data"))
    gas = request.get("gas")
    return Message(
        sender=shape.to_bytes(request.get("from") or "0x" + "00" * 20, size=20),
        to=shape.to_bytes(request["to"], size=20) if request.get("to") else b"",
        data=shape.to_bytes(data or "0x"),
        value_wei=shape.to_number(request.get("value") or "0x0"),
        gas=None if gas is None else shape.to_number(gas),
    )
