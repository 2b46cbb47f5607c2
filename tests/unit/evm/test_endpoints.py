"""Endpoints and history, where a real node is too honest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
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
    ScriptedNode,
    Silence,
    block,
    chain_on,
    chain_with,
    receipt,
    scripted_node,
)
from zephyrus_exec.errors import ChainUnavailable, ConfigurationError, TransactionRejected
from zephyrus_exec.evm import EvmChain, NodeFailed, NodeState, Request
from zephyrus_exec.evm.rpc import Send
from zephyrus_exec.interfaces.chain import EndpointHealth
from zephyrus_exec.model import AgentFunction, FunctionType, Json

CONTRACT = kitchen_contract("0x" + "22" * 20, CHAIN_ID)


@asynccontextmanager
async def chain_of_two(
    first: dict[str, Answer], second: dict[str, Answer]
) -> AsyncIterator[tuple[EvmChain, ScriptedNode, ScriptedNode]]:
    """Return a chain on two nodes with these answers."""
    async with scripted_node(**first) as one, scripted_node(**second) as two:
        urls = [f"http://127.0.0.1:{node.port}/secret" for node in (one, two)]
        chain = EvmChain(CHAIN_ID, urls, request_timeout=5.0, survey_every=3600.0)
        try:
            yield chain, one, two
        finally:
            await chain.aclose()


def whole_block(number: int = 16, transactions: Any = (), **changes: Any) -> dict[str, Any]:
    """Return a block with its transactions."""
    return block(number, transactions=list(transactions), **changes)


def used(nonce: int, *, sender: str = ADDRESS, **changes: Any) -> dict[str, Any]:
    """Return a transaction as whole blocks have it."""
    return {"hash": TRANSACTION, "from": sender, "nonce": hex(nonce), **changes}


# --- settings


@pytest.mark.parametrize("finality", ["soon", -1, True, "", "12"])
def test_a_finality_nobody_knows_is_refused(finality: Any) -> None:
    with pytest.raises(ConfigurationError, match="finality"):
        EvmChain(CHAIN_ID, ["http://localhost"], finality=finality)


def test_every_url_must_be_http() -> None:
    with pytest.raises(ConfigurationError, match=f"ZEPHYRUS_RPC_{CHAIN_ID}"):
        EvmChain(CHAIN_ID, ["http://localhost", "ws://localhost"])


def test_a_call_costs_at_least_its_bytes() -> None:
    chain = EvmChain(CHAIN_ID, ["http://localhost"])
    assert chain.intrinsic_gas(chain.blank(ADDRESS)) == 21_000
    call = chain.encode(CONTRACT, AgentFunction("cook", type=FunctionType.WRITE), {"amount": 1})
    assert call.data.count(0) == 31
    assert chain.intrinsic_gas(call) == 21_000 + 31 * 4 + 5 * 16


# --- the one way to a node


async def test_every_request_passes_the_one_place_where_faults_are_put_in() -> None:
    passed: list[tuple[str, int]] = []

    async def around(request: Request, send: Send) -> Json:
        passed.append((request.method, request.endpoint))
        return await send()

    async with scripted_node() as node:
        url = f"http://127.0.0.1:{node.port}"
        chain = EvmChain(CHAIN_ID, [url, url], around=around, survey_every=3600.0)
        await chain.survey()
        await chain.account(ADDRESS)
        await chain.lookup([TRANSACTION], sender=ADDRESS)
        await chain.quote()
        await chain.final()
        await chain.broadcast(b"raw")
        await chain.aclose()
    assert sorted(name for name, _ in passed) == sorted(name for name, _ in node.asked)
    assert {index for _, index in passed} == {0, 1}


async def test_what_is_put_in_may_fail_as_a_node_does() -> None:
    async def around(request: Request, send: Send) -> Json:
        if request.endpoint == 0:
            raise NodeFailed(NodeState.UNREACHABLE, "was made to fail")
        return await send()

    async with scripted_node() as node:
        url = f"http://127.0.0.1:{node.port}"
        chain = EvmChain(CHAIN_ID, [url, url], around=around, survey_every=3600.0)
        await chain.survey()
        assert (await chain.head()).number == 16
        assert chain.endpoints == (
            EndpointHealth(0, "unreachable", None),
            EndpointHealth(1, "ok", 16),
        )
        await chain.aclose()


async def test_a_large_reply_is_read_whole() -> None:
    big = "0x" + "00" * 2**18
    async with chain_with(eth_getCode=big) as (chain, _):
        assert (await chain.account(ADDRESS)).has_code


# --- several


async def test_one_that_is_behind_on_another_fork_keeps_its_height_from_being_final() -> None:
    """A chain that splits has a shorter side."""

    def fork(head: int, final: int, name: str) -> dict[str, Answer]:
        heights = {"latest": head, "finalized": final}

        def by_number(parameters: list[Any]) -> dict[str, Any] | None:
            which = parameters[0]
            number = heights[which] if which in heights else int(which, 16)
            return block(number, hash=name) if number <= head else None

        return {"eth_blockNumber": hex(head), "eth_getBlockByNumber": by_number}

    shorter = fork(16, 8, OTHER_HASH)
    async with chain_of_two(fork(30, 12, HASH), shorter) as (chain, _, second):
        await chain.survey()
        assert [one.state for one in chain.endpoints] == ["ok", "behind"]
        with pytest.raises(ChainUnavailable, match="disagree about block 12"):
            await chain.final()
        second.answers |= fork(11, 8, OTHER_HASH)
        assert (await chain.final()).number == 12


async def test_one_that_had_no_say_is_not_believed_against_what_was_final() -> None:
    """What is final is asked of all, and receipts of the one that answers then."""

    def on_fork(parameters: list[Any]) -> dict[str, Any]:
        which = parameters[0]
        return block(int(which, 16) if which.startswith("0x") else 16, hash=OTHER_HASH)

    nobody = {"eth_getBlockByNumber": Silence(close=True)}
    async with chain_of_two({}, nobody) as (chain, first, second):
        assert (await chain.final()).hash == HASH
        first.answers["eth_getTransactionCount"] = Silence(close=True)
        second.answers |= {
            "eth_getBlockByNumber": on_fork,
            "eth_getTransactionReceipt": receipt(blockHash=OTHER_HASH),
        }
        await chain.survey()
        with pytest.raises(ChainUnavailable, match="another block 16 than was final"):
            await chain.lookup([TRANSACTION], sender=ADDRESS)
        second.answers["eth_getTransactionReceipt"] = receipt()
        second.answers["eth_getBlockByNumber"] = first.answers["eth_getBlockByNumber"]
        await chain.survey()
        asked = second.count("eth_getBlockByNumber")
        assert TRANSACTION in (await chain.lookup([TRANSACTION], sender=ADDRESS)).receipts
        assert TRANSACTION in (await chain.lookup([TRANSACTION], sender=ADDRESS)).receipts
        assert second.count("eth_getBlockByNumber") == asked + 5, "it is looked at once"


async def test_the_problems_of_all_endpoints_are_told_and_no_url() -> None:
    answers: tuple[dict[str, Answer], dict[str, Answer]] = (
        {"eth_chainId": "0x1"},
        {"eth_getBlockByNumber": Silence(close=True)},
    )
    async with chain_of_two(*answers) as (chain, _, _):
        with pytest.raises(ChainUnavailable) as caught:
            await chain.head()
        assert "serves another chain" in str(caught.value)
        assert "another cannot be reached" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert caught.value.details == {"chain_id": CHAIN_ID}


async def test_one_that_is_behind_is_better_than_none_and_stays_behind() -> None:
    answers: tuple[dict[str, Answer], dict[str, Answer]] = ({}, {"eth_blockNumber": "0x99"})
    async with chain_of_two(*answers) as (chain, _, second):
        await chain.survey()
        second.answers["eth_getBlockByNumber"] = Silence(close=True)
        assert (await chain.head()).number == 16
        assert [one.state for one in chain.endpoints] == ["behind", "unreachable"]


async def test_where_everybody_refuses_the_most_telling_words_are_told() -> None:
    words = (
        "nonce too low: next nonce 5, tx nonce 3",
        "insufficient funds for gas * price + value",
        "max fee per gas less than block base fee",
        "exceeds block gas limit",
        "txpool is full",
    )
    for telling, other in pairwise(words):
        for pair in ((telling, other), (other, telling)):
            first, second = ({"eth_sendRawTransaction": Failure(-32000, one)} for one in pair)
            async with chain_of_two(first, second) as (chain, _, _):
                with pytest.raises(TransactionRejected) as caught:
                    await chain.broadcast(b"raw")
                assert caught.value.details["reason"] == telling


# --- who used a nonce


async def test_another_chain_behind_the_same_url_says_nothing_of_who_used_a_nonce() -> None:
    """No request failed since, so the chain id would not be asked for again."""

    def history(parameters: list[Any]) -> dict[str, Any]:
        named = not parameters[0].startswith("0x")
        return whole_block(16 if named else int(parameters[0], 16), [used(2)])

    async with chain_with() as (chain, node):
        await chain.head()
        node.answers["eth_chainId"] = "0x1"
        node.answers["eth_getBlockByNumber"] = history
        node.answers["eth_getTransactionCount"] = lambda asked: hex(3 * (int(asked[1], 16) > 13))
        with pytest.raises(ChainUnavailable, match="serves another chain"):
            await chain.find_consumer(ADDRESS, 2, after=10, upto=15)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        whole_block(17),
        block(),
        block(transactions="none"),
        block(transactions=[TRANSACTION]),
        block(transactions=[used(3, sender="0x11")]),
        block(transactions=[{**used(3), "from": None}]),
        block(transactions=[{**used(3), "nonce": 3}]),
        block(transactions=[{**used(3), "hash": "0x12"}]),
    ],
    ids=str,
)
async def test_a_malformed_block_says_nothing_of_who_used_a_nonce(answer: Json) -> None:
    def by_kind(parameters: list[Any]) -> Json:
        return answer if parameters[1] else block()

    forgetful = Failure(-32000, "missing trie node")
    answers = {"eth_getTransactionCount": forgetful, "eth_getBlockByNumber": by_kind}
    async with chain_with(**answers) as (chain, _):
        with pytest.raises(ChainUnavailable, match=r"block|transaction"):
            await chain.find_consumer(ADDRESS, 3, after=15, upto=16)


async def test_a_block_that_went_away_cannot_be_searched() -> None:
    def by_kind(parameters: list[Any]) -> Json:
        return None if parameters[1] else block()

    async def sleep(_: float) -> None:
        return

    async with (
        scripted_node(
            eth_getTransactionCount=Failure(-32000), eth_getBlockByNumber=by_kind
        ) as node,
        chain_on(node, sleep=sleep) as chain,
    ):
        with pytest.raises(ChainUnavailable, match="has not reached block 16"):
            await chain.find_consumer(ADDRESS, 3, after=15, upto=16)


async def test_a_node_that_fails_in_the_middle_of_a_search_does_not_end_it() -> None:
    first = {"eth_getTransactionCount": Silence(close=True)}

    def counts(parameters: list[Any]) -> str:
        return hex(4 if parameters[1] == "0x10" else 3)

    def blocks(parameters: list[Any]) -> Json:
        return whole_block(int(parameters[0], 16), [used(3)])

    second = {"eth_getTransactionCount": counts, "eth_getBlockByNumber": blocks}
    async with chain_of_two(first, second) as (chain, _, _):
        assert await chain.find_consumer(ADDRESS, 3, after=10, upto=16) == TRANSACTION
        assert [one.state for one in chain.endpoints] == ["unreachable", "ok"]
