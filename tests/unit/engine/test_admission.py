"""Who may run now, who waits, who is turned away."""

from __future__ import annotations

import pytest

from zephyrus_exec.engine.admission import Admission, Ticket
from zephyrus_exec.errors import Overloaded


class Desk:
    def __init__(self, max_running: int = 10, max_queued: int = 10) -> None:
        self.admission = Admission(max_running=max_running, max_queued=max_queued)
        self.started: list[str] = []

    def enter(self, name: str, agent: str = "a", most: int = 1) -> Ticket:
        ticket = Ticket(agent, most, lambda: self.started.append(name))
        self.admission.enter(ticket)
        return ticket


def test_a_free_place_is_taken_at_once() -> None:
    desk = Desk()
    assert desk.enter("1").running
    assert desk.started == ["1"]


def test_an_agent_runs_no_more_than_it_may_and_the_next_starts_when_one_leaves() -> None:
    desk = Desk()
    first = desk.enter("1")
    second = desk.enter("2")
    third = desk.enter("3")
    assert (second.running, desk.admission.queued) == (False, 2)
    desk.admission.leave(first)
    assert desk.started == ["1", "2"]
    desk.admission.leave(second)
    desk.admission.leave(third)
    assert desk.started == ["1", "2", "3"]
    assert (desk.admission.running, desk.admission.queued) == (0, 0)


def test_agents_take_turns_for_the_places_of_the_engine() -> None:
    desk = Desk(max_running=1)
    running = desk.enter("x", "x")
    tickets = [desk.enter(f"a{n}", "a", 9) for n in range(2)]
    tickets += [desk.enter(f"b{n}", "b", 9) for n in range(2)]
    for ticket in (running, tickets[0], tickets[2], tickets[1], tickets[3]):
        assert ticket.running
        desk.admission.leave(ticket)
    assert desk.started == ["x", "a0", "b0", "a1", "b1"]


def test_a_full_queue_turns_away_and_remembers_nothing_of_it() -> None:
    desk = Desk(max_running=1, max_queued=1)
    desk.enter("1")
    desk.enter("2")
    with pytest.raises(Overloaded) as raised:
        desk.enter("3", "other")
    assert raised.value.details == {"queued": 1}
    assert not desk.admission.occupied("other", 1)


def test_without_a_queue_what_can_start_at_once_still_starts() -> None:
    desk = Desk(max_queued=0)
    assert desk.enter("1").running
    with pytest.raises(Overloaded):
        desk.enter("2")
    assert desk.enter("3", "b").running


def test_whoever_leaves_while_waiting_gives_up_its_agents_turn() -> None:
    desk = Desk(max_running=1)
    running = desk.enter("x", "x")
    waiting = desk.enter("a", "a")
    desk.enter("b", "b")
    desk.admission.leave(waiting)
    assert desk.admission._ready == {"b": None}
    desk.enter("a again", "a")
    desk.admission.leave(running)
    assert desk.started == ["x", "b"]


def test_an_agent_is_occupied_when_it_runs_as_often_as_it_may_or_others_wait() -> None:
    desk = Desk(max_running=1)
    assert not desk.admission.occupied("a", 2)
    desk.enter("1", "a", 2)
    assert not desk.admission.occupied("a", 2)
    assert desk.admission.occupied("a", 1)
    desk.enter("2", "a", 2)
    assert desk.admission.occupied("a", 2)
