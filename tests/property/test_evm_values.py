"""The value table and the ABI codec, over types nobody thought of."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import eth_abi.abi
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.abi_types import AbiType, tuple_type
from zephyrus_exec.evm import codec
from zephyrus_exec.evm.codec import BadData
from zephyrus_exec.evm.values import BadValue, to_abi, to_json
from zephyrus_exec.model import Json

BITS = st.integers(1, 32).map(lambda n: 8 * n)
ELEMENTARY = st.one_of(
    BITS.map(lambda bits: f"uint{bits}"),
    BITS.map(lambda bits: f"int{bits}"),
    st.integers(1, 32).map(lambda size: f"bytes{size}"),
    st.sampled_from(["bool", "address", "bytes", "string"]),
)
NAMES = st.sampled_from(["", "a", "b", "c", "amount"])


def _array(entry: dict[str, Json], length: int) -> dict[str, Json]:
    return {**entry, "type": f"{entry['type']}[{length or ''}]"}


def _tuple(components: list[dict[str, Json]]) -> dict[str, Json]:
    return {"type": "tuple", "components": components}


def _named(entry: dict[str, Json], name: str) -> dict[str, Json]:
    return {**entry, "name": name}


def _extend(inner: st.SearchStrategy[dict[str, Json]]) -> st.SearchStrategy[dict[str, Json]]:
    return st.one_of(
        st.builds(_array, inner, st.integers(0, 3)),
        st.lists(st.builds(_named, inner, NAMES), min_size=1, max_size=3).map(_tuple),
    )


ENTRIES = st.recursive(
    ELEMENTARY.map(lambda text: dict[str, Json](type=text)), _extend, max_leaves=6
)
KINDS = st.lists(st.builds(_named, ENTRIES, NAMES), max_size=3).map(tuple_type)


def values_of(kind: AbiType) -> st.SearchStrategy[Any]:
    """Return honest JSON values of a type, in the form that comes out."""
    size = kind.size or 0
    match kind.kind:
        case "uint":
            numbers = st.integers(0, 2**size - 1)
            return numbers if size <= 48 else numbers.map(str)
        case "int":
            numbers = st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1)
            return numbers if size <= 48 else numbers.map(str)
        case "bool":
            return st.booleans()
        case "address":
            return st.binary(min_size=20, max_size=20).map(to_checksum_address)
        case "bytes":
            longest = kind.size if kind.size is not None else 70
            return st.binary(min_size=size, max_size=longest).map(lambda data: "0x" + data.hex())
        case "string":
            return st.text(max_size=40)
        case "array":
            assert kind.item is not None
            return st.lists(values_of(kind.item), min_size=size, max_size=size or 3)
        case _:
            parts = st.tuples(*(values_of(one) for one in kind.components)).map(list)
            if not kind.named:
                return parts
            return parts.map(lambda items: dict(zip(kind.names, items, strict=True)))


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[AbiType, Any]:
    """Return a tuple type and a value of it."""
    kind = draw(KINDS)
    return kind, draw(values_of(kind))


@given(typed_values())
def test_what_comes_out_goes_in_and_comes_out_again(pair: tuple[AbiType, Any]) -> None:
    kind, value = pair
    values = to_abi(kind, value)
    assert to_json(kind, values) == value
    assert to_json(kind, codec.decode(kind, codec.encode(kind, values))) == value


@given(typed_values())
def test_the_bytes_are_those_of_eth_abi_under_canonical_types(pair: tuple[AbiType, Any]) -> None:
    kind, value = pair
    values = to_abi(kind, value)
    reference = eth_abi.abi.encode([one.text for one in kind.components], values)
    assert codec.encode(kind, values) == reference


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0x", "0x" + "11" * 20, "1.0", "-0", "1" * 5000, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(KINDS, JSON)
def test_any_json_is_a_value_or_a_bad_value(kind: AbiType, value: Json) -> None:
    with suppress(BadValue):
        values = to_abi(kind, value)
        assert len(codec.decode(kind, codec.encode(kind, values))) == len(kind.components)


@given(
    KINDS,
    st.binary(max_size=400)
    | st.lists(st.integers(0, 400), max_size=12).map(
        lambda numbers: b"".join(number.to_bytes(32, "big") for number in numbers)
    ),
)
def test_any_bytes_are_values_or_bad_data(kind: AbiType, data: bytes) -> None:
    with suppress(BadData):
        to_json(kind, codec.decode(kind, data))
