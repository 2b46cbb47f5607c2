"""What the chain makes of a node's answers, honest ones and others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.kitchen import kitchen_contract
from tests.unit.evm.scripted_node import (
    ADDRESS,
    CHAIN_ID,
    HASH,
    OTHER_HASH,
    TRANSACTION,
    Answer,
    Failure,
    block,
    chain_on,
    chain_with,
    receipt,
    scripted_node,
)
from zephyrus_exec.errors import (
    CallReverted,
    ChainUnavailable,
    ConfigurationError,
    InsufficientFunds,
    InvalidArguments,
    NoCodeAtAddress,
    TransactionRejected,
    UnexpectedResult,
)
from zephyrus_exec.evm import EvmChain
from zephyrus_exec.evm.abi import selector
from zephyrus_exec.interfaces.chain import Call, Fees
from zephyrus_exec.model import AgentFunction, FunctionType, Json

CONTRACT = kitchen_contract("0x" + "22" * 20, CHAIN_ID)


def read_call(chain: EvmChain) -> Call:
    return chain.encode(CONTRACT, AgentFunction("add"), {"a": 2, "b": 3})


def write_call(chain: EvmChain) -> Call:
    return chain.encode(CONTRACT, AgentFunction("cook", type=FunctionType.WRITE), {"amount": 1})


def pay_call(chain: EvmChain, value_wei: int) -> Call:
    function = AgentFunction("pay", type=FunctionType.PAYABLE)
    return chain.encode(CONTRACT, function, {}, value_wei=value_wei)


# --- settings


@pytest.mark.parametrize("urls", [[], ["ws://localhost"], ["localhost:8545"]])
def test_a_chain_needs_an_http_url(urls: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=f"ZEPHYRUS_RPC_{CHAIN_ID}"):
        EvmChain(CHAIN_ID, urls)


def test_an_address_with_a_wrong_checksum_is_refused() -> None:
    chain = EvmChain(CHAIN_ID, ["http://localhost"])
    contract = kitchen_contract("0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266", CHAIN_ID)
    with pytest.raises(InvalidArguments) as caught:
        chain.encode(contract, AgentFunction("nothing"), {})
    assert caught.value.details["field"] == "$.contract.address"


# --- reads


async def test_a_read_names_the_block_it_asked_at() -> None:
    async with chain_with() as (chain, node):
        result = await chain.read(read_call(chain), sender=ADDRESS)
        assert (result.value, result.block_number) == ("5", 16)
        _, (message, which) = node.asked[-1]
        assert (message["from"], which) == (ADDRESS, "0x10")


async def test_an_empty_answer_from_an_address_without_code_is_no_contract() -> None:
    async with chain_with(eth_call="0x", eth_getCode="0x") as (chain, _):
        with pytest.raises(NoCodeAtAddress) as caught:
            await chain.read(read_call(chain))
        assert caught.value.details["chain_id"] == CHAIN_ID


@pytest.mark.parametrize("answer", ["0x", "0x00"])
async def test_an_answer_that_does_not_fit_the_abi_says_so(answer: str) -> None:
    async with chain_with(eth_call=answer) as (chain, _):
        with pytest.raises(UnexpectedResult, match="ABI"):
            await chain.read(read_call(chain))


@pytest.mark.parametrize("answer", [None, 5, "5", "0x5", "0xzz", {}, ["0x"]])
async def test_an_answer_that_is_no_byte_string_is_nonsense(answer: Json) -> None:
    async with chain_with(eth_call=answer) as (chain, _):
        with pytest.raises(ChainUnavailable, match="answer to a call"):
            await chain.read(read_call(chain))


async def test_a_read_waits_for_its_block() -> None:
    numbers = iter(["0x10", "0x11", "0x12"])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def answer(_: Any) -> str:
        return next(numbers)

    async with (
        scripted_node(eth_blockNumber=answer) as node,
        chain_on(node, sleep=sleep, poll_interval=0.5) as chain,
    ):
        assert (await chain.read(read_call(chain), min_block=18)).block_number == 18
        assert slept == [0.5, 0.5]


async def test_a_node_that_stays_behind_is_unavailable() -> None:
    async def sleep(_: float) -> None:
        return

    async with scripted_node() as node, chain_on(node, sleep=sleep) as chain:
        with pytest.raises(ChainUnavailable, match="has not reached block 99"):
            await chain.account(ADDRESS, min_block=99)


async def test_a_head_behind_the_number_just_told_is_not_believed() -> None:
    async def sleep(_: float) -> None:
        return

    async with scripted_node(eth_blockNumber="0x20") as node, chain_on(node, sleep=sleep) as chain:
        with pytest.raises(ChainUnavailable, match="has not reached block 32"):
            await chain.account(ADDRESS, min_block=0x20)


# --- reverts: one shape per family of nodes

TEXT = selector("Error(string)") + bytes(31) + b" " + bytes(31) + b"\x04nope" + bytes(28)
DATA = "0x" + TEXT.hex()
SHAPES: list[Failure] = [
    Failure(3, "execution reverted: nope", DATA),
    Failure(-32000, "execution reverted", DATA),
    Failure(-32015, "VM execution error.", f"Reverted {DATA}"),
    Failure(-32603, "VM Exception while processing transaction", {"message": "m", "data": DATA}),
    Failure(-32603, "reverted", {"data": {"message": "m", "data": DATA}}),
    Failure(-32000, "VM Exception: revert", {"0x" + "1" * 64: {"error": "x", "return": DATA}}),
]


@pytest.mark.parametrize("failure", SHAPES, ids=lambda one: one.message)
async def test_a_revert_is_understood_in_every_shape(failure: Failure) -> None:
    async with chain_with(eth_call=failure) as (chain, _):
        with pytest.raises(CallReverted) as caught:
            await chain.read(read_call(chain))
        assert caught.value.details == {
            "function": "add(uint256,uint256)",
            "reason": "nope",
            "error_name": "Error",
            "data": DATA,
        }


@pytest.mark.parametrize(
    "failure",
    [
        Failure(-32000, "invalid opcode: INVALID"),
        Failure(-32000, "out of gas", {"data": 5, "deep": {"a": {"b": {"c": {"d": {}}}}}}),
        Failure(-32000, "gas required exceeds allowance (30000000)", "not hex"),
    ],
)
async def test_a_call_that_halts_without_data_gives_the_nodes_words(failure: Failure) -> None:
    async with chain_with(eth_estimateGas=failure) as (chain, _):
        with pytest.raises(CallReverted) as caught:
            await chain.simulate(write_call(chain), sender=ADDRESS)
        assert caught.value.details["reason"] == failure.message
        assert caught.value.details["data"] == "0x"


async def test_a_revert_without_data_or_words_has_no_reason() -> None:
    async with chain_with(eth_call=Failure(3)) as (chain, _):
        with pytest.raises(CallReverted, match="gave no reason"):
            await chain.read(read_call(chain))


async def test_trouble_of_the_node_is_no_revert() -> None:
    failure = Failure(-32000, "header not found secret-path", DATA)
    async with chain_with(eth_call=failure) as (chain, _):
        with pytest.raises(ChainUnavailable) as caught:
            await chain.read(read_call(chain))
        assert "secret" not in str(caught.value)


# --- simulation


async def test_a_simulation_tells_value_and_gas() -> None:
    async with chain_with() as (chain, _):
        simulation = await chain.simulate(write_call(chain), sender=ADDRESS)
        assert (simulation.value, simulation.gas) == ("5", 21_000)


async def test_a_write_may_return_nothing_where_its_abi_promises_something() -> None:
    async with chain_with(eth_call="0x") as (chain, _):
        assert (await chain.simulate(write_call(chain), sender=ADDRESS)).value is None


async def test_a_write_to_an_address_without_code_is_not_simulated_away() -> None:
    async with chain_with(eth_call="0x", eth_getCode="0x") as (chain, _):
        with pytest.raises(NoCodeAtAddress):
            await chain.simulate(write_call(chain), sender=ADDRESS)


async def test_value_is_compared_with_the_balance_and_sent_along() -> None:
    async with chain_with() as (chain, node):
        await chain.simulate(pay_call(chain, 10**18), sender=ADDRESS)
        assert node.asked[-1][1][0]["value"] == hex(10**18)
        with pytest.raises(InsufficientFunds) as caught:
            await chain.simulate(pay_call(chain, 10**18 + 1), sender=ADDRESS)
        assert caught.value.details == {
            "sender": ADDRESS,
            "balance_wei": str(10**18),
            "needed_wei": str(10**18 + 1),
        }


# --- fees

NO_METHOD = Failure(-32601, "the method does not exist")


async def test_fees_follow_the_base_fee_and_the_nodes_suggestion() -> None:
    async with chain_with() as (chain, _):
        assert await chain.quote() == Fees(4 * 10**9, 2 * 10**9)


async def test_the_agents_cap_is_kept_to_the_wei_below() -> None:
    async with chain_with() as (chain, _):
        fees = await chain.quote(max_priority_fee_gwei=Decimal("0.0000000019"))
        assert fees == Fees(2 * 10**9 + 1, 1)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({"reward": [["0x1"], ["0x5"], ["0x3"]]}, 3),
        ({"reward": []}, 10**9),
        ({"reward": "0x1"}, 10**9),
        ({}, 10**9),
        (None, 10**9),
        (NO_METHOD, 10**9),
    ],
)
async def test_without_a_suggestion_the_recent_median_counts(
    history: Answer, expected: int
) -> None:
    async with chain_with(eth_maxPriorityFeePerGas=NO_METHOD, eth_feeHistory=history) as (
        chain,
        _,
    ):
        assert (await chain.quote()).max_priority_fee_wei == expected


async def test_a_chain_without_base_fee_has_a_gas_price() -> None:
    async with chain_with(eth_getBlockByNumber=block(baseFeePerGas=None)) as (chain, _):
        assert await chain.quote() == Fees(20 * 10**9, None)


async def test_legacy_is_a_setting_too() -> None:
    async with scripted_node() as node, chain_on(node, legacy=True) as chain:
        assert await chain.quote() == Fees(20 * 10**9, None)


async def test_not_legacy_needs_a_base_fee() -> None:
    head = block(baseFeePerGas=None)
    async with (
        scripted_node(eth_getBlockByNumber=head) as node,
        chain_on(node, legacy=False) as chain,
    ):
        with pytest.raises(ChainUnavailable, match="no base fee"):
            await chain.quote()


# --- broadcasting


@pytest.mark.parametrize(
    "words",
    [
        "already known",
        "AlreadyKnown",
        "ALREADY_EXISTS: already known",
        "transaction already imported",
        "Transaction with the same hash was already imported.",
        "Known transaction",
    ],
)
async def test_bytes_the_node_has_already_are_no_failure(words: str) -> None:
    async with chain_with(eth_sendRawTransaction=Failure(-32000, words)) as (chain, _):
        await chain.broadcast(b"raw")


@pytest.mark.parametrize("words", ["nonce too low", "unknown transaction type", "", "x\n" * 999])
async def test_any_other_refusal_tells_the_nodes_words(words: str) -> None:
    async with chain_with(eth_sendRawTransaction=Failure(-32000, words)) as (chain, _):
        with pytest.raises(TransactionRejected) as caught:
            await chain.broadcast(b"raw")
        reason = str(caught.value.details["reason"])
        assert reason.startswith(words[:1])
        assert reason.isprintable()
        assert 0 < len(reason) <= 500


# --- looking


async def test_a_lookup_reads_the_nonce_before_the_receipts() -> None:
    """Else a transaction mined in between would be counted and not found."""
    async with chain_with() as (chain, node):
        view = await chain.lookup([TRANSACTION, TRANSACTION], sender=ADDRESS)
        assert (view.block.number, view.nonce, list(view.receipts)) == (16, 3, [TRANSACTION])
        order = [name for name, _ in node.asked]
        assert order.index("eth_getTransactionCount") < order.index("eth_getTransactionReceipt")
        assert node.count("eth_getTransactionReceipt") == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        receipt(blockHash=None, blockNumber=None),
        receipt(blockHash=OTHER_HASH),
        receipt(blockNumber="0x11"),
    ],
    ids=["absent", "pending", "block does not stand", "block after the head"],
)
async def test_a_receipt_that_is_not_of_this_history_is_left_out(answer: Json) -> None:
    async with chain_with(eth_getTransactionReceipt=answer) as (chain, _):
        assert dict((await chain.lookup([TRANSACTION], sender=ADDRESS)).receipts) == {}


@pytest.mark.parametrize(
    "answer",
    [
        "text",
        {},
        receipt(transactionHash=OTHER_HASH),
        receipt(transactionHash="0x12"),
        receipt(status=None),
        receipt(status="0x2"),
        receipt(status=True),
        receipt(gasUsed="-0x1"),
        receipt(gasUsed="0x" + "f" * 65),
        receipt(blockHash="0x00"),
        receipt(effectiveGasPrice=5),
    ],
)
async def test_a_malformed_receipt_is_nonsense(answer: Json) -> None:
    async with chain_with(eth_getTransactionReceipt=answer) as (chain, _):
        with pytest.raises(ChainUnavailable, match="receipt"):
            await chain.lookup([TRANSACTION], sender=ADDRESS)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        block(number=16, hash=None),
        block(number=16, timestamp="now"),
        block(number=16, gasLimit=30_000_000),
        block(number=16, baseFeePerGas="free"),
    ],
)
async def test_a_malformed_block_is_nonsense(answer: Json) -> None:
    async with chain_with(eth_getBlockByNumber=answer) as (chain, _):
        with pytest.raises(ChainUnavailable, match="block"):
            await chain.head()


async def test_another_block_than_the_one_asked_for_is_nonsense() -> None:
    def answer(parameters: list[Any]) -> Json:
        return block(16 if parameters[0] == "latest" else 17)

    async with chain_with(eth_getBlockByNumber=answer) as (chain, _):
        with pytest.raises(ChainUnavailable, match=r"block\.number"):
            await chain.account(ADDRESS)


async def test_a_view_across_a_reorg_is_taken_again() -> None:
    hashes = iter([HASH, OTHER_HASH, OTHER_HASH, OTHER_HASH])

    def answer(_: Any) -> Json:
        return block(hash=next(hashes))

    async with chain_with(eth_getBlockByNumber=answer) as (chain, node):
        account = await chain.account(ADDRESS)
        assert account.block.hash == OTHER_HASH
        assert (account.nonce, account.balance_wei, account.has_code) == (3, 10**18, True)
        assert node.count("eth_getTransactionCount") == 2


async def test_a_history_that_never_rests_is_given_up_on() -> None:
    numbers = iter(range(1, 100))

    def answer(_: Any) -> Json:
        return block(hash="0x" + f"{next(numbers):064x}")

    async with chain_with(eth_getBlockByNumber=answer) as (chain, _):
        with pytest.raises(ChainUnavailable, match="history"):
            await chain.account(ADDRESS)


async def test_an_error_where_no_honest_node_has_one_is_unavailable() -> None:
    async with chain_with(eth_getTransactionCount=Failure(-32005, "limit secret")) as (chain, _):
        with pytest.raises(ChainUnavailable, match="-32005") as caught:
            await chain.account(ADDRESS)
        assert "secret" not in str(caught.value)
