import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.schemas import DECISIONS, DUPLICATES
from pipelines.select import Reason, SelectionConfig, decide, funnel, select
from quality.pareto import keep_probability
from tests.pipelines.selecting import CURATED, chosen, tables

THRESHOLD = chosen(languages=["en", "zh"], min_language_score=0.6, quality="threshold", threshold=0.5)


@pytest.mark.parametrize(
    ("row", "reason", "figure", "limit", "evidence"),
    [
        pytest.param(("cc", 100, "en", 0.9, 0.7), "kept", 0.7, 0.5, None, id="good page"),
        pytest.param(("cc", 100, "zh", 0.9, 0.7), "kept", 0.7, 0.5, None, id="good Chinese page"),
        pytest.param(("cc", 100, "en", 0.6, 0.5), "kept", 0.5, 0.5, None, id="page at both limits"),
        pytest.param(("cc", 50, "en", 0.9, 0.7), "kept", 0.7, 0.5, None, id="page of the fewest words"),
        pytest.param(("cc", 49, "fr", 0.1, 0.1), "too_short", 49.0, 50.0, None, id="too short comes first"),
        pytest.param(("cc", 100, "fr", 0.1, 0.1), "language", 0.1, None, "fr", id="another language"),
        pytest.param(("cc", 100, "und", 0.0, 0.9), "language", 0.0, None, "und", id="no language"),
        pytest.param(("cc", 100, "en", 0.5, 0.1), "language_uncertain", 0.5, 0.6, "en", id="language unsure"),
        pytest.param(("cc", 100, "en", 0.9, 0.499), "quality", 0.499, 0.5, None, id="low quality"),
        pytest.param(("wiki", 100, "fr", 0.1, 0.0), "kept", None, None, None, id="curated page of any kind"),
        pytest.param(("wiki", 1, "und", 0.0, 0.0), "kept", None, None, None, id="curated page of one word"),
        pytest.param(
            ("wiki", 0, "und", 0.0, 0.0), "too_short", 0.0, 1.0, None, id="curated page without words"
        ),
    ],
)
def test_rules_by_threshold(row, reason, figure, limit, evidence):
    (decision,) = select(*tables(row), CURATED, THRESHOLD).to_pylist()
    assert decision["reason"] == reason
    assert decision["keep"] == (reason == "kept")
    assert decision["figure"] == pytest.approx(figure)
    assert (decision["limit"], decision["evidence"]) == (limit, evidence)


def test_no_languages_keeps_all_of_them():
    decisions = select(*tables(("cc", 99, "xx", 0.0, 0.0)), CURATED, chosen(quality="off"))
    assert decisions.to_pylist() == [
        {
            "doc_id": "id0",
            "source": "cc",
            "keep": True,
            "reason": "kept",
            "figure": None,
            "limit": None,
            "evidence": None,
        }
    ]


def test_a_language_score_equal_to_its_limit_is_enough_in_single_precision():
    config = chosen(min_language_score=0.65, quality="off")
    assert select(*tables(("cc", 99, "en", 0.65, 0.0)), CURATED, config)["keep"].to_pylist() == [True]


@pytest.mark.parametrize("alpha", [9.0, 2.0])
@pytest.mark.parametrize("score", [0.0, 0.7, 0.95])
def test_pareto_keeps_the_share_of_its_formula(score, alpha):
    n = 20_000
    config = chosen(pareto_alpha=alpha)
    decisions = select(*tables(*[("cc", 99, "en", 1.0, score)] * n), CURATED, config)
    p = float(keep_probability(score, alpha))
    assert abs(pc.mean(decisions["keep"]).as_py() - p) < 4 * np.sqrt(p * (1 - p) / n)


def test_pareto_keeps_exactly_what_exceeds_its_limit():
    scores = np.random.default_rng(0).random(5000)
    decisions = select(*tables(*[("cc", 99, "en", 1.0, score) for score in scores]), CURATED, chosen())
    assert decisions["figure"].to_pylist() == scores.tolist()
    above = pc.greater(decisions["figure"], decisions["limit"])
    assert decisions["keep"].equals(above)
    assert decisions["reason"].equals(pc.if_else(above, "kept", "quality"))


rows = st.lists(
    st.tuples(
        st.sampled_from(["cc", "wiki"]),
        st.integers(0, 100),
        st.sampled_from(["en", "fr"]),
        st.floats(0, 1, width=32),
        st.floats(0, 1),
    ),
    max_size=20,
)


@given(rows, st.integers(1, 7))
def test_decisions_do_not_depend_on_the_shards(rows, size):
    documents, signals = tables(*rows)
    config = chosen(languages=["en"], min_language_score=0.3, pareto_alpha=1.0)
    whole = select(documents, signals, CURATED, config)
    parts = [
        select(documents.slice(first, size), signals.slice(first, size), CURATED, config)
        for first in range(0, len(rows), size)
    ]
    assert pa.concat_tables([whole.slice(0, 0), *parts]).to_pylist() == whole.to_pylist()
    assert whole.schema.equals(DECISIONS.schema)
    # Order within a shard does not matter either.
    backward = pa.array(range(len(rows) - 1, -1, -1), pa.int64())
    turned = select(documents.take(backward), signals.take(backward), CURATED, config)
    assert turned.to_pylist() == whole.to_pylist()[::-1]


def test_the_seed_changes_the_draws():
    two = [select(*tables(*[("cc", 99, "en", 1.0, 0.9)] * 200), CURATED, chosen(seed=s)) for s in (1, 2)]
    assert two[0]["limit"].to_pylist() != two[1]["limit"].to_pylist()


def test_tables_of_other_shards_are_refused():
    documents, signals = tables(*[("cc", 99, "en", 1.0, 0.9)] * 3)
    with pytest.raises(ValueError, match="3 documents but 2 signals"):
        select(documents, signals.slice(1), CURATED, chosen())
    with pytest.raises(ValueError, match="differ in row 1: doc_id id1 and id2"):
        select(documents, signals.take(pa.array([0, 2, 1])), CURATED, chosen())


@pytest.mark.parametrize(
    "wrong",
    [{"pareto_alpha": 0}, {"quality": "best"}, {"min_words": 0}, {"threshold": 1.5}, {"language": ["en"]}],
    ids=str,
)
def test_wrong_config_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SelectionConfig(**wrong)


def duplicates(*rows):
    names = ["doc_id", "source", "survivor_id", "survivor_source", "kind", "jaccard", "cluster_size"]
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], schema=DUPLICATES.schema
    )


def losses(*rows):
    """Documents that decontamination dropped: (doc_id, reason, figure, limit)."""
    kinds = {"doc_id": pa.string(), "reason": pa.string(), "figure": pa.float64(), "limit": pa.float64()}
    names = [*kinds, "evidence"]
    table = [dict(zip(names, (*row, "gsm8k"), strict=True)) for row in rows]
    return pa.Table.from_pylist(table, schema=pa.schema([*kinds.items(), ("evidence", pa.string())]))


KEEP_ALL = chosen(quality="off")


def test_later_steps_take_what_was_selected():
    selection = select(*tables(("cc", 9, "en", 1, 0.9), *[("cc", 99, "en", 1, 0.9)] * 5), CURATED, KEEP_ALL)
    found = duplicates(
        ("id1", "cc", "id9", "wiki", "near", 0.75, 2),
        ("id2", "cc", "id9", "wiki", "exact", 1.0, 2),
        ("of another shard", "cc", "id9", "wiki", "exact", 1.0, 2),
    )
    lost = losses(("id3", "too_many_pieces", 12, 10), ("id4", "contaminated", 900, None))
    decisions = decide(selection, found, lost, min_jaccard=0.7)
    assert decisions.schema.equals(DECISIONS.schema)
    picked = decisions.select(["keep", "reason", "figure", "limit", "evidence"]).to_pylist()
    assert [tuple(row.values()) for row in picked] == [
        (False, "too_short", 9.0, 50.0, None),
        (False, "near_duplicate", 0.75, 0.7, "id9"),
        (False, "exact_duplicate", 1.0, None, "id9"),
        (False, "too_many_pieces", 12.0, 10.0, "gsm8k"),
        (False, "contaminated", 900.0, None, "gsm8k"),
        (True, "kept", None, None, None),
    ]


def test_nothing_found_changes_nothing():
    selection = select(*tables(*[("cc", 99, "en", 1, 0.9)] * 3), CURATED, chosen())
    assert decide(selection, duplicates(), losses(), 0.7).equals(selection)
    empty = select(*tables(), CURATED, chosen())
    assert decide(empty, duplicates(), losses(), 0.7).num_rows == 0


def test_a_document_that_was_dropped_before_is_an_error():
    selection = select(*tables(("cc", 9, "en", 1, 0.9)), CURATED, KEEP_ALL)
    found = duplicates(("id0", "cc", "id9", "wiki", "exact", 1.0, 2))
    with pytest.raises(
        ValueError, match="duplicates: 1 documents were dropped before, the first id0 for 'too_short'"
    ):
        decide(selection, found, losses(), 0.7)


def test_unknown_reasons_are_refused():
    selection = select(*tables(("cc", 99, "en", 1, 0.9)), CURATED, KEEP_ALL)
    with pytest.raises(ValueError, match=r"unknown reasons \['bad taste'\]"):
        decide(selection, duplicates(), losses(("id0", "bad taste", 1, 2)), 0.7)


def test_a_repeated_row_goes_and_its_first_copy_is_judged():
    page = ("cc", 99, "en", 1, 0.9)
    documents, signals = (table.take(pa.array([0, 1, 1])) for table in tables(page, page))
    selection = select(documents, signals, CURATED, KEEP_ALL, np.array([False, False, True]))
    assert selection["reason"].to_pylist() == ["kept", "kept", "repeated"]
    assert selection["figure"].null_count == 3
    found = duplicates(("id1", "cc", "id9", "wiki", "exact", 1.0, 2))
    decided = decide(selection, found, losses(), 0.7)
    assert decided["reason"].to_pylist() == ["kept", "exact_duplicate", "repeated"]


def test_funnel_counts_by_source_and_reason_in_recipe_order():
    decisions = select(
        *tables(
            ("wiki", 0, "en", 1, 0.9),
            ("cc", 99, "en", 1, 0.9),
            ("cc", 99, "fr", 1, 0.9),
            ("cc", 99, "en", 1, 0.1),
            ("cc", 9, "en", 1, 0.1),
            ("cc", 8, "en", 1, 0.1),
        ),
        CURATED,
        THRESHOLD,
    )
    assert [tuple(row.values()) for row in funnel(decisions).to_pylist()] == [
        ("cc", "too_short", 2),
        ("cc", "language", 1),
        ("cc", "quality", 1),
        ("cc", "kept", 1),
        ("wiki", "too_short", 1),
    ]
    assert pc.sum(funnel(decisions)["documents"]).as_py() == decisions.num_rows


def test_every_reason_can_be_stored():
    assert pa.array(list(Reason), pa.string()).to_pylist() == [reason.value for reason in Reason]
