"""What a terminal says of executions, in English."""

from __future__ import annotations

from typing import Final

from .words import Words

ENGLISH: Final = Words(
    language="en",
    accepted="accepted: agent {agent}, execution {execution}",
    started="started",
    taken_over="another process of the server goes on with it",
    planned="planned: {actions}",
    planned_nothing="planned: nothing more",
    action_started="{step}({arguments})",
    effect_signed="{step}: transaction {transaction}, chain {chain}, nonce {nonce}",
    action_done="{step}: {result}",
    action_failed="{step} failed: {error}",
    progress="progress: {data}",
    cancel_requested="{principal} asked it to end",
    cancel_requested_why="{principal} asked it to end: {reason}",
    effect="{step}: transaction {transaction}: {what}",
    done="done",
    block="block {number}",
    gas="gas {amount}",
    running="running",
    effects={
        "signed": "sent",
        "bumped": "sent again, at a higher fee",
        "mined": "in block {block}",
        "finalized": "final, in block {block}",
        "reorged": "its block was replaced; sent again",
        "nonce_used": "its nonce is used; looking by what",
        "nonce_free": "its nonce is free again",
        "cancelling": "being cancelled",
        "cancelled": "cancelled: it did not happen",
        "displaced": "displaced by another transaction: it did not happen",
        "in_doubt": "in doubt",
        "resolved": "in doubt, and decided by a person",
    },
    reverted="reverted in block {block}: it did not happen",
    statuses={"queued": "queued", "running": "running", "completed": "completed"},
    outcomes={
        "succeeded": "succeeded",
        "failed": "failed",
        "cancelled": "cancelled",
        "timed_out": "timed out",
        "interrupted": "interrupted",
        "in_doubt": "in doubt",
    },
    dispositions={
        "requested": "asked to end; what was signed cannot be recalled. Its last event tells "
        "what came of it",
        "already_terminal": "it had ended already; nothing was changed",
        "not_cancellable": "it cannot be ended now; it goes on",
    },
    request_left="its journal holds the request to end it: the server that runs it finds it within "
    "a second, or else the next one that opens the journal",
    ended="{outcome}: agent {agent}, {done}",
    ended_why="{outcome}: agent {agent}, {done}: {error}",
    none_done="nothing was done",
    one_done="1 action done",
    some_done="{count} actions done",
    counts="effects when it ended: {counts}",
    counted={
        "mined": "{count} in a block",
        "finalized": "{count} final",
        "reverted": "{count} reverted",
        "pending": "{count} not in a block yet",
        "displaced": "{count} displaced",
        "in_doubt": "{count} in doubt",
    },
    look_first="next: some of it was done, or may have been; look before asking again",
    look_in_doubt="next: nobody can see whether {transaction} happened; do not ask again before "
    "that is known. Who operates the server looks with effects show {transaction}, and says what "
    "is true with effects resolve",
    still_pending="next: the server goes on with what is not in a block yet: {command}",
    cancelling="asked to end",
    lost="connection lost, trying again in {seconds} s",
    lost_why="connection lost ({reason}), trying again in {seconds} s",
    connected="connected again",
    left="the execution goes on; to come back: {watch}; to end it: {cancel}",
    left_unknown="it is not known whether the execution began; to get it, or the one that did: "
    "{command}",
    left_v1="the execution goes on, if it began; this server tells no ids: look at executions list "
    "there before you ask again",
    step_columns=("", "step", "state", "transaction", "took"),
    earlier="… {count} earlier",
    list_columns=("execution", "agent", "status", "created (UTC)"),
)
