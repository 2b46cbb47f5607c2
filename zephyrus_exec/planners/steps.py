"""The planner `steps`: a fixed list of calls, whose parameters may refer to one another.

Settings: `{"steps": [{"function", "name"?, "parameters"?, "value_wei"?, "message"?}, …]}`. A step
without a name is called by its position, from `"1"`. How a parameter or a value refers to
something is told in `references`, and to what in `sources`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from attrs import field, frozen

from ..conversion import structure
from ..errors import InvalidPlan, InvalidValue, ReferenceNotFound
from ..interfaces.planner import Plan, PlanRequest
from ..model import Action, AgentFunction, Component, FunctionType, Json, JsonObject
from .references import Malformed, Missing, Reference, fill, fill_object
from .sources import NotYet, Sources

_SETTINGS: Final = "$.planner.settings"
_NAME: Final = re.compile(r"[\w-]+")
_WEI: Final = re.compile(r"[0-9]{1,78}")
_NOTHING: Final = Plan(final=True)
_REMEMBERED: Final = 256
"""Agents whose steps are kept, those that were asked for last."""


@frozen
class _Step:
    function: str
    name: str | None = None
    parameters: JsonObject = field(factory=dict)
    value_wei: Json = 0
    message: str = ""


@frozen
class _Settings:
    steps: tuple[_Step, ...]


class StepsPlanner:
    """Plans the steps in order, as many at once as need no result of another.

    Its answer depends on the request alone: which steps are done is told by the names in the
    history. A failed step is done too; whoever refers to its result fails the execution.
    """

    pure: ClassVar[bool] = True

    def __init__(self) -> None:
        self._known: dict[str, tuple[Component, Mapping[str, _Step]]] = {}

    async def plan(self, request: PlanRequest) -> Plan:
        """Return every next step whose references are all known, in order.

        Whatever can be found wrong without a chain is found in the first call, before anything
        is sent, for all steps.

        Raises:
            InvalidPlan: The settings are wrong; details name `field`, `problem`, `remedy`.
            ReferenceNotFound: A reference leads nowhere; details name `reference`, `step`.
        """
        steps = self._steps(request)
        if not steps:
            return _NOTHING
        sources = Sources(request, {result.name: result for result in request.history})
        functions = {function.name: function for function in request.agent.functions}
        earlier: dict[str, AgentFunction] = {}
        actions: list[Action] = []
        waiting = False
        for index, (name, step) in enumerate(steps.items()):
            function = _function(step, functions, index)
            if name not in sources.done:
                filling = _Filling(name, f"{_SETTINGS}.steps[{index}]", sources, dict(earlier))
                action = filling.action(step, function)
                waiting = waiting or filling.waiting
                actions += [] if waiting else [action]
            earlier[name] = function
        return Plan(tuple(actions), final=not waiting)

    def _steps(self, request: PlanRequest) -> Mapping[str, _Step]:
        """Return the steps by name, in order; read once for an agent that does not change."""
        agent_id, component = request.agent.id, request.agent.planner
        known = self._known.pop(agent_id, None)
        if component is None:
            return _read(component)
        if known is None or known[0] is not component:
            known = component, _read(component)
        self._known[agent_id] = known
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return known[1]


def _read(component: Component | None) -> dict[str, _Step]:
    try:
        settings = structure(component.settings if component is not None else {}, _Settings)
    except InvalidValue as error:
        place = f"{_SETTINGS}{str(error.details['field'])[1:]}"
        problem, remedy = str(error.details["problem"]), str(error.details["remedy"])
        raise _invalid(place, problem, remedy) from None
    steps: dict[str, _Step] = {}
    for index, step in enumerate(settings.steps):
        name = str(index + 1) if step.name is None else step.name
        place = f"{_SETTINGS}.steps[{index}].name"
        if not _NAME.fullmatch(name):
            raise _invalid(place, "is no name", "write letters, digits, _ and -")
        if name in steps:
            raise _invalid(
                place, f"{name!r} is the name of another step", "write a name of its own"
            )
        steps[name] = step
    return steps


def _function(step: _Step, known: Mapping[str, AgentFunction], index: int) -> AgentFunction:
    if step.function not in known:
        raise _invalid(
            f"{_SETTINGS}.steps[{index}].function",
            f"the agent has no function {step.function!r}",
            f"write one of {', '.join(known) or 'its functions, once it has some'}",
        )
    return known[step.function]


class _Filling:
    """Makes one step's action, and notes whether it has to wait for another step."""

    def __init__(
        self, name: str, place: str, sources: Sources, earlier: Mapping[str, AgentFunction]
    ) -> None:
        self.waiting = False
        self._name = name
        self._place = place
        self._sources = sources
        self._earlier = earlier

    def action(self, step: _Step, function: AgentFunction) -> Action:
        """Return the action; while `waiting`, one whose unknown values are empty strings."""
        try:
            value = fill(step.value_wei, self._resolve, f"{self._place}.value_wei")
            value_wei = 0 if self.waiting else self._wei(value, function)
            parameters = fill_object(step.parameters, self._resolve, f"{self._place}.parameters")
        except Malformed as error:
            raise _invalid(error.place, error.reason, "change the text") from None
        return Action(step.function, parameters, value_wei, self._name, step.message)

    def _resolve(self, reference: Reference) -> Json:
        try:
            return self._sources.value(reference, self._earlier)
        except NotYet:
            self.waiting = True
            return ""
        except Missing as error:
            raise ReferenceNotFound(
                f"step {self._name} refers to ${{{reference.text}}}, but {error}",
                reference=reference.text,
                step=self._name,
            ) from None

    def _wei(self, value: Json, function: AgentFunction) -> int:
        place = f"{self._place}.value_wei"
        if isinstance(value, str) and _WEI.fullmatch(value):
            value = int(value)
        if type(value) is not int or not 0 <= value < 1 << 256:
            raise _invalid(place, "is no amount", "write wei, as an integer or a decimal string")
        if value and function.type is not FunctionType.PAYABLE:
            raise _invalid(place, f"{function.name} is not payable", "remove it, or write 0")
        return value


def _invalid(place: str, problem: str, remedy: str) -> InvalidPlan:
    return InvalidPlan(
        f"{problem} @ {place}; {remedy}", field=place, problem=problem, remedy=remedy
    )
