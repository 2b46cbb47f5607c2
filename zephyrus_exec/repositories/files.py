"""Agents and contracts in a folder of JSON and TOML files, read again when they change."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import RepositoryError
from ..interfaces.repositories import WritableRepository
from ..model import Agent, Contract
from .definitions import D, Definition, encode, kind_of, not_found
from .files_reading import Key, Looker, Shelf
from .files_writing import Writer

_log = logging.getLogger(__name__)


class FilesRepository(WritableRepository):
    """The repository for agents that people write.

    Every `*.json` and `*.toml` of the folder holds lists `agents` and `contracts`, like the
    settings file; hidden files and subfolders are left alone. What cannot be used is refused with
    the reason, agent by agent, and never served as it was before. The same id twice is refused too.

    Files are looked at by the lookup that finds the last look too old, in a thread.

    Args:
        path: The folder; or one file, where it ends in `.json` or `.toml`.
        interval: Seconds between two looks, at least 0.
        settle: Seconds a file has to stand still before it is read, so that none is read half.
        max_file_bytes: Longest file that is read.
        clock: Seconds since the epoch, by the clock of the file system.
        pause: Sleeps that many seconds, in a thread.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        interval: float = 1.0,
        settle: float = 0.25,
        max_file_bytes: int = 64 << 20,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        place = Path(path).absolute()
        self.description = f"files of {place.name}"
        self._looker = Looker(place, settle, max_file_bytes, clock, pause)
        self._writer = Writer(self._looker)
        self._interval = interval
        self._clock = clock
        self._looked_at = -math.inf
        self._shelf = Shelf()
        self._lock = asyncio.Lock()

    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now, at most `interval` ago.

        Raises:
            AgentNotFound: There is none.
            InvalidDefinition: It or its file cannot be used, or it is described twice.
            RepositoryUnavailable: Its file, or the folder, cannot be read now.
        """
        return await self._get(Agent, agent_id)

    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract as it is now, at most `interval` ago.

        Raises:
            ContractNotFound: There is none.
            InvalidDefinition: It or its file cannot be used, or it is described twice.
            RepositoryUnavailable: Its file, or the folder, cannot be read now.
        """
        return await self._get(Contract, contract_id)

    async def list_agents(self) -> AsyncIterator[Agent]:
        """Return every usable agent, by the name of its file and in the file's order."""
        for value in (await self._current()).held.values():
            if isinstance(value, Agent):
                yield value

    async def list_contracts(self) -> AsyncIterator[Contract]:
        """Return every usable contract, by the name of its file and in the file's order."""
        for value in (await self._current()).held.values():
            if isinstance(value, Contract):
                yield value

    @property
    def problems(self) -> Sequence[RepositoryError]:
        """What could not be used when the files were looked at last."""
        return self._shelf.problems

    async def find_problems(self) -> Sequence[RepositoryError]:
        """Return what is wrong with each file and entry that cannot be used."""
        return (await self._current()).problems

    async def put(self, values: Sequence[Agent | Contract]) -> None:
        """Keep all of these in `agents.json`, which is replaced as a whole.

        Raises:
            InvalidValue: One is not as the model allows.
            InvalidDefinition: `agents.json` cannot be used, or another file describes one of them.
            ConfigurationError: The repository is one file, and that is TOML.
            RepositoryUnavailable: The file cannot be written.
        """
        for value in values:
            encode(value)
        await self._change({(kind_of(value), value.id): value for value in values})

    async def remove(self, *, agents: Iterable[str] = (), contracts: Iterable[str] = ()) -> None:
        """Forget all of these in `agents.json`, which is replaced as a whole.

        Raises:
            InvalidDefinition: `agents.json` cannot be used, or another file describes one of them.
            ConfigurationError: The repository is one file, and that is TOML.
            RepositoryUnavailable: The file cannot be written.
        """
        named: list[Key] = [(Agent, name) for name in agents]
        named += [(Contract, name) for name in contracts]
        await self._change(dict.fromkeys(named))

    async def _get(self, kind: type[D], name: str) -> D:
        value = (await self._current()).held.get((kind, name))
        if isinstance(value, kind):
            return value
        raise copy.copy(value) if isinstance(value, RepositoryError) else not_found(kind, name)

    async def _current(self) -> Shelf:
        if not self._is_fresh():
            async with self._lock:
                if not self._is_fresh():
                    await self._look()
        return self._shelf

    def _is_fresh(self) -> bool:
        """Whether the last look is recent; not where the clock has been set back since."""
        return 0 <= self._clock() - self._looked_at < self._interval

    async def _look(self) -> None:
        """Look at the files now; the lock is held."""
        started = self._clock()
        shelf = await asyncio.to_thread(self._looker.look, self._shelf)
        known = {problem.message for problem in self._shelf.problems}
        for problem in shelf.problems:
            if problem.message not in known:
                _log.warning("%s", problem.message)
        self._shelf, self._looked_at = shelf, started

    async def _change(self, changes: Mapping[Key, Definition | None]) -> None:
        async with self._lock:
            self._shelf = await asyncio.to_thread(self._writer.change, self._shelf, changes)
            self._looked_at = self._clock()
