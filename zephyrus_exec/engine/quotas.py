"""What one principal may use of the engine, and how fast it may ask."""

from __future__ import annotations

import math

from attrs import frozen

from ..errors import Overloaded, RateLimited
from ..interfaces.clock import Clock
from ..model import Principal
from .roster import Roster


@frozen
class Quota:
    """Bounds for one principal, over all its connections; 0: none."""

    rate: float = 0
    """Requests a second; a second's worth may come at once."""
    running: int = 0
    """Executions that run at once."""
    queued: int = 0
    """Executions that wait their turn."""


class TokenBucket:
    """Fills with time; every request takes one token out.

    Args:
        rate: Tokens a second, more than 0; it holds a second's worth, at least one.
        now: Seconds since the epoch; it begins full.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate)
        self._tokens = self._most
        self._at = now

    def take(self, now: float) -> None:
        """Take one token.

        Raises:
            RateLimited: There is none; `retry_after` says in how many whole seconds there is.
        """
        self._fill(now)
        if self._tokens < 1:
            wait = max(1, math.ceil((1 - self._tokens) / self._rate))
            raise RateLimited(
                f"more than {self._rate:g} requests a second; nothing was executed, "
                f"try again in {wait} s",
                retry_after=wait,
            )
        self._tokens -= 1

    def full(self, now: float) -> bool:
        """Return whether it is as a new one would be."""
        self._fill(now)
        return self._tokens >= self._most

    def _fill(self, now: float) -> None:
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now


class Quotas:
    """Holds every principal to its quota.

    Args:
        quota: The same for everybody.
        clock: The time.
        roster: Who has how many executions.
    """

    def __init__(self, quota: Quota, clock: Clock, roster: Roster) -> None:
        self._quota = quota
        self._clock = clock
        self._roster = roster
        self._buckets: dict[str, TokenBucket] = {}
        self._swept_at = 0.0

    def count_request(self, principal: Principal) -> None:
        """Hear of a request, whatever will come of it.

        Raises:
            RateLimited: It comes too soon after others.
        """
        if not self._quota.rate:
            return
        now = self._clock.now()
        self._sweep(now)
        bucket = self._buckets.get(principal.id)
        if bucket is None:
            bucket = self._buckets[principal.id] = TokenBucket(self._quota.rate, now)
        bucket.take(now)

    def check_room(self, principal: Principal) -> None:
        """Return if one more execution of this principal is within bounds.

        Raises:
            Overloaded: It has as many as it may have.
        """
        if not self._quota.running and not self._quota.queued:
            return
        tickets = [one.ticket for one in self._roster.of_principal(principal.id)]
        running = sum(ticket.running for ticket in tickets)
        _check(running, self._quota.running, "run")
        _check(len(tickets) - running, self._quota.queued, "wait")

    def _sweep(self, now: float) -> None:
        """Forget, now and then, those who have been quiet: theirs would be full anyway."""
        if now - self._swept_at < max(60.0, 1 / self._quota.rate):
            return
        self._swept_at = now
        for name in [name for name, bucket in self._buckets.items() if bucket.full(now)]:
            del self._buckets[name]


def _check(count: int, most: int, what: str) -> None:
    if most and count >= most:
        raise Overloaded(
            f"{count} executions of this principal {what} already; nothing was executed, try later",
            queued=count,
        )
