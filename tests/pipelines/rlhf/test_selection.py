from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rlhf.prefix_groups import PrefixConfig
from pipelines.rlhf.prompts import PromptConfig
from pipelines.rlhf.quotas import QuotaConfig, Size
from pipelines.rlhf.schemas import PAIRS
from pipelines.rlhf.selection import Datasets, RulesConfig, build_datasets
from pipelines.rlhf.splits import SplitConfig
from pipelines.rlhf.user_limit import UserLimitConfig
from tests.pipelines.rlhf.rule_tables import (
    chat_tokenizer,
    demonstration,
    demonstrations,
    judgement,
    judgements,
    prompt,
    prompts,
)

TABLES = ("sft", "comparisons", "pairs", "prompts", "decisions", "shortfalls", "cycles")
TEXTS = ["a b c", "a b d", "what is it", "x y z", "?", "mail me at jane.doe@example.org now", "long " * 40]
CONFIG = RulesConfig(
    prefix=PrefixConfig(words=2),
    users=UserLimitConfig(max_prompts=2),
    split=SplitConfig(validation_share=0.3, test_share=0.2),
    quotas=QuotaConfig(sizes=[Size(dataset="sft", split="train", prompts=2)]),
    lengths={"max_prompt_tokens": 60, "max_completion_tokens": 60},  # type: ignore[arg-type]
)

FACTS = st.fixed_dictionaries(
    {}, optional={"user_id": st.sampled_from("uv"), "root_id": st.sampled_from(["r", "s"])}
)


@st.composite
def _raw(draw: Any) -> tuple[pa.Table, pa.Table, pa.Table]:
    text = st.sampled_from(TEXTS)
    shown = [
        demonstration(i, asked, answer, **facts)
        for i, (asked, answer, facts) in enumerate(draw(st.lists(st.tuples(text, text, FACTS), max_size=5)))
    ]
    ranks = st.lists(st.sampled_from([1, 2, None]), min_size=3, max_size=3)
    judged = [
        judgement(i, asked, ["p", "q", "r"], given, f"l{i % 3}", **facts)
        for i, (asked, given, facts) in enumerate(draw(st.lists(st.tuples(text, ranks, FACTS), max_size=5)))
    ]
    asked = [
        prompt(i, t, **facts)
        for i, (t, facts) in enumerate(draw(st.lists(st.tuples(text, FACTS), max_size=5)))
    ]
    return demonstrations(*shown), judgements(*judged), prompts(*asked)


def _run(raw: tuple[pa.Table, pa.Table, pa.Table], config: RulesConfig = CONFIG) -> Datasets:
    return build_datasets(*raw, config, chat_tokenizer())


@settings(max_examples=25)
@given(_raw(), st.randoms(), st.sampled_from([0.0, 0.5]))
def test_invariants_and_order(raw: tuple[pa.Table, pa.Table, pa.Table], random: Any, held_out: float) -> None:
    config = CONFIG.model_copy(update={"prompts": PromptConfig(held_out_share=held_out)})
    made = _run(raw, config)
    shuffled = []
    for table in raw:
        order = list(range(table.num_rows))
        random.shuffle(order)
        shuffled.append(table.take(pa.array(order, pa.int64())))
    again = _run((shuffled[0], shuffled[1], shuffled[2]), config)
    for name in TABLES:
        assert getattr(made, name).equals(getattr(again, name)), name
    _check(raw, made)


def _check(raw: tuple[pa.Table, pa.Table, pa.Table], made: Datasets) -> None:
    decisions = made.decisions.to_pylist()
    assert sorted(row["record_id"] for row in decisions) == sorted(
        record for table in raw for record in table["record_id"].to_pylist()
    )
    kept = {row["record_id"] for row in decisions if row["keep"]}
    present = [
        set(table[column].to_pylist())
        for table, column in (
            (made.sft, "record_id"),
            (made.comparisons, "judgement_id"),
            (made.prompts, "record_id"),
        )
    ]
    assert set.union(*present) == kept
    assert sum(map(len, present)) == len(kept)
    assert all(row["keep"] == (row["reason"] in ("kept", "held_out_prompt")) for row in decisions)
    groups = [set(table["split_group"].to_pylist()) for table in (made.sft, made.comparisons, made.prompts)]
    assert not (groups[0] | groups[1]) & groups[2]
    split_of: dict[str, set[str]] = {}
    for table in (made.sft, made.comparisons, made.prompts):
        for key in ("split_group", "prompt_id"):
            for value, split in zip(table[key].to_pylist(), table["split"].to_pylist(), strict=True):
                split_of.setdefault(value, set()).add(split)
    assert all(len(splits) == 1 for splits in split_of.values())


def test_each_rule_says_why() -> None:
    raw = (
        demonstrations(
            demonstration(0, "a b c", "fine"),
            demonstration(1, "a b d", "fine"),
            demonstration(2, "?", "what"),
            demonstration(3, "long " * 40, "x"),
            demonstration(4, "tell me", "long " * 40),
            demonstration(5, TEXTS[5], "ok"),
        ),
        judgements(judgement(0, "shared thing", ["p", "q"], [1, 2])),
        prompts(prompt(0, "shared thing"), prompt(1, "own thing")),
    )
    everything = SplitConfig(validation_share=0, test_share=0)
    made = _run(raw, CONFIG.model_copy(update={"split": everything, "quotas": QuotaConfig()}))
    origins = {
        row["record_id"]: row["origin"]
        for table in raw
        for row in table.select(["record_id", "origin"]).to_pylist()
    }
    found = {origins[row["record_id"]]: row for row in made.decisions.to_pylist()}
    reasons = {origin: row["reason"] for origin, row in found.items()}
    assert reasons == {
        "demos.jsonl#0": "kept",
        "demos.jsonl#1": "prefix_duplicate",
        "demos.jsonl#2": "empty_prompt",
        "demos.jsonl#3": "prompt_too_long",
        "demos.jsonl#4": "completion_too_long",
        "demos.jsonl#5": "personal_data",
        "judged.jsonl#0": "kept",
        "lists.jsonl#0": "shared_with_answered",
        "lists.jsonl#1": "kept",
    }
    duplicate = found["demos.jsonl#1"]
    assert origins[duplicate["evidence"]] == "demos.jsonl#0"
    assert (duplicate["figure"], duplicate["limit"]) == (2, 2)


def test_personal_data_is_filtered_from_train_alone() -> None:
    raw = (demonstrations(), judgements(), prompts(*(prompt(i, f"{i} {TEXTS[5]}") for i in range(20))))
    made = _run(raw, RulesConfig(split=SplitConfig(validation_share=0.4, test_share=0)))
    reasons = made.decisions["reason"].to_pylist()
    assert set(made.prompts["split"].to_pylist()) == {"validation"}
    assert reasons.count("kept") == made.prompts.num_rows
    assert reasons.count("personal_data") == 20 - made.prompts.num_rows > 0


def test_held_out_groups_give_prompts_alone() -> None:
    raw = (
        demonstrations(demonstration(0, "one thing", "fine")),
        judgements(
            judgement(0, "other thing", ["p", "q"], [1, 2]), judgement(1, "other thing", ["p", "q"], [2, 1])
        ),
        prompts(),
    )
    made = _run(raw, CONFIG.model_copy(update={"prompts": PromptConfig(held_out_share=1.0)}))
    assert (made.sft.num_rows, made.comparisons.num_rows, made.prompts.num_rows) == (0, 0, 2)
    assert sorted(made.decisions["reason"].to_pylist()) == ["held_out_prompt"] * 2 + ["prefix_duplicate"]


def test_a_round_gives_a_held_out_group_its_answers_and_leaves_it_in_its_split() -> None:
    config = CONFIG.model_copy(update={"prompts": PromptConfig(held_out_share=1.0)})
    shown = demonstrations(*(demonstration(i, f"thing {i}", "fine") for i in range(12)))
    before = _run((shown, judgements(), prompts()), config)
    judged = judgements(
        *(judgement(i, f"thing {i}", ["p", "q"], [1, 2], source="round-000") for i in range(12))
    )
    raw = (shown, judged, prompts())
    after = build_datasets(*raw, config, chat_tokenizer(), of_rounds=judged["record_id"].combine_chunks())
    assert before.sft.num_rows == after.prompts.num_rows == 0
    assert before.prompts.num_rows == after.comparisons.num_rows == 12
    splits = [
        dict(zip(t["prompt_id"].to_pylist(), t["split"].to_pylist(), strict=True))
        for t in (before.prompts, after.comparisons)
    ]
    assert splits[0] == splits[1]
    assert len(set(splits[0].values())) > 1


def test_one_prompt_of_two_users_is_one_group_and_one_record() -> None:
    raw = (
        demonstrations(),
        judgements(),
        prompts(*(prompt(i, "same thing", user_id=u) for i, u in enumerate("uv"))),
    )
    made = _run(raw)
    assert made.prompts["user_id"].to_pylist() == ["u"]
    assert made.figures["groups"] == 1


def test_counts_by_sql() -> None:
    rows = [demonstration(i, f"thing{i % 7} b", "fine", user_id=f"u{i % 5}") for i in range(30)]
    made = _run((demonstrations(*rows), judgements(), prompts()))
    decisions, sft = made.decisions, made.sft  # noqa: F841  (DuckDB reads them by name)
    counted = "select count(*) filter (keep), count(distinct record_id) from decisions"
    assert duckdb.sql(counted).fetchall() == [(made.sft.num_rows, 30)]
    in_train = duckdb.sql("select count(distinct prompt_id) from sft where split = 'train'").fetchall()[0][0]
    assert 0 < in_train <= 2


def test_nothing_in_gives_empty_tables() -> None:
    made = _run((demonstrations(), judgements(), prompts()), RulesConfig())
    assert {name: getattr(made, name).num_rows for name in TABLES} == dict.fromkeys(TABLES, 0)
    assert made.pairs.schema.equals(PAIRS.schema)
