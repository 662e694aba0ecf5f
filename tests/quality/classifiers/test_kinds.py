"""Kinds of classifier: chosen by name or held-out figures, loaded by their cards, old cards included."""

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from quality.classifiers import kinds as classifier_kinds
from quality.classifiers.base import CARD_FILE, FitConfig, ModelError
from quality.classifiers.examples import Examples, split_examples
from quality.classifiers.fasttext_classifier import FastTextClassifier
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.logistic_regression import QualityClassifier
from tests.quality.classifiers.test_logistic_regression import NEGATIVE, POSITIVE

SMALL = FastTextConfig(dimension=8, buckets=4096, epochs=5, learning_rate=0.5)
UNTRAINED = FastTextConfig(dimension=8, buckets=4096, epochs=1, learning_rate=1e-9)


def examples(texts, sites=37):
    """Texts on so many sites."""
    return Examples(pa.chunked_array([texts]), groups=[f"site{i % sites}" for i in range(len(texts))])


@pytest.mark.parametrize("choice", ["logistic_regression", "fasttext"])
def test_a_kind_is_fitted_by_name_and_loaded_by_its_card(choice, tmp_path):
    model = classifier_kinds.fit(examples(POSITIVE), examples(NEGATIVE), choice, FitConfig(), SMALL)
    assert model.card["kind"] == choice
    model.save(tmp_path)
    loaded = classifier_kinds.load(tmp_path)
    assert type(loaded) is type(model) is classifier_kinds.KINDS[choice]
    assert (loaded.score(POSITIVE) == model.score(POSITIVE)).all()
    assert classifier_kinds.from_files(model.to_files(), "there").digest == model.digest


# Of word order, which only bigrams see: both classes are made of the same words.
ORDERED = ["alpha beta " * 20 + f"n{i}" for i in range(300)]
REVERSED = ["beta alpha " * 20 + "beta " * (i % 2) + f"m{i}" for i in range(300)]


@pytest.mark.parametrize(
    ("texts", "fasttext", "winner"),
    [
        ((POSITIVE, NEGATIVE), UNTRAINED, "logistic_regression"),
        ((ORDERED, REVERSED), SMALL, "fasttext"),
    ],
    ids=["fastText has learnt nothing", "the order of words tells"],
)
def test_best_keeps_the_higher_held_out_auc_and_shows_both(texts, fasttext, winner):
    classes = [examples(part) for part in texts]
    best = classifier_kinds.fit(*classes, "best", FitConfig(held_out_share=0.3), fasttext)
    chosen = best.card["chosen"]
    aucs = {kind: figures["roc_auc"] for kind, figures in chosen["candidates"].items()}
    assert best.card["kind"] == winner == max(aucs, key=aucs.get)
    assert set(aucs) == set(classifier_kinds.KINDS)
    assert chosen["by"] == "held-out roc_auc"
    # Each candidate is what its kind alone gives on the same held-out sites.
    split = split_examples(*classes, 0.3, FitConfig().seed)
    assert split.note is None
    for kind in classifier_kinds.KINDS:
        alone = classifier_kinds.fit(*classes, kind, FitConfig(held_out_share=0.3), fasttext)
        assert alone.card["held_out"] == chosen["candidates"][kind]
    scores = [best.score(part.take(mask)) for part, mask in zip(classes, split[:2], strict=True)]
    labels = np.repeat([1, 0], [len(part) for part in scores])
    assert roc_auc_score(labels, np.concatenate(scores)) == pytest.approx(aucs[winner])


def test_of_equals_the_papers_is_kept():
    apart = [["good text"] * 200, ["bad page"] * 200]
    sites = [examples(part, 40) for part in apart]
    best = classifier_kinds.fit(*sites, "best", FitConfig(held_out_share=0.3), SMALL)
    aucs = {figures["roc_auc"] for figures in best.card["chosen"]["candidates"].values()}
    assert aucs == {1.0}
    assert best.card["kind"] == "logistic_regression"


def test_without_held_out_rows_best_is_the_papers_and_says_so():
    best = classifier_kinds.fit(
        examples(POSITIVE), examples(NEGATIVE), "best", FitConfig(held_out_share=0), SMALL
    )
    assert isinstance(best, QualityClassifier)
    assert best.card["chosen"]["candidates"] == {}
    assert "nothing to compare on: not evaluated" in best.card["chosen"]["note"]


def test_cards_from_before_there_were_kinds_are_of_logistic_regression(tmp_path):
    model = QualityClassifier().fit(POSITIVE, NEGATIVE)
    files = model.to_files()
    card = json.loads(files[CARD_FILE])
    for key in ("kind", "balance", "top_words"):
        del card[key]
    model.save(tmp_path)
    (tmp_path / CARD_FILE).write_text(json.dumps(card))
    loaded = classifier_kinds.load(tmp_path)
    assert isinstance(loaded, QualityClassifier)
    assert (loaded.score(NEGATIVE) == model.score(NEGATIVE)).all()


@pytest.mark.parametrize(
    ("kind", "message"),
    [("transformer", r"'kind' is 'transformer', known are \['fasttext', 'logistic_regression'\]")],
)
def test_unknown_kinds_are_refused(tmp_path, kind, message):
    model = QualityClassifier().fit(POSITIVE, NEGATIVE)
    model.note(kind=kind)
    model.save(tmp_path)
    with pytest.raises(ModelError, match=message):
        classifier_kinds.load(tmp_path)


def test_a_model_is_not_loaded_as_one_of_another_kind(tmp_path):
    QualityClassifier().fit(POSITIVE, NEGATIVE).save(tmp_path)
    with pytest.raises(ModelError, match="'kind' is 'logistic_regression', expected 'fasttext'"):
        FastTextClassifier.load(tmp_path)
