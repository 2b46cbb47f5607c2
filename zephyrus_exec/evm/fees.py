"""What a transaction should offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from statistics import median_low
from typing import Final

from ..interfaces.chain import Fees
from ..model import Json
from . import replies
from .node import EvmNode
from .rpc import NodeFailed, NodeState, RpcError

GWEI: Final = 10**9
DEFAULT_PRIORITY_FEE_WEI: Final = GWEI
"""Offered where the node suggests nothing."""
_HISTORY_BLOCKS: Final = 5
_HISTORY_QUERY: Final[Sequence[Json]] = (hex(_HISTORY_BLOCKS), "latest", (50,))
"""Parameters of `eth_feeHistory`: the median priority fee of the last blocks."""


async def quote(node: EvmNode, cap_gwei: Decimal | None, *, legacy: bool | None) -> Fees:
    """Return fees that should be included soon.

    Args:
        node: Who is asked.
        cap_gwei: Most the agent gives as priority fee; null: as suggested.
        legacy: Whether a gas price is offered instead; null: as the head says.

    Raises:
        NodeFailed: The node is of no use.
    """
    base_fee = (await node.head()).base_fee_wei
    if base_fee is None if legacy is None else legacy:
        return Fees(replies.quantity(await node.ask("eth_gasPrice"), "gas price"), None)
    if base_fee is None:
        raise NodeFailed(
            NodeState.REFUSING,
            "has no base fee (EIP-1559), but the chain is configured as not legacy",
        )
    return dynamic_fees(base_fee, await _priority_fee(node), cap_gwei)


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


async def _priority_fee(node: EvmNode) -> int:
    try:
        reply = await node.request("eth_maxPriorityFeePerGas", [])
    except RpcError:
        return await _recent_priority_fee(node)
    return replies.quantity(reply, "priority fee")


async def _recent_priority_fee(node: EvmNode) -> int:
    try:
        history = await node.request("eth_feeHistory", _HISTORY_QUERY)
    except RpcError:
        return DEFAULT_PRIORITY_FEE_WEI
    rewards = [replies.quantity(one, "reward") for one in _median_rewards(history)]
    return median_low(rewards) if rewards else DEFAULT_PRIORITY_FEE_WEI


def _median_rewards(history: Json) -> Sequence[Json]:
    """Return the rewards `eth_feeHistory` tells, one per block; none where it is malformed."""
    if not isinstance(history, Mapping):
        return ()
    rewards = history.get("reward")
    if not isinstance(rewards, Sequence) or isinstance(rewards, str):
        return ()
    return [one[0] for one in rewards if isinstance(one, list | tuple) and one]
