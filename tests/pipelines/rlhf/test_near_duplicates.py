import numpy as np
import pyarrow as pa
import pytest

from pipelines.rlhf.near_duplicates import NearConfig, near_duplicate_drops, near_links
from pipelines.rlhf.normalise import earliest, user_texts
from pipelines.rlhf.prefix_groups import prefixes
from tests.pipelines.rlhf.rule_tables import prompt, prompt_records

WORDS = [f"w{i}" for i in range(60)]
TEXT = " ".join(WORDS)
ALMOST = " ".join(
    [*WORDS[:50], "other", *WORDS[51:]]
)  # of 56 shingles of 5 words 51 are shared: 51 / 61 = 0.84
OTHER = " ".join(f"v{i}" for i in range(60))
CONFIG = NearConfig()


def _table(*texts: str) -> tuple[pa.Table, pa.Array]:
    table = prompt_records(*(prompt(i, text) for i, text in enumerate(texts)))
    found = user_texts(table["prompt"], [])
    return table.append_column("words_key", pa.array(prefixes(found, 10**6).keys)), found


def test_the_earliest_of_similar_prompts_stays_in_any_order() -> None:
    table, texts = _table(OTHER, TEXT, ALMOST)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        taken, shuffled = table.take(order), texts.take(pa.array(order))
        drops = near_duplicate_drops(shuffled, taken, earliest(taken), "prompts", CONFIG, True)
        assert taken["origin"].take(pa.array(drops.rows)).to_pylist() == ["lists.jsonl#2"]
        assert drops.evidence.to_pylist() == [table["record_id"][1].as_py()]
        assert drops.figure.tolist() == [pytest.approx(51 / 61)]
        assert drops.limit.tolist() == [CONFIG.threshold]


def test_links_join_similar_rows_alone() -> None:
    _, texts = _table(OTHER, TEXT, ALMOST)
    links = near_links(texts, CONFIG)
    assert {(int(a), int(b)) for a, b in zip(links.left, links.right, strict=True)} <= {(1, 2), (2, 1)}
    assert len(links.left) == 1


def test_short_prompts_are_not_compared() -> None:
    table, texts = _table("one two three four five six seven", "ONE two three four five six seven")
    assert len(near_links(texts, CONFIG).left) == 0
    drops = near_duplicate_drops(texts, table, earliest(table), "prompts", CONFIG, True)
    assert np.array_equal(drops.rows, [])
