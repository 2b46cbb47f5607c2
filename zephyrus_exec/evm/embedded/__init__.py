"""An EVM chain in a child process, behind JSON-RPC: for demos and tests, gone when it is closed.

Nothing here imports the EVM; only the child does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection, HTTPException
from typing import IO, Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from ...errors import ChainUnavailable, ConfigurationError, TransactionRejected
from ...model import Json
from .. import require_packages

__all__ = ["CHAIN_ID", "EmbeddedAccount", "EmbeddedChain", "embedded_chain"]

CHAIN_ID: Final = 1337
"""The chain id it has unless told otherwise: no public chain of value has it."""

_CLOSE_TIMEOUT: Final = 5.0
_REQUEST_TIMEOUT: Final = 60.0
_LAST_LINES: Final = 20

_log = logging.getLogger(__name__)


@frozen
class EmbeddedAccount:
    """A funded account; its key is derived from words everybody knows."""

    address: str
    """Checksummed address."""
    private_key: str = field(repr=False)
    """`0x` and 64 hex digits; use it nowhere else."""


class EmbeddedChain:
    """A running chain; every transaction is a block of its own, final at once.

    Made by `start` or `embedded_chain`. It ends with `aclose`, or with the process that started
    it, however that dies.
    """

    def __init__(
        self, child: _Child, *, url: str, chain_id: int, accounts: tuple[EmbeddedAccount, ...]
    ) -> None:
        self._child = child
        self.url: Final = url
        """Where it answers JSON-RPC, for example `http://127.0.0.1:40123`."""
        self.chain_id: Final = chain_id
        """EIP-155 chain id."""
        self.accounts: Final = accounts
        """Its funded accounts, 1,000,000 of the native currency each."""

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    @classmethod
    async def start(
        cls, *, chain_id: int = CHAIN_ID, accounts: int = 3, start_timeout: float = 60.0
    ) -> EmbeddedChain:
        """Return a chain that answers.

        Args:
            chain_id: EIP-155 chain id, at least 1.
            accounts: How many funded accounts it has, at least 1.
            start_timeout: Seconds it may take until it answers; about 1.5 are usual.

        Raises:
            MissingExtra: eth-tester or py-evm is not installed.
            ConfigurationError: The child did not come up; the message holds its last words.
        """
        require_packages("demo", "eth_tester", "eth")
        child = _Child(["--chain-id", chain_id, "--accounts", accounts])
        try:
            said = await asyncio.wait_for(asyncio.to_thread(child.announcement), start_timeout)
        except TimeoutError:
            await asyncio.to_thread(child.kill)
            raise ConfigurationError(
                f"the embedded chain did not answer within {start_timeout:g} s"
            ) from None
        except BaseException:
            await asyncio.to_thread(child.kill)
            raise
        funded = tuple(EmbeddedAccount(**each) for each in said["accounts"])
        return cls(child, url=said["url"], chain_id=chain_id, accounts=funded)

    async def request(self, method: str, *params: Json) -> Json:
        """Return the result of one JSON-RPC request.

        Args:
            method: For example `eth_blockNumber`.
            params: Its parameters, as JSON.

        Raises:
            TransactionRejected: The chain answered with an error; details `reason` holds it.
            ChainUnavailable: The chain does not answer.
        """
        reply = await asyncio.to_thread(self._exchange, method, params)
        if "error" in reply:
            reason = reply["error"]["message"]
            raise TransactionRejected(
                f"the embedded chain refused {method}: {reason}", reason=reason
            )
        result: Json = reply["result"]
        return result

    async def deploy(self, creation: str, *, account: int = 0) -> str:
        """Create a contract and return its checksummed address.

        Args:
            creation: `0x…`: the compiler's bytecode, followed by encoded constructor arguments.
            account: Which funded account creates it, from 0.

        Raises:
            TransactionRejected: The chain refused, or the constructor reverted.
            ChainUnavailable: The chain does not answer.
        """
        sent = {"from": self.accounts[account].address, "data": creation}
        receipt: Any = await self.request(
            "eth_getTransactionReceipt", await self.request("eth_sendTransaction", sent)
        )
        if receipt["status"] != "0x1":
            raise TransactionRejected("the constructor reverted", reason="the constructor reverted")
        from eth_utils.address import to_checksum_address

        return to_checksum_address(receipt["contractAddress"])

    async def aclose(self) -> None:
        """End the child and wait for it; closing twice does nothing."""
        await asyncio.to_thread(self._child.close)

    def _exchange(self, method: str, params: tuple[Json, ...]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=_REQUEST_TIMEOUT)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError) as error:
            raise ChainUnavailable(
                f"the embedded chain does not answer: {error}", chain_id=self.chain_id
            ) from error
        finally:
            connection.close()


@asynccontextmanager
async def embedded_chain(
    *, chain_id: int = CHAIN_ID, accounts: int = 3, start_timeout: float = 60.0
) -> AsyncIterator[EmbeddedChain]:
    """Run a chain for the length of a block; arguments and errors as for `EmbeddedChain.start`."""
    chain = await EmbeddedChain.start(
        chain_id=chain_id, accounts=accounts, start_timeout=start_timeout
    )
    try:
        yield chain
    finally:
        await chain.aclose()


class _Child:
    """The child process and its three pipes."""

    def __init__(self, arguments: list[object]) -> None:
        module = [sys.executable, "-P", "-W", "ignore", "-m", __name__]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
                [*module, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                # Its own group: Ctrl-C in the terminal is for the parent, which then ends it.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            raise ConfigurationError(f"the embedded chain did not start: {error}") from error
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._up = False
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def announcement(self) -> Any:
        """Return what the child says once it listens; blocks until then."""
        line = _pipe(self._process.stdout).readline()
        if not line.endswith(b"\n"):
            self.kill()
            last = self._last_lines[-1] if self._last_lines else "it said nothing"
            raise ConfigurationError(f"the embedded chain did not start: {last}")
        self._up = True
        return json.loads(line)

    def close(self) -> None:
        """End the child by closing its standard input."""
        try:
            _pipe(self._process.stdin).close()
            self._process.wait(_CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:
            _log.warning("the embedded chain did not end by itself within %g s", _CLOSE_TIMEOUT)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the child now, and let go of its pipes."""
        self._process.kill()
        self._process.wait()
        self._listening.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _pipe(pipe).close()

    def _listen(self) -> None:
        """Take what the child writes to standard error: an unread pipe would stop it."""
        for line in _pipe(self._process.stderr):
            text = line.decode(errors="replace").rstrip()
            self._last_lines.append(text)
            # Before it is up the last line goes into the error, which is enough for most people.
            _log.log(logging.WARNING if self._up else logging.DEBUG, "embedded chain: %s", text)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "every standard stream of the child is a pipe"
    return pipe
