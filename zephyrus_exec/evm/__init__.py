"""EVM chains: `EvmChain`, `KeystoreSigner`, `KeySigner`, and what stands between them and nodes.

The names are loaded when they are first used, because web3 takes a second to import and is
installed only with the extra `evm`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import MissingExtra

if TYPE_CHECKING:
    from .chain import EvmChain
    from .finality import Finality
    from .rpc import NodeFailed, NodeState, Request, RpcError
    from .signers import KeySigner, KeystoreSigner

__all__ = [
    "EvmChain",
    "Finality",
    "KeySigner",
    "KeystoreSigner",
    "NodeFailed",
    "NodeState",
    "Request",
    "RpcError",
    "require_packages",
]

_RECURSION_LIMIT = sys.getrecursionlimit()
_HOMES = {
    "EvmChain": ".chain",
    "Finality": ".finality",
    "KeySigner": ".signers",
    "KeystoreSigner": ".signers",
    "NodeFailed": ".rpc",
    "NodeState": ".rpc",
    "Request": ".rpc",
    "RpcError": ".rpc",
}


def require_packages(extra: str, *packages: str) -> None:
    """Return if the packages are installed.

    Args:
        extra: The extra that installs them.
        packages: Top-level names to look for; none of them is imported.

    Raises:
        MissingExtra: One is not; the message holds the install line.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f'{missing[0]} is not installed; run: pip install "zephyrus-exec[{extra}]"',
            extra=extra,
            package=missing[0],
        )


def restore_recursion_limit() -> None:
    """Undo what py_ecc, which web3 and eth_keyfile import, does to the interpreter.

    It sets the limit to 100,000, far beyond the C stack, so that a RecursionError somebody else
    relies on (a deeply nested JSON text is enough) becomes a crash of the process.
    """
    sys.setrecursionlimit(_RECURSION_LIMIT)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_packages("evm", "web3", "eth_account")
    return getattr(import_module(_HOMES[name], __name__), name)
