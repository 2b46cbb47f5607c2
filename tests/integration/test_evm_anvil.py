"""The EVM chain against a real node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from attrs import frozen

from tests.anvil import KEYS, Anvil, running_anvil
from tests.kitchen import deploy_kitchen, mine, settled
from zephyrus_exec.errors import CallReverted, NoCodeAtAddress, TransactionRejected
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.interfaces.chain import Call, Fees, Receipt
from zephyrus_exec.model import AgentFunction, Contract, FunctionType, Json, JsonObject

BUYER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ORDER: JsonObject = {
    "buyer": BUYER,
    "lines": [{"sku": 1, "amount": "5"}, {"sku": 2**32 - 1, "amount": str(2**256 - 1)}],
    "gift": {"sku": 0, "amount": "0"},
    "ref": "0x" + "ab" * 32,
    "note": "ñandú 😀",
    "shifts": ["-9223372036854775808", "9223372036854775807"],
    "express": True,
}


@frozen
class World:
    """A node, our chain on it, a signer and the test contract."""

    chain: EvmChain
    signer: KeySigner
    contract: Contract

    def call(
        self,
        name: str,
        parameters: JsonObject | None = None,
        *,
        kind: FunctionType = FunctionType.READ,
        signature: str = "",
        value_wei: int = 0,
    ) -> Call:
        """Encode a call."""
        function = AgentFunction(name, signature=signature, type=kind)
        return self.chain.encode(self.contract, function, parameters or {}, value_wei=value_wei)

    async def read(
        self, name: str, parameters: JsonObject | None = None, *, signature: str = ""
    ) -> Json:
        """Return what a read answers."""
        call = self.call(name, parameters, signature=signature)
        return (await self.chain.read(call, sender=self.signer.address)).value

    async def send(
        self, call: Call, *, gas: int | None = None, fees: Fees | None = None
    ) -> Receipt:
        """Do the whole path of a write, as the engine does, and return the receipt."""
        chain, sender = self.chain, self.signer.address
        if gas is None:
            gas = (await chain.simulate(call, sender=sender)).gas
        nonce = (await chain.account(sender)).nonce
        unsigned = chain.build(call, nonce=nonce, gas=gas, fees=fees or await chain.quote())
        signed = chain.assemble(unsigned, await self.signer.sign(unsigned.payload))
        await chain.broadcast(signed.raw)
        return await settled(chain, signed.hash, sender=sender)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil() as anvil:
        yield anvil


@pytest.fixture
async def world(node: Anvil) -> AsyncIterator[World]:
    chain = EvmChain(node.chain_id, [node.url])
    signer = KeySigner.from_key(KEYS[0])
    try:
        yield World(chain, signer, await deploy_kitchen(chain, signer))
    finally:
        await chain.aclose()


WRITE, PAYABLE = FunctionType.WRITE, FunctionType.PAYABLE


async def test_numbers_beyond_53_bits_are_exact(world: World) -> None:
    assert await world.read("total") == str(2**200 + 1)
    assert await world.read("add", {"a": 2**53 + 1, "b": str(2**255)}) == str(2**255 + 2**53 + 1)


async def test_small_integers_are_numbers(world: World) -> None:
    given: JsonObject = {"a": 255, "b": -(2**47), "c": 2**48 - 1}
    assert await world.read("small", given) == [255, -(2**47), 2**48 - 1]


async def test_named_outputs_are_an_object_and_none_is_null(world: World) -> None:
    assert await world.read("named", {"a": 9}) == {"half": "4", "even": False}
    assert await world.read("nothing") is None


async def test_a_tuple_goes_in_and_comes_out(world: World) -> None:
    assert await world.read("echo", {"order": ORDER}) == ORDER


async def test_arrays_of_tuples_and_of_arrays_go_in_and_come_out(world: World) -> None:
    given: JsonObject = {"orders": [ORDER, ORDER], "grid": [[1, 2, 65535], []]}
    assert await world.read("echoAll", given) == [[ORDER, ORDER], [[1, 2, 65535], []]]


async def test_overloads_are_told_apart_by_signature(world: World) -> None:
    assert await world.read("pick", {"a": 0}, signature="pick(uint256)") == "zero"
    assert await world.read("pick", {"a": BUYER}, signature="pick(address)") == "somebody"


async def test_text_that_is_no_utf8_does_not_stop_a_read(world: World) -> None:
    assert await world.read("rawText", {"text": "0x61ff62"}) == "a\ufffdb"


async def test_a_write_changes_the_contract(world: World) -> None:
    receipt = await world.send(world.call("cook", {"amount": 7}, kind=WRITE))
    assert receipt.success
    assert receipt.gas_used > 21_000
    result = await world.chain.read(world.call("count"), min_block=receipt.block_number)
    assert (result.value, result.block_number) == ("7", receipt.block_number)


async def test_a_simulated_write_tells_what_it_would_return(world: World) -> None:
    call = world.call("cook", {"amount": 7}, kind=WRITE)
    assert (await world.chain.simulate(call, sender=world.signer.address)).value == "7"
    assert await world.read("count") == "0"


async def test_a_tuple_is_written(world: World) -> None:
    lines: Json = [{"sku": 1, "amount": 5}, {"sku": 2, "amount": "6"}]
    order: JsonObject = {**ORDER, "lines": lines}
    await world.send(world.call("store", {"order": order}, kind=WRITE))
    assert await world.read("count") == "11"


async def test_value_is_paid(world: World) -> None:
    receipt = await world.send(world.call("pay", kind=PAYABLE, value_wei=10**17 + 1))
    assert receipt.success
    assert await world.read("paid", {"0": world.signer.address}) == str(10**17 + 1)


async def test_a_legacy_transaction_is_accepted(world: World) -> None:
    fees = Fees(10 * 10**9, None)
    receipt = await world.send(world.call("cook", {"amount": 1}, kind=WRITE), fees=fees)
    assert receipt.success
    assert receipt.effective_gas_price_wei == 10 * 10**9


@pytest.mark.parametrize(
    ("name", "parameters", "error_name", "reason"),
    [
        ("failWith", {"why": "no ñ today"}, "Error", "no ñ today"),
        ("failWith", {"why": ""}, "Error", "the contract gave an empty reason"),
        ("failPanic", {"a": 0}, "Panic", "panic 0x12: division or modulo by zero"),
        ("failEmpty", {}, None, "execution reverted"),
        (
            "failCustom",
            {"wanted": 2**255},
            "OutOfStock",
            f"OutOfStock(wanted={2**255}, available=0, "
            "asker=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)",
        ),
        (
            "failTuple",
            {},
            "BadOrder",
            f'BadOrder(line={{"sku": 7, "amount": "{2**128}"}}, why="spoiled")',
        ),
        (
            "failRaw",
            {"data": "0x08c379a0" + "ff" * 64},
            None,
            "the contract's ABI has no error for its data 0x08c379a0…",
        ),
    ],
)
async def test_a_refusal_is_put_into_words(
    world: World, name: str, parameters: JsonObject, error_name: str | None, reason: str
) -> None:
    with pytest.raises(CallReverted) as caught:
        await world.read(name, parameters)
    assert caught.value.details["error_name"] == error_name
    assert str(caught.value.details["reason"]).startswith(reason)


async def test_a_write_that_would_revert_is_known_before_it_is_sent(world: World) -> None:
    call = world.call("cookOrFail", {"amount": 100}, kind=WRITE)
    with pytest.raises(CallReverted, match="too much"):
        await world.send(call)


async def test_a_write_that_reverts_all_the_same_has_a_receipt(world: World) -> None:
    first = world.call("onlyFirst", kind=WRITE)
    assert (await world.send(first)).success
    assert not (await world.send(first, gas=100_000)).success


async def test_nobody_answers_where_there_is_no_contract(world: World) -> None:
    nobody = World(world.chain, world.signer, Contract("x", BUYER, 31337, abi=world.contract.abi))
    with pytest.raises(NoCodeAtAddress):
        await nobody.read("total")
    with pytest.raises(NoCodeAtAddress):
        await world.chain.simulate(
            nobody.call("onlyFirst", kind=WRITE), sender=world.signer.address
        )


async def test_a_read_waits_for_a_block_that_is_on_its_way(world: World) -> None:
    ahead = (await world.chain.head()).number + 1
    reading = asyncio.create_task(world.chain.read(world.call("count"), min_block=ahead))
    await asyncio.sleep(0)
    await mine(world.chain)
    assert (await reading).block_number == ahead


async def test_a_receipt_goes_with_its_block(world: World) -> None:
    """After a reorg the transaction is neither counted nor mined."""
    chain, sender = world.chain, world.signer.address
    before = await chain.account(sender)
    receipt = await world.send(world.call("cook", {"amount": 1}, kind=WRITE))
    await chain._request("anvil_reorg", [1, []])
    view = await chain.lookup([receipt.transaction_hash], sender=sender)
    assert (dict(view.receipts), view.nonce) == ({}, before.nonce)
    assert view.block.hash != receipt.block_hash


async def test_a_transaction_the_node_cannot_take_is_refused_in_its_words(world: World) -> None:
    call = world.call("pay", kind=PAYABLE, value_wei=10**30)
    with pytest.raises(TransactionRejected) as caught:
        await world.send(call, gas=100_000)
    assert "funds" in str(caught.value.details["reason"])
