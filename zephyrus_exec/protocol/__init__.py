"""What goes over the wire, sans-I/O."""

from .codec import MAX_BYTES, MAX_DEPTH, decode
from .connection import (
    MAX_PENDING,
    MAX_REPLY_BYTES,
    MAX_UNKNOWN_BYTES,
    Close,
    State,
    V1Client,
    V1Connection,
)
from .messages import (
    MAX_AGENT_ID,
    Completed,
    ExecuteRequest,
    Failed,
    Rejected,
    Reply,
    Request,
    Started,
    Unknown,
    encode_reply,
    encode_request,
    parse_reply,
    parse_request,
    result_item,
)
from .texts import TEXTS, render_error, render_failure
from .wording import Language, Texts

__all__ = [
    "MAX_AGENT_ID",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_PENDING",
    "MAX_REPLY_BYTES",
    "MAX_UNKNOWN_BYTES",
    "TEXTS",
    "Close",
    "Completed",
    "ExecuteRequest",
    "Failed",
    "Language",
    "Rejected",
    "Reply",
    "Request",
    "Started",
    "State",
    "Texts",
    "Unknown",
    "V1Client",
    "V1Connection",
    "decode",
    "encode_reply",
    "encode_request",
    "parse_reply",
    "parse_request",
    "render_error",
    "render_failure",
    "result_item",
]
