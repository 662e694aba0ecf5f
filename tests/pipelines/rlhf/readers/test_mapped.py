"""The mapped reader: columns and verdicts by config alone."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.rlhf.mapped_config import MappedConfig
from tests.pipelines.rlhf.instruction_files import Raw, read_rows_of, said

VERDICTS = [
    {"value": "0", "verdict": "tie"},
    {"value": "1", "verdict": "first"},
    {"value": "2", "verdict": "second"},
    {"value": "null", "verdict": "skip"},
    {"value": "true", "verdict": "first"},
    {"value": "A is better", "verdict": "first"},
]
PAIR = {
    "prompt_column": "q",
    "completion_columns": ["a", "b"],
    "verdict_columns": ["v"],
    "verdicts": VERDICTS,
}


def read(folder: Path, mapped: dict[str, Any], *rows: dict[str, Any], **config: Any) -> Raw:
    return read_rows_of(folder, list(rows), layout="mapped", mapped=mapped, **config)


@pytest.mark.parametrize(
    ("verdict", "ranks"),
    [(0, [1, 1]), (1, [1, 2]), ("2", [2, 1]), (1.0, [1, 2]), (True, [1, 2]), ("A is better", [1, 2])],
    ids=str,
)
def test_a_verdict_means_what_the_config_says(tmp_path: Path, verdict: Any, ranks: list[int]) -> None:
    raw = read(
        tmp_path, PAIR, {"q": "q", "a": "x", "b": "y", "v": verdict}, judge_kind="human", criteria="truth"
    )
    (judgement,) = raw.judgements
    assert judgement["ranks"] == ranks
    assert (judgement["judge_kind"], judgement["criteria"]) == ("human", "truth")


def test_skipped_and_unknown_verdicts(tmp_path: Path) -> None:
    rows = [{"q": "q", "a": "x", "b": "y", "v": value} for value in (None, 7)]
    raw = read(tmp_path, PAIR, *rows)
    assert [d["reason"] for d in raw.decisions] == ["unjudged"]
    assert [(d["reason"], "field 'v' is '7'" in d["detail"]) for d in raw.dead] == [("unknown_verdict", True)]


def test_several_verdict_columns_are_several_labelers(tmp_path: Path) -> None:
    mapped = PAIR | {"verdict_columns": ["ann1", "ann2"]}
    raw = read(tmp_path, mapped, {"q": "q", "a": "x", "b": "y", "ann1": 1, "ann2": 0})
    assert [(j["labeler_id"], j["ranks"]) for j in raw.judgements] == [
        ("test:ann1", [1, 2]),
        ("test:ann2", [1, 1]),
    ]


@pytest.mark.parametrize(
    ("scores", "best", "ranks"),
    [
        ([1, 2, 2, 3, 4, 4, 4, 5, 6], "lowest", [1, 2, 2, 3, 4, 4, 4, 5, 6]),
        ([9.5, None, 7, 9.5], "highest", [1, None, 2, 1]),
    ],
    ids=["nine-with-ties", "scores-with-one-unjudged"],
)
def test_k_completions_in_lists(tmp_path: Path, scores: list, best: str, ranks: list) -> None:
    mapped = {
        "prompt_column": "info.post",
        "completions_column": "summaries",
        "completion_text": "text",
        "ranks_column": "scores",
        "best": best,
        "labeler_column": "worker",
        "user_column": "info.author",
    }
    row = {
        "info": {"post": "q", "author": 12},
        "summaries": [{"text": f"s{n}"} for n in range(len(scores))],
        "scores": scores,
        "worker": "w1",
    }
    (judgement,) = read(tmp_path, mapped, row).judgements
    assert judgement["ranks"] == ranks
    assert judgement["partial"] == (None in ranks)
    assert (judgement["labeler_id"], judgement["user_id"], judgement["user_id_kind"]) == (
        "test:w1",
        "test:12",
        "given",
    )


def test_paths_into_lists(tmp_path: Path) -> None:
    mapped = PAIR | {"completion_columns": ["s.0.text", "s.1.text"]}
    row = {"q": "q", "s": [{"text": "x"}, {"text": "y"}], "v": 2}
    (judgement,) = read(tmp_path, mapped, row).judgements
    assert (judgement["completions"], judgement["ranks"]) == (["x", "y"], [2, 1])


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"i": "Do it.", "x": "this", "o": "y"}, "Do it.\nInput: this"),
        ({"i": "Do it.", "x": "", "o": "y"}, "Do it."),
        ({"i": "Use {x}.", "x": "1", "o": "y"}, "Use {x}.\nInput: 1"),
    ],
    ids=["filled", "empty-line-left-out", "texts-are-no-templates"],
)
def test_prompt_template(tmp_path: Path, row: dict[str, str], asked: str) -> None:
    raw = read(tmp_path, {"prompt_template": "{i}\nInput: {x}", "completion_columns": ["o"]}, row)
    assert said(raw.demonstrations[0]["messages"]) == [("u", asked), ("a", "y")]


def test_facts_of_a_row_outrank_those_of_the_source(tmp_path: Path) -> None:
    mapped = {
        "prompt_column": "q",
        "system_column": "s",
        "licence_column": "l",
        "use_case_column": "u",
        "language_column": "g",
        "root_column": "r",
    }
    rows = [{"q": "q", "s": "be", "l": "MIT", "u": "chat", "g": "de", "r": "1"}, {"q": "p"}]
    raw = read(tmp_path, mapped, *rows, licence="CC0-1.0", use_case="other", language="en")
    keys = ("licence", "use_case", "language", "root_id")
    assert [tuple(p[key] for key in keys) for p in raw.prompts] == [
        ("MIT", "chat", "de", "test:1"),
        ("CC0-1.0", "other", "en", None),
    ]
    assert [(p["user_id"], p["user_id_kind"]) for p in raw.prompts] == [(None, None)] * 2
    assert said(raw.prompts[0]["messages"]) == [("s", "be"), ("u", "q")]


def test_a_column_that_is_not_there_is_an_error_of_every_row(tmp_path: Path) -> None:
    raw = read(tmp_path, {"prompt_template": "{q}\n{contxt}"}, {"q": "q", "context": ""})
    assert [(d["reason"], "no field 'contxt'; fields: context, q" in d["detail"]) for d in raw.dead] == [
        ("missing_field", True)
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"prompt_template": "{q}"}, "exactly one of"),
        ({"verdicts": []}, "go together"),
        ({"verdicts": [*VERDICTS, {"value": "1", "verdict": "tie"}]}, "two meanings"),
        ({"completion_columns": ["a"]}, "several completions need"),
        ({"completion_columns": ["a", "b", "c"]}, "use rank_columns"),
        ({"ranks_column": "r"}, "set one of"),
        ({"author_columns": ["m"]}, "one column for each"),
        ({"completions_column": "c"}, "not both"),
    ],
    ids=[
        "two-prompts",
        "no-verdicts",
        "two-meanings",
        "one-answer",
        "three-answers",
        "two-judges",
        "authors",
        "two-lists",
    ],
)
def test_contradictions_of_the_config(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        MappedConfig.model_validate(PAIR | change)
