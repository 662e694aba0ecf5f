"""Python sources → code pairs, and comparisons of code by the stated automatic judge."""

from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.build.built import Built
from pipelines.build.rlhf_reading import SHARD
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.ids import payload_digest
from pipelines.rlhf import code_pairs as pairs_of
from pipelines.rlhf import judge as judging
from pipelines.rlhf.code_candidates import CodeCandidatesConfig, code_candidates
from pipelines.rlhf.code_pairs import CODE_PAIRS, CodePairsConfig, SourceText, read_sources
from pipelines.rlhf.judge import JUDGE_SCORES, JudgeConfig
from pipelines.rlhf.schemas import RAW_JUDGEMENTS
from pipelines.schemas import DatasetSchema

CODE_JUDGEMENTS = DatasetSchema("code_judgements", 1, RAW_JUDGEMENTS.schema)
_CODE_VERSION = 1


class CodeJudgementsConfig(BaseModel):
    """Whether code pairs give comparisons as well: the function against worse answers, ranked by the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=True,
        description="off: code pairs give demonstrations alone; without pairs there is nothing either way",
    )
    candidates: CodeCandidatesConfig = Field(
        default=CodeCandidatesConfig(), description="how the worse answers are made"
    )
    judge: JudgeConfig = Field(default=JudgeConfig(), description="what the automatic judge goes by")


def build_code_pairs(mill: Mill, config: CodePairsConfig) -> Built:
    """Functions with what they do as demonstrations; none where the config names no sources."""
    sources = list(read_sources(config))
    key = {
        "config": config.model_dump(mode="json"),
        "sources": payload_digest("\x1e".join(map(_fingerprint, sources)).encode()),
        "code": _CODE_VERSION,
    }

    def make() -> tuple[dict[str, pa.Table], dict[str, Any]]:
        made = pairs_of.code_pairs(sources, config)
        return {SHARD: made.pairs}, {"counts": made.counts}

    version = build_table(mill.root, CODE_PAIRS, key, make)
    return Built((version,), CODE_PAIRS)


def build_code_judgements(mill: Mill, config: CodeJudgementsConfig) -> Built:
    """Comparisons of code, each marked with the judge's name and its features as criteria."""
    pairs = current_inputs(mill.root, CODE_PAIRS.name)[CODE_PAIRS.name]
    judged: list[judging.Judged] = []

    def made() -> judging.Judged:
        if not judged:
            rows = read_dataset(pairs, CODE_PAIRS)
            table, references = code_candidates(
                rows if config.enabled else rows.slice(0, 0), config.candidates
            )
            judged.append(judging.judge(table, config.judge, references))
        return judged[0]

    key = {
        "config": config.model_dump(mode="json"),
        "judge": f"{judging.NAME}-v{judging.VERSION}",
        "code": _CODE_VERSION,
    }
    inputs = {CODE_PAIRS.name: pairs}
    judgements = build_table(
        mill.root,
        CODE_JUDGEMENTS,
        key,
        lambda: ({SHARD: made().judgements}, {"counts": {"unranked": made().unranked}}),
        inputs,
    )
    scores = build_table(mill.root, JUDGE_SCORES, key, lambda: ({SHARD: made().scores}, {}), inputs)
    return Built((judgements, scores), CODE_JUDGEMENTS, metadata={"judge": config.judge.describe()})


def _fingerprint(source: SourceText) -> str:
    return f"{source.source}\x1f{source.path}\x1f{source.licence}\x1f{source.reason}\x1f{source.text}"
