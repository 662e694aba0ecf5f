"""Config dataclasses become the same schema as pydantic models, with defaults that belong to their place."""

from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg
import pytest

from model.pretrain_config import PretrainConfig
from orchestration.config import ConfigError
from orchestration.dataclass_schema import completed, core_dataclass, dataclass_schema, merged


@dataclass(frozen=True)
class Adam:
    epsilon: float = field(default=1e-8, metadata={"description": "small"})
    clip: float = 1.0


@dataclass(frozen=True)
class Source:
    folder: str
    weight: float = 1.0


@dataclass(frozen=True)
class Prompts:
    folder: str
    longest: int | None = 5


@dataclass(frozen=True)
class Mix:
    sources: tuple[Source, ...]
    ratio: int = 8


@dataclass(frozen=True)
class Whole:
    model: str
    prompts: Prompts
    tokens: int = field(metadata={"description": "length"})
    kind: Literal["a", "b-c"] = "a"
    stop: tuple[str, ...] = ("x",)
    adam: Adam = Adam(epsilon=1e-5)
    mix: Mix | None = None
    extra: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens must be at least 1, got {self.tokens}")


HIDDEN = ("model", "prompts.folder", "mix.sources")


def received(config: dict[str, Any]) -> dict[str, Any]:
    """What a step gets of a run config."""
    seen: list[dict[str, Any]] = []

    @dg.asset(config_schema=dataclass_schema(Whole, HIDDEN))
    def made(context: dg.AssetExecutionContext) -> None:
        seen.append(dict(context.op_execution_context.op_config))

    dg.materialize([made], run_config={"ops": {"made": {"config": config}}})
    return seen[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, {}, id="all defaults"),
        pytest.param(
            {"adam": {"clip": 0.5}}, {"adam": {"epsilon": 1e-5, "clip": 0.5}}, id="the default of its place"
        ),
        pytest.param({"prompts": {"longest": None}}, {"prompts": {"longest": None}}, id="a null"),
        pytest.param({"mix": {}}, {"mix": {"ratio": 8}}, id="a section that is null by default"),
        pytest.param({"stop": []}, {"stop": []}, id="an empty list"),
        pytest.param({"kind": "b-c"}, {"kind": "b-c"}, id="a choice"),
    ],
)
def test_a_step_receives_given_values_and_defaults(given: dict[str, Any], expected: dict[str, Any]) -> None:
    defaults = {
        "prompts": {"longest": 5},
        "tokens": 7,
        "kind": "a",
        "stop": ["x"],
        "adam": {"epsilon": 1e-5, "clip": 1.0},
        "mix": None,
        "extra": [],
    }
    found = received({"tokens": 7, **given})
    assert found == defaults | expected
    # What is checked before a run is what a step gets later.
    assert completed(Whole, {"tokens": 7, **given}, HIDDEN) == found


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, 'Missing required config entry "tokens"'),
        ({"tokens": 1, "model": "x"}, 'unexpected config entry "model" at path root:ops:made:config'),
        (
            {"tokens": 1, "adam": {"beta": 1.0}},
            'unexpected config entry "beta" at path root:ops:made:config:adam',
        ),
        ({"tokens": "1"}, "Invalid scalar at path root:ops:made:config:tokens"),
        ({"tokens": 1, "kind": "z"}, "kind not in enum type one_of_a_b_c got z"),
        ({"tokens": 1, "extra": [{"weight": 1.0}]}, 'Missing required config entry "folder"'),
    ],
    ids=["missing", "filled-in-by-the-asset", "unknown-nested", "type", "choice", "missing-in-a-list"],
)
def test_a_wrong_key_or_type_fails_before_the_run(config: dict[str, Any], message: str) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError) as error:
        received(config)
    assert message in str(error.value)


def test_a_filled_config_is_the_dataclass_and_ranges_name_their_key() -> None:
    values = completed(Whole, {"tokens": 7, "mix": {}, "extra": [{"folder": "mine"}]}, HIDDEN)
    filled = {
        "model": "m",
        "prompts": {"folder": "p"},
        "mix": {"sources": [{"folder": "s"}]},
        "extra": [{"folder": "theirs"}],
    }
    whole = core_dataclass(Whole, merged(values, filled), "ops.made.config")
    assert whole == Whole(
        "m", Prompts("p"), 7, mix=Mix((Source("s"),)), extra=(Source("theirs"), Source("mine"))
    )
    with pytest.raises(ConfigError, match=r"^ops\.made\.config: tokens must be at least 1, got 0$"):
        core_dataclass(Whole, merged({**values, "tokens": 0}, filled), "ops.made.config")


def test_a_section_left_null_is_not_filled() -> None:
    assert merged({"mix": None}, {"mix": {"sources": []}}) == {"mix": None}
    assert merged({}, {"mix": {"sources": []}}) == {"mix": {"sources": []}}


def test_descriptions_arrive_and_every_nested_default_is_the_code_s() -> None:
    schema = dataclass_schema(PretrainConfig, ("sources",))
    assert schema["tokens"].description == "Tokens to train on; a run may be prolonged later."
    assert schema["adam"].default_value == {
        "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1, "clip": 1.0
    }  # fmt: skip


def test_a_type_without_counterpart_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        when: set[int] = field(default_factory=set)

    with pytest.raises(TypeError, match=r"Odd\.when"):
        dataclass_schema(Odd)
