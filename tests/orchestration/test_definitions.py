"""The code location loads, its job resolves, every shipped config fits it, and wrong ones fail before any work."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from orchestration.definitions import defs
from orchestration.options import spliced
from tests.orchestration.job_of import job_of

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (REPOSITORY / "conf").glob("*.yaml") if path.name != "dagster.yaml")


def test_definitions_load_and_resolve() -> None:
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_job_def("build_corpus").executor_def is dg.in_process_executor


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_fit_the_job(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    dg.validate_run_config(job_of(config), config)


def run(config: dict[str, Any], tmp_path: Path) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("build_corpus")
    config = {"resources": {"mill": {"config": {"root": str(tmp_path)}}}, **config}
    return job.execute_in_process(run_config=config)


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (
            {"selection": {"config": {"pareto_alpha": -1.0}}},
            r"ops.selection.config.pareto_alpha: .*greater than 0",
        ),
        (
            {"pretraining": {"config": {"context": 0}}},
            r"ops.pretraining.config.context: .*greater than or equal to 1",
        ),
        (
            {"duplicates": {"config": {"index": {}, "dedup": {"scope": "source"}}}},
            r"ops.duplicates.config: .*dedup.scope is 'source', but with an index",
        ),
    ],
    ids=["an-early-asset", "the-last-asset", "settings-that-do-not-go-together"],
)
def test_a_value_out_of_range_fails_before_the_first_step(
    ops: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(dg.DagsterResourceFunctionError) as error:
        run({"ops": ops}, tmp_path)
    assert re.match(message, str(error.value.__cause__))
    assert re.match(message, str(error.value)), "Dagster prints this one last"
    assert not list(tmp_path.iterdir())


SOURCES = {
    "crawl": {"config": {"name": "cc", "files": ["x.warc.gz"]}},
    "curated": {"config": {"sources": [{"name": "wiki", "role": "wikipedia", "files": ["w.txt"]}]}},
}
TYPO = [{"source": "wikki", "weight": 1.0}]


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        pytest.param(
            {"corpus": {"config": {"benchmarks": [{"name": "quiz", "files": ["/absent/*.jsonl"]}]}}},
            r"ops\.corpus\.config\.benchmarks\.0\.files: benchmark 'quiz': no file matches /absent/\*\.jsonl",
            id="a benchmark without files",
        ),
        pytest.param(
            {"corpus": {"config": {"benchmarks": [{"name": "quiz", "files": [__file__]}] * 2}}},
            r"ops\.corpus\.config\.benchmarks\.1\.name: 'quiz' is taken",
            id="two benchmarks of one name",
        ),
        pytest.param(
            {"tokenizer": {"config": {"tokenizer": {"tokenizer_path": "/absent/tokenizer.json"}}}},
            r"ops\.tokenizer\.config\.tokenizer\.tokenizer_path: /absent/tokenizer.json does not exist",
            id="no tokenizer",
        ),
        pytest.param(
            SOURCES | {"tokenizer": {"config": {"weights": {"sources": TYPO}}}},
            r"ops\.tokenizer\.config\.weights\.sources\.0\.source: .* 'wikki'; .* \['cc', 'wiki'\]",
            id="a weight in the sample for no source",
        ),
        pytest.param(
            SOURCES | {"mixture_plan": {"config": {"sources": TYPO}}},
            r"ops\.mixture_plan\.config\.sources\.0\.source: .* 'wikki'; .* \['cc', 'wiki'\]",
            id="a weight in the mixture for no source",
        ),
        pytest.param(
            SOURCES | {"duplicates": {"config": {"dedup": {"within": ["wikki"]}}}},
            r"ops\.duplicates\.config\.dedup\.within: .* 'wikki'; there are \['cc', 'wiki'\]",
            id="duplicates within no source",
        ),
        pytest.param(
            SOURCES | {"duplicates": {"config": {"dedup": {"survivor_order": [{"by": "lenght"}]}}}},
            r"ops\.duplicates\.config\.dedup\.survivor_order\[0\]\.by: 'lenght' is no number",
            id="survivors by no column",
        ),
        pytest.param(
            SOURCES | {"duplicates": {"config": {"roles": ["crawl"]}}},
            r"ops\.duplicates\.config\.roles: .* \['wikipedia'\] too",
            id="an order without a role",
        ),
        pytest.param(
            {"selection": {"config": {"languages": ["en", "eng"]}}},
            r"ops\.selection\.config\.languages\.1: .* no language 'eng'",
            id="pages of no language",
        ),
        pytest.param(
            {"selection": {"config": {"max_perplexity": {"by_language": [{"languages": ["xx"], "most": 9}]}}}}
            | {"signals": {"config": {"perplexity": True}}},
            r"ops\.selection\.config\.max_perplexity\.by_language\.0\.languages\.0: .* 'xx'",
            id="a limit for no language",
        ),
        pytest.param(
            {"quality_model": {"config": {"per_language": ["english"]}}},
            r"ops\.quality_model\.config\.per_language\.0: .* no language 'english'",
            id="a classifier for no language",
        ),
        pytest.param(
            {"selection": {"config": {"rules": {"rule_sets": ["c4", "gofer"]}}}},
            r"ops\.selection\.config\.rules\.rule_sets\.1: no rule set is named 'gofer'; known are \['c4', ",
            id="an unknown rule set",
        ),
        pytest.param(
            {"selection": {"config": {"rules": {"rule_sets": ["gopher_datatrove"]}}}},
            r"ops\.signals\.config\.families: .* 'gopher_datatrove' .* family 'gopher_datatrove'; add it",
            id="a rule set without its signals",
        ),
        pytest.param(
            {"selection": {"config": {"max_toxicity": 0.5}}},
            r"ops\.signals\.config\.toxicity\.scorer: nothing is measured, but .*max_toxicity is 0\.5",
            id="a limit on what is not measured",
        ),
        pytest.param(
            {"selection": {"config": {"max_perplexity": {}}}},
            r"ops\.signals\.config\.perplexity: nothing is measured, but .*max_perplexity is set",
            id="a rule on what is not measured",
        ),
        pytest.param(
            {"signals": {"config": {"perplexity": True}}},
            r"ops\.perplexity_model\.config\.mode: no language model is fitted, but .*perplexity is true",
            id="a measure without its model",
        ),
        pytest.param(
            {"selection": {"config": {"blocklists": {"domains": ["/absent/domains.txt"]}}}},
            r"ops\.selection\.config\.blocklists: /absent/domains.txt: no such file",
            id="no block list",
        ),
        pytest.param(
            {"signals": {"config": {"word_lists": ["/absent/en"]}}},
            r"ops\.signals\.config\.word_lists\.0: /absent/en: no such file",
            id="no word list",
        ),
        pytest.param(
            {"signals": {"config": {"toxicity": {"scorer": "python", "function": "nowhere:at_all"}}}},
            r"ops\.signals\.config: No module named 'nowhere'",
            id="no scorer",
        ),
    ],
)
def test_what_a_later_step_would_miss_fails_before_the_first(
    ops: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(dg.DagsterResourceFunctionError) as error:
        run({"ops": ops}, tmp_path)
    assert re.match(message, str(error.value.__cause__))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["spark.some.key", "driver.memory=1g"])
def test_a_malformed_spark_setting_fails_before_the_first_step(line: str, tmp_path: Path) -> None:
    mill = {"config": {"root": str(tmp_path), "spark": {"conf": ["spark.a=1", line]}}}
    with pytest.raises(dg.DagsterResourceFunctionError) as error:
        run({"resources": {"mill": mill}}, tmp_path)
    assert str(error.value.__cause__).startswith(f"resources.mill.config.spark.conf.1: '{line}' is not")
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match='"pareto_alfa" at path root:ops:selection:config'):
        run({"ops": {"selection": {"config": {"pareto_alfa": 3.0}}}}, tmp_path)


def test_a_crawl_without_curated_sources_says_what_to_add(tmp_path: Path) -> None:
    warc = tmp_path / "some.warc.gz"
    warc.write_bytes(b"")
    with pytest.raises(Exception, match=r"ops\.curated\.config\.sources: names no source"):
        defs.resolve_job_def("build_corpus").execute_in_process(
            run_config={
                "resources": {"mill": {"config": {"root": str(tmp_path / "data")}}},
                "ops": {"crawl": {"config": {"files": [str(warc)]}}},
            }
        )


def test_option_tables_are_up_to_date() -> None:
    page = (REPOSITORY / "docs" / "configuration.md").read_text()
    assert spliced(page) == page
