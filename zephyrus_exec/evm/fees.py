"""What a transaction should offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from ..interfaces.chain import Fees
from ..model import Json

GWEI: Final = 10**9
DEFAULT_PRIORITY_FEE_WEI: Final = GWEI
"""Offered where the node suggests nothing."""
_HISTORY_BLOCKS: Final = 5
HISTORY_QUERY: Final[Sequence[Json]] = (hex(_HISTORY_BLOCKS), "latest", (50,))
"""Parameters of `eth_feeHistory`: the median priority fee of the last blocks."""


def dynamic_fees(base_fee_wei: int, priority_fee_wei: int, cap_gwei: Decimal | None) -> Fees:
    """Return EIP-1559 fees that stay includable while the base fee doubles (six full blocks).

    Args:
        base_fee_wei: Of the head.
        priority_fee_wei: As suggested.
        cap_gwei: Most the agent gives as priority fee; null: as suggested.
    """
    if cap_gwei is not None:
        cap_wei = int((cap_gwei * GWEI).to_integral_value(ROUND_FLOOR))
        priority_fee_wei = min(priority_fee_wei, cap_wei)
    return Fees(2 * base_fee_wei + priority_fee_wei, priority_fee_wei)


def median_reward(history: Json) -> Sequence[Json]:
    """Return the rewards `eth_feeHistory` tells, one per block; none where it is malformed."""
    if not isinstance(history, Mapping):
        return ()
    rewards = history.get("reward")
    if not isinstance(rewards, Sequence) or isinstance(rewards, str):
        return ()
    return [one[0] for one in rewards if isinstance(one, list | tuple) and one]
