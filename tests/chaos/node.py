"""The node under test, steered from outside of any event loop."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, Final
from urllib.parse import urlsplit

from tests.anvil import KEYS
from zephyrus_exec.evm import KeySigner
from zephyrus_exec.model import Contract

ANVIL_OPTIONS: Final = ("--slots-in-an-epoch", "8", "--accounts", "2")
"""A block is final 16 blocks later, so that a reorg of 8 rewrites nothing final."""
SENDER: Final = KeySigner.from_key(KEYS[0]).address
COUNTER: Final = "0x00000000000000000000000000000000000C0DE1"
_HISTORY: Final = 40
"""Blocks there are before a case begins."""
_BASE_FEE: Final = 10**9


class NodeRefused(Exception):
    """The node answered with an error."""


class Node:
    """Asks a node one thing at a time, on a connection for each: safe to use after a fork.

    Args:
        url: Of the node itself, without any proxy before it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._address = (str(parts.hostname), int(parts.port or 80))

    def ask(self, method: str, *params: object) -> Any:
        """Return the result of one request.

        Raises:
            NodeRefused: It answered with an error.
        """
        reply = self.reply(method, *params)
        if "error" in reply:
            raise NodeRefused(f"{method}: {reply['error']}")
        return reply["result"]

    def reply(self, method: str, *params: object) -> dict[str, Any]:
        """Return the reply to one request, whatever it is: with `result`, or with `error`."""
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        try:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            reply: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return reply

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks at once."""
        self.ask("anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:
        """Mine each transaction at once, or none."""
        self.ask("evm_setAutomine", on)

    def reorg(self, blocks: int) -> None:
        """Replace the newest blocks by empty ones; their transactions are nowhere afterwards."""
        self.ask("anvil_reorg", blocks, [])

    def nonce(self, address: str = SENDER) -> int:
        """Return the account's nonce at the head."""
        return int(self.ask("eth_getTransactionCount", address, "latest"), 16)

    def fee(self, wei: int) -> None:
        """Set the base fee of the next block."""
        self.ask("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def begin(self, runtime: str) -> None:
        """Make everything as it was, with a fresh counter, whatever was done before."""
        self.ask("anvil_dropAllTransactions")
        self.ask("anvil_reset")
        self.automine(True)
        self.fee(_BASE_FEE)
        self.ask("anvil_setCode", COUNTER, runtime)
        self.mine(_HISTORY)

    def amounts(self) -> list[int]:
        """Return by how much the counter was incremented, in order."""
        return self.amounts_at(COUNTER)

    def amounts_at(self, counter: str) -> list[int]:
        """Return by how much the counter at this address was incremented, in order."""
        logs = self.ask("eth_getLogs", {"fromBlock": "0x0", "address": counter})
        return [int(log["data"][2:66], 16) for log in logs]

    def total(self) -> int:
        """Return what the counter says."""
        return int(self.ask("eth_call", {"to": COUNTER, "data": "0x2ddbd13a"}, "latest"), 16)

    def spend(self, nonce: int, *, value: int = 1) -> str:
        """Use a nonce of the sender's account for something else, as another program would."""
        return str(
            self.ask(
                "eth_sendTransaction",
                {"from": SENDER, "to": SENDER, "value": hex(value), "nonce": hex(nonce)},
            )
        )


def runtime_of(node: Node, contract: Contract) -> str:
    """Return the code that stands at a contract's address."""
    return str(node.ask("eth_getCode", contract.address, "latest"))


def until(deadline: float) -> float:
    """Return how many seconds are left, at least 0."""
    return max(0.0, deadline - time.monotonic())
