"""Assets from files of instructions to the datasets of SFT, reward model and PPO."""

from orchestration.asset import mill_asset
from orchestration.multi_asset import Output, mill_multi_asset
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
from pipelines.rlhf.code_pairs import CodePairsConfig
from pipelines.rlhf.use_case import UseCaseConfig

GROUP = "instructions"

instructions = mill_asset(
    "instructions",
    build_instructions,
    group=GROUP,
    description="Demonstrations, judgements and prompts as their sources give them: the datasets "
    "raw_demonstrations, raw_judgements, raw_prompts and read_decisions.",
    config=InstructionsConfig,
    checks=["every_source_has_records"],
    kinds=["parquet", "pyspark"],
)

code_pairs = mill_asset(
    "code_pairs",
    build_code_pairs,
    group=GROUP,
    description="Functions of Python sources as demonstrations: what it does asks for it. None without sources.",
    config=CodePairsConfig,
)

code_judgements = mill_asset(
    "code_judgements",
    build_code_judgements,
    group=GROUP,
    description="Comparisons of code pairs with worse answers by the stated automatic judge, marked as a model's.",
    deps=["code_pairs"],
    config=CodeJudgementsConfig,
)

cleaned_instructions = mill_asset(
    "cleaned_instructions",
    build_cleaned,
    group=GROUP,
    description="The records that can be examples: no empty, truncated, refusing or repetitive demonstrations, no "
    "unfilled template; the datasets clean_… and clean_decisions.",
    deps=["instructions", "code_pairs", "code_judgements"],
    config=CleanedConfig,
    checks=["not_empty", "every_record_once"],
)

use_case_model = mill_asset(
    "use_case_model",
    build_use_case_model,
    group=GROUP,
    description="Ten linear models on a prompt's words for InstructGPT's ten use cases, fitted on labelled prompts.",
    deps=["cleaned_instructions"],
    config=UseCaseConfig,
    kinds=["scikitlearn"],
)

instruction_datasets = mill_multi_asset(
    "instruction_datasets",
    build_instruction_datasets,
    [
        Output(
            "sft",
            "Demonstrations: a prompt of one or more turns and the answer that alone has a loss.",
            ["not_empty", "template_ids_equal", "groups_in_one_split"],
        ),
        Output(
            "comparisons",
            "Judgements as they were made: K answers with ranks, ties and gaps.",
            ["not_empty", "template_ids_equal", "prompts_in_one_split"],
        ),
        Output("pairs", "Pairs of different ranks within one judgement.", ["prompts_in_one_split"]),
        Output(
            "prompts",
            "Prompts for PPO, of groups without an answer in sft or comparisons.",
            ["not_empty", "template_ids_equal", "disjoint_from_answered"],
        ),
        Output(
            "rlhf_decisions",
            "One row a raw record: kept or dropped, the reason, the figure behind it and the evidence.",
            ["one_decision_each"],
            ["parquet"],
        ),
    ],
    group=GROUP,
    deps=["instructions", "code_pairs", "cleaned_instructions", "chat_tokenizer", "use_case_model"],
    config=InstructionDatasetsConfig,
    after=write_cards,
)

rlhf_report = mill_asset(
    "rlhf_report",
    build_rlhf_report,
    group=GROUP,
    description="The datasets beside InstructGPT's Tables 1, 6, 8 and 9, agreement of judges, samples by reason.",
    deps=["sft", "comparisons", "prompts", "rlhf_decisions", "cleaned_instructions"],
    kinds=["markdown"],
)
