import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.rlhf.use_case import BUCKET_BITS, UseCaseConfig, cross_validate, features, fit, load, use_cases
from pipelines.rlhf.use_case_labels import USE_CASES, canonical
from pipelines.rlhf.use_case_marks import marks, names

NOUNS = ["cats", "rivers", "bread", "trains", "glass", "stars", "boats", "wool", "salt", "bees"]
ORDERS = {
    "summarization": "Summarize this text on",
    "rewrite": "Rewrite politely:",
    "chat": "Hello friend, about",
}


def _examples() -> pa.Table:
    rows = [
        {"text": f"{order} {noun}", "label": label, "language": "en" if i % 2 else "zh"}
        for label, order in ORDERS.items()
        for i, noun in enumerate(NOUNS)
    ]
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("label", "case"),
    [
        pytest.param("closed\xa0qa", "closed_qa", id="BELLE, with its no-break space"),
        pytest.param("writing_scientific_paper", "generation", id="Auto-J"),
        pytest.param("passive-aggressiveness_identification", "classification", id="Self-Instruct"),
        pytest.param("Open QA", "open_qa", id="the paper's own"),
        pytest.param("poetry slam", None, id="not declared"),
        pytest.param(None, None, id="null"),
    ],
)
def test_labels_of_sources(label: str | None, case: str | None) -> None:
    assert canonical(pa.array([label], pa.string())).to_pylist() == [case]


def test_every_category_is_its_own_label() -> None:
    assert canonical(pa.array(USE_CASES)).to_pylist() == list(USE_CASES)


def test_features_are_unit_length_and_zero_without_words() -> None:
    matrix = features(pa.array(["one two one", "?!"]))
    words = matrix[:, : 1 << BUCKET_BITS]
    squares = np.asarray(words.multiply(words).sum(axis=1)).reshape(-1)
    assert squares.tolist() == [pytest.approx(1), 0]
    # Words one, two; pairs one-two, two-one; and the first words once more.
    assert words.getnnz(axis=1).tolist() == [6, 0]
    assert matrix.shape[1] == words.shape[1] + len(names())


def test_the_order_at_the_front_decides() -> None:
    model = fit(_examples(), UseCaseConfig())
    texts = pa.array(["Rewrite politely: castles", "Summarize this text on castles"])
    assert model.predict(texts).to_pylist() == ["rewrite", "summarization"]


def test_row_order_does_not_matter_and_saving_changes_nothing(tmp_path: Path) -> None:
    examples = _examples()
    texts = examples["text"]
    model = fit(examples, UseCaseConfig())
    shuffled = fit(
        examples.take(pa.array(np.random.RandomState(0).permutation(examples.num_rows))), UseCaseConfig()
    )
    assert np.array_equal(model.scores(texts), shuffled.scores(texts))
    model.save(str(tmp_path))
    assert np.array_equal(load(tmp_path).scores(texts), model.scores(texts))
    assert load(tmp_path).card == model.card


def test_prompts_that_begin_alike_are_held_out_together() -> None:
    # Every prompt of a category begins with the same eight words, so the fit has never seen the category held out.
    rows = [
        {"text": f"{label} one two three four five six seven {noun}", "label": label, "language": "en"}
        for label in ("chat", "rewrite")
        for noun in NOUNS
    ]
    assert cross_validate(pa.Table.from_pylist(rows), UseCaseConfig())["all"]["accuracy"] == 0


def test_figures_by_language() -> None:
    figures = fit(_examples(), UseCaseConfig()).card["cross_validation"]
    assert {name: figures[name]["n"] for name in figures} == {"all": 30, "en": 15, "zh": 15}
    assert figures["all"]["majority"] == pytest.approx(1 / 3)
    assert sum(figures["all"]["examples"].values()) == 30
    half, *_, most = figures["all"]["surest"]
    assert (half["share"], most["share"]) == (0.5, 0.9)
    assert half["probability"] >= most["probability"]


def marks_of(text: str) -> set[str]:
    """Names of the marks that a prompt has."""
    return {name for name, value in zip(names(), marks(pa.array([text]))[0], strict=True) if value}


@pytest.mark.parametrize(
    ("text", "has", "lacks"),
    [
        pytest.param(
            "Read the text below.\n"
            + "Mills grind grain into flour by night and day. " * 8
            + "\nWhat do mills grind by night?",
            {"question on a text", "last question from text", "last question again", "long line"},
            {"question alone"},
            id="a question on a text",
        ),
        pytest.param(
            "磨坊是什么？",
            {"question alone", "question on one line", "whole explain", "few words"},
            {"question on a text", "whole generate"},
            id="a Chinese question alone",
        ),
        pytest.param(
            "将下面的句子翻译成英文：\n磨坊在河边。",
            {"opening rewrite", "colon_end", "whole from_text"},
            {"opening question"},
            id="a Chinese order with its text",
        ),
        pytest.param(
            "写一首诗", {"opening generate", "opening order without question"}, set(), id="an order alone"
        ),
        pytest.param(
            "Fix it:\n```\ndef f(x):\n```", {"fence", "code_line", "opening rewrite"}, set(), id="code"
        ),
        pytest.param(
            "Which one?\nA) salt\nB) flour", {"whole choose", "question with choices"}, set(), id="choices"
        ),
        pytest.param(
            "A: hi\nB: hello\nWho spoke?", {"speaker", "question to speakers"}, {"fence"}, id="speakers"
        ),
        pytest.param("rewritten", set(), {"whole rewrite"}, id="a longer word is no order"),
    ],
)
def test_marks(text: str, has: set[str], lacks: set[str]) -> None:
    found = marks_of(text)
    assert has <= found
    assert not lacks & found


def test_marks_are_shares_and_a_text_has_its_own_alone() -> None:
    texts = ["", "?" * 9, "x\n" * 50, "写" * 3000, "Is it? " * 99, "a\n\nb"]
    whole = marks(pa.array(texts))
    assert whole.shape == (len(texts), len(names()))
    assert ((whole >= 0) & (whole <= 1)).all()
    for row, text in enumerate(texts):
        assert np.array_equal(marks(pa.array([text]))[0], whole[row])


def test_who_is_not_sure_enough_says_nothing() -> None:
    sure = fit(_examples(), UseCaseConfig(min_probability=0.9))
    texts = pa.array(["Rewrite politely: castles", "Clouds"])
    assert np.allclose(sure.scores(texts).sum(axis=1), 1)
    assert sure.predict(texts).to_pylist() == ["rewrite", None]
    assert None not in fit(_examples(), UseCaseConfig()).predict(texts).to_pylist()


def test_a_sources_label_wins_over_the_classifier() -> None:
    model = fit(_examples(), UseCaseConfig())
    texts = pa.array(["Rewrite politely: x", "Rewrite politely: y"], pa.large_string())
    assert use_cases(pa.array(["extract", None]), texts, model).to_pylist() == ["extract", "rewrite"]
    assert use_cases(pa.array(["extract", None]), texts, None).to_pylist() == ["extract", None]


def test_nothing_to_learn_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least 2"):
        fit(_examples().slice(0, 5), UseCaseConfig())


def test_an_absent_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fit the use-case classifier"):
        load(tmp_path)


@pytest.mark.slow
def test_accuracy_on_real_prompts_is_well_above_the_commonest_category(real_data: Path) -> None:
    rows = []
    for name, text, label, language in (
        ("auto_j_pairwise_a.jsonl.gz", "prompt", "scenario", "en"),
        ("belle_eval_set_zh.json.gz", "question", "class", "zh"),
    ):
        with gzip.open(real_data / "rlhf" / name, "rt") as lines:
            rows += [
                {"text": row[text], "label": row[label], "language": language}
                for row in map(json.loads, lines)
            ]
    figures = cross_validate(pa.Table.from_pylist(rows), UseCaseConfig())
    assert figures["en"]["accuracy"] > 0.55 > figures["en"]["majority"] + 0.15
    assert figures["zh"]["accuracy"] > 0.70 > figures["zh"]["majority"] + 0.40
