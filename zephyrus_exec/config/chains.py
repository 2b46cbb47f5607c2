"""Chains, from flags, environment and file: where they are, and how they are treated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from ..model import Json
from .refusal import refuse

_RPC: Final = "ZEPHYRUS_RPC_"


def read_chains(
    flag: object, environ: Mapping[str, str], name: str, table: Mapping[str, Json]
) -> dict[int, tuple[str, ...]]:
    """Return the RPC URLs by chain id; the flag beats the environment, which beats the file.

    Args:
        flag: What `--rpc` gave: one or several `CHAINID=URL,URL`; null: nothing.
        environ: Variables that are set to something.
        name: What the file is called in messages.
        table: What the file has: chain id → URL, or a list of them.

    Raises:
        ConfigurationError: A chain id or URL is none; URLs are shown without what may be secret.
    """
    given: list[tuple[str, str, Json]] = [
        (f"{name}: chains.{number}", number, urls) for number, urls in table.items()
    ]
    given += [
        (variable, variable.removeprefix(_RPC), text)
        for variable, text in environ.items()
        if variable.startswith(_RPC)
    ]
    given += [("--rpc", *_rpc_flag(text)) for text in _texts(flag)]
    return {chain_id(source, number): _urls(source, urls) for source, number, urls in given}


def _texts(flag: object) -> list[str]:
    if isinstance(flag, Iterable) and not isinstance(flag, str):
        return [str(each) for each in flag]
    return [] if flag is None else [str(flag)]


def _rpc_flag(text: str) -> tuple[str, str]:
    number, equals, urls = text.partition("=")
    if not equals:
        refuse("--rpc", "a chain id is missing", "write CHAINID=URL, for example 57054=https://…")
    return number, urls


def chain_id(source: str, text: str) -> int:
    """Return the chain id that this text is.

    Raises:
        ConfigurationError: It is none.
    """
    if not re.fullmatch("[1-9][0-9]{0,18}", text):
        refuse(source, f"{text!r} is no chain id", "write the EIP-155 number, such as 57054")
    return int(text)


def _urls(source: str, value: Json) -> tuple[str, ...]:
    texts = value.split(",") if isinstance(value, str) else value
    remedy = "write http(s) URLs, separated by commas"
    if not isinstance(texts, list):
        refuse(source, "is neither a string nor a list of strings", remedy)
    urls = tuple(str(each).strip() for each in texts if str(each).strip())
    if not urls:
        refuse(source, "names no URL", remedy)
    for url in urls:
        if not _is_http(url):
            refuse(source, f"{shown(url)!r} is no http(s) URL", remedy)
    return urls


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def shown(url: str) -> str:
    """Return as much of a URL as holds no secret: user, path and query often are one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        return "…"
    return f"{parts.scheme}://{host}" + ("/…" if parts.path.strip("/") or parts.query else "")
