"""Every variable of the environment, and what becomes of names that are almost one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from attrs import frozen


@frozen
class Variable:
    """One variable, or a family of them: what is in angle brackets is the reader's to fill in."""

    name: str
    meaning: str
    """What it does, a sentence; the documentation shows it."""
    flag: str = ""
    """Flag of `serve` that beats it; empty: there is none."""
    key: str = ""
    """Key of the file that it beats; empty: there is none."""
    default: str = ""
    """What holds where nobody says anything; empty: nothing does."""

    @property
    def family(self) -> str:
        """How every name of the family begins; empty: it is a single variable."""
        return self.name.partition("<")[0] if "<" in self.name else ""


VARIABLES: Final = (
    Variable(
        "WS_HOST",
        "Name or address to listen on; `*`: every address.",
        "--host",
        "host",
        "localhost",
    ),
    Variable("WS_PORT", "TCP port; `0`: a free one.", "--port", "port", "8765"),
    Variable(
        "PORT",
        "Beats `WS_PORT`, and means every address where nobody names a host: so platforms hand "
        "out ports.",
        "--port",
        "port",
    ),
    Variable(
        "ZEPHYRUS_STORE",
        "The journal: a SQLite file, or `memory:`.",
        "--store",
        "store",
        "zephyrus.db",
    ),
    Variable(
        "ZEPHYRUS_AGENTS",
        "Further agents: a folder, JSON or TOML file, SQLite database, or a Zephyrus API's URL.",
        "--agents",
        "agents_from",
    ),
    Variable(
        "DB_API_URL",
        "The older name of `ZEPHYRUS_AGENTS`, for the URL; `agents import` reads from it.",
        "--agents",
        "agents_from",
    ),
    Variable(
        "ZEPHYRUS_AGENTS_CHAIN_ID",
        "Chain of contracts that come from a Zephyrus API, where several are configured.",
        "--agents-chain-id",
        "agents_chain_id",
    ),
    Variable(
        "ZEPHYRUS_LANGUAGE",
        "Language of the texts that clients get, and of `execute`, `watch` and `executions`, which "
        "else speak the system's: `es` or `en`.",
        "--language",
        "language",
        "es",
    ),
    Variable(
        "ZEPHYRUS_DRAIN_TIMEOUT",
        "Seconds a stop may take.",
        "--drain-timeout",
        "drain_timeout",
        "8",
    ),
    Variable(
        "ZEPHYRUS_KEEP_EXECUTIONS",
        "How many ended executions the journal keeps; all, or 1,000 where it is in memory.",
        "--keep-executions",
        "keep_executions",
    ),
    Variable(
        "ZEPHYRUS_KEEP_FOR",
        "How long it keeps them: `90d`, `12h`, `30m` or seconds.",
        "--keep-for",
        "keep_for",
    ),
    Variable(
        "LOG_LEVEL",
        "The least that is logged: `debug`, `info`, `warning`, `error` or `critical`.",
        "--log-level",
        "log_level",
        "warning",
    ),
    Variable(
        "LOG_FORMAT",
        "How lines are logged: `text` or `json`.",
        "--log-format",
        "log_format",
        "text",
    ),
    Variable(
        "ZEPHYRUS_LOOP",
        "The event loop: `asyncio`, `uvloop`, or `auto`: uvloop where it is installed.",
        "--loop",
        "loop",
        "auto",
    ),
    Variable(
        "ZEPHYRUS_RPC_<CHAINID>",
        "RPC URLs of a chain, separated by commas, best first.",
        "--rpc",
        "chains",
    ),
    Variable(
        "ZEPHYRUS_KEYSTORE_<NAME>",
        "The encrypted keystore file of a signer.",
        "",
        "signers.NAME.keystore",
    ),
    Variable("ZEPHYRUS_KEYSTORE_PASSWORD_<NAME>", "Its password."),
    Variable(
        "ZEPHYRUS_KEYSTORE_PASSWORD_<NAME>_FILE",
        "A file that holds its password.",
        "",
        "signers.NAME.password_file",
    ),
    Variable("ZEPHYRUS_KEY_<NAME>", "A signer's private key, 64 hex digits; for development only."),
    Variable(
        "WS_ORIGINS",
        "Web pages that may connect, separated by commas.",
        "--origin",
        "access.origins",
    ),
    Variable("ZEPHYRUS_TOKENS", "Token file: who may come.", "--tokens", "access.tokens"),
    Variable(
        "ZEPHYRUS_OPERATOR_TOKEN",
        "A token that allows everything, of 32 characters at least; "
        "without one and without a token file, each start makes one.",
    ),
    Variable(
        "ZEPHYRUS_ALLOW_ANONYMOUS",
        "`true`: everybody may come without a token.",
        "--allow-anonymous",
        "access.allow_anonymous",
        "false",
    ),
    Variable(
        "ZEPHYRUS_ALLOWED_HOSTS",
        "Further names of this machine, separated by commas.",
        "--allowed-host",
        "access.allowed_hosts",
    ),
    Variable(
        "ZEPHYRUS_TRUSTED_PROXIES",
        "Addresses, networks or `unix`, separated by commas: who is believed about its clients.",
        "--trusted-proxy",
        "access.trusted_proxies",
    ),
    Variable("ZEPHYRUS_TLS_CERT", "Certificate chain, PEM.", "--tls-cert", "access.tls_cert"),
    Variable("ZEPHYRUS_TLS_KEY", "Its private key, PEM.", "--tls-key", "access.tls_key"),
    Variable(
        "ZEPHYRUS_UNIX", "Unix socket to listen on instead of a port.", "--unix", "access.unix"
    ),
    Variable(
        "ZEPHYRUS_UNIX_MODE", "Its permissions, octal.", "--unix-mode", "access.unix_mode", "600"
    ),
    Variable(
        "WS_URL",
        "The server that `execute` and `watch` ask.",
        "`execute --url`",
        "",
        "ws://localhost:8765",
    ),
    Variable("ZEPHYRUS_TOKEN", "The token that a server is asked with."),
    Variable("ZEPHYRUS_TOKEN_FILE", "A file that holds it.", "`execute --token-file`"),
)
"""Every variable this package reads, in the order of the documentation."""


@frozen
class Retired:
    """A variable of the original Zephyrus service that means nothing here."""

    instead: str
    """What does its work now."""
    generic: bool = False
    """Whether other programs use that name, so that only a `.env` proves it is meant for us."""


RETIRED: Final[Mapping[str, Retired]] = {
    "SONIC_RPC_URL": Retired("write ZEPHYRUS_RPC_57054, with the chain's id in its name"),
    "SONIC_CHAIN_ID": Retired("the chain's id is part of the name: ZEPHYRUS_RPC_57054"),
    "BLOCKCHAIN_API_URL": Retired("chains are asked directly, see ZEPHYRUS_RPC_<CHAINID>"),
    "CONTRACT_API_URL": Retired(
        "no back end makes the calls: chains are asked directly, see ZEPHYRUS_RPC_<CHAINID>, and "
        "a signer of yours signs"
    ),
    "DEFAULT_GAS_LIMIT": Retired("each agent has its gas_limit"),
    "DEFAULT_MAX_PRIORITY_FEE": Retired(
        "each agent has its max_priority_fee_gwei, each chain its max_fee_gwei"
    ),
    "AGENT_CHECK_INTERVAL": Retired("nothing runs on a schedule yet"),
    "DEFAULT_EXECUTION_INTERVAL": Retired("nothing runs on a schedule yet"),
    "WS_SERVER_URL": Retired("the server listens, see WS_HOST and WS_PORT; for clients: WS_URL"),
    "OPENAI_API_KEY": Retired(
        "no language model is asked; the planner `steps` works off a list", generic=True
    ),
}
"""Names that deployments of the original service set, as its source and its documents have them."""

_PREFIX: Final = "ZEPHYRUS_"
_CLOSE: Final = 0.8
"""How similar a name must be to one of ours to be taken for it, from 0 to 1."""


def find_misfits(environ: Mapping[str, str], in_file: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the names of variables, a sentence each; no value is shown.

    Args:
        environ: The process's.
        in_file: What a `.env` sets.
    """
    for name in sorted({*environ, *in_file}):
        if name in RETIRED:
            if name in in_file or not RETIRED[name].generic:
                yield f"{name} is of the original service and ignored: {RETIRED[name].instead}"
        elif not is_known(name) and (close := _closest(name, meant=name in in_file)):
            yield f"{name} is no variable of ours and ignored: did you mean {close}?"
        elif not is_known(name) and name.startswith(_PREFIX):
            yield f"{name} is no variable of ours and ignored"


def is_known(name: str) -> bool:
    """Return whether the name is one of ours."""
    return any(
        name == one.name
        or (one.family != "" and re.fullmatch(f"{one.family}[A-Za-z0-9_]+", name) is not None)
        for one in VARIABLES
    )


def _closest(name: str, *, meant: bool) -> str | None:
    """Return the name of ours that this one is a slip of; null: none is close enough.

    Args:
        name: None of ours.
        meant: Whether it is for us beyond doubt; else only names that nobody else would use count.
    """
    kind, _, member = name.rpartition("_")
    ours = [one.family + member if one.family and "_" in kind else one.name for one in VARIABLES]
    prefixes = (_PREFIX, "WS_") if name.upper().startswith("WS") else (_PREFIX,)
    likely = [one for one in ours if meant or one.startswith(prefixes)]
    found = get_close_matches(name.upper(), likely, n=1, cutoff=_CLOSE)
    return found[0] if found else None
