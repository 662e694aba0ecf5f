"""The instruction datasets of a finished run, recomputed with SQL from the Parquet files alone."""

from itertools import combinations
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pytest
from transformers import AutoTokenizer

from pipelines.build.built import Built
from pipelines.engine.dataset import current
from tests.orchestration import small_instructions
from tests.orchestration.commands import execute
from tests.orchestration.small_world import write_config

BY_SPLIT = ("sft", "comparisons", "pairs", "prompts")


@pytest.fixture(scope="module")
def tables(instructed: tuple[Path, dict[str, Built]]) -> duckdb.DuckDBPyConnection:
    """A database with a view on the files of each dataset."""
    connection = duckdb.connect()
    for pointer in instructed[0].glob("*/CURRENT.json"):
        name = pointer.parent.name
        folder = current(str(instructed[0]), name).folder
        if list(Path(folder).glob("*.parquet")):
            connection.execute(f"create view {name} as select * from read_parquet('{folder}/*.parquet')")
    return connection


def rows(tables: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return tables.execute(query).fetchall()


def test_every_raw_record_has_one_decision(tables: duckdb.DuckDBPyConnection) -> None:
    raw = """
        select record_id, 'raw_demonstrations' as dataset from raw_demonstrations
        union all select record_id, 'raw_demonstrations' from code_pairs
        union all select record_id, 'raw_judgements' from raw_judgements
        union all select record_id, 'raw_judgements' from code_judgements
        union all select record_id, 'raw_prompts' from raw_prompts
        union all select record_id, dataset from read_decisions
    """
    assert (
        rows(
            tables,
            f"select record_id, dataset from ({raw}) except all select record_id, dataset from rlhf_decisions",
        )
        == []
    )
    assert rows(tables, f"select count(*) from ({raw})") == rows(
        tables, "select count(*) from rlhf_decisions"
    )


def test_each_reason_is_met(tables: duckdb.DuckDBPyConnection) -> None:
    found = {reason for (reason,) in rows(tables, "select distinct reason from rlhf_decisions")}
    assert found >= {
        "kept",
        "held_out_prompt",
        "empty_reply",
        "template_placeholder",
        "prefix_duplicate",
        "user_limit",
        "shared_with_answered",
    }


def test_what_is_kept_is_what_the_datasets_hold(tables: duckdb.DuckDBPyConnection) -> None:
    held = """
        select record_id, 'raw_demonstrations' as dataset from sft where len(made_from) = 0
        union all select judgement_id, 'raw_judgements' from comparisons
        union all select record_id, null from prompts
    """
    decided = "select record_id from rlhf_decisions where keep"
    assert rows(tables, f"select count(*) from ({held})") == rows(tables, f"select count(*) from ({decided})")
    assert rows(tables, f"select record_id from ({held}) except all {decided}") == []


def test_no_group_is_in_two_splits_and_prompts_are_of_groups_without_answers(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    answered = "select split_group, split from sft union all select split_group, split from comparisons"
    every = f"{answered} union all select split_group, split from prompts"
    assert (
        rows(tables, f"select split_group from ({every}) group by 1 having count(distinct split) > 1") == []
    )
    shared = f"select split_group from prompts where split_group in (select split_group from ({answered}))"
    assert rows(tables, shared) == []
    assert {split for (split,) in rows(tables, f"select distinct split from ({every})")} == {
        "train",
        "validation",
        "test",
    }


def test_records_of_one_user_are_in_one_split(tables: duckdb.DuckDBPyConnection) -> None:
    query = "select user_id, split from comparisons union all select user_id, split from prompts"
    assert (
        rows(
            tables,
            f"select user_id from ({query}) where user_id is not null group by 1 having count(distinct split) > 1",
        )
        == []
    )


def test_a_user_has_at_most_so_many_prompts(tables: duckdb.DuckDBPyConnection) -> None:
    query = "select user_id, prompt_id from comparisons union select user_id, prompt_id from prompts"
    (most,) = rows(
        tables,
        f"select max(n) from (select count(*) n from ({query}) where user_id is not null group by user_id)",
    )
    assert most == (4,)


def test_pairs_are_those_of_different_ranks_within_a_judgement(tables: duckdb.DuckDBPyConnection) -> None:
    expected = set()
    for judgement, ids, ranks in rows(tables, "select judgement_id, completion_ids, ranks from comparisons"):
        judged = [(rank, name) for rank, name in zip(ranks, ids, strict=True) if rank is not None]
        for one, other in combinations(judged, 2):
            if one[0] != other[0]:
                better, worse = sorted((one, other))
                expected.add((judgement, better[1], worse[1], float(worse[0] - better[0])))
    found = rows(tables, "select judgement_id, chosen_id, rejected_id, margin from pairs")
    assert set(found) == expected
    assert len(found) == len(expected)
    assert max(len(ids) for (ids,) in rows(tables, "select completion_ids from comparisons")) == 9
    split = "select prompt_id from pairs group by 1 having count(distinct split) > 1"
    assert rows(tables, split) == []


def test_the_automatic_judge_is_marked(tables: duckdb.DuckDBPyConnection) -> None:
    query = "select distinct source, judge_kind, labeler_id from comparisons order by all"
    assert rows(tables, query) == [
        ("ranked", "human", "ranked:ann"),
        ("ranked", "human", "ranked:bob"),
        ("sums", "model", "judge:features-v2"),
    ]


def test_sizes_are_those_of_the_report(tables: duckdb.DuckDBPyConnection) -> None:
    counted = " union all ".join(
        f"select '{name}', split, count(*), count(distinct prompt_id) from {name} group by split"
        for name in ("sft", "comparisons", "prompts")
    )
    reported = "select dataset, split, rows, prompts from rlhf_sizes where rows > 0"
    assert sorted(rows(tables, reported)) == sorted(rows(tables, counted))


def test_the_rank_table_counts_judgements(tables: duckdb.DuckDBPyConnection) -> None:
    counted = """
        select len(completions), judge_kind, if(partial, 'partial', 'complete'), count(*), count(distinct prompt_id)
        from comparisons group by 1, 2, 3 order by all
    """
    reported = 'select k, judge_kind, "order", judgements, prompts from rank_table order by all'
    assert rows(tables, reported) == rows(tables, counted)


def test_lengths_are_those_of_the_saved_tokenizer(
    instructed: tuple[Path, dict[str, Built]], tables: duckdb.DuckDBPyConnection
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(current(str(instructed[0]), "chat_tokenizer").folder)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    plain = "messages::varchar not like '%<|end|>%'"
    query = f"select messages, n_prompt_tokens, n_completion_tokens from sft where {plain}"
    for messages, n_prompt, n_completion in rows(tables, query):
        prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
        whole = tokenizer.apply_chat_template(messages, return_dict=False)
        assert whole[: len(prompt)] == prompt
        assert (len(prompt), len(whole) - len(prompt)) == (n_prompt, n_completion)


def test_checks_tell_of_content_that_spells_a_special_token(
    instructed: tuple[Path, dict[str, Built]],
) -> None:
    details = " ".join(check.detail for name in BY_SPLIT for check in instructed[1][name].checks)
    assert "1 spell a special token" in details


def test_forms_are_of_train_and_name_what_they_are_made_of(tables: duckdb.DuckDBPyConnection) -> None:
    query = "select distinct form, split from sft where form in ('few_shot', 'task_conditioned')"
    assert {split for _, split in rows(tables, query)} == {"train"}
    assert rows(tables, "select distinct source from sft where form = 'code'") == [("sums",)]
    made_from = "select unnest(made_from) as record_id from sft"
    assert (
        rows(
            tables, f"select record_id from ({made_from}) where record_id not in (select record_id from sft)"
        )
        == []
    )


def test_languages_and_use_cases_are_filled(tables: duckdb.DuckDBPyConnection) -> None:
    chinese = "regexp_matches(prompt[1].content, '^[一-鿿]') and source = 'demos'"
    query = f"select count(*) from sft where {chinese} and language is distinct from 'zh'"
    assert rows(tables, query) == [(0,)]
    assert rows(tables, "select count(*) from prompts where use_case is null") == [(0,)]


def test_bad_rows_are_dead_letters(instructed: tuple[Path, dict[str, Built]]) -> None:
    letters = rows(
        duckdb.connect(),
        f"select record, detail from read_parquet('{instructed[0]}/dead_letters/rlhf_read/*/*.parquet')",
    )
    assert sorted(record.rpartition("/")[2] for record, _ in letters) == [
        "demonstrations.jsonl#115",
        "prompts.jsonl#68",
    ]


@pytest.mark.parametrize("name", BY_SPLIT)
def test_datasets_loads_the_folder(
    instructed: tuple[Path, dict[str, Built]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = datasets.load_dataset(str(instructed[0] / name), cache_dir=str(tmp_path))
    version = current(str(instructed[0]), name)
    assert sum(part.num_rows for part in loaded.values()) == version.rows
    assert all(set(part["split"]) == {split} for split, part in loaded.items())
    first = loaded["train"][0]["prompt"]
    assert set(first[0]) == {"role", "content"}


def test_the_same_inputs_in_another_order_give_the_same_rows(
    instructed: tuple[Path, dict[str, Built]], spark: Any, tmp_path: Path
) -> None:
    config = small_instructions.build(tmp_path / "inputs")
    config["ops"]["instructions"]["config"]["sources"].reverse()
    again = small_instructions.run(tmp_path / "data", config, spark)
    for name in (*BY_SPLIT, "rlhf_decisions"):
        assert again[name].main.row_hash == instructed[1][name].main.row_hash, name


@pytest.mark.slow
def test_the_job_gives_the_same_rows_by_command_line(
    instructed: tuple[Path, dict[str, Built]], tmp_path: Path
) -> None:
    config = small_instructions.build(tmp_path / "inputs")
    execute(tmp_path / "home", tmp_path / "data", write_config(tmp_path / "run.yaml", config), "build_rlhf")
    for name in (*BY_SPLIT, "rlhf_decisions"):
        made = current(str(tmp_path / "data"), name)
        assert made.row_hash == instructed[1][name].main.row_hash, name
    report = current(str(tmp_path / "data"), "rlhf_report").folder
    assert "## Sizes beside Table 6" in (Path(report) / "report.md").read_text()
