"""Who meets whom: scopes, removal of one source from another, policies, other widths, worst cases."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dedup.config import DedupConfig, Preference, Removal
from dedup.minhash import BandTarget, MinHashConfig
from dedup.survivors import Links
from pipelines.deduplication.deduplicate import duplicates_in_memory
from pipelines.deduplication.deduplicate_steps import judge
from tests.pipelines.dedup_corpus import MINHASH, corpus, everything, sharded, words

RANKS = {"books": 0, "crawl": 1, "webtext": 2}
TEXT = words(0, 200)


def removed(tables: dict[str, pa.Table], config: DedupConfig, minhash: MinHashConfig = MINHASH) -> str:
    """Which documents go for which, as "1>0 2>0", by their numbers."""
    found = duplicates_in_memory(sharded(tables, 1, minhash=minhash), everything, RANKS, config)
    number = {doc_id: i for i, doc_id in enumerate(tables["documents"]["doc_id"].to_pylist())}
    pairs = zip(found["doc_id"].to_pylist(), found["survivor_id"].to_pylist(), strict=True)
    return " ".join(sorted(f"{number[gone]}>{number[stays]}" for gone, stays in pairs))


BY_LENGTH = {"survivor_order": [Preference(by="n_words")]}


@pytest.mark.parametrize("text", [TEXT + " a", TEXT], ids=["near", "exact"])
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param("all", "1>0 2>0 3>0", id="all"),
        pytest.param("source", "1>0 3>2", id="source"),
        pytest.param("snapshot", "2>0", id="snapshot"),
        pytest.param("language", "3>0", id="language"),
    ],
)
def test_documents_meet_within_their_scope_alone(text: str, scope: Any, expected: str) -> None:
    tables = corpus(
        [TEXT + " b" if " a" in text else TEXT, text, text, text],
        MINHASH,
        sources=["crawl", "crawl", "books", "books"],
        snapshot=["1", "2", "1", "3"],
        language=["en", "de", "fr", "en"],
        n_words=[9, 8, 7, 6],
    )
    assert removed(tables, DedupConfig(scope=scope, **BY_LENGTH)) == expected


@pytest.mark.parametrize(("scope", "candidates"), [("all", 6), ("source", 2), ("language", 6)])
def test_nothing_is_spent_on_pairs_across_scopes(scope: Any, candidates: int) -> None:
    tables = corpus([TEXT] * 4, MINHASH, sources=["crawl", "crawl", "books", "books"])
    counts: Counter[str] = Counter()
    duplicates_in_memory(sharded(tables, 2), everything, RANKS, DedupConfig(scope=scope), counts)
    assert counts["candidate_pairs"] == candidates


def test_a_link_that_crosses_scopes_is_dropped() -> None:
    tables = corpus([TEXT] * 3, MINHASH, sources=["crawl", "crawl", "books"])
    rows = sharded(tables, 1)
    crossing = Links(*(np.array(side, dtype=np.int64) for side in ([0, 0], [1, 2])), np.ones(2))
    for scope, expected in (("all", 2), ("source", 1)):
        judged = judge(rows, crossing, _no_measure, RANKS, DedupConfig(scope=scope))
        assert len(judged.removed) == expected


def _no_measure(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    raise AssertionError("copies need no measure")


WEBTEXT_FROM_CRAWL = [Removal(keep=["webtext"], remove=["crawl"])]


@pytest.mark.parametrize(
    ("sources", "rules", "expected"),
    [
        pytest.param("crawl crawl webtext webtext", {}, "1>0 2>0 3>0", id="by default rank decides"),
        pytest.param(
            "crawl crawl webtext webtext",
            {"across": WEBTEXT_FROM_CRAWL},
            "0>2 1>2 3>2",
            id="webtext from the crawl, and each within itself",
        ),
        pytest.param(
            "crawl crawl webtext webtext",
            {"within": ["crawl"], "across": WEBTEXT_FROM_CRAWL},
            "0>2 1>2",
            id="webtext is not touched",
        ),
        pytest.param(
            "crawl books books webtext",
            {"within": [], "across": WEBTEXT_FROM_CRAWL},
            "0>3",
            id="a third source takes no part",
        ),
        pytest.param("crawl crawl books books", {"across": []}, "1>0 3>2", id="within each source"),
    ],
)
def test_removal_of_one_source_from_another(sources: str, rules: dict[str, Any], expected: str) -> None:
    tables = corpus(
        [TEXT + f" x{i}" for i in range(4)], MINHASH, sources=sources.split(), n_words=[4, 3, 2, 1]
    )
    assert removed(tables, DedupConfig(**rules)) == expected


@pytest.mark.parametrize(
    ("order", "best"),
    [
        pytest.param([Preference(by="fetched_at", keep="lowest")], 0, id="oldest"),
        pytest.param([Preference(by="fetched_at")], 1, id="newest"),
        pytest.param([Preference(by="language_score")], 2, id="any signal"),
        pytest.param(
            [Preference(by="n_bytes", keep="lowest"), Preference(by="fetched_at")], 3, id="shortest"
        ),
        pytest.param(
            [Preference(by="source_rank", keep="lowest"), Preference(by="n_words")],
            4,
            id="source, then words",
        ),
        pytest.param([Preference(by="source_rank"), Preference(by="fetched_at")], 1, id="the last source"),
    ],
)
def test_the_survivor_by_any_column(order: list[Preference], best: int) -> None:
    day = 86_400_000
    tables = corpus(
        [TEXT + f" x{i}" for i in range(6)],
        MINHASH,
        sources=["crawl", "crawl", "crawl", "crawl", "books", "books"],
        fetched_at=[day, 5 * day, 2 * day, 3 * day, None, None],
        n_bytes=[5, 5, 5, 1, 4, 4],
        n_words=[9, 9, 9, 9, 7, 6],
        language_score=[0.1, 0.2, 0.9, 0.3, 0.4, 0.0],
    )
    expected = " ".join(f"{i}>{best}" for i in range(6) if i != best)
    assert removed(tables, DedupConfig(survivor_order=order)) == expected


@pytest.mark.parametrize("name", ["text", "url", "no_such_column"])
def test_a_criterion_that_no_document_has_is_named_before_any_work(name: str) -> None:
    tables = corpus([TEXT], MINHASH)
    with pytest.raises(ValueError, match=rf"dedup\.survivor_order\[1\]\.by: '{name}' is no number"):
        removed(tables, DedupConfig(survivor_order=[Preference(by="n_words"), Preference(by=name)]))


def test_a_rule_for_a_source_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dedup\.within: no source is called 'novels'"):
        removed(corpus([TEXT], MINHASH), DedupConfig(within=["novels"]))


@pytest.mark.parametrize(
    "minhash",
    [
        MinHashConfig(num_perm=10, ngram=1, bands=10, rows=1),
        MinHashConfig(num_perm=128, bands=16, rows=8),
        MinHashConfig(num_perm=64, target=BandTarget(threshold=0.6)),
    ],
    ids=lambda config: f"{config.num_perm} as {config.bands} x {config.rows}",
)
def test_signatures_of_any_width_work(minhash: MinHashConfig) -> None:
    texts = [TEXT, words(500, 700), TEXT + " x", "short", "short ", words(500, 700) + " y"]
    tables = corpus(texts, minhash, sources=["crawl"] * 6)
    assert removed(tables, DedupConfig(**BY_LENGTH), minhash) == "0>2 1>5 3>4"


def counted(texts: list[str]) -> tuple[int, Counter[str]]:
    counts: Counter[str] = Counter()
    tables = corpus(texts, MINHASH)
    found = duplicates_in_memory(sharded(tables, 3), everything, RANKS, DedupConfig(), counts)
    return len(found), counts


def test_a_hundred_thousand_copies_cost_two_comparisons_each() -> None:
    n = 100_000
    gone, counts = counted([words(0, 12)] * n)
    assert gone == n - 1
    # The same star in the 14 bands and in the bucket of the exact hash: it counts once.
    assert counts == {
        "candidate_pairs": 2 * n - 3,
        "measured_pairs": 2 * n - 3,
        "similar_pairs": 2 * n - 3,
        "hub_buckets": 15,
    }


def test_a_hundred_thousand_pages_of_one_template_stay_at_a_linear_cost() -> None:
    n = 100_000
    template = words(0, 30)
    gone, counts = counted([f"{template} " + words(1000 + 30 * i, 1020 + 30 * i) for i in range(n)])
    assert gone == 0
    assert counts["hub_buckets"] > 0
    assert counts["candidate_pairs"] < 2 * 14 * n
    assert counts["similar_pairs"] == 0
