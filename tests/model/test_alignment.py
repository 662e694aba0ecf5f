"""Comparing policies: figures beside plain counts, and runs over folders."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from model.alignment import answer_prompts, beats, compare, divergences, tax_of
from model.alignment_config import AlignmentConfig
from model.config_files import load_config
from model.gpt_config import GPTConfig
from model.rollout import roll_out
from model.sampling_config import SamplingConfig
from tests.model.checkpoints import byte_tokenizer, random_model
from tests.model.preference_folders import WORDS, preference_folders


def test_wins_ties_and_losses_are_counted() -> None:
    found = beats(np.array([2.0, 1.0, 1.0, 0.0]), np.array([1.0, 1.0, 3.0, -1.0]), seed=0)
    assert (found["win_rate"], found["ties"]) == (2.5 / 4, 0.25)
    assert found["score_gain"] == pytest.approx((1 + 0 - 2 + 1) / 4)
    assert found["win_rate_low"] < 2.5 / 4 < found["win_rate_high"]


def test_the_bootstrap_covers_the_true_difference_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        gap = draw.normal(0.3, 1.0, size=80)
        found = beats(gap, np.zeros(80), seed=trial)
        covered += found["score_gain_low"] <= 0.3 <= found["score_gain_high"]
    assert 88 <= covered <= 99


def test_tax_is_what_has_changed_since() -> None:
    figures = {"sft": {"a": 0.5, "b": 2.0, "c": None}, "ppo": {"a": 0.25, "b": 3.0, "c": 1.0}}
    found = tax_of(figures, "sft")  # type: ignore[arg-type]
    assert found["ppo"]["change"] == {"a": -0.25, "b": 1.0}
    assert found["sft"]["change"] == {"a": 0.0, "b": 0.0}


def test_divergence_is_the_mean_log_ratio_and_nothing_from_oneself() -> None:
    config = GPTConfig(vocab_size=12, context=8, n_layer=1, n_head=2, d_model=16, band=None)
    model, other = random_model(config), random_model(config, seed=9)
    for each in (model, other):
        each.ln_f.weight.data.mul_(5)  # so that they have opinions
    # One token an answer, so that the exact divergence is a sum over the vocabulary.
    episodes = roll_out(model, [[1]] * 4000, SamplingConfig(max_new_tokens=1, max_rows=4000), [])
    with torch.no_grad():
        ours, theirs = (m.logits(m(torch.tensor([[1]])))[0, 0].log_softmax(-1) for m in (model, other))
    exact = float((ours.exp() * (ours - theirs)).sum())
    found = divergences(model, other, episodes, 1000)
    assert found.mean() == pytest.approx(exact, abs=4 * found.std() / math.sqrt(4000))
    assert exact > 0.1
    assert (divergences(model, model, episodes, 1000) == 0).all()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preference_folders(tmp_path_factory.mktemp("alignment"))


def config_of(root: Path, **changes: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "contenders": [
            {"name": "sft", "folder": str(root / "policy")},
            {"name": "same", "folder": str(root / "policy")},
            {"name": "ppo", "folder": str(root / "other")},
            {"name": "best_of_4", "folder": str(root / "policy"), "best_of": 4},
        ],
        "judges": [
            {"name": "rm", "folder": str(root / "reward")},
            {"name": "rm_1", "folder": str(root / "reward-1")},
        ],
        "baseline": "sft",
        "reference": str(root / "policy"),
        "prompts": {"folder": str(root / "prompts"), "split": "validation"},
        "answer_tokens": 8,
        "device": "cpu",
    }
    return {**config, **changes}


def aligned(root: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return compare(load_config(AlignmentConfig, config_of(root, **changes)), out)


def test_all_contenders_stand_beside_each_other(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = aligned(folders, tmp_path, seed=1)
    assert summary["prompts"] == len(WORDS)
    # A model against itself: the same noise, so the same answers.
    assert (summary["same/rm/win_rate"], summary["same/rm/ties"]) == (0.5, 1.0)
    assert (summary["same/kl"], summary["sft/rm_1/score_gain"]) == (0.0, 0.0)
    assert summary["ppo/kl"] != 0
    assert summary["best_of_4/kl"] == pytest.approx(math.log(4) - 0.75)
    assert summary["best_of_4/rm/score"] > summary["sft/rm/score"]
    assert summary["best_of_4/rm/ties"] == 0  # the baseline's answer is none of its four
    table = (tmp_path / "table.txt").read_text()
    assert table in capsys.readouterr().out
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [
        [name, judge] for name in ("sft", "same", "ppo", "best_of_4") for judge in ("rm", "rm_1")
    ]
    rows = pq.read_table(tmp_path / "answers" / "ppo.parquet").to_pylist()
    wins = pq.read_table(tmp_path / "answers" / "sft.parquet").to_pylist()
    expected = sum(
        (mine["score/rm"] > theirs["score/rm"]) + (mine["score/rm"] == theirs["score/rm"]) / 2
        for mine, theirs in zip(rows, wins, strict=True)
    ) / len(WORDS)
    assert summary["ppo/rm/win_rate"] == pytest.approx(expected)


def test_what_is_finished_is_not_done_again(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = aligned(folders, tmp_path)
    (tmp_path / "answers" / "ppo.parquet").unlink()
    done: list[str] = []
    real = answer_prompts

    def noted(config: Any, contender: Any, court: Any) -> Any:
        done.append(contender.name)
        return real(config, contender, court)

    monkeypatch.setattr("model.alignment.answer_prompts", noted)
    assert aligned(folders, tmp_path) == whole
    assert done == ["ppo"]


def test_tax_is_measured_on_each_model(folders: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": word}) + "\n" for word in WORDS))
    losses = [{"file": str(texts), "distribution": "out", "source": "words"}]
    summary = aligned(folders, tmp_path / "out", tax={"before": "sft", "losses": losses})
    assert summary["sft/tax/loss/out/words/loss"] == summary["same/tax/loss/out/words/loss"] == 0
    before, after = (
        json.loads((tmp_path / "out" / "evaluation" / name / "summary.json").read_text())
        for name in ("sft", "ppo")
    )
    change = after["loss/out/words/loss"] - before["loss/out/words/loss"]
    assert summary["ppo/tax/loss/out/words/loss"] == pytest.approx(change)
    assert not any(key.startswith("best_of_4/tax") for key in summary)
    assert "tax ppo" in (tmp_path / "out" / "table.txt").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "gpt"}, "baseline must be one of the contenders"),
        ({"contenders": []}, "contenders must be at least one"),
        ({"judges": [{"name": "a", "folder": "x"}] * 2}, "judges must be .* a name of its own"),
        ({"judges": [{"name": "a/b", "folder": "x"}]}, "judges.*name must be letters"),
        ({"tax": {"before": "sft"}}, "nothing to measure"),
        (
            {"tax": {"before": "best_of_4", "losses": [{"file": "x", "distribution": "in"}]}},
            "tax.before must be one of the contenders with best_of 1",
        ),
        ({"answer_tokens": 63}, "none has 0 tokens or fewer"),
        ({"reference": "/nowhere"}, "/nowhere"),
        ({"limit": 0}, "limit must be at least 1"),
    ],
    ids=[
        "baseline", "nobody", "twice", "path", "no_tax", "tax_of_best", "no_room", "no_reference", "limit"
    ],
)  # fmt: skip
def test_bad_settings_are_told(folders: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        aligned(folders, tmp_path / "out", **changes)


def test_another_tokenizer_is_refused(folders: Path, tmp_path: Path) -> None:
    stranger = preference_folders(tmp_path)
    byte_tokenizer(tmp_path / "plain", chat=False)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (stranger / "other" / name).write_bytes((tmp_path / "plain" / name).read_bytes())
    contenders = [
        {"name": "sft", "folder": str(folders / "policy")},
        {"name": "ppo", "folder": str(stranger / "other")},
    ]
    with pytest.raises(ValueError, match="has another tokenizer than"):
        aligned(folders, tmp_path / "out", contenders=contenders)
