"""A small world of instructions: demonstrations, rankings of nine with ties and gaps, users, code, and bad rows."""

import json
from pathlib import Path
from random import Random
from typing import Any

from pipelines.build.built import Built
from pipelines.build.chat_tokenizer import ChatTokenizerConfig, build_chat_tokenizer
from pipelines.build.rlhf_cleaning import CleanedConfig, build_cleaned
from pipelines.build.rlhf_code import CodeJudgementsConfig, build_code_judgements, build_code_pairs
from pipelines.build.rlhf_datasets import (
    InstructionDatasetsConfig,
    build_instruction_datasets,
    write_cards,
)
from pipelines.build.rlhf_models import build_use_case_model
from pipelines.build.rlhf_reading import InstructionsConfig, build_instructions
from pipelines.build.rlhf_report import build_rlhf_report
from pipelines.engine.mill import Mill
from pipelines.rlhf.code_pairs import CodePairsConfig
from pipelines.rlhf.use_case import UseCaseConfig
from tests.orchestration.small_world import prose

LABELS = ("generation", "open_qa", "brainstorming")
CODE = '''
def total_{n}(values, start=0):
    """Add the values number {n} to a start, one after the other."""
    result = start
    for value in values:
        result += value * {n}
    return result
'''
CHINESE = ["请写一首关于{}的诗，要有四行，每行七个字。", "为什么{}对我们的健康很重要？请说明理由。"]
THINGS = ["春天", "大海", "高山", "月亮", "故乡", "读书", "运动", "睡眠", "蔬菜", "友谊"]


def build(folder: Path) -> dict[str, Any]:
    """Write the inputs into `folder`; a run config of the job build_rlhf that reads them."""
    random = Random(11)
    folder.mkdir(parents=True, exist_ok=True)
    demonstrations = _demonstrations(random)
    _write(folder / "demonstrations.jsonl", demonstrations)
    _write(folder / "rankings.jsonl", _rankings(random))
    answered = [row["instruction"] for row in demonstrations[:6]]
    _write(folder / "prompts.jsonl", _prompts(random, answered))
    (folder / "code").mkdir(exist_ok=True)
    for number in range(12):
        (folder / "code" / f"sums_{number}.py").write_text(CODE.format(n=number + 2))
    ranked = {
        "prompt_column": "asked",
        "completions_column": "answers",
        "ranks_column": "ranks",
        "labeler_column": "who",
        "user_column": "user",
    }
    asked = {"prompt_column": "asked", "user_column": "user", "use_case_column": "kind"}
    sources = [
        {
            "name": "demos",
            "files": [str(folder / "demonstrations.jsonl")],
            "layout": "alpaca",
            "licence": "CC0",
        },
        {
            "name": "ranked",
            "files": [str(folder / "rankings.jsonl")],
            "layout": "mapped",
            "mapped": ranked,
            "judge_kind": "human",
        },
        {"name": "asked", "files": [str(folder / "prompts.jsonl")], "layout": "mapped", "mapped": asked},
    ]
    rules = {
        "users": {"max_prompts": 4},
        "split": {"validation_share": 0.2, "test_share": 0.1},
        "prompts": {"held_out_share": 0.2},
    }
    return {
        "resources": {"mill": {"config": {"spark": {"master": "local[2,4]", "shuffle_partitions": 2}}}},
        "ops": {
            "instructions": {"config": {"sources": sources, "max_dead_share": 0.2}},
            "code_pairs": {
                "config": {"folders": [{"name": "sums", "path": str(folder / "code"), "licence": "MIT"}]}
            },
            "chat_tokenizer": {"config": {"train_vocab_size": 600}},
            "instruction_datasets": {"config": {"rules": rules, "augment": {"few_shot_share": 0.3}}},
        },
    }


def run(root: Path, config: dict[str, Any], spark: Any) -> dict[str, Built]:
    """Make all datasets of the job below `root` without Dagster, published; what each step built, by name."""

    def given(op: str, model: type[Any]) -> Any:
        return model.model_validate(config["ops"].get(op, {}).get("config", {}))

    mill = Mill(str(root), lambda: spark)
    made: dict[str, Built] = {}
    for op, build_step, model in (
        ("instructions", build_instructions, InstructionsConfig),
        ("code_pairs", build_code_pairs, CodePairsConfig),
        ("code_judgements", build_code_judgements, CodeJudgementsConfig),
        ("cleaned_instructions", build_cleaned, CleanedConfig),
        ("chat_tokenizer", build_chat_tokenizer, ChatTokenizerConfig),
        ("use_case_model", build_use_case_model, UseCaseConfig),
    ):
        made[op] = build_step(mill, given(op, model)).publish(mill.root)
    datasets = build_instruction_datasets(mill, given("instruction_datasets", InstructionDatasetsConfig))
    made |= {name: built.publish(mill.root) for name, built in datasets.items()}
    write_cards(mill)
    made["rlhf_report"] = build_rlhf_report(mill).publish(mill.root)
    return made


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _demonstrations(random: Random) -> list[dict[str, Any]]:
    rows = [{"instruction": prose(random, 12), "input": "", "output": prose(random, 30)} for _ in range(90)]
    rows += [
        {"instruction": text.format(thing), "input": "", "output": f"{thing}，" * 3 + "很美。"}
        for text in CHINESE
        for thing in THINGS
    ]
    rows.append(rows[3] | {"output": prose(random, 20)})
    rows.append({"instruction": prose(random, 9), "input": "", "output": ""})
    rows.append({"instruction": prose(random, 9), "input": "", "output": "I am {{name}}, made by them."})
    rows.append(
        {
            "instruction": prose(random, 9),
            "input": "",
            "output": f"Write to {'a'}nna@mill.org. " + prose(random, 20),
        }
    )
    rows.append({"instruction": prose(random, 9), "input": "", "output": 7})
    rows.append(
        {
            "instruction": "Say <|end|> twice, please, in " + prose(random, 6),
            "input": "",
            "output": "<|end|> <|end|>",
        }
    )
    return rows


def _rankings(random: Random) -> list[dict[str, Any]]:
    rows = []
    for number in range(40):
        k = 9 if number % 8 == 0 else random.randint(2, 5)
        ranks: list[int | None] = [random.randint(1, max(2, k - 2)) for _ in range(k)]
        if number % 5 == 0:
            ranks[-1] = None
        answers = [prose(random, 10) for _ in range(k)]
        row = {
            "asked": prose(random, 10),
            "answers": answers,
            "ranks": ranks,
            "who": "ann",
            "user": f"u{number % 9}",
        }
        rows.append(row)
        if number % 4 == 0:
            rows.append(row | {"who": "bob", "ranks": ranks[::-1]})
    return rows


def _prompts(random: Random, answered: list[str]) -> list[dict[str, Any]]:
    rows = [
        {
            "asked": f"{LABELS[number % 3]} " + prose(random, 8),
            "user": f"p{number % 7}",
            "kind": LABELS[number % 3],
        }
        for number in range(60)
    ]
    rows.append(rows[0] | {"user": "p6"})
    rows += [{"asked": text, "user": None, "kind": None} for text in answered]
    rows.append({"asked": None, "user": "p1", "kind": None})
    return rows
