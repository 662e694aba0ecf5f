import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.classifiers.examples import Examples, Split, held_out, split_examples
from tests.text_forms import FORMS


def numbered(prefix, n, groups=None):
    texts = pa.chunked_array([[f"{prefix} {i}" for i in range(n)]], pa.string())
    return Examples(texts, None if groups is None else pa.array(groups, pa.string()))


def kept_texts(examples, mask):
    return set(examples.take(mask).to_pylist())


def test_a_site_is_held_out_whole_or_not_at_all():
    sites = [f"site{i % 50}" for i in range(1000)]
    positive, negative = numbered("p", 1000, sites), numbered("n", 1000, sites)
    masks = held_out(positive, negative, 0.2, seed=1)
    held = [{site for site, out in zip(sites, mask, strict=True) if out} for mask in masks]
    left = [{site for site, out in zip(sites, mask, strict=True) if not out} for mask in masks]
    assert held[0] == held[1] != set()
    assert not held[0] & left[0]
    assert 0.05 < masks[0].mean() < 0.4


@pytest.mark.parametrize(
    "sites",
    [["one"] * 1000, [None] * 1000, ["one"] * 500 + [None] * 500],
    ids=["a source that is one site", "no sites", "both"],
)
def test_rows_of_large_groups_are_drawn_alone(sites):
    mask, _ = held_out(numbered("p", 1000, sites), numbered("n", 10), 0.2, seed=1)
    assert 150 < mask.sum() < 250


def test_equal_texts_stay_together():
    texts = pa.chunked_array([["same"] * 40 + ["other"] * 40], pa.string())
    for seed in range(20):
        mask, _ = held_out(Examples(texts), numbered("n", 5), 0.5, seed)
        assert len(set(mask[:40])) == len(set(mask[40:])) == 1


@given(st.permutations(range(60)), st.integers(0, 3))
def test_order_does_not_matter(order, seed):
    sites = [f"site{i % 17}" if i % 3 else None for i in range(60)]
    examples = numbered("p", 60, sites)
    shuffled = Examples(
        pa.chunked_array([examples.texts.combine_chunks().take(pa.array(order))]),
        examples.groups.take(pa.array(order)),
    )
    negative = numbered("n", 30)
    expected = kept_texts(examples, held_out(examples, negative, 0.3, seed)[0])
    assert kept_texts(shuffled, held_out(shuffled, negative, 0.3, seed)[0]) == expected


def test_seed_and_share_matter():
    examples, negative = numbered("p", 500), numbered("n", 5)
    one, two = (held_out(examples, negative, 0.5, seed)[0] for seed in (1, 2))
    assert (one != two).any()
    assert not held_out(examples, negative, 0.0, 1)[0].any()


def test_rows_by_source():
    texts = pa.chunked_array([["a", "b", "c"]])
    named = Examples(texts, sources=pa.array(["wiki", "books", "wiki"]))
    assert named.count_by_source(np.array([True, True, True])) == {"books": 1, "wiki": 2}
    assert named.count_by_source(np.array([True, False, False])) == {"wiki": 1}
    assert Examples(texts).count_by_source(np.array([True, True, False])) == {"unnamed": 2}
    assert Examples(texts).count_by_source(np.zeros(3, bool)) == {}


def test_sites_may_all_be_null():
    texts = pa.chunked_array([[f"text {i}" for i in range(100)]])
    named, unnamed = Examples(texts, pa.nulls(100)), Examples(texts)
    negative = numbered("n", 5, [None] * 5)
    assert (held_out(named, negative, 0.5, 1)[0] == held_out(unnamed, negative, 0.5, 1)[0]).all()


@pytest.mark.parametrize("column", ["groups", "sources", "languages", "urls"])
def test_columns_of_another_length_are_refused(column):
    with pytest.raises(ValueError, match=f"2 texts but 1 {column}"):
        Examples(pa.chunked_array([["a", "b"]]), **{column: pa.array(["x"])})


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_makes_the_same_examples(form):
    values = [f"text {i}" for i in range(50)]
    made = Examples(FORMS[form](values), groups=[f"site{i % 9}" for i in range(50)], sources=["web"] * 50)
    plain = numbered("text", 50, [f"site{i % 9}" for i in range(50)])
    mask, expected = (held_out(examples, numbered("n", 5), 0.3, 1)[0] for examples in (made, plain))
    np.testing.assert_array_equal(mask, expected)
    assert made.take(mask).cast(pa.string()).to_pylist() == plain.take(expected).to_pylist()
    assert made.count_by_source(~mask) == {"web": int((~mask).sum())}


SITES = st.lists(st.sampled_from([*"abcdefghijklmnop", None]), min_size=2, max_size=200)


@given(SITES, SITES, st.floats(0.05, 0.6), st.integers(0, 5))
def test_no_site_straddles_the_split_unless_it_is_larger_than_the_share(positive, negative, share, seed):
    """Sites of both classes together: one that is only fitted in one class must not be held out in the other."""
    classes = numbered("p", len(positive), positive), numbered("n", len(negative), negative)
    masks = held_out(*classes, share, seed)
    large = {
        site
        for sites in (positive, negative)
        for site in sites
        if site is not None and sites.count(site) > share * len(sites)
    }
    held, left = set(), set()
    for sites, mask in zip((positive, negative), masks, strict=True):
        held |= {site for site, out in zip(sites, mask, strict=True) if out}
        left |= {site for site, out in zip(sites, mask, strict=True) if not out}
    assert not (held & left) - large - {None}


def test_selected_examples_keep_what_is_known_of_them():
    examples = Examples(
        pa.chunked_array([["a", "b"], ["c"]]),
        groups=["x", None, "y"],
        sources=["s", "t", "u"],
        languages=["en", "zh", "en"],
        urls=["http://x/", "file", "http://y/"],
    )
    chosen = examples.select(np.array([True, False, True]))
    assert chosen.texts.to_pylist() == ["a", "c"]
    columns = [getattr(chosen, name).to_pylist() for name in ("groups", "sources", "languages", "urls")]
    assert columns == [["x", "y"], ["s", "u"], ["en", "en"], ["http://x/", "http://y/"]]
    plain = Examples(examples.texts).select(np.array([False, True, False]))
    assert (plain.texts.to_pylist(), plain.groups, plain.languages) == (["b"], None, None)


def test_rows_of_a_language():
    examples = Examples(pa.chunked_array([["a", "b", "c"]]), languages=["en", None, "zh"])
    assert examples.of_language("zh").tolist() == [False, False, True]
    assert Examples(examples.texts).of_language("zh").tolist() == [False] * 3


def test_names_of_sources():
    texts = pa.chunked_array([["a", "b"]])
    assert Examples(texts, sources=["web", None]).names_of_sources() == ["web", "unnamed"]
    assert Examples(texts).names_of_sources() == ["unnamed"] * 2


def test_a_split_of_some_rows_keeps_what_is_held_out():
    positive, negative = numbered("p", 200), numbered("n", 300)
    split = split_examples(positive, negative, 0.3, 1)
    assert split.note is None
    some = np.arange(200) < 100, np.arange(300) >= 150
    part = split.select(*some)
    assert part.positive.tolist() == split.positive[:100].tolist()
    assert part.negative.tolist() == split.negative[150:].tolist()
    assert part.note is None
    few = split.select(np.arange(200) < 5, some[1])
    assert few.positive.tolist() == split.positive[:5].tolist()
    assert "at least 10 of each are needed" in few.note


def test_too_few_rows_are_not_split():
    split = split_examples(numbered("p", 20), numbered("n", 300), 0.2, 1)
    assert not split.positive.any()
    assert not split.negative.any()
    assert split.note.startswith("not evaluated, fitted on all rows: a held-out share of 0.2 gives ")
    assert isinstance(split, Split)
