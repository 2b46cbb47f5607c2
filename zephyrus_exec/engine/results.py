"""The JSON that the journal holds for results and errors."""

from __future__ import annotations

import math

from ..conversion import LARGEST_INTEGER
from ..errors import ZephyrusError, class_of
from ..model import ActionResult, Json, JsonObject


def error_object(error: ZephyrusError) -> dict[str, Json]:
    """Return `{code, message, details}`, which is JSON whatever an agent put into its error."""
    details = {_text(name): _scalar(value) for name, value in error.details.items()}
    return {"code": _text(error.code), "message": _text(error.message), "details": details}


def _scalar(value: object) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _text(value)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - what an agent put there may do anything when it is asked
        text = f"<{type(value).__name__}>"
    return text.encode(errors="backslashreplace").decode()


def error_from(data: JsonObject) -> ZephyrusError:
    """Return the error that `error_object` described, of its own class."""
    details = data.get("details")
    kind = class_of(str(data.get("code"))) or ZephyrusError
    return kind(str(data.get("message", "")), **(details if isinstance(details, dict) else {}))


def result_object(result: ActionResult) -> dict[str, Json]:
    """Return the fields of a result that say something, in the order of `ActionResult`."""
    item: dict[str, Json] = {
        "function_name": result.function_name,
        "parameters": result.parameters,
        "result": result.result,
        "success": result.success,
    }
    optional: JsonObject = {
        "name": result.name or None,
        "message": result.message or None,
        "error": result.error,
        "transaction_hash": result.transaction_hash,
        "block_number": result.block_number,
        "gas_used": result.gas_used,
    }
    item.update((name, value) for name, value in optional.items() if value is not None)
    return item
