import numpy as np
import pyarrow as pa
import pytest

from quality.classifiers.evaluation import REFERENCES, evaluate
from quality.classifiers.examples import Examples
from quality.classifiers.languages import QualityModel, fit_model
from quality.classifiers.logistic_regression import QualityClassifier
from quality.classifiers.report import CHARACTERS, CLASSES, PLACES, keep_rates, report, to_read
from quality.pareto import fit_alpha, keep_probability
from tests.quality.classifiers.test_logistic_regression import (
    CHINESE_PROSE,
    CHINESE_SPAM,
    PROSE,
    SPAM,
    documents,
)

MIXED = PROSE + SPAM[:9], CHINESE_PROSE + CHINESE_SPAM[:9]
GOOD = documents(MIXED[0], 200, 1) + documents(MIXED[1], 100, 2, "")
BAD = documents(SPAM + PROSE[:9], 250, 3) + documents(CHINESE_SPAM + CHINESE_PROSE[:9], 100, 4, "")


def examples(name, texts, n_english):
    return Examples(
        pa.chunked_array([texts]),
        sources=[f"{name}{i % 2}" for i in range(len(texts))],
        languages=["en" if i < n_english else "zh" for i in range(len(texts))],
        urls=[f"https://{name}{i}.example/" for i in range(len(texts))],
    )


POSITIVE, NEGATIVE = examples("good", GOOD, 200), examples("bad", BAD, 250)


@pytest.fixture(scope="module")
def made():
    from quality.classifiers.base import FitConfig

    model, split = fit_model(
        POSITIVE, NEGATIVE, config=FitConfig(held_out_share=0.3), languages=["zh"], min_examples=20
    )
    return model, split, report(model, POSITIVE, NEGATIVE, split, 9.0, 4)


def held_out_scores(made):
    model, split, _ = made
    parts = POSITIVE.select(split.positive), NEGATIVE.select(split.negative)
    return [model.score(part.texts, part.languages) for part in parts]


def test_documents_to_read_are_held_out_ones_ranked_by_score(made):
    model, split, told = made
    held = {
        name: set(part.take(mask).to_pylist())
        for name, part, mask in zip(CLASSES, (POSITIVE, NEGATIVE), split[:2], strict=True)
    }
    scores = dict(zip(CLASSES, held_out_scores(made), strict=True))
    assert len(told["documents"]) == len(CLASSES) * len(PLACES) * 4
    for name in CLASSES:
        by_place = {place: [] for place in PLACES}
        for row in told["documents"]:
            if row["class"] == name:
                by_place[row["place"]].append(row)
                text = next(text for text in held[name] if text.startswith(row["text"]))
                assert model.score([text], pa.array([row["language"]]))[0] == row["score"]
                assert row["url"].startswith("https://good" if name == "curated" else "https://bad")
                assert row["source"] in row["url"][8:] or row["source"][:-1] in row["url"]
        ranked = np.sort(scores[name])
        assert [row["score"] for row in by_place["highest"]] == ranked[::-1][:4].tolist()
        assert [row["score"] for row in by_place["lowest"]] == ranked[:4].tolist()
        nearest = np.sort(np.abs(scores[name] - 0.5))[:4]
        assert [abs(row["score"] - 0.5) for row in by_place["borderline"]] == nearest.tolist()


def test_figures_are_those_of_the_scores_that_documents_will_have(made):
    _, _, told = made
    positive, negative = held_out_scores(made)
    assert told["figures"] == evaluate(positive, negative, 9.0)
    assert told["pareto_fit"]["n_curated"] == len(positive)
    assert told["pareto_fit"]["n_crawled"] == len(negative)
    by_source = told["by_source"]
    assert [row["source"] for row in by_source["curated"]] == ["good0", "good1"]
    assert sum(row["n"] for row in by_source["crawl"]) == len(negative)


@pytest.mark.parametrize(
    ("webtext", "fitted_to"),
    [([], ["good0", "good1"]), (["good1", "gone"], ["good1"]), (["gone"], ["good0", "good1"])],
    ids=["none-named", "named", "none-of-the-named-is-here"],
)
def test_alpha_is_fitted_to_the_sources_of_webtext(made, webtext, fitted_to):
    model, split, _ = made
    fit = report(model, POSITIVE, NEGATIVE, split, 9.0, 0, webtext)["pareto_fit"]
    held = POSITIVE.select(split.positive)
    like = np.isin(held.names_of_sources(), fitted_to)
    positive, negative = held_out_scores(made)
    assert fit["sources"] == fitted_to
    assert fit["n_curated"] == like.sum()
    assert fit["alpha"] == fit_alpha(negative, positive[like]).alpha


def test_a_languages_own_classifier_is_held_against_the_general_one(made):
    fitted, split, _ = made
    # One that takes good for bad, so that the two are told apart.
    inverted = QualityClassifier().fit(BAD[250:], GOOD[200:])
    model = QualityModel(fitted.general, {"zh": inverted})
    (row,) = report(model, POSITIVE, NEGATIVE, split, 9.0, 0)["languages"]
    assert row["own_roc_auc"] < 0.5 < row["general_roc_auc"]
    assert (row["language"], row["kind"]) == ("zh", "logistic_regression")
    assert row["curated"] == (split.positive & POSITIVE.of_language("zh")).sum()
    parts = [
        part.select(mask & part.of_language("zh"))
        for part, mask in zip((POSITIVE, NEGATIVE), split[:2], strict=True)
    ]
    for name, classifier in (("own", model.by_language["zh"]), ("general", model.general)):
        good, bad = (classifier.score(part.texts) for part in parts)
        pairs = good[:, None] - bad[None, :]
        assert row[f"{name}_roc_auc"] == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def test_keep_rates_by_hand():
    curated, crawled = np.array([0.9, 0.8, 0.4]), np.array([0.1, 0.2, 0.6, 0.3])
    rows = keep_rates(curated, crawled, evaluate(curated, crawled, 9.0), 2.0)
    own = {row["rule"]: row for row in rows if row["who"] == "this model"}
    assert own["score >= 0.5"]["crawl"] == 0.25
    assert own["score >= 0.5"]["curated"] == pytest.approx(2 / 3)
    assert own["score >= 0.5"]["precision"] == pytest.approx((2 / 3) / (2 / 3 + 1 / 4))
    fitted = own["pareto, alpha 2, fitted"]
    assert fitted["crawl"] == pytest.approx(keep_probability(crawled, 2.0).mean())
    assert fitted["precision"] == pytest.approx(fitted["curated"] / (fitted["curated"] + fitted["crawl"]))
    assert own["pareto, alpha 9"]["crawl"] == pytest.approx(keep_probability(crawled, 9.0).mean())
    others = [row for row in rows if row["who"] != "this model"]
    assert [row["crawl"] for row in others] == [reference.kept for reference in REFERENCES]
    assert all(row["curated"] is None for row in others)


def test_without_held_out_rows_there_are_no_figures():
    model, split = fit_model(POSITIVE.select(np.arange(300) < 20), NEGATIVE)
    told = report(model, POSITIVE.select(np.arange(300) < 20), NEGATIVE, split, 9.0, 2)
    assert told["note"].startswith("not evaluated, fitted on all rows")
    assert {key for key, value in told.items() if value is None} == {
        "figures",
        "by_source",
        "keep_rates",
        "pareto_fit",
        "languages",
    }
    assert len(told["documents"]) == 12


def test_long_texts_are_cut_and_ties_are_broken_by_content():
    texts = ["b" * 1000, "a" * 1000, "c" * 1000]
    order = [2, 0, 1]
    one = to_read("crawl", Examples(pa.chunked_array([texts])), np.full(3, 0.5), 2)
    other = to_read("crawl", Examples(pa.chunked_array([[texts[i] for i in order]])), np.full(3, 0.5), 2)
    assert one == other
    assert {len(row["text"]) for row in one} == {CHARACTERS}
    assert one[0]["url"] is None
