import numpy as np
import pytest

from quality import toxicity
from quality.classifiers.logistic_regression import FitConfig
from quality.toxicity import ListedWordDensity, ToxicityConfig, ToxicityScorer, load_scorer
from quality.word_lists import WordListConfig


class Length:
    name = "length"
    version = "1"

    def score(self, texts):
        return np.array([len(text) for text in texts], float)


class Broken(Length):
    def score(self, texts):
        return np.array([np.nan] * len(texts))


def not_a_scorer():
    return 3


def test_off():
    assert load_scorer(ToxicityConfig()) is None


def test_listed_words(tmp_path):
    (tmp_path / "en").write_text("awful\n")
    config = ToxicityConfig(scorer="listed_words", word_lists=WordListConfig(files=[str(tmp_path / "en")]))
    scorer = load_scorer(config)
    assert isinstance(scorer, ListedWordDensity)
    batch = toxicity.signals(scorer, ["awful, so awful!", "lovely", ""])
    assert batch["toxicity"].to_pylist() == [pytest.approx(2 / 3), 0.0, 0.0]


def test_classifier_trained_by_the_user(tmp_path):
    toxic = [f"you are a stupid idiot number {n}" for n in range(40)]
    clean = [f"the weather in town {n} is mild" for n in range(40)]
    model = toxicity.fit(toxic, clean, FitConfig(held_out_share=0.5))
    assert model.card["held_out"]["roc_auc"] == 1.0
    model.save(tmp_path / "model")
    scorer = load_scorer(ToxicityConfig(scorer="classifier", model=str(tmp_path / "model")))
    scores = scorer.score(["such an idiot", "mild weather"])
    assert scores[0] > 0.5 > scores[1]
    assert scorer.version == model.digest


def test_a_function_of_the_user():
    scorer = load_scorer(ToxicityConfig(scorer="python", function=f"{__name__}:Length"))
    assert isinstance(scorer, ToxicityScorer)
    assert toxicity.signals(scorer, ["ab", ""])["toxicity"].to_pylist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        pytest.param({"scorer": "listed_words"}, ValueError, "word_lists.files: empty", id="no lists"),
        pytest.param({"scorer": "classifier"}, ValueError, "model: not set", id="no model"),
        pytest.param({"scorer": "python"}, ValueError, "expected module:name", id="no function"),
        pytest.param(
            {"scorer": "python", "function": f"{__name__}:not_a_scorer"}, TypeError, "gave a int", id="int"
        ),
    ],
)
def test_what_is_missing(config, error, words):
    with pytest.raises(error, match=words):
        load_scorer(ToxicityConfig(**config))


def test_scores_must_be_finite():
    with pytest.raises(ValueError, match="scorer 'length' gave"):
        toxicity.signals(Broken(), ["a"])
