"""A round from prompts to the judgements of the next build, by the automatic judge and by labelers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.build import rlhf_rounds
from pipelines.build.built import Built, ContractError
from pipelines.build.rlhf_cleaning import CLEAN_JUDGEMENTS, CleanedConfig, build_cleaned
from pipelines.build.rlhf_rounds import RoundError, RoundJudgementsConfig, RoundSamplesConfig
from pipelines.engine.dataset import current, read_dataset
from pipelines.engine.mill import Mill
from pipelines.rlhf.labelling.export import ExportConfig
from pipelines.rlhf.labelling.importing import LabelSourceConfig
from pipelines.rlhf.labelling.tables import LABELLED_JUDGEMENTS
from pipelines.rlhf.rounds import ROUND_PROMPTS, ROUNDS, RoundConfig, of_round


@pytest.fixture
def mill(instructed: tuple[Path, dict[str, Built]], tmp_path: Path, spark: Any) -> Mill:
    """The finished datasets, to be added to."""
    shutil.copytree(instructed[0], tmp_path / "data")
    return Mill(str(tmp_path / "data"), lambda: spark)


def answered(mill: Mill, number: int, folder: Path) -> RoundSamplesConfig:
    """What model.generate leaves: three answers to each prompt of the round, the last one as the first."""
    schema = of_round(ROUND_PROMPTS, number)
    asked = read_dataset(current(mill.root, schema.name), schema)["messages"].to_pylist()
    rows = [
        {
            "row": row,
            "sample": sample,
            "prompt": messages[-1]["content"],
            "completion": text,
            "finish_reason": "stop",
        }
        for row, messages in enumerate(asked)
        for sample, text in enumerate(
            ["One answer, and it ends.", "so so so so so so so so so so", "One answer, and it ends."]
        )
    ]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "generations.parquet")
    run = {
        "config": {"model": "models/p", "samples": 3, "sampling": {"temperature": 1.0}},
        "inputs": {"models/p": "d1"},
    }
    (folder / "run.json").write_text(json.dumps(run))
    return RoundSamplesConfig(generations=str(folder))


def sample(mill: Mill, number: int, folder: Path) -> Built:
    """The first half of a round, published."""
    rlhf_rounds.build_round_prompts(mill, number, RoundConfig(prompts=5)).publish(mill.root)
    rlhf_rounds.build_round_samples(mill, number, answered(mill, number, folder)).publish(mill.root)
    return rlhf_rounds.build_round_tasks(mill, number, ExportConfig()).publish(mill.root)


def test_two_rounds_share_no_prompt_and_a_repeated_one_is_the_same(mill: Mill) -> None:
    first = rlhf_rounds.build_round_prompts(mill, 0, RoundConfig(prompts=5)).publish(mill.root)
    second = rlhf_rounds.build_round_prompts(mill, 1, RoundConfig(prompts=5)).publish(mill.root)
    ids = [
        set(read_dataset(built.main, of_round(ROUND_PROMPTS, number))["prompt_id"].to_pylist())
        for number, built in enumerate((first, second))
    ]
    assert [len(found) for found in ids] == [5, 5]
    assert not ids[0] & ids[1]
    assert (
        rlhf_rounds.build_round_prompts(mill, 0, RoundConfig(prompts=5)).main.row_hash == first.main.row_hash
    )


def test_the_judges_verdicts_are_records_of_the_next_build(mill: Mill, tmp_path: Path) -> None:
    sample(mill, 0, tmp_path / "generated")
    rlhf_rounds.build_round_judgements(mill, 0, RoundJudgementsConfig(judge="features")).publish(mill.root)
    lineage = read_dataset(current(mill.root, "rounds-000"), of_round(ROUNDS, 0)).to_pylist()
    facts = {name: lineage[0][name] for name in ("policy", "policy_digest", "judge", "judge_kind", "samples")}
    assert facts == {
        "policy": "models/p",
        "policy_digest": "d1",
        "judge": "features-v2",
        "judge_kind": "model",
        "samples": 15,
    }
    assert lineage[0]["prompts_version"] == current(mill.root, "prompts").version
    before = current(mill.root, "clean_judgements").rows
    build_cleaned(mill, CleanedConfig(rounds=[0])).publish(mill.root)
    rows = read_dataset(current(mill.root, "clean_judgements"), CLEAN_JUDGEMENTS).to_pylist()
    of_round_0 = [row for row in rows if row["source"] == "round-000"]
    assert len(rows) == before + 5
    assert [(row["judge_kind"], row["ranks"], len(row["completions"])) for row in of_round_0] == [
        ("model", [1, 2], 2)
    ] * 5


def test_a_judged_round_keeps_its_prompts_and_answers(mill: Mill, tmp_path: Path) -> None:
    sample(mill, 0, tmp_path / "generated")
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "generated", other)
    answers = pq.read_table(other / "generations.parquet").to_pylist()
    pq.write_table(
        pa.Table.from_pylist([row | {"completion": f"{row['completion']} Now."} for row in answers]),
        other / "generations.parquet",
    )
    again = RoundSamplesConfig(generations=str(other))
    rlhf_rounds.build_round_samples(mill, 0, again)  # not judged yet: may change
    rlhf_rounds.build_round_judgements(mill, 0, RoundJudgementsConfig(judge="features")).publish(mill.root)
    with pytest.raises(RoundError, match="round 0 has been judged, and candidates-000 would change"):
        rlhf_rounds.build_round_samples(mill, 0, again)
    with pytest.raises(RoundError, match="round_prompts-000 would change"):
        rlhf_rounds.build_round_prompts(mill, 0, RoundConfig(prompts=4))
    same = RoundSamplesConfig(generations=str(tmp_path / "generated"))
    rlhf_rounds.build_round_prompts(mill, 0, RoundConfig(prompts=5))
    rlhf_rounds.build_round_samples(mill, 0, same)


def test_labelers_exports_come_back_and_what_is_unusable_stops_the_round(mill: Mill, tmp_path: Path) -> None:
    built = sample(mill, 0, tmp_path / "generated")
    (project,) = Path(built.metadata["projects"]).glob("k2/tasks.json")
    tasks = json.loads(project.read_text())
    for number, task in enumerate(tasks):
        first, second = (item["id"] for item in task["data"]["completions"])
        ranked = {"ranker": {"1": [second], "2": [first]}}
        result = [{"from_name": "rank", "to_name": "completions", "type": "ranker", "value": ranked}]
        task |= {"id": number, "annotations": [{"id": number, "completed_by": 7, "result": result}]}
    tasks[0]["data"]["task_key"] = "nobody's"
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks))
    labels = [LabelSourceConfig(name="crowd", files=[str(export)])]
    with pytest.raises(ContractError, match=r"annotations_usable: 1 of 5 annotations are unusable"):
        rlhf_rounds.build_round_judgements(mill, 0, RoundJudgementsConfig(labels=labels)).publish(mill.root)
    config = RoundJudgementsConfig(labels=labels, max_dead_share=0.5)
    made = rlhf_rounds.build_round_judgements(mill, 0, config).publish(mill.root)
    rows = read_dataset(made.main, of_round(LABELLED_JUDGEMENTS, 0)).to_pylist()
    assert [(row["judge_kind"], row["labeler_id"], sorted(row["ranks"])) for row in rows] == [
        ("human", "crowd:7", [1, 2])
    ] * 4


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (RoundSamplesConfig(), r"ops\.round_samples\.config: names nobody who answers; set policy"),
        (RoundSamplesConfig(generations="/absent"), r"/absent/run\.json is missing"),
        pytest.param(
            RoundSamplesConfig(policy="/absent"),
            r"model\.generate ended with status",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["nobody", "no-generations", "no-policy"],
)
def test_a_round_without_answers_says_what_it_lacks(
    mill: Mill, config: RoundSamplesConfig, message: str
) -> None:
    rlhf_rounds.build_round_prompts(mill, 0, RoundConfig(prompts=2)).publish(mill.root)
    with pytest.raises(RoundError, match=message):
        rlhf_rounds.build_round_samples(mill, 0, config)
