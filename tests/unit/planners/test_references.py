"""What `${…}` stands for."""

from __future__ import annotations

import pytest

from zephyrus_exec.model import Json
from zephyrus_exec.planners.references import Malformed, Missing, Path, Reference, fill, walk

VALUES: dict[str, Json] = {
    "n": 5,
    "t": True,
    "f": 1.5,
    "s": "ñ",
    "o": {"x": [1, {"y": "z"}]},
    "l": ["a", "b"],
    "none": None,
}


def resolve(reference: Reference) -> Json:
    return walk(VALUES, reference.path)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${n}", 5),
        ("${o}", VALUES["o"]),
        ("${none}", None),
        ("${o.x[1].y}", "z"),
        ("${l[0]}", "a"),
        ("a ${n} b${s}", "a 5 bñ"),
        ("${t}${f}", "true1.5"),
        ("$${n}", "${n}"),
        ("$${", "${"),
        ("$$${n}", "$${n}"),
        ("cost: $5 {n}", "cost: $5 {n}"),
        (["${n}", {"k": "${s}", "${n}": 1}], [5, {"k": "ñ", "${n}": 1}]),
        (7, 7),
        (None, None),
    ],
)
def test_a_template_is_filled(template: Json, value: Json) -> None:
    assert fill(template, resolve, "$") == value


@pytest.mark.parametrize(
    "template",
    ["${", "a ${n", "${}", "${a..b}", "${.a}", "${a.}", "${a[x]}", "${[0]}", "${a[0}", "${a{b}}"],
)
def test_a_broken_reference_is_told_with_its_place(template: str) -> None:
    with pytest.raises(Malformed) as caught:
        fill({"p": ["", template]}, resolve, "$.x")
    assert caught.value.place == "$.x.p[1]"
    assert "${" in caught.value.reason


@pytest.mark.parametrize("name", ["none", "o", "l"])
def test_only_scalars_can_stand_inside_text(name: str) -> None:
    with pytest.raises(Malformed) as caught:
        fill(f"a ${{{name}}}", resolve, "$.p")
    assert caught.value.place == "$.p"
    assert f"${{{name}}}" in caught.value.reason


@pytest.mark.parametrize(
    "path", [("x",), ("n", "x"), ("l", 2), ("l", "x"), ("o", 0), ("s", 0), ("none", "x")]
)
def test_what_is_not_there_is_missing(path: Path) -> None:
    with pytest.raises(Missing):
        walk(VALUES, path)
