"""What an agent was when an execution was accepted, stored once however often it runs."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from attrs import frozen

from ..conversion import dumps, structure, unstructure
from ..errors import ExecutionInterrupted, InvalidValue
from ..interfaces.store import ExecutionStore, Keep
from ..model import Agent, Contract

SNAPSHOT = "snapshot"
"""Kind of the records, their key being the SHA-256 of their body."""


@frozen
class Snapshot:
    """An agent and its contract at one moment."""

    agent: Agent
    contract: Contract | None
    keep: Keep
    """The write that stores it."""


async def load_snapshot(store: ExecutionStore, key: str) -> Snapshot:
    """Return the snapshot that is stored under this key.

    Raises:
        ExecutionInterrupted: There is none, or it is not as this release writes it.
        StoreError: The store cannot be read now.
    """
    record = await store.get(SNAPSHOT, key)
    if record is None:
        raise ExecutionInterrupted(
            "what its agent was is not stored any more, so nobody can go on with it",
            reason="snapshot_missing",
        )
    try:
        data = record.data
        agent = structure(data["agent"], Agent)
        stored = data["contract"]
        contract = None if stored is None else structure(stored, Contract)
    except (InvalidValue, LookupError, ValueError, TypeError) as error:
        raise ExecutionInterrupted(
            "what its agent was cannot be read by this release, so nobody can go on with it",
            reason="snapshot_unreadable",
        ) from error
    return Snapshot(agent, contract, Keep(SNAPSHOT, key, record.body))


class Snapshots:
    """Makes snapshots, remembering the last ones so that an unchanged agent is encoded once.

    Args:
        remembered: How many are remembered.
    """

    def __init__(self, *, remembered: int = 256) -> None:
        self._remembered = remembered
        self._recent: OrderedDict[str, Snapshot] = OrderedDict()
        self._stored: set[str] = set()

    def take(self, agent: Agent, contract: Contract | None) -> Snapshot:
        """Return the snapshot of these two values."""
        known = self._recent.get(agent.id)
        if known is not None and known.agent is agent and known.contract is contract:
            return known
        body = dumps({"agent": unstructure(agent), "contract": unstructure(contract)})
        key = hashlib.sha256(body.encode()).hexdigest()
        snapshot = Snapshot(agent, contract, Keep(SNAPSHOT, key, body))
        self._remember(agent.id, snapshot)
        return snapshot

    def is_stored(self, snapshot: Snapshot) -> bool:
        """Whether a commit has stored it already."""
        return snapshot.keep.key in self._stored

    def stored(self, snapshot: Snapshot) -> None:
        """Remember that a commit stored it, for as long as the snapshot itself is remembered."""
        if self._recent.get(snapshot.agent.id) is snapshot:
            self._stored.add(snapshot.keep.key)

    def _remember(self, agent_id: str, snapshot: Snapshot) -> None:
        replaced = self._recent.pop(agent_id, None)
        self._recent[agent_id] = snapshot
        if replaced is None and len(self._recent) > self._remembered:
            replaced = self._recent.popitem(last=False)[1]
        if replaced is not None and replaced.keep.key != snapshot.keep.key:
            self._stored.discard(replaced.keep.key)
