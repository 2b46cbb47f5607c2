"""What several endpoints agree on as final."""

from __future__ import annotations

import asyncio

from ..interfaces.chain import Block
from .endpoints import Endpoint, Endpoints, NoneOfUse
from .rpc import NodeFailed, NodeState


class Disagreement(Exception):
    """Two endpoints have different blocks at a height that one of them calls final.

    Args:
        number: The height.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def newest_final(endpoints: Endpoints) -> Block:
    """Return the lowest of the blocks that the endpoints call final, if all have that block.

    One that does not tell what is final, or is behind, is asked for its block at that height all
    the same: the shorter side of a split chain is behind. One that does not answer, or has not
    come so far, has no say.

    Raises:
        Disagreement: There is another block at that height.
        NoneOfUse: Nobody tells a final block.
    """
    asked = endpoints.trusted()
    told = await asyncio.gather(*(_final(endpoints, one) for one in asked))
    blocks = [one for one in told if isinstance(one, Block)]
    if not blocks:
        raise NoneOfUse([one for one in told if isinstance(one, NodeFailed)])
    lowest = min(blocks, key=lambda one: one.number)
    others = [
        _at(endpoints, endpoint, lowest.number)
        for endpoint, answer in zip(asked, told, strict=True)
        if _has_more_to_say(answer, lowest)
    ]
    others += [_at(endpoints, endpoint, lowest.number) for endpoint in endpoints.behind()]
    seen = [*await asyncio.gather(*others), *(one for one in blocks if one.number == lowest.number)]
    if any(one is not None and one.hash != lowest.hash for one in seen):
        raise Disagreement(lowest.number)
    endpoints.final = lowest
    for endpoint, answer in zip(asked, told, strict=True):
        told_it = isinstance(answer, Block) and answer.hash == lowest.hash
        endpoint.agreed = lowest if told_it else None
    return lowest


async def check_history(endpoints: Endpoints, endpoint: Endpoint) -> None:
    """Return unless the endpoint has another block where one counted as final.

    One that had no say then, and is asked now for the others' failing, is not believed unseen.

    Raises:
        NodeFailed: It has.
    """
    final = endpoints.final
    if final is None or endpoint.agreed is final:
        return
    block = await endpoint.node.block(final.number)
    if block is not None and block.hash != final.hash:
        raise NodeFailed(NodeState.GARBAGE, f"has another block {final.number} than was final")
    endpoint.agreed = None if block is None else final


def _has_more_to_say(answer: Block | NodeFailed, lowest: Block) -> bool:
    if isinstance(answer, NodeFailed):
        return answer.state is NodeState.REFUSING
    return answer.number > lowest.number


async def _final(endpoints: Endpoints, endpoint: Endpoint) -> Block | NodeFailed:
    try:
        block = await endpoint.final.newest()
    except NodeFailed as failure:
        endpoints.failed(endpoint, failure)
        return failure
    endpoints.answered(endpoint)
    return block


async def _at(endpoints: Endpoints, endpoint: Endpoint, number: int) -> Block | None:
    try:
        return await endpoint.node.block(number)
    except NodeFailed as failure:
        endpoints.failed(endpoint, failure)
        return None
