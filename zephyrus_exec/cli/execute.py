"""`execute`: ask a server, show what it says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..client import RemoteExecution, connect
from ..errors import ConfigurationError, OutcomeUnknown, RequestRefused, TransportError
from ..model import Json, JsonObject
from ..protocol.messages import Completed, Failed, Rejected, Reply, Started
from ..protocol.v2.messages import ExecutionCompleted
from .environment import environment_of
from .output import note, plain, print_json, print_table, progress, short, shown

DEFAULT_URL = "ws://localhost:8765"


async def execute_command(options: argparse.Namespace) -> int:
    """Execute an agent on a server; 0: it succeeded, 1: it did not, 2: no such server."""
    url = options.url or environment_of(options).get("WS_URL") or DEFAULT_URL
    try:
        async with connect(url, offer_v2=False) as client:
            execution = client.execute(options.agent_id)
            try:
                last = await (
                    last_reply(execution) if options.json else follow(execution, options.agent_id)
                )
            except OutcomeUnknown as error:
                raise ConfigurationError(
                    f"{url}: {error.message}; what was asked for may have been done, or go on "
                    "without us: look at `executions list` there before asking again"
                ) from error
    except TransportError as error:
        raise ConfigurationError(
            f"{url}: {error.message}; is the server running? Start one with "
            "`zephyrus-exec serve --demo`, or name another with --url"
        ) from error
    if options.json:
        print_json(reply_object(last))
    else:
        print_reply(last)
    return 0 if isinstance(last, Completed) else 1


async def last_reply(execution: RemoteExecution) -> Reply:
    """Return how an execution ended."""
    try:
        return _reply(await execution.result())
    except RequestRefused as error:
        return Rejected(error.message)


async def follow(execution: RemoteExecution, agent_id: str) -> Reply:
    """Show on stderr that the execution is under way, and return how it ended."""
    with progress("waiting for the server …"):
        try:
            await execution.started()
        except RequestRefused as error:
            return Rejected(error.message)
    note(f"started: {agent_id}")
    with progress("running …"):
        return _reply(await execution.result())


def _reply(last: ExecutionCompleted) -> Reply:
    if last.data.success:
        return Completed(last.data.agent_id, last.data.results)
    return Failed(last.data.agent_id, last.data.error or "")


def print_reply(reply: Reply) -> None:
    """Print a last reply for people: results as a table, failures on stderr."""
    match reply:
        case Completed(agent_id, results) if results:
            count = "1 action" if len(results) == 1 else f"{len(results)} actions"
            print_table(f"{agent_id}: {count}", _COLUMNS, map(_row, results))
            for item in results:
                if transaction := item.get("transaction_hash"):
                    print(plain(f"{item.get('function_name')}: transaction {transaction}"))
        case Completed(agent_id):
            print(plain(f"{agent_id}: nothing was done"))
        case Failed(agent_id, error):
            note(plain(f"{agent_id} failed: {error}"))
        case Rejected(message):
            note(plain(f"the server refused the request: {message}"))


def reply_object(reply: Reply) -> JsonObject:
    """Return a last reply as JSON, with the keys of the wire's `data`."""
    match reply:
        case Completed(agent_id, results):
            return {
                "success": True,
                "results": list(results),
                "agent_id": agent_id,
                "execution_count": len(results),
            }
        case Failed(agent_id, error):
            return {"success": False, "error": error, "agent_id": agent_id}
        case Rejected(message):
            return {"success": False, "error": message}
        case Started(agent_id):
            return {"agent_id": agent_id}


_COLUMNS = ("function", "parameters", "result", "block", "gas")


def _row(item: JsonObject) -> Sequence[str]:
    parameters = item.get("parameters")
    named = parameters.items() if isinstance(parameters, dict) else ()
    return (
        shown(item.get("function_name")),
        "\n".join(f"{name} = {short(shown(value))}" for name, value in named),
        _result(item),
        _optional(item.get("block_number")),
        _optional(item.get("gas_used")),
    )


def _result(item: JsonObject) -> str:
    if not item.get("success"):
        return f"failed: {shown(item.get('error'))}"
    if "transaction_hash" in item and item["transaction_hash"] == item.get("result"):
        return "done"
    return short(shown(item.get("result")))


def _optional(value: Json) -> str:
    return "" if value is None else shown(value)
