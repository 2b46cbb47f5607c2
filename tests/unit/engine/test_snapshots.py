"""What an agent was when an execution was accepted, stored once."""

from __future__ import annotations

import hashlib
import json

from zephyrus_exec.engine.snapshots import Snapshots
from zephyrus_exec.model import Agent, Contract

CONTRACT = Contract("c", "0x" + "00" * 20, 1)


def test_a_snapshot_holds_agent_and_contract_under_the_hash_of_its_body() -> None:
    snapshot = Snapshots().take(Agent("a"), CONTRACT)
    body = json.loads(snapshot.keep.body)
    assert (body["agent"]["id"], body["contract"]["chain_id"]) == ("a", 1)
    assert snapshot.keep.key == hashlib.sha256(snapshot.keep.body.encode()).hexdigest()


def test_the_same_values_give_the_same_snapshot_without_encoding_it_again() -> None:
    snapshots, agent = Snapshots(), Agent("a")
    assert snapshots.take(agent, None) is snapshots.take(agent, None)
    assert snapshots.take(agent, None) is not snapshots.take(agent, CONTRACT)


def test_a_snapshot_counts_as_stored_from_its_commit_until_the_agent_changes() -> None:
    snapshots = Snapshots()
    old = snapshots.take(Agent("a"), None)
    assert not snapshots.is_stored(old)
    snapshots.stored(old)
    assert snapshots.is_stored(old)
    new = snapshots.take(Agent("a", name="renamed"), None)
    assert not snapshots.is_stored(new)
    assert not snapshots.is_stored(old)


def test_an_agent_read_again_but_not_changed_is_not_stored_again() -> None:
    snapshots = Snapshots()
    snapshots.stored(snapshots.take(Agent("a"), None))
    assert snapshots.is_stored(snapshots.take(Agent("a"), None))


def test_only_so_many_are_remembered() -> None:
    snapshots = Snapshots(remembered=2)
    for name in "abcdef":
        snapshots.stored(snapshots.take(Agent(name), None))
    assert len(snapshots._recent) == len(snapshots._stored) == 2


def test_a_commit_that_ends_after_its_snapshot_was_forgotten_leaves_nothing() -> None:
    snapshots = Snapshots(remembered=1)
    forgotten = snapshots.take(Agent("a"), None)
    snapshots.take(Agent("b"), None)
    snapshots.stored(forgotten)
    assert not snapshots._stored
