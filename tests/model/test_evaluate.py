"""Tasks, demonstrations, contamination and held-out losses on a small checkpoint, and lm-eval beside it."""

import json
import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from model.evaluate import EvaluateConfig, TaskConfig, evaluate, read_flags, task_results
from model.few_shot import Shots, score_examples
from model.inference import open_model
from model.source_losses import LossConfig
from model.tasks import LAYOUTS, Example, Pair, read_examples
from tests.model.checkpoints import make_checkpoint

QUESTIONS = [{"context": f"{i} is", "choices": [" odd", " even", " big"], "answer": i % 2} for i in range(12)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("evaluate"), context=64)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def config_for(checkpoint: Path, tmp_path: Path, **changes: Any) -> EvaluateConfig:
    task = TaskConfig(name="parity", file=write(tmp_path / "parity.jsonl", QUESTIONS), layout="choices")
    return replace(EvaluateConfig(model=str(checkpoint), tasks=(task,)), **changes)


def rows_of(out: Path, key: str) -> list[dict[str, Any]]:
    return pq.read_table(out / f"examples/{key}.parquet").to_pylist()


def slow_logprob(checkpoint: Path, context: str, continuation: str) -> float:
    model, tokenizer = open_model(checkpoint, "cpu", "float32")
    before, after = (tokenizer.encode(text, add_special_tokens=False) for text in (context, continuation))
    with torch.no_grad():
        logprobs = model.logits(model(torch.tensor([before + after]))[0]).double().log_softmax(dim=-1)
    places = range(len(before) - 1, len(before) + len(after) - 1)
    return sum(float(logprobs[place, token]) for place, token in zip(places, after, strict=True))


def test_each_normalisation_is_its_formula(checkpoint: Path, tmp_path: Path) -> None:
    choices = [" tree", " bäume und", " x"]
    rows = [{"context": "A forest has", "choices": choices, "answer": 1}]
    task = TaskConfig(name="one", file=write(tmp_path / "one.jsonl", rows), layout="choices")
    evaluate(config_for(checkpoint, tmp_path, tasks=(task,)), tmp_path / "out")
    (row,) = rows_of(tmp_path / "out", "one-0-shot")
    sums = [slow_logprob(checkpoint, "A forest has", choice) for choice in choices]
    before = [slow_logprob(checkpoint, "Answer:", choice) for choice in choices]
    assert row["logprobs"] == pytest.approx(sums, abs=1e-3)
    assert row["unconditional_logprobs"] == pytest.approx(before, abs=1e-3)
    assert row["n_bytes"] == [4, 10, 1]
    assert row["n_tokens"] == [5, 11, 2]
    expected = {
        "sum": sums,
        "per_token": [total / n for total, n in zip(sums, row["n_tokens"], strict=True)],
        "per_byte": [total / n for total, n in zip(sums, row["n_bytes"], strict=True)],
        "unconditional": [total - other for total, other in zip(sums, before, strict=True)],
    }
    for name, values in expected.items():
        assert row[f"right_{name}"] == (max(values) == values[1]), name


def choice_row(right: bool, dirty: bool | None = None) -> dict[str, Any]:
    rights = {f"right_{name}": right for name in ("sum", "per_token", "per_byte", "unconditional")}
    base = {"dirty": dirty, "n_shots": 0, "trimmed": False, "greedy": False, "n_tokens": [1, 1]}
    return {**base, "logprobs": [-1.0, -2.0], **rights}


def test_clean_and_dirty_scores_are_those_of_the_papers_table() -> None:
    rows = [choice_row(True, True)] * 3 + [choice_row(False, True)] + [choice_row(True, False)] * 2
    rows += [choice_row(False, False)] * 4
    found = task_results(rows, "per_token")
    assert (found["all"]["count"], found["dirty"]["count"], found["clean"]["count"]) == (10, 4, 6)
    assert found["all"]["score"] == pytest.approx(0.5)
    assert found["dirty"]["score"] == pytest.approx(0.75)
    assert found["clean"]["score"] == pytest.approx(1 / 3)
    assert found["clean_percentage"] == pytest.approx(60)
    assert found["relative_difference_clean_vs_all"] == pytest.approx(-100 / 3)
    assert found["all"]["chance"] == 0.5


@pytest.mark.parametrize(
    ("rows", "clean", "difference"),
    [
        pytest.param([choice_row(True, True)], {"count": 0}, None, id="nothing_clean"),
        pytest.param([choice_row(False, False)], None, None, id="nothing_right"),
    ],
)
def test_shares_of_nothing_are_null(rows: list[dict[str, Any]], clean: Any, difference: float | None) -> None:
    found = task_results(rows, "sum")
    assert clean is None or found["clean"] == clean
    assert found["relative_difference_clean_vs_all"] is difference


def test_unflagged_examples_have_no_clean_score() -> None:
    assert "clean" not in task_results([choice_row(True)], "sum")


def test_lambada_is_greedy_accuracy_and_perplexity_of_the_word(checkpoint: Path, tmp_path: Path) -> None:
    rows = [{"text": "the end of it"}, {"text": "we go home"}]
    task = TaskConfig(name="lambada", file=write(tmp_path / "l.jsonl", rows), layout="lambada")
    summary = evaluate(config_for(checkpoint, tmp_path, tasks=(task,)), tmp_path / "out")
    nats = [-slow_logprob(checkpoint, "the end of", " it"), -slow_logprob(checkpoint, "we go", " home")]
    assert summary["lambada-0-shot/perplexity"] == pytest.approx(math.exp(sum(nats) / 2), rel=1e-3)
    greedy = [row["greedy"] for row in rows_of(tmp_path / "out", "lambada-0-shot")]
    assert summary["lambada-0-shot/score"] == sum(greedy) / 2


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_flags_reach_their_examples(form: str, checkpoint: Path, tmp_path: Path) -> None:
    flags = [{"task": "parity", "example_id": i, "dirty": i < 3} for i in range(12)]
    path = tmp_path / f"flags.{form}"
    if form == "jsonl":
        write(path, flags)
    else:
        pq.write_table(pa.Table.from_pylist(flags), path)
    summary = evaluate(config_for(checkpoint, tmp_path, contamination=str(path)), tmp_path / "out")
    assert [row["dirty"] for row in rows_of(tmp_path / "out", "parity-0-shot")] == [True] * 3 + [False] * 9
    results = json.loads((tmp_path / "out/results.json").read_text())["tasks"]["parity-0-shot"]
    assert results["clean_percentage"] == 75
    assert summary["parity-0-shot/clean/score"] == results["clean"]["score"]


def test_a_task_flagged_in_part_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "flags.jsonl", [{"task": "parity", "example_id": "0", "dirty": True}])
    with pytest.raises(ValueError, match="contamination: 11 examples of parity have no flag, the first is 1"):
        evaluate(config_for(checkpoint, tmp_path, contamination=path), tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([{"task": "a", "example_id": "0"}], "row 0: expected task", id="no_flag"),
        pytest.param([{"task": "a", "example_id": 0, "dirty": 1}], "row 0: expected task", id="a_number"),
        pytest.param(
            [{"task": "a", "example_id": 0, "dirty": flag} for flag in (True, False)],
            "row 1: example 0 of a is flagged twice",
            id="two_meanings",
        ),
    ],
)
def test_faulty_flags_are_named(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_flags(write(tmp_path / "flags.jsonl", rows))


def example(number: int, group: str = "") -> Example:
    return Example(
        str(number), (Pair(f"{number} is", " odd"), Pair(f"{number} is", " even")), number % 2, group
    )


def test_demonstrations_are_others_of_the_group_and_the_same_every_time() -> None:
    pool = [example(i, group="ab"[i % 2]) for i in range(20)]
    shots = Shots(LAYOUTS["choices"], 4, pool, same_file=True, seed=0)
    for asked in pool:
        shown = shots.draw(asked)
        assert len(set(shown)) == 4
        assert asked.demonstration not in shown
        assert set(shown) <= {other.demonstration for other in pool if other.group == asked.group}
    assert shots.draw(pool[0]) == replace(shots).draw(pool[0])
    assert shots.draw(pool[0]) != replace(shots, seed=1).draw(pool[0])
    elsewhere = replace(shots, same_file=False)
    assert elsewhere.draw(pool[0]) != elsewhere.draw(pool[2])


def test_too_few_examples_to_show_are_named() -> None:
    shots = Shots(LAYOUTS["mmlu"], 2, [example(1, "law"), example(2, "law")], same_file=True, seed=0)
    with pytest.raises(ValueError, match="2 are wanted and there are 1 examples of 'law' to draw from"):
        shots.draw(example(1, "law"))


def test_demonstrations_stand_before_the_question_with_the_right_answers(checkpoint: Path) -> None:
    model, tokenizer = open_model(checkpoint, "cpu", "float32")
    layout = replace(LAYOUTS["choices"], header="Go.\n", delimiter="\n")
    shots = Shots(layout, 1, [example(7)], same_file=False, seed=0)
    (row,) = score_examples(model, tokenizer, [example(4)], shots, 1000)
    assert row["logprobs"][0] == pytest.approx(
        slow_logprob(checkpoint, "Go.\n7 is even\n4 is", " odd"), abs=1e-3
    )


def test_demonstrations_that_do_not_fit_are_left_out(checkpoint: Path) -> None:
    model, tokenizer = open_model(checkpoint, "cpu", "float32")
    shots = Shots(LAYOUTS["choices"], 9, [example(i) for i in range(10)], same_file=False, seed=0)
    (row,) = score_examples(model, tokenizer, [example(4)], shots, 1000)
    # 64 tokens are read and the last one is not: " even" 5, "4 is" 4, "N is even\n\n" 10 or 11.
    assert row["n_shots"] == 5
    assert not row["trimmed"]


def test_a_limit_draws_by_the_seed_and_answers_too_long_are_left_out(
    checkpoint: Path, tmp_path: Path
) -> None:
    long = [{"context": "a", "choices": [" " + "b" * 70, " c"], "answer": 0}]
    task = TaskConfig(name="long", file=write(tmp_path / "l.jsonl", [*QUESTIONS, *long]), layout="choices")
    limited = replace(task, name="some", limit=5)
    evaluate(config_for(checkpoint, tmp_path, tasks=(task, limited)), tmp_path / "out")
    results = json.loads((tmp_path / "out/results.json").read_text())["tasks"]
    assert (results["long-0-shot"]["left_out"], results["long-0-shot"]["all"]["count"]) == (1, 12)
    assert results["some-0-shot"]["left_out"] + results["some-0-shot"]["all"]["count"] == 5


def test_what_is_finished_is_not_done_again(checkpoint: Path, tmp_path: Path) -> None:
    config = config_for(checkpoint, tmp_path)
    config = replace(config, tasks=(*config.tasks, replace(config.tasks[0], shots=1)))
    whole = evaluate(config, tmp_path / "out")
    path = tmp_path / "out/examples/parity-0-shot.parquet"
    written = path.stat().st_mtime_ns
    (tmp_path / "out/examples/parity-1-shot.parquet").unlink()
    assert evaluate(config, tmp_path / "out") == whole
    assert path.stat().st_mtime_ns == written
    with pytest.raises(ValueError, match=r"another run, config\.seed differ"):
        evaluate(replace(config, seed=1), tmp_path / "out")


def test_losses_by_source_and_the_gap(checkpoint: Path, tmp_path: Path) -> None:
    texts = ["über alles " * 20, "short", ""]
    inside = write(tmp_path / "in.jsonl", [{"text": text, "source": "web"} for text in texts])
    model, tokenizer = open_model(checkpoint, "cpu", "float32")
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    pq.write_table(
        pa.table({"input_ids": ids, "split": ["train", "validation", "train"]}), tmp_path / "o.parquet"
    )
    losses = (
        LossConfig(file=inside, distribution="in"),
        LossConfig(file=str(tmp_path / "o.parquet"), distribution="out", source="books", split="validation"),
    )
    summary = evaluate(config_for(checkpoint, tmp_path, tasks=(), losses=losses), tmp_path / "out")
    nats = []
    for tokens in ids[:2]:
        row, total = [tokenizer.eos_token_id, *tokens], 0.0
        for first in range(0, len(tokens), 64):
            with torch.no_grad():
                hidden = model(torch.tensor([row[first : first + 64][: len(tokens) - first]]))[0]
            logprobs = model.logits(hidden).double().log_softmax(dim=-1)
            total -= sum(
                float(logprobs[i, token].detach()) for i, token in enumerate(row[first + 1 : first + 65])
            )
        nats.append(total)
    n_bytes = [len(text.encode()) for text in texts]
    assert summary["loss/in/web/loss"] == pytest.approx(sum(nats) / (len(ids[0]) + 5), rel=1e-4)
    assert summary["loss/in/web/bits_per_byte"] == pytest.approx(
        sum(nats) / math.log(2) / sum(n_bytes), rel=1e-4
    )
    assert summary["loss/out/books/bits_per_byte"] == pytest.approx(nats[1] / math.log(2) / 5, rel=1e-4)
    results = json.loads((tmp_path / "out/results.json").read_text())["losses"]
    assert results["gap"]["loss"] == pytest.approx(summary["loss/out/all/loss"] - summary["loss/in/all/loss"])
    assert results["in"]["all"]["documents"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"tasks": ()}, "nothing to measure", id="nothing"),
        pytest.param({"batch_tokens": 0}, "batch_tokens: expected 1", id="no_tokens"),
    ],
)
def test_a_config_that_cannot_run(
    changes: dict[str, Any], message: str, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        config_for(checkpoint, tmp_path, **changes)


def test_the_same_task_twice_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    task = config_for(checkpoint, tmp_path).tasks[0]
    with pytest.raises(ValueError, match="parity-0-shot stands there twice"):
        config_for(checkpoint, tmp_path, tasks=(task, task))


def test_packed_sequences_count_the_bytes_that_their_tokens_spell(checkpoint: Path, tmp_path: Path) -> None:
    _, tokenizer = open_model(checkpoint, "cpu", "float32")
    letters = tokenizer.encode("aé", add_special_tokens=False)
    version = tmp_path / "pretraining" / "v-1"
    version.mkdir(parents=True)
    # A document's end, and a row that begins and ends within a character of two bytes.
    row = [letters[2], tokenizer.eos_token_id, *letters, *letters[:2]]
    pq.write_table(pa.table({"input_ids": [row], "source": ["web"]}), version / "validation-00000.parquet")
    (tmp_path / "pretraining" / "CURRENT.json").write_text(json.dumps({"version": "v-1"}))
    losses = (LossConfig(file=str(tmp_path / "pretraining"), distribution="in"),)
    evaluate(config_for(checkpoint, tmp_path, tasks=(), losses=losses), tmp_path / "out")
    (found,) = pq.read_table(tmp_path / "out/examples/losses.parquet").to_pylist()
    assert (found["n_tokens"], found["n_bytes"]) == (7, 6)


@pytest.mark.slow
@pytest.mark.external
@pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs lm-eval: make test-peers")
def test_lm_eval_finds_the_same_likelihoods(real_data: Path, tmp_path: Path) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    examples = read_examples(real_data / "eval/benchmarks/ARC-Easy_test.jsonl.gz", "arc")[:50]
    folder = make_checkpoint(tmp_path, context=64, texts=[example.demonstration for example in examples])
    model, tokenizer = open_model(folder, "cpu", "float32")
    ours = score_examples(model, tokenizer, examples, Shots(LAYOUTS["arc"], 0, [], False, 0), 4096)
    theirs = HFLM(pretrained=str(folder), device="cpu", batch_size=4, dtype="float32")
    pairs = [tuple(pair) for example in examples for pair in example.pairs]
    instances = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
    found = iter(theirs.loglikelihood(instances))
    assert {row["trimmed"] for row in ours} == {True, False}
    for example, row in zip(examples, ours, strict=True):
        scored = [next(found) for _ in example.pairs]
        assert row["logprobs"] == pytest.approx([logprob for logprob, _ in scored], abs=2e-3)
        assert row["greedy"] == scored[example.gold][1]
