"""`effects`: what was sent, what became of it, and the evidence."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ..conversion import unstructure
from ..engine.accounts import list_effects, load_effect, load_lane
from ..engine.evidence import evidence
from ..engine.lanes import Verdict
from ..engine.listing import read_all
from ..engine.records import Attempt, Effect, LaneStatus, effect_stream
from ..interfaces.store import ExecutionStore
from ..model import OPERATOR, Event, JsonObject
from .journals import open_journal, operating
from .output import moment, print_json, print_table, short, shown


async def list_command(options: argparse.Namespace) -> int:
    """Print the newest effects."""
    async with open_journal(options) as store:
        found = await list_effects(
            store, lane=options.lane, unsettled=options.open, limit=options.limit
        )
    if options.json:
        for effect in found:
            print_json(unstructure(effect))
    else:
        print_effects("", found)
    return 0


async def show_command(options: argparse.Namespace) -> int:
    """Print everything that is known of one effect; as JSON: its evidence bundle."""
    async with open_journal(options) as store:
        if options.json:
            print_json(await evidence(store, options.effect))
        else:
            await _show(store, await load_effect(store, options.effect))
    return 0


async def _show(store: ExecutionStore, effect: Effect) -> None:
    events = await read_all(store, effect_stream(effect.key))
    print_table(f"{effect.key}: {effect.state}", ("what", "value"), _facts(effect))
    columns = ("attempt", "for", "gas", "fee (gwei)", "signed (UTC)", "transaction")
    print_table("", columns, (_attempt(*each) for each in enumerate(effect.attempts, 1)))
    print_events(events)


async def resolve_command(options: argparse.Namespace) -> int:
    """Record what a person found out about an effect in doubt."""
    verdict = Verdict.HAPPENED if options.happened else Verdict.DID_NOT_HAPPEN
    async with open_journal(options) as store, operating(store) as lanes:
        effect = await load_effect(store, options.effect)
        evidence: JsonObject = {"text": options.evidence}
        effect = await lanes.resolve(effect.key, verdict, evidence, principal=OPERATOR)
        view = await load_lane(store, effect.lane)
    if options.json:
        print_json(unstructure(effect))
        return 0
    print(f"{effect.key}: recorded that it {verdict.value.replace('_', ' ')}")
    if view.lane.status is LaneStatus.HALTED and not view.in_doubt:
        print(f"nothing of the lane is in doubt any more: lanes open {effect.lane}")
    return 0


def print_effects(title: str, effects: Iterable[Effect]) -> None:
    """Print effects as a table."""
    columns = ("effect", "state", "function", "lane", "nonce", "transaction", "signed (UTC)")
    print_table(title, columns, map(_row, effects))


def print_events(events: Iterable[Event]) -> None:
    """Print the facts of a stream as a table."""
    rows = ((str(e.seq), moment(e.at), e.kind, shown(e.data)) for e in events)
    print_table("", ("seq", "at (UTC)", "event", "data"), rows)


def _row(effect: Effect) -> tuple[str, ...]:
    return (
        effect.key,
        effect.state.value,
        effect.function,
        f"{effect.chain_id}:{short(effect.sender)}",
        str(effect.nonce),
        short(effect.transaction_hash),
        moment(effect.attempts[0].signed_at),
    )


def _facts(effect: Effect) -> Iterable[tuple[str, str]]:
    yield "lane", effect.lane
    yield "nonce", str(effect.nonce)
    yield "to", effect.to
    yield "function", effect.function
    yield "arguments", shown(effect.arguments)
    yield "value (wei)", effect.value_wei
    yield "intent", effect.intent_hash
    if effect.receipt is not None:
        yield "block", f"{effect.receipt.block_number} {effect.receipt.block_hash}"
    if effect.evidence is not None:
        yield "nonce used", shown(effect.evidence)
    if effect.resolution is not None:
        yield "resolution", shown(effect.resolution)


def _attempt(number: int, attempt: Attempt) -> tuple[str, ...]:
    return (
        str(number),
        attempt.purpose.value,
        str(attempt.gas),
        f"{attempt.max_fee_wei / 10**9:g}",
        moment(attempt.signed_at),
        attempt.transaction_hash,
    )
