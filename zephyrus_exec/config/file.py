"""The settings file: TOML, nothing unknown in it."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from attrs import asdict, evolve, field, frozen

from ..conversion import structure
from ..errors import InvalidValue
from ..model import Agent, Contract, Json
from .access import AccessTable
from .refusal import refuse
from .settings import Limits
from .values import MEMORY_STORE, has_scheme

T = TypeVar("T")

_MAY_BE_ABSENT: Final = (
    "max_request_rate",
    "principal_request_rate",
    "principal_running",
    "principal_queued",
)


@frozen
class SignerTable:
    """What the file says of one signer; secrets are no part of it."""

    keystore: str | None = None
    """Path of the keystore file."""
    password_file: str | None = None
    """Path of a file that holds its password."""


@frozen
class ChainTable:
    """What the file says of one chain."""

    rpc: Json = None
    """RPC URL, or a list of them; the environment or a flag may say it instead."""
    confirmations: int | None = None
    """Blocks after which a receipt counts, its own included; functions may say otherwise."""
    finality: Json = None
    """`finalized` or `safe`: the node's tag; a number: so many blocks below the head; `instant`:
    every block at once; `auto`: `finalized`, or 64 blocks where nodes do not know that tag."""
    bump_after: float | None = None
    """Seconds after which a transaction that is next in turn gets a better offer."""
    bump_factor: float | None = None
    """What both fee fields are multiplied by then at least, from 1.125 to 10."""
    max_fee_gwei: Decimal | None = None
    """Most a call offers per unit of gas; absent: whatever it takes."""
    stuck_after: float | None = None
    """Seconds after which a transaction that is next in turn is cancelled; absent: never."""


@frozen
class File:
    """What the file says, its shape checked."""

    host: str | None = None
    port: int | None = None
    store: str | None = None
    agents_from: str | None = None
    agents_chain_id: int | None = None
    language: str | None = None
    drain_timeout: float | None = None
    keep_executions: int | None = None
    keep_for: Json = None
    log_level: str | None = None
    log_format: str | None = None
    loop: str | None = None
    chains: Mapping[str, Json] = field(factory=dict)
    signers: Mapping[str, Json] = field(factory=dict)
    limits: Limits = field(factory=Limits)
    access: AccessTable = field(factory=AccessTable)
    agents: tuple[Agent, ...] = ()
    contracts: tuple[Contract, ...] = ()


def read_file(file: Path) -> File:
    """Return what a settings file says.

    Raises:
        ConfigurationError: It cannot be read, is no TOML, or holds something unknown or wrong.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        refuse("--config", f"{str(file)!r} cannot be read: {error.strerror}", "name a TOML file")
    except ValueError as error:
        refuse(file.name, f"is no TOML: {error}", "see https://toml.io")
    content = _structured(file.name, data, File)
    for bound, value in asdict(content.limits).items():
        may_be_absent = bound in _MAY_BE_ABSENT
        if value is not None and not (0 if may_be_absent else 1) <= value < math.inf:
            remedy = f"write {0 if may_be_absent else 1} or more"
            refuse(f"{file.name}: limits.{bound}", f"{value} is too small", remedy)
    _refuse_repeated(file.name, "agents", [agent.id for agent in content.agents])
    _refuse_repeated(file.name, "contracts", [contract.id for contract in content.contracts])
    return evolve(
        content, store=_place(file, content.store), agents_from=_place(file, content.agents_from)
    )


def _refuse_repeated(name: str, table: str, ids: Sequence[str]) -> None:
    for place, one in enumerate(ids):
        if one in ids[:place]:
            refuse(
                f"{name}: {table}[{place}].id", f"{one!r} is there already", "remove one of them"
            )


def signer_tables(file: Path, content: File) -> dict[str, SignerTable]:
    """Return what a settings file says of each signer, paths starting from its folder.

    Raises:
        ConfigurationError: A table holds something unknown or wrong.
    """
    tables = {}
    for name, raw in content.signers.items():
        source = f"{file.name}: signers.{name}"
        if not re.fullmatch("[a-z0-9_]+", name):
            refuse(source, "is no name", "write small letters, digits and _")
        table = _structured(source, raw, SignerTable)
        paths = {key: _beside(file, text) for key, text in asdict(table).items() if text}
        tables[name] = SignerTable(**paths)
    return tables


def chain_tables(file: Path, content: File) -> dict[str, ChainTable]:
    """Return what a settings file says of each chain; a URL or list is a table of nothing else.

    Raises:
        ConfigurationError: A table holds something unknown or wrong.
    """
    return {
        number: _structured(f"{file.name}: chains.{number}", said, ChainTable)
        if isinstance(said, Mapping)
        else ChainTable(rpc=said)
        for number, said in content.chains.items()
    }


def _place(file: Path, text: str | None) -> str | None:
    """Return where a path starts from; what is no path, its own reader judges."""
    if not text or text == MEMORY_STORE or has_scheme(text):
        return text
    return _beside(file, text)


def _beside(file: Path, text: str) -> str:
    return str(file.parent / Path(text).expanduser())


def _structured(source: str, data: object, kind: type[T]) -> T:
    try:
        return structure(data, kind)
    except InvalidValue as error:
        place = str(error.details["field"]).removeprefix("$").removeprefix(".")
        where = f"{source}: {place}" if place else source
        refuse(where, str(error.details["problem"]), str(error.details["remedy"]))
