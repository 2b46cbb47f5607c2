"""The child process: `python -m zephyrus_exec.evm.embedded`, started by `EmbeddedChain`.

It writes one line of JSON to standard output once it listens, and ends when its standard input
does: however its parent dies, the pipe closes, and no orphan stays.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

_STACK_BYTES = 64 << 20
"""Per thread, reserved and not used: a contract may call itself 1024 deep, and so does py-evm."""


def main() -> None:
    """Serve until standard input ends."""
    # Ctrl-C reaches the whole terminal group; the parent decides when the chain goes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    arguments = argparse.ArgumentParser(prog="zephyrus_exec.evm.embedded")
    arguments.add_argument("--chain-id", type=int, required=True)
    arguments.add_argument("--accounts", type=int, required=True)
    _serve(arguments.parse_args())


def _serve(settings: argparse.Namespace) -> None:
    announcements, sys.stdout = sys.stdout, sys.stderr  # a stray print must not be taken for ours
    from eth_utils.address import to_checksum_address

    from .node import Node
    from .server import RpcServer

    node = Node(chain_id=settings.chain_id, accounts=settings.accounts)
    threading.stack_size(_STACK_BYTES)
    server = RpcServer(node)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    accounts = [
        {"address": to_checksum_address(address), "private_key": "0x" + key.hex()}
        for address, key in node.accounts
    ]
    url = f"http://127.0.0.1:{server.server_port}"
    print(json.dumps({"url": url, "accounts": accounts}), file=announcements, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)  # nothing to save, and a call that runs on must not keep the process


if __name__ == "__main__":
    main()
