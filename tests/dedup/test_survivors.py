import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from dedup import survivors
from dedup.config import DedupConfig, Preference, Removal
from dedup.minhash import MinHashConfig, shingles, signature_matrix, signatures
from dedup.removal import rights
from dedup.survivors import Links, Members, Verdicts, choose_survivors, policy_order
from dedup.verify import set_jaccard, shingle_sets

CONFIG = DedupConfig()
UNIGRAMS = MinHashConfig(ngram=1)


FIGURES = ("source_rank", "quality_score", "n_words", "fetched_at")
ANYTHING = rights(["a", "b"], CONFIG)


def members(texts: list[str], **columns) -> Members:
    n = len(texts)
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    given = {
        "component": [0] * n,
        "source": [0] * n,
        "n_words": [len(text.split()) for text in texts],
        "doc_id": [f"{i:032x}" for i in range(n)],
        **columns,
    }
    return Members(
        component=np.array(given["component"], dtype=np.int64),
        source=np.array(given["source"], dtype=np.int64),
        figures={name: np.array(given.get(name, [0] * n), dtype=np.float64) for name in FIGURES},
        doc_id=pa.array(given["doc_id"]),
        exact_codes=np.array([codes[text] for text in texts], dtype=np.int64),
        signatures=signature_matrix(signatures(pa.array(texts), UNIGRAMS)),
    )


def choose(group: Members, edges: Links, measure=None, allowed=ANYTHING, config=CONFIG) -> Verdicts:
    return choose_survivors(group, edges, measure or measure_nothing, allowed, config)


def taken(group: Members, rows: np.ndarray) -> Members:
    return Members(
        component=group.component[rows],
        source=group.source[rows],
        figures={name: figure[rows] for name, figure in group.figures.items()},
        doc_id=group.doc_id.take(pa.array(rows)),
        exact_codes=group.exact_codes[rows],
        signatures=group.signatures[rows],
    )


def links(*edges: tuple[int, int, float]) -> Links:
    left, right, jaccard = zip(*edges, strict=True) if edges else ((), (), ())
    return Links(np.array(left, np.int64), np.array(right, np.int64), np.array(jaccard, np.float64))


def measure_nothing(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    raise AssertionError(f"asked to measure {list(zip(left, right, strict=True))}")


def words(first: int, last: int) -> str:
    return " ".join(f"w{i}" for i in range(first, last))


FAR = [words(0, 50), words(100, 150), words(200, 250)]


NEWEST, OLDEST = (Preference(by="fetched_at", keep=end) for end in ("highest", "lowest"))
LENGTH, QUALITY = Preference(by="n_words"), Preference(by="quality_score")


@pytest.mark.parametrize(
    ("columns", "order", "best"),
    [
        pytest.param({"source_rank": [2, 0, 1]}, None, 1, id="low source rank first"),
        pytest.param({"quality_score": [0.1, 0.2, 0.9]}, None, 2, id="then high quality"),
        pytest.param({"quality_score": [np.nan, 0.0, np.nan]}, None, 1, id="an unknown quality is the worst"),
        pytest.param({"n_words": [3, 9, 5]}, None, 1, id="then length"),
        pytest.param({"doc_id": ["b" * 32, "c" * 32, "a" * 32]}, None, 2, id="then the smaller id"),
        pytest.param(
            {"source_rank": [0, 1, 1], "quality_score": [0.1, 0.9, 0.9]},
            None,
            0,
            id="source outweighs quality",
        ),
        pytest.param(
            {"source_rank": [0, 1, 1], "quality_score": [0.1, 0.2, 0.9]},
            [QUALITY],
            2,
            id="only what the policy names",
        ),
        pytest.param(
            {"quality_score": [0.1, 0.9, 0.2], "n_words": [9, 1, 1]}, [LENGTH, QUALITY], 0, id="another order"
        ),
        pytest.param({"fetched_at": [5, 7, 6], "n_words": [9, 1, 1]}, [NEWEST], 1, id="newest"),
        pytest.param({"fetched_at": [5, 7, 4], "n_words": [9, 1, 1]}, [OLDEST], 2, id="oldest"),
        pytest.param({"fetched_at": [np.nan, 7, 6]}, [OLDEST], 2, id="no time is never the oldest"),
        pytest.param({"n_words": [1, 2, 3]}, [], 0, id="no criterion leaves the id"),
        pytest.param({"n_words": [7, 3, 5]}, [Preference(by="n_words", keep="lowest")], 1, id="the shortest"),
    ],
)
def test_the_best_document_by_policy(columns, order, best: int) -> None:
    config = CONFIG if order is None else DedupConfig(survivor_order=order)
    assert policy_order(members(FAR, **columns), ANYTHING, config)[0] == best


def test_a_criterion_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="n_words twice"):
        DedupConfig(survivor_order=[LENGTH, Preference(by="n_words", keep="lowest")])


def test_a_chain_is_broken_where_similarity_ends() -> None:
    chain = members(FAR, quality_score=[0.9, 0.5, 0.4])
    verdicts = choose(chain, links((0, 1, 0.8), (1, 2, 0.9)))
    assert verdicts.survivor.tolist() == [0, 0, 2]
    assert verdicts.jaccard.tolist() == [1.0, 0.8, 1.0]
    assert verdicts.cluster_size.tolist() == [2, 2, 1]


def test_without_chain_break_a_component_has_one_survivor() -> None:
    chain = members(FAR, quality_score=[0.9, 0.5, 0.4])
    edges = links((0, 1, 0.8), (1, 2, 0.9))
    verdicts = choose(chain, edges, config=DedupConfig(chain_break=False))
    assert verdicts.survivor.tolist() == [0, 0, 0]
    assert verdicts.cluster_size.tolist() == [3, 3, 3]


def test_copies_follow_the_best_of_them() -> None:
    texts = [FAR[0], FAR[1], FAR[1], FAR[1]]
    group = members(texts, quality_score=[0.9, 0.1, 0.3, 0.2])
    verdicts = choose(group, links((0, 1, 0.8), (1, 2, 1.0), (2, 3, 1.0)))
    assert verdicts.survivor.tolist() == [0, 0, 0, 0]
    assert verdicts.exact.tolist() == [True, False, False, False]
    assert verdicts.jaccard.tolist() == [1.0, 0.8, 0.8, 0.8]


def test_copies_of_a_survivor_are_exact_duplicates_of_the_best_copy() -> None:
    group = members([FAR[0]] * 3, quality_score=[0.1, 0.9, 0.2])
    verdicts = choose(group, links((0, 1, 1.0), (1, 2, 1.0)))
    assert verdicts.survivor.tolist() == [1, 1, 1]
    assert verdicts.exact.all()
    assert (verdicts.jaccard == 1).all()


def test_components_do_not_mix() -> None:
    texts = [words(0, 100), words(1, 101), words(0, 101), words(1, 102)]
    group = members(texts, component=[0, 0, 2, 2], quality_score=[0.1, 0.2, 0.3, 0.4])
    verdicts = choose(group, links((0, 1, 0.98), (2, 3, 0.98)))
    assert verdicts.survivor.tolist() == [1, 1, 3, 3]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(0.76, [0, 0, 0], id="measured similar"),
        pytest.param(0.74, [0, 0, 2], id="measured different"),
    ],
)
def test_a_proposal_by_estimate_is_measured(found: float, expected: list[int]) -> None:
    # Rows 0 and 2 have an estimate between the threshold and the clear; the candidate search linked neither.
    group = members([words(0, 100), words(8, 108), words(12, 110)], quality_score=[0.9, 0.5, 0.4])
    asked: list[tuple[int, int]] = []

    def measure(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        asked.extend(zip(left.tolist(), right.tolist(), strict=True))
        return np.full(len(left), found)

    verdicts = choose(group, links((0, 1, 0.85), (1, 2, 0.9)), measure)
    assert asked == [(2, 0)]
    assert verdicts.survivor.tolist() == expected


def test_what_stays_unmeasured_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survivors, "MEASURE_PASSES", 0)
    group = members([words(0, 100), words(8, 108), words(12, 110)], quality_score=[0.9, 0.5, 0.4])
    verdicts = choose(group, links((0, 1, 0.85), (1, 2, 0.9)))
    assert verdicts.survivor.tolist() == [0, 0, 2]


def test_no_members_give_no_verdicts() -> None:
    empty = taken(members(FAR), np.empty(0, dtype=np.int64))
    assert len(choose(empty, links()).survivor) == 0


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_are_those_of_brute_force_and_do_not_see_the_order_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = [rng.choice(25, rng.integers(10, 25), replace=False) for _ in range(60)]
    texts = [" ".join(map(str, np.sort(chosen))) for chosen in sets]
    group = members(texts, quality_score=rng.random(60), source_rank=rng.integers(0, 3, 60))
    grams = shingle_sets(shingles(pa.array(texts), UNIGRAMS))
    left, right = (side.astype(np.int64) for side in np.triu_indices(60, 1))
    jaccard = set_jaccard(grams, left, right)
    verdicts = choose(group, Links(left, right, jaccard))

    similarity = np.eye(60)
    similarity[left, right] = similarity[right, left] = jaccard
    expected = np.full(60, -1)
    for best in policy_order(group, ANYTHING, CONFIG):
        if expected[best] < 0:
            expected[(similarity[best] >= CONFIG.threshold) & (expected < 0)] = best
    assert verdicts.survivor.tolist() == expected.tolist()

    shuffle = rng.permutation(60)
    place = np.argsort(shuffle)
    moved = taken(group, shuffle)
    again = choose(moved, Links(place[right], place[left], jaccard))
    assert shuffle[again.survivor][place].tolist() == expected.tolist()


A, B = 0, 1
KEEP_A = [Removal(keep=["a"], remove=["b"])]


@pytest.mark.parametrize("chain_break", [True, False])
@pytest.mark.parametrize(
    ("sources", "rules", "survivor"),
    [
        pytest.param([B, B, A], {}, [0, 0, 0], id="by default everything meets and policy alone decides"),
        pytest.param([B, B, A], {"across": []}, [0, 0, 2], id="only within sources"),
        pytest.param([B, B, A], {"across": KEEP_A}, [2, 2, 2], id="a is not touched and comes first"),
        pytest.param([A, A, B], {"across": KEEP_A}, [0, 0, 0], id="a within itself too"),
        pytest.param([A, A, B], {"within": [], "across": KEEP_A}, [0, 1, 0], id="a stays whole"),
        pytest.param([B, B, A], {"within": [], "across": []}, [0, 1, 2], id="nobody meets"),
        pytest.param([B, B, A], {"within": ["a"], "across": []}, [0, 1, 2], id="within a alone"),
        pytest.param([B, A, B], {"within": []}, [0, 0, 2], id="across alone, both ways"),
    ],
)
@pytest.mark.parametrize("copies", [True, False], ids=["copies", "similar"])
def test_who_may_be_removed_for_whom(sources, rules, survivor, chain_break: bool, copies: bool) -> None:
    config = DedupConfig(chain_break=chain_break, **rules)
    texts = [words(0, 100)] * 3 if copies else [words(i, 100 + i) for i in range(3)]
    group = members(texts, source=sources, quality_score=[0.9, 0.8, 0.7])
    edges = links((0, 1, 0.99), (0, 2, 0.99), (1, 2, 0.99))
    verdicts = choose(group, edges, allowed=rights(["a", "b"], config), config=config)
    assert verdicts.survivor.tolist() == survivor


def test_pairs_that_nobody_linked_need_the_right_too() -> None:
    # The signatures say that rows 0 and 2 are alike; both are of a source that loses nothing to itself.
    config = DedupConfig(within=[], across=KEEP_A)
    group = members([words(i, 100 + i) for i in range(3)], source=[A, B, A])
    edges = links((0, 1, 0.99), (1, 2, 0.99))
    verdicts = choose(group, edges, allowed=rights(["a", "b"], config), config=config)
    assert verdicts.survivor.tolist() == [0, 0, 2]


def test_a_right_runs_on_only_over_documents_that_stay() -> None:
    # a removes from b and b from c; what b loses cannot remove, and a has no right over c.
    config = DedupConfig(across=[Removal(keep=["a"], remove=["b"]), Removal(keep=["b"], remove=["c"])])
    for chain_break in (True, False):
        asked = config.model_copy(update={"chain_break": chain_break})
        group = members([words(i, 100 + i) for i in range(3)], source=[2, 1, 0])
        edges = links((0, 1, 0.99), (0, 2, 0.99), (1, 2, 0.99))
        verdicts = choose(group, edges, allowed=rights(["a", "b", "c"], asked), config=asked)
        assert verdicts.survivor.tolist() == [0, 2, 2]


@pytest.mark.parametrize("chain_break", [True, False])
@pytest.mark.parametrize("text", ["?!", words(0, 50)], ids=["without words", "with words"])
def test_copies_that_only_a_third_one_links_meet_across_sources(text: str, chain_break: bool) -> None:
    # A bucket of very many copies links each with the first and the next one alone.
    config = DedupConfig(within=[], across=KEEP_A, chain_break=chain_break)
    group = members([text] * 3, source=[A, B, 2])
    edges = links((0, 2, 1.0), (1, 2, 1.0))
    verdicts = choose(group, edges, allowed=rights(["a", "b", "c"], config), config=config)
    assert verdicts.survivor.tolist() == [0, 0, 2]
    assert verdicts.jaccard.tolist() == [1.0, 1.0, 1.0]
    assert verdicts.exact.all()


def test_copies_in_two_components_do_not_meet() -> None:
    group = members([words(0, 50)] * 4, component=[0, 0, 2, 2])
    assert choose(group, links((0, 1, 1.0), (2, 3, 1.0))).survivor.tolist() == [0, 0, 2, 2]


def test_a_component_of_many_survivors_is_scanned_a_bounded_number_of_times() -> None:
    n = survivors.SCANNING_SURVIVORS + 3
    texts = [words(1000 * i, 1000 * i + 20) for i in range(n)]
    # The last two are alike, and only a verified link can say so: by then all scans are spent.
    texts.append(words(1000 * n, 1000 * n + 100))
    texts.append(words(1000 * n + 1, 1000 * n + 101))
    group = members(texts, quality_score=np.linspace(1, 0, len(texts)))
    hub = [(0, i, 0.1) for i in range(1, n)]
    alone = choose(group, links(*hub))
    linked = choose(group, links(*hub, (n, n + 1, 0.98)))
    assert alone.survivor.tolist() == list(range(len(texts)))
    assert linked.survivor.tolist()[-2:] == [n, n]
