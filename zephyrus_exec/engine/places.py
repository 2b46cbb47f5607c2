"""Places in a lane, and who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from attrs import define, evolve, field, frozen

from ..errors import ZephyrusError
from ..interfaces.chain import Account, Simulation
from ..interfaces.store import Expect
from .intents import Errand
from .records import SLOT, Attempt, Lane, slot_key


@frozen
class Place:
    """A slot that is free if everything is as it was seen, and the attempt signed for it."""

    lane: Lane
    """As it is once the slots before this one are committed."""
    version: int
    """Of the lane's record by then."""
    before: tuple[Expect, ...]
    """That the slot before this one is committed, where that was not so yet. With the lane's
    version it says how the lane stands: see `LaneQueue`."""
    account: Account
    attempt: Attempt


@define(eq=False)
class Member:
    """One errand in the queue."""

    errand: Errand
    simulation: Simulation
    place: asyncio.Future[Place] = field(factory=lambda: asyncio.get_running_loop().create_future())
    """Resolves to its place, or to why it gets none."""
    left: asyncio.Event = field(factory=asyncio.Event)
    """Set once its place is taken, or will not be."""
    signing: asyncio.Future[Attempt] | None = None

    @property
    def waits(self) -> bool:
        """Whether nothing was decided about it, and somebody wants to know."""
        return not self.place.done()

    def refuse(self, error: BaseException) -> None:
        """Tell it that it gets no place."""
        if self.waits:
            self.place.set_exception(error)

    def refuse_unwanted(self) -> None:
        """Tell it so if its execution was asked to end."""
        try:
            self.errand.check_wanted()
        except ZephyrusError as error:
            self.refuse(error)

    @property
    def min_block(self) -> int:
        """Block that an account must have seen to be looked at for it."""
        return self.errand.intent.min_block or 0


def hand_out(
    signed: Iterable[tuple[Member, Attempt]], lane: Lane, version: int, account: Account
) -> list[Member]:
    """Hand out the places in order, up to the first that nobody waits for any more."""
    placed: list[Member] = []
    before: tuple[Expect, ...] = ()
    for member, attempt in signed:
        if not member.waits:
            break
        member.place.set_result(Place(lane, version, before, account, attempt))
        placed.append(member)
        before = (Expect(SLOT, slot_key(lane.key, lane.next_nonce), 1),)
        lane, version = evolve(lane, next_nonce=lane.next_nonce + 1), version + 1
    return placed
