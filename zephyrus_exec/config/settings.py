"""What `serve` can be told, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from attrs import field, frozen

from ..engine.fees import FeePolicy
from ..model import Agent, Contract
from .access import AccessSettings
from .chains import shown


@frozen
class Limits:
    """Bounds the server enforces; at least 1, and 0 for those that may be absent."""

    max_message_bytes: int = 1 << 20
    """Largest message taken from a client."""
    max_message_depth: int = 64
    """Deepest nesting of a message."""
    max_connections: int = 10_000
    """Connections at once; further ones get HTTP 503."""
    max_running: int = 1000
    """Executions that run at once."""
    max_queued: int = 10_000
    """Executions that wait their turn; beyond it requests are refused as overloaded."""
    max_pending: int = 1024
    """Requests of one connection that wait for their answers; beyond it it is closed (1013)."""
    max_request_rate: float = 0
    """Requests a second of one connection; 0: no bound."""
    principal_request_rate: float = 0
    """Requests a second of one principal, over all its connections; 0: no bound."""
    principal_running: int = 0
    """Executions of one principal that run at once; 0: no bound."""
    principal_queued: int = 0
    """Executions of one principal that wait their turn; 0: no bound."""
    idempotency_key_retention: int | None = None
    """Seconds that keys of requests are known, at least; the same for every server of a journal.
    Null: a day, or an hour where the journal is in memory."""
    low_balance_factor: int = 10
    """A signer's balance below so many times what its last transaction could cost is told."""


@frozen
class ChainRules:
    """How the engine treats one chain."""

    confirmations: int = 1
    """Blocks after which a receipt counts by default, its own included."""
    finality: int | str = "auto"
    """When a block counts as final: `auto`, `finalized`, `safe`, `instant`, or so many blocks."""
    fees: FeePolicy = field(factory=FeePolicy)
    """How transactions that wait are paid for."""


@frozen
class KeystoreSettings:
    """A signer whose key lies in an encrypted keystore file."""

    path: Path
    """The file, in the form geth and most wallets write."""
    password: str = field(repr=False)
    """Opens it."""


@frozen
class KeySettings:
    """A signer whose key was given openly; for development."""

    key: str = field(repr=False)
    """`0x` and 64 hex digits."""


SignerSettings: TypeAlias = KeystoreSettings | KeySettings


def _hosts(chains: Mapping[int, Sequence[str]]) -> str:
    return repr({number: [shown(url) for url in urls] for number, urls in chains.items()})


def _place(text: str | None) -> str:
    return repr(shown(text) if text is not None and "://" in text else text)


@frozen
class Settings:
    """What `serve` was asked for, checked. `repr` shows no secret: of RPC URLs only the host."""

    host: str | None = "localhost"
    """Name or address to listen on; null: every address of the machine."""
    port: int = 8765
    """TCP port, 1 to 65535; 0: a free one."""
    store: str = "zephyrus.db"
    """`memory:`, or the path of a SQLite file."""
    agents_from: str | None = field(default=None, repr=_place)
    """Path of a folder, a file or a SQLite database with further agents, or the URL of a Zephyrus
    API; null: none."""
    agents_chain_id: int | None = None
    """The chain of contracts that come from a Zephyrus API; null: the only configured one."""
    language: str = "es"
    """Language of the texts for people: `es` or `en`."""
    drain_timeout: float = 8.0
    """Seconds a stop may take; containers are killed after 10."""
    keep_executions: int | None = None
    """How many ended executions the journal keeps; null: all, or 1,000 where it is in memory."""
    keep_for: float | None = None
    """Seconds it keeps them; null: for ever."""
    log_level: str = "warning"
    """The least that is logged: `debug`, `info`, `warning`, `error` or `critical`."""
    log_format: str = "text"
    """`text` or `json`."""
    loop: str = "auto"
    """The event loop: `asyncio`, `uvloop`, or `auto`: uvloop where it is installed."""
    chains: Mapping[int, tuple[str, ...]] = field(factory=dict, repr=_hosts)
    """RPC URLs by chain id, best first."""
    chain_rules: Mapping[int, ChainRules] = field(factory=dict)
    """How chains are treated, by chain id; absent: by the defaults."""
    signers: Mapping[str, SignerSettings] = field(factory=dict)
    """Signers by the name agents use."""
    limits: Limits = field(factory=Limits)
    """Bounds."""
    access: AccessSettings = field(factory=AccessSettings)
    """Who may come, and how."""
    agents: tuple[Agent, ...] = ()
    """Agents the file describes."""
    contracts: tuple[Contract, ...] = ()
    """Contracts the file describes."""
    sources: Mapping[str, str] = field(factory=dict)
    """Who set host, port, store and others that are one value each: `--store`, `ZEPHYRUS_STORE`,
    `zephyrus.toml: store`; absent: nobody, it is the default."""
