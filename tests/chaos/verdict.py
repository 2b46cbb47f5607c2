"""What became of a case, judged by the chain and the journal's file alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from tests.chaos.cases import Case
from tests.chaos.journal import Journal
from tests.chaos.node import Node
from tests.chaos.worker import AMOUNTS

EXACTLY_ONCE = "exactly once"
DISPLACED = "displaced"
IN_DOUBT = "in doubt"
HALTED = "halted"
"""Foreign use was seen before anything was signed for the nonce; nothing was sent."""
WRONG = "wrong"
VERDICTS = (EXACTLY_ONCE, DISPLACED, IN_DOUBT, HALTED, WRONG)


@frozen
class Verdict:
    """How a case ended."""

    name: str
    problems: tuple[str, ...] = ()
    """What is wrong, a sentence each."""


def judge(case: Case, journal: Journal, node: Node) -> Verdict:
    """Return what became of the case, now that nothing moves any more."""
    amounts = node.amounts()
    problems = [
        *_streams(journal),
        *_amounts(journal, amounts, node),
        *_lanes(journal, node),
    ]
    foreign = case.foreign != "nobody"
    if not foreign or _all_done(journal, amounts):
        problems += _complete(journal, amounts, node)
        return Verdict(WRONG if problems else EXACTLY_ONCE, tuple(problems))
    problems += [
        f"lane {key} is open although its account was used by somebody else"
        for key, (group, _) in journal.records.get("lane", {}).items()
        if group == "open"
    ]
    states = {effect["state"] for effect in journal.bodies("effect")}
    name = IN_DOUBT if "in_doubt" in states else DISPLACED if "displaced" in states else HALTED
    return Verdict(WRONG if problems else name, tuple(problems))


def _all_done(journal: Journal, amounts: list[int]) -> bool:
    return sorted(amounts) == list(AMOUNTS) and journal.ended


def _streams(journal: Journal) -> Iterator[str]:
    """Every stream without a gap; every execution with one end, which is its last event."""
    for stream, events in journal.events.items():
        numbers = [seq for seq, _, _ in events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"stream {stream} is numbered {numbers}"
    if len(journal.executions) != 1:
        yield f"there are {len(journal.executions)} executions"
    for execution in journal.executions:
        kinds = journal.kinds(execution)
        if kinds.count("completed") != 1 or kinds[-1] != "completed":
            yield f"the execution's events are {kinds}"


def _amounts(journal: Journal, amounts: list[int], node: Node) -> Iterator[str]:
    """Nothing twice, and every effect is told as the chain has it."""
    for amount, times in Counter(amounts).items():
        if times > 1:
            yield f"the counter was incremented by {amount} {times} times"
    for effect in journal.bodies("effect"):
        amount = int(effect["arguments"]["amount"])
        happened = amount in amounts
        if happened != effect["state"].endswith("_ok"):
            yield f"increment by {amount} is told as {effect['state']}, the chain has {amounts}"
        yield from _receipt(effect, node)


def _receipt(effect: dict[str, Any], node: Node) -> Iterator[str]:
    told = effect.get("receipt")
    if told is None:
        return
    found = node.ask("eth_getTransactionReceipt", told["transaction_hash"])
    if found is None or found["blockHash"] != told["block_hash"]:
        yield f"effect {effect['key']} tells of a receipt that the chain does not have"


def _lanes(journal: Journal, node: Node) -> Iterator[str]:
    """Each nonce was given once, none was left out, and no effect is open."""
    if journal.open_effects:
        yield f"effects {journal.open_effects} are not settled"
    nonces = sorted(effect["nonce"] for effect in journal.bodies("effect"))
    if nonces != list(range(len(nonces))):
        yield f"the effects' nonces are {nonces}"
    for lane in journal.bodies("lane"):
        if lane["next_nonce"] != len(nonces):
            yield f"the lane goes on with nonce {lane['next_nonce']} after {nonces}"


def _complete(journal: Journal, amounts: list[int], node: Node) -> Iterator[str]:
    """The execution did all it should, and the lane is ready for the next."""
    if amounts != list(AMOUNTS) or node.total() != sum(AMOUNTS):
        yield f"the counter was incremented by {amounts} and says {node.total()}"
    if node.nonce() != len(AMOUNTS):
        yield f"the account's nonce is {node.nonce()}"
    for key, (group, body) in journal.records.get("lane", {}).items():
        if group != "open":
            yield f"lane {key} is {group}: {body}"
    for execution in journal.executions:
        for _, kind, data in journal.events.get(execution, []):
            if kind == "completed" and data["outcome"] != "succeeded":
                yield f"the execution ended as {data['outcome']}: {data.get('error')}"
            if kind == "completed" and len(data["results"]) != 2 + len(AMOUNTS):
                yield f"the execution tells {len(data['results'])} results"
