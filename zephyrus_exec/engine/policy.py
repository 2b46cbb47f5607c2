"""What an agent allows, checked before any node is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import FunctionDisabled, FunctionNotFound, InvalidArguments, RuleViolated
from ..model import Action, Agent, AgentFunction, FunctionType, Json, JsonObject, Rules

_WIDE_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,77})")
"""As the value table writes integers beyond 48 bits: 256 bits have at most 78 digits."""


def allowed_function(agent: Agent, action: Action) -> AgentFunction:
    """Return the agent's function that the action names.

    Raises:
        FunctionNotFound: The agent has none of that name.
        FunctionDisabled: It is switched off.
        InvalidArguments: The action sends value to a function that is not payable.
    """
    named = [
        function
        for function in agent.functions
        if action.function and action.function in (function.name, function.signature)
    ]
    if not named:
        known = ", ".join(function.name for function in agent.functions) or "none"
        raise FunctionNotFound(
            f"the agent has no function {action.function!r}; it has: {known}",
            function=action.function,
        )
    enabled = [function for function in named if function.enabled]
    if not enabled:
        raise FunctionDisabled(
            f"the agent's function {action.function!r} is disabled", function=action.function
        )
    if len(enabled) > 1:
        signatures = ", ".join(function.signature for function in enabled)
        raise FunctionNotFound(
            f"{action.function!r} is ambiguous; name one by its signature: {signatures}",
            function=action.function,
        )
    _check_value(enabled[0], action)
    return enabled[0]


def _check_value(function: AgentFunction, action: Action) -> None:
    problem = ""
    if action.value_wei < 0:
        problem = "negative"
    elif action.value_wei and function.type is not FunctionType.PAYABLE:
        problem = "not payable"
    if problem:
        raise InvalidArguments(
            f"{action.function!r} cannot be sent {action.value_wei} wei: {problem}",
            function=action.function,
            field="$.value_wei",
            problem=problem,
        )


def with_defaults(function: AgentFunction, parameters: JsonObject) -> dict[str, Json]:
    """Return the parameters, and the function's defaults for those that are missing."""
    filled = {
        parameter.name: parameter.default
        for parameter in function.parameters
        if parameter.default is not None and parameter.name not in parameters
    }
    return {**parameters, **filled}


def check_rules(function: AgentFunction, arguments: JsonObject) -> None:
    """Return if every argument keeps the agent's rules.

    Args:
        function: Whose rules.
        arguments: The encoded call's arguments, by ABI name or position.

    Raises:
        RuleViolated: One does not; details name the field and the rule.
        InvalidArguments: A rule is given for a parameter that the function does not have.
    """
    for parameter in function.parameters:
        if parameter.rules == Rules():
            continue
        if parameter.name not in arguments:
            raise InvalidArguments(
                f"the agent has rules for {parameter.name!r}, which {function.name!r} lacks; "
                f"it has: {', '.join(arguments)}",
                function=function.name,
                field=f"$.{parameter.name}",
                problem="no such parameter",
            )
        broken = _broken_rule(parameter.rules, arguments[parameter.name])
        if broken is not None:
            rule, problem = broken
            raise RuleViolated(
                f"{function.name}: {parameter.name} {problem}",
                function=function.name,
                field=f"$.{parameter.name}",
                rule=rule,
                problem=problem,
            )


def _broken_rule(rules: Rules, value: Json) -> tuple[str, str] | None:
    """Return the name of the first rule that does not hold and what is wrong, or None."""
    if rules.minimum is not None or rules.maximum is not None:
        number = _number(value)
        if number is None:
            return "minimum" if rules.minimum is not None else "maximum", "is no whole number"
        if rules.minimum is not None and number < rules.minimum:
            return "minimum", f"is {number}, less than the allowed {rules.minimum}"
        if rules.maximum is not None and number > rules.maximum:
            return "maximum", f"is {number}, more than the allowed {rules.maximum}"
    if rules.allowed is not None and not any(_same(value, one) for one in rules.allowed):
        return "allowed", "is none of the allowed values"
    return _broken_shape(rules, value)


def _broken_shape(rules: Rules, value: Json) -> tuple[str, str] | None:
    if rules.pattern is not None and not (
        isinstance(value, str) and re.fullmatch(rules.pattern, value)
    ):
        return "pattern", f"does not match {rules.pattern!r}"
    if rules.min_length is None and rules.max_length is None:
        return None
    length = _length(value)
    if length is None:
        return "min_length" if rules.min_length is not None else "max_length", "has no length"
    if rules.min_length is not None and length < rules.min_length:
        return "min_length", f"has length {length}, less than the allowed {rules.min_length}"
    if rules.max_length is not None and length > rules.max_length:
        return "max_length", f"has length {length}, more than the allowed {rules.max_length}"
    return None


def _number(value: Json) -> int | None:
    """Return a number of the value table, where wide integers are decimal strings."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WIDE_INTEGER.fullmatch(value):
        return int(value)
    return None


def _same(value: Json, allowed: Json) -> bool:
    number, wanted = _number(value), _number(allowed)
    if number is not None and wanted is not None:
        return number == wanted
    if isinstance(value, str) and isinstance(allowed, str) and value.startswith("0x"):
        return value.lower() == allowed.lower()
    return type(value) is type(allowed) and value == allowed


def _length(value: Json) -> int | None:
    if isinstance(value, str):
        hexadecimal = re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", value)
        return len(value) // 2 - 1 if hexadecimal else len(value)
    if isinstance(value, Sequence):
        return len(value)
    return None
