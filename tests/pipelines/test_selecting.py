import pytest

from dedup.config import DedupConfig, Removal
from dedup.presets import GPT3_DEDUP
from pipelines.build.selecting import by_source

ROLES = {"cc_2023": "crawl", "cc_2024": "crawl", "openweb": "webtext", "wiki": "wikipedia"}
KNOWN = ["wikipedia", "books1", "webtext", "crawl"]


@pytest.mark.parametrize(
    ("given", "within", "across"),
    [
        pytest.param({}, None, None, id="nothing said"),
        pytest.param({"within": ["wiki"]}, ["wiki"], None, id="a source"),
        pytest.param({"within": ["crawl"]}, ["cc_2023", "cc_2024"], None, id="a role"),
        pytest.param({"within": ["books1"]}, [], None, id="a role without sources"),
        pytest.param({"within": ["typo"]}, ["typo"], None, id="a name that is unknown is left to be refused"),
        pytest.param(
            {"within": ["crawl"], "across": []},
            ["cc_2023", "cc_2024"],
            [Removal(keep=["cc_2023", "cc_2024"], remove=["cc_2023", "cc_2024"])],
            id="the sources of a role are one collection",
        ),
        pytest.param(
            {"across": [Removal(keep=["webtext", "books1"], remove=["crawl"])]},
            None,
            [Removal(keep=["openweb"], remove=["cc_2023", "cc_2024"])],
            id="roles across",
        ),
        pytest.param(
            {"across": [Removal(keep=["books1"], remove=["crawl"])]}, None, [], id="nothing to keep"
        ),
    ],
)
def test_roles_stand_for_their_sources(given: dict, within: list | None, across: list | None) -> None:
    found = by_source(DedupConfig(**given), ROLES, KNOWN)
    assert (found.within, found.across) == (within, across)


def test_the_literal_preset_serves_a_corpus_without_webtext() -> None:
    assert by_source(GPT3_DEDUP, {"cc": "crawl"}, KNOWN).across == []
