"""Opening a journal that a server has written, or is writing."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..config import Settings
from ..engine.clock import SystemClock
from ..engine.lanes import Lanes
from ..engine.offers import Offers
from ..engine.owner_rule import OwnerRule
from ..engine.reconciler import Reconciler
from ..interfaces.store import ExecutionStore
from .composition import Parts, fee_policies, journal_of, open_sqlite
from .environment import read_settings


def path_of_journal(options: argparse.Namespace) -> Path:
    """Return the file of the journal the options name.

    Raises:
        ConfigurationError: There is none.
    """
    return journal_of(read_settings(options))


async def begin_anew(options: argparse.Namespace) -> None:
    """Give the journal a new epoch: whoever watched it may have seen events it lacks."""
    from ..stores.sqlite import SqliteStore

    await (await SqliteStore.open(path_of_journal(options), restored=True)).aclose()


@asynccontextmanager
async def open_journal(options: argparse.Namespace) -> AsyncIterator[ExecutionStore]:
    """Open the journal the options name, and close it on leaving.

    A server may use the same file at the same time.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: There is none.
    """
    async with open_sqlite(path_of_journal(options)) as store:
        yield store


@asynccontextmanager
async def operating(
    store: ExecutionStore, parts: Parts | None = None, settings: Settings | None = None
) -> AsyncIterator[Lanes]:
    """Give what operators do with lanes, beside whatever server uses the same journal.

    Args:
        store: The journal.
        parts: Chains and signers; null: for what needs none.
        settings: How the chains are treated.
    """
    clock = SystemClock()
    chains = {} if parts is None else parts.chains
    offers = Offers(
        store,
        clock,
        signers=() if parts is None else parts.signers.values(),
        policies={} if settings is None else fee_policies(settings),
    )
    reconciler = Reconciler(store, clock, chains, offers=offers)
    try:
        yield Lanes(
            store,
            clock,
            chains,
            offers=offers,
            reconciler=reconciler,
            authorizer=OwnerRule(),
        )
    finally:
        await reconciler.aclose()
