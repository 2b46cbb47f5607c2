"""What the events of an execution tell, by their kind: one class for each shape of `data`.

They are for documents and for checks: the engine writes the same as text. A name that Python keeps
for itself ends with an underscore here, and without on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from ...model import EventKind, Json, JsonObject, Outcome
from .bounds import Within
from .messages import EffectCounts


@frozen
class Accepted:
    """The execution is accepted; nothing of it has happened yet."""

    agent_id: str
    """Which agent."""
    snapshot: str
    """Names the stored agent and contract, as they were then."""
    principal: str
    """Who asked for it."""
    input: Json
    """What the agent was given; null: nothing."""
    deadline: float
    """When it must end."""


@frozen
class Started:
    """A process of the server began to run it."""

    owner: str
    """Names that process."""


@frozen
class TakenOver:
    """Another process goes on where the journal stands."""

    owner: str
    """Names that process."""
    from_: str
    """Names the one before, which is gone."""


@frozen
class Planned:
    """What was decided, before anything is done with it; a runner of its own may add keys."""

    cycle: int = field(validator=Within(1))
    """How often a decision was asked for, this time included."""
    actions: Json = None
    """What is to be done, in this order; by the runner `cycle`, a list of
    `{function, parameters, value_wei, name, message}`."""
    final: Json = None
    """Whether nothing more is to be decided after these."""


@frozen
class ActionStarted:
    """An action begins."""

    cycle: int = field(validator=Within(0))
    """The decision that it belongs to; 0: none."""
    step: int = field(validator=Within(1))
    """Its number within the execution."""
    function_name: str
    """The contract function, or the name a runner gave its action."""
    parameters: JsonObject
    """The values it is called with, defaults filled in."""
    message: str = ""
    """Why it was chosen, where anybody said so."""
    once: bool = False
    """Whether it must not happen twice, and cannot be watched: where the process ends inside it,
    the execution ends as `in_doubt`."""


@frozen
class EffectSigned:
    """A transaction is signed and committed, and about to be sent."""

    effect_key: str
    """Names the effect; `subscribe` to it tells what becomes of it."""
    cycle: int = field(validator=Within(0))
    """The decision that it belongs to; 0: none."""
    step: int = field(validator=Within(1))
    """The action that it belongs to."""
    chain_id: int = field(validator=Within(1))
    """EIP-155 chain id."""
    sender: str
    """`0x…`: the account that signs."""
    nonce: int = field(validator=Within(0))
    """The account's, for this transaction."""
    transaction_hash: str
    """`0x…`; a better offer made later has another one."""


@frozen
class JournaledError:
    """What went wrong, as the journal holds it."""

    code: str
    """See the list of codes."""
    message: str
    """In English, for developers."""
    details: JsonObject
    """What programs may use, by the code."""


@frozen
class JournaledResult:
    """What came of one action, as the journal holds it."""

    function_name: str
    """The contract function, or the name a runner gave its action."""
    parameters: JsonObject
    """The values it was called with, defaults filled in."""
    result: Json
    """What it returned; a transaction's hash; null where it failed."""
    success: bool
    """Whether it did what it should."""
    name: str = ""
    """The action's own name, if it had one."""
    message: str = ""
    """Why it was chosen, where anybody said so."""
    error: JournaledError | None = None
    """Why it failed; absent: it did not."""
    transaction_hash: str | None = None
    """`0x…`, where it sent a transaction."""
    block_number: int | None = None
    """Block of the receipt, or at which a read was answered."""
    gas_used: int | None = None
    """Gas its transaction used."""


@frozen(kw_only=True)
class ActionFinished(JournaledResult):
    """An action ended, well or not."""

    cycle: int = field(validator=Within(0))
    """The decision that it belongs to; 0: none."""
    step: int = field(validator=Within(1))
    """Its number within the execution."""


@frozen
class Progress:
    """Whatever the runner tells, an object."""


@frozen
class CancelRequested:
    """Somebody asked for the end."""

    principal: str
    """Who."""
    reason: str | None
    """Why, where it was said."""


@frozen
class Completed:
    """The end, exactly once. On the wire `execution_response` stands for it."""

    outcome: Outcome
    """How it really ended."""
    results: tuple[JournaledResult, ...]
    """One item per action, in the order in which they ended."""
    error: JournaledError | None
    """Why it did not succeed; null: it did."""
    planned: int = field(validator=Within(0))
    """How many actions were decided on."""
    effects: EffectCounts
    """Where its effects stand."""


DATA: Final[Mapping[EventKind, type[Any]]] = {
    EventKind.ACCEPTED: Accepted,
    EventKind.STARTED: Started,
    EventKind.TAKEN_OVER: TakenOver,
    EventKind.PLANNED: Planned,
    EventKind.ACTION_STARTED: ActionStarted,
    EventKind.EFFECT_SIGNED: EffectSigned,
    EventKind.ACTION_FINISHED: ActionFinished,
    EventKind.PROGRESS: Progress,
    EventKind.CANCEL_REQUESTED: CancelRequested,
    EventKind.COMPLETED: Completed,
}
"""The shape of the data of each kind."""
OPEN: Final[frozenset[type[Any]]] = frozenset({Planned, Progress})
"""Those that hold more than their class says: what a runner put there."""
