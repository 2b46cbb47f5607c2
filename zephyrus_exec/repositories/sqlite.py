"""Agents and contracts in tables of a SQLite database, its own or another program's."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InvalidDefinition, RepositoryError, RepositoryUnavailable
from ..interfaces.repositories import WritableRepository
from ..model import Agent, Contract
from . import sqlite_tables as tables
from .definitions import D, Decoder, encode, is_text, kind_of, not_found

_PAGE = 100
"""Rows that a listing reads at once."""

_Identity: TypeAlias = tuple[int, int]


class SqliteRepository(WritableRepository):
    """The repository for agents that programs write. Made by `open`.

    Its tables begin with `zx_`; whatever else the database holds is never touched, so a host
    application's own database will do. Lookups read a row inline, which takes microseconds;
    whatever has to wait for another's lock, and every write, does so in a thread.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, file: _Identity, busy_timeout: float
    ) -> None:
        self.description = f"sqlite {path.name}"
        self._path = path
        self._connection: sqlite3.Connection | None = connection
        self._file = file
        self._busy_timeout = busy_timeout
        self._decode = Decoder(path.name)

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        busy_timeout: float = 5.0,
        create: bool = True,
    ) -> SqliteRepository:
        """Return the repository in that database.

        Args:
            path: The file; its folder exists, on a disk of this machine.
            busy_timeout: Seconds to wait for another's lock, at least 0.
            create: Whether to make the file, and the tables in it, where there are none.

        Raises:
            ConfigurationError: The file cannot hold agents: a journal of executions, another
                program's table of our name, one of a newer release. It was not changed.
            RepositoryUnavailable: It is locked, no database, or its disk fails.
        """
        place = _absolute(path)
        connection, file = await asyncio.to_thread(_open, place, busy_timeout, create=create)
        return cls(place, connection, file, busy_timeout)

    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now.

        Raises:
            AgentNotFound: There is none.
            InvalidDefinition: Its row breaks the schema.
            RepositoryUnavailable: The database cannot be read now.
        """
        return await self._get(Agent, agent_id)

    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract as it is now.

        Raises:
            ContractNotFound: There is none.
            InvalidDefinition: Its row breaks the schema.
            RepositoryUnavailable: The database cannot be read now.
        """
        return await self._get(Contract, contract_id)

    async def list_agents(self) -> AsyncIterator[Agent]:
        """Return every usable agent, in the order they came."""
        async for found in self._list(Agent):
            if isinstance(found, Agent):
                yield found

    async def list_contracts(self) -> AsyncIterator[Contract]:
        """Return every usable contract, in the order they came."""
        async for found in self._list(Contract):
            if isinstance(found, Contract):
                yield found

    async def find_problems(self) -> Sequence[RepositoryError]:
        """Return what is wrong with each row that breaks its schema."""
        problems: list[RepositoryError] = []
        for rows in (self._list(Agent), self._list(Contract)):
            problems += [found async for found in rows if isinstance(found, InvalidDefinition)]
        return problems

    async def put(self, values: Sequence[Agent | Contract]) -> None:
        """Keep all of these, or none of them, in one transaction."""
        await self._write([tables.put(kind_of(value), value.id, encode(value)) for value in values])

    async def remove(self, *, agents: Iterable[str] = (), contracts: Iterable[str] = ()) -> None:
        """Forget all of these, by id, in one transaction."""
        named = [(Agent, name) for name in agents] + [(Contract, name) for name in contracts]
        await self._write([tables.remove(kind, name) for kind, name in named if is_text(name)])

    async def aclose(self) -> None:
        """Let go of the file; closing again does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _get(self, kind: type[D], name: str) -> D:
        rows = await self._rows(tables.get(kind, name)) if is_text(name) else []
        if not rows:
            raise not_found(kind, name)
        return self._decode(kind, name, rows[0][0])

    async def _list(self, kind: type[D]) -> AsyncIterator[D | InvalidDefinition]:
        """Return what each row holds, or what is wrong with it."""
        after = -(1 << 63)
        while rows := await self._rows(tables.page(kind, after, _PAGE)):
            for number, name, body in rows:
                after = number
                try:
                    yield self._decode(kind, name.decode(errors="replace"), body)
                except InvalidDefinition as error:
                    yield error

    async def _rows(self, statement: tables.Statement) -> list[Any]:
        connection = await self._current()
        try:
            return connection.execute(*statement).fetchall()
        except sqlite3.Error as error:
            if not tables.is_busy(error):
                raise tables.unavailable(self._path, error) from error
        wait = partial(tables.wait_for_rows, busy_timeout=self._busy_timeout)
        return await asyncio.to_thread(wait, self._path, statement)

    async def _write(self, statements: Sequence[tables.Statement]) -> None:
        await self._current()
        write = partial(tables.write, busy_timeout=self._busy_timeout)
        await asyncio.to_thread(write, self._path, statements)

    async def _current(self) -> sqlite3.Connection:
        """Return a connection to the file that is there now, which may have been replaced."""
        if self._connection is None:
            raise RepositoryUnavailable(f"{self._path.name} was closed: open it again")
        if _identity(self._path) != self._file:
            opened = await asyncio.to_thread(_open, self._path, self._busy_timeout, create=False)
            await self.aclose()
            self._connection, self._file = opened
        return self._connection


def _open(path: Path, busy_timeout: float, *, create: bool) -> tuple[sqlite3.Connection, _Identity]:
    connection = tables.open_tables(path, busy_timeout=busy_timeout, create=create)
    return connection, _identity(path)


def _identity(path: Path) -> _Identity:
    """Return what tells a file from the one that takes its place."""
    try:
        status = path.stat()
    except OSError as error:
        raise RepositoryUnavailable(
            f"{path.name} cannot be reached ({error.strerror}): put it back"
        ) from error
    return status.st_dev, status.st_ino


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return where the file is whatever becomes of the working directory."""
    return Path(path).absolute()
