"""Which other processes are gone, whatever the clocks say."""

from __future__ import annotations

from zephyrus_exec.engine.leases import OWNER
from zephyrus_exec.engine.neighbours import Neighbours
from zephyrus_exec.interfaces.store import Put
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.clock import ManualClock


class Street:
    """A store with leases, and somebody who looks at them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.neighbours = Neighbours(self.store, self.clock, duration=20)
        self.versions: dict[str, int] = {}

    async def renew(self, owner: str, *, due: float, body: str = '{"duration":20}') -> None:
        version = self.versions.get(owner, 0)
        until = self.clock.now() + due
        await self.store.commit([Put(OWNER, owner, version, body, due=until)])
        self.versions[owner] = version + 1

    async def gone(self) -> list[str]:
        return [record.key for record in await self.neighbours.gone("me")]


async def test_a_lease_that_ran_out_must_also_stand_still_under_our_eyes() -> None:
    street = Street()
    await street.renew("other", due=-1000)
    assert await street.gone() == []
    await street.clock.advance(9.9)
    assert await street.gone() == []
    await street.clock.advance(0.2)
    assert await street.gone() == ["other"]


async def test_a_neighbour_whose_clock_is_behind_lives_as_long_as_it_renews() -> None:
    street = Street()
    for _ in range(10):
        await street.renew("other", due=-3600)
        assert await street.gone() == []
        await street.clock.advance(5)


async def test_a_neighbour_whose_clock_is_ahead_is_gone_after_a_whole_lease_of_ours() -> None:
    street = Street()
    await street.renew("other", due=3600)
    assert await street.gone() == []
    await street.clock.advance(19.9)
    assert await street.gone() == []
    await street.clock.advance(0.2)
    assert await street.gone() == ["other"]


async def test_a_lease_that_says_no_duration_is_taken_to_last_as_long_as_ours() -> None:
    street = Street()
    await street.renew("other", due=-1, body="{}")
    assert await street.gone() == []
    await street.clock.advance(10)
    assert await street.gone() == ["other"]


async def test_a_longer_lease_is_waited_for_longer() -> None:
    street = Street()
    await street.renew("other", due=-1, body='{"duration":200}')
    assert await street.gone() == []
    await street.clock.advance(99)
    assert await street.gone() == []
    await street.clock.advance(1)
    assert await street.gone() == ["other"]


async def test_who_said_farewell_is_gone_at_once() -> None:
    street = Street()
    await street.renew("other", due=0, body='{"released":true}')
    assert await street.gone() == ["other"]


async def test_nobody_takes_itself_for_gone() -> None:
    street = Street()
    await street.renew("me", due=-1)
    await street.clock.advance(100)
    assert await street.gone() == []


async def test_what_is_gone_for_good_is_forgotten() -> None:
    street = Street()
    await street.renew("other", due=-1)
    await street.gone()
    await street.store.commit([Put(OWNER, "another", 0, "{}")])
    assert set(street.neighbours._seen) == {"other"}
    await street.gone()
    assert set(street.neighbours._seen) == {"other", "another"}
