import csv
import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pytest

from quality import machine_written
from quality.classifiers.logistic_regression import FitConfig, QualityClassifier
from quality.machine_written import AnswerError, accuracy_by_source, fit, read_answers, signals


def rows(n=60, source="toy"):
    for number in range(n):
        yield json.dumps(
            {
                "question": f"question {number}",
                "human_answers": [f"dunno lol, maybe {number}", "nah mate"],
                "chatgpt_answers": [f"It is important to note that {number} depends on several factors."],
                "source": source,
            }
        )


def test_answers_in_the_layout_of_hc3():
    lines = [*rows(2), "", '{"question": "q", "human_answers": [" "], "chatgpt_answers": ["答"]}']
    answers = read_answers(lines, "x.jsonl")
    assert len(answers.human) == 4
    assert answers.machine.texts.to_pylist()[-1] == "答"
    assert answers.machine.sources.to_pylist() == ["toy", "toy", "unnamed"]
    groups = answers.human.groups.to_pylist()
    assert groups[0] == groups[1] == answers.machine.groups[0].as_py() != groups[2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("{", "line 1: not JSON", id="no JSON"),
        pytest.param("[]", "key 'question' is no text", id="no object"),
        pytest.param(
            '{"question": "q", "human_answers": "a"}', "key 'human_answers' is no list", id="no list"
        ),
        pytest.param(
            '{"question": "q", "human_answers": [], "chatgpt_answers": [1]}',
            "'chatgpt_answers' is no",
            id="number",
        ),
    ],
)
def test_other_layouts(line, words):
    with pytest.raises(AnswerError, match=words):
        read_answers([line], "x.jsonl")


def test_a_detector_saved_and_read(tmp_path):
    model, report = fit(read_answers([*rows(), *rows(60, "other")], "x"), FitConfig(held_out_share=0.3))
    assert set(report) == {"all", "toy", "other"}
    assert report["all"]["accuracy"] == 1.0
    assert report["all"]["human"] == 2 * report["all"]["machine"]
    model.save(tmp_path / "model")
    batch = signals(
        QualityClassifier.load(tmp_path / "model"), ["It is important to note several factors", "lol nah"]
    )
    scores = batch["machine_written"].to_pylist()
    assert scores[0] > 0.5 > scores[1]


def test_accuracy_weighs_the_classes_alike():
    machine = np.array([0.9, 0.4]), np.array(["a", "b"], object)
    human = np.array([0.1, 0.2, 0.3, 0.8]), np.array(["a", "a", "a", "a"], object)
    report = accuracy_by_source(machine, human)
    assert report["all"]["accuracy"] == (0.5 + 0.75) / 2
    assert report["a"]["accuracy"] == (1.0 + 0.75) / 2
    assert report["b"] == {
        "machine": 1,
        "human": 0,
        "accuracy": None,
        "machine_recall": 0.0,
        "human_recall": None,
    }


def read(path):
    with gzip.open(path, "rt") as stream:
        return [json.loads(line) for line in stream]


def hc3_of(folder):
    """Answers of people and models to the same questions, in HC3's layout: instructions and summaries."""
    experts = {
        row["instruction"]: row["instances"]
        for row in read(folder / "self_instruct_user_oriented_252.jsonl.gz")
    }
    for row in read(folder / "alpaca_eval_gpt4pref_alpaca-7b.jsonl.gz"):
        head = row["instruction"].split("\n")[0]
        instances = next((experts[task] for task in experts if row["instruction"].startswith(task)), None)
        if instances is not None:
            human = [instance["output"] for instance in instances]
            yield head, human, [row["output_1"], row["output_2"]], "instructions"
    with gzip.open(folder / "instructgpt_tldr_samples.csv.gz", "rt", newline="") as stream:
        for row in csv.DictReader(io.StringIO(stream.read())):
            yield row["context"], [row["ref_text"]], [row["sample"]], "summaries"


@pytest.mark.slow
def test_real_answers_of_people_and_models(real_data):
    lines = [
        json.dumps(
            {"question": question, "human_answers": human, "chatgpt_answers": machine, "source": source}
        )
        for question, human, machine, source in hc3_of(real_data / "rlhf")
    ]
    answers = read_answers(lines, "rlhf")
    assert len(answers.human) > 500
    _, report = fit(answers, FitConfig(held_out_share=0.3))
    print(json.dumps(report, indent=1))
    # Short answers to the same questions: far from certain, as the documentation says.
    assert 0.55 < report["all"]["accuracy"] < 0.95


def test_nothing_is_said_of_too_few_rows():
    model, report = machine_written.fit(read_answers(rows(5), "x"))
    assert report == {}
    assert signals(model, pa.array(["x"])).num_rows == 1
