"""The world behind `ModelChain`: accounts, a pool, blocks that can be taken back."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from typing import TypeAlias

from attrs import define, field, frozen

from ..errors import CallReverted, TransactionRejected
from ..interfaces.chain import Block, DecodedTransaction, Fees, Receipt
from ..model import Json, JsonObject


@frozen
class ModelCall:
    """What a behaviour is called with."""

    sender: str
    arguments: JsonObject
    value_wei: int
    storage: dict[str, Json]
    """The contract's own memory; changes are kept only when a transaction succeeds."""


Behaviour: TypeAlias = Callable[[ModelCall], Json]
"""What a function of a model contract does; raises `CallReverted` to refuse."""


def reverting(reason: str) -> Behaviour:
    """Return a behaviour that always refuses with this reason."""

    def refuse(_call: ModelCall) -> Json:
        raise CallReverted(
            f"the call reverted: {reason}", reason=reason, error_name="Error", data="0x"
        )

    return refuse


@define
class _State:
    balances: dict[str, int] = field(factory=dict)
    nonces: dict[str, int] = field(factory=dict)
    storage: dict[str, dict[str, Json]] = field(factory=dict)


@define
class _Mined:
    block: Block
    state: _State
    """As it stands after the block."""
    transactions: tuple[DecodedTransaction, ...] = ()
    receipts: dict[str, Receipt] = field(factory=dict)


Execute: TypeAlias = Callable[[DecodedTransaction, dict[str, Json]], Json]
"""Runs a transaction's call on a contract's memory; raises `CallReverted`."""


class Ledger:
    """Accounts, a pool of transactions that wait, and the blocks that took some of them.

    Args:
        contracts: Behaviours by contract address (lower case) and function; looked at, not copied.
        execute: Runs the call of one transaction.
        block_gas_limit: Gas limit of every block.
        gas_used: What every transaction uses.
    """

    def __init__(
        self,
        contracts: Mapping[str, Mapping[str, Behaviour]],
        execute: Execute,
        *,
        block_gas_limit: int,
        gas_used: int,
    ) -> None:
        self._contracts = contracts
        self._execute = execute
        self.gas_used = gas_used
        self.base_fee_wei = 0
        self.pool: dict[str, DecodedTransaction] = {}
        self._forks = 0
        self._gas_limit = block_gas_limit
        self._blocks = [_Mined(self._block(0), _State())]

    # --- looking

    @property
    def head(self) -> Block:
        """The latest block."""
        return self._blocks[-1].block

    def nonce(self, address: str) -> int:
        """Return how many transactions of the account are included."""
        return self._state.nonces.get(address.lower(), 0)

    def balance(self, address: str) -> int:
        """Return the account's balance in wei."""
        return self._state.balances.get(address.lower(), 0)

    def storage(self, address: str) -> dict[str, Json]:
        """Return a contract's memory: a copy, so that looking changes nothing."""
        return copy.deepcopy(self._state.storage.get(address.lower(), {}))

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """Return the receipt in the blocks that stand now."""
        for mined in self._blocks:
            if transaction_hash in mined.receipts:
                return mined.receipts[transaction_hash]
        return None

    def block(self, number: int) -> Block | None:
        """Return the block that stands at this height."""
        return self._blocks[number].block if 0 <= number < len(self._blocks) else None

    def consumer(self, sender: str, nonce: int, *, after: int, upto: int) -> str | None:
        """Return the hash of the transaction that used this nonce in blocks (after, upto]."""
        for mined in self._blocks[max(0, after + 1) : upto + 1]:
            for transaction in mined.transactions:
                if (transaction.sender.lower(), transaction.nonce) == (sender.lower(), nonce):
                    return transaction.hash
        return None

    @property
    def _state(self) -> _State:
        return self._blocks[-1].state

    # --- changing

    def fund(self, address: str, wei: int) -> None:
        """Add to a balance, without a transaction."""
        balances = self._state.balances
        balances[address.lower()] = balances.get(address.lower(), 0) + wei

    def offer(self, transaction: DecodedTransaction) -> None:
        """Take a transaction into the pool, as a node does.

        Raises:
            TransactionRejected: With the words a node would use in `reason`.
        """
        if transaction.hash in self.pool or self.receipt(transaction.hash):
            return
        self._check(transaction)
        rival = self._rival(transaction)
        if rival is not None:
            if not _replaces(transaction.fees, rival.fees):
                raise _rejected("replacement transaction underpriced")
            del self.pool[rival.hash]
        self.pool[transaction.hash] = transaction

    def drop(self, transaction_hash: str) -> None:
        """Forget a transaction that waits, as a node's pool may at any time."""
        self.pool.pop(transaction_hash, None)

    def mine(self) -> Block:
        """Append a block with everything that can be included, and return it."""
        state = copy.deepcopy(self._state)
        mined = _Mined(self._block(self.head.number + 1), state)
        taken: list[DecodedTransaction] = []
        while (transaction := self._includable(state)) is not None:
            del self.pool[transaction.hash]
            mined.receipts[transaction.hash] = self._include(transaction, state, mined.block)
            taken.append(transaction)
        mined.transactions = tuple(taken)
        self._blocks.append(mined)
        self._forget_stale()
        return mined.block

    def use_nonce(self, address: str, *, visible: bool = True) -> None:
        """Append a block in which somebody else used the account's current nonce.

        Args:
            address: Whose.
            visible: Whether by a transaction; false: as by an authorization (EIP-7702), which no
                transaction of the account shows.
        """
        self.mine()
        nonce = self.nonce(address)
        self._state.nonces[address.lower()] = nonce + 1
        if visible:
            foreign = _foreign(address, nonce, self.head)
            self._blocks[-1].transactions += (foreign,)
        self._forget_stale()

    def reorg(self, depth: int, *, keep: bool = True) -> None:
        """Take the last `depth` blocks back and put as many empty ones in their place.

        Args:
            depth: How many blocks, fewer than there are.
            keep: Whether their transactions wait in the pool again.
        """
        lost = self._blocks[-depth:]
        del self._blocks[-depth:]
        self._forks += 1
        for mined in lost:
            number = mined.block.number
            self._blocks.append(_Mined(self._block(number), copy.deepcopy(self._state)))
            if keep:
                self.pool |= {t.hash: t for t in mined.transactions if self._rival(t) is None}

    # --- inside

    def _block(self, number: int) -> Block:
        name = hashlib.sha3_256(f"block {number} of fork {self._forks}".encode()).hexdigest()
        return Block(
            number, "0x" + name, 1_700_000_000 + number, self._gas_limit, self.base_fee_wei
        )

    def _check(self, transaction: DecodedTransaction) -> None:
        sender = transaction.sender.lower()
        if transaction.nonce < self._state.nonces.get(sender, 0):
            raise _rejected("nonce too low")
        if transaction.gas > self._gas_limit:
            raise _rejected("exceeds block gas limit")
        worst = transaction.gas * transaction.fees.max_fee_wei + transaction.value_wei
        if self.balance(sender) < worst:
            raise _rejected("insufficient funds for gas * price + value")

    def _rival(self, transaction: DecodedTransaction) -> DecodedTransaction | None:
        slot = (transaction.sender, transaction.nonce)
        return next((t for t in self.pool.values() if (t.sender, t.nonce) == slot), None)

    def _includable(self, state: _State) -> DecodedTransaction | None:
        for transaction in self.pool.values():
            sender = transaction.sender.lower()
            in_turn = transaction.nonce == state.nonces.get(sender, 0)
            worst = transaction.gas * transaction.fees.max_fee_wei + transaction.value_wei
            payable = state.balances.get(sender, 0) >= worst
            if in_turn and payable and transaction.fees.max_fee_wei >= self.base_fee_wei:
                return transaction
        return None

    def _include(self, transaction: DecodedTransaction, state: _State, block: Block) -> Receipt:
        sender, target = transaction.sender.lower(), transaction.to.lower()
        state.nonces[sender] = transaction.nonce + 1
        price = self._price(transaction)
        state.balances[sender] = state.balances.get(sender, 0) - self.gas_used * price
        storage = copy.deepcopy(state.storage.get(target, {}))
        try:
            if target in self._contracts:
                self._execute(transaction, storage)
        except CallReverted:
            success = False
        else:
            success = True
            state.storage[target] = storage
            state.balances[sender] -= transaction.value_wei
            state.balances[target] = state.balances.get(target, 0) + transaction.value_wei
        return Receipt(
            transaction_hash=transaction.hash,
            success=success,
            block_number=block.number,
            block_hash=block.hash,
            gas_used=self.gas_used,
            effective_gas_price_wei=price,
        )

    def _price(self, transaction: DecodedTransaction) -> int:
        fees = transaction.fees
        if fees.max_priority_fee_wei is None:
            return fees.max_fee_wei
        return min(fees.max_fee_wei, self.base_fee_wei + fees.max_priority_fee_wei)

    def _forget_stale(self) -> None:
        for transaction in list(self.pool.values()):
            if transaction.nonce < self.nonce(transaction.sender):
                del self.pool[transaction.hash]


def _replaces(fees: Fees, waiting: Fees) -> bool:
    """Whether a node takes an offer in place of one that waits: +10 % on both fields."""
    pairs = [(fees.max_fee_wei, waiting.max_fee_wei)]
    if fees.max_priority_fee_wei is not None and waiting.max_priority_fee_wei is not None:
        pairs.append((fees.max_priority_fee_wei, waiting.max_priority_fee_wei))
    return all(new > old and new * 10 >= old * 11 for new, old in pairs)


def _foreign(address: str, nonce: int, block: Block) -> DecodedTransaction:
    name = hashlib.sha3_256(f"{address} {nonce} {block.hash}".encode()).hexdigest()
    return DecodedTransaction(
        chain_id=0,
        sender=address,
        nonce=nonce,
        to=address,
        data=b"",
        value_wei=0,
        gas=0,
        fees=Fees(2 * (block.base_fee_wei or 1), block.base_fee_wei or 1),
        hash="0x" + name,
    )


def _rejected(reason: str) -> TransactionRejected:
    return TransactionRejected(f"the node refused the transaction: {reason}", reason=reason)
