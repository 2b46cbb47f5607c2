"""Offering signed bytes to every endpoint at once."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from .endpoints import Endpoint, Endpoints
from .replies import is_known
from .reverts import printable
from .rpc import NodeFailed, RpcError

_TELLING: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"nonce.{0,20}too low|old nonce|invalid nonce",
        r"insufficient (?:funds|balance)",
        r"underpriced|fee (?:too|cap)|(?:too|less).{0,20}(?:fee|base)",
        r"gas",
        r".",
    )
)
"""What a refusal may say, the most telling first: the chain's facts before a node's own limits."""


class Broadcaster:
    """Offers bytes to all endpoints; the first that takes them is enough.

    Args:
        endpoints: Whom to offer them to.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._tasks: set[asyncio.Task[RpcError | NodeFailed | None]] = set()

    async def offer(self, raw: bytes) -> str | NodeFailed | None:
        """Offer the bytes, once to each endpoint; those that are slow go on being told.

        Returns:
            None: one has taken them. A text: the most telling refusal. A failure: nobody answered.
        """
        text = "0x" + raw.hex()
        pending = {self._start(one, text) for one in self._endpoints.usable()}
        answers: list[RpcError | NodeFailed] = []
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                answer = task.result()
                if answer is None:
                    return None
                answers.append(answer)
        refusals = [one for one in answers if isinstance(one, RpcError)]
        if refusals:
            return most_telling(refusals)
        return next(one for one in answers if isinstance(one, NodeFailed))

    async def aclose(self) -> None:
        """Stop offering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, endpoint: Endpoint, text: str) -> asyncio.Task[RpcError | NodeFailed | None]:
        task = asyncio.create_task(self._offer(endpoint, text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _offer(self, endpoint: Endpoint, text: str) -> RpcError | NodeFailed | None:
        try:
            await endpoint.node.request("eth_sendRawTransaction", [text])
        except RpcError as error:
            return None if is_known(error) else error
        except NodeFailed as failure:
            self._endpoints.failed(endpoint, failure)
            return failure
        self._endpoints.answered(endpoint)
        return None


def most_telling(refusals: list[RpcError]) -> str:
    """Return the words of the refusal that says most, bounded and printable."""
    texts = [printable(one.message) or f"error {one.code}" for one in refusals]
    return min(texts, key=_rank)


def _rank(text: str) -> int:
    return next(rank for rank, pattern in enumerate(_TELLING) if pattern.search(text))
