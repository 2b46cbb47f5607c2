"""One endpoint: what may come instead of an answer."""

from __future__ import annotations

import asyncio
import socket

import pytest
from web3 import AsyncWeb3

from tests.unit.evm.scripted_node import (
    ADDRESS,
    CHAIN_ID,
    Answer,
    Failure,
    Http,
    Silence,
    block,
    chain_on,
    chain_with,
    scripted_node,
)
from zephyrus_exec.errors import CallReverted, ChainUnavailable, TransactionRejected
from zephyrus_exec.evm import EvmChain
from zephyrus_exec.evm.rpc import MAX_RESPONSE_BYTES, HttpProvider, RpcConnection, RpcError

GARBAGE: list[Answer] = [
    Http(b"<html>bad gateway</html>", content_type="text/html"),
    Http(b"<html>502</html>", status="502 Bad Gateway", content_type="text/html"),
    Http(b'{"result":"0x10"}', status="500 Internal Server Error"),
    Http(b"slow down", status="429 Too Many Requests"),
    Http(b"", status="401 Unauthorized", content_type="text/plain"),
    Http(b"", status="307 Temporary Redirect", headers="Location: http://127.0.0.1:1/\r\n"),
    Http(b""),
    Http(b"\xff\xfe"),
    Http(b"null"),
    Http(b"[]"),
    Http(b'"0x10"'),
    Http(b"{}"),
    Http(b'{"error":"text"}'),
    Http(b'{"error":null}'),
    Http(b"[" * 100_000),
    Http(b'{"result":' + b"9" * 5000 + b"}"),
    Http(b'{"result":"' + b"0" * MAX_RESPONSE_BYTES + b'"}'),
    Silence(close=True),
]


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda one: repr(one)[:60])
async def test_whatever_is_no_answer_makes_the_chain_unavailable(answer: Answer) -> None:
    async with chain_with(eth_blockNumber=answer, eth_getBlockByNumber=answer) as (chain, _):
        with pytest.raises(ChainUnavailable) as caught:
            await chain.head()
        assert caught.value.details == {"chain_id": CHAIN_ID}
        assert "secret" not in str(caught.value)
        assert "127.0.0.1" not in str(caught.value)


async def test_a_node_that_says_nothing_is_given_up_on_in_time() -> None:
    async with (
        scripted_node(eth_getBlockByNumber=Silence()) as node,
        chain_on(node, request_timeout=0.2) as chain,
    ):
        with pytest.raises(ChainUnavailable, match="in time"):
            await chain.head()


async def test_a_port_nobody_listens_on_makes_the_chain_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        chain = EvmChain(CHAIN_ID, [f"http://127.0.0.1:{taken.getsockname()[1]}/key"])
        with pytest.raises(ChainUnavailable, match="cannot be reached") as caught:
            await chain.head()
        assert "key" not in str(caught.value)
        await chain.aclose()


@pytest.mark.parametrize("served", ["0x1", 57054, "57054", None, "0x", "0xzz"])
async def test_a_node_of_another_chain_is_asked_nothing_else(served: Answer) -> None:
    async with chain_with(eth_chainId=served) as (chain, node):
        with pytest.raises(ChainUnavailable):
            await chain.broadcast(b"raw")
        assert {name for name, _ in node.asked} == {"eth_chainId"}


async def test_a_node_that_hides_its_chain_id_is_of_no_use() -> None:
    async with chain_with(eth_chainId=Failure(-32601, "no")) as (chain, _):
        with pytest.raises(ChainUnavailable, match="chain id"):
            await chain.head()


async def test_the_chain_id_is_asked_once_while_all_is_well() -> None:
    async with chain_with() as (chain, node):
        await chain.head()
        await chain.head()
        assert node.count("eth_chainId") == 1


async def test_the_chain_id_is_asked_again_after_a_failure() -> None:
    async with chain_with() as (chain, node):
        await chain.head()
        good = node.answers["eth_getBlockByNumber"]
        node.answers["eth_getBlockByNumber"] = Http(b"<html>")
        with pytest.raises(ChainUnavailable):
            await chain.head()
        node.answers["eth_getBlockByNumber"] = good
        node.answers["eth_chainId"] = "0x1"
        with pytest.raises(ChainUnavailable, match="another chain"):
            await chain.head()


async def test_an_error_told_with_a_4xx_status_is_read() -> None:
    body = b'{"error":{"code":-32000,"message":"nonce too low"}}'
    answer = Http(body, status="400 Bad Request")
    async with chain_with(eth_sendRawTransaction=answer) as (chain, _):
        with pytest.raises(TransactionRejected, match="nonce too low"):
            await chain.broadcast(b"raw")


@pytest.mark.parametrize("answer", [Silence(close=True), Http(b"", status="503 Unavailable")])
async def test_a_broadcast_is_sent_once_whatever_becomes_of_it(answer: Answer) -> None:
    async with chain_with(eth_sendRawTransaction=answer) as (chain, node):
        with pytest.raises(ChainUnavailable):
            await chain.broadcast(b"raw")
        await asyncio.sleep(0)
        assert node.count("eth_sendRawTransaction") == 1


async def test_a_cancelled_request_leaves_the_connection_usable() -> None:
    async with scripted_node() as node, chain_on(node) as chain:
        for _ in range(20):
            asked = [asyncio.create_task(chain.head()) for _ in range(3)]
            await asyncio.sleep(0)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        assert (await chain.head()).number == 16


async def test_errors_keep_whatever_shape_they_have() -> None:
    connection = RpcConnection("http://127.0.0.1:1", chain_id=1, request_timeout=1)
    with pytest.raises(RpcError) as caught:
        connection._result({"error": {"code": "x", "message": 5, "data": [1]}}, "eth_call")
    assert (caught.value.code, caught.value.message, caught.value.data) == (0, "", [1])
    await connection.aclose()


async def test_urls_in_a_nodes_words_are_told_to_nobody() -> None:
    one, other = "wss://user:word@node.example/v3/key", "HTTPS://node.example?key"
    words = f'execution reverted by "{one}", see {other}'
    answers: dict[str, Answer] = {
        "eth_call": Failure(3, words),
        "eth_sendRawTransaction": Failure(-32000, words),
    }
    async with chain_with(**answers) as (chain, _):
        with pytest.raises(CallReverted) as reverted:
            await chain.read(chain.blank(ADDRESS))
        with pytest.raises(TransactionRejected) as rejected:
            await chain.broadcast(b"raw")
    for error in (reverted.value, rejected.value):
        assert error.details["reason"] == 'execution reverted by "(URL)", see (URL)'
        assert "example" not in error.message


def test_web3_neither_repeats_requests_nor_follows_contracts_elsewhere() -> None:
    provider = HttpProvider("http://127.0.0.1:1", request_timeout=1)
    retries: object = provider.exception_retry_configuration
    assert retries is None
    assert provider.global_ccip_read_enabled is False


async def test_the_provider_serves_web3_itself() -> None:
    async with scripted_node() as node:
        provider = HttpProvider(f"http://127.0.0.1:{node.port}", request_timeout=5)
        web3 = AsyncWeb3(provider)
        assert await web3.eth.get_balance(AsyncWeb3.to_checksum_address(ADDRESS)) == 10**18
        await provider.disconnect()


async def test_a_wide_reply_is_not_taken_for_a_deep_one() -> None:
    wide = block(transactions=[{"input": '[[{"\\"[['}] * 1000)
    async with chain_with(eth_getBlockByNumber=wide) as (chain, _):
        assert (await chain.head()).number == 16
