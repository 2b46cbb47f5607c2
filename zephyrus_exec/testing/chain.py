"""`ModelChain`: a chain in memory, exact and quick, for everything that sends transactions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from ..errors import (
    ChainUnavailable,
    FunctionNotFound,
    InsufficientFunds,
    InvalidArguments,
    NoCodeAtAddress,
    TransactionRejected,
)
from ..interfaces.chain import (
    Account,
    Block,
    Call,
    Chain,
    DecodedTransaction,
    Fees,
    Lookup,
    ReadResult,
    Shape,
    SignedTransaction,
    Simulation,
    UnsignedTransaction,
)
from ..interfaces.signer import Signer
from ..model import AgentFunction, Contract, FunctionType, Json, JsonObject
from .ledger import Behaviour, Ledger, ModelCall

Hook: TypeAlias = Callable[[str], Awaitable[None]]
"""Awaited with the name of a method; it may wait, or raise what the node would."""

GWEI = 10**9
_TYPES = {
    "view": FunctionType.READ,
    "pure": FunctionType.READ,
    "nonpayable": FunctionType.WRITE,
    "payable": FunctionType.PAYABLE,
}
"""By what an ABI calls it."""


async def _nothing(_method: str) -> None:
    """Let the method go on."""


class ModelSigner(Signer):
    """A signer without cryptography: whoever knows its name can sign for it.

    Args:
        name: Decides the address.
    """

    def __init__(self, name: str = "model") -> None:
        self._address = "0x" + hashlib.sha256(f"account {name}".encode()).hexdigest()[:40]

    @property
    def address(self) -> str:
        """Lower-case address made of the name."""
        return self._address

    async def sign(self, payload: bytes) -> bytes:
        """Return 65 bytes that only this address and this payload give."""
        return _signature(self._address, payload)


class ModelChain(Chain):
    """A chain with accounts, fees, blocks, receipts and reorgs, and contracts made of functions.

    It follows the `Chain` promises and shows no more than a node would. Nothing is random and
    nothing takes time.

    Args:
        chain_id: What it calls itself.
        confirmations: Blocks after which a receipt counts by default.
        automine: Whether every accepted transaction is mined at once.
        legacy: Whether fees are gas prices instead of EIP-1559 fees.
        block_gas_limit: Gas limit of every block.
        gas: What every call is estimated at and uses.
        final_depth: Blocks below the head at which a block is final; 0: at once.
    """

    def __init__(
        self,
        chain_id: int = 1337,
        *,
        confirmations: int = 1,
        automine: bool = True,
        legacy: bool = False,
        block_gas_limit: int = 30_000_000,
        gas: int = 50_000,
        final_depth: int = 8,
    ) -> None:
        self.chain_id = chain_id
        self.confirmations = confirmations
        self.automine = automine
        self.final_depth = final_depth
        self.legacy = legacy
        self.priority_fee_wei = GWEI
        self.before: Hook = _nothing
        """Awaited before a method does anything: raising loses the request."""
        self.after: Hook = _nothing
        """Awaited after the method's effect: raising loses the reply."""
        self.broadcasts: list[bytes] = []
        """Everything that was offered and reached the node, in order."""
        self.delegated: set[str] = set()
        """Accounts, in lower case, whose code only delegates (EIP-7702)."""
        self._contracts: dict[str, dict[str, Behaviour]] = {}
        self.ledger = Ledger(
            self._contracts, self._execute, block_gas_limit=block_gas_limit, gas_used=gas
        )
        """The world behind the node; tests change it directly."""
        self.ledger.base_fee_wei = GWEI

    # --- what a test sets up

    def deploy(self, address: str, functions: Mapping[str, Behaviour | Json]) -> None:
        """Put a contract at an address.

        Args:
            address: `0x` and 40 hex digits.
            functions: By name or canonical signature: a behaviour, or the value it always returns.
        """
        self._contracts[address.lower()] = {
            name: what if callable(what) else _constant(what) for name, what in functions.items()
        }

    def fund(self, address: str, wei: int = 10**18) -> None:
        """Add to a balance."""
        self.ledger.fund(address, wei)

    def mine(self, blocks: int = 1) -> Block:
        """Mine blocks and return the last."""
        for _ in range(blocks):
            self.ledger.mine()
        return self.ledger.head

    # --- without a node

    def encode(
        self,
        contract: Contract,
        function: AgentFunction,
        parameters: JsonObject,
        *,
        value_wei: int = 0,
    ) -> Call:
        """Return the call; names are checked where the contract has an ABI, types never."""
        entry = _entry(contract, function)
        signature = function.signature or _signature_of(function.name, entry)
        arguments = _arguments(signature, function, entry, parameters)
        if value_wei and function.type is not FunctionType.PAYABLE:
            raise InvalidArguments(
                f"{signature} takes no value; leave value_wei out",
                function=signature,
                field="$.value_wei",
                problem="the function is not payable",
            )
        return Call(
            chain_id=self.chain_id,
            to=contract.address.lower(),
            data=_dumps({"function": signature, "arguments": arguments}),
            function=signature,
            type=function.type,
            arguments=arguments,
            abi=entry or {},
            value_wei=value_wei,
        )

    def shape(self, contract: Contract, function: AgentFunction) -> Shape:
        """Return what the ABI says, or what the function itself does where there is none."""
        entry = _entry(contract, function)
        signature = function.signature or _signature_of(function.name, entry)
        if entry is None:
            return Shape(signature, tuple(p.name for p in function.parameters), function.type)
        kind = _TYPES.get(str(entry.get("stateMutability")), function.type)
        return Shape(signature, tuple(_names(entry)), kind)

    def build(self, call: Call, *, nonce: int, gas: int, fees: Fees) -> UnsignedTransaction:
        """Return the transaction with a payload of JSON text."""
        payload = _dumps(
            {
                "chain_id": self.chain_id,
                "nonce": nonce,
                "to": call.to,
                "data": call.data.hex(),
                "value_wei": call.value_wei,
                "gas": gas,
                "max_fee_wei": fees.max_fee_wei,
                "max_priority_fee_wei": fees.max_priority_fee_wei,
            }
        )
        return UnsignedTransaction(call, nonce, gas, fees, payload)

    def blank(self, sender: str) -> Call:
        """Return the call of no function."""
        return Call(
            chain_id=self.chain_id,
            to=sender.lower(),
            data=b"",
            function="",
            type=FunctionType.WRITE,
            arguments={},
            abi={},
        )

    def intrinsic_gas(self, call: Call) -> int:
        """Return what an EVM chain would charge before any code runs."""
        return 21_000 + 16 * len(call.data)

    def assemble(self, unsigned: UnsignedTransaction, signature: bytes) -> SignedTransaction:
        """Return the payload and its signature, one after the other."""
        raw = unsigned.payload + signature
        return SignedTransaction(raw, _hash(raw))

    def decode(self, raw: bytes) -> DecodedTransaction:
        """Return what the bytes say."""
        payload, signature = raw[:-65], raw[-65:]
        sender = "0x" + signature[44:64].hex()
        if _signature(sender, payload) != signature:
            raise TransactionRejected("the signature fits nobody", reason="invalid sender")
        said = json.loads(payload)
        if said["chain_id"] != self.chain_id:
            raise TransactionRejected("this is for another chain", reason="invalid chain id")
        return DecodedTransaction(
            chain_id=said["chain_id"],
            sender=sender,
            nonce=said["nonce"],
            to=said["to"],
            data=bytes.fromhex(said["data"]),
            value_wei=said["value_wei"],
            gas=said["gas"],
            fees=Fees(said["max_fee_wei"], said["max_priority_fee_wei"]),
            hash=_hash(raw),
        )

    # --- asking the node

    async def read(
        self, call: Call, *, sender: str | None = None, min_block: int | None = None
    ) -> ReadResult:
        """Return what the contract answers now."""
        await self.before("read")
        self._reach(min_block)
        value = self._run(call, sender or "0x" + "0" * 40)
        await self.after("read")
        return ReadResult(value, self.ledger.head.number)

    async def simulate(
        self, call: Call, *, sender: str, min_block: int | None = None
    ) -> Simulation:
        """Return what sending the call would do now."""
        await self.before("simulate")
        self._reach(min_block)
        balance = self.ledger.balance(sender)
        if balance < call.value_wei:
            raise InsufficientFunds(
                f"{sender} cannot pay the value; send it more",
                balance_wei=str(balance),
                needed_wei=str(call.value_wei),
                sender=sender,
            )
        value = self._run(call, sender)
        await self.after("simulate")
        return Simulation(value, self.ledger.gas_used)

    async def quote(self, *, max_priority_fee_gwei: Decimal | None = None) -> Fees:
        """Return twice the base fee plus the priority fee, or a gas price."""
        await self.before("quote")
        base, priority = self.ledger.base_fee_wei, self.priority_fee_wei
        if max_priority_fee_gwei is not None:
            priority = min(priority, int(max_priority_fee_gwei * GWEI))
        await self.after("quote")
        if self.legacy:
            return Fees(base + priority, None)
        return Fees(2 * base + priority, priority)

    async def broadcast(self, raw: bytes) -> None:
        """Offer signed bytes to the pool; mine them at once with `automine`."""
        await self.before("broadcast")
        self.broadcasts.append(raw)
        self.ledger.offer(self.decode(raw))
        if self.automine:
            self.ledger.mine()
        await self.after("broadcast")

    async def lookup(self, hashes: Sequence[str], *, sender: str) -> Lookup:
        """Return receipts and nonce at the head."""
        await self.before("lookup")
        found = {name: self.ledger.receipt(name) for name in hashes}
        receipts = {name: receipt for name, receipt in found.items() if receipt is not None}
        result = Lookup(self.ledger.head, self.ledger.nonce(sender), receipts)
        await self.after("lookup")
        return result

    async def account(self, address: str, *, min_block: int | None = None) -> Account:
        """Return the account at the head."""
        await self.before("account")
        self._reach(min_block)
        result = Account(
            nonce=self.ledger.nonce(address),
            balance_wei=self.ledger.balance(address),
            has_code=address.lower() in self._contracts.keys() | self.delegated,
            block=self.ledger.head,
            delegated=address.lower() in self.delegated,
        )
        await self.after("account")
        return result

    async def head(self) -> Block:
        """Return the latest block."""
        await self.before("head")
        block = self.ledger.head
        await self.after("head")
        return block

    async def final(self) -> Block:
        """Return the block `final_depth` below the head, or the first."""
        await self.before("final")
        block = self.ledger.block(max(0, self.ledger.head.number - self.final_depth))
        await self.after("final")
        assert block is not None, "a block below the head stands"
        return block

    async def block(self, number: int) -> Block | None:
        """Return the block that stands at this height."""
        await self.before("block")
        block = self.ledger.block(number)
        await self.after("block")
        return block

    async def find_consumer(self, sender: str, nonce: int, *, after: int, upto: int) -> str | None:
        """Return the hash of the transaction that used this nonce, if these blocks have it."""
        await self.before("find_consumer")
        if self.ledger.head.number < upto:
            raise ChainUnavailable(
                f"chain {self.chain_id} has no block {upto}", chain_id=self.chain_id
            )
        found = self.ledger.consumer(sender, nonce, after=after, upto=upto)
        await self.after("find_consumer")
        return found

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    # --- inside

    def _reach(self, min_block: int | None) -> None:
        if min_block is not None and self.ledger.head.number < min_block:
            raise ChainUnavailable(
                f"chain {self.chain_id} has not reached block {min_block}; try again later",
                chain_id=self.chain_id,
            )

    def _run(self, call: Call, sender: str) -> Json:
        if call.to not in self._contracts:
            raise NoCodeAtAddress(
                f"there is no contract at {call.to}; check the address and the chain id",
                address=call.to,
                chain_id=self.chain_id,
            )
        storage = self.ledger.storage(call.to)
        return self._behaviour(call.to, call.function)(
            ModelCall(sender, call.arguments, call.value_wei, storage)
        )

    def _execute(self, transaction: DecodedTransaction, storage: dict[str, Json]) -> Json:
        said = json.loads(transaction.data or b'{"function": "", "arguments": {}}')
        behaviour = self._behaviour(transaction.to, said["function"])
        return behaviour(
            ModelCall(transaction.sender, said["arguments"], transaction.value_wei, storage)
        )

    def _behaviour(self, address: str, signature: str) -> Behaviour:
        functions = self._contracts[address.lower()]
        name = signature.partition("(")[0]
        return functions.get(signature) or functions.get(name) or _constant(None)


def _constant(value: Json) -> Behaviour:
    return lambda _call: value


def _dumps(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _hash(raw: bytes) -> str:
    return "0x" + hashlib.sha3_256(raw).hexdigest()


def _signature(address: str, payload: bytes) -> bytes:
    account = bytes.fromhex(address[2:])
    return hashlib.sha256(account + payload).digest() + bytes(12) + account + b"\0"


def _entry(contract: Contract, function: AgentFunction) -> JsonObject | None:
    if function.abi is not None:
        return function.abi
    wanted = function.signature.partition("(")[0] or function.name
    for entry in contract.abi:
        if entry.get("name") == wanted:
            return entry
    if contract.abi:
        raise FunctionNotFound(
            f"the ABI has no function {wanted}; correct its name", function=function.name
        )
    return None


def _inputs(entry: JsonObject) -> list[Mapping[str, Json]]:
    inputs = entry.get("inputs", ())
    if not isinstance(inputs, Sequence) or isinstance(inputs, str):
        return []
    return [one for one in inputs if isinstance(one, Mapping)]


def _names(entry: JsonObject) -> list[str]:
    return [str(one.get("name")) or str(i) for i, one in enumerate(_inputs(entry))]


def _signature_of(name: str, entry: JsonObject | None) -> str:
    types = [str(one.get("type", "")) for one in _inputs(entry or {})]
    return f"{name}({','.join(types)})"


def _arguments(
    signature: str, function: AgentFunction, entry: JsonObject | None, given: JsonObject
) -> dict[str, Json]:
    values: dict[str, Json] = {
        p.name: p.default for p in function.parameters if p.default is not None
    }
    values.update(given)
    if entry is None:
        return values
    names = _names(entry)
    wrong = sorted(set(values) ^ set(names))
    if wrong:
        raise InvalidArguments(
            f"{signature} takes the parameters {names}; correct {wrong[0]}",
            function=signature,
            field=f"$.{wrong[0]}",
            problem="unknown parameter" if wrong[0] in values else "missing",
        )
    return {name: values[name] for name in names}
