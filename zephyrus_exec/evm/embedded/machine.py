"""The chain itself: py-evm, set up by eth-tester, one block per transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import frozen
from eth.exceptions import HeaderNotFound, OutOfGas, Revert
from eth.vm.spoof import SpoofTransaction
from eth_tester.backends.pyevm import PyEVMBackend
from eth_utils.exceptions import ValidationError

from .shape import RpcError

if TYPE_CHECKING:
    from eth.abc import (
        BlockAPI,
        BlockHeaderAPI,
        ComputationAPI,
        ReceiptAPI,
        SignedTransactionAPI,
        StateAPI,
    )

MNEMONIC: Final = "test test test test test test test test test test test junk"
"""The words every development node derives its accounts from: worth nothing anywhere."""

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_STIPEND: Final = 2300
_ACCURACY: Final = 0.015
"""How far an estimate may be above the truth, relative; go-ethereum's figure."""


@frozen
class Message:
    """A call that is run and forgotten."""

    sender: bytes
    to: bytes
    """Empty: a contract creation."""
    data: bytes
    value_wei: int
    gas: int | None
    """Most gas it may use; null: the block's limit."""


class Machine:
    """An EVM chain in memory; not thread-safe.

    Args:
        chain_id: EIP-155 chain id it answers for.
        accounts: How many funded accounts it has.
    """

    def __init__(self, *, chain_id: int, accounts: int) -> None:
        self._backend = PyEVMBackend.from_mnemonic(
            MNEMONIC, num_accounts=accounts, hd_path="m/44'/60'/0'/0"
        )
        self._chain = self._backend.chain
        self._chain.chain_id = chain_id
        self.keys: dict[bytes, bytes] = {
            key.public_key.to_canonical_address(): key.to_bytes()
            for key in self._backend.account_keys
        }
        """Private keys of the funded accounts, by address."""

    # --- blocks

    @property
    def head(self) -> BlockHeaderAPI:
        """Header of the latest block."""
        header: BlockHeaderAPI = self._chain.get_canonical_head()
        return header

    @property
    def next_base_fee(self) -> int:
        """Base fee of the block that comes next, in wei."""
        return int(self._chain.header.base_fee_per_gas)

    def header(self, number: int) -> BlockHeaderAPI | None:
        """Return the header with this number, or None where there is none yet."""
        if number > self.head.block_number:
            return None
        header: BlockHeaderAPI = self._chain.get_canonical_block_header_by_number(number)
        return header

    def header_by_hash(self, block_hash: bytes) -> BlockHeaderAPI | None:
        """Return the header with this hash, or None where there is none."""
        try:
            header: BlockHeaderAPI = self._chain.get_block_header_by_hash(block_hash)
        except HeaderNotFound:
            return None
        return header

    def block(self, header: BlockHeaderAPI) -> BlockAPI:
        """Return the block of a header."""
        block: BlockAPI = self._chain.get_block_by_header(header)
        return block

    def receipt(self, block: BlockAPI) -> ReceiptAPI:
        """Return the receipt of a block's only transaction."""
        (receipt,) = block.get_receipts(self._chain.chaindb)
        return receipt

    def state(self, header: BlockHeaderAPI) -> StateAPI:
        """Return the accounts as they were after a block."""
        state: StateAPI = self._chain.get_vm(at_header=header).state
        return state

    # --- transactions

    def decode(self, raw: bytes) -> SignedTransactionAPI:
        """Return what signed bytes say.

        Raises:
            Exception: They are no transaction; py-evm has many kinds.
        """
        transaction: SignedTransactionAPI = (
            self._chain.get_vm().get_transaction_builder().decode(raw)
        )
        return transaction

    def mine(self, transaction: SignedTransactionAPI | None = None) -> BlockHeaderAPI:
        """Add a block with this transaction, or an empty one, and return its header.

        Raises:
            ValidationError: The transaction may not be in the next block; there is no block.
        """
        self.refresh()
        if transaction is not None:
            self._chain.apply_transaction(transaction)
        self._backend.mine_blocks(1)
        return self.head

    def refresh(self) -> None:
        """Begin the next block anew, at the present time."""
        self._chain.header = self._chain.create_header_from_parent(self.head)

    # --- calls

    def call(self, message: Message, header: BlockHeaderAPI) -> bytes:
        """Return what a call would give on top of a block.

        Raises:
            RpcError: It would fail; code 3 and the data where the contract reverted.
        """
        with self._free(header) as state:
            done = _run(state, self._spoof(message, state, message.gas or header.gas_limit))
        return bytes(done.output)

    def estimate(self, message: Message, header: BlockHeaderAPI) -> int:
        """Return enough gas for a call, at most 1.5 % more than needed.

        Raises:
            RpcError: It would fail with any gas.
        """
        limit = message.gas or header.gas_limit
        with self._free(header) as state:
            spoof = self._spoof(message, state, limit)
            done = _run(state, spoof)
            used = limit - done.get_gas_remaining() + done.data_floor_gas
            likely = (used + done.get_gas_refund() + _STIPEND) * 64 // 63
            low, high = used - 1, limit
            guess = min(likely, limit)
            while high - low > 1 and high - low > _ACCURACY * high:
                low, high = (low, guess) if _fits(state, spoof, guess) else (guess, high)
                guess = (low + high) // 2
        return high

    @contextmanager
    def _free(self, header: BlockHeaderAPI) -> Iterator[StateAPI]:
        with self._chain.get_vm(at_header=header).in_costless_state() as state:
            yield state

    def _spoof(self, message: Message, state: StateAPI, gas: int) -> SignedTransactionAPI:
        balance = state.get_balance(message.sender)  # type: ignore[arg-type]
        if balance < message.value_wei:
            raise insufficient_funds(message.sender, balance, message.value_wei)
        builder = self._chain.get_vm().get_transaction_builder()
        unsigned = builder.new_unsigned_dynamic_fee_transaction(
            chain_id=self._chain.chain_id,
            nonce=state.get_nonce(message.sender),  # type: ignore[arg-type]
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=gas,
            to=message.to,
            value=message.value_wei,
            data=message.data,
            access_list=(),
        )
        spoof: SignedTransactionAPI = SpoofTransaction(unsigned, from_=message.sender)  # type: ignore[assignment]
        if gas < spoof.intrinsic_gas:
            raise intrinsic_gas_too_low(gas, spoof.intrinsic_gas)
        return spoof


def _run(state: StateAPI, transaction: SignedTransactionAPI) -> ComputationAPI:
    try:
        done = _attempt(state, transaction)
    except ValidationError as error:
        raise RpcError(-32000, str(error)) from error
    if done.is_error:
        raise failure(done)
    return done


def _fits(state: StateAPI, transaction: SignedTransactionAPI, gas: int) -> bool:
    trial: SignedTransactionAPI = SpoofTransaction(transaction, gas=gas)  # type: ignore[assignment]
    return not _attempt(state, trial).is_error


def _attempt(state: StateAPI, transaction: SignedTransactionAPI) -> ComputationAPI:
    before = state.snapshot()
    try:
        return state.apply_transaction(transaction)
    finally:
        state.revert(before)


def failure(done: ComputationAPI) -> RpcError:
    """Return the error for a run that failed, as go-ethereum words it."""
    if isinstance(done.error, Revert):
        data = bytes(done.output)
        reason = _reason(data)
        text = "execution reverted" + (f": {reason}" if reason is not None else "")
        return RpcError(3, text, data)
    if isinstance(done.error, OutOfGas):
        return RpcError(-32000, "out of gas")
    return RpcError(-32000, f"execution failed: {done.error}")


def _reason(data: bytes) -> str | None:
    """Return the text of an `Error(string)`; null: it is something else."""
    if data[:4] != _ERROR_STRING or len(data) < 68:
        return None
    length = int.from_bytes(data[36:68], "big")
    return data[68 : 68 + length].decode(errors="replace")


def insufficient_funds(sender: bytes, balance: int, needed: int) -> RpcError:
    """Return the error for an account that cannot pay."""
    return RpcError(
        -32000,
        "insufficient funds for gas * price + value: "
        f"address 0x{sender.hex()} have {balance} want {needed}",
    )


def intrinsic_gas_too_low(gas: int, needed: int) -> RpcError:
    """Return the error for gas that does not even pay the transaction's own bytes."""
    return RpcError(-32000, f"intrinsic gas too low: gas {gas}, minimum needed {needed}")
