"""The embedded chain answers as a real node does: numbers, reverts, nonces, receipts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import pytest
import pytest_asyncio
from eth_account import Account

from zephyrus_exec.errors import TransactionRejected
from zephyrus_exec.evm.embedded import EmbeddedChain, embedded_chain

from .test_embedded_chain import asked, post

ARTIFACT = resources.files("zephyrus_exec.demo") / "contracts" / "DemoToken.json"
GWEI = 10**9
NOBODY = "0x" + "11" * 20
ALWAYS_REVERTS = "0xb4f5537d"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain() -> AsyncIterator[EmbeddedChain]:
    async with embedded_chain() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(chain: EmbeddedChain) -> str:
    return await chain.deploy(json.loads(ARTIFACT.read_text())["bytecode"])


def mint(to: str, amount: int) -> str:
    return "0x40c10f19" + to[2:].lower().rjust(64, "0") + f"{amount:064x}"


def balance_of(account: str) -> str:
    return "0x70a08231" + account[2:].lower().rjust(64, "0")


async def nonce_of(chain: EmbeddedChain, who: int) -> int:
    text: Any = await chain.request(
        "eth_getTransactionCount", chain.accounts[who].address, "latest"
    )
    return int(text, 16)


def signed(chain: EmbeddedChain, who: int, **fields: object) -> tuple[str, str]:
    """Return raw bytes and hash of a transaction; what is not given has usable values."""
    whole: dict[str, object] = {
        "chainId": chain.chain_id,
        "gas": 100_000,
        "to": NOBODY,
        "value": 1,
        "maxFeePerGas": 3 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        **fields,
    }
    if "gasPrice" in fields:
        del whole["maxFeePerGas"], whole["maxPriorityFeePerGas"]
    done = Account.sign_transaction(whole, chain.accounts[who].private_key)
    return "0x" + done.raw_transaction.hex(), "0x" + done.hash.hex()


async def refusal(chain: EmbeddedChain, method: str, *params: Any) -> str:
    with pytest.raises(TransactionRejected) as caught:
        await chain.request(method, *params)
    return str(caught.value.details["reason"])


# --- blocks and accounts


async def test_a_block_has_what_a_client_needs_in_a_real_nodes_form(
    chain: EmbeddedChain, token: str
) -> None:
    block: Any = await chain.request("eth_getBlockByNumber", "latest", False)
    for name in ("number", "timestamp", "gasLimit", "baseFeePerGas"):
        assert block[name] == hex(int(block[name], 16))
    assert len(block["hash"]) == 66
    assert block["number"] == await chain.request("eth_blockNumber")
    assert block == await chain.request("eth_getBlockByHash", block["hash"], False)
    full: Any = await chain.request("eth_getBlockByHash", block["hash"], True)
    assert [each["hash"] for each in full["transactions"]] == block["transactions"]


async def test_a_block_nobody_has_is_null_and_state_at_it_an_error(chain: EmbeddedChain) -> None:
    assert await chain.request("eth_getBlockByNumber", "0xffffff", False) is None
    assert await chain.request("eth_getBlockByHash", "0x" + "ab" * 32, False) is None
    assert await refusal(chain, "eth_getBalance", NOBODY, "0xffffff") == "header not found"


async def test_state_is_answered_as_of_the_block_that_is_named(chain: EmbeddedChain) -> None:
    fresh = "0x" + "22" * 20
    before: Any = await chain.request("eth_getBlockByNumber", "latest", False)
    raw, _ = signed(chain, 2, to=fresh, value=7, nonce=await nonce_of(chain, 2))
    await chain.request("eth_sendRawTransaction", raw)
    head: Any = await chain.request("eth_blockNumber")
    blocks = [before["number"], {"blockHash": before["hash"]}, {"blockNumber": head}, head, "safe"]
    seen = [await chain.request("eth_getBalance", fresh, block) for block in blocks]
    assert seen == ["0x0", "0x0", "0x7", "0x7", "0x7"]
    assert await chain.request(
        "eth_getTransactionCount", chain.accounts[2].address, "earliest"
    ) == ("0x0")


async def test_code_and_storage_are_readable(chain: EmbeddedChain, token: str) -> None:
    code: Any = await chain.request("eth_getCode", token, "latest")
    assert len(code) > 100
    assert await chain.request("eth_getCode", NOBODY, "latest") == "0x"
    slot: Any = await chain.request("eth_getStorageAt", token, "0x0", "latest")
    assert len(slot) == 66


async def test_fees_are_suggested_above_the_base_fee(chain: EmbeddedChain, token: str) -> None:
    price: Any = await chain.request("eth_gasPrice")
    tip: Any = await chain.request("eth_maxPriorityFeePerGas")
    history: Any = await chain.request("eth_feeHistory", "0x2", "latest", [10, 90])
    assert int(price, 16) == int(history["baseFeePerGas"][-1], 16) + int(tip, 16)
    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    assert all(len(each) == 2 for each in history["reward"])


async def test_an_empty_block_can_be_mined(chain: EmbeddedChain) -> None:
    before: Any = await chain.request("eth_blockNumber")
    await chain.request("evm_mine")
    assert await chain.request("eth_blockNumber") == hex(int(before, 16) + 1)


# --- calls


async def test_anybody_may_read_without_owning_anything(chain: EmbeddedChain, token: str) -> None:
    call = {"from": NOBODY, "to": token, "data": balance_of(NOBODY)}
    head = await chain.request("eth_blockNumber")
    for block in ("latest", head):
        assert await chain.request("eth_call", call, block) == "0x" + "00" * 32


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
async def test_a_revert_has_code_3_its_reason_and_its_data(
    chain: EmbeddedChain, token: str, method: str
) -> None:
    _, reply = post(chain, json.dumps(asked(method, {"to": token, "input": ALWAYS_REVERTS})))
    error = reply["error"]
    assert error["code"] == 3
    assert error["message"] == "execution reverted: this function always reverts"
    assert error["data"].startswith("0x08c379a0")


async def test_a_custom_error_has_its_data_and_no_reason(chain: EmbeddedChain, token: str) -> None:
    call = {"from": NOBODY, "to": token, "data": mint(NOBODY, 1)}
    _, reply = post(chain, json.dumps(asked("eth_call", call, "latest")))
    assert reply["error"]["message"] == "execution reverted"
    assert reply["error"]["data"][10:74] == NOBODY[2:].rjust(64, "0")


async def test_an_estimate_is_enough_and_little_more(chain: EmbeddedChain, token: str) -> None:
    minter = chain.accounts[0].address
    sent = {"from": minter, "to": token, "data": mint("0x" + "33" * 20, 5)}
    estimate: Any = await chain.request("eth_estimateGas", sent)
    raw, key = signed(
        chain, 0, to=token, value=0, gas=int(estimate, 16), data=sent["data"],
        nonce=await nonce_of(chain, 0),
    )  # fmt: skip
    await chain.request("eth_sendRawTransaction", raw)
    receipt: Any = await chain.request("eth_getTransactionReceipt", key)
    assert receipt["status"] == "0x1"
    used = int(receipt["gasUsed"], 16)
    assert used <= int(estimate, 16) <= used * 1.02


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"gas": "0x5300"}, "intrinsic gas too low"),
        ({"gas": "0x5700"}, "out of gas"),
        ({"from": NOBODY[:-1] + "2", "value": "0x1"}, "insufficient funds for gas \\* price"),
        ({"from": "0x12"}, "expected 20 bytes, got 1"),
        ({"data": "0xzz"}, "not a hex string"),
        ({"data": "zz"}, "expected a hex string"),
        ({"value": "17"}, "expected a hex quantity"),
    ],
)
async def test_a_call_that_cannot_be_made_is_refused_in_a_nodes_words(
    chain: EmbeddedChain, token: str, call: dict[str, str], words: str
) -> None:
    whole = {"from": NOBODY, "to": token, "data": balance_of(NOBODY), **call}
    with pytest.raises(TransactionRejected, match=words):
        await chain.request("eth_call", whole, "latest")


async def test_a_contract_that_calls_itself_without_end_runs_out_of_gas_and_nothing_breaks(
    chain: EmbeddedChain,
) -> None:
    """Deep calls are deep recursion inside; the threads have the stack for it."""
    runtime = "60006000600060006000305af100"  # call(gas, this, 0, …); stop
    created = await chain.deploy("0x600e600c600039600e6000f3" + runtime)
    assert await chain.request("eth_call", {"to": created}, "latest") == "0x"


async def test_a_call_without_an_object_is_refused(chain: EmbeddedChain) -> None:
    assert "transaction object" in await refusal(chain, "eth_call", "0x", "latest")


# --- transactions


async def test_a_transaction_is_mined_at_once_and_its_receipt_tells_all(
    chain: EmbeddedChain, token: str
) -> None:
    raw, key = signed(
        chain, 0, to=token, value=0, data=mint(NOBODY, 5), nonce=await nonce_of(chain, 0)
    )
    assert await chain.request("eth_sendRawTransaction", raw) == key
    receipt: Any = await chain.request("eth_getTransactionReceipt", key)
    assert receipt["blockNumber"] == await chain.request("eth_blockNumber")
    assert (receipt["status"], receipt["type"]) == ("0x1", "0x2")
    assert receipt["from"] == chain.accounts[0].address.lower()
    assert receipt["to"] == token.lower()
    (log,) = receipt["logs"]
    assert (log["address"], log["data"]) == (token.lower(), "0x" + "05".rjust(64, "0"))
    sent: Any = await chain.request("eth_getTransactionByHash", key)
    assert sent["blockHash"] == receipt["blockHash"]


async def test_a_mined_revert_has_status_0(chain: EmbeddedChain, token: str) -> None:
    raw, key = signed(
        chain, 0, to=token, value=0, data=ALWAYS_REVERTS, nonce=await nonce_of(chain, 0)
    )
    await chain.request("eth_sendRawTransaction", raw)
    receipt: Any = await chain.request("eth_getTransactionReceipt", key)
    assert (receipt["status"], receipt["logs"]) == ("0x0", [])


async def test_a_legacy_transaction_is_taken_too(chain: EmbeddedChain) -> None:
    raw, key = signed(chain, 2, gasPrice=2 * GWEI, nonce=await nonce_of(chain, 2))
    await chain.request("eth_sendRawTransaction", raw)
    sent: Any = await chain.request("eth_getTransactionByHash", key)
    assert (sent["type"], sent["gasPrice"]) == ("0x0", hex(2 * GWEI))
    assert sent["chainId"] == hex(chain.chain_id)


async def test_an_unknown_hash_has_neither_receipt_nor_transaction(chain: EmbeddedChain) -> None:
    unknown = "0x" + "cd" * 32
    assert await chain.request("eth_getTransactionReceipt", unknown) is None
    assert await chain.request("eth_getTransactionByHash", unknown) is None


async def test_transactions_beyond_a_nonce_gap_wait_and_are_mined_when_it_is_filled(
    chain: EmbeddedChain,
) -> None:
    nonce = await nonce_of(chain, 1)
    sent = [signed(chain, 1, nonce=nonce + ahead) for ahead in range(3)]
    for raw, key in reversed(sent[1:]):
        assert await chain.request("eth_sendRawTransaction", raw) == key
        assert await chain.request("eth_getTransactionReceipt", key) is None
        waiting: Any = await chain.request("eth_getTransactionByHash", key)
        assert waiting["blockHash"] is None
    assert await nonce_of(chain, 1) == nonce
    await chain.request("eth_sendRawTransaction", sent[0][0])
    assert await nonce_of(chain, 1) == nonce + 3
    receipts: list[Any] = [await chain.request("eth_getTransactionReceipt", key) for _, key in sent]
    numbers = [int(each["blockNumber"], 16) for each in receipts]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


async def test_a_waiting_transaction_gives_way_only_to_one_that_pays_a_tenth_more(
    chain: EmbeddedChain,
) -> None:
    nonce = await nonce_of(chain, 1)
    raw, _ = signed(chain, 1, nonce=nonce + 1)
    await chain.request("eth_sendRawTransaction", raw)
    assert await refusal(chain, "eth_sendRawTransaction", raw) == "already known"
    timid, _ = signed(chain, 1, nonce=nonce + 1, maxFeePerGas=4 * GWEI)
    assert await refusal(chain, "eth_sendRawTransaction", timid) == (
        "replacement transaction underpriced"
    )
    better, key = signed(
        chain, 1, nonce=nonce + 1, maxFeePerGas=4 * GWEI, maxPriorityFeePerGas=2 * GWEI
    )
    await chain.request("eth_sendRawTransaction", better)
    await chain.request("eth_sendRawTransaction", signed(chain, 1, nonce=nonce)[0])
    assert await chain.request("eth_getTransactionReceipt", key) is not None


async def test_a_waiting_transaction_that_became_unpayable_is_dropped() -> None:
    async with embedded_chain(accounts=1) as own:
        rich = 10**24
        second, key = signed(own, 0, nonce=1, value=rich // 2)
        await own.request("eth_sendRawTransaction", second)
        await own.request("eth_sendRawTransaction", signed(own, 0, nonce=0, value=rich // 2)[0])
        assert await nonce_of(own, 0) == 1
        assert await own.request("eth_getTransactionByHash", key) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nonce": 10**6, "gas": 21_000 - 1}, "intrinsic gas too low|Insufficient gas"),
        ({"nonce": 10**6, "gas": 10**9}, "exceeds block gas limit"),
        ({"nonce": 10**6, "value": 10**25}, "insufficient funds for gas \\* price \\+ value"),
        ({"chainId": 1}, "invalid chain id for signer: have 1 want 1337"),
        ({"maxFeePerGas": 1, "maxPriorityFeePerGas": 0}, "less than block base fee"),
    ],
)
async def test_what_no_node_would_take_is_refused(
    chain: EmbeddedChain, fields: dict[str, int], words: str
) -> None:
    raw, _ = signed(chain, 2, **{"nonce": await nonce_of(chain, 2), **fields})
    with pytest.raises(TransactionRejected, match=words):
        await chain.request("eth_sendRawTransaction", raw)


async def test_a_used_nonce_is_refused_and_the_next_one_named(chain: EmbeddedChain) -> None:
    nonce = await nonce_of(chain, 2)
    raw, _ = signed(chain, 2, nonce=nonce)
    await chain.request("eth_sendRawTransaction", raw)
    assert await refusal(chain, "eth_sendRawTransaction", raw) == (
        f"nonce too low: next nonce {nonce + 1}, tx nonce {nonce}"
    )


@pytest.mark.parametrize("raw", ["0x", "0x02", "0x02c0", "0x03c0", "0x7f", "0xdeadbeef", "0xc0"])
async def test_bytes_that_are_no_transaction_are_refused(chain: EmbeddedChain, raw: str) -> None:
    assert "invalid transaction" in await refusal(chain, "eth_sendRawTransaction", raw)


async def test_the_chain_signs_only_for_its_own_accounts(chain: EmbeddedChain) -> None:
    assert await refusal(chain, "eth_sendTransaction", {"from": NOBODY, "to": NOBODY}) == (
        "unknown account"
    )


async def test_a_contract_whose_constructor_reverts_is_not_deployed(chain: EmbeddedChain) -> None:
    with pytest.raises(TransactionRejected, match="execution reverted"):
        await chain.deploy("0x60006000fd")
