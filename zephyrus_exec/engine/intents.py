"""What an execution wants to have done on a chain, before it has a slot."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import frozen

from ..errors import ExecutionCancelled
from ..interfaces.chain import Call, Chain
from ..interfaces.signer import Signer
from .journal import Journal
from .records import Effect, lane_key


@frozen
class Intent:
    """An effect before it has a slot."""

    key: str
    execution_id: str
    cycle: int
    step: int
    call: Call
    gas_limit: int | None
    """The agent's; null: the block's."""
    max_priority_fee_gwei: Decimal | None
    confirmations: int
    min_block: int | None
    """Block of the execution's last own receipt."""


@frozen
class Errand:
    """An intent, and everything it is performed with."""

    intent: Intent
    journal: Journal
    chain: Chain
    signer: Signer
    cancelled: Callable[[], bool]
    told: Callable[[Effect], None]

    @property
    def sender(self) -> str:
        """Address of the account that sends it."""
        return self.signer.address

    @property
    def lane(self) -> str:
        """Key of the lane in which it wants its slot."""
        return lane_key(self.chain.chain_id, self.sender)

    def check_wanted(self) -> None:
        """Return if its execution was not asked to end.

        Raises:
            ExecutionCancelled: It was.
        """
        if self.cancelled():
            raise ExecutionCancelled(
                "cancelled before anything was sent", execution_id=self.intent.execution_id
            )
