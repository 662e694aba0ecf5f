import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.candidates import CANDIDATES
from pipelines.rlhf.records import prompt_id
from pipelines.rlhf.rounds import Policy, RoundConfig, draw_prompts, gather, of_round, policy_of
from pipelines.rlhf.schemas import PROMPTS
from tests.pipelines.rlhf.rule_tables import turns

POLICY = Policy("runs/sft/final", "d1", {"temperature": 1.0, "top_p": 1.0})


def prompts(*asked: str, split: str = "train") -> pa.Table:
    rows = []
    for number, text in enumerate(asked):
        messages = turns(text)
        row = dict.fromkeys(PROMPTS.schema.names) | {
            "record_id": f"r{number}",
            "prompt_id": prompt_id(messages),
            "prompt": messages,
            "messages": messages,
            "n_tokens": 3,
            "split_group": f"g{number}",
            "origin": f"lists.txt#{number}",
            "source": "lists",
            "split": split,
            "licence": "MIT",
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=PROMPTS.schema)


MANY = prompts(*(f"Question {i}?" for i in range(40)))
NONE = pa.array([], pa.string())


def texts(drawn: pa.Table) -> list[str]:
    return [messages[0]["content"] for messages in drawn["messages"].to_pylist()]


@given(st.permutations(range(40)), st.integers(1, 15), st.integers(0, 3))
def test_rounds_share_no_prompt_and_depend_on_no_order(order: list[int], size: int, seed: int) -> None:
    config = RoundConfig(prompts=size, seed=seed)
    shuffled = MANY.take(pa.array(order))
    first = draw_prompts(MANY, NONE, 0, config)
    assert first.equals(draw_prompts(shuffled, NONE, 0, config))
    second = draw_prompts(shuffled, first["prompt_id"], 1, config)
    assert not set(texts(first)) & set(texts(second))
    assert (first.num_rows, second.num_rows) == (size, size)
    # What was drawn is drawn again though a later round has its own by now.
    assert draw_prompts(MANY, second["prompt_id"], 0, config).equals(first)


def test_all_prompts_come_in_some_round_and_then_none() -> None:
    used, seen = NONE, []
    for number in range(4):
        drawn = draw_prompts(MANY, used, number, RoundConfig(prompts=15))
        seen += texts(drawn)
        used = pa.concat_arrays([used, drawn["prompt_id"].combine_chunks()])
    assert sorted(seen) == sorted(texts(MANY))


def test_again_draws_anew_for_each_round() -> None:
    config = RoundConfig(prompts=15, again=True)
    one, two = (draw_prompts(MANY, MANY["prompt_id"], number, config) for number in (0, 1))
    assert (one.num_rows, two.num_rows) == (15, 15)
    assert set(texts(one)) != set(texts(two))


def test_only_train_and_each_prompt_once() -> None:
    both = pa.concat_tables([prompts("a"), prompts("a", "b"), prompts("c", split="test")])
    assert sorted(texts(draw_prompts(both, NONE, 0, RoundConfig()))) == ["a", "b"]


def generation(row: int, sample: int, completion: str, asked: str, why: str = "stop") -> dict[str, Any]:
    told = {"prompt": f"<|user|>{asked}<|end|><|assistant|>", "completion": completion, "finish_reason": why}
    return {"row": row, "sample": sample, "n_tokens": 5, **told}


DRAWN = draw_prompts(prompts("One?", "Two?", "Three?"), NONE, 3, RoundConfig())
ASKED = texts(DRAWN)
SAMPLES = [generation(row, sample, f"Answer {sample}", ASKED[row]) for row in range(3) for sample in (1, 0)]


def collect(*rows: dict[str, Any]) -> Any:
    return gather(DRAWN, pa.Table.from_pylist(list(rows)), POLICY, "v-1", "label_studio", "human")


def test_samples_join_their_prompts_in_order() -> None:
    same = [generation(1, 2, "Answer 0", ASKED[1]), generation(1, 3, "Cut", ASKED[1], "length")]
    found = collect(*SAMPLES, *same).candidates
    CANDIDATES.check(found.schema, "round")
    (row,) = [row for row in found.to_pylist() if row["messages"][0]["content"] == ASKED[1]]
    assert row["completions"] == ["Answer 0", "Answer 1", "Cut"]
    assert row["finish_reasons"] == ["stop", "stop", "length"]
    assert (row["source"], row["round"], row["policy"], row["licence"]) == ("round-003", 3, "d1", "MIT")
    assert row["origin"] == f"round-003/{row['prompt_id']}"


def test_lineage_names_policy_sampling_and_prompts() -> None:
    same = [generation(0, sample, "Same", ASKED[0]) for sample in (0, 1)]
    (row,) = collect(*[s for s in SAMPLES if s["row"]], *same).lineage.to_pylist()
    assert (row["round"], row["prompts"], row["samples"], row["candidates"]) == (3, 3, 6, 2)
    assert (row["policy"], row["policy_digest"], row["prompts_version"]) == ("runs/sft/final", "d1", "v-1")
    assert json.loads(row["sampling"]) == {"temperature": 1.0, "top_p": 1.0}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([*SAMPLES, generation(3, 0, "x", "Four?")], "row 3, sample 0 does not answer"),
        ([*SAMPLES[1:], generation(0, 1, "x", "Else?")], "row 0, sample 1 does not answer"),
        (SAMPLES[:4], "row 2 has no answer"),
        ([*SAMPLES, SAMPLES[0]], "row 0 has a sample twice"),
    ],
    ids=["beyond the prompts", "another prompt's text", "unfinished", "two runs"],
)
def test_generations_of_another_round(rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        collect(*rows)


def test_a_round_without_prompts_is_told() -> None:
    empty = draw_prompts(MANY, MANY["prompt_id"], 1, RoundConfig())
    with pytest.raises(ValueError, match="all were in other rounds"):
        gather(empty, pa.table({}), POLICY, "v-1", "x", "model")


def test_the_policy_of_a_run() -> None:
    run = {
        "config": {"model": "m", "samples": 4, "sampling": {"top_p": 0.9}},
        "inputs": {"m": "abc", "prompts.parquet": "def"},
    }
    assert policy_of(run) == Policy("m", "abc", {"top_p": 0.9, "samples": 4})
    with pytest.raises(ValueError, match=r"run\.json: expected config\.model"):
        policy_of({"config": {"model": "m"}})


def test_datasets_of_a_round_have_its_number() -> None:
    assert of_round(CANDIDATES, 12).name == "candidates-012"
    assert pc.all(pc.equal(DRAWN["round"], 3)).as_py()
