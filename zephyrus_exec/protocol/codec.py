"""From frames to JSON objects: total, and bounded before anything is decoded."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from math import isfinite
from typing import Any, Final, NoReturn

from ..conversion import dumps
from ..errors import InvalidValue, MalformedMessage, MessageTooBig
from ..model import Json

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def decode(
    frame: str | bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> dict[str, Json]:
    """Return the JSON object a frame holds.

    Stricter than RFC 8259 where that leaves room: no NaN or infinity, no number beyond a float's
    range, no duplicate key (section 4), no lone surrogate (section 8.2), no byte order mark.

    Args:
        frame: One whole message; a binary one holds UTF-8.
        max_bytes: Longest frame accepted, in bytes of UTF-8.
        max_depth: Deepest nesting accepted, the outermost object being 1.

    Raises:
        MessageTooBig: It is longer or deeper than allowed; it was not decoded.
        MalformedMessage: It holds no JSON object.
    """
    text = _text(frame, max_bytes)
    if text.count("[") + text.count("{") > max_depth:
        _check_depth(text, max_depth)
    try:
        value = _decoded(text)
    except (ValueError, RecursionError) as error:
        # Besides bad syntax: an integer with more digits than Python converts, and, where a
        # caller allows it, nesting deeper than its stack.
        raise MalformedMessage(f"the frame is no valid JSON: {type(error).__name__}") from None
    if type(value) is not dict:
        raise MalformedMessage("the frame holds JSON, but no object")
    if "\\u" in text and _ESCAPED_SURROGATE.search(text):
        _check_surrogates(value)
    return value


def _text(frame: str | bytes, max_bytes: int) -> str:
    if isinstance(frame, str):
        if len(frame) > max_bytes or len(_bytes(frame)) > max_bytes:
            _too_big(max_bytes)
        return frame
    if len(frame) > max_bytes:
        _too_big(max_bytes)
    try:
        return frame.decode()
    except UnicodeDecodeError:
        raise MalformedMessage("the frame is no valid UTF-8") from None


def _bytes(text: str) -> str | bytes:
    """Return something as long as the text's UTF-8; ASCII needs no encoding to be measured."""
    if text.isascii():
        return text
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise MalformedMessage("the frame holds a lone surrogate") from None


def _too_big(max_bytes: int) -> NoReturn:
    raise MessageTooBig(f"the frame is longer than {max_bytes} bytes", max_bytes=max_bytes)


def _check_depth(text: str, max_depth: int) -> None:
    # What stands between quotation marks is no nesting. A backslash outside of a string ends
    # the decoding, so what this makes of the text behind one does not matter.
    bare = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    brackets = "".join(bare).encode().translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > max_depth:
        raise MessageTooBig(f"the frame nests deeper than {max_depth}", max_depth=max_depth)


def _check_surrogates(value: dict[str, Json]) -> None:
    # Pairs of escapes have become one character by now, so whatever is left is lone.
    try:
        dumps(value)
    except InvalidValue:
        raise MalformedMessage("the frame holds a lone surrogate") from None


def _decoded(text: str) -> Any:
    """Return what the decoder does, without looking for the white space that hardly anybody sends.

    What stands outside of the value, white space or not, is the decoder's to judge.
    """
    if text[:1] == "{":
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedMessage("the frame holds an object with a duplicate key")
    return value


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise MalformedMessage("the frame holds a number beyond the range of a float")
    return number


def _constant(name: str) -> NoReturn:
    raise MalformedMessage(f"the frame holds {name}, which is no JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
)
