"""Where agents come from, by what the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..config import Settings, is_url
from ..errors import ConfigurationError, RepositoryUnavailable
from ..interfaces.repositories import Repository
from ..repositories.files import FilesRepository
from ..repositories.files_format import SUFFIXES
from ..repositories.sqlite import SqliteRepository
from ..repositories.union import UnionRepository


@asynccontextmanager
async def open_agents(described: Repository, settings: Settings) -> AsyncIterator[Repository]:
    """Open what the settings name beside what they describe themselves, and close it on leaving.

    Args:
        described: What the settings file describes.
        settings: They may name a further source.

    Raises:
        ConfigurationError: There is no such thing; the message says who named it.
    """
    repository = described
    if settings.agents_from is not None and is_url(settings.agents_from):
        repository = _open_api(settings.agents_from, described, settings)
    elif settings.agents_from is not None:
        named = await _open(settings.sources["agents_from"], Path(settings.agents_from))
        repository = UnionRepository([described, named])
    try:
        yield repository
    finally:
        await repository.aclose()


def check_agents(settings: Settings) -> int | None:
    """Return the chain of the contracts that an API knows; null: agents come from no API.

    Raises:
        ConfigurationError: Nobody says which.
    """
    if settings.agents_from is None or not is_url(settings.agents_from):
        return None
    if settings.agents_chain_id is not None:
        return settings.agents_chain_id
    if len(settings.chains) == 1:
        return next(iter(settings.chains))
    source = settings.sources["agents_from"]
    raise ConfigurationError(
        f"{source}: the API does not tell the chain of its contracts; set ZEPHYRUS_AGENTS_CHAIN_ID",
        source=source,
    )


def _open_api(url: str, described: Repository, settings: Settings) -> Repository:
    """Return the agents of an API, with what the settings file says of them."""
    from ..repositories.zephyrus import ZephyrusApi, ZephyrusApiRepository

    chain_id = check_agents(settings)
    assert chain_id is not None
    return ZephyrusApiRepository(ZephyrusApi(url), chain_id=chain_id, configured=described)


async def _open(source: str, path: Path) -> Repository:
    if await asyncio.to_thread(_is_files, source, path):
        return FilesRepository(path)
    try:
        return await SqliteRepository.open(path, create=False)
    except (ConfigurationError, RepositoryUnavailable) as error:
        raise ConfigurationError(f"{source}: {error.message}", source=source) from error


def _is_files(source: str, path: Path) -> bool:
    """Return whether it is a folder or file for people; False: it is a file for programs."""
    if path.is_dir():
        return True
    if not path.is_file():
        raise ConfigurationError(
            f"{source}: there is no {str(path)!r}; name a folder, a JSON or TOML file, or a SQLite "
            "database",
            source=source,
        )
    return path.suffix.lower() in SUFFIXES
