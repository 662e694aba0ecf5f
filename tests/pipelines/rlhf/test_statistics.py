from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.rlhf import paper_tables
from pipelines.rlhf.instruction_diversity import TEXTS, VARIETY, format_of, texts, variety
from pipelines.rlhf.quotas import PAPER_MIX, PAPER_SIZES
from pipelines.rlhf.statistics import LENGTHS, PER_USER, SIZES, USE_CASES, shown, statistics
from tests.pipelines.rlhf.sft_rows import (
    comparison_row,
    comparison_table,
    prompt_row,
    prompt_table,
    sft_row,
    sft_table,
)

SFT = sft_table(
    sft_row(0, "Name a colour", "Red", use_case="brainstorming", language="en", licence="MIT"),
    sft_row(1, "Name a colour", "Blue is nice", language="en", user_id="u1"),
    sft_row(2, "Hi", "Hello", "Tell me more now", "Here is more", user_id="u1", use_case="chat"),
    sft_row(3, "Name two colours", "- red\n- blue", user_id="u2", user_id_kind="derived", use_case="poetry"),
    sft_row(4, "Say hi to me", "hi", split="validation", user_id="u1"),
)
COMPARED = comparison_table(
    comparison_row(0, "Which is it", ["a b", "c", "d"], [1, 2, 2], use_case="open_qa", user_id="u3"),
    comparison_row(1, "Which is it", ["a b", "e"], [None, None], user_id="u4", labeler_id="bob"),
    comparison_row(2, "How", ["f", "g h i"], [1, 2], judge_kind="model", user_id="u3", source="other"),
    comparison_row(3, "When was that", ["j", "k", "l"], [1, None, 2], split="test"),
)
ASKED = prompt_table(prompt_row(0, "Where are we"), prompt_row(1, "Who", "Me", "And who else", licence="CC0"))
ALL = (SFT, COMPARED, ASKED)


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The datasets as Parquet, their prompts in one view."""
    folder = tmp_path_factory.mktemp("data")
    parts = []
    for name, table in zip(("sft", "comparisons", "prompts"), ALL, strict=True):
        pq.write_table(table, folder / f"{name}.parquet")
        tokens = "n_tokens" if name == "prompts" else "n_prompt_tokens"
        parts.append(
            f"select '{name}' as dataset, split, prompt_id, use_case, user_id, user_id_kind, source, language,"
            f" licence, {tokens} as tokens, len(prompt) as turns from '{folder}/{name}.parquet'"
        )
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as {' union all '.join(parts)}")
        connection.execute(f"create view sft as from '{folder}/sft.parquet'")
        connection.execute(f"create view comparisons as from '{folder}/comparisons.parquet'")
        connection.execute(
            "create view asked as select dataset, split, prompt_id, min(use_case) as use_case, "
            "min(tokens) as tokens, "
            "max(case when user_id is null then 0 when user_id_kind = 'given' then 2 else 1 end) as standing "
            "from rows group by all"
        )
        yield connection


def asks(sql: Any, query: str) -> list[tuple[Any, ...]]:
    return sorted(sql.execute(query).fetchall(), key=repr)


def told(table: pa.Table, *columns: str, where: str | None = None) -> list[tuple[Any, ...]]:
    rows = table.filter(pc.greater(table[where], 0)) if where else table
    return sorted((tuple(row.values()) for row in rows.select(columns).to_pylist()), key=repr)


FOUND = statistics(*ALL)
KEY = ("dataset", "split")


def test_use_cases_by_sql(sql: Any) -> None:
    query = """select *, n / sum(n) over (partition by dataset, split) from
               (select dataset, split, coalesce(use_case, 'unknown') as c, count(*) as n from asked group by all)"""
    assert told(FOUND.use_cases, *KEY, "use_case", "prompts", "share", where="prompts") == asks(sql, query)


def test_sizes_by_sql(sql: Any) -> None:
    query = """select dataset, split, any_value(n), count(*), count(*) filter (standing = 2),
               count(*) filter (standing = 1), count(*) filter (standing = 0)
               from asked join (select dataset, split, count(*) as n from rows group by all) using (dataset, split)
               group by dataset, split"""
    columns = ("rows", "prompts", "given_users", "derived_users", "no_user")
    assert told(FOUND.sizes, *KEY, *columns, where="rows") == asks(sql, query)


def test_prompts_per_user_by_sql(sql: Any) -> None:
    query = """select dataset, split, count(*), avg(n), max(n) from
               (select dataset, split, user_id, count(distinct prompt_id) as n from rows
                where user_id_kind = 'given' and user_id is not null group by all) group by dataset, split"""
    found = told(FOUND.per_user, *KEY, "users", "prompts_per_user", "most_prompts", where="users")
    assert found == asks(sql, query)


def test_lengths_by_sql(sql: Any) -> None:
    query = """select dataset, split, count(*), avg(tokens), stddev_pop(tokens), min(tokens)::double,
               quantile_cont(tokens, 0.25)::double, median(tokens)::double, quantile_cont(tokens, 0.75)::double,
               max(tokens)::double from asked group by dataset, split"""
    columns = ("prompts", "mean", "std", "min", "p25", "p50", "p75", "max")
    for row, expected in zip(
        told(FOUND.lengths, *KEY, *columns, where="prompts"), asks(sql, query), strict=True
    ):
        assert row[:2] == expected[:2]
        assert row[2:] == pytest.approx(expected[2:])


def test_ranks_by_sql(sql: Any) -> None:
    query = """with flat as (select judgement_id, unnest(completion_ids) as id, unnest(ranks) as r from comparisons),
               said as (select a.judgement_id, count(*) filter (a.r = b.r) as ties,
                               count(*) filter (a.r <> b.r) as pairs
                        from flat a join flat b on a.judgement_id = b.judgement_id and a.id < b.id group by all)
               select len(completions)::bigint, judge_kind, if(partial, 'partial', 'complete') as o, count(*),
               count(distinct prompt_id), count(*) filter (ties > 0), sum(pairs)::bigint
               from comparisons join said using (judgement_id) group by all"""
    assert told(FOUND.ranks, *FOUND.ranks.column_names) == asks(sql, query)


def test_variety_by_sql(sql: Any) -> None:
    parts = [
        f"select dataset, '{name}' as figure, coalesce({name}::varchar, 'unknown'), count(*) from rows group by all"
        for name in ("source", "use_case", "language", "licence", "turns")
    ]
    parts.append("select 'sft', 'form', form, count(*) from sft group by all")
    found = variety(*ALL)
    VARIETY.check(found.schema, "variety")
    countable = found.filter(pc.not_equal(found["figure"], "format"))
    assert told(countable, *VARIETY.schema.names) == asks(sql, " union all ".join(parts))


def test_words_and_distinct_ngrams_by_sql(sql: Any) -> None:
    found = {(row["dataset"], row["side"]): row for row in texts(*ALL, sample_words=10**6).to_pylist()}
    (answers,) = asks(
        sql,
        """with a as (select distinct unnest(completions) as t from comparisons),
           w as (select string_split_regex(lower(t), '[^a-z]+') as ws from a),
           flat as (select unnest(ws) as word from w)
           select (select count(*) from a), (select median(len(ws)) from w)::double, count(*),
                  count(distinct word) / count(*) from flat""",
    )
    row = found["comparisons", "answer"]
    # The least side of all has fewer words, and bounds the sample of this one.
    assert (row["texts"], row["words_p50"]) == (answers[0], pytest.approx(answers[1]))
    least = min(found.values(), key=lambda line: line["sample_words"])
    assert least["sample_words"] <= row["sample_words"] < least["sample_words"] + 3
    alone = texts(SFT.slice(0, 0), COMPARED, ASKED.slice(0, 0), sample_words=10**6)
    TEXTS.check(alone.schema, "texts")
    (line,) = [line for line in alone.to_pylist() if line["side"] == "prompt"]
    prompts = asks(
        sql,
        """with a as (select distinct prompt[1].content as t from comparisons),
           flat as (select unnest(string_split_regex(lower(t), '[^a-z]+')) as word from a)
           select count(*), count(distinct word) / count(*) from flat""",
    )
    assert (line["sample_words"], line["distinct_1grams"]) == prompts[0]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("Try this:\n```\nls\n```", "code"),
        ("def f(x):\n    return x", "code"),
        ('{"a": [1]}', "json"),
        ("| a | b |\n| --- | --- |\n| 1 | 2 |", "table"),
        ("Colours:\n- red\n- blue", "list"),
        ("一、你好\n1、再见", "list"),
        ("First.\n\nSecond.", "paragraphs"),
        ("Only 3.5 of them.", "one_line"),
    ],
)
def test_formats(answer: str, name: str) -> None:
    assert format_of(answer) == name


def test_what_sources_do_not_say_is_not_available() -> None:
    lines = shown(FOUND.per_user)
    assert lines[0] == PER_USER.schema.names
    (prompts,) = [line for line in lines if line[:2] == ["prompts", "train"]]
    assert prompts == ["prompts", "train", 0, "not available", "not available", 6.01]


def test_the_papers_figures_stand_beside_ours() -> None:
    sizes = {(row["dataset"], row["split"]): row["paper_total"] for row in FOUND.sizes.to_pylist()}
    assert {key: total for key, total in sizes.items() if total} == {(d, s): n for d, s, n in PAPER_SIZES}
    rows = [
        row for row in FOUND.use_cases.to_pylist() if row["dataset"] == "comparisons" and row["paper_share"]
    ]
    assert {row["use_case"]: round(100 * row["paper_share"], 1) for row in rows} == PAPER_MIX
    assert {row["split"] for row in rows} == {"train"}
    lengths = {(row["dataset"], row["split"]): row["paper_mean"] for row in FOUND.lengths.to_pylist()}
    assert lengths["sft", "train"] == 408
    assert lengths["sft", "test"] is None
    assert set(paper_tables.PROMPTS_PER_CUSTOMER) == set(paper_tables.SIZES)


def test_empty_datasets_have_their_rows() -> None:
    found = statistics(*(table.slice(0, 0) for table in ALL))
    for schema, table in zip((USE_CASES, SIZES, PER_USER, LENGTHS), found, strict=False):
        schema.check(table.schema, schema.name)
    assert (found.sizes.num_rows, found.lengths["mean"].null_count) == (9, 9)
    assert texts(*(table.slice(0, 0) for table in ALL)).num_rows == 0
