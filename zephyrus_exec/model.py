"""The values everything speaks of: frozen, comparable, free of behaviour that needs the world."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeGuard

from attrs import Attribute, field, frozen

from .errors import InvalidValue

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]

_Validator: TypeAlias = Callable[[object, "Attribute[Any]", object], None]

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


def _is_finite_number(value: object) -> TypeGuard[int | Decimal]:
    return value.is_finite() if isinstance(value, Decimal) else type(value) is int


def _at_least(bound: int) -> _Validator:
    """Return a validator for numbers; null passes, since only optional fields may be null."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is None:
            return
        if not _is_finite_number(value) or value < bound:
            raise InvalidValue.at(
                f"$.{attribute.name}", "is out of range", f"write a number of at least {bound}"
            )

    return check


def _text(longest: int) -> _Validator:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            raise InvalidValue.at(
                f"$.{attribute.name}",
                "is empty or too long",
                f"write a string of 1 to {longest} characters",
            )

    return check


def _address(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise InvalidValue.at(
            f"$.{attribute.name}", "is no address", "write 0x and 40 hexadecimal digits"
        )


def _regular_expression(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is None:
        return
    try:
        re.compile(value if isinstance(value, str) else "(")
    except (re.error, OverflowError, RecursionError):
        raise InvalidValue.at(
            f"$.{attribute.name}",
            "is no regular expression",
            "write one as Python's `re` understands it",
        ) from None


class AgentStatus(StrEnum):
    """Whether an agent may run: `paused` ones run when asked, `stopped` ones never."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class OnFailure(StrEnum):
    """What a failed action does: end the execution, or ask the planner again."""

    STOP = "stop"
    CONTINUE = "continue"


class Overlap(StrEnum):
    """What becomes of a request for an agent that already runs `max_concurrent` times."""

    QUEUE = "queue"
    """It waits its turn."""
    JOIN = "join"
    """It gets the execution that is already running."""
    REFUSE = "refuse"
    """It is refused with `agent_busy`."""


class FunctionType(StrEnum):
    """How a contract function is called."""

    READ = "read"
    WRITE = "write"
    PAYABLE = "payable"


@frozen
class Component:
    """The name of something registered (a runner, a planner) and its settings."""

    name: str
    """The registered name, for example `steps`."""
    settings: JsonObject = field(factory=dict)
    """Its settings; their shape is the component's own business."""


@frozen
class Rules:
    """Bounds for one parameter, checked before any node is asked. Numbers compare as integers."""

    minimum: int | None = None
    """Smallest allowed number, inclusive."""
    maximum: int | None = None
    """Largest allowed number, inclusive."""
    allowed: tuple[Json, ...] | None = None
    """The only values allowed; addresses compare without regard to case."""
    pattern: str | None = field(default=None, validator=_regular_expression)
    """A regular expression the whole string must match."""
    min_length: int | None = field(default=None, validator=_at_least(0))
    """Shortest allowed string, byte string or array, in characters, bytes or items."""
    max_length: int | None = field(default=None, validator=_at_least(0))
    """Longest allowed string, byte string or array, in characters, bytes or items."""


@frozen
class FunctionParameter:
    """What the agent says about one parameter of a function, beyond the ABI."""

    name: str
    """The ABI's name of the parameter, or its position (`"0"`) where the ABI gives none."""
    rules: Rules = field(factory=Rules)
    """Bounds for its value."""
    default: Json = None
    """Used where the action gives no value; null: there is no default."""


@frozen
class AgentFunction:
    """One contract function an agent may call."""

    name: str
    """What actions call it by; the ABI's name unless `signature` says otherwise."""
    signature: str = ""
    """Canonical ABI signature such as `transfer(address,uint256)`; chooses among overloads."""
    type: FunctionType = FunctionType.READ
    """Read, write, or write with a value."""
    enabled: bool = True
    """Whether it may be called now."""
    parameters: tuple[FunctionParameter, ...] = ()
    """Rules and defaults per parameter; parameters of the ABI not named here are free."""
    abi: JsonObject | None = None
    """The function's own ABI entry; null: it is looked up in the contract's ABI."""
    confirmations: int | None = field(default=None, validator=_at_least(1))
    """Blocks after which its receipt counts, its own included; null: the chain's default."""


@frozen
class Agent:
    """Something that can be executed."""

    id: str = field(validator=_text(256))
    """Unique, at most 256 characters."""
    name: str = ""
    """For people."""
    description: str = ""
    """For people, and for planners that read."""
    contract_id: str | None = None
    """The contract it is bound to; null: none."""
    status: AgentStatus = AgentStatus.ACTIVE
    """Whether it may run."""
    owner: str | None = None
    """Id of the principal it belongs to; null: nobody in particular."""
    gas_limit: int | None = field(default=None, validator=_at_least(1))
    """Most gas one of its transactions may ask for; null: the block's limit."""
    max_priority_fee_gwei: Decimal | None = field(default=None, validator=_at_least(0))
    """Most it pays as priority fee, in gwei; null: what the chain suggests."""
    runner: Component | None = None
    """Which registered runner executes it; null: `cycle`."""
    planner: Component | None = None
    """Which registered planner decides for the cycle runner; null: none."""
    functions: tuple[AgentFunction, ...] = ()
    """The contract functions it may call."""
    signer: str | None = None
    """Name of the configured signer that signs for it; null: it only reads."""
    on_failure: OnFailure = OnFailure.STOP
    """What a failed action does."""
    max_cycles: int = field(default=10, validator=_at_least(1))
    """How often the planner may be asked in one execution, at least 1."""
    max_concurrent: int = field(default=1, validator=_at_least(1))
    """How many of its executions may run at once, at least 1."""
    overlap: Overlap = Overlap.QUEUE
    """What becomes of requests beyond `max_concurrent`."""
    schedules: tuple[JsonObject, ...] = ()
    """Kept for a scheduler; nothing schedules yet."""


@frozen
class Contract:
    """A contract at an address of a chain."""

    id: str = field(validator=_text(256))
    """Unique; often the address."""
    address: str = field(validator=_address)
    """`0x` and 40 hex digits."""
    chain_id: int = field(validator=_at_least(1))
    """EIP-155 chain id."""
    name: str = ""
    """For people."""
    type: str = ""
    """For people, for example `ERC20`."""
    abi: tuple[JsonObject, ...] = ()
    """The ABI as the Solidity compiler gives it."""


@frozen
class Principal:
    """On whose behalf something is asked."""

    id: str
    """Stable and unique within the service."""
    scopes: frozenset[str] = frozenset({"execute", "watch"})
    """What it may do: `execute`, `watch`, `operate`."""


ANONYMOUS: Final = Principal("anonymous")
"""Who asks where nobody has to say who they are."""

OPERATOR: Final = Principal("operator", frozenset({"execute", "watch", "operate"}))
"""Who asks from the service's own process: its command line, its host application."""


@frozen
class Action:
    """One call of one contract function, decided by a planner."""

    function: str
    """Name of one of the agent's functions."""
    parameters: JsonObject = field(factory=dict)
    """Values by parameter name."""
    value_wei: int = 0
    """Native currency sent along, in wei; only for payable functions."""
    name: str = ""
    """What later actions refer to it by; may be empty."""
    message: str = ""
    """Why the planner chose it; may be empty."""


@frozen
class ActionResult:
    """What came of one action."""

    function_name: str
    """The function, or the name a runner gave its action."""
    parameters: JsonObject
    """The values it was called with, defaults filled in."""
    result: Json
    """What it returned; null where it failed or returned nothing."""
    success: bool
    """Whether it did what it should."""
    name: str = ""
    """The action's own name, if it had one."""
    message: str = ""
    """Why it was chosen, if anybody said so."""
    error: JsonObject | None = None
    """`{code, message, details}` where it failed."""
    transaction_hash: str | None = None
    """Hash of its transaction, where it sent one."""
    block_number: int | None = None
    """Block of the receipt, or the block a read was answered at."""
    gas_used: int | None = None
    """Gas its transaction used."""


class Outcome(StrEnum):
    """How an execution really ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"
    IN_DOUBT = "in_doubt"


class EventKind(StrEnum):
    """The facts an execution's journal is made of; `completed` is always the last."""

    ACCEPTED = "accepted"
    """`{agent_id, snapshot, principal, input, deadline}`; snapshot: key of the stored agent."""
    STARTED = "started"
    """`{owner}`: a process began to run it."""
    TAKEN_OVER = "taken_over"
    """`{owner, from}`: another process goes on where the journal stands."""
    PLANNED = "planned"
    """`{cycle, actions, final}`: what the planner decided, before anything is done with it."""
    ACTION_STARTED = "action_started"
    """`{cycle, step, function_name, parameters, message?, once?}`"""
    EFFECT_SIGNED = "effect_signed"
    """`{effect_key, cycle, step, chain_id, sender, nonce, transaction_hash}`: committed, about to
    be sent."""
    ACTION_FINISHED = "action_finished"
    """`{cycle, step}` and the fields of `ActionResult`."""
    PROGRESS = "progress"
    """Whatever the runner emitted, an object."""
    CANCEL_REQUESTED = "cancel_requested"
    """`{principal, reason}`"""
    COMPLETED = "completed"
    """`{outcome, results, error, planned, effects}`: the end, exactly once."""


@frozen
class Event:
    """One fact of a journal, as stored."""

    stream: str
    """The journal it belongs to: an execution id."""
    seq: int
    """1, 2, 3, … without a gap within its stream."""
    at: float
    """Seconds since the epoch, by the writer's clock."""
    kind: str
    """One of `EventKind`, or a kind a newer release wrote."""
    body: str
    """Its data as JSON text: encoded once, whoever reads it."""
    schema: int = 1
    """Number of the form `body` has."""
    position: int = 0
    """Its place among all events of the store; grows, may have gaps."""

    @property
    def data(self) -> dict[str, Json]:
        """The body, decoded anew at each call."""
        value: dict[str, Json] = json.loads(self.body)
        return value


@frozen
class Execution:
    """How one execution stands: a view of its journal."""

    id: str
    agent_id: str
    principal: str
    """Id of the principal that asked for it."""
    status: str
    """`queued`, `running` or `completed`."""
    created_at: float
    """Seconds since the epoch."""
    ended_at: float | None = None
    """Seconds since the epoch; null: not ended."""
    outcome: Outcome | None = None
    """How it ended; null: not ended."""
    error: JsonObject | None = None
    """`{code, message, details}` where it did not succeed."""
    agent_owner: str | None = None
    """Id of the principal that owned the agent when it was accepted; null: nobody did."""
