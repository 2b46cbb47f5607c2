"""`lanes`, `effects` and `store` on journals that a model chain's engine has written."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.unit.engine.world import World, chain_agent, plan
from zephyrus_exec import SqliteStore
from zephyrus_exec.cli import main
from zephyrus_exec.cli.journals import operating
from zephyrus_exec.cli.lanes import operate
from zephyrus_exec.engine.lanes import Lanes
from zephyrus_exec.engine.records import EFFECT, LANE, Effect, EffectState, Lane, LaneStatus
from zephyrus_exec.errors import StoreConflict
from zephyrus_exec.interfaces.store import ExecutionStore
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import ModelSigner

KEY = f"1337:{ModelSigner().address}"


async def write(file: Path, state: EffectState, status: LaneStatus) -> list[str]:
    """Write a journal with two effects, the first in this state, and return their keys."""
    world = World(chain_agent())
    store = await SqliteStore.open(file)
    async with world.chain_engine(plan("set", "set"), store=store) as engine:
        await engine.result(await engine.submit("a"))
    records = await store.scan(EFFECT)
    changed = evolve(Effect.of(records[0]), state=state, receipt=None)
    lane = await store.get(LANE, KEY)
    assert lane is not None
    reason = "" if status is LaneStatus.OPEN else state.value
    halted = evolve(Lane.of(lane), status=status, reason=reason)
    await store.commit([changed.put(records[0].version), halted.put(lane.version)])
    await store.aclose()
    return [record.key for record in records]


async def epoch_of(file: Path) -> str:
    store = await SqliteStore.open(file)
    await store.aclose()
    return store.epoch


@frozen
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Journal:
    """A journal, and the command line for it."""

    def __init__(self, file: Path, effects: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        self.file = file
        self.effects = effects
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        code = main([*arguments, "--store", str(self.file)])
        return Said(code, *self._capsys.readouterr())


@pytest.fixture
def doubtful(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Journal:
    """A journal whose first effect is in doubt, so that its lane is halted."""
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.delenv("ZEPHYRUS_STORE", raising=False)
    file = tmp_path / "journal.db"
    keys = asyncio.run(write(file, EffectState.IN_DOUBT, LaneStatus.HALTED))
    return Journal(file, keys, capsys)


@pytest.fixture
def quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Journal:
    """A journal whose first effect is final, with an open lane."""
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.delenv("ZEPHYRUS_STORE", raising=False)
    file = tmp_path / "journal.db"
    keys = asyncio.run(write(file, EffectState.FINAL_OK, LaneStatus.OPEN))
    return Journal(file, keys, capsys)


def test_lanes_are_a_table_or_an_object_a_line(doubtful: Journal) -> None:
    table = doubtful("lanes", "list")
    assert (table.code, table.err) == (0, "")
    for text in (KEY, "halted", "in_doubt"):
        assert text in table.out
    assert doubtful("lanes", "list", "--json").objects == [
        {
            "lane": KEY,
            "chain_id": 1337,
            "sender": ModelSigner().address,
            "status": "halted",
            "reason": "in_doubt",
            "next_nonce": 2,
            "blocked_nonce": None,
            "in_flight": 0,
            "mined": 1,
            "in_doubt": 1,
        }
    ]


def test_one_lane_shows_what_is_not_settled_and_its_history(doubtful: Journal) -> None:
    doubtful("lanes", "retire", KEY)
    table = doubtful("lanes", "show", KEY.upper().replace("0X", "0x"))
    for key in doubtful.effects:
        assert key in table.out
    lane, *rest = doubtful("lanes", "show", KEY, "--json").objects
    assert lane["lane"] == KEY
    assert [line["effect"]["key"] for line in rest] == doubtful.effects


def test_an_unknown_lane_is_one_line_with_those_that_are_known(doubtful: Journal) -> None:
    for command in ("show", "drain", "retire"):
        said = doubtful("lanes", command, "1:0x00")
        assert (said.code, said.out) == (2, "")
        assert said.err == f"zephyrus-exec: there is no lane '1:0x00'; known: {KEY}\n"


def test_effects_are_listed_and_chosen(quiet: Journal) -> None:
    first, second = quiet.effects
    table = quiet("effects", "list").out
    assert table.index(second) < table.index(first)
    one_open = quiet("effects", "list", "--open", "--lane", KEY, "--json").objects
    assert [one["key"] for one in one_open] == [second]
    assert [one["key"] for one in quiet("effects", "list", "--limit", "1", "--json").objects] == [
        second
    ]


def test_an_effect_is_shown_by_key_or_hash(quiet: Journal) -> None:
    first, second = quiet.effects
    bundle = quiet("effects", "show", second, "--json").objects[0]
    transaction = bundle["attempts"][0]["transaction_hash"]
    shown = quiet("effects", "show", transaction)
    for text in (second, "mined_ok", transaction, bundle["block"]["hash"], "signed"):
        assert text in shown.out
    assert "block" not in quiet("effects", "show", first).out.split("attempt")[0]


def test_an_unknown_effect_is_one_line(quiet: Journal) -> None:
    said = quiet("effects", "show", "nobody:1:1")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("zephyrus-exec: there is no effect 'nobody:1:1'; give a key as")


def test_what_is_in_doubt_is_decided_once_with_evidence(doubtful: Journal) -> None:
    first, second = doubtful.effects
    said = doubtful("effects", "resolve", first, "--did-not-happen", "--evidence", "block 7")
    assert said.out.splitlines() == [
        f"{first}: recorded that it did not happen",
        f"nothing of the lane is in doubt any more: lanes open {KEY}",
    ]
    bundle = doubtful("effects", "show", first, "--json").objects[0]
    assert bundle["state"] == "in_doubt"
    assert bundle["resolution"]["verdict"] == "did_not_happen"
    assert bundle["resolution"]["evidence"] == {"text": "block 7"}
    assert bundle["resolution"]["principal"] == "operator"
    assert bundle["history"][-1]["event"] == "resolved"
    assert "did_not_happen" in doubtful("effects", "show", first).out
    for key, said_why in ((first, "is resolved already"), (second, "is mined_ok, not in doubt")):
        again = doubtful("effects", "resolve", key, "--happened", "--evidence", "it did")
        assert (again.code, again.out) == (2, "")
        assert said_why in again.err


def test_a_decision_may_be_printed_as_json(doubtful: Journal) -> None:
    (effect,) = doubtful(
        *("effects", "resolve", doubtful.effects[0], "--happened", "--evidence", "x", "--json")
    ).objects
    assert effect["resolution"]["verdict"] == "happened"


def test_a_verdict_and_its_evidence_are_needed(
    quiet: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in (["--happened"], ["--evidence", "x"], ["--happened", "--did-not-happen"]):
        with pytest.raises(SystemExit) as leaving:
            quiet("effects", "resolve", quiet.effects[0], *given)
        assert leaving.value.code == 2
    capsys.readouterr()


def test_a_lane_is_drained_with_a_reason_that_is_journaled(quiet: Journal) -> None:
    said = quiet("lanes", "drain", KEY, "--reason", "moving house")
    assert (said.code, "moving house" in said.out) == (0, True)
    event = quiet("lanes", "show", KEY, "--json").objects[-1]
    assert event["event"] == "draining"
    assert event["data"]["principal"] == "operator"
    assert event["data"]["reason"] == "moving house"
    again = quiet("lanes", "drain", KEY)
    assert (again.code, again.out) == (2, "")
    assert "draining already" in again.err


@pytest.mark.parametrize(
    "arguments", [("check",), ("open",), ("cancel", "0")], ids=lambda words: words[0]
)
def test_what_needs_a_chain_says_how_to_name_it(quiet: Journal, arguments: tuple[str, ...]) -> None:
    command, *rest = arguments
    said = quiet("lanes", command, KEY, *rest)
    assert (said.code, said.out) == (2, "")
    assert "ZEPHYRUS_RPC_1337" in said.err


def test_a_restored_journal_is_told_what_follows(quiet: Journal) -> None:
    before = asyncio.run(epoch_of(quiet.file))
    said = quiet("store", "restored")
    assert (said.code, said.err.strip()) == (
        0,
        f"next: lanes check {KEY}, look at what it shows, then lanes open {KEY}",
    )
    assert "halted: 1 lanes; interrupted: 0 executions" in said.out
    assert asyncio.run(epoch_of(quiet.file)) != before
    (done,) = quiet("store", "restored", "--json").objects
    assert done == {"lanes": [KEY], "executions": [], "effects": [quiet.effects[1]]}


def test_a_nonce_is_a_number(quiet: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        quiet("lanes", "cancel", KEY, "first")
    assert "'first' is no nonce; write 0 or more" in capsys.readouterr().err


async def contended(store: ExecutionStore, conflicts: int) -> int:
    """Operate a lane that somebody else changes so often first; return how often it was tried."""
    tries = 0

    async def act(_lanes: Lanes, _lane: str) -> None:
        nonlocal tries
        tries += 1
        if tries <= conflicts:
            raise StoreConflict("somebody was faster", what="lane")

    async with operating(store) as lanes:
        await operate(Namespace(lane=KEY, json=True), store, lanes, act)
    return tries


async def test_a_lane_that_a_server_changes_at_the_same_moment_is_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = MemoryStore()
    await store.commit([Lane(1337, ModelSigner().address, 0).put(0)])
    assert await contended(store, 0) == 1
    assert await contended(store, 4) == 5
    with pytest.raises(StoreConflict):
        await contended(store, 5)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_without_a_journal_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.db"
    for arguments in (("lanes", "list"), ("effects", "list"), ("store", "restored")):
        assert main([*arguments, "--store", str(missing)]) == 2
        assert "name the server's file with --store" in capsys.readouterr().err
    assert not missing.exists()
