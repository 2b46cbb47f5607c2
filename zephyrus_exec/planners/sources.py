"""What references of the planner `steps` may lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from ..interfaces.planner import PlanRequest
from ..model import ActionResult, AgentFunction, FunctionType, Json
from .outputs import may_exist
from .references import Missing, Path, Reference, walk

AGENT_FIELDS: Final = ("id", "name", "description", "owner", "status", "contract_id", "gas_limit")
CONTRACT_FIELDS: Final = ("id", "address", "chain_id", "name", "type")
RESULT_FIELDS: Final = ("result", "success", "transaction_hash", "block_number", "gas_used")
"""What may be asked of an earlier step."""

_OF_TRANSACTIONS: Final = ("transaction_hash", "gas_used")


class NotYet(Exception):
    """The step referred to has not been done."""


@frozen
class Sources:
    """Everything a step may refer to, at one moment of one execution."""

    request: PlanRequest
    done: Mapping[str, ActionResult]
    """Results by step name."""

    def value(self, reference: Reference, earlier: Mapping[str, AgentFunction]) -> Json:
        """Return what a reference leads to. A field of agent or contract that is null is missing.

        Args:
            reference: To resolve.
            earlier: The functions of the steps before the one that refers, by step name.

        Raises:
            Missing: It can never lead to anything.
            NotYet: It may, once a step is done that has not been done.
        """
        root, rest = reference.path[0], reference.path[1:]
        match root:
            case "agent":
                return walk(_fields(self.request.agent, AGENT_FIELDS), rest)
            case "contract":
                return walk(_fields(self.request.contract, CONTRACT_FIELDS), rest)
            case "input":
                return walk(self.request.input, rest)
            case "steps":
                return self._of_step(rest, earlier)
            case _:
                raise Missing("a reference begins with agent, contract, input or steps")

    def _of_step(self, path: Path, earlier: Mapping[str, AgentFunction]) -> Json:
        if len(path) < 2:
            raise Missing("write steps.NAME.result, or another field of an earlier step")
        name, field, rest = str(path[0]), path[1], path[2:]
        if name not in earlier:
            raise Missing(f"no step {name!r} comes before this one")
        if field not in RESULT_FIELDS or (rest and field != "result"):
            raise Missing(
                f"a step has {', '.join(RESULT_FIELDS)}, of which only result goes deeper"
            )
        self._check_shape(earlier[name], field, rest)
        if name not in self.done:
            raise NotYet
        return _of_result(self.done[name], str(field), rest)

    def _check_shape(self, function: AgentFunction, field: str | int, rest: Path) -> None:
        if field == "result" and not may_exist(function, self.request.contract, rest):
            raise Missing(f"the ABI says that {function.name} returns nothing there")
        if field in _OF_TRANSACTIONS and function.type is FunctionType.READ:
            raise Missing(f"{function.name} only reads, so it sends no transaction")


def _of_result(result: ActionResult, field: str, rest: Path) -> Json:
    if field == "result" and not result.success:
        raise Missing("that step failed")
    value: Json = getattr(result, field)
    if field != "result" and value is None:
        raise Missing(f"that step has no {field}")
    return walk(value, rest)


def _fields(value: object, names: Sequence[str]) -> dict[str, Json]:
    """Return the fields that are there; a StrEnum is a string already."""
    found = {name: getattr(value, name, None) for name in names}
    return {name: field for name, field in found.items() if field is not None}
