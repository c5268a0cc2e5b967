# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain data both ways, and what is said of data that does not fit."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.codec import digest, from_data, to_data
from tests.unit.checks import three_nodes as lab


class Colour(str, enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    name: str
    count: int = 0


@dataclass(frozen=True)
class Outer:
    name: str
    share: float = 0.0
    on: bool = False
    colour: Colour = Colour.RED
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()
    named: dict[str, tuple[int, ...]] = field(default_factory=dict)
    anything: Any = None


FULL = Outer("a", 0.5, True, Colour.BLUE, Inner("i", 2), (Inner("x"), Inner("y", 1)), {"k": (1, 2)}, {"free": [1]})


class Tagged(str):
    """As ansible-core hands texts out."""


def test_both_ways() -> None:
    assert from_data(Outer, json.loads(json.dumps(to_data(FULL)))) == FULL
    seen = lab.incident()
    assert from_data(type(seen), json.loads(json.dumps(to_data(seen)))) == seen


def test_what_is_missing_takes_its_default_and_what_is_unknown_is_ignored() -> None:
    assert from_data(Outer, {"name": "a", "of a newer Friday": 1}) == Outer("a")


def test_only_plain_types_leave() -> None:
    data = to_data({Tagged("key"): [Tagged("text"), Colour.RED, {3, 1, 2}, (None, True, 1.5)]})
    assert data == {"key": ["text", "red", [1, 2, 3], [None, True, 1.5]]}
    assert type(next(iter(data))) is str and type(data["key"][0]) is str and type(data["key"][1]) is str
    assert type(from_data(Inner, {"name": Tagged("a")}).name) is str


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Outer: name is missing"),
        ([], "Outer: an object is expected, not []"),
        ({"name": 1}, "Outer.name: 1 is not a str"),
        ({"name": "a", "share": True}, "Outer.share: True is not a float"),
        ({"name": "a", "on": 1}, "Outer.on: 1 is not a bool"),
        ({"name": "a", "colour": "green"}, "Outer.colour: 'green' is not one of red, blue"),
        ({"name": "a", "inner": {"name": "i", "count": True}}, "Outer.inner.count: True is not a int"),
        ({"name": "a", "several": [{"name": "x"}, {}]}, "Outer.several[1]: name is missing"),
        ({"name": "a", "several": {}}, "Outer.several: a list is expected, not {}"),
        ({"name": "a", "named": {"k": [1, "2"]}}, "Outer.named.k[1]: '2' is not a int"),
        ({"name": "a", "named": []}, "Outer.named: an object is expected, not []"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_data(Outer, data)
    assert str(caught.value) == message


def test_whole_numbers_are_numbers_where_others_are_expected() -> None:
    found = from_data(Outer, {"name": "a", "share": 1}).share
    assert found == 1.0 and type(found) is float


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_data({"a": object()})


def test_equal_data_has_an_equal_digest_whatever_its_order() -> None:
    assert digest({"a": 1, "b": [Inner("x")]}) == digest({"b": [Inner("x")], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
