"""Agents and contracts as JSON text, and what is said of those that cannot be used."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any, Final, NoReturn, TypeAlias, TypeGuard, TypeVar

from ..conversion import dumps, structure, unstructure
from ..errors import AgentNotFound, ContractNotFound, InvalidDefinition, InvalidValue
from ..model import Agent, Contract, Json

Definition: TypeAlias = Agent | Contract
D = TypeVar("D", Agent, Contract)


def kind_of(value: Definition) -> type[Definition]:
    """Return what the value is."""
    return Agent if isinstance(value, Agent) else Contract


def name_of(kind: type[Definition]) -> str:
    """Return what messages call one of this kind: `agent` or `contract`."""
    return "agent" if kind is Agent else "contract"


def not_found(kind: type[Definition], name: str) -> AgentNotFound | ContractNotFound:
    """Return the error that says that there is none with this id."""
    if kind is Agent:
        return AgentNotFound(f"there is no agent {name!r}", agent_id=name)
    return ContractNotFound(f"there is no contract {name!r}", contract_id=name)


def unusable(
    kind: type[Definition], name: str, *, where: str, field: str, problem: str, remedy: str
) -> InvalidDefinition:
    """Return the error that says why an agent or contract cannot be used.

    Args:
        kind: What it is.
        name: Its id.
        where: What its source is called.
        field: What is wrong in it, as a path from `$`.
        problem: What is wrong with that.
        remedy: What to do about it.
    """
    what = name_of(kind)
    return InvalidDefinition(
        f"{where}: {what} {name!r}: {problem} @ {field}; {remedy}",
        **{f"{what}_id": name},
        field=field,
        problem=problem,
        remedy=remedy,
    )


def encode(value: Definition) -> str:
    """Return the value as JSON text that `decode` makes an equal value of.

    Raises:
        InvalidValue: It is not as the model allows, NaN in its settings for example.
    """
    data = unstructure(value)
    structure(data, kind_of(value))
    return dumps(data)


class Decoder:
    """Makes values of stored bytes: the same object again where the bytes are the same.

    Args:
        where: What messages call the source.
        remembered: How many values are kept for that.
    """

    def __init__(self, where: str, *, remembered: int = 1024) -> None:
        self._where = where
        self._remembered = remembered
        self._known: OrderedDict[tuple[type[Definition], str], tuple[bytes, Definition]]
        self._known = OrderedDict()

    def __call__(self, kind: type[D], name: str, body: bytes) -> D:
        """Return what is stored under an id.

        Args:
            kind: What it has to be.
            name: The id.
            body: What is stored, JSON in UTF-8.

        Raises:
            InvalidDefinition: It is no such thing; the message names it, the field and the remedy.
        """
        known = self._known.pop((kind, name), None)
        if known is not None and known[0] == body and isinstance(known[1], kind):
            value = known[1]
        else:
            value = self._decoded(kind, name, body)
        self._known[kind, name] = body, value
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return value

    def _decoded(self, kind: type[D], name: str, body: bytes) -> D:
        try:
            value = structure(loads(body), kind)
            if value.id != name:
                raise InvalidValue.at("$.id", f"is {value.id!r}", f"write {name!r}")
        except InvalidValue as error:
            raise unusable(kind, name, where=self._where, **told(error)) from None
        return value


def told(error: InvalidValue, at: str = "$") -> dict[str, Any]:
    """Return `field`, `problem` and `remedy` of what is wrong in a value.

    Args:
        error: What is wrong.
        at: Where the value stands in its file or row.
    """
    details = {name: str(error.details[name]) for name in ("field", "problem", "remedy")}
    return {**details, "field": at + details["field"].removeprefix("$")}


def is_text(name: object) -> TypeGuard[str]:
    """Return whether it is text that UTF-8 can say; no other id can have been stored."""
    try:
        return isinstance(name, str) and len(name.encode()) > 0
    except UnicodeEncodeError:
        return False


def loads(text: str | bytes) -> Json:
    """Return what a JSON text holds, read as strictly as a client's frame.

    Raises:
        InvalidValue: It is no JSON, contradicts itself, or no reader could follow it.
    """
    try:
        value: Json = _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        problem = "too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidValue.at("$", f"is no JSON: {problem}", "write JSON in UTF-8") from None
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice[:40]!r} twice")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
