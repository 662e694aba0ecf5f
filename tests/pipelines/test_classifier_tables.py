"""The report's tables and page: every figure in its place, whatever the model is."""

import numpy as np
import pytest

from pipelines.classifier_tables import page, tables
from quality.classifiers.base import FitConfig
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.languages import fit_model
from quality.classifiers.report import report
from tests.quality.classifiers.test_report import NEGATIVE, POSITIVE

SMALL = FastTextConfig(dimension=8, buckets=4096, epochs=2)


@pytest.fixture(scope="module")
def best():
    fit = FitConfig(held_out_share=0.3)
    model, split = fit_model(POSITIVE, NEGATIVE, "best", fit, SMALL, ["zh", "fr"], 20)
    return model.card, report(model, POSITIVE, NEGATIVE, split, 9.0, 2)


def test_tables_have_a_header_and_rows_of_its_length(best):
    for rows in tables(*best).values():
        assert len(rows) > 1
        assert {len(row) for row in rows} == {len(rows[0])}


def test_figures_stand_in_their_rows(best):
    card, told = best
    found = tables(card, told)
    figures = dict(found["figures"][1:])
    assert figures["ROC AUC"] == told["figures"]["roc_auc"]
    assert figures["precision at 0.5, classes 1:1"] == told["figures"]["at_half"]["precision"]
    assert figures["true negative at 0.5"] == told["figures"]["confusion"]["true_negative"]
    kept = {row[0]: row[-1] for row in found["kinds compared"][1:]}
    assert kept == {
        kind: "yes" if kind == card["kind"] else "no" for kind in ("fasttext", "logistic_regression")
    }
    model = dict(found["model"][1:])
    assert model["Pareto alpha that fits"].startswith(f"{told['pareto_fit']['alpha']:.4g}")
    assert model["positive rows held out"] == card["rows"]["positive"]["held_out"]
    languages = {row[0]: row for row in found["languages"][1:]}
    assert languages["zh"][3] == told["languages"][0]["own_roc_auc"]
    assert "scored by the general classifier" in languages["fr"][-1]
    rates = {row[1]: row for row in found["keep rates"][1:] if row[0] == "this model"}
    assert rates["pareto, alpha 9"][2] == f"{told['figures']['pareto_keep']['negative']:.2%}"


def test_a_bound_is_told(best):
    card, told = best
    bound = told | {"pareto_fit": told["pareto_fit"] | {"at_bound": "upper", "alpha": 50.0}}
    assert dict(tables(card, bound)["model"][1:])["Pareto alpha that fits"] == (
        "50, the upper bound of the search"
    )


def test_the_page_shows_documents_with_their_beginnings(best):
    card, told = best
    shown = page(card, told)
    assert "### curated, highest" in shown
    for row in told["documents"]:
        assert f"{row['score']:.4f} · {row['source']} · {row['language']} · {row['url']}" in shown


def test_without_figures_the_page_says_why():
    few = POSITIVE.select(np.arange(300) < 20)
    model, split = fit_model(few, NEGATIVE)
    shown = page(model.card, report(model, few, NEGATIVE, split, 9.0, 1))
    assert "No figures: not evaluated, fitted on all rows" in shown
    assert "those that it was fitted on" in shown
    assert "## Figures" not in shown
