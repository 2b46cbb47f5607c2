"""Which registered runner an agent means."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import RunnerNotConfigured
from ..interfaces.runner import Runner
from ..model import Agent

DEFAULT_RUNNER = "cycle"


def runner_of(agent: Agent, runners: Mapping[str, Runner]) -> tuple[str, Runner]:
    """Return the name of the agent's runner, and the runner.

    Raises:
        RunnerNotConfigured: It is not registered.
    """
    name = agent.runner.name if agent.runner is not None else DEFAULT_RUNNER
    runner = runners.get(name)
    if runner is None:
        known = ", ".join(sorted(runners))
        raise RunnerNotConfigured(
            f"agent {agent.id} names the runner {name!r}, which is not registered; "
            f"registered: {known}",
            runner=name,
            known=known,
        )
    return name, runner
