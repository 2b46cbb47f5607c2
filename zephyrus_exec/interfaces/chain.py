"""One chain, without policy: no journal, no nonce choice, no retry of anything unsafe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal

from attrs import frozen

from ..model import AgentFunction, Contract, FunctionType, Json, JsonObject


@frozen
class Call:
    """One contract call, encoded: all that is needed to read, simulate or send it."""

    chain_id: int
    to: str
    """Checksummed address of the contract."""
    data: bytes
    """Selector and encoded arguments."""
    function: str
    """Canonical signature, for example `transfer(address,uint256)`."""
    type: FunctionType
    arguments: JsonObject
    """The arguments as the value table shows them (spec `protocol.md`), by ABI name or position."""
    abi: JsonObject
    """The ABI entry it was encoded by."""
    errors: tuple[JsonObject, ...] = ()
    """The contract's `error` entries, to decode reverts by."""
    value_wei: int = 0


@frozen
class Shape:
    """What a function is by its ABI."""

    signature: str
    """Canonical, for example `transfer(address,uint256)`."""
    parameters: tuple[str, ...]
    """What calls name its parameters: by their ABI name, or by position where it is none."""
    type: FunctionType
    """`read`, or the most that may be done with it: `write`, or `payable` where it takes value."""


@frozen
class Block:
    """A block, as one endpoint named it."""

    number: int
    hash: str
    timestamp: int
    """Seconds since the epoch."""
    gas_limit: int
    base_fee_wei: int | None = None
    """What a transaction must pay per unit of gas to be in it; null: a chain without (EIP-1559)."""


@frozen
class ReadResult:
    """What a read answered."""

    value: Json
    """One output: itself; several: an object by name, or an array where one has no name."""
    block_number: int
    """Block at which it was answered."""


@frozen
class Simulation:
    """What a call would do."""

    value: Json
    """What it would return."""
    gas: int
    """The node's estimate, without margin."""


@frozen
class Fees:
    """What a transaction offers per unit of gas."""

    max_fee_wei: int
    """Most it pays in all; the gas price on a legacy chain."""
    max_priority_fee_wei: int | None
    """Most it gives to the block's proposer; null: a legacy transaction."""


@frozen
class UnsignedTransaction:
    """A transaction ready to be signed."""

    call: Call
    nonce: int
    gas: int
    fees: Fees
    payload: bytes
    """The bytes whose Keccak-256 is signed (EIP-155, EIP-1559)."""


@frozen
class SignedTransaction:
    """The exact bytes that may be broadcast."""

    raw: bytes
    hash: str
    """`0x…`, known before anything is sent."""


@frozen
class DecodedTransaction:
    """What signed bytes really say, to compare with what was meant."""

    chain_id: int
    sender: str
    nonce: int
    to: str
    data: bytes
    value_wei: int
    gas: int
    fees: Fees
    hash: str


@frozen
class Receipt:
    """What became of a mined transaction."""

    transaction_hash: str
    success: bool
    block_number: int
    block_hash: str
    gas_used: int
    effective_gas_price_wei: int


@frozen
class Account:
    """An account at a named block."""

    nonce: int
    """Number of transactions included up to that block; never the pending one."""
    balance_wei: int
    has_code: bool
    block: Block
    delegated: bool = False
    """Whether its code only delegates (EIP-7702, `0xef0100…`), so that its key still signs."""

    @property
    def can_send(self) -> bool:
        """Whether a transaction signed by the account's key can be included (EIP-3607)."""
        return self.delegated or not self.has_code


@frozen
class Lookup:
    """Receipts and the sender's nonce, seen together at one endpoint."""

    block: Block
    """The head the nonce was read at."""
    nonce: int
    """The sender's nonce at that block."""
    receipts: Mapping[str, Receipt]
    """By hash; a hash without receipt is absent."""


@frozen
class EndpointHealth:
    """How one endpoint of a chain is; it shows no URL, since that may be a secret."""

    index: int
    """Its place in the configured order, from 0."""
    state: str
    """`ok`, or why it is left out: `unreachable garbage wrong_chain behind refusing`."""
    head: int | None
    """Number of its newest block when it was last looked at; null: not known."""


class Chain(ABC):
    """One chain by its chain id.

    Every method that asks a node raises `ChainUnavailable` when there is no usable answer in
    time; that never says whether a broadcast arrived.
    """

    chain_id: int
    confirmations: int
    """Blocks after which a receipt counts by default, the receipt's own included; at least 1."""

    @abstractmethod
    def encode(
        self,
        contract: Contract,
        function: AgentFunction,
        parameters: JsonObject,
        *,
        value_wei: int = 0,
    ) -> Call:
        """Return the call, its arguments checked against the ABI; asks no node.

        Raises:
            FunctionNotFound: No ABI entry fits the function, or several do.
            InvalidArguments: A value does not fit its type; details name the field.
        """

    @abstractmethod
    def shape(self, contract: Contract, function: AgentFunction) -> Shape:
        """Return what the function is by the ABI; asks no node.

        Raises:
            FunctionNotFound: No ABI entry fits the function, or several do.
            InvalidArguments: The contract's address is none; details name the field.
        """

    @abstractmethod
    async def read(
        self, call: Call, *, sender: str | None = None, min_block: int | None = None
    ) -> ReadResult:
        """Return what the contract answers at the latest block, which is `min_block` or later.

        Raises:
            CallReverted: The contract refused.
            NoCodeAtAddress: There is no contract.
        """

    @abstractmethod
    async def simulate(
        self, call: Call, *, sender: str, min_block: int | None = None
    ) -> Simulation:
        """Return what sending the call would do now; nothing is sent.

        Raises:
            CallReverted: The contract would refuse.
            NoCodeAtAddress: There is no contract.
            InsufficientFunds: The sender cannot pay the value.
        """

    @abstractmethod
    async def quote(self, *, max_priority_fee_gwei: Decimal | None = None) -> Fees:
        """Return fees that should be included soon; the priority fee is at most the one given."""

    @abstractmethod
    def build(self, call: Call, *, nonce: int, gas: int, fees: Fees) -> UnsignedTransaction:
        """Return the sign-ready transaction; asks no node."""

    @abstractmethod
    def assemble(self, unsigned: UnsignedTransaction, signature: bytes) -> SignedTransaction:
        """Return the signed bytes and their hash; asks no node.

        Args:
            unsigned: What was signed.
            signature: 65 bytes: r, s, and the parity of y (0 or 1).
        """

    @abstractmethod
    def decode(self, raw: bytes) -> DecodedTransaction:
        """Return what signed bytes say, the recovered sender included; asks no node.

        Raises:
            TransactionRejected: They are no transaction of this chain.
        """

    @abstractmethod
    def blank(self, sender: str) -> Call:
        """Return the call that only uses a nonce up: no value, no data, to the sender itself."""

    @abstractmethod
    def intrinsic_gas(self, call: Call) -> int:
        """Return the least gas with which a transaction of this call can be included at all.

        Asks no node; never more than what the chain really demands.
        """

    @abstractmethod
    async def broadcast(self, raw: bytes) -> None:
        """Offer signed bytes to the chain, once.

        Returning proves nothing, and so does raising: what became of them is seen by `lookup`.

        Raises:
            TransactionRejected: The node said no; details `reason` holds its words.
        """

    @abstractmethod
    async def lookup(self, hashes: Sequence[str], *, sender: str) -> Lookup:
        """Return the receipts of these hashes and the sender's nonce, as one endpoint has them.

        The nonce is never newer than the receipts: a transaction of these hashes that it counts
        has its receipt in the answer. Receipts in blocks that do not stand are left out. No hash
        at all is fine: then it is the nonce that is wanted.
        """

    @abstractmethod
    async def account(self, address: str, *, min_block: int | None = None) -> Account:
        """Return the account at the latest block, which is `min_block` or later."""

    @abstractmethod
    async def head(self) -> Block:
        """Return the latest block.

        Raises:
            ChainUnavailable: Also where the node serves another chain id.
        """

    @abstractmethod
    async def final(self) -> Block:
        """Return the newest block that counts as final, by the chain's configuration.

        It is that of a tag, one so many blocks below the head, or the head itself. Once a block
        was final, it and the blocks below it are never replaced: that is the chain's word, which
        outcomes are built on.
        """

    @abstractmethod
    async def block(self, number: int) -> Block | None:
        """Return the block that stands at this height; null: the head is below it."""

    @abstractmethod
    async def find_consumer(self, sender: str, nonce: int, *, after: int, upto: int) -> str | None:
        """Return the hash of the transaction that used this nonce, from blocks that stand now.

        Args:
            sender: Whose nonce.
            nonce: Which.
            after: Blocks above this number are read; -1: from the first.
            upto: Blocks up to this number are read, itself included.

        Returns:
            Its hash; null: every one of these blocks was read and none has such a transaction.

        Raises:
            ChainUnavailable: Not every one of these blocks could be read.
        """

    @property
    def endpoints(self) -> Sequence[EndpointHealth]:
        """How each endpoint is, best first; empty where there is none to tell of."""
        return ()

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of connections; the chain is of no use afterwards."""
