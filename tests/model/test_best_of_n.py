"""Best-of-n beside enumeration: every choice of k answers, every rank of n."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from model.best_of_n import draw_prompts, expected_best, kl_of_best, run
from model.best_of_n_config import BestOfNConfig
from model.config_files import load_config
from model.rollout import Prompt
from tests.model.preference_folders import WORDS, preference_folders


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_best_of_k_is_the_mean_over_all_choices(k: int) -> None:
    scores = np.random.default_rng(0).normal(size=(4, 5))
    scores[1, :3] = scores[1, 0]  # equal ones
    expected = [np.mean([max(chosen) for chosen in itertools.combinations(row, k)]) for row in scores]
    np.testing.assert_allclose(expected_best(scores, k), expected)


@pytest.mark.parametrize("k", [0, 4])
def test_no_best_of_more_than_there_are(k: int) -> None:
    with pytest.raises(ValueError, match=r"k must lie in 1\.\.3"):
        expected_best(np.zeros((2, 3)), k)


@pytest.mark.parametrize("n", [1, 2, 4, 16])
def test_the_divergence_is_that_of_the_highest_rank(n: int) -> None:
    # The best of n uniform draws has density n u^(n - 1); a sum over a fine grid in place of the integral.
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    density = n * u ** (n - 1)
    assert kl_of_best(n) == pytest.approx(float((density * np.log(density)).mean()), abs=1e-4)


def test_prompts_are_drawn_by_the_seed_without_repeats() -> None:
    prompts = [Prompt(str(n), [n]) for n in range(20)]
    drawn = draw_prompts(prompts, 8, seed=1)
    assert len({prompt.prompt_id for prompt in drawn}) == 8
    assert drawn != draw_prompts(prompts, 8, seed=2)
    assert sorted(draw_prompts(prompts, 99, seed=1)) == sorted(prompts)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preference_folders(tmp_path_factory.mktemp("best"))


def best_of(root: Path, out: Path, **changes: Any) -> dict[str, Any]:
    config = {
        "model": str(root / "policy"),
        "reward_model": str(root / "reward"),
        "prompts": {"folder": str(root / "prompts"), "split": "validation"},
        "n": 6,
        "answer_tokens": 8,
        "prompts_per_part": 3,
        "device": "cpu",
    }
    return run(load_config(BestOfNConfig, {**config, **changes}), out)


def test_a_run_gives_all_answers_and_the_score_of_the_best(folders: Path, tmp_path: Path) -> None:
    summary = best_of(folders, tmp_path)
    rows = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert len(rows) == len(WORDS) * 6
    best = {}
    for row in rows:
        best[row["prompt_id"]] = max(best.get(row["prompt_id"], -math.inf), row["score"])
    chosen = {row["prompt_id"]: row["score"] for row in rows if row["best"]}
    assert chosen == best
    assert summary["best_of_6/score"] == pytest.approx(sum(best.values()) / len(best))
    assert summary["best_of_1/score"] == pytest.approx(sum(row["score"] for row in rows) / len(rows))
    means = [summary[f"best_of_{k}/score"] for k in (1, 2, 4, 6)]
    assert means == sorted(means)
    assert (summary["best_of_1/kl"], summary["best_of_2/kl"]) == (0.0, pytest.approx(math.log(2) - 0.5))


def test_a_run_that_was_cut_off_goes_on(folders: Path, tmp_path: Path) -> None:
    whole = best_of(folders, tmp_path / "out")
    kept = (tmp_path / "out" / "parts" / "000000000.parquet").stat().st_mtime_ns
    (tmp_path / "out" / "parts" / "000000003.parquet").unlink()
    (tmp_path / "out" / "summary.json").unlink()
    assert best_of(folders, tmp_path / "out") == whole
    assert (tmp_path / "out" / "parts" / "000000000.parquet").stat().st_mtime_ns == kept
    with pytest.raises(ValueError, match="another run"):
        best_of(folders, tmp_path / "out", seed=1)
