"""One round of judging, by its number: prompts → answers of a policy → tasks for labelers → judgements.

A round's versions name the prompts and the policy that they come from in their details, not as inputs: a round is
finished when its judgements are taken in, and stays what it was when the datasets that it began with are made anew.
"""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.build.built import Built, Check
from pipelines.build.rlhf_reading import SHARD
from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import POINTER, DatasetVersion, current, read_dataset
from pipelines.engine.mill import Mill
from pipelines.engine.runner import digest, run_locally
from pipelines.rlhf import judge as judging
from pipelines.rlhf import rounds
from pipelines.rlhf.candidates import CANDIDATES
from pipelines.rlhf.judge import JudgeConfig
from pipelines.rlhf.labelling.export import ExportConfig, label_tasks, write_projects
from pipelines.rlhf.labelling.importing import OUTPUTS, LabelSourceConfig
from pipelines.rlhf.labelling.stage import LabelImportStage, import_tasks
from pipelines.rlhf.labelling.tables import LABEL_TASKS, LABELLED_JUDGEMENTS
from pipelines.rlhf.rounds import ROUND_PROMPTS, ROUNDS, Policy, RoundConfig, of_round
from pipelines.rlhf.schemas import PROMPTS
from pipelines.schemas import DEAD_LETTERS, DatasetSchema

LABEL_DEAD_LETTERS = DatasetSchema("label_dead_letters", 1, DEAD_LETTERS.schema)
MOST_ROUNDS = 100
_WORK = "_rounds"
_FINAL = "final"
_CODE_VERSION = 1


class RoundError(RuntimeError):
    """A round cannot go on; the message says what it lacks."""


class RoundSamplesConfig(BaseModel):
    """Which policy answers, and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str | None = Field(
        default=None,
        description="what answers: a published model of this data root (such as policy), or a checkpoint's folder",
    )
    generations: str | None = Field(
        default=None,
        description="folder that `python -m model.generate` has written elsewhere (generations.parquet, run.json), "
        "in place of policy",
    )
    samples: int = Field(default=4, description="answers to each prompt (K)", ge=2, le=26)
    temperature: float = Field(default=1.0, description="temperature of the sampling", gt=0)
    top_p: float = Field(
        default=1.0, description="share of the probability that is sampled from, 0..1", gt=0, le=1
    )
    max_new_tokens: int = Field(default=256, description="most tokens of an answer", ge=1)
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where the policy runs")

    @model_validator(mode="after")
    def _one_of_both(self) -> "RoundSamplesConfig":
        if self.policy is not None and self.generations is not None:
            raise ValueError("set policy or generations, not both")
        return self


class RoundJudgementsConfig(BaseModel):
    """Who judges the round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: Literal["label_studio", "features"] = Field(
        default="label_studio",
        description="label_studio: people, whose exports `labels` names; features: the automatic judge, marked so",
    )
    labels: list[LabelSourceConfig] = Field(default=[], description="exports of the labelling projects")
    features: JudgeConfig = Field(default=JudgeConfig(), description="what the automatic judge goes by")
    max_dead_share: float = Field(
        default=0.05,
        description="share of the annotations that may be unusable before the run fails, 0..1",
        ge=0,
        le=1,
    )


def build_round_prompts(mill: Mill, number: int, config: RoundConfig) -> Built:
    """Draw the round's prompts from the train split of `prompts`, none that another round has."""
    prompts = current(mill.root, PROMPTS.name)
    schema = of_round(ROUND_PROMPTS, number)
    used = _used(mill, number)
    details = {"prompts_version": prompts.version}

    def make() -> tuple[dict[str, pa.Table], dict[str, Any]]:
        drawn = rounds.draw_prompts(read_dataset(prompts, PROMPTS), used, number, config)
        return {SHARD: drawn}, details

    key = {
        "config": config.model_dump(mode="json"),
        "used": digest({"prompts": sorted(used.to_pylist())}),
        "code": _CODE_VERSION,
        **details,
    }
    version = build_table(mill.root, schema, key, make)
    _still_open(mill, number, version)
    return Built((version,), schema, (_some(version),), details)


def build_round_samples(mill: Mill, number: int, config: RoundSamplesConfig) -> Built:
    """Have the policy answer the round's prompts, or take what it has answered elsewhere; candidates and lineage."""
    drawn = current(mill.root, of_round(ROUND_PROMPTS, number).name)
    folder = _generations(mill, number, config, drawn)
    run = folder / "run.json"
    if not run.is_file():
        raise RoundError(
            f"{run} is missing: take the folder that model.generate has written, and let it finish"
        )
    policy = rounds.policy_of(json.loads(run.read_text(encoding="utf-8")))
    answers = pq.read_table(folder / "generations.parquet")
    made = _gathered(drawn, answers, policy)
    key = {
        "policy": policy._asdict(),
        "answers": digest({"rows": answers.to_pylist()}),
        "code": _CODE_VERSION,
    }
    inputs = {drawn.name: drawn}
    found = [
        build_table(mill.root, of_round(schema, number), key, partial(_one_shard, table), inputs)
        for schema, table in ((CANDIDATES, made.candidates), (ROUNDS, made.lineage))
    ]
    _still_open(mill, number, found[0])
    told = {"policy": policy.name, "policy_digest": policy.digest}
    return Built(tuple(found), of_round(CANDIDATES, number), (_some(found[0]),), told)


def build_round_tasks(mill: Mill, number: int, config: ExportConfig) -> Built:
    """The round's answers as Label Studio projects, one a K: config.xml and tasks.json."""
    candidates = current(mill.root, of_round(CANDIDATES, number).name)
    schema = of_round(LABEL_TASKS, number)
    tasks = label_tasks(read_dataset(candidates, of_round(CANDIDATES, number)), config)
    key = {"config": config.model_dump(mode="json"), "code": _CODE_VERSION}
    table = build_table(mill.root, schema, key, partial(_one_shard, tasks), {candidates.name: candidates})

    def make(folder: Path) -> dict[str, Any]:
        written = write_projects(tasks, config, str(folder))
        return {"projects": {Path(path).relative_to(folder).as_posix(): n for path, n in written.items()}}

    name = f"label_projects-{number:03d}"
    files = build_artifact(mill.root, name, key, make, {table.name: table})
    told = {"projects": files.folder, **files.manifest["details"]["projects"]}
    return Built((table, files), schema, (_some(table),), told)


def build_round_judgements(mill: Mill, number: int, config: RoundJudgementsConfig) -> Built:
    """What people or the automatic judge said of the round's answers, as raw judgements of the next build."""
    tasks = current(mill.root, of_round(LABEL_TASKS, number).name)
    lineage = current(mill.root, of_round(ROUNDS, number).name)
    made = _by_labelers(tasks, config) if config.judge == "label_studio" else _by_features(tasks, config)
    name = config.judge if config.judge == "label_studio" else f"{judging.NAME}-v{judging.VERSION}"
    kind = "human" if config.judge == "label_studio" else "model"
    row = read_dataset(lineage, of_round(ROUNDS, number))
    made[ROUNDS.name] = _with_judge(row, name, kind)
    hashes = {
        name: digest({"rows": json.loads(json.dumps(table.to_pylist()))}) for name, table in made.items()
    }
    key = {"config": config.model_dump(mode="json"), "rows": hashes, "code": _CODE_VERSION}
    inputs = {tasks.name: tasks}
    versions = tuple(
        build_table(mill.root, of_round(schema, number), key, partial(_one_shard, made[schema.name]), inputs)
        for schema in (*OUTPUTS, LABEL_DEAD_LETTERS, ROUNDS)
    )
    judged, dead = versions[0], versions[len(OUTPUTS)]
    share = dead.rows / max(dead.rows + judged.rows, 1)
    usable = Check(
        "annotations_usable",
        share <= config.max_dead_share,
        f"{dead.rows} of {dead.rows + judged.rows} annotations are unusable ({share:.1%}); see {dead.folder}",
    )
    return Built(versions, of_round(LABELLED_JUDGEMENTS, number), (_some(judged), usable), {"judge": name})


def _still_open(mill: Mill, number: int, made: DatasetVersion) -> None:
    """RoundError where other rows would stand behind judgements that have been made."""
    judged = mill.path(of_round(LABELLED_JUDGEMENTS, number).name, POINTER)
    if not storage.exists(judged) or current(mill.root, made.name).row_hash == made.row_hash:
        return
    raise RoundError(
        f"round {number} has been judged, and {made.name} would change behind its judgements (another policy, or "
        f"prompts made anew); take the number of a new round, or remove {judged} to give the judgements up"
    )


def _one_shard(table: pa.Table) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    return {SHARD: table}, {}


def _some(version: DatasetVersion) -> Check:
    return Check("not_empty", version.rows > 0, f"{version.rows} rows")


def _used(mill: Mill, number: int) -> pa.Array:
    """prompt_ids of all other rounds that have drawn."""
    found = [pa.array([], pa.string())]
    for other in range(MOST_ROUNDS):
        schema = of_round(ROUND_PROMPTS, other)
        if other != number and storage.exists(mill.path(schema.name, POINTER)):
            version = current(mill.root, schema.name)
            found.append(read_dataset(version, schema, ["prompt_id"])["prompt_id"].combine_chunks())
    return pa.concat_arrays(found)


def _gathered(drawn: DatasetVersion, answers: pa.Table, policy: Policy) -> rounds.Round:
    """The round before it is judged: its row of ROUNDS names no judge yet."""
    schema = DatasetSchema(drawn.name, ROUND_PROMPTS.version, ROUND_PROMPTS.schema)
    prompts_version = str(drawn.manifest["details"]["prompts_version"])
    return rounds.gather(read_dataset(drawn, schema), answers, policy, prompts_version, "none", "none")


def _with_judge(lineage: pa.Table, name: str, kind: str) -> pa.Table:
    rows = [row | {"judge": name, "judge_kind": kind} for row in lineage.to_pylist()]
    return pa.Table.from_pylist(rows, schema=ROUNDS.schema)


def _generations(mill: Mill, number: int, config: RoundSamplesConfig, drawn: DatasetVersion) -> Path:
    if config.generations is not None:
        return Path(config.generations)
    if config.policy is None:
        raise RoundError(
            "ops.round_samples.config: names nobody who answers; set policy (a model of this data root, or a folder) "
            "or generations"
        )
    has_name = storage.exists(mill.path(config.policy, POINTER))
    policy = f"{current(mill.root, config.policy).folder}/{_FINAL}" if has_name else config.policy
    given = {
        "model": policy,
        "prompts": f"{drawn.folder}/{SHARD}.parquet",
        "output": "parquet",
        "samples": config.samples,
        "sampling": {
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_new_tokens": config.max_new_tokens,
        },
        "device": config.device,
    }
    work = Path(mill.path(_WORK, f"{number:03d}", digest(given)[:16]))
    work.mkdir(parents=True, exist_ok=True)
    (work / "config.json").write_text(json.dumps(given, indent=2) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "model.generate", str(work / "config.json"), "--out", str(work / "out")]
    log = work / "process.log"
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-3:]
        raise RoundError(f"model.generate ended with status {done.returncode} ({log}): " + " ".join(last))
    return work / "out"


def _by_labelers(tasks: DatasetVersion, config: RoundJudgementsConfig) -> dict[str, pa.Table]:
    """The labelled tables by name out of the exports, and what of them could not be used."""
    if not config.labels:
        raise RoundError(
            "ops.round_judgements.config.labels: names no export; label the tasks, export them as JSON and name the "
            "files, or set judge to features"
        )
    with tempfile.TemporaryDirectory(prefix="gristmill-") as folder:
        run_locally(LabelImportStage(), import_tasks(config.labels, [tasks]), folder)
        schemas = {schema.name: schema.schema for schema in OUTPUTS}
        found = {name: _read(Path(folder) / name, schema) for name, schema in schemas.items()}
        found[LABEL_DEAD_LETTERS.name] = _read(Path(folder) / "dead_letters", DEAD_LETTERS.schema)
    return found


def _by_features(tasks: DatasetVersion, config: RoundJudgementsConfig) -> dict[str, pa.Table]:
    schema = DatasetSchema(tasks.name, LABEL_TASKS.version, LABEL_TASKS.schema)
    candidates = read_dataset(tasks, schema).select(CANDIDATES.schema.names)
    made = {schema.name: schema.schema.empty_table() for schema in (*OUTPUTS, LABEL_DEAD_LETTERS)}
    return made | {LABELLED_JUDGEMENTS.name: judging.judge(candidates, config.features).judgements}


def _read(folder: Path, schema: pa.Schema) -> pa.Table:
    files = sorted(folder.rglob("*.parquet"))
    return pa.concat_tables([schema.empty_table(), *(pq.read_table(file).cast(schema) for file in files)])
