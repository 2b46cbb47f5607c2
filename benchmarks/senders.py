"""How transactions are usually sent: by scripts that keep no record of them.

Each function sends so many calls from one account to one counter, and returns when all of them have
their receipts. What prepares it (sessions, contracts) is not measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, cast

from aiohttp import ClientSession
from attrs import define, frozen
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import AsyncHTTPProvider, AsyncWeb3, Web3

from tests.anvil import CHAIN_ID, KEYS
from zephyrus_exec import Contract

LOOK_EVERY: Final = 0.1
"""Seconds between two questions for a receipt."""
_GAS_MARGIN: Final = 1.2


@frozen
class Place:
    """What everybody sends to."""

    url: str
    contract: Contract

    @property
    def address(self) -> Any:
        """The counter's address, as web3.py wants it."""
        return Web3.to_checksum_address(self.contract.address)


@frozen
class Spent:
    """What so many calls took."""

    seconds: float
    cpu: float
    """Seconds that this process worked."""


class Watch:
    """Measures from where it is made."""

    def __init__(self) -> None:
        self._began, self._worked = time.monotonic(), time.process_time()

    def read(self) -> Spent:
        """Return what was spent since."""
        return Spent(time.monotonic() - self._began, time.process_time() - self._worked)


def _account() -> LocalAccount:
    account: LocalAccount = Account.from_key(KEYS[1])
    return account


# --- web3.py -------------------------------------------------------------------------------------


async def send_and_wait(place: Place, number: int) -> Spent:
    """Ask for the nonce, simulate, sign, send, wait for the receipt; then the next."""
    w3, account = AsyncWeb3(AsyncHTTPProvider(place.url)), _account()
    counter = w3.eth.contract(address=place.address, abi=place.contract.abi)
    await w3.eth.get_block("latest")
    watch = Watch()
    for _ in range(number):
        nonce = await w3.eth.get_transaction_count(account.address)
        await _received(w3, [await _sent(w3, counter, account, nonce)])
    spent = watch.read()
    await w3.provider.disconnect()
    return spent


async def pipelined(place: Place, number: int) -> Spent:
    """Count the nonce here; simulate, sign and send everything at once; then wait for all."""
    w3, account = AsyncWeb3(AsyncHTTPProvider(place.url)), _account()
    counter = w3.eth.contract(address=place.address, abi=place.contract.abi)
    await w3.eth.get_block("latest")
    watch = Watch()
    first = await w3.eth.get_transaction_count(account.address)
    nonces = range(first, first + number)
    sent = await asyncio.gather(*(_sent(w3, counter, account, nonce) for nonce in nonces))
    await _received(w3, sent)
    spent = watch.read()
    await w3.provider.disconnect()
    return spent


async def _sent(w3: Any, counter: Any, account: LocalAccount, nonce: int) -> Any:
    """Send one call, as web3.py fills it in: gas by a simulation, fees by the latest block."""
    given = {"from": account.address, "nonce": nonce, "chainId": CHAIN_ID}
    transaction = await counter.functions.increment(1).build_transaction(given)
    signed = account.sign_transaction(transaction)
    return await w3.eth.send_raw_transaction(signed.raw_transaction)


async def _received(w3: Any, sent: Sequence[Any]) -> None:
    wait = w3.eth.wait_for_transaction_receipt
    receipts = await asyncio.gather(*(wait(one, poll_latency=LOOK_EVERY) for one in sent))
    assert all(receipt["status"] == 1 for receipt in receipts)


# --- plain JSON-RPC ------------------------------------------------------------------------------


async def plain(place: Place, number: int, *, simulated: bool = True) -> Spent:
    """Do what `pipelined` does, by hand: fees are asked for once, connections are kept.

    Args:
        place: What to send to.
        number: How many calls.
        simulated: Whether gas is estimated for each call; if not, once for all.
    """
    async with ClientSession() as session:
        node, account = _Node(session, place.url), _account()
        contract = Web3().eth.contract(address=place.address, abi=place.contract.abi)
        call = {"to": place.address, "data": contract.encode_abi("increment", [1])}
        await node.ask("eth_chainId")
        watch = Watch()
        await _plain(node, account, call, number, simulated=simulated)
        return watch.read()


async def _plain(
    node: _Node, account: LocalAccount, call: dict[str, Any], number: int, *, simulated: bool
) -> None:
    first = int(await node.ask("eth_getTransactionCount", account.address, "latest"), 16)
    head = await node.ask("eth_getBlockByNumber", "latest", False)
    priority = int(await node.ask("eth_maxPriorityFeePerGas"), 16)
    fees = {
        "maxFeePerGas": 2 * int(head["baseFeePerGas"], 16) + priority,
        "maxPriorityFeePerGas": priority,
        "chainId": CHAIN_ID,
    }
    asked = {**call, "from": account.address}
    gas = None if simulated else int(await node.ask("eth_estimateGas", asked), 16)

    async def send(nonce: int) -> str:
        needed = gas or int(await node.ask("eth_estimateGas", asked), 16)
        transaction = {**call, **fees, "nonce": nonce, "gas": int(needed * _GAS_MARGIN)}
        signed = account.sign_transaction(cast(Any, transaction))
        return str(await node.ask("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()))

    sent = await asyncio.gather(*(send(nonce) for nonce in range(first, first + number)))
    receipts = await asyncio.gather(*(node.receipt(one) for one in sent))
    assert all(int(receipt["status"], 16) == 1 for receipt in receipts)


@define(eq=False)
class _Node:
    """A node, asked without anything between."""

    session: ClientSession
    url: str

    async def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.url, json=body) as response:
            return (await response.json())["result"]

    async def receipt(self, transaction_hash: str) -> Any:
        while True:
            found = await self.ask("eth_getTransactionReceipt", transaction_hash)
            if found is not None:
                return found
            await asyncio.sleep(LOOK_EVERY)
