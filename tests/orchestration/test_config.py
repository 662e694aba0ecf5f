"""Config models become Dagster schemas, and what a person reads when a key or a value is wrong."""

from typing import Any, Literal

import dagster as dg
import pytest
from pydantic import BaseModel, ConfigDict, Field

from orchestration.config import ConfigError, core, dagster_schema


class Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="who")
    format: Literal["text", "jsonl"] = "text"


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    alpha: float = Field(9.0, gt=0, description="shape")
    budget: int | None = None
    sources: list[Source] = [Source(name="default")]
    weights: dict[str, float] = {}


def run(config: dict[str, Any]) -> Settings:
    seen: list[Settings] = []

    @dg.asset(config_schema=dagster_schema(Settings))
    def made(context: dg.AssetExecutionContext) -> None:
        seen.append(core(Settings, context.op_execution_context.op_config, "ops.made.config"))

    dg.materialize([made], run_config={"ops": {"made": {"config": config}}})
    return seen[0]


def test_defaults_and_given_values_arrive_as_the_model() -> None:
    assert run({}) == Settings()
    given = {
        "alpha": 3,
        "budget": 7,
        "sources": [{"name": "x", "format": "jsonl"}],
        "weights": {"crawl": 0.5},
    }
    assert run(given) == Settings(**given)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"alfa": 1.0}, 'unexpected config entry "alfa" at path root:ops:made:config'),
        ({"alpha": "nine"}, "Invalid scalar at path root:ops:made:config:alpha"),
        ({"sources": [{"nam": "x"}]}, 'unexpected config entry "nam" at path root:ops:made:config:sources'),
        ({"sources": [{"name": "x", "format": "pdf"}]}, "format not in enum type one_of_text_jsonl got pdf"),
    ],
    ids=["unknown-key", "wrong-type", "unknown-nested-key", "unknown-choice"],
)
def test_a_wrong_key_or_type_fails_before_the_run(config: dict[str, Any], message: str) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError) as error:
        run(config)
    assert message in str(error.value)


def test_a_value_out_of_range_names_its_key() -> None:
    with pytest.raises(ConfigError, match=r"^ops\.made\.config\.alpha: .*greater than 0 \(found -1\.0\)$"):
        core(Settings, {"alpha": -1.0}, "ops.made.config")


def test_a_type_without_counterpart_is_refused() -> None:
    class Odd(BaseModel):
        when: set[int] = set()

    with pytest.raises(TypeError, match=r"Odd\.when"):
        dagster_schema(Odd)
