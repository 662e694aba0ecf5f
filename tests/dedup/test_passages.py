"""Rules for passages against a plain-Python oracle, in memory and shard by shard."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.passages import (
    REPEATED,
    ROWS,
    PassageConfig,
    cut,
    cut_passages,
    id_halves,
    merge,
    rows_of,
    with_keys,
)
from dedup.spans import remove_spans
from dedup.units import units

RULES = [
    PassageConfig(rule="c4"),
    PassageConfig(rule="c4", span_sentences=2, keep="none"),
    PassageConfig(rule="ccnet"),
    PassageConfig(rule="ccnet", min_bytes=4),
    PassageConfig(rule="boilerplate", max_site_documents=2, max_sites=3, min_boilerplate_bytes=1),
    PassageConfig(
        rule="boilerplate",
        max_site_documents=1,
        max_sites=1,
        boilerplate_unit="paragraph",
        min_boilerplate_bytes=9,
    ),
    PassageConfig(
        rule="boilerplate", max_site_documents=1, max_sites=2, keep="none", min_boilerplate_bytes=2
    ),
]
LINES = [
    "Buy now.",
    "山高。水長！",
    "A tale. Of 12 men.",
    "a tale. of 99 men.",
    "!",
    "One. Two. Three. Four.",
    "",
]


def ids(n: int, seed: int = 0) -> pa.Array:
    draw = random.Random(seed)
    return pa.array([f"{draw.getrandbits(128):032x}" for _ in range(n)], pa.string())


def without(texts: list[str], found) -> list[str]:
    spans = found.spans
    return remove_spans(pa.array(texts, pa.string()), spans.starts, spans.ends, spans.offsets).to_pylist()


def passages_by_hand(text: str, config: PassageConfig) -> list[tuple[str, list[int]]]:
    """(normalised passage, numbers of its units) in order, the units by `units`, which has its own oracle."""
    kind = {"c4": "sentence", "ccnet": "line", "boilerplate": config.boilerplate_unit}[config.rule]
    raw, found = text.encode(), units(pa.array([text]), kind, "spaces")
    folded = []
    for start, end in zip(found.starts, found.ends, strict=True):
        unit = raw[start:end].decode().lower()
        if config.rule == "ccnet":
            unit = "".join("0" if c.isdecimal() else c for c in unit if c.isalnum() or c.isspace())
        folded.append(" ".join(unit.split()))
    n = config.span_sentences if config.rule == "c4" else 1
    spans = [(tuple(folded[i : i + n]), list(range(i, i + n))) for i in range(len(folded) - n + 1)]
    least = config.min_boilerplate_bytes if config.rule == "boilerplate" else config.min_bytes
    return [(key, rows) for key, rows in spans if sum(len(unit.encode()) for unit in key) >= least]


def units_cut_by_hand(texts, doc_ids, sites, config) -> list[set[int]]:
    held = [passages_by_hand(text, config) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: doc_ids[i].as_py())
    places: dict[tuple, list[tuple[int, list[int]]]] = {}
    for i in order:
        for key, rows in held[i]:
            places.setdefault(key, []).append((i, rows))
    gone: list[set[int]] = [set() for _ in texts]
    for copies in places.values():
        documents = {i for i, _ in copies}
        by_site: dict[str, int] = {}
        for i in documents:
            by_site[sites[i]] = by_site.get(sites[i], 0) + 1
        cut = len(copies) > 1
        if config.rule == "boilerplate":
            cut = max(by_site.values()) > config.max_site_documents or len(by_site) > config.max_sites
        for i, rows in copies[1 if config.keep == "first" else 0 :] if cut else []:
            gone[i].update(rows)
    return gone


def units_cut(texts, found, config) -> list[set[int]]:
    kind = {"c4": "sentence", "ccnet": "line", "boilerplate": config.boilerplate_unit}[config.rule]
    gone = []
    for i, text in enumerate(texts):
        spans = found.spans
        cut = [(spans.starts[j], spans.ends[j]) for j in range(*spans.offsets[i : i + 2])]
        of = units(pa.array([text]), kind, "spaces")
        inside = {
            row
            for row in range(len(of.hashes))
            if any(start <= of.starts[row] and of.ends[row] <= end for start, end in cut)
        }
        touched = {
            row
            for row in range(len(of.hashes))
            if any(start < of.ends[row] and of.starts[row] < end for start, end in cut)
        }
        assert inside == touched
        gone.append(inside)
    return gone


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(LINES), max_size=6).map("\n".join), st.sampled_from("xyzw")),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(RULES),
)
def test_the_same_units_go_as_by_hand(documents, config):
    texts, sites = [text for text, _ in documents], [site for _, site in documents]
    doc_ids = ids(len(texts))
    found = cut_passages(pa.array(texts, pa.string()), doc_ids, config, pa.array(sites))
    assert units_cut(texts, found, config) == units_cut_by_hand(texts, doc_ids, sites, config)


@pytest.mark.parametrize(
    ("config", "texts", "left"),
    [
        (PassageConfig(rule="ccnet"), ["a\nb\nc", "B!\nd"], ["a\nb\nc", "d"]),
        (PassageConfig(rule="ccnet"), ["x", "a\n\nX\n\n b"], ["x", "a\n\nb"]),
        (PassageConfig(rule="ccnet"), ["in 1999", "in 2024"], ["in 1999", ""]),
        (PassageConfig(rule="ccnet"), ["a\na\na"], ["a\n"]),
        (PassageConfig(rule="ccnet", keep="none"), ["a\nb", "a\nc"], ["b", "c"]),
        (PassageConfig(rule="c4"), ["A. B. C. D.", "E. a. b. C. F."], ["A. B. C. D.", "E. F."]),
        (PassageConfig(rule="c4"), ["甲。乙。丙。丁。", "戊。甲。乙。丙。"], ["甲。乙。丙。丁。", "戊。"]),
        (PassageConfig(rule="c4"), ["A. B. D.", "A. B. C."], ["A. B. D.", "A. B. C."]),
        (PassageConfig(rule="c4"), ["A. A. A. A. A."], ["A. "]),
        (PassageConfig(rule="c4"), ["A. B.", "A. B."], ["A. B.", "A. B."]),
        (PassageConfig(rule="c4"), ["A.\nB.\nC.", "x. A.\nB.\nC.\ny"], ["A.\nB.\nC.", "x. \ny"]),
    ],
    ids=[
        "ccnet: case and punctuation do not count",
        "ccnet: a cut line leaves no empty line",
        "ccnet: digits do not count",
        "ccnet: copies within a document",
        "ccnet: no copy stays",
        "c4: three sentences",
        "c4: Chinese",
        "c4: two sentences are too few",
        "c4: copies that overlap",
        "c4: a short document has no span",
        "c4: the end of a line stays where its beginning does",
    ],
)
def test_what_is_left(config, texts, left):
    doc_ids = pa.array([f"{i:032x}" for i in range(len(texts))])
    assert without(texts, cut_passages(pa.array(texts), doc_ids, config)) == left


@pytest.mark.parametrize(
    ("sites", "max_site_documents", "max_sites", "gone"),
    [
        ("aaab", 2, 9, True),
        ("aabb", 2, 9, False),
        ("abcd", 9, 3, True),
        ("abcc", 9, 3, False),
        ("aaaa", 4, 1, False),
    ],
    ids=["many of one site", "few of each site", "many sites", "few sites", "exactly the limit"],
)
def test_one_site_and_many_sites_are_told_apart(sites, max_site_documents, max_sites, gone):
    texts = [f"Home | About us\nstory {word}" for word in ("one", "two", "three", "four")]
    config = PassageConfig(rule="boilerplate", max_site_documents=max_site_documents, max_sites=max_sites)
    found = cut_passages(
        pa.array(texts), pa.array([f"{i:032x}" for i in range(4)]), config, pa.array([*sites])
    )
    assert [text.startswith("Home") for text in without(texts, found)] == [True] + [not gone] * 3


@pytest.mark.parametrize("first", [0, 1, 2], ids=["by id", "by id, shuffled", "by rank"])
def test_the_first_copy_is_by_rank_then_id(first):
    doc_ids = pa.array([f"{i:032x}" for i in ([1, 2, 3], [0xF << 120, 1, 0xF << 124], [1, 2, 3])[first]])
    ranks = np.array([0, 0, 0] if first < 2 else [1, 1, 0])
    found = cut_passages(pa.array(["x"] * 3), doc_ids, PassageConfig(rule="ccnet"), ranks=ranks)
    assert np.flatnonzero(np.diff(found.spans.offsets) == 0).tolist() == [first]


@pytest.mark.parametrize("config", [*RULES, PassageConfig(rule="substring", substring_words=4)])
@pytest.mark.parametrize("shards", [1, 3, 7])
def test_shards_and_ranges_give_what_memory_gives(config, shards):
    draw = random.Random(shards)
    texts = ["\n".join(draw.choices(LINES, k=draw.randrange(9))) for _ in range(40)]
    doc_ids, sites = ids(40), pa.array([draw.choice("pqr") for _ in range(40)])
    whole = cut_passages(pa.array(texts), doc_ids, config, sites)
    order = draw.sample(range(40), 40)
    parts = [order[k::shards] for k in range(shards)]
    repeated = None
    for _ in range(2 if config.rule == "substring" else 1):
        repeated = merged_by_ranges(texts, doc_ids, sites, parts, config, repeated)
    for number, part in enumerate(parts):
        mine = own(repeated, number)
        spans = cut(pa.array([texts[i] for i in part], pa.string()), mine, config)
        for at, i in enumerate(part):
            a, b = spans.offsets[at : at + 2]
            c, d = whole.spans.offsets[i : i + 2]
            assert spans.starts[a:b].tolist() == whole.spans.starts[c:d].tolist()
            assert spans.ends[a:b].tolist() == whole.spans.ends[c:d].tolist()


def own(repeated: pa.Table, number: int) -> pa.Table:
    places = repeated["place"].to_numpy()
    mine = repeated.filter(pa.array(places >> 32 == number))
    return mine.set_column(0, REPEATED.field("place"), pa.array(mine["place"].to_numpy() & 0xFFFFFFFF))


def merged_by_ranges(texts, doc_ids, sites, parts, config, wanted) -> pa.Table:
    high, low = id_halves(doc_ids)
    rows = []
    for number, part in enumerate(parts):
        index = np.array(part)
        keys = {
            "place": number << 32 | np.arange(len(part)),
            "rank": np.zeros(len(part), np.int64),
            "id_high": high[index],
            "id_low": low[index],
            "site": np.array([ord(sites[i].as_py()) for i in part]),
        }
        told = None if wanted is None else own(wanted, number)
        rows.append(with_keys(rows_of(pa.array([texts[i] for i in part], pa.string()), config, told), keys))
    table = pa.concat_tables(rows)
    thirds = [table.filter(pa.array(table["hash"].to_numpy() % 3 == k)) for k in range(3)]
    merged = pa.concat_tables([merge(third, config) for third in thirds])
    unsigned = merged["hash"].to_numpy().view(np.uint64)
    return merged.take(pa.array(np.lexsort((unsigned, merged["place"].to_numpy()))))


@pytest.mark.parametrize(
    "config", [RULES[0], RULES[2], PassageConfig(rule="substring")], ids=lambda c: c.rule
)
@pytest.mark.parametrize("text", ["A b c. " * 40, "", "\n" * 1000], ids=["prose", "empty", "line ends"])
def test_of_ten_thousand_equal_documents_one_stays_as_it_would_alone(config, text):
    one = cut_passages(pa.array([text]), ids(1), config)
    alone = without([text], one)[0]
    texts = [text] * 10_000
    left = without(texts, cut_passages(pa.array(texts), ids(10_000), config))
    assert sorted(set(left)) == sorted({alone, "" if alone.strip() else text})
    assert left.count(alone) == (1 if alone.strip() else 10_000)


def test_no_documents_have_no_passages():
    for config in (RULES[0], RULES[2], PassageConfig(rule="substring")):
        found = cut_passages(pa.array([], pa.string()), pa.array([], pa.string()), config)
        assert found.spans.offsets.tolist() == [0]
        assert found.repeated.num_rows == 0
        assert merge(ROWS.empty_table(), config).num_rows == 0


def test_evidence_names_the_first_holder_and_the_counts():
    texts = pa.array(["x\ny", "x\nz\nx", "q"])
    found = cut_passages(texts, pa.array([f"{i + 5:032x}" for i in range(3)]), PassageConfig(rule="ccnet"))
    told = found.repeated.take(pa.array(found.spans.evidence)).to_pylist()
    assert {(row["n_documents"], row["n_occurrences"], row["holder_low"]) for row in told} == {(2, 3, 5)}


@pytest.mark.parametrize("bad", ["12", "g" * 32], ids=["too short", "no hex digits"])
def test_ids_of_another_form_are_refused(bad):
    with pytest.raises(ValueError, match="hex"):
        id_halves(pa.array([bad]))


def test_the_rule_off_compares_nothing():
    with pytest.raises(ValueError, match="rule 'off' compares no passages"):
        cut_passages(pa.array(["x"]), ids(1), PassageConfig())
