"""`lanes`: the nonces of each account, and an operator's way out of trouble."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ..conversion import unstructure
from ..engine.accounts import LaneView, list_lanes, load_lane
from ..engine.listing import read_all
from ..engine.records import lane_stream
from ..model import Event, JsonObject
from .effects import print_effects, print_events
from .journals import open_journal
from .output import print_json, print_table


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
        print_table(view.lane.key, ("what", "value"), _facts(view))
        if view.unsettled:
            print_effects("not settled", view.unsettled)
        if events:
            print_events(events)
    return 0


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
