"""Admission as a state machine: limits hold, the order within an agent holds, nobody starves."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from zephyrus_exec.engine.admission import Admission, Ticket
from zephyrus_exec.errors import Overloaded

AGENTS = {"a": 1, "b": 2, "c": 5}


class AdmissionMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    @initialize(max_running=st.integers(1, 4), max_queued=st.integers(0, 6))
    def open(self, max_running: int, max_queued: int) -> None:
        self.max_running, self.max_queued = max_running, max_queued
        self.admission = Admission(max_running=max_running, max_queued=max_queued)
        self.waiting: dict[str, list[Ticket]] = {agent: [] for agent in AGENTS}
        self.running: list[Ticket] = []
        self.gone: list[Ticket] = []

    def start(self, ticket: Ticket) -> None:
        assert self.waiting[ticket.agent_id].pop(0) is ticket, "first come, first served"
        self.running.append(ticket)

    @rule(target=tickets, agent=st.sampled_from(sorted(AGENTS)))
    def enter(self, agent: str) -> Ticket | None:
        ticket = Ticket(agent, AGENTS[agent], lambda: self.start(ticket))
        self.waiting[agent].append(ticket)
        queued = self.queued - 1
        try:
            self.admission.enter(ticket)
        except Overloaded:
            assert queued == self.max_queued
            self.waiting[agent].remove(ticket)
            return None
        return ticket

    @rule(ticket=consumes(tickets))
    def leave(self, ticket: Ticket | None) -> None:
        if ticket is None or ticket in self.gone:
            return
        place = self.running if ticket.running else self.waiting[ticket.agent_id]
        place.remove(ticket)
        self.admission.leave(ticket)

    @rule(agent=st.sampled_from(sorted(AGENTS)))
    def nobody_starves(self, agent: str) -> None:
        """The first in an agent's queue starts within one round of the other agents."""
        if not self.waiting[agent]:
            return
        first = self.waiting[agent][0]
        for _ in range(self.max_running + 2 * len(AGENTS)):
            if first.running or not self.running:
                break
            ticket = self.running.pop(0)
            self.admission.leave(ticket)
            self.gone.append(ticket)
        assert first.running

    @property
    def queued(self) -> int:
        return sum(map(len, self.waiting.values()))

    @invariant()
    def limits_hold_and_no_place_is_wasted(self) -> None:
        admission = self.admission
        assert admission.running == len(self.running) <= self.max_running
        assert admission.queued == self.queued <= self.max_queued
        for agent, most in AGENTS.items():
            running = sum(ticket.agent_id == agent for ticket in self.running)
            assert running <= most
            idle = admission.running < self.max_running and running < most
            assert not (idle and self.waiting[agent])

    @invariant()
    def nothing_is_left_behind(self) -> None:
        admission = self.admission
        busy = {ticket.agent_id for ticket in self.running}
        busy |= {agent for agent, waiting in self.waiting.items() if waiting}
        assert set(admission._agents) == busy
        assert set(admission._ready) <= {a for a, waiting in self.waiting.items() if waiting}


TestAdmission = AdmissionMachine.TestCase
