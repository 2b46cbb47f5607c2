"""`lanes`: the nonces of each account, and an operator's way out of trouble."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias

from ..conversion import unstructure
from ..engine.accounts import LaneView, list_lanes, load_lane
from ..engine.lanes import Lanes
from ..engine.listing import read_all
from ..engine.records import lane_stream
from ..errors import StoreConflict
from ..interfaces.store import ExecutionStore
from ..model import OPERATOR, Event, JsonObject
from .composition import open_parts
from .effects import print_effects, print_events
from .environment import read_settings
from .journals import open_journal, operating
from .output import print_json, print_table

_TRIES: Final = 5
"""How often something is tried that a server comes before."""


async def list_command(options: argparse.Namespace) -> int:
    """Print every lane."""
    async with open_journal(options) as store:
        found = await list_lanes(store)
    if options.json:
        for view in found:
            print_json(_object(view))
    else:
        columns = ("lane", "status", "reason", "next nonce", "in flight", "mined", "in doubt")
        print_table("", columns, map(_row, found))
    return 0


async def show_command(options: argparse.Namespace) -> int:
    """Print one lane, what it has under way, and what happened to it."""
    async with open_journal(options) as store:
        view = await load_lane(store, options.lane)
        events = await read_all(store, lane_stream(view.lane.key))
    if options.json:
        print_json(_object(view))
        for effect in view.unsettled:
            print_json({"effect": unstructure(effect)})
        for event in events:
            print_json(_event(event))
    else:
        print_lane(view)
        if events:
            print_events(events)
    return 0


async def check_command(options: argparse.Namespace) -> int:
    """Compare a lane with its chain now, and do what follows."""

    async def check(lanes: Lanes, lane: str) -> None:
        await lanes.check(lane, principal=OPERATOR, reason=options.reason)

    return await _with_chain(options, check)


async def open_command(options: argparse.Namespace) -> int:
    """Let a lane take transactions again."""

    async def opening(lanes: Lanes, lane: str) -> None:
        await lanes.open(lane, principal=OPERATOR, reason=options.reason)

    return await _with_chain(options, opening)


async def cancel_command(options: argparse.Namespace) -> int:
    """Use a nonce up, so that its transaction can no longer be included."""

    async def cancel(lanes: Lanes, lane: str) -> None:
        await lanes.cancel(lane, options.nonce, principal=OPERATOR, reason=options.reason)

    return await _with_chain(options, cancel)


async def drain_command(options: argparse.Namespace) -> int:
    """Let a lane take nothing new."""

    async def drain(lanes: Lanes, lane: str) -> None:
        await lanes.drain(lane, principal=OPERATOR, reason=options.reason)

    return await _alone(options, drain)


async def retire_command(options: argparse.Namespace) -> int:
    """Put a lane out of use."""

    async def retire(lanes: Lanes, lane: str) -> None:
        await lanes.retire(lane, principal=OPERATOR, reason=options.reason)

    return await _alone(options, retire)


Act: TypeAlias = Callable[[Lanes, str], Awaitable[None]]


async def _with_chain(options: argparse.Namespace, act: Act) -> int:
    """Do something that needs the lane's chain, and perhaps its signer."""
    settings = read_settings(options)
    async with (
        open_journal(options) as store,
        open_parts(settings, demo=False) as parts,
        operating(store, parts, settings) as lanes,
    ):
        return await operate(options, store, lanes, act)


async def _alone(options: argparse.Namespace, act: Act) -> int:
    async with open_journal(options) as store, operating(store) as lanes:
        return await operate(options, store, lanes, act)


async def operate(
    options: argparse.Namespace, store: ExecutionStore, lanes: Lanes, act: Act
) -> int:
    """Do it, again where a server changed the lane at the same moment, and show the lane."""
    lane = (await load_lane(store, options.lane)).lane.key
    for _ in range(_TRIES - 1):
        try:
            await act(lanes, lane)
            break
        except StoreConflict:
            continue
    else:
        await act(lanes, lane)
    view = await load_lane(store, lane)
    if options.json:
        print_json(_object(view))
    else:
        print_lane(view)
    return 0


def print_lane(view: LaneView) -> None:
    """Print how a lane stands, and what it has under way."""
    print_table("", ("what", "value"), _facts(view))
    if view.unsettled:
        print_effects("not settled", view.unsettled)


def _object(view: LaneView) -> JsonObject:
    return {
        "lane": view.lane.key,
        "chain_id": view.lane.chain_id,
        "sender": view.lane.sender,
        "status": view.lane.status.value,
        "reason": view.lane.reason,
        "next_nonce": view.lane.next_nonce,
        "blocked_nonce": view.lane.blocked_nonce,
        "in_flight": len(view.in_flight),
        "mined": len(view.mined),
        "in_doubt": len(view.in_doubt),
    }


def _row(view: LaneView) -> tuple[str, ...]:
    lane = view.lane
    counts = (lane.next_nonce, len(view.in_flight), len(view.mined), len(view.in_doubt))
    return (lane.key, lane.status.value, lane.reason, *map(str, counts))


def _facts(view: LaneView) -> Iterable[tuple[str, str]]:
    for name, value in _object(view).items():
        if value is not None and value != "":
            yield name.replace("_", " "), str(value)


def _event(event: Event) -> JsonObject:
    return {"seq": event.seq, "at": event.at, "event": event.kind, "data": event.data}
