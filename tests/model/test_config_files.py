"""A config file gives the dataclass or names what is wrong with it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from model.config_files import load_config, to_json
from model.gpt_config import PRESETS, GPTConfig


@dataclass(frozen=True)
class Inner:
    beta: float = field(default=0.9, metadata={"description": "decay"})
    steps: int = 3

    def __post_init__(self) -> None:
        if self.beta >= 1:
            raise ValueError(f"beta must be below 1, got {self.beta}")


@dataclass(frozen=True)
class Outer:
    data: str
    kind: Literal["a", "b", 1] = "a"
    band: int | None = 4
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None
    names: tuple[str, ...] = ()
    betas: tuple[float, float] = (0.9, 0.95)
    parts: tuple[Inner, ...] = ()
    flag: bool = False


def test_all_kinds_of_values_load() -> None:
    values = {
        "data": "x",
        "kind": 1,
        "band": None,
        "inner": {"beta": 0},
        "maybe": {"steps": 5},
        "names": ["p", "q"],
        "betas": [0, 1.5],
        "parts": [{}, {"steps": 7}],
        "flag": True,
    }
    expected = Outer(
        "x", 1, None, Inner(0.0), Inner(steps=5), ("p", "q"), (0.0, 1.5), (Inner(), Inner(steps=7)), flag=True
    )
    found = load_config(Outer, values)
    assert found == expected
    assert type(found.inner.beta) is float
    assert load_config(Outer, json.loads(to_json(found))) == found


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_its_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "shape.json").write_text(to_json(PRESETS[name]))
    assert load_config(GPTConfig, tmp_path / "shape.json") == PRESETS[name]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({}, "missing key data$", id="missing"),
        pytest.param(
            {"data": "x", "bnad": 3}, "unknown key bnad; known here: data, kind, band", id="unknown"
        ),
        pytest.param(
            {"data": "x", "inner": {"bta": 3}},
            r"unknown key inner\.bta; known here: beta, steps",
            id="unknown inside",
        ),
        pytest.param({"data": 3}, "data must be a string, got 3", id="number for string"),
        pytest.param(
            {"data": "x", "band": 2.5}, r"band must be a number \(int\), got 2.5", id="float for int"
        ),
        pytest.param(
            {"data": "x", "band": True}, r"band must be a number \(int\), got true", id="bool for int"
        ),
        pytest.param({"data": "x", "flag": 1}, "flag must be true or false, got 1", id="int for bool"),
        pytest.param(
            {"data": "x", "kind": "c"}, "kind must be one of 'a', 'b', 1, got \"c\"", id="no choice"
        ),
        pytest.param(
            {"data": "x", "kind": True}, "kind must be one of 'a', 'b', 1, got true", id="true is not 1"
        ),
        pytest.param({"data": None}, "data must be a string, got null", id="null where a value is needed"),
        pytest.param({"data": "x", "names": "pq"}, "names must be a list, got", id="string for list"),
        pytest.param(
            {"data": "x", "names": ["p", 2]}, r"names\[1\] must be a string, got 2", id="item of a list"
        ),
        pytest.param(
            {"data": "x", "betas": [1]}, r"betas must be a list of 2, got \[1\]", id="length of a list"
        ),
        pytest.param({"data": "x", "inner": 3}, "inner must be an object, got 3", id="number for object"),
        pytest.param(
            {"data": "x", "parts": [{}, {"beta": 2}]},
            r"in parts\[1\]: beta must be below 1",
            id="the class's own rule",
        ),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        load_config(Outer, values)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=rf"run\.json: {message}"):
        load_config(Outer, path)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "the config must be an object")])
def test_a_file_that_holds_no_object(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=f"run.json: {message}"):
        load_config(Inner, tmp_path / "run.json")


@dataclass(frozen=True)
class Special:
    inner: Inner = Inner(beta=0.5)
    maybe: Inner | None = Inner(steps=9)


@dataclass(frozen=True)
class Place:
    special: Special = Special(inner=Inner(beta=0.25), maybe=None)
    made: Inner = field(default_factory=lambda: Inner(beta=0.125))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"special": {"inner": {"steps": 4}}}, Place(Special(Inner(0.25, 4), None))),
        ({"special": {"maybe": {"steps": 4}}}, Place(Special(Inner(0.25), Inner(steps=4)))),
        ({"made": {"steps": 4}}, Place(made=Inner(0.125, 4))),
    ],
    ids=["two levels down", "null at its place", "from a factory"],
)
def test_a_nested_object_keeps_what_its_place_sets(values: dict[str, Any], expected: Place) -> None:
    assert load_config(Place, values) == expected


def test_what_is_left_out_is_as_in_the_base(tmp_path: Path) -> None:
    base = Special(Inner(0.75, 8), None)
    (tmp_path / "run.json").write_text('{"inner": {"steps": 4}}')
    assert load_config(Special, tmp_path / "run.json", base) == Special(Inner(0.75, 4), None)
    assert load_config(Special, {}, base) == base


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Special()),
        ({"inner": {"steps": 4}}, Special(inner=Inner(0.5, 4))),
        ({"inner": {"beta": 0.6}, "maybe": {"beta": 0.1}}, Special(Inner(0.6), Inner(0.1, 9))),
        ({"maybe": None}, Special(maybe=None)),
    ],
    ids=["nothing", "one key", "keys of both", "null"],
)
def test_a_nested_object_keeps_what_its_field_sets(values: dict[str, Any], expected: Special) -> None:
    assert load_config(Special, values) == expected
