"""How a default is shown in the option tables."""

import pytest
from pydantic import BaseModel, Field

from orchestration.options import _rows


class Part(BaseModel):
    size: int = Field(default=1, description="bytes")


class Whole(BaseModel):
    nothing: list[Part] | None = Field(default=None, description="")
    empty: list[Part] = Field(default=[], description="")
    absent: Part | None = Field(default=None, description="")
    part: Part = Field(default=Part(), description="")
    name: str = Field(description="")


@pytest.mark.parametrize(
    ("key", "default"),
    [("nothing", "`null`"), ("empty", "`[]`"), ("absent", "`null`"), ("part", ""), ("name", "required")],
)
def test_defaults_are_shown_as_a_run_config_writes_them(key: str, default: str) -> None:
    (row,) = [row for row in _rows(Whole, "") if row.startswith(f"| `{key}` ")]
    assert row.split(" | ")[2] == default
