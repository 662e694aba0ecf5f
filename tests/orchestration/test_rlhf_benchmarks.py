"""Benchmarks of the instruction datasets: those of the config stand beside those of the corpus."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.build.cleaning import GRAMS
from pipelines.build.rlhf_datasets import RLHF_GRAMS, InstructionDatasetsConfig, benchmark_grams
from pipelines.decontaminate import DecontaminationConfig, Decontaminator
from pipelines.decontamination.benchmarks import BenchmarkConfig
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import publish
from pipelines.engine.mill import Mill
from pipelines.rlhf.selection import RulesConfig, build_datasets
from tests.pipelines.rlhf.rule_tables import chat_tokenizer, demonstrations, judgements, prompt, prompts

OF_CORPUS = "which of these seventeen rivers flows past the old mill and the bakery before it reaches the sea"
OF_CONFIG = "how many bakers does it take to carry nineteen sacks of flour over the bridge in one cold night"


def mill_with_corpus(folder: Path) -> Mill:
    """A data root whose corpus was held against one benchmark."""
    (folder / "rivers.txt").write_text(OF_CORPUS + "\n")
    made = Decontaminator.from_files(str(folder / "rivers.txt"), DecontaminationConfig())

    def make(into: Path) -> dict[str, Any]:
        made.save(str(into))
        return {}

    root = str(folder / "data")
    publish(root, build_artifact(root, GRAMS, {"test": 1}, make))
    return Mill(root, lambda: None)


@pytest.mark.parametrize(
    ("named", "of_corpus", "names", "kept"),
    [
        pytest.param(True, True, [GRAMS, RLHF_GRAMS], {"own"}, id="both"),
        pytest.param(True, False, [RLHF_GRAMS], {"own", "corpus"}, id="those named alone"),
        pytest.param(False, True, [GRAMS], {"own", "config"}, id="those of the corpus"),
        pytest.param(False, False, [], {"own", "corpus", "config"}, id="none"),
    ],
)
def test_named_benchmarks_are_added_to_those_of_the_corpus(
    tmp_path: Path, named: bool, of_corpus: bool, names: list[str], kept: set[str]
) -> None:
    mill = mill_with_corpus(tmp_path)
    (tmp_path / "bakers.txt").write_text(OF_CONFIG + "\n")
    benchmarks = [BenchmarkConfig(name="bakers", files=[str(tmp_path / "bakers.txt")])] if named else []
    config = InstructionDatasetsConfig(benchmarks=benchmarks, corpus_benchmarks=of_corpus)
    grams = benchmark_grams(mill, config)
    assert [version.name for version in grams] == names
    asked = (
        prompt("corpus", OF_CORPUS),
        prompt("config", f"{OF_CONFIG}?"),
        prompt("own", "Who bakes the bread?"),
    )
    decontaminators = [Decontaminator.load(version.folder) for version in grams]
    made = build_datasets(
        demonstrations(), judgements(), prompts(*asked), RulesConfig(), chat_tokenizer(), decontaminators
    )
    assert {origin.split("#")[1] for origin in made.prompts["origin"].to_pylist()} == kept


def test_a_data_root_without_a_corpus_has_those_named(tmp_path: Path) -> None:
    (tmp_path / "bakers.txt").write_text(OF_CONFIG + "\n")
    config = InstructionDatasetsConfig(
        benchmarks=[BenchmarkConfig(name="b", files=[str(tmp_path / "bakers.txt")])]
    )
    found = benchmark_grams(Mill(str(tmp_path / "data"), lambda: None), config)
    assert [version.name for version in found] == [RLHF_GRAMS]
