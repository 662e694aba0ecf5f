"""What the job build_rlhf would miss late is told before its first step; the shipped preset is the paper's."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from orchestration.definitions import defs
from pipelines.rlhf.quotas import QuotaConfig, paper_quotas
from tests.orchestration.commands import REPOSITORY


def refused(ops: dict[str, Any], tmp_path: Path) -> str:
    config = {"resources": {"mill": {"config": {"root": str(tmp_path / "data")}}}, "ops": ops}
    with pytest.raises(dg.DagsterResourceFunctionError) as error:
        defs.resolve_job_def("build_rlhf").execute_in_process(run_config=config)
    assert not (tmp_path / "data").exists()
    return str(error.value.__cause__)


def source(**given: Any) -> dict[str, Any]:
    return {"instructions": {"config": {"sources": [{"name": "a", "files": ["/absent/*.jsonl"], **given}]}}}


VERDICTS = [{"instruction": "Add.", "output_1": "2", "output_2": "3", "preference": 1, "annotator": "m"}]


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        pytest.param(
            source(),
            r"ops\.instructions\.config\.sources\.0: .*/absent/\*\.jsonl",
            id="a source without files",
        ),
        pytest.param(
            source(files=["{verdicts}"]),
            r"ops\.instructions\.config\.sources\.0: .*what its labels mean cannot be seen",
            id="labels that nobody explained",
        ),
        pytest.param(
            source(files=["{unknown}"]),
            r"ops\.instructions\.config\.sources\.0: .*has no known layout \(its first row has the fields colour\)",
            id="no known layout",
        ),
        pytest.param(
            {"code_pairs": {"config": {"packages": ["no-such-package"]}}},
            r"ops\.code_pairs\.config\.packages\.0: 'no-such-package' is not installed",
            id="a package that is not installed",
        ),
        pytest.param(
            {"code_pairs": {"config": {"folders": [{"name": "a", "path": "/absent"}]}}},
            r"ops\.code_pairs\.config\.folders\.0\.path: /absent is no folder",
            id="a folder that is not there",
        ),
        pytest.param(
            {"chat_tokenizer": {"config": {"tokenizer_path": "/absent"}}},
            r"ops\.chat_tokenizer\.config\.tokenizer_path: /absent/tokenizer\.json does not exist",
            id="no tokenizer at the path",
        ),
        pytest.param(
            {}, r"ops\.chat_tokenizer\.config: there is no tokenizer of a corpus", id="no corpus before"
        ),
        pytest.param(
            {
                "instruction_datasets": {
                    "config": {"rules": {"quotas": {"mix": [{"use_case": "poetry", "share": 1}]}}}
                }
            },
            r"ops\.instruction_datasets\.config\.rules\.quotas\.mix\.0\.use_case: 'poetry' is none of generation, ",
            id="a use case that no prompt has",
        ),
        pytest.param(
            {"instruction_datasets": {"config": {"benchmarks": [{"name": "q", "files": ["/absent/q"]}]}}},
            r"ops\.instruction_datasets\.config\.benchmarks\.0\.files: benchmark 'q': no file matches",
            id="a benchmark without files",
        ),
    ],
)
def test_what_a_later_step_would_miss_fails_before_the_first(
    ops: dict[str, Any], message: str, tmp_path: Path
) -> None:
    for name, rows in (("verdicts", VERDICTS), ("unknown", [{"colour": 3}])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ops = json.loads(json.dumps(ops).replace("{" + name + "}", str(tmp_path / f"{name}.jsonl")))
    assert re.match(message, refused(ops, tmp_path))


def test_two_sources_of_one_name_are_told(tmp_path: Path) -> None:
    ops = source()
    ops["instructions"]["config"]["sources"] *= 2
    assert "the name 'a' is used twice" in refused(ops, tmp_path)


def test_the_preset_has_the_papers_sizes_and_mix() -> None:
    config = yaml.safe_load((REPOSITORY / "conf" / "instructgpt.yaml").read_text())
    rules = config["ops"]["instruction_datasets"]["config"]["rules"]
    assert QuotaConfig.model_validate(rules["quotas"]) == paper_quotas()
