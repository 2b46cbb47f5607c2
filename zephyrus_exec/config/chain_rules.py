"""How chains are treated, from the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..engine.fees import FeePolicy
from ..errors import InvalidValue
from ..model import Json
from .chains import chain_id
from .file import ChainTable
from .refusal import refuse
from .settings import ChainRules

_WORDS: Final = ("auto", "finalized", "safe", "instant")
_WEI_PER_GWEI: Final = 10**9
_NAMES: Final = {"factor": "bump_factor", "max_fee_wei": "max_fee_gwei"}
"""What the file calls fields of the policy that it calls otherwise."""


def read_chain_rules(name: str, tables: Mapping[str, ChainTable]) -> dict[int, ChainRules]:
    """Return how each chain of the file is treated.

    Args:
        name: What the file is called in messages.
        tables: What it says, by chain id as text.

    Raises:
        ConfigurationError: A value is out of bounds.
    """
    found = {}
    for number, table in tables.items():
        source = f"{name}: chains.{number}"
        found[chain_id(source, number)] = ChainRules(
            confirmations=_confirmations(source, table.confirmations),
            finality=_finality(source, table.finality),
            fees=_fees(source, table),
        )
    return found


def _confirmations(source: str, value: int | None) -> int:
    if value is None:
        return ChainRules().confirmations
    if value < 1:
        refuse(f"{source}.confirmations", f"{value} is too small", "write 1 or more")
    return value


def _finality(source: str, value: Json) -> int | str:
    if value is None:
        return ChainRules().finality
    if isinstance(value, str) and value in _WORDS:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    remedy = f"write {', '.join(_WORDS)}, or a number of blocks"
    return refuse(f"{source}.finality", f"{value!r} is no finality", remedy)


def _fees(source: str, table: ChainTable) -> FeePolicy:
    gwei = table.max_fee_gwei
    given: dict[str, float | None] = {
        "bump_after": table.bump_after,
        "factor": table.bump_factor,
        "stuck_after": table.stuck_after,
    }
    try:
        return FeePolicy(
            max_fee_wei=None if gwei is None else int(gwei * _WEI_PER_GWEI),
            **{field: value for field, value in given.items() if value is not None},
        )
    except InvalidValue as error:
        field = str(error.details["field"]).removeprefix("$.")
        where = f"{source}.{_NAMES.get(field, field)}"
        return refuse(where, str(error.details["problem"]), str(error.details["remedy"]))
