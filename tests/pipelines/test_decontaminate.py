"""GPT-3's decontamination rule, at its numbers one by one, and as a whole against a plain Python oracle."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.decontaminate import DecontaminationConfig, Decontaminator
from pipelines.decontamination.benchmarks import BenchmarkConfig, BenchmarkFile
from pipelines.decontamination.decontaminate_grams import build_grams
from pipelines.decontamination.decontaminate_kernels import gram_hash
from tests.text_forms import FORMS
from text.ngrams import ngrams
from text.words import segment

from .contamination_oracle import decontaminate as oracle

SMALL = DecontaminationConfig(
    ngram_words=3,
    ngram_characters=4,
    min_words=2,
    min_characters=3,
    window_chars=3,
    min_piece_chars=4,
    max_pieces=2,
    max_documents=2,
)
ITEM = "Natalia sold clips to forty-eight of her friends in April, and then she sold half"  # 16 words


def made(benchmarks: dict[str, list[str]], config: DecontaminationConfig | None = None) -> Decontaminator:
    files = [(name, [BenchmarkFile(name, [[item] for item in items])]) for name, items in benchmarks.items()]
    config = config or DecontaminationConfig()
    grams, summaries = build_grams(files, config)
    return Decontaminator(grams, config, summaries)


def cut(decontaminator: Decontaminator, documents: list[str]):
    texts = pa.array(documents, pa.string())
    return decontaminator.apply(texts, decontaminator.count(texts))


def filler(n: int, seed: int = 0) -> str:
    """`n` characters of words that no item holds."""
    draw = random.Random(seed)
    return "".join(draw.choice("qxzvkj ") for _ in range(n))


def hit_rows(decontaminator: Decontaminator, *documents: str) -> list[int]:
    return sorted(set(cut(decontaminator, list(documents)).evidence["row"].to_pylist()))


texts = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "b", "Éé", "e\u0301", "中", "文", "7"]),
        st.sampled_from([" ", " ", ", ", "\n", "", "😀", "'"]),
    ),
    max_size=24,
).map(lambda pairs: "".join(word + separator for word, separator in pairs))
few_texts = st.lists(texts, max_size=5)
rules = st.sampled_from([SMALL, SMALL.model_copy(update={"short_items": "skip", "window_chars": 0})])


@given(few_texts, st.fixed_dictionaries({"one": few_texts, "two": few_texts}), rules)
def test_pieces_evidence_and_outcomes_equal_the_oracle(documents, benchmarks, config):
    result = cut(made(benchmarks, config), documents)
    expected = oracle(documents, benchmarks, config)
    assert result.evidence.to_pylist() == expected["evidence"]
    assert result.pieces.to_pylist() == expected["pieces"]
    assert result.outcomes.to_pylist() == expected["outcomes"]


@given(few_texts, few_texts, st.randoms(use_true_random=False), st.sampled_from([1, 3, 7]))
def test_any_sharding_and_order_cut_alike(documents, items, draw, shards):
    decontaminator = made({"b": items}, SMALL)
    order = list(range(len(documents)))
    draw.shuffle(order)
    parts = [pa.array([documents[i] for i in order[k::shards]], pa.string()) for k in range(shards)]
    counts = decontaminator.merge(decontaminator.count(part) for part in parts)
    whole = cut(decontaminator, documents)
    sharded = [decontaminator.apply(part, counts) for part in parts]
    assert sorted(p for part in sharded for p in part.pieces["text"].to_pylist()) == sorted(
        whole.pieces["text"].to_pylist()
    )
    evidence = [part.evidence.drop_columns(["row"]).to_pylist() for part in [*sharded, whole]]
    *split, together = [[sorted(map(str, rows)) for rows in evidence][i] for i in range(shards + 1)]
    assert sorted(row for rows in split for row in rows) == together


@pytest.mark.parametrize(
    ("document", "hit"),
    [
        (ITEM, True),
        ("NATALIA SOLD: CLIPS, TO (FORTY EIGHT) OF HER FRIENDS IN APRIL - AND THEN!", True),
        ("Natalia sold clips to forty-eight of her friends in April, and then", True),
        ("Natalia sold clips to forty-eight of her friends in April, and", False),
        ("Natalia sold clips to fortyeight of her friends in April, and then she", False),
        ("Natalia sold 7 clips to forty-eight of her friends in April, and then she", False),
    ],
    ids=[
        "the item",
        "case and punctuation do not count",
        "13 words",
        "12 words",
        "another word",
        "a word between",
    ],
)
def test_a_gram_is_thirteen_words_without_case_and_punctuation(document, hit):
    assert bool(hit_rows(made({"b": [ITEM]}), document)) == hit


@pytest.mark.parametrize(
    ("item", "document", "hit"),
    [
        ("one two three four five six seven eight", "x one two three four five six seven eight y", True),
        ("one two three four five six seven eight", "x one two three four five six seven y", False),
        ("one two three four five six seven", "x one two three four five six seven y", False),
        (
            "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少",
            "《春晓》：春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
            True,
        ),
        ("春眠不觉晓处处闻啼鸟夜来风雨声花落知多少", "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多", False),
        ("春眠不觉晓处处闻啼鸟夜来风", "春眠不觉晓，处处闻啼鸟。夜来风", True),
        ("春眠不觉晓处处闻啼鸟夜来", "春眠不觉晓，处处闻啼鸟。夜来", False),
    ],
    ids=[
        "eight words match as a whole",
        "a part of eight words does not",
        "seven words are skipped",
        "20 Chinese characters are a gram",
        "19 of them are none",
        "an item of 13 characters matches as a whole",
        "12 characters are skipped",
    ],
)
def test_gram_length_by_script_and_short_items(item, document, hit):
    assert bool(hit_rows(made({"b": [item]}), document)) == hit


def test_two_hundred_characters_go_on_each_side():
    before, after = "é" * 50 + " " + "é " * 300, " é" * 300 + " " + "é" * 50
    result = cut(made({"b": [ITEM]}), [before + ITEM + after])
    assert result.pieces["text"].to_pylist() == [before[:-200], after[200:]]
    assert result.outcomes.to_pylist() == [
        {
            "outcome": "kept",
            "n_split": 2,
            "n_pieces": 2,
            "cut_bytes": len((before[-200:] + ITEM + after[:200]).encode()),
            "benchmark": "b",
        }
    ]


def test_a_word_at_the_window_edge_goes_out_whole():
    before, after = "b " * 200 + "w" * 300 + " ", " " + "w" * 300 + " a" * 200
    result = cut(made({"b": [ITEM]}), [before + ITEM + after])
    assert result.pieces["text"].to_pylist() == ["b " * 200, " a" * 200]


def test_a_shorter_gram_within_a_longer_one_ends_no_window_early():
    words = ITEM.replace("-", " ").split()
    decontaminator = made({"b": [" ".join(words[:13]), " ".join(words[2:10])]})
    document = f"{'a ' * 200}{' '.join(words[:13])}{' b' * 200}"
    assert cut(decontaminator, [document]).pieces["text"].to_pylist() == ["a " * 100, " b" * 100]


@pytest.mark.parametrize(("size", "kept"), [(200, 1), (199, 0)])
def test_pieces_shorter_than_200_characters_are_dropped(size, kept):
    document = "é " * (size // 2) + "x" * (size % 2) + "." * 200 + ITEM
    outcome = cut(made({"b": [ITEM]}), [document]).outcomes.to_pylist()[0]
    assert outcome["n_pieces"] == kept
    assert outcome["outcome"] == ("kept" if kept else "pieces_too_short")


def test_an_uncut_document_stays_however_short():
    result = cut(made({"b": [ITEM]}), ["", "tiny", "中"])
    assert result.pieces["text"].to_pylist() == ["", "tiny", "中"]
    assert result.pieces["whole"].to_pylist() == [True] * 3


@pytest.mark.parametrize(("hits", "outcome"), [(9, "kept"), (10, "too_many_pieces")], ids=["10", "11"])
def test_a_document_in_more_than_ten_pieces_is_dropped_whole(hits, outcome):
    document = filler(900) + "".join(f" {ITEM} {filler(900, seed)}" for seed in range(hits))
    result = cut(made({"b": [ITEM]}), [document])
    row = result.outcomes.to_pylist()[0]
    assert (row["outcome"], row["n_split"]) == (outcome, hits + 1)
    assert result.pieces.num_rows == (10 if outcome == "kept" else 0)


@pytest.mark.parametrize(("holders", "action"), [(10, "cut"), (11, "ignored_frequent")])
def test_grams_in_more_than_ten_documents_are_ignored(holders, action):
    # Twice in each document: a document counts once.
    documents = [f"{ITEM} {filler(500, seed)} {ITEM}" for seed in range(holders)]
    result = cut(made({"b": [ITEM]}), documents)
    assert set(result.evidence["action"].to_pylist()) == {action}
    assert set(result.evidence["n_documents"].to_pylist()) == {holders}
    assert (result.pieces["text"].to_pylist() == documents) == (action == "ignored_frequent")


def test_a_book_is_cut_near_its_end():
    # GPT-3's own filter failed on long documents such as books.
    front, back = filler(3_000_000) + ".", "." + filler(20_000, 1)
    dots = "." * 200
    result = cut(made({"b": [ITEM]}), [front + dots + ITEM + dots + back])
    assert result.pieces["text"].to_pylist() == [front, back]
    hit = result.evidence.to_pylist()[0]
    assert (hit["start"], hit["gram"]) == (len(front) + 200, " ".join(ITEM.split()[:12]))


def test_templates_are_cut_and_shared_passages_are_not():
    passage = "the quick brown fox jumped over a lazy dog near one old stone bridge today"
    items = [f"Please choose the correct answer to this: {filler(200, seed)}" for seed in range(95)]
    items += [f"Please choose the correct answer to this: {passage} {seed}" for seed in range(15)]
    decontaminator = made({"b": items})
    (summary,) = decontaminator.summaries
    assert summary.templates == ("Please choose the correct answer to this",)
    assert summary.template_words == 7 * 110
    assert hit_rows(decontaminator, items[0][:60], passage) == [1]


def test_no_gram_reaches_over_a_template():
    items = [
        f"a{n} b{n} c{n} d{n} e{n} f{n} Answer in one word only, please: g{n} h{n} i{n}" for n in range(20)
    ]
    (summary,) = made({"b": items}).summaries
    assert (summary.templates, summary.grams) == (("Answer in one word only, please",), 0)
    assert summary.skipped_items == 20


def test_ten_items_may_share_what_is_no_template():
    assert made({"b": [f"{ITEM} {seed}" for seed in range(10)]}).summaries[0].template_words == 0
    assert made({"b": [f"{ITEM} {seed}" for seed in range(11)]}).summaries[0].template_words == 16 * 11


def test_no_gram_reaches_over_a_stripped_literal():
    halves = ["one two three four five six seven eight", "nine ten eleven twelve thirteen fourteen"]
    files = [BenchmarkFile("b", [halves])]
    grams, summaries = build_grams([("b", files)], DecontaminationConfig())
    assert grams.lengths.tolist() == [8]
    assert (summaries[0].items, summaries[0].whole_items, summaries[0].skipped_items) == (1, 1, 0)


@pytest.mark.parametrize(
    ("segments", "lengths"),
    [
        (["a b c d e f g h", "i j k l m n o p q"], [9]),
        (["a b c d e f g h", "i j k l m n o p"], [8]),
        ([ITEM, "i j k l m n o p q"], [13] * 4),
        (["a b c d e f g", "h i j k l m n"], []),
    ],
    ids=["the longest", "the first of equals", "none where another holds a gram", "none of eight words"],
)
def test_a_short_item_matches_by_its_longest_segment(segments, lengths):
    grams, _ = build_grams([("b", [BenchmarkFile("b", [segments])])], DecontaminationConfig())
    assert grams.lengths.tolist() == lengths


def test_the_named_benchmark_has_most_hits_and_comes_first_of_equals():
    eight, nine = "one two three four five six seven eight", "nine ten up to six and twenty more"
    decontaminator = made({"zeta": [eight], "alpha": [nine, ITEM]})
    found = cut(decontaminator, [f"{nine} {eight}", f"{eight} {ITEM}"]).outcomes["benchmark"].to_pylist()
    assert found == ["zeta", "alpha"]


def test_a_gram_of_two_benchmarks_is_the_first_ones():
    result = cut(made({"zeta": [ITEM], "alpha": [ITEM]}), [ITEM])
    assert set(result.evidence["benchmark"].to_pylist()) == {"zeta"}
    assert [summary.grams for summary in made({"zeta": [ITEM], "alpha": [ITEM]}).summaries] == [4, 4]


@given(texts, st.integers(1, 6))
def test_gram_hashes_are_those_of_text_ngrams(text, n):
    words = segment(pa.array([text]))
    if len(words.hashes) >= n:
        expected = ngrams(words, n).hashes.tolist()
        assert [gram_hash(words.hashes, i, n) for i in range(len(words.hashes) - n + 1)] == expected


def test_saved_and_loaded_it_cuts_alike_and_writes_the_same_bytes(tmp_path):
    first = made({"b": [ITEM], "短": ["one two three four five six seven eight"]}, SMALL)
    first.save(f"{tmp_path}/one")
    second = Decontaminator.load(f"{tmp_path}/one")
    second.save(f"{tmp_path}/two")
    assert (tmp_path / "one/grams.arrow").read_bytes() == (tmp_path / "two/grams.arrow").read_bytes()
    assert (second.digest, second.summaries, second.config) == (first.digest, first.summaries, SMALL)
    documents = [f"{filler(300)} {ITEM} {filler(300)}"]
    assert cut(second, documents).pieces.equals(cut(first, documents).pieces)


def test_the_digest_knows_items_names_and_config():
    variants = [
        made({"b": [ITEM]}),
        made({"c": [ITEM]}),
        made({"b": [ITEM + " more"]}),
        made({"b": [ITEM]}, SMALL),
    ]
    assert len({variant.digest for variant in variants}) == 4


def test_from_files_takes_paths_and_configs(tmp_path):
    (tmp_path / "plain.txt").write_text(ITEM)
    (tmp_path / "rows.jsonl").write_text('{"q": "one two three four five six seven eight", "a": "nine"}')
    config = BenchmarkConfig(name="questions", files=[f"{tmp_path}/rows.jsonl"], fields=["q"])
    decontaminator = Decontaminator.from_files([f"{tmp_path}/plain.txt", config])
    found = cut(decontaminator, [ITEM, "one two three four five six seven eight"]).evidence
    assert set(zip(found["row"].to_pylist(), found["benchmark"].to_pylist(), strict=True)) == {
        (0, "plain"),
        (1, "questions"),
    }


def test_without_benchmarks_nothing_is_cut(tmp_path):
    decontaminator = Decontaminator.from_files([])
    decontaminator.save(str(tmp_path))
    result = cut(Decontaminator.load(str(tmp_path)), [ITEM, ""])
    assert result.pieces["text"].to_pylist() == [ITEM, ""]
    assert (result.evidence.num_rows, result.outcomes["outcome"].to_pylist()) == (0, ["kept", "kept"])


def test_two_benchmarks_of_one_name_are_an_error(tmp_path):
    (tmp_path / "b.txt").write_text(ITEM)
    with pytest.raises(ValueError, match="two benchmarks are named 'b'"):
        Decontaminator.from_files([f"{tmp_path}/b.txt"] * 2)


def test_counts_of_another_set_are_an_error():
    with pytest.raises(ValueError, match=r"counts are of shape \(3,\), this set has 4 grams"):
        made({"b": [ITEM]}).apply(pa.array([ITEM]), np.zeros(3, np.int64))


def test_a_file_that_is_no_decontaminator_is_an_error(tmp_path):
    (tmp_path / "grams.arrow").write_bytes(b"no Arrow here")
    with pytest.raises(ValueError, match=r"grams.arrow: not a saved Decontaminator"):
        Decontaminator.load(str(tmp_path))


def test_real_benchmark_items_in_a_book_are_found_and_nothing_else(real_data):
    paths = sorted((real_data / "eval/benchmarks").glob("*.jsonl.gz"))
    decontaminator = Decontaminator.from_files([str(path) for path in paths])
    skipped = {summary.benchmark: summary.skipped_items for summary in decontaminator.summaries}
    assert {name for name, n in skipped.items() if n} <= {"cmmlu_test", "piqa_test"}
    planted = (
        "Janet\u2019s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
        "muffins for her friends every day with four."
    )
    book = filler(100_000)
    result = cut(decontaminator, [book, f"{book} {planted} {book}"])
    assert set(result.evidence["row"].to_pylist()) == {1}
    assert set(result.evidence["benchmark"].to_pylist()) == {"gsm8k_test"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_is_cut_the_same(form):
    decontaminator = made({"b": [ITEM]})
    values = [f"{filler(600)} {ITEM} {filler(600, 1)}", "", filler(50)]
    texts, plain = FORMS[form](values), pa.array(values, pa.string())
    counts = decontaminator.count(texts)
    np.testing.assert_array_equal(counts, decontaminator.count(plain))
    found, expected = decontaminator.apply(texts, counts), decontaminator.apply(plain, counts)
    assert found.evidence.num_rows > 0
    assert all(a.equals(b) for a, b in zip(found, expected, strict=True))
    nothing_cut = decontaminator.apply(FORMS[form](values[1:]), counts)
    assert nothing_cut.pieces["text"].to_pylist() == values[1:]


@pytest.mark.parametrize(
    "make",
    [
        str,
        Path,
        lambda path: [str(path)],
        lambda path: [Path(path)],
        lambda path: (Path(path),),
        lambda path: BenchmarkConfig(name="plain", files=[str(path)]),
        lambda path: [BenchmarkConfig(name="plain", files=[str(path)])],
    ],
    ids=["str", "Path", "list of str", "list of Path", "tuple of Path", "config", "list of config"],
)
def test_from_files_takes_one_or_more_of_each_kind(tmp_path, make):
    path = tmp_path / "plain.txt"
    path.write_text(ITEM + "\n")
    decontaminator = Decontaminator.from_files(make(path))
    assert (decontaminator.grams.names, len(decontaminator.grams.hashes)) == (("plain",), 4)


def test_save_and_load_take_a_path(tmp_path):
    decontaminator = made({"b": [ITEM]})
    decontaminator.save(tmp_path)
    assert Decontaminator.load(tmp_path).digest == decontaminator.digest
