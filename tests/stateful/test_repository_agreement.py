"""Memory, files and SQLite driven in lock-step: whatever is asked of all three, they agree."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zephyrus_exec.errors import ZephyrusError
from zephyrus_exec.interfaces.repositories import WritableRepository
from zephyrus_exec.model import Agent, Component, Contract
from zephyrus_exec.repositories import FilesRepository, MemoryRepository, SqliteRepository
from zephyrus_exec.testing.strategies import agents, contracts

T = TypeVar("T")

# Few ids, so that values meet; whole agents now and then, for their contents.
names = st.sampled_from(["a", "b", "ß\x00", "../a"])
small_agents = st.builds(Agent, names, name=st.sampled_from(["", "x", "y"]))
small_contracts = st.builds(Contract, names, st.just("0x" + "0" * 40), st.integers(1, 3))
broken = st.builds(Agent, names, planner=st.just(Component("p", {"x": float("nan")})))
values = small_agents | small_contracts | agents() | contracts()
batches = st.lists(values, max_size=4)
listed = st.lists(names, max_size=3)


async def outcome(work: Coroutine[Any, Any, T]) -> T | tuple[type[ZephyrusError], object]:
    """What came of it, errors included, in a form that can be compared."""
    try:
        return await work
    except ZephyrusError as error:
        return type(error), error.details


async def everything(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


class RepositoryAgreement(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.loop = asyncio.new_event_loop()
        self.memory = MemoryRepository()
        self.files = self.read_files()
        self.sqlite = self.run(self.open_sqlite())
        self.known = {"a", "b", "ß\x00", "../a", "unknown"}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def read_files(self) -> FilesRepository:
        return FilesRepository(self.place, interval=0, settle=0)

    async def open_sqlite(self) -> SqliteRepository:
        return await SqliteRepository.open(self.place / "agents.db")

    def teardown(self) -> None:
        self.run(self.sqlite.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def agreed(self, work: Callable[[WritableRepository], Coroutine[Any, Any, T]]) -> object:
        """Do the same with all three, and return what they agree on."""
        ours, *theirs = (
            self.run(outcome(work(one))) for one in (self.memory, self.files, self.sqlite)
        )
        assert theirs == [ours, ours]
        return ours

    @rule(batch=batches)
    def put(self, batch: list[Agent | Contract]) -> None:
        assert self.agreed(lambda repository: repository.put(batch)) is None
        self.known |= {value.id for value in batch}

    @rule(batch=batches, bad=broken, place=st.integers(0, 4))
    def put_in_vain(self, batch: list[Agent | Contract], bad: Agent, place: int) -> None:
        assert self.agreed(lambda r: r.put([*batch[:place], bad, *batch[place:]])) is not None

    @rule(some_agents=listed, some_contracts=listed)
    def remove(self, some_agents: list[str], some_contracts: list[str]) -> None:
        self.agreed(lambda r: r.remove(agents=some_agents, contracts=some_contracts))

    @rule()
    def reopen(self) -> None:
        self.files = self.read_files()
        self.run(self.sqlite.aclose())
        self.sqlite = self.run(self.open_sqlite())

    @rule()
    def lookups_at_once(self) -> None:
        async def ask(repository: WritableRepository) -> list[object]:
            lookups = (outcome(repository.get_agent(name)) for name in sorted(self.known))
            return await asyncio.gather(*lookups)

        self.agreed(ask)

    @rule(name=names)
    def look_up(self, name: str) -> None:
        self.agreed(lambda r: r.get_agent(name))
        self.agreed(lambda r: r.get_contract(name))

    @invariant()
    def same_content(self) -> None:
        self.agreed(lambda r: everything(r.list_agents()))
        self.agreed(lambda r: everything(r.list_contracts()))


TestRepositoryAgreement = RepositoryAgreement.TestCase
TestRepositoryAgreement.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, print_blob=True
)
