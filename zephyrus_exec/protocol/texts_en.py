"""The English texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .wording import Texts

_ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "internal": ("Internal error (incident {incident})", "Internal error"),
    "configuration": ("The service is not configured correctly",),
    "missing_extra": (
        "The server lacks an optional component: {extra}",
        "The server lacks an optional component",
    ),
    "invalid_value": (
        "Invalid value at {field}: {problem}; {remedy}",
        "Invalid value at {field}",
        "Invalid value",
    ),
    "protocol": ("Protocol error",),
    "local_protocol": ("Internal protocol error",),
    "remote_protocol": ("The other side breaks the protocol",),
    "invalid_json": ("Invalid JSON message",),
    "too_large": ("Message too large",),
    "unknown_type": ("Unknown message type: {type}", "Unknown message type"),
    "invalid_request": (
        "Invalid request at {field}: {problem}; {remedy}",
        "Invalid request at {field}",
        "Invalid request",
    ),
    "unexpected_message": ("Unexpected message at this point",),
    "duplicate_request": (
        "Request {request_id} has no answer yet; use another request_id",
        "The earlier request with that request_id has no answer yet",
    ),
    "unsupported_version": (
        "Unsupported version of the protocol; supported: {supported}",
        "Unsupported version of the protocol",
    ),
    "not_supported": (
        "The server speaks protocol v1 only, which lacks: {feature}",
        "The server speaks protocol v1 only",
    ),
    "request_refused": (
        "The server refused the request: {refusal}",
        "The server refused the request",
    ),
    "transport": ("Connection error",),
    "transport_closed_here": ("The server closed the connection",),
    "transport_closed_by_peer": ("The other side closed the connection",),
    "transport_refused": ("The server did not take the connection",),
    "transport_broken": ("The connection was interrupted",),
    "access": ("Access denied",),
    "unauthenticated": ("A valid credential is required",),
    "forbidden": ("Not allowed",),
    "repository": ("The agent's data could not be had",),
    "agent_not_found": ("Agent not found: {agent_id}", "Agent not found"),
    "contract_not_found": ("Contract not found: {contract_id}", "Contract not found"),
    "invalid_definition": (
        "Agent {agent_id} is badly defined at {field}: {problem}",
        "Contract {contract_id} is badly defined at {field}: {problem}",
        "What is stored of an agent or contract is not valid",
    ),
    "repository_unavailable": ("The agent repository is not available; try again later",),
    "planner": ("The planner gave no usable decision",),
    "planner_not_configured": (
        "The agent's planner {planner} is not registered; available: {known}",
        "The agent's planner {planner} is not registered",
        "The agent has no planner; available: {known}",
        "The agent has no planner configured",
    ),
    "invalid_plan": (
        "The agent's plan is invalid at {field}: {problem}",
        "The agent's plan is invalid at {field}",
        "The agent's plan is invalid",
    ),
    "reference_not_found": (
        "Step {step} refers to a value that does not exist: {reference}",
        "A parameter refers to a value that does not exist: {reference}",
        "A parameter refers to a value that does not exist",
    ),
    "invocation": ("The contract call failed",),
    "function_not_found": ("Function not found: {function}", "Function not found"),
    "function_disabled": ("The function {function} is disabled", "The function is disabled"),
    "invalid_arguments": (
        "Invalid argument for {function} at {field}: {problem}",
        "Invalid argument for {function} at {field}",
        "Invalid arguments for {function}",
        "Invalid arguments",
    ),
    "rule_violated": (
        "Argument {field} of {function} breaks the rule {rule}: {problem}",
        "Argument {field} of {function} breaks the rule {rule}",
        "Argument {field} breaks a rule of the agent",
        "An argument breaks a rule of the agent",
    ),
    "call_reverted": (
        "The contract reverted the call of {function}: {reason}",
        "The contract reverted the call of {function} ({error_name})",
        "The contract reverted the call of {function}",
        "The contract reverted the call: {reason}",
        "The contract reverted the call",
    ),
    "transaction_rejected": (
        "The transaction was refused before it was sent: {reason}",
        "The transaction was refused before it was sent",
    ),
    "gas_limit_exceeded": (
        "The transaction needs {gas} gas and the agent's limit is {gas_limit}",
        "The transaction exceeds the agent's gas limit",
    ),
    "insufficient_funds": (
        "Insufficient funds at {sender}: there are {balance_wei} wei, {needed_wei} are needed",
        "Insufficient funds at {sender}",
        "Insufficient funds",
    ),
    "lane_halted": (
        "The sending account takes no new transactions: {reason}",
        "The sending account takes no new transactions",
    ),
    "effect_uncertain": (
        "It is not known yet what became of transaction {transaction_hash}",
        "It is not known yet what became of a transaction that was sent",
    ),
    "effect_conflict": ("The step was journaled as another transaction; nothing was sent",),
    "effect_cancelled": (
        "Transaction {transaction_hash} was cancelled: it did not happen",
        "The transaction was cancelled: it did not happen",
    ),
    "displaced": (
        "Transaction {transaction_hash} did not happen: somebody else used its nonce"
        " ({consumer_hash})",
        "The transaction did not happen: somebody else used its nonce",
    ),
    "in_doubt": (
        "It cannot be found out whether transaction {transaction_hash} happened;"
        " do not repeat it without checking",
        "It cannot be found out whether a transaction happened; do not repeat it without checking",
    ),
    "operation_refused": ("That is not possible now: {reason}", "That is not possible now"),
    "signer_not_configured": (
        "The agent's signer {signer} is not configured",
        "The agent has no signer configured",
    ),
    "chain_not_configured": (
        "Chain {chain_id} is not configured",
        "The contract's chain is not configured",
    ),
    "no_code_at_address": (
        "There is no contract at {address} on chain {chain_id}",
        "There is no contract at {address}",
        "There is no contract at that address",
    ),
    "unexpected_result": (
        "What {function} returned does not fit the contract's ABI",
        "What the contract returned does not fit its ABI",
    ),
    "chain_unavailable": (
        "Chain {chain_id} is not available; try again later",
        "The chain is not available; try again later",
    ),
    "store": ("The execution journal failed",),
    "store_conflict": ("The execution journal changed meanwhile",),
    "store_fenced": ("Another process has taken over the execution",),
    "store_unavailable": ("The execution journal is not available; try again later",),
    "commit_unknown": ("It is not known whether the execution journal kept the data",),
    "store_too_new": (
        "The execution journal is of a newer release ({found}; at most {supported})",
        "The execution journal is of a newer release",
    ),
    "execution": ("The execution failed",),
    "execution_not_found": ("Execution not found: {execution_id}", "Execution not found"),
    "execution_lost": ("Events of {stream} were lost", "Events of the execution were lost"),
    "effect_not_found": ("Effect not found: {effect_key}", "Effect not found"),
    "idempotency_conflict": (
        "This idempotency key belongs to another request (execution {execution_id}); nothing was "
        "executed",
        "This idempotency key belongs to another request; nothing was executed",
    ),
    "outcome_unknown": (
        "Whether this was executed before can no longer be known; now nothing was executed",
    ),
    "agent_stopped": ("Agent {agent_id} is stopped", "The agent is stopped"),
    "agent_busy": ("Agent {agent_id} is already running", "The agent is already running"),
    "overloaded": ("Server overloaded: nothing was executed; try again later",),
    "rate_limited": (
        "Too many requests: nothing was executed; try again in {retry_after} s",
        "Too many requests: nothing was executed; try again later",
    ),
    "draining": ("The server is shutting down: nothing was executed; try again later",),
    "timed_out": ("The execution ran out of time",),
    "cancelled": ("Execution cancelled: {reason}", "Execution cancelled"),
    "interrupted": ("Execution interrupted: the server that ran it stopped before it was done",),
    "released": ("The server is shutting down: the execution goes on when it is back",),
    "replay_mismatch": (
        "Execution interrupted: the agent's code changed and asks for {journaled} no more",
        "Execution interrupted: the agent's code changed and does not follow the journaled steps",
    ),
    "action_in_doubt": (
        "The server stopped during {function} and nobody knows whether it happened;"
        " do not repeat it without checking",
        "The server stopped during an action and nobody knows whether it happened;"
        " do not repeat it without checking",
    ),
    "cycle_limit_reached": (
        "The agent still had work to do after {max_cycles} cycles",
        "The agent used up its cycles with work left to do",
    ),
    "runner_not_configured": (
        "The agent's runner {runner} is not registered; available: {known}",
        "The agent's runner {runner} is not registered",
        "The agent's runner is not registered",
    ),
    "not_running": ("The execution is not running any more",),
    "runner_failed": (
        "The agent failed with an internal error (incident {incident})",
        "The agent failed with an internal error",
    ),
}

ENGLISH: Final = Texts(
    started="Starting execution of agent ",
    nothing_done="No action was executed during the cycle",
    invalid_json="Invalid JSON message",
    type_required="The field type is required",
    agent_id_required="agent_id is required to execute",
    unknown_type="Unknown message type: ",
    action_failed="Action {number} ({action}) failed: {error}",
    one_ran="1 action already ran ({actions})",
    some_ran="{count} actions already ran ({actions})",
    one_of_ran="1 of {total} actions already ran ({actions})",
    some_of_ran="{count} of {total} actions already ran ({actions})",
    without_success="sent without confirmed success: {actions}",
    do_not_repeat="do not repeat without checking",
    errors=_ERRORS,
    unknown_error=("The execution failed ({code})", "The execution failed"),
)
