"""What `ModelChain` offers tests beyond the promises of `Chain`."""

from __future__ import annotations

import pytest

from zephyrus_exec.errors import CallReverted, ChainUnavailable, TransactionRejected
from zephyrus_exec.interfaces.chain import Fees, SignedTransaction
from zephyrus_exec.model import AgentFunction, Contract, FunctionType, Json
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.ledger import ModelCall, reverting

ADDRESS = "0x" + "C0" * 20
COUNT = AgentFunction("count", type=FunctionType.WRITE)
SIGNER = ModelSigner("alice")
FEES = Fees(3 * 10**9, 10**9)


def count(call: ModelCall) -> Json:
    total = int(str(call.storage.get("total", 0))) + 1
    call.storage["total"] = total
    return total


def count_and_refuse(call: ModelCall) -> Json:
    count(call)
    return reverting("no")(call)


def make(*, automine: bool = False, legacy: bool = False) -> ModelChain:
    chain = ModelChain(automine=automine, legacy=legacy)
    chain.fund(SIGNER.address)
    chain.deploy(ADDRESS, {"count": count, "fail()": count_and_refuse, "answer": 42})
    return chain


async def signed(
    chain: ModelChain,
    *,
    function: str = "count",
    nonce: int = 0,
    fees: Fees = FEES,
    gas: int = 60_000,
) -> SignedTransaction:
    contract = Contract("c", ADDRESS, chain.chain_id)
    call = chain.encode(contract, AgentFunction(function, type=FunctionType.WRITE), {})
    unsigned = chain.build(call, nonce=nonce, gas=gas, fees=fees)
    return chain.assemble(unsigned, await SIGNER.sign(unsigned.payload))


def total(chain: ModelChain) -> Json:
    return chain.ledger.storage(ADDRESS).get("total", 0)


async def test_automine_includes_at_once() -> None:
    chain = make(automine=True)
    transaction = await signed(chain)
    await chain.broadcast(transaction.raw)
    view = await chain.lookup([transaction.hash], sender=SIGNER.address)
    assert view.receipts[transaction.hash].success
    assert total(chain) == 1


async def test_a_contract_without_abi_takes_any_parameters() -> None:
    chain = make()
    call = chain.encode(Contract("c", ADDRESS, 1337), AgentFunction("answer"), {"x": 1})
    assert (await chain.read(call)).value == 42
    assert call.arguments == {"x": 1}


async def test_a_function_without_behaviour_answers_nothing() -> None:
    chain = make()
    call = chain.encode(Contract("c", ADDRESS, 1337), AgentFunction("other"), {})
    assert (await chain.read(call)).value is None


async def test_a_refused_transaction_changes_nothing_but_its_nonce() -> None:
    chain = make()
    await chain.broadcast((await signed(chain, function="fail")).raw)
    chain.mine()
    assert (total(chain), chain.ledger.nonce(SIGNER.address)) == (0, 1)


async def test_a_reorg_takes_effects_back_and_may_keep_the_bytes() -> None:
    chain = make()
    transaction = await signed(chain)
    await chain.broadcast(transaction.raw)
    lost = chain.mine()
    chain.ledger.reorg(1)
    assert (total(chain), chain.ledger.nonce(SIGNER.address)) == (0, 0)
    assert (await chain.head()).number == lost.number
    assert (await chain.head()).hash != lost.hash
    chain.mine()
    assert total(chain) == 1


async def test_a_reorg_may_lose_the_bytes() -> None:
    chain = make()
    await chain.broadcast((await signed(chain)).raw)
    chain.mine(2)
    chain.ledger.reorg(2, keep=False)
    chain.mine()
    assert total(chain) == 0


async def test_a_pool_may_forget() -> None:
    chain = make()
    transaction = await signed(chain)
    await chain.broadcast(transaction.raw)
    chain.ledger.drop(transaction.hash)
    chain.mine()
    assert total(chain) == 0


async def test_nonces_wait_for_the_ones_before_them() -> None:
    chain = make()
    await chain.broadcast((await signed(chain, nonce=1)).raw)
    chain.mine()
    assert total(chain) == 0
    await chain.broadcast((await signed(chain, nonce=0)).raw)
    chain.mine()
    assert total(chain) == 2


async def test_somebody_elses_transaction_uses_the_nonce_and_ends_ours() -> None:
    chain = make()
    await chain.broadcast((await signed(chain, fees=Fees(1, 1))).raw)
    next_one = await signed(chain, nonce=1, fees=Fees(1, 1))
    await chain.broadcast(next_one.raw)
    chain.ledger.use_nonce(SIGNER.address)
    assert chain.ledger.nonce(SIGNER.address) == 1
    assert list(chain.ledger.pool) == [next_one.hash]


async def test_a_transaction_to_an_address_without_contract_succeeds() -> None:
    """As on a real chain: that is why a simulation asks for the code."""
    chain = ModelChain()
    chain.fund(SIGNER.address)
    transaction = await signed(chain)
    await chain.broadcast(transaction.raw)
    view = await chain.lookup([transaction.hash], sender=SIGNER.address)
    assert view.receipts[transaction.hash].success


async def test_what_pays_less_than_the_base_fee_waits() -> None:
    chain = make()
    chain.ledger.base_fee_wei = 5 * 10**9
    await chain.broadcast((await signed(chain)).raw)
    chain.mine()
    assert total(chain) == 0
    chain.ledger.base_fee_wei = 10**9
    chain.mine()
    assert total(chain) == 1


async def test_a_replacement_must_pay_a_tenth_more_in_both_fields() -> None:
    """As go-ethereum has it; one field alone is not enough."""
    chain = make()
    await chain.broadcast((await signed(chain)).raw)
    assert FEES.max_priority_fee_wei is not None
    for fees in (
        Fees(FEES.max_fee_wei + 1, FEES.max_priority_fee_wei + 1),
        Fees(FEES.max_fee_wei * 2, FEES.max_priority_fee_wei),
        Fees(FEES.max_fee_wei, FEES.max_priority_fee_wei * 2),
    ):
        with pytest.raises(TransactionRejected, match="underpriced"):
            await chain.broadcast((await signed(chain, fees=fees)).raw)
    dearer = await signed(chain, fees=Fees(FEES.max_fee_wei * 2, FEES.max_priority_fee_wei * 2))
    await chain.broadcast(dearer.raw)
    chain.mine()
    assert list(chain.ledger.pool) == []
    view = await chain.lookup([dearer.hash], sender=SIGNER.address)
    assert view.receipts[dearer.hash].success


async def test_gas_beyond_the_block_and_costs_beyond_the_balance_are_refused() -> None:
    chain = make()
    for gas, fees in ((30_000_001, FEES), (30_000_000, Fees(10**18, 1))):
        with pytest.raises(TransactionRejected):
            await chain.broadcast((await signed(chain, gas=gas, fees=fees)).raw)


async def test_a_legacy_chain_quotes_and_charges_a_gas_price() -> None:
    chain = make(legacy=True)
    fees = await chain.quote()
    assert fees == Fees(2 * 10**9, None)
    transaction = await signed(chain, fees=fees)
    await chain.broadcast(transaction.raw)
    chain.mine()
    view = await chain.lookup([transaction.hash], sender=SIGNER.address)
    assert view.receipts[transaction.hash].effective_gas_price_wei == 2 * 10**9


async def test_bytes_for_another_chain_are_refused() -> None:
    raw = (await signed(ModelChain(1))).raw
    with pytest.raises(TransactionRejected, match="another chain"):
        make().decode(raw)


async def test_a_lost_request_has_no_effect_and_a_lost_reply_has() -> None:
    chain = make(automine=True)

    async def lose(method: str) -> None:
        if method == "broadcast":
            raise ChainUnavailable("lost", chain_id=1337)

    chain.before = lose
    transaction = await signed(chain)
    with pytest.raises(ChainUnavailable):
        await chain.broadcast(transaction.raw)
    assert (total(chain), chain.broadcasts) == (0, [])
    chain.before, chain.after = ModelChain().before, lose
    with pytest.raises(ChainUnavailable):
        await chain.broadcast(transaction.raw)
    assert (total(chain), chain.broadcasts) == (1, [transaction.raw])


async def test_a_refusal_carries_its_reason() -> None:
    chain = make()
    chain.deploy(ADDRESS, {"f": reverting("closed")})
    call = chain.encode(Contract("c", ADDRESS, 1337), AgentFunction("f"), {})
    with pytest.raises(CallReverted) as caught:
        await chain.read(call)
    assert caught.value.details["reason"] == "closed"


async def test_an_entry_with_strange_inputs_takes_no_parameters() -> None:
    chain = make()
    function = AgentFunction("answer", abi={"name": "answer", "inputs": "none"})
    call = chain.encode(Contract("c", ADDRESS, 1337), function, {})
    assert call.arguments == {}
