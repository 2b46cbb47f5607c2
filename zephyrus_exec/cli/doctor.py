"""`doctor`: everything a server needs, looked at without starting one; nothing is ever sent."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from attrs import define, field

from ..config import Settings
from ..errors import ConfigurationError, ZephyrusError
from ..interfaces.chain import Chain
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore
from ..repositories.memory import MemoryRepository
from ..stores.memory import MemoryStore
from . import checks
from .composition import Parts, make_engine, open_chain, open_signer, open_sqlite
from .environment import dotenv_of, misfits, read_settings
from .findings import Finding, Status, green, print_findings, red, yellow


async def doctor_command(options: argparse.Namespace) -> int:
    """Print what was found; 1: something must be mended."""
    findings: list[Finding] = []
    try:
        settings = read_settings(options)
    except ConfigurationError as error:
        findings.append(red("settings", error.message, "correct it; nothing else was looked at"))
    else:
        findings += checks.settings_found(settings, dotenv_of(options))
        findings += [
            yellow("settings", sentence, "correct the name, or remove it")
            for sentence in misfits(options)
        ]
        async with AsyncExitStack() as stack:
            stack.enter_context(_unlogged())
            findings += await _Examination(settings, stack).run()
    print_findings(findings, as_json=options.json)
    return 1 if any(one.status is Status.RED for one in findings) else 0


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep from stderr what the log would say of it: the findings do."""
    ours, nowhere = logging.getLogger("zephyrus_exec"), logging.NullHandler()
    ours.addHandler(nowhere)
    try:
        yield
    finally:
        ours.removeHandler(nowhere)


@define(eq=False)
class _Examination:
    """Opens what can be opened, each thing by itself, so that one failure hides no other."""

    settings: Settings
    stack: AsyncExitStack
    """Closes it."""
    chains: dict[int, Chain] = field(factory=dict)
    signers: dict[str, Signer] = field(factory=dict)
    store: ExecutionStore = field(factory=MemoryStore)

    async def run(self) -> list[Finding]:
        """Return what was found."""
        return [
            *await self._store(),
            *await self._chains(),
            *await self._signers(),
            *await self._agents(),
            *checks.access_found(self.settings),
            *await checks.port_found(self.settings),
        ]

    async def _store(self) -> list[Finding]:
        place, findings = checks.store_place_found(self.settings)
        if place is None:
            return findings
        try:
            self.store = await self.stack.enter_async_context(open_sqlite(place))
            await self.store.check()
        except ZephyrusError as error:
            return [*findings, red("store", error.message, "the server will not start without it")]
        findings.append(green("store", f"{self.store.description} can be written"))
        return [*findings, *await checks.lanes_found(self.store)]

    async def _chains(self) -> list[Finding]:
        findings = checks.no_chains_found(self.settings)
        for chain_id, urls in self.settings.chains.items():
            try:
                self.chains[chain_id] = await self._open(chain_id, urls)
                findings += [
                    await checks.endpoint_found(await self._open(chain_id, (url,)), url)
                    for url in urls
                ]
            except ConfigurationError as error:
                findings.append(red(f"chain {chain_id}", error.message, "do what it says"))
        return findings

    async def _open(self, chain_id: int, urls: tuple[str, ...]) -> Chain:
        chain = open_chain(self.settings, chain_id, urls)
        self.stack.push_async_callback(chain.aclose)
        return chain

    async def _signers(self) -> list[Finding]:
        findings = []
        for name, settings in self.settings.signers.items():
            try:
                signer = self.signers[name] = await open_signer(settings)
            except ZephyrusError as error:
                remedy = "correct the file, or its password"
                findings.append(red(f"signer {name}", error.message, remedy))
                continue
            findings.append(checks.signer_found(name, signer, settings))
            findings += [
                await checks.account_found(name, signer, chain) for chain in self.chains.values()
            ]
        return findings

    async def _agents(self) -> list[Finding]:
        repository = MemoryRepository(self.settings.agents, self.settings.contracts)
        parts = Parts(repository, self.chains, self.signers, runners={}, demo=None)
        engine = make_engine(parts, self.store, self.settings)
        return [
            *await checks.agents_found(engine, repository),
            *await checks.low_balances_found(engine),
        ]
