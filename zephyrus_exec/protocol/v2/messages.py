"""What v2 carries (spec `protocol.md`, "v2, additive"): one class per message.

The classes are the source of everything that describes the protocol: the codec, the schema of
every frame, the AsyncAPI document and the reference page. Fields stand in the order of the wire;
one whose value is its default is left out there. Times are seconds since the epoch, durations
seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, TypeAlias

from attrs import field, frozen

from ...model import Json, JsonObject, Outcome
from ..messages import MAX_AGENT_ID
from .bounds import OneOf, Text, Within, items

VERSION: Final = 2
MAX_REQUEST_ID: Final = 128
MAX_IDEMPOTENCY_KEY: Final = 256
MAX_EXECUTION_ID: Final = 256
MAX_CREDENTIAL: Final = 8192
MAX_REASON: Final = 1000
MAX_LISTED: Final = 1000


# --- opening -------------------------------------------------------------------------------------


@frozen
class Credential:
    """Who somebody is."""

    scheme: str = field(validator=Text(32))
    """`bearer` (RFC 6750)."""
    token: str = field(repr=False, validator=Text(MAX_CREDENTIAL))
    """The credential itself; it is never logged."""


@frozen
class Hello:
    """The first message of a client."""

    type: ClassVar[str] = "hello"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    versions: tuple[int, ...]
    """The versions of the protocol that it speaks."""
    client: str | None = field(default=None, validator=Text(256))
    """Its name and release, for logs."""
    auth: Credential | None = None
    """Where the handshake carried no credential, and one is needed."""


@frozen
class Identity:
    """On whose behalf a connection asks."""

    id: str
    """Its name, unique on this server."""
    scopes: tuple[str, ...]
    """Any of `execute`, `watch`, `operate`."""
    expires_at: float | None
    """When its credential ends; null: it does not end by itself."""


@frozen
class Limits:
    """Every bound the server enforces."""

    max_message_bytes: int
    """Longest message taken, in bytes of UTF-8."""
    max_message_depth: int
    """Deepest nesting of a message, the outermost object being 1."""
    max_requests: int
    """Most unanswered requests of one connection; further ones get `overloaded`."""
    max_subscriptions: int
    """Most executions and effects that one connection watches at once; likewise."""
    max_request_rate: float
    """Most requests a second of one connection, a second's worth at once; 0: no bound."""
    hello_timeout: float
    """Seconds until `hello`."""
    stall_timeout: float
    """Seconds after which a peer that takes nothing is closed with 4510."""
    max_duration: float
    """Seconds that an execution may take."""
    executions_kept: int | None
    """How many ended executions are kept; null: all of them."""
    idempotency_key_retention: float
    """Seconds for which an idempotency key is known."""
    max_idempotency_key: int
    """Longest idempotency key, in characters."""
    max_agent_id: int
    """Longest agent id, in characters."""
    executions_kept_for: float | None = None
    """Seconds that ended executions are kept; null: for ever."""


@frozen
class Heartbeat:
    """How silence is understood, by both sides."""

    ping_after: float
    """Seconds of silence of the client after which the server asks with `ping`."""
    lost_after: float
    """Seconds of silence after which the other side counts as gone."""


HEARTBEAT: Final = Heartbeat(ping_after=25.0, lost_after=60.0)


@frozen
class HelloAck:
    """The answer to `hello`: the connection is open."""

    type: ClassVar[str] = "hello_ack"

    request_id: str
    """That of the request."""
    version: int = field(validator=OneOf((VERSION,)))
    """The version that is spoken."""
    server: str
    """Its name and release, for logs."""
    connection_id: str
    """Names this connection in the server's log."""
    store_epoch: str
    """Names the incarnation of the store: another one means that events may have been lost."""
    principal: Identity
    """On whose behalf the connection asks."""
    limits: Limits
    """What is enforced."""
    heartbeat: Heartbeat
    """What silence means."""


@frozen
class AuthExpiring:
    """The credential of this connection ends soon; `auth` renews it, else close 4401."""

    type: ClassVar[str] = "auth_expiring"

    expires_at: float
    """When it ends."""


@frozen
class Auth:
    """Another credential of the same principal."""

    type: ClassVar[str] = "auth"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    scheme: str = field(validator=Text(32))
    """`bearer` (RFC 6750)."""
    token: str = field(repr=False, validator=Text(MAX_CREDENTIAL))
    """The credential itself; it is never logged."""


@frozen
class AuthAck:
    """The new credential counts from now on."""

    type: ClassVar[str] = "auth_ack"

    request_id: str
    """That of the request."""
    principal: Identity
    """The same as before, and when the new credential ends."""


# --- start ---------------------------------------------------------------------------------------


@frozen
class Execute:
    """Ask for one execution of an agent; its events follow."""

    type: ClassVar[str] = "execute"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    agent_id: str = field(validator=Text(MAX_AGENT_ID))
    """Which agent."""
    idempotency_key: str | None = field(default=None, validator=Text(MAX_IDEMPOTENCY_KEY))
    """Names what the client wants done: the same key asks for the same execution, once."""
    store_epoch: str | None = field(default=None, validator=Text(MAX_EXECUTION_ID))
    """The epoch under which the key was sent first. Where that is over, nothing runs."""
    input: Json = None
    """For the agent."""
    deadline: float | None = field(default=None, validator=Within(0))
    """When it must end; `max_duration` bounds it in any case."""


@frozen
class StartedData:
    """What v1 says, and whether this is an answer to a key that was known."""

    success: bool = field(validator=OneOf((True,)))
    """True."""
    message: str
    """For people."""
    status: str = field(validator=OneOf(("started",)))
    """`started`"""
    replayed: bool
    """Whether the key was known: this is the execution that was accepted under it then."""


@frozen
class ExecutionStarted:
    """The execution is accepted, and journaled; every event of it follows, from the first."""

    type: ClassVar[str] = "execution_response"

    request_id: str
    """That of the request."""
    execution_id: str
    """Names the execution from now on, for everybody who may watch it."""
    store_epoch: str
    """What to repeat the request with, should it have to be."""
    seq: int = field(validator=OneOf((1,)))
    """1: of the event that says so."""
    data: StartedData
    """What v1 says, and more."""


# --- watch ---------------------------------------------------------------------------------------


@frozen
class ExecutionEvent:
    """One event of an execution's journal; the same bytes for everyone."""

    type: ClassVar[str] = "execution_event"

    execution_id: str
    """Whose event."""
    seq: int = field(validator=Within(1))
    """1, 2, 3, … without a gap."""
    at: float
    """When it was written, by the server's clock."""
    event: str
    """Its kind. Clients ignore kinds that they do not know."""
    data: JsonObject
    """What is told, by its kind."""


@frozen
class ErrorInfo:
    """What went wrong, for programs."""

    code: str
    """See the list of codes."""
    message: str
    """In English, for developers; `error` beside it is for people."""
    retryable: bool
    """Whether the same request may succeed later without anybody changing anything."""
    details: JsonObject = field(factory=dict)
    """What programs may use, by the code."""


@frozen
class EffectCounts:
    """Where the effects of an execution stood at its end."""

    mined: int = field(validator=Within(0))
    """In a block, as deep as was asked for, and it succeeded; not final yet."""
    finalized: int = field(validator=Within(0))
    """In a final block, and it succeeded: it happened."""
    reverted: int = field(validator=Within(0))
    """In a block, and the contract refused."""
    pending: int = field(validator=Within(0))
    """Signed, and in no block yet."""
    displaced: int = field(validator=Within(0))
    """Its nonce was used by something else: it did not happen, and will not."""
    in_doubt: int = field(validator=Within(0))
    """Its nonce was used, and nobody can see by what: it may have happened."""


@frozen
class ResultItem:
    """What came of one action."""

    function_name: str
    """The contract function, or the name a runner gave its action."""
    parameters: JsonObject
    """The values it was called with, defaults filled in."""
    result: Json
    """What it returned; a transaction's hash; null where it failed."""
    success: bool
    """Whether it did what it should."""
    message: str = ""
    """Why it was chosen, where anybody said so."""
    error: str | None = None
    """Where it failed, for people."""
    transaction_hash: str | None = None
    """`0x…`, where it sent a transaction."""
    block_number: int | None = None
    """Block of the receipt, or at which a read was answered."""
    gas_used: int | None = None
    """Gas its transaction used."""


@frozen(kw_only=True)
class CompletedData:
    """What v1 says, and what really happened."""

    success: bool
    """Whether the outcome is `succeeded`."""
    results: tuple[JsonObject, ...] = field(metadata=items(ResultItem))
    """One item per action, in the order in which they ended."""
    error: str | None = None
    """Why it did not succeed and what had been done by then, for people."""
    agent_id: str
    """Which agent."""
    execution_count: int
    """How many results."""
    message: str | None = None
    """Says that nothing was done, where nothing was."""
    status: str = field(validator=OneOf(("completed",)))
    """`completed`"""
    outcome: Outcome
    """How it really ended."""
    error_info: ErrorInfo | None
    """Why it did not succeed; null: it did."""
    effects: EffectCounts
    """Where its effects stand; what becomes of them is told by `effect_event`."""


@frozen
class ExecutionCompleted:
    """The last event of an execution."""

    type: ClassVar[str] = "execution_response"
    event: ClassVar[str] = "completed"
    """The kind of event that it stands for; not on the wire."""

    execution_id: str
    """Whose event."""
    seq: int = field(validator=Within(1))
    """That of the event `completed`, which this stands for."""
    at: float
    """When it was written, by the server's clock."""
    data: CompletedData
    """What v1 says, and more."""


@frozen
class Subscribe:
    """Watch an execution, or an effect, from behind an event on."""

    type: ClassVar[str] = "subscribe"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    execution_id: str | None = field(default=None, validator=Text(MAX_EXECUTION_ID))
    """Which execution; either this or `effect_key`."""
    effect_key: str | None = field(default=None, validator=Text(MAX_EXECUTION_ID))
    """Which effect."""
    from_seq: int = field(default=0, validator=Within(0))
    """The last event that is known already."""


@frozen(kw_only=True)
class Subscribed:
    """Every event behind `from_seq` follows."""

    type: ClassVar[str] = "subscribed"

    request_id: str
    """That of the request."""
    execution_id: str | None = None
    """Which execution; either this or `effect_key`."""
    effect_key: str | None = None
    """Which effect."""
    head_seq: int = field(validator=Within(0))
    """The last event so far."""
    terminal: bool
    """Whether that is the last one."""


@frozen
class Unsubscribe:
    """Watch it no longer."""

    type: ClassVar[str] = "unsubscribe"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    execution_id: str | None = field(default=None, validator=Text(MAX_EXECUTION_ID))
    """Which execution; either this or `effect_key`."""
    effect_key: str | None = field(default=None, validator=Text(MAX_EXECUTION_ID))
    """Which effect."""


@frozen
class Unsubscribed:
    """No event of it follows."""

    type: ClassVar[str] = "unsubscribed"

    request_id: str
    """That of the request."""
    execution_id: str | None = None
    """Which execution; either this or `effect_key`."""
    effect_key: str | None = None
    """Which effect."""


@frozen
class EffectEvent:
    """Something happened to an effect."""

    type: ClassVar[str] = "effect_event"

    effect_key: str
    """Whose event."""
    seq: int = field(validator=Within(1))
    """1, 2, 3, … without a gap."""
    at: float
    """When it was written, by the server's clock."""
    event: str
    """Its kind. Clients ignore kinds that they do not know."""
    data: JsonObject
    """What is told, by its kind."""


@frozen
class GetExecution:
    """Ask how an execution stands."""

    type: ClassVar[str] = "get_execution"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    execution_id: str = field(validator=Text(MAX_EXECUTION_ID))
    """Which execution."""


@frozen
class ExecutionView:
    """How an execution stands."""

    execution_id: str
    """Which execution."""
    agent_id: str
    """Which agent."""
    principal: str
    """Who asked for it."""
    status: str = field(validator=OneOf(("queued", "running", "completed")))
    """Whether it waits, runs or has ended."""
    created_at: float
    """When it was accepted."""
    ended_at: float | None
    """When it ended; null: not yet."""
    outcome: Outcome | None
    """How it ended; null: not yet."""
    error_info: ErrorInfo | None
    """Why it did not succeed; null: it did, or has not ended."""
    head_seq: int | None = None
    """Its last event so far; not in lists."""


@frozen
class ExecutionReport:
    """How that execution stands."""

    type: ClassVar[str] = "execution"

    request_id: str
    """That of the request."""
    execution: ExecutionView
    """How it stands."""


@frozen
class ListExecutions:
    """Ask which executions there are, newest first."""

    type: ClassVar[str] = "list_executions"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    limit: int = field(default=100, validator=Within(1, MAX_LISTED))
    """How many at most."""
    before: str | None = field(default=None, validator=Text(MAX_EXECUTION_ID))
    """The `next` of the page before; null: from the newest on."""
    agent_id: str | None = field(default=None, validator=Text(MAX_AGENT_ID))
    """Only those of this agent; null: of any."""


@frozen
class ExecutionList:
    """Executions that the principal may watch, newest first."""

    type: ClassVar[str] = "executions"

    request_id: str
    """That of the request."""
    executions: tuple[ExecutionView, ...]
    """At most `limit` of them."""
    next: str | None
    """What to give as `before` to go on; null: there are no more."""


# --- steer ---------------------------------------------------------------------------------------


@frozen
class Cancel:
    """Ask an execution to end; what was signed cannot be recalled."""

    type: ClassVar[str] = "cancel"

    request_id: str = field(validator=Text(MAX_REQUEST_ID))
    """Chosen by the client; unique among its unanswered requests on this connection."""
    execution_id: str = field(validator=Text(MAX_EXECUTION_ID))
    """Which execution."""
    reason: str | None = field(default=None, validator=Text(MAX_REASON))
    """For its journal."""


@frozen
class CancelAck:
    """It was asked; its last event tells what came of it."""

    type: ClassVar[str] = "cancel_ack"

    request_id: str
    """That of the request."""
    execution_id: str
    """Which execution."""
    disposition: str = field(validator=OneOf(("requested", "already_terminal", "not_cancellable")))
    """`requested`: its last event tells whether that came in time. `already_terminal`: it had ended
    before. `not_cancellable`: nobody here can end it."""


# --- liveness and errors -------------------------------------------------------------------------


@frozen
class Ping:
    """Are you there?"""

    type: ClassVar[str] = "ping"

    t: float
    """The server's time; `pong` repeats it."""


@frozen
class Pong:
    """I am."""

    type: ClassVar[str] = "pong"

    t: float
    """That of the `ping`."""


@frozen
class GoAway:
    """This server shuts down: it takes nothing new; connect again, and go on where you were."""

    type: ClassVar[str] = "goaway"

    retry_after: float
    """Seconds until that makes sense."""


@frozen
class ErrorData:
    """What went wrong."""

    message: str
    """For people."""
    code: str
    """For programs; see the list of codes."""
    retryable: bool
    """Whether the same request may succeed later without anybody changing anything."""
    retry_after: float | None = None
    """Seconds until that makes sense."""
    details: JsonObject | None = None
    """What programs may use."""


@frozen(kw_only=True)
class Error:
    """A request is refused, or a frame was none."""

    type: ClassVar[str] = "error"

    request_id: str | None = None
    """Which request; absent: the frame held none that could be told."""
    data: ErrorData
    """Why."""


ClientMessage: TypeAlias = (
    Hello | Auth | Execute | Subscribe | Unsubscribe | GetExecution | ListExecutions | Cancel | Pong
)
ServerMessage: TypeAlias = (
    HelloAck
    | AuthExpiring
    | AuthAck
    | ExecutionStarted
    | ExecutionEvent
    | ExecutionCompleted
    | Subscribed
    | Unsubscribed
    | EffectEvent
    | ExecutionReport
    | ExecutionList
    | CancelAck
    | Ping
    | GoAway
    | Error
)
CLIENT_MESSAGES: Final[tuple[type[ClientMessage], ...]] = (
    Hello,
    Auth,
    Execute,
    Subscribe,
    Unsubscribe,
    GetExecution,
    ListExecutions,
    Cancel,
    Pong,
)
SERVER_MESSAGES: Final[tuple[type[ServerMessage], ...]] = (
    HelloAck,
    AuthExpiring,
    AuthAck,
    ExecutionStarted,
    ExecutionEvent,
    ExecutionCompleted,
    Subscribed,
    Unsubscribed,
    EffectEvent,
    ExecutionReport,
    ExecutionList,
    CancelAck,
    Ping,
    GoAway,
    Error,
)
ANSWERS: Final[Mapping[type[ClientMessage], type[ServerMessage]]] = {
    Hello: HelloAck,
    Auth: AuthAck,
    Execute: ExecutionStarted,
    Subscribe: Subscribed,
    Unsubscribe: Unsubscribed,
    GetExecution: ExecutionReport,
    ListExecutions: ExecutionList,
    Cancel: CancelAck,
}
"""What answers each request that is granted; one that is not gets `Error`."""
TARGETED: Final = (Subscribe, Subscribed, Unsubscribe, Unsubscribed)
"""Those that name either an execution or an effect."""
