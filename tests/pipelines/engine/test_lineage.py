"""Lineage: versions that go back to different or replaced ones do not meet in a step."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.build.cleaning import build_decisions
from pipelines.build.mixing import TokenizerBuildConfig, build_pretraining, build_tokenizer
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import current, open_version, publish
from pipelines.engine.lineage import StaleInputError, consistent, current_inputs
from pipelines.engine.mill import Mill
from pipelines.mixing.buckets import PackConfig
from pipelines.mixing.tokenizer import TokenizerConfig, save, train
from tests.pipelines.corpus import corpus_table

# Each dataset with what it is made of, in the order of a run.
FLOW = {
    "crawl": [],
    "documents": ["crawl"],
    "signals": ["documents"],
    "repeated": ["documents"],
    "selection": ["documents", "signals", "repeated"],
    "duplicates": ["documents", "selection"],
    "selected": ["selection", "duplicates"],
    "benchmark_grams": [],
    "decontaminated": ["documents", "selected", "benchmark_grams"],
    "corpus": ["documents", "selected", "benchmark_grams"],
    "decisions": ["selection", "duplicates", "decontaminated", "benchmark_grams"],
    "tokenizer": ["corpus"],
    "tokens": ["corpus", "tokenizer"],
    "mixture_plan": ["tokens"],
}


def no_spark() -> Any:
    raise AssertionError("a stale input must be found before any work")


class Root:
    """A data root of empty artifacts that go back to each other as in FLOW."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder)
        self.mill = Mill(self.path, no_spark)
        self.make(*FLOW)

    def make(self, *names: str, setting: int = 0) -> None:
        """Make `names` of what is published; another `setting` gives another version."""
        for name in names:
            inputs = {upstream: current(self.path, upstream) for upstream in FLOW[name]}
            made = build_artifact(
                self.path, name, {"setting": setting}, lambda _: {"end_of_text": 0, "roles": {}}, inputs
            )
            publish(self.path, made)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.mark.parametrize("name", [name for name, inputs in FLOW.items() if inputs])
def test_a_whole_run_fits(root: Root, name: str) -> None:
    assert list(current_inputs(root.path, *FLOW[name])) == FLOW[name]


def test_a_part_that_is_up_to_date_fits(root: Root) -> None:
    root.make("selection", "duplicates", "selected", "decontaminated", "corpus", "decisions", setting=1)
    current_inputs(root.path, *FLOW["decisions"])
    root.make("tokenizer", "tokens", "mixture_plan", setting=2)
    current_inputs(root.path, "tokens", "mixture_plan", "tokenizer")


def test_a_selection_made_alone_stops_the_decisions(root: Root) -> None:
    root.make("selection", setting=1)
    with pytest.raises(
        StaleInputError,
        match=r"'selection' and 'duplicates' go back to different versions of 'selection'; "
        r"materialise again, in this order: duplicates, selected, corpus$",
    ):
        build_decisions(root.mill)


def test_going_back_to_the_old_selection_fits_again(root: Root) -> None:
    root.make("selection", setting=1)
    root.make("selection", setting=0)
    current_inputs(root.path, *FLOW["decisions"])


@pytest.mark.parametrize(
    ("made", "old", "again"),
    [
        pytest.param(["corpus"], "corpus", "tokenizer, tokens, mixture_plan", id="the corpus alone"),
        pytest.param(
            ["selection"],
            "selection",
            "duplicates, selected, corpus, tokenizer, tokens, mixture_plan",
            id="far above",
        ),
    ],
)
def test_inputs_that_are_old_together_are_refused(root: Root, made: list[str], old: str, again: str) -> None:
    root.make(*made, setting=1)
    with pytest.raises(
        StaleInputError,
        match=f"'tokens' goes back to a version of '{old}' that is no longer published; "
        f"materialise again, in this order: {again}$",
    ):
        build_pretraining(root.mill, PackConfig())


def test_the_dataset_that_comes_first_is_named(root: Root) -> None:
    root.make("crawl", "documents", setting=1)
    with pytest.raises(StaleInputError, match=r"different versions of 'crawl'; .*, in this order: signals$"):
        current_inputs(root.path, "documents", "signals")


def test_what_is_not_published_may_stand_in_several_versions(tmp_path: Path) -> None:
    root = str(tmp_path)
    rows = build_artifact(root, "passage_rows", {"pass": 1}, lambda _: {})
    merged = build_artifact(root, "repeated_passages", {}, lambda _: {}, {"passage_rows": rows})
    again = build_artifact(root, "passage_rows", {"pass": 2}, lambda _: {}, {"repeated_passages": merged})
    cuts = build_artifact(root, "passage_cuts", {}, lambda _: {}, {"passage_rows": again})
    consistent(root, {"passage_cuts": cuts})


def test_duplicates_by_the_index_go_back_to_the_selection(root: Root) -> None:
    batch = build_artifact(
        root.path, "index_batch", {}, lambda _: {}, {"selection": current(root.path, "selection")}
    )
    by_index = build_artifact(root.path, "duplicates", {"index": 1}, lambda _: {}, {"batch": batch})
    publish(root.path, by_index)
    root.make("selection", setting=1)
    with pytest.raises(
        StaleInputError, match=r"different versions of 'selection'; .*, in this order: duplicates$"
    ):
        consistent(root.path, {"selection": current(root.path, "selection"), "duplicates": by_index})


def test_another_tokenizer_under_the_same_path_is_another_version(root: Root, tmp_path: Path) -> None:
    path = tmp_path / "given"
    config = TokenizerBuildConfig(tokenizer=TokenizerConfig(tokenizer_path=str(path)))
    versions = []
    for size in (300, 300, 320):
        made = train(
            corpus_table([("a", "some words some words again " * 9)]), TokenizerConfig(vocab_size=size)
        )
        made.add_tokens([f"extra{size}"])
        save(made, str(path))
        versions.append(build_tokenizer(root.mill, config).main.version)
    assert versions[0] == versions[1] != versions[2]
    assert open_version(root.path, "tokenizer", versions[2]) is not None
