"""ABI bytes, decoded with a bound on the work they can cause."""

from __future__ import annotations

from typing import Any

from eth_abi.codec import ABIEncoder
from eth_abi.decoding import ContextFramesBytesIO
from eth_abi.exceptions import DecodingError
from eth_abi.registry import registry

from ..abi_types import AbiType
from .values import AbiValue

_encoder = ABIEncoder(registry)


class BadData(Exception):
    """Bytes are no encoding of the expected type."""


class _MeteredStream(ContextFramesBytesIO):
    """Bytes that can be read only so often.

    Offsets may point many times at the same place, so that a few kilobytes describe gigabytes.
    An honest encoding is read once, or twice per level of nested tuples.
    """

    def __init__(self, data: bytes, *, budget: int) -> None:
        super().__init__(data)  # type: ignore[no-untyped-call]
        self._budget = budget

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._budget -= len(data)
        if self._budget < 0:
            raise DecodingError("the same bytes are used again and again")
        return data


def encode(kind: AbiType, values: tuple[AbiValue, ...]) -> bytes:
    """Return the ABI encoding of a tuple's components, as in call data.

    Args:
        kind: The tuple.
        values: One per component, as `values.to_abi` gives them.
    """
    return _encoder.encode([one.text for one in kind.components], values)


def decode(kind: AbiType, data: bytes) -> tuple[AbiValue, ...]:
    """Return a tuple's components, text still as bytes; hostile data costs no more than honest.

    Raises:
        BadData: The bytes are no such encoding.
    """
    budget = (len(data) + 32) * 2 ** (kind.tuple_depth + 1)
    stream = _MeteredStream(data, budget=budget)
    decoder: Any = registry.get_tuple_decoder(*(one.wire for one in kind.components))
    try:
        decoded: tuple[AbiValue, ...] = decoder(stream)
    except (DecodingError, OverflowError) as error:
        raise BadData(f"these bytes are no {kind.text}: {error}"[:200]) from None
    return decoded
