"""From settings to a running engine."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import frozen

from ..config import MEMORY_STORE, ChainRules, KeystoreSettings, Settings, SignerSettings
from ..engine import ExecutionEngine
from ..engine.fees import FeePolicy
from ..engine.quotas import Quota
from ..errors import ConfigurationError
from ..interfaces.chain import Chain
from ..interfaces.repositories import Repository
from ..interfaces.runner import Runner
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore
from ..planners.steps import StepsPlanner
from ..repositories.memory import MemoryRepository
from .sources import open_agents

if TYPE_CHECKING:
    from ..demo import DemoWorld
    from ..evm.finality import Finality


@frozen
class Parts:
    """What an engine is made of."""

    repository: Repository
    chains: Mapping[int, Chain]
    signers: Mapping[str, Signer]
    runners: Mapping[str, Runner]
    demo: DemoWorld | None
    """The embedded chain's world, where there is one."""


@asynccontextmanager
async def open_parts(settings: Settings, *, demo: bool) -> AsyncIterator[Parts]:
    """Open what the settings name, and close it on leaving.

    Args:
        settings: Where agents, chains and signers come from.
        demo: Add the demo's embedded chain, signer and agents.

    Raises:
        ConfigurationError: Something cannot be opened, or an extra is missing.
    """
    async with AsyncExitStack() as stack:
        chains: dict[int, Chain] = {}
        for chain_id, urls in settings.chains.items():
            chains[chain_id] = open_chain(settings, chain_id, urls)
            stack.push_async_callback(chains[chain_id].aclose)
        signers = {name: await open_signer(s) for name, s in settings.signers.items()}
        world = None
        if demo:
            from ..demo import demo_world

            world = await stack.enter_async_context(demo_world())
            chains.update(world.chains)
            signers.update(world.signers)
        described = MemoryRepository(
            (*settings.agents, *(world.agents if world else ())),
            (*settings.contracts, *(world.contracts if world else ())),
            description="the settings file",
        )
        yield Parts(
            repository=await stack.enter_async_context(open_agents(described, settings)),
            chains=chains,
            signers=signers,
            runners=world.runners if world else {},
            demo=world,
        )


def make_engine(parts: Parts, store: ExecutionStore, settings: Settings) -> ExecutionEngine:
    """Return an engine of these parts, not running yet."""
    return ExecutionEngine(
        agents=parts.repository,
        contracts=parts.repository,
        store=store,
        runners=parts.runners,
        planners={"steps": StepsPlanner()},
        chains=parts.chains,
        signers=parts.signers,
        fee_policies=fee_policies(settings),
        low_balance_factor=settings.limits.low_balance_factor,
        quota=Quota(
            settings.limits.principal_request_rate,
            settings.limits.principal_running,
            settings.limits.principal_queued,
        ),
        max_running=settings.limits.max_running,
        max_queued=settings.limits.max_queued,
        keep_ended=settings.keep_executions,
        keep_ended_for=settings.keep_for,
        key_retention=settings.limits.idempotency_key_retention,
    )


def fee_policies(settings: Settings) -> dict[int, FeePolicy]:
    """Return how waiting transactions are paid for, by chain id."""
    return {number: rules.fees for number, rules in settings.chain_rules.items()}


@asynccontextmanager
async def open_store(settings: Settings, *, demo: bool) -> AsyncIterator[ExecutionStore]:
    """Open the journal, and close it on leaving.

    The demo's chain forgets everything when it ends, so its journal does too: a file that
    outlived it would tell of transactions no chain knows.

    Raises:
        ConfigurationError: A named store together with the demo; a file that is no store of ours.
    """
    if demo and "store" in settings.sources and settings.store != MEMORY_STORE:
        raise ConfigurationError(
            f"{settings.sources['store']}: the demo's chain forgets everything when it ends, so "
            "its journal must too; leave the store out, or write --store memory:"
        )
    if settings.store == MEMORY_STORE:
        from ..stores.memory import MemoryStore

        store: ExecutionStore = MemoryStore()
        try:
            yield store
        finally:
            await store.aclose()
        return
    with tempfile.TemporaryDirectory(prefix="zephyrus-demo-") as folder:
        path = Path(folder, "demo.db") if demo else Path(settings.store)
        async with open_sqlite(path) as store:
            yield store


def journal_of(settings: Settings) -> Path:
    """Return the file of a journal that is there.

    Raises:
        ConfigurationError: There is none; the message says how to name it.
    """
    path = Path(settings.store)
    if settings.store == MEMORY_STORE or not path.is_file():
        raise ConfigurationError(
            f"there is no journal {settings.store!r}; name the server's file with --store"
        )
    return path


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[ExecutionStore]:
    """Open a SQLite journal, and close it on leaving."""
    from ..stores.sqlite import SqliteStore

    store = await SqliteStore.open(path)
    try:
        yield store
    finally:
        await store.aclose()


def open_chain(settings: Settings, chain_id: int, urls: tuple[str, ...]) -> Chain:
    """Return a chain behind these URLs, treated as the settings say; no node is asked yet.

    Raises:
        MissingExtra: The `evm` extra is not installed.
    """
    from ..evm import EvmChain

    rules = settings.chain_rules.get(chain_id) or ChainRules()
    return EvmChain(
        chain_id,
        urls,
        confirmations=rules.confirmations,
        finality=cast("Finality", rules.finality),
    )


async def open_signer(settings: SignerSettings) -> Signer:
    """Return a signer, its key decrypted.

    Raises:
        ConfigurationError: It cannot be opened, or an extra is missing.
    """
    from ..evm import KeySigner, KeystoreSigner

    if isinstance(settings, KeystoreSettings):
        return await KeystoreSigner.open(settings.path, password=settings.password)
    return KeySigner.from_key(settings.key)
