"""Agents read from the REST API each time somebody asks."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Final

from ...errors import AgentNotFound, ContractNotFound, RepositoryError
from ...interfaces.repositories import Repository
from ...model import Agent, Contract
from ..definitions import not_found, unusable
from .importing import merged_agent
from .reader import Reading, read_tables
from .report import Report, Verdict
from .rest import ZephyrusApi

_log = logging.getLogger(__name__)

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_REMEMBERED: Final = 1024
"""Agents of which it is known what was said of them."""


class ZephyrusApiRepository(Repository):
    """The agents of a deployed Zephyrus system, read live and never written.

    The API knows no planner, no signer and no contract. So an agent gets its planner and signer
    from the agent of the same id in `configured`, and a contract that is not in there is one
    without ABI, at its id and on the chain `chain_id`.

    Args:
        api: What is asked; closed with the repository.
        chain_id: EIP-155 id of the chain that the contracts are on.
        configured: What the operator says of agents and contracts; null: nothing.
    """

    def __init__(
        self, api: ZephyrusApi, *, chain_id: int, configured: Repository | None = None
    ) -> None:
        self.description = f"Zephyrus API at {api.host}"
        self._api = api
        self._chain_id = chain_id
        self._configured = configured
        self._known: OrderedDict[str, tuple[Agent, Report]] = OrderedDict()

    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now.

        A function that cannot be taken is left out, which is logged; the agent is still there.
        One that only the operator describes is as described.

        Raises:
            AgentNotFound: There is none.
            InvalidDefinition: There is one, but its own row cannot be taken.
            RepositoryUnavailable: The API cannot be asked now, or not for all of it.
        """
        try:
            tables = await self._api.tables_of(agent_id)
        except AgentNotFound:
            return await self._described(agent_id)
        reading = read_tables(tables, chain_id=self._chain_id)
        if not reading.agents:
            raise self._unusable(agent_id, reading)
        agent = merged_agent(reading.agents[0], await self._configured_agent(agent_id))
        return self._remembered(agent, reading.report)

    async def list_agents(self) -> AsyncIterator[Agent]:
        """Return those agents the operator said something of; the API cannot list its own."""
        async for agent in self._listed().list_agents():
            yield await self.get_agent(agent.id)

    async def list_contracts(self) -> AsyncIterator[Contract]:
        """Return the contracts of those agents, and those the operator said something of."""
        found = {one.id: one async for one in self._listed().list_contracts()}
        async for agent in self.list_agents():
            if agent.contract_id is not None and agent.contract_id not in found:
                try:
                    found[agent.contract_id] = await self.get_contract(agent.contract_id)
                except ContractNotFound:
                    continue
        for contract in found.values():
            yield contract

    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract: the configured one, or one at its id.

        Raises:
            ContractNotFound: There is none, no agent is bound to it, or its id is no address.
            RepositoryUnavailable: The API cannot be asked now.
        """
        if self._configured is not None:
            try:
                return await self._configured.get_contract(contract_id)
            except ContractNotFound:
                pass
        if not _ADDRESS.fullmatch(contract_id) or not await self._api.agents_of(contract_id):
            raise not_found(Contract, contract_id)
        return Contract(contract_id, contract_id, self._chain_id)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    def _listed(self) -> Repository:
        """Return what can be listed."""
        if self._configured is None:
            raise RepositoryError(
                f"{self.description} does not list its agents; configure those that are meant"
            )
        return self._configured

    async def _described(self, agent_id: str) -> Agent:
        """Return an agent that only the operator describes."""
        known = await self._configured_agent(agent_id)
        if known is None:
            raise not_found(Agent, agent_id)
        return known

    async def _configured_agent(self, agent_id: str) -> Agent | None:
        try:
            return await self._configured.get_agent(agent_id) if self._configured else None
        except AgentNotFound:
            return None

    def _remembered(self, agent: Agent, report: Report) -> Agent:
        """Return the object of before where nothing changed; else tell what was left out."""
        before = self._known.pop(agent.id, None)
        if before is None or before[1] != report:
            _tell(self.description, agent.id, report)
        kept = before[0] if before is not None and before[0] == agent else agent
        self._known[agent.id] = (kept, report)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return kept

    def _unusable(self, agent_id: str, reading: Reading) -> Exception:
        line = next(line for line in reading.report.lines if line.table == "agents")
        return unusable(
            Agent,
            agent_id,
            where=self.description,
            field="$",
            problem=line.problem,
            remedy=line.remedy,
        )


def _tell(where: str, agent_id: str, report: Report) -> None:
    for line in report.lines:
        if line.verdict is Verdict.REFUSED:
            _log.warning(
                "%s: agent %s: left out of %s: %s: %s",
                where,
                agent_id,
                line.table,
                line.name or line.id,
                line.text,
            )
