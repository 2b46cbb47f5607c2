"""The embedded chain's process: it comes up, answers over HTTP, and never outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from zephyrus_exec.errors import (
    ChainUnavailable,
    ConfigurationError,
    MissingExtra,
    TransactionRejected,
)
from zephyrus_exec.evm.embedded import CHAIN_ID, EmbeddedChain, embedded_chain

PARENT = """
import asyncio, sys
from zephyrus_exec.evm.embedded import EmbeddedChain

async def main():
    chain = await EmbeddedChain.start(accounts=1)
    print(chain.url, flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain() -> AsyncIterator[EmbeddedChain]:
    async with embedded_chain() as running:
        yield running


def post(chain: EmbeddedChain, body: str, content_type: str = "application/json") -> Any:
    """Return status and decoded reply of one POST; null where the reply is empty."""
    connection = HTTPConnection(urlsplit(chain.url).netloc, timeout=30)
    try:
        connection.request("POST", "/", body, {"Content-Type": content_type})
        response: HTTPResponse = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    finally:
        connection.close()


def asked(method: str, *params: object, request_id: int = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)}


def connected(url: str) -> socket.socket:
    """Return an idle connection: it ends exactly when the process behind it does."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    return socket.create_connection((host, port), timeout=30)


def ended(connection: socket.socket) -> bool:
    with connection:
        try:
            return connection.recv(1) == b""
        except ConnectionError:
            return True


# --- life and death


async def test_a_started_chain_answers_with_its_chain_id_and_has_funded_accounts(
    chain: EmbeddedChain,
) -> None:
    assert await chain.request("eth_chainId") == hex(CHAIN_ID) == hex(chain.chain_id)
    assert await chain.request("net_version") == str(CHAIN_ID)
    for account in chain.accounts:
        balance = await chain.request("eth_getBalance", account.address, "latest")
        assert balance == hex(10**24)


async def test_the_chain_id_and_the_number_of_accounts_can_be_chosen() -> None:
    async with embedded_chain(chain_id=4242, accounts=1) as other:
        assert await other.request("eth_chainId") == hex(4242)
        assert len(other.accounts) == 1


def test_a_key_is_not_shown_by_repr() -> None:
    from zephyrus_exec.evm.embedded import EmbeddedAccount

    assert "5ec4e7" not in repr(EmbeddedAccount("0x00", private_key="0x5ec4e7"))


def test_importing_the_embedded_chain_imports_no_evm() -> None:
    code = (
        "import sys, zephyrus_exec.evm.embedded\n"
        "print({'eth', 'eth_tester', 'eth_account', 'eth_utils', 'web3'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


async def test_the_child_ends_when_the_chain_is_closed_and_closing_twice_does_nothing() -> None:
    running = await EmbeddedChain.start(accounts=1)
    witness = connected(running.url)
    await running.aclose()
    await running.aclose()
    assert ended(witness)


async def test_a_closed_chain_is_unavailable() -> None:
    running = await EmbeddedChain.start(accounts=1)
    await running.aclose()
    with pytest.raises(ChainUnavailable):
        await running.request("eth_blockNumber")


def test_the_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        witness = connected(parent.stdout.readline().strip())
        parent.kill()
    assert ended(witness)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
async def test_ctrl_c_in_the_terminal_leaves_the_chain_to_its_parent(chain: EmbeddedChain) -> None:
    os.kill(chain.pid, signal.SIGINT)
    assert await chain.request("eth_chainId") == hex(CHAIN_ID)


async def test_without_eth_tester_the_error_holds_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "eth_tester", None)
    with pytest.raises(MissingExtra, match=r'pip install "zephyrus-exec\[demo\]"'):
        await EmbeddedChain.start()


async def test_a_child_that_cannot_start_shows_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "eth_tester.py").write_text("raise ImportError('this installation is broken')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ConfigurationError, match="ImportError: this installation is broken"):
        await EmbeddedChain.start()


async def test_a_child_that_is_too_slow_is_ended_and_named() -> None:
    with pytest.raises(ConfigurationError, match=r"did not answer within 0\.001 s"):
        await EmbeddedChain.start(start_timeout=0.001)


LATE = """
import sys

class Input:
    def __init__(self, real):
        self.buffer, self._real = self, real

    def read(self):
        self._real.buffer.read()
        sys.stderr.write("late words\\n")

sys.stdin = Input(sys.stdin)
"""


async def test_what_the_child_reports_after_its_start_reaches_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LATE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    async with embedded_chain(accounts=1):
        pass
    assert "embedded chain: late words" in caplog.messages


# --- HTTP and JSON-RPC


def test_one_connection_serves_many_requests(chain: EmbeddedChain) -> None:
    connection = HTTPConnection(urlsplit(chain.url).netloc, timeout=30)
    head = {"Content-Type": "application/json"}
    numbers = []
    for number in range(3):
        connection.request("POST", "/", json.dumps(asked("eth_chainId", request_id=number)), head)
        first = connection.sock
        numbers.append(json.loads(connection.getresponse().read())["id"])
        assert connection.sock is first
    connection.close()
    assert numbers == [0, 1, 2]


def test_a_batch_is_answered_in_order_each_for_itself(chain: EmbeddedChain) -> None:
    batch = [asked("eth_chainId", request_id=7), asked("eth_nonsense", request_id=8)]
    _, replies = post(chain, json.dumps(batch))
    assert [reply["id"] for reply in replies] == [7, 8]
    assert replies[0]["result"] == hex(CHAIN_ID)
    assert replies[1]["error"]["code"] == -32601


def test_a_notification_gets_no_reply(chain: EmbeddedChain) -> None:
    silent = {"jsonrpc": "2.0", "method": "eth_chainId", "params": []}
    assert post(chain, json.dumps(silent)) == (200, None)
    assert post(chain, json.dumps([silent])) == (200, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", -32700),
        ("[" * 100_000, -32700),
        ("[]", -32600),
        ("7", -32600),
        ('{"id":1,"method":7}', -32600),
        ('{"id":1,"method":"eth_chainId","params":{"a":1}}', -32602),
        ('{"id":1,"method":"eth_chainId","params":"no"}', -32602),
        ('{"id":1,"method":"eth_chainId","params":[1]}', -32602),
        ('{"id":1,"method":"eth_getBalance","params":[]}', -32602),
        ('{"id":1,"method":"eth_nonsense"}', -32601),
    ],
)
def test_what_is_no_request_gets_the_code_json_rpc_names(
    chain: EmbeddedChain, body: str, code: int
) -> None:
    status, reply = post(chain, body)
    assert (status, reply["error"]["code"]) == (200, code)


def test_a_web_page_cannot_send_requests_unasked(chain: EmbeddedChain) -> None:
    """Only `application/json` is read, which browsers do not send across origins unasked."""
    assert post(chain, json.dumps(asked("eth_accounts")), "text/plain") == (415, None)


def test_a_request_beyond_the_limit_is_not_read(chain: EmbeddedChain) -> None:
    with connected(chain.url) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 413 ")


async def test_an_error_reply_is_raised_with_the_chains_words(chain: EmbeddedChain) -> None:
    with pytest.raises(TransactionRejected) as caught:
        await chain.request("eth_nonsense")
    assert (
        caught.value.details["reason"] == "the method eth_nonsense does not exist/is not available"
    )
