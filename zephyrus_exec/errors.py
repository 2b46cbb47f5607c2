"""Every error of the library: one hierarchy, each leaf with a stable code.

A code is what a program may branch on and what goes over the wire; the message is English, for
logs and developers. Texts for people come from `zephyrus_exec.protocol.texts`, which renders a
code and its details in Spanish or English.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


class ZephyrusError(Exception):
    """The root: everything this library raises on purpose is one of these.

    Args:
        message: What happened and what to do about it, in English. Never a path of the machine,
            a traceback or a secret: it may be shown to a peer.
        **details: Named scalars a program can use, for example `agent_id`.
    """

    code: ClassVar[str] = "internal"
    """Stable name of the error, documented, sent over the wire."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed later without anybody changing anything."""

    def __init__(self, message: str = "", **details: Scalar) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(kind: type[ZephyrusError], message: str, details: dict[str, Scalar]) -> ZephyrusError:
    return kind(message, **details)


class ConfigurationError(ZephyrusError):
    """A setting is missing or wrong; the message names it and says what to write."""

    code = "configuration"


class MissingExtra(ConfigurationError):
    """An optional part is not installed; the message holds the exact install line."""

    code = "missing_extra"


class InvalidValue(ConfigurationError):
    """A structured value (agent, contract, settings) breaks its schema.

    Details: `field` (path such as `$.functions[0].type`), `problem`, `remedy`.
    """

    code = "invalid_value"

    @classmethod
    def at(cls, field: str, problem: str, remedy: str) -> InvalidValue:
        """Return the error whose message is `problem @ field; remedy`.

        Args:
            field: Where the value stands, as a path from `$`.
            problem: What is wrong with it.
            remedy: What to write instead.
        """
        return cls(f"{problem} @ {field}; {remedy}", field=field, problem=problem, remedy=remedy)


# --- protocol: what goes over the wire -----------------------------------------------------------


class ProtocolError(ZephyrusError):
    """A rule of the wire protocol was broken."""

    code = "protocol"


class LocalProtocolError(ProtocolError):
    """Our side asked a protocol connection for something its state forbids: a bug here."""

    code = "local_protocol"


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol forbids."""

    code = "remote_protocol"


class MalformedMessage(RemoteProtocolError):
    """A frame is no JSON object: bad syntax, NaN, duplicate keys, lone surrogates, bad UTF-8."""

    code = "invalid_json"


class MessageTooBig(RemoteProtocolError):
    """A frame is larger or deeper than the limit; it was not decoded."""

    code = "too_large"


class UnknownMessageType(RemoteProtocolError):
    """The `type` of a message is none we know. Details: `type`."""

    code = "unknown_type"


class InvalidMessage(RemoteProtocolError):
    """A message lacks a field or has a wrong one: the message is `problem @ $.path`."""

    code = "invalid_request"


class UnexpectedMessage(RemoteProtocolError):
    """A valid message came in a state that does not allow it."""

    code = "unexpected_message"


class DuplicateRequest(RemoteProtocolError):
    """The `request_id` is that of a request that has no answer yet. Details: `request_id`."""

    code = "duplicate_request"


class UnsupportedVersion(RemoteProtocolError):
    """The peer speaks no version of the protocol that is spoken here. Details: `supported`."""

    code = "unsupported_version"


class NotSupported(ProtocolError):
    """The server speaks v1 only, which cannot say that; nothing was sent. Details: `feature`."""

    code = "not_supported"


class RequestRefused(ProtocolError):
    """A server refused a request for a reason that this release has no class for.

    Details: `refusal` (its code; none from a server that speaks v1), `retry_after` (seconds), and
    those of the reason.
    """

    code = "request_refused"


# --- transport: the channel to one peer ----------------------------------------------------------


class TransportError(ZephyrusError):
    """The channel to a peer is no longer usable."""

    code = "transport"


class TransportClosedHere(TransportError):
    """We closed the channel. Details: `close_code`, `reason`."""

    code = "transport_closed_here"


class TransportClosedByPeer(TransportError):
    """The peer closed the channel in good order. Details: `close_code`, `reason`."""

    code = "transport_closed_by_peer"


class TransportRefused(TransportError):
    """The peer was reached but opened no channel. Details: `http_status` where it gave one."""

    code = "transport_refused"


class TransportBroken(TransportError):
    """The channel ended without a farewell: reset, silence, broken frames."""

    code = "transport_broken"
    retryable = True


# --- access: who somebody is ---------------------------------------------------------------------


class AccessError(ZephyrusError):
    """Somebody is not who they would have to be."""

    code = "access"


class Unauthenticated(AccessError):
    """A peer has no credential, or none that is valid; which of the two is not said."""

    code = "unauthenticated"


class Forbidden(AccessError):
    """Somebody known is not allowed to do that."""

    code = "forbidden"


# --- repositories: where agents and contracts come from ------------------------------------------


class RepositoryError(ZephyrusError):
    """An agent or contract could not be had."""

    code = "repository"


class AgentNotFound(RepositoryError):
    """No such agent, or none this principal may see. Details: `agent_id`."""

    code = "agent_not_found"


class ContractNotFound(RepositoryError):
    """No such contract. Details: `contract_id`."""

    code = "contract_not_found"


class InvalidDefinition(RepositoryError):
    """What is stored of an agent or contract cannot be used: it breaks its schema, or is twice.

    Details: `agent_id` or `contract_id`, where it is known; `field`, `problem`, `remedy`.
    """

    code = "invalid_definition"


class RepositoryUnavailable(RepositoryError):
    """The repository cannot answer now."""

    code = "repository_unavailable"
    retryable = True


# --- planners: deciding what to do ---------------------------------------------------------------


class PlannerError(ZephyrusError):
    """The planner did not give a usable decision."""

    code = "planner"


class PlannerNotConfigured(PlannerError):
    """The agent names no planner, or one that is not registered. Details: `planner`, `known`."""

    code = "planner_not_configured"


class InvalidPlan(PlannerError):
    """The planner's settings or its answer cannot be used. Details: `field`."""

    code = "invalid_plan"


class ReferenceNotFound(PlannerError):
    """A parameter refers to a value that does not exist. Details: `reference`, `step`."""

    code = "reference_not_found"


# --- invocation: calling a contract --------------------------------------------------------------


class InvocationError(ZephyrusError):
    """A contract function could not be called, or the call did not succeed."""

    code = "invocation"


class FunctionNotFound(InvocationError):
    """The agent has no such function, or the contract's ABI lacks it. Details: `function`."""

    code = "function_not_found"


class FunctionDisabled(InvocationError):
    """The agent's function is switched off. Details: `function`."""

    code = "function_disabled"


class InvalidArguments(InvocationError):
    """Arguments do not fit the ABI. Details: `function`, `field`, `problem`."""

    code = "invalid_arguments"


class RuleViolated(InvocationError):
    """An argument breaks a rule of the agent. Details: `function`, `field`, `rule`, `problem`."""

    code = "rule_violated"


class CallReverted(InvocationError):
    """The contract refused: decoded reason in the message.

    Details: `function`, `reason`, `error_name` (`Error`, `Panic` or the custom error's name),
    `data` (`0x…`), and `transaction_hash` where a mined transaction reverted.
    """

    code = "call_reverted"


class TransactionRejected(InvocationError):
    """The transaction was refused before anything was sent. Details: `reason`."""

    code = "transaction_rejected"


class GasLimitExceeded(TransactionRejected):
    """The estimate exceeds the agent's gas limit. Details: `gas`, `gas_limit`."""

    code = "gas_limit_exceeded"


class InsufficientFunds(TransactionRejected):
    """The sender cannot pay the worst case. Details: `balance_wei`, `needed_wei`, `sender`."""

    code = "insufficient_funds"


class LaneHalted(TransactionRejected):
    """The sender's lane takes no new transactions. Details: `lane`, `reason`."""

    code = "lane_halted"


class EffectUncertain(InvocationError):
    """What became of a sent transaction is not known yet. Details: `transaction_hash`, `state`."""

    code = "effect_uncertain"


class EffectConflict(InvocationError):
    """The effect's key belongs to another intent already; nothing was sent. Details: `effect_key`.

    The agent's code, or what it was decided by, changed since the execution was journaled.
    """

    code = "effect_conflict"


class EffectCancelled(InvocationError):
    """The transaction was cancelled for good: the call did not happen, and will not.

    Details: `transaction_hash` (of the call), `cancel_hash`.
    """

    code = "effect_cancelled"


class EffectDisplaced(InvocationError):
    """Somebody else used the transaction's nonce: the call did not happen, and will not.

    Details: `transaction_hash` (of the call), `consumer_hash`.
    """

    code = "displaced"


class EffectInDoubt(InvocationError):
    """The transaction's nonce was used and nobody can see by what: the call may have happened.

    Details: `transaction_hash`, `block_number` (where the nonce was seen used).
    """

    code = "in_doubt"


class OperationRefused(InvocationError):
    """An operator asked for something that the record's state forbids. Details: `reason`."""

    code = "operation_refused"


class SignerNotConfigured(InvocationError):
    """The agent names no signer, or one that is not configured. Details: `signer`."""

    code = "signer_not_configured"


class ChainNotConfigured(InvocationError):
    """No RPC URL is configured for the contract's chain. Details: `chain_id`."""

    code = "chain_not_configured"


class NoCodeAtAddress(InvocationError):
    """There is no contract at the address on that chain. Details: `address`, `chain_id`."""

    code = "no_code_at_address"


class UnexpectedResult(InvocationError):
    """What the contract returned does not fit its ABI. Details: `function`, `chain_id`."""

    code = "unexpected_result"


class ChainUnavailable(InvocationError):
    """The node cannot be reached, or answered nonsense. Details: `chain_id`."""

    code = "chain_unavailable"
    retryable = True


# --- store: the journal --------------------------------------------------------------------------


class StoreError(ZephyrusError):
    """The journal could not do what was asked."""

    code = "store"


class StoreConflict(StoreError):
    """A condition of the commit did not hold; nothing of it was written. Details: `what`."""

    code = "store_conflict"


class StoreFenced(StoreError):
    """Somebody else owns this execution now; this process must stop touching it."""

    code = "store_fenced"


class StoreUnavailable(StoreError):
    """The store cannot write or read now (disk full, read-only, locked); nothing was written."""

    code = "store_unavailable"
    retryable = True


class CommitUnknown(StoreError):
    """The commit may or may not have happened: read back before going on."""

    code = "commit_unknown"
    retryable = True


class StoreTooNew(StoreError):
    """The store was written by a newer release. Details: `found`, `supported`."""

    code = "store_too_new"


# --- executions ----------------------------------------------------------------------------------


class ExecutionError(ZephyrusError):
    """An execution was not accepted, or did not end well."""

    code = "execution"


class ExecutionNotFound(ExecutionError):
    """No such execution, or none this principal may see. Details: `execution_id`."""

    code = "execution_not_found"


class ExecutionLost(ExecutionError):
    """The journal ends before what was seen of it: events were lost, as by restoring a backup.

    Details: `stream`, `head_seq` (number of its last event).
    """

    code = "execution_lost"


class EffectNotFound(ExecutionError):
    """No such effect, or none this principal may see. Details: `effect_key`."""

    code = "effect_not_found"


class IdempotencyConflict(ExecutionError):
    """The idempotency key was given with another agent or input before; nothing was executed.

    Details: `execution_id` (what was executed then).
    """

    code = "idempotency_conflict"


class OutcomeUnknown(ExecutionError):
    """Whether the request was executed before cannot be known any more; now it was not.

    Details: `reason` (`epoch`: the journal may have lost events since; `expired`: the key is older
    than keys are kept; `forgotten`: it was executed, and how it ended was forgotten).
    """

    code = "outcome_unknown"


class AgentStopped(ExecutionError):
    """The agent's status is `stopped`. Details: `agent_id`."""

    code = "agent_stopped"


class AgentBusy(ExecutionError):
    """The agent is running and refuses overlap. Details: `agent_id`."""

    code = "agent_busy"
    retryable = True


class Overloaded(ExecutionError):
    """The bounded queue is full; nothing was executed."""

    code = "overloaded"
    retryable = True


class RateLimited(Overloaded):
    """Requests come too fast; nothing was executed. Details: `retry_after`, in seconds."""

    code = "rate_limited"


class Draining(ExecutionError):
    """The service is shutting down and takes no new work."""

    code = "draining"
    retryable = True


class ExecutionTimedOut(ExecutionError):
    """The deadline passed."""

    code = "timed_out"


class ExecutionCancelled(ExecutionError):
    """Somebody asked for the end. Details: `reason`."""

    code = "cancelled"


class ExecutionInterrupted(ExecutionError):
    """The process that ran it is gone and nobody can go on with it. Details: `reason`."""

    code = "interrupted"


class ExecutionReleased(ExecutionError):
    """This process stops; the execution goes on in the next one that opens its journal."""

    code = "released"
    retryable = True


class ReplayMismatch(ExecutionError):
    """A runner asks for other steps than the journal has: its code changed since.

    Details: `asked`, `journaled` (what the journal has next, where it has anything).
    """

    code = "replay_mismatch"


class ActionInDoubt(ExecutionError):
    """The process ended inside an action that must not happen twice; nobody knows how far it got.

    Details: `function`.
    """

    code = "action_in_doubt"


class CycleLimitReached(ExecutionError):
    """The planner still had work after the agent's last cycle. Details: `max_cycles`."""

    code = "cycle_limit_reached"


class RunnerNotConfigured(ExecutionError):
    """The agent names a runner that is not registered. Details: `runner`, `known`."""

    code = "runner_not_configured"


class RunnerFailed(ExecutionError):
    """The agent's code raised; the log has the rest. Details: `incident`."""

    code = "runner_failed"


class NotRunning(ExecutionError):
    """The engine, or the execution whose context was used, is not running (any more)."""

    code = "not_running"


# --- from code to class --------------------------------------------------------------------------


def class_of(code: str, among: type[ZephyrusError] = ZephyrusError) -> type[ZephyrusError] | None:
    """Return the error with that code; null: there is none.

    Args:
        code: As the journal and the wire have it.
        among: It, or one below it.
    """
    if among.__dict__.get("code") == code:
        return among
    found = (class_of(code, kind) for kind in among.__subclasses__())
    return next((kind for kind in found if kind is not None), None)


def is_retryable(code: str) -> bool:
    """Return whether a request that failed with this code may succeed later, all else unchanged."""
    kind = class_of(code)
    return kind is not None and kind.retryable
