"""What errors of a server, and the ends of connections, mean for whoever waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import (
    Forbidden,
    ProtocolError,
    RequestRefused,
    Scalar,
    TransportClosedByPeer,
    TransportError,
    TransportRefused,
    Unauthenticated,
    UnsupportedVersion,
    ZephyrusError,
    class_of,
)
from ..model import Json, JsonObject
from ..protocol.v2.messages import ErrorData, ErrorInfo
from ..protocol.v2.server import CloseCode

LONGEST_WAIT: Final = 3600.0
"""Seconds that a server may ask to wait at most."""
_BY_STATUS: Final[Mapping[Scalar, type[ZephyrusError]]] = {401: Unauthenticated, 403: Forbidden}
_BY_CLOSE_CODE: Final[Mapping[Scalar, type[ZephyrusError]]] = {
    CloseCode.UNAUTHENTICATED: Unauthenticated,
    CloseCode.FORBIDDEN: Forbidden,
    CloseCode.VERSION: UnsupportedVersion,
}


def refusal(data: ErrorData | ErrorInfo) -> ZephyrusError:
    """Return the error that a server tells, of the class that has its code."""
    details = _scalars(data.details or {})
    if isinstance(data, ErrorData) and data.retry_after is not None:
        details["retry_after"] = data.retry_after
    kind = class_of(data.code)
    if kind is None:
        return RequestRefused(data.message, **{**details, "refusal": data.code})
    return kind(data.message, **details)


def _scalars(details: JsonObject) -> dict[str, Scalar]:
    """Return what an error can carry: it has a message already, and names no `self`."""
    return {
        name: _scalar(value) for name, value in details.items() if name not in ("self", "message")
    }


def _scalar(value: Json) -> Scalar:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def final(end: ZephyrusError) -> ZephyrusError | None:
    """Return what everybody is told where connecting again is of no use; null: it is of use.

    Args:
        end: Why there is no connection.
    """
    if isinstance(end, TransportRefused):
        kind = _BY_STATUS.get(end.details.get("http_status"))
        return None if kind is None else kind(end.message)
    if isinstance(end, TransportClosedByPeer):
        return _final_close(end)
    return None if end.retryable or isinstance(end, TransportError) else end


def _final_close(end: TransportClosedByPeer) -> ZephyrusError | None:
    code = end.details.get("close_code")
    if not isinstance(code, int) or not 4400 <= code < 4500:
        return None
    return _BY_CLOSE_CODE.get(code, ProtocolError)(
        f"the server closed the connection for good: {code} {end.details.get('reason') or ''}"
    )


def again(error: ZephyrusError) -> ZephyrusError:
    """Return an equal error: raised again and again, one object would gather tracebacks."""
    return type(error)(error.message, **error.details)


def retry_after(error: ZephyrusError) -> float:
    """Return how many seconds an error asks to wait; 0: it asks nothing."""
    asked = error.details.get("retry_after")
    return bounded(asked) if isinstance(asked, int | float) else 0.0


def bounded(asked: float) -> float:
    """Return how many seconds to wait where a server asks for so many."""
    return min(LONGEST_WAIT, max(0.0, asked))
