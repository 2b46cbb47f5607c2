"""What every `Chain` must keep: a suite to subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import pytest
from attrs import evolve, field, frozen

from ..errors import (
    CallReverted,
    ChainUnavailable,
    FunctionNotFound,
    InsufficientFunds,
    InvalidArguments,
    NoCodeAtAddress,
    TransactionRejected,
)
from ..interfaces.chain import Call, Chain, Receipt, SignedTransaction
from ..interfaces.signer import Signer
from ..model import AgentFunction, Contract, Json, JsonObject


@frozen
class Deed:
    """One call to make."""

    function: AgentFunction
    parameters: JsonObject = field(factory=dict)
    value: Json = None
    """What it answers."""


@frozen
class ChainBench:
    """A chain with everything the suite needs on it."""

    chain: Chain
    """It mines nothing unless told to, and gives up waiting for a block within a second."""
    signer: Signer
    """Of an account with at least 1 ether and no transactions."""
    contract: Contract
    """With an ABI."""
    read: Deed
    """A read whose value is known."""
    write: Deed
    """A write that succeeds, and would again."""
    pay: Deed
    """A payable function without parameters that takes any value."""
    refuse: Deed
    """A write that always reverts."""
    refusal: str
    """Its reason."""
    mine: Callable[[], Awaitable[None]]
    """Mines one block."""
    final_after: int = 8
    """How many blocks have to follow one before it is final."""


class ChainConformance(ABC):
    """Subclass it as `Test…`, give it a bench, and pytest runs the suite (asyncio mode `auto`)."""

    @abstractmethod
    def bench(self) -> AbstractAsyncContextManager[ChainBench]:
        """Return a fresh chain, closed at the end of the block."""

    # --- without a node

    async def test_encoding_is_deterministic_and_names_every_argument(self) -> None:
        """The same call is the same bytes; its arguments are the given ones."""
        async with self.bench() as bench:
            first, second = _call(bench, bench.read), _call(bench, bench.read)
            assert first == second
            assert first.arguments == bench.read.parameters
            assert first.function.startswith(bench.read.function.name + "(")

    async def test_a_function_that_the_abi_lacks_is_not_found(self) -> None:
        """A name nobody knows is refused before a node is asked."""
        async with self.bench() as bench:
            function = AgentFunction("noSuchFunction")
            with pytest.raises(FunctionNotFound):
                bench.chain.encode(bench.contract, function, {})

    async def test_unknown_and_missing_parameters_are_invalid(self) -> None:
        """Parameters are exactly those of the ABI."""
        async with self.bench() as bench:
            unknown = {**bench.read.parameters, "nobody": 1}
            for parameters in ({}, unknown):
                with pytest.raises(InvalidArguments) as caught:
                    bench.chain.encode(bench.contract, bench.read.function, parameters)
                assert str(caught.value.details["field"]).startswith("$.")

    async def test_value_for_a_function_that_takes_none_is_invalid(self) -> None:
        """Only payable functions take a value."""
        async with self.bench() as bench:
            with pytest.raises(InvalidArguments):
                bench.chain.encode(
                    bench.contract, bench.write.function, bench.write.parameters, value_wei=1
                )

    async def test_the_shape_of_a_function_is_that_of_its_calls(self) -> None:
        """It names the parameters that calls take, and the most that may be done with it."""
        async with self.bench() as bench:
            shape = bench.chain.shape(bench.contract, bench.read.function)
            assert shape.signature == _call(bench, bench.read).function
            assert set(shape.parameters) == set(bench.read.parameters)
            for deed in (bench.read, bench.write, bench.pay):
                assert bench.chain.shape(bench.contract, deed.function).type is deed.function.type

    async def test_a_function_that_the_abi_lacks_has_no_shape(self) -> None:
        """A name nobody knows is refused, as it is when it is called."""
        async with self.bench() as bench:
            with pytest.raises(FunctionNotFound):
                bench.chain.shape(bench.contract, AgentFunction("noSuchFunction"))

    async def test_signed_bytes_say_what_was_meant(self) -> None:
        """`decode` gives back every field, the sender and the hash."""
        async with self.bench() as bench:
            call = _call(bench, bench.pay, value_wei=7)
            fees = await bench.chain.quote()
            signed = await _signed(bench, call, nonce=5)
            said = bench.chain.decode(signed.raw)
            assert (said.chain_id, said.sender) == (bench.chain.chain_id, bench.signer.address)
            assert (said.nonce, said.to, said.data, said.value_wei) == (5, call.to, call.data, 7)
            assert (said.fees, said.hash) == (fees, signed.hash)

    async def test_bytes_that_are_no_transaction_are_rejected(self) -> None:
        """`decode` refuses whatever it cannot read, and what was changed after signing."""
        async with self.bench() as bench:
            for raw in (b"", b"\x02", b"no transaction at all", bytes(200)):
                with pytest.raises(TransactionRejected):
                    bench.chain.decode(raw)

    # --- reading

    async def test_a_read_answers_with_the_block_it_was_answered_at(self) -> None:
        """The value is right and the block is the head."""
        async with self.bench() as bench:
            result = await bench.chain.read(_call(bench, bench.read))
            head = await bench.chain.head()
            assert (result.value, result.block_number) == (bench.read.value, head.number)

    async def test_a_refused_call_tells_the_reason(self) -> None:
        """A revert is decoded, whether read or simulated."""
        async with self.bench() as bench:
            call = _call(bench, bench.refuse)
            with pytest.raises(CallReverted) as read:
                await bench.chain.read(call, sender=bench.signer.address)
            with pytest.raises(CallReverted) as simulated:
                await bench.chain.simulate(call, sender=bench.signer.address)
            assert bench.refusal in str(read.value.details["reason"])
            assert bench.refusal in str(simulated.value.details["reason"])

    async def test_an_address_without_contract_is_told(self) -> None:
        """Neither a read nor a simulation pretends that nobody answered something."""
        async with self.bench() as bench:
            nobody = evolve(bench.contract, address="0x" + "12" * 20)
            bench = evolve(bench, contract=nobody)
            with pytest.raises(NoCodeAtAddress):
                await bench.chain.read(_call(bench, bench.read))
            with pytest.raises(NoCodeAtAddress):
                await bench.chain.simulate(_call(bench, bench.write), sender=bench.signer.address)

    async def test_a_block_that_does_not_come_makes_the_chain_unavailable(self) -> None:
        """`min_block` is waited for, and not for ever."""
        async with self.bench() as bench:
            beyond = (await bench.chain.head()).number + 1
            with pytest.raises(ChainUnavailable):
                await bench.chain.read(_call(bench, bench.read), min_block=beyond)
            with pytest.raises(ChainUnavailable):
                await bench.chain.account(bench.signer.address, min_block=beyond)

    async def test_a_block_that_is_there_is_enough(self) -> None:
        """`min_block` at the head changes nothing."""
        async with self.bench() as bench:
            await bench.mine()
            head = (await bench.chain.head()).number
            result = await bench.chain.read(_call(bench, bench.read), min_block=head)
            assert result.block_number == head

    # --- simulating and pricing

    async def test_a_simulation_estimates_gas_and_changes_nothing(self) -> None:
        """The account is as before."""
        async with self.bench() as bench:
            before = await bench.chain.account(bench.signer.address)
            simulation = await bench.chain.simulate(
                _call(bench, bench.write), sender=bench.signer.address
            )
            assert simulation.gas > 0
            assert await bench.chain.account(bench.signer.address) == before

    async def test_a_value_beyond_the_balance_is_insufficient_funds(self) -> None:
        """Before anything is sent."""
        async with self.bench() as bench:
            balance = (await bench.chain.account(bench.signer.address)).balance_wei
            call = _call(bench, bench.pay, value_wei=balance + 1)
            with pytest.raises(InsufficientFunds):
                await bench.chain.simulate(call, sender=bench.signer.address)

    async def test_the_priority_fee_keeps_to_its_cap(self) -> None:
        """A cap of zero means that nothing is given."""
        async with self.bench() as bench:
            fees = await bench.chain.quote(max_priority_fee_gwei=Decimal(0))
            assert fees.max_fee_wei >= (fees.max_priority_fee_wei or 0)
            assert not fees.max_priority_fee_wei

    # --- sending

    async def test_a_transaction_counts_from_its_block_on(self) -> None:
        """Waiting it has no receipt and does not count; mined it has both, at a named block."""
        async with self.bench() as bench:
            signed = await _send(bench, bench.write, nonce=0)
            waiting = await bench.chain.lookup([signed.hash], sender=bench.signer.address)
            assert (waiting.nonce, dict(waiting.receipts)) == (0, {})
            assert (await bench.chain.account(bench.signer.address)).nonce == 0
            await bench.mine()
            mined = await bench.chain.lookup([signed.hash], sender=bench.signer.address)
            receipt = mined.receipts[signed.hash]
            assert (mined.nonce, receipt.success) == (1, True)
            assert (receipt.block_number, receipt.block_hash) == (
                mined.block.number,
                mined.block.hash,
            )
            assert receipt.gas_used > 0

    async def test_a_transaction_that_reverts_is_mined_all_the_same(self) -> None:
        """Its receipt says that it failed, and its nonce is used."""
        async with self.bench() as bench:
            receipt = await _mined(bench, bench.refuse)
            account = await bench.chain.account(bench.signer.address)
            assert (receipt.success, account.nonce) == (False, 1)

    async def test_value_leaves_the_account(self) -> None:
        """By the value and the fee, to the wei."""
        async with self.bench() as bench:
            before = await bench.chain.account(bench.signer.address)
            receipt = await _mined(bench, bench.pay, value_wei=1000)
            after = await bench.chain.account(bench.signer.address)
            fee = receipt.gas_used * receipt.effective_gas_price_wei
            assert before.balance_wei - after.balance_wei == 1000 + fee

    async def test_the_same_bytes_may_be_offered_twice(self) -> None:
        """A node that has them already is no failure, and they count once."""
        async with self.bench() as bench:
            signed = await _send(bench, bench.write, nonce=0)
            await bench.chain.broadcast(signed.raw)
            await bench.mine()
            view = await bench.chain.lookup([signed.hash], sender=bench.signer.address)
            assert view.nonce == 1

    async def test_a_used_nonce_is_refused_in_the_nodes_words(self) -> None:
        """`TransactionRejected` with a reason."""
        async with self.bench() as bench:
            await _mined(bench, bench.write)
            with pytest.raises(TransactionRejected) as caught:
                await _send(bench, bench.pay, nonce=0)
            assert caught.value.details["reason"]

    async def test_a_hash_nobody_knows_has_no_receipt(self) -> None:
        """It is absent, and that is no error."""
        async with self.bench() as bench:
            view = await bench.chain.lookup(["0x" + "ab" * 32], sender=bench.signer.address)
            assert dict(view.receipts) == {}

    async def test_blocks_follow_each_other(self) -> None:
        """One block more, another hash."""
        async with self.bench() as bench:
            first = await bench.chain.head()
            await bench.mine()
            second = await bench.chain.head()
            assert second.number == first.number + 1
            assert second.hash != first.hash

    async def test_a_block_is_told_by_its_number_once_it_is_there(self) -> None:
        """The head is the last there is."""
        async with self.bench() as bench:
            first = await bench.chain.head()
            assert await bench.chain.block(first.number + 1) is None
            await bench.mine()
            second = await bench.chain.head()
            assert await bench.chain.block(first.number) == first
            assert await bench.chain.block(second.number) == second

    async def test_a_block_is_final_once_enough_others_follow_it(self) -> None:
        """And not before; what is final is a block that stands."""
        async with self.bench() as bench:
            await bench.mine()
            head = await bench.chain.head()
            for _ in range(bench.final_after):
                assert (await bench.chain.final()).number < head.number
                await bench.mine()
            assert await bench.chain.final() == head

    async def test_a_lookup_without_hashes_tells_the_nonce(self) -> None:
        """And no receipts."""
        async with self.bench() as bench:
            await _mined(bench, bench.write)
            seen = await bench.chain.lookup((), sender=bench.signer.address)
            assert (seen.nonce, dict(seen.receipts)) == (1, {})
            assert seen.block == await bench.chain.head()

    async def test_who_used_a_nonce_is_found_in_the_blocks_that_have_it(self) -> None:
        """Not before, not after, and not for another nonce or another account."""
        async with self.bench() as bench:
            await bench.mine()
            receipt = await _mined(bench, bench.write)
            await bench.mine()
            number, sender = receipt.block_number, bench.signer.address
            find = bench.chain.find_consumer
            used = receipt.transaction_hash
            assert await find(sender, 0, after=-1, upto=number + 1) == used
            assert await find(sender, 0, after=number - 1, upto=number) == used
            assert await find(sender, 0, after=number, upto=number + 1) is None
            assert await find(sender, 0, after=-1, upto=number - 1) is None
            assert await find(sender, 0, after=number, upto=number) is None
            assert await find(sender, 1, after=-1, upto=number + 1) is None
            assert await find(bench.contract.address, 0, after=number - 1, upto=number) is None

    async def test_blocks_that_are_not_there_yet_cannot_be_searched(self) -> None:
        """Nobody is said not to have used a nonce there."""
        async with self.bench() as bench:
            beyond = (await bench.chain.head()).number + 1
            with pytest.raises(ChainUnavailable):
                await bench.chain.find_consumer(bench.signer.address, 0, after=-1, upto=beyond)

    async def test_endpoints_that_are_well_say_so(self) -> None:
        """A chain without any to tell of has none; indexes count from 0."""
        async with self.bench() as bench:
            await bench.chain.head()
            endpoints = bench.chain.endpoints
            assert [one.index for one in endpoints] == list(range(len(endpoints)))
            assert {one.state for one in endpoints} <= {"ok"}

    async def test_an_account_with_code_is_told_from_one_without(self) -> None:
        """The contract has code, the signer has none."""
        async with self.bench() as bench:
            assert (await bench.chain.account(bench.contract.address)).has_code
            assert not (await bench.chain.account(bench.signer.address)).has_code


def _call(bench: ChainBench, deed: Deed, *, value_wei: int = 0) -> Call:
    return bench.chain.encode(bench.contract, deed.function, deed.parameters, value_wei=value_wei)


async def _signed(bench: ChainBench, call: Call, *, nonce: int) -> SignedTransaction:
    fees = await bench.chain.quote()
    unsigned = bench.chain.build(call, nonce=nonce, gas=300_000, fees=fees)
    return bench.chain.assemble(unsigned, await bench.signer.sign(unsigned.payload))


async def _send(
    bench: ChainBench, deed: Deed, *, nonce: int, value_wei: int = 0
) -> SignedTransaction:
    signed = await _signed(bench, _call(bench, deed, value_wei=value_wei), nonce=nonce)
    await bench.chain.broadcast(signed.raw)
    return signed


async def _mined(bench: ChainBench, deed: Deed, *, value_wei: int = 0) -> Receipt:
    signed = await _send(bench, deed, nonce=0, value_wei=value_wei)
    await bench.mine()
    view = await bench.chain.lookup([signed.hash], sender=bench.signer.address)
    return view.receipts[signed.hash]
