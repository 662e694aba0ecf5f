import numpy as np
import pytest

from dedup.config import DedupConfig, Removal
from dedup.removal import rights

SOURCES = ["books", "crawl", "webtext"]
FROM_CRAWL = Removal(keep=["webtext", "books"], remove=["crawl"])


@pytest.mark.parametrize(
    ("rules", "pairs", "level"),
    [
        pytest.param({}, "bb bc bw cb cc cw wb wc ww", [0, 0, 0], id="all from all"),
        pytest.param({"within": ["crawl"]}, "bc bw cb cc cw wb wc", [0, 0, 0], id="within one, across all"),
        pytest.param({"across": []}, "bb cc ww", [0, 0, 0], id="each source alone"),
        pytest.param({"across": [FROM_CRAWL]}, "bb bc cc wc ww", [0, 2, 0], id="curated from the crawl"),
        pytest.param({"within": [], "across": [FROM_CRAWL]}, "bc wc", [0, 2, 0], id="and nothing else"),
        pytest.param(
            {
                "within": [],
                "across": [
                    Removal(keep=["books"], remove=["webtext"]),
                    Removal(keep=["webtext"], remove=["crawl"]),
                ],
            },
            "bw wc",
            [0, 2, 1],
            id="a chain",
        ),
        pytest.param(
            {
                "within": [],
                "across": [
                    Removal(keep=["crawl"], remove=["webtext"]),
                    Removal(keep=["webtext"], remove=["crawl"]),
                    Removal(keep=["books"], remove=["crawl"]),
                ],
            },
            "bc cw wc",
            [0, 1, 1],
            id="a circle shares its level",
        ),
    ],
)
def test_rights(rules: dict, pairs: str, level: list[int]) -> None:
    made = rights(SOURCES, DedupConfig(**rules))
    found = {SOURCES[a][0] + SOURCES[b][0] for a, b in zip(*np.nonzero(made.may_remove), strict=True)}
    assert found == set(pairs.split())
    assert made.level.tolist() == level


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        pytest.param({"within": ["novels"]}, "dedup.within", id="within"),
        pytest.param(
            {"across": [Removal(keep=["novels"], remove=["crawl"])]}, r"across\[0\]\.keep", id="keep"
        ),
        pytest.param(
            {"across": [FROM_CRAWL, Removal(keep=["books"], remove=["novels"])]},
            r"across\[1\]\.remove",
            id="remove",
        ),
    ],
)
def test_a_source_that_is_not_there_is_named_with_its_key(rules: dict, key: str) -> None:
    with pytest.raises(ValueError, match=f"{key}: no source is called 'novels'"):
        rights(SOURCES, DedupConfig(**rules))


def test_no_sources_have_no_rights() -> None:
    assert rights([], DedupConfig()).may_remove.shape == (0, 0)
