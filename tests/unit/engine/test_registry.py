"""Which registered runner an agent means."""

from __future__ import annotations

import pytest

from zephyrus_exec.engine.registry import runner_of
from zephyrus_exec.errors import RunnerNotConfigured
from zephyrus_exec.model import Agent, Component

from .world import forever, nothing

RUNNERS = {"cycle": forever, "nothing": nothing}


def test_an_agent_that_names_no_runner_is_run_by_the_cycle() -> None:
    assert runner_of(Agent("a"), RUNNERS) == ("cycle", forever)


def test_an_agent_is_run_by_the_runner_it_names() -> None:
    assert runner_of(Agent("a", runner=Component("nothing")), RUNNERS) == ("nothing", nothing)


def test_a_runner_that_is_not_registered_is_an_error_naming_those_that_are() -> None:
    with pytest.raises(RunnerNotConfigured, match="registered: cycle, nothing"):
        runner_of(Agent("a", runner=Component("other")), RUNNERS)
