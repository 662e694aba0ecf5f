"""The real files: every one is read whole, and to what its documentation says its labels mean."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.rlhf.layouts import LayoutError
from pipelines.rlhf.read_stage import read_tasks
from pipelines.rlhf.records import canonical
from pipelines.rlhf.source_config import RlhfSourceConfig
from tests.pipelines.rlhf.instruction_files import Raw, read_files

# file: layout found or named, then demonstrations, judgements, prompts, decisions of reading, dead letters
FILES = {
    "alpaca_eval_gpt4pref_alpaca-7b.jsonl": ("alpaca_eval", 0, 805, 0, 0, 0),
    "alpaca_eval_gpt4pref_gpt4.jsonl": ("alpaca_eval", 0, 805, 0, 0, 0),
    "alpaca_eval_gpt4pref_vicuna-13b.jsonl": ("alpaca_eval", 0, 805, 0, 0, 0),
    "alpaca_seed_tasks.jsonl": ("self_instruct", 175, 0, 0, 0, 0),
    "auto_j_pairwise_a.jsonl": ("auto_j", 0, 911, 0, 0, 0),
    "awesome_chatgpt_prompts_2025-02.csv": ("prompt_only", 0, 0, 208, 0, 3),
    "belle_eval_set_zh.json": ("belle_eval", 631, 0, 1000, 0, 0),
    "belle_zh_seed_tasks.json": ("self_instruct", 175, 0, 0, 0, 0),
    "dpo_zh_500_a.jsonl": ("sharegpt_preference", 0, 330, 0, 0, 0),
    "hh_rlhf_harmless_base_test_a.jsonl": ("hh_rlhf", 0, 1499, 1500, 1, 0),
    "instructgpt_tldr_samples.csv": ("tldr_samples", 1200, 0, 1200, 0, 0),
    "llamafactory_alpaca_en_demo.jsonl": ("alpaca", 999, 0, 0, 0, 0),
    "llamafactory_alpaca_zh_demo.jsonl": ("alpaca", 1000, 0, 0, 0, 0),
    "llamafactory_dpo_en_demo.jsonl": ("sharegpt_preference", 0, 300, 0, 0, 0),
    "llamafactory_glaive_toolcall_en_demo.jsonl": ("sharegpt", 300, 0, 0, 0, 0),
    "llamafactory_identity.jsonl": ("alpaca", 91, 0, 0, 0, 0),
    "llamafactory_kto_en_demo.jsonl": ("kto", 0, 0, 300, 300, 0),
    "llmbar_processed_FairEval.jsonl": ("llmbar", 0, 66, 0, 0, 0),
    "llmbar_processed_LLMEval2.jsonl": ("llmbar", 0, 200, 0, 0, 0),
    "llmbar_processed_MT-Bench.jsonl": ("llmbar", 0, 200, 0, 0, 0),
    "oasst_en_trees_a.jsonl": ("oasst_tree", 163, 130, 296, 4, 0),
    "oasst_prompt_lottery_en_250.jsonl": ("prompt_list", 0, 0, 250, 0, 0),
    "pandalm_human_pairs_a.jsonl": ("pandalm", 0, 1950, 0, 0, 0),
    "self_instruct_user_oriented_252.jsonl": ("self_instruct", 252, 0, 0, 0, 0),
    "sharegpt_zh_1k.jsonl": ("sharegpt", 993, 0, 7, 7, 0),
}
LABELLED = {"alpaca_eval", "auto_j", "llmbar", "pandalm"}


def read(real_data: Path, folder: Path, name: str) -> Raw:
    path = real_data / "rlhf" / f"{name}.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    found = FILES[name][0]
    source: Any = {"name": "real", "files": [str(path)], "layout": found if found in LABELLED else "auto"}
    return read_files(folder, RlhfSourceConfig(**source))


def rows_of(real_data: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(real_data / "rlhf" / f"{name}.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@pytest.mark.parametrize(("name", "expected"), FILES.items(), ids=FILES.keys())
def test_every_row_is_accounted_for(real_data: Path, tmp_path: Path, name: str, expected: tuple) -> None:
    raw = read(real_data, tmp_path, name)
    assert tuple(map(len, raw[:5])) == expected[1:]


@pytest.mark.parametrize("name", [name for name, (layout, *_) in FILES.items() if layout in LABELLED])
def test_labels_are_never_guessed(real_data: Path, name: str) -> None:
    path = real_data / "rlhf" / f"{name}.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with pytest.raises(LayoutError, match=f"set layout to {FILES[name][0]}"):
        read_tasks([RlhfSourceConfig(name="real", files=[str(path)])])


VERDICTS = {(1, 2): "first", (2, 1): "second", (1, 1): "tie"}


@pytest.mark.parametrize(
    ("name", "column", "meaning"),
    [
        ("auto_j_pairwise_a.jsonl", "label", {0: "first", 1: "second", 2: "tie"}),
        ("alpaca_eval_gpt4pref_alpaca-7b.jsonl", "preference", {1: "first", 2: "second", 0: "tie"}),
        ("llmbar_processed_MT-Bench.jsonl", "label", {1: "first", 2: "second"}),
    ],
    ids=["auto_j", "alpaca_eval", "llmbar"],
)
def test_verdicts(real_data: Path, tmp_path: Path, name: str, column: str, meaning: dict) -> None:
    raw = read(real_data, tmp_path, name)
    expected = [meaning[row[column]] for row in rows_of(real_data, name)]
    assert [VERDICTS[tuple(judgement["ranks"])] for judgement in raw.judgements] == expected
    assert [j["completions"][0] for j in raw.judgements] == [
        canonical(row.get("response 1") or row.get("output_1")) for row in rows_of(real_data, name)
    ]


def test_three_annotators_of_pandalm(real_data: Path, tmp_path: Path) -> None:
    raw = read(real_data, tmp_path, "pandalm_human_pairs_a.jsonl")
    expected = [
        ({0: "tie", 1: "first", 2: "second"}[row[name]], f"real:{name}")
        for row in rows_of(real_data, "pandalm_human_pairs_a.jsonl")
        for name in ("annotator1", "annotator2", "annotator3")
    ]
    assert [(VERDICTS[tuple(j["ranks"])], j["labeler_id"]) for j in raw.judgements] == expected


def test_openassistant_rankings(real_data: Path, tmp_path: Path) -> None:
    """Counted by walking the trees anew: replies with a rank of contexts with two or more of them."""
    raw = read(real_data, tmp_path, "oasst_en_trees_a.jsonl")
    sizes: Counter[int] = Counter()

    def walk(message: dict[str, Any]) -> None:
        if message["synthetic"] or message["deleted"]:
            return
        ranked = [r for r in message["replies"] if r.get("rank") is not None and not r["synthetic"]]
        if message["role"] == "prompter" and len(ranked) > 1:
            sizes[len(ranked)] += 1
        for reply in message["replies"]:
            walk(reply)

    for row in rows_of(real_data, "oasst_en_trees_a.jsonl"):
        walk(row["prompt"])
    assert Counter(sum(rank is not None for rank in j["ranks"]) for j in raw.judgements) == sizes
    assert sum(judgement["partial"] for judgement in raw.judgements) == 1


def test_hh_dialogues_are_whole(real_data: Path, tmp_path: Path) -> None:
    name = "hh_rlhf_harmless_base_test_a.jsonl"
    raw = read(real_data, tmp_path, name)
    texts = {row["chosen"].replace("\n", "").replace(" ", "") for row in rows_of(real_data, name)}
    speakers = {"user": "Human:", "assistant": "Assistant:"}
    for judgement in raw.judgements:
        turns = [*judgement["messages"], {"role": "assistant", "content": judgement["completions"][0]}]
        told = "".join(speakers[turn["role"]] + turn["content"] for turn in turns)
        assert told.replace("\n", "").replace(" ", "") in texts
    assert {judgement["judge_kind"] for judgement in raw.judgements} == {"human"}
