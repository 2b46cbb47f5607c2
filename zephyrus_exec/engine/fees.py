"""What transactions may cost, and what a better offer is."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any, Final

from attrs import Attribute, field, frozen

from ..errors import InvalidValue
from ..interfaces.chain import Fees

SMALLEST_FACTOR: Final = 1.125
"""Nodes replace a waiting transaction only for 10 % more on both fields, some for 12.5 %."""


def _positive(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise InvalidValue.at(f"$.{attribute.name}", f"is {value}", "write a number above 0")


def _factor(_: object, attribute: Attribute[Any], value: float) -> None:
    if not SMALLEST_FACTOR <= value <= 10:
        raise InvalidValue.at(f"$.{attribute.name}", f"is {value}", "write 1.125 to 10")


@frozen
class FeePolicy:
    """How one chain's transactions are paid for while they wait."""

    bump_after: float = field(default=30.0, validator=_positive)
    """Seconds after which a transaction that is next in turn gets a better offer."""
    factor: float = field(default=SMALLEST_FACTOR, validator=_factor)
    """What both fields are multiplied by at least, from 1.125 to 10."""
    max_fee_wei: int | None = field(default=None, validator=_positive)
    """Most that a call offers per unit of gas; null: whatever it takes. A cancel may offer more:
    it could not replace anything otherwise."""
    stuck_after: float | None = field(default=None, validator=_positive)
    """Seconds after its first attempt at which a transaction that is next in turn is cancelled;
    null: only by an operator."""

    def capped(self, fees: Fees) -> Fees:
        """Return the fees, none above the cap."""
        if self.max_fee_wei is None or fees.max_fee_wei <= self.max_fee_wei:
            return fees
        priority = fees.max_priority_fee_wei
        return Fees(self.max_fee_wei, None if priority is None else min(priority, self.max_fee_wei))

    def bumped(self, fees: Fees, quoted: Fees) -> Fees:
        """Return fees that replace these in every node's pool, and are no worse than a new offer.

        Args:
            fees: Of the transaction that waits.
            quoted: What a new transaction would offer now.
        """
        best = max(self._more(fees.max_fee_wei), quoted.max_fee_wei)
        if fees.max_priority_fee_wei is None:
            return Fees(best, None)
        priority = max(self._more(fees.max_priority_fee_wei), quoted.max_priority_fee_wei or 0)
        return Fees(max(best, priority), priority)

    def _more(self, wei: int) -> int:
        """Return more by the factor, and at least 1: nodes want strictly more even than 0."""
        return max(ceil(wei * Fraction(self.factor)), wei + 1)
