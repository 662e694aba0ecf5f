from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.user_limit import UserLimitConfig, over_user_limit, prompt_places
from tests.pipelines.rlhf.rule_tables import prompt, prompt_records
from text.hashing import uniform

ROWS = st.lists(
    st.tuples(st.sampled_from(["u", "v", None]), st.sampled_from(["given", "derived"]), st.integers(0, 6)),
    max_size=14,
)


@given(ROWS, st.integers(1, 3), st.randoms())
def test_a_given_user_keeps_the_prompts_of_the_lowest_draws(rows: Any, limit: int, random: Any) -> None:
    raw = [
        prompt(i, f"p{text}", user_id=user, user_id_kind=kind if user else None)
        for i, (user, kind, text) in enumerate(rows)
    ]
    config = UserLimitConfig(max_prompts=limit, seed=3)
    table = prompt_records(*raw)
    mine: dict[str, set[str]] = {}
    for record in table.to_pylist():
        if record["user_id_kind"] == "given":
            mine.setdefault(record["user_id"], set()).add(record["prompt_id"])
    kept = {
        (user, prompt_id)
        for user, ids in mine.items()
        for prompt_id in sorted(ids, key=lambda i: uniform(pa.array([i]), 3, "user limit")[0])[:limit]
    }
    expected = {
        record["record_id"]
        for record in table.to_pylist()
        if record["user_id_kind"] == "given" and (record["user_id"], record["prompt_id"]) not in kept
    }
    order = list(range(len(raw)))
    random.shuffle(order)
    for taken in (table, table.take(pa.array(order, pa.int64()))):
        drops = over_user_limit(taken, config)
        assert set(taken["record_id"].take(pa.array(drops.rows)).to_pylist()) == expected
        assert (drops.figure > limit).all()


def test_places_count_a_prompt_once() -> None:
    places = prompt_places(np.array([0, 0, 0, 1]), pa.array(["a", "b", "a", "a"]), 0)
    assert places[0] == places[2]
    assert sorted(places[:2]) == [1, 2]
    assert places[3] == 1


def test_a_judgement_of_a_round_counts_for_the_user_of_its_prompt() -> None:
    users = {"user_id": "lists:u"}
    table = prompt_records(prompt(0, "one", **users), prompt(0, "two", source="round-000", **users))
    assert len(over_user_limit(table, UserLimitConfig(max_prompts=1)).rows) == 1


def test_no_limit() -> None:
    table = prompt_records(*(prompt(i, f"p{i}", user_id="u") for i in range(3)))
    assert len(over_user_limit(table, UserLimitConfig(max_prompts=None)).rows) == 0
