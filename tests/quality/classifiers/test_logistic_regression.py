import json

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save
from sklearn.linear_model import LogisticRegression

from quality.classifiers import features
from quality.classifiers.examples import Examples
from quality.classifiers.logistic_regression import (
    CARD_FILE,
    WEIGHTS_FILE,
    FitConfig,
    ModelError,
    QualityClassifier,
)
from tests.text_forms import FORMS

PROSE_TEXT = (
    "the history of this river begins where its sources leave the hills and ends in a wide slow delta"
)
SPAM_TEXT = "buy cheap click here login cart price offer free shipping sign up now best deal subscribe menu"
PROSE, SPAM = PROSE_TEXT.split(), SPAM_TEXT.split()
CHINESE_PROSE = list("历史上的这条河流发源于山地最后流入宽阔而缓慢的三角洲")
CHINESE_SPAM = list("点击登录购物车价格优惠免费包邮注册立即订阅菜单首页")


def documents(words, n, seed, joined=" "):
    """Texts of words drawn at random, a quarter of them from the other kind so that the classes overlap."""
    draw = np.random.default_rng(seed)
    return [joined.join(draw.choice(words, size=draw.integers(20, 60))) for _ in range(n)]


POSITIVE = documents(PROSE + SPAM[:9], 150, 1) + documents(CHINESE_PROSE, 50, 2, "")
NEGATIVE = documents(SPAM + PROSE[:9], 300, 3) + documents(CHINESE_SPAM, 50, 4, "")


@pytest.fixture(scope="module")
def model():
    return QualityClassifier().fit(pa.array(POSITIVE), pa.array(NEGATIVE))


def test_tells_curated_from_crawled_text(model):
    good, bad, gut, schlecht = model.score(
        pa.array([" ".join(PROSE), " ".join(SPAM), "".join(CHINESE_PROSE), "".join(CHINESE_SPAM)])
    )
    assert good > 0.8 > 0.2 > bad
    assert gut > 0.8 > 0.2 > schlecht


def test_scores_equal_those_of_scikit_learns_own_fit(model):
    everything = FitConfig(held_out_share=0)
    ours = QualityClassifier(everything).fit(pa.array(POSITIVE), pa.array(NEGATIVE))
    matrix = features.csr(pa.array(POSITIVE + NEGATIVE))
    labels = [1] * len(POSITIVE) + [0] * len(NEGATIVE)
    theirs = LogisticRegression(C=10.0, class_weight="balanced", solver="liblinear", tol=1e-8).fit(
        matrix, labels
    )
    texts = pa.array([*POSITIVE[:20], *NEGATIVE[:20], "", "unseen words only"])
    # Rows in another order and a tighter tolerance end near, not at, the same optimum.
    np.testing.assert_allclose(ours.score(texts), theirs.predict_proba(features.csr(texts))[:, 1], atol=5e-3)
    theirs.coef_, theirs.intercept_ = ours._weights[None], np.array([ours._intercept])
    expected = theirs.predict_proba(features.csr(texts))[:, 1]
    np.testing.assert_allclose(ours.score(texts), expected, rtol=0, atol=1e-9)


def test_fit_does_not_depend_on_order_or_chunks(model):
    draw = np.random.default_rng(0)
    positive = [POSITIVE[i] for i in draw.permutation(len(POSITIVE))]
    negative = [NEGATIVE[i] for i in draw.permutation(len(NEGATIVE))]
    again = QualityClassifier().fit(
        pa.chunked_array([positive[:7], positive[7:7], positive[7:]], pa.string()), pa.array(negative)
    )
    assert again.digest == model.digest
    assert again.to_files() == model.to_files()


def test_metrics_are_of_rows_that_the_fit_has_not_seen(model):
    card = model.card
    rows, figures = card["rows"], card["held_out"]
    assert rows["positive"]["fitted"] + rows["positive"]["held_out"] == len(POSITIVE)
    assert rows["negative"]["fitted"] + rows["negative"]["held_out"] == len(NEGATIVE)
    assert figures["n_positive"] == rows["positive"]["held_out"] > 0
    assert card["held_out_note"] is None
    assert 0.9 < figures["roc_auc"] <= 1.0
    assert figures["pareto_keep"]["positive"] > figures["pareto_keep"]["negative"]
    assert len(figures["calibration"]) == 10


def test_labels_without_meaning_have_no_skill():
    """A leak from the fit into the metrics would show as skill on labels drawn at random."""
    # Words of its own let a fit recognise every text that it has seen.
    texts = [" ".join(f"w{number}x{place}" for place in range(20)) for number in range(600)]
    card = (
        QualityClassifier(FitConfig(held_out_share=0.3))
        .fit(pa.array(texts[:300]), pa.array(texts[300:]))
        .card
    )
    assert 0.35 < card["held_out"]["roc_auc"] < 0.65


def test_sources_are_counted():
    sources = pa.array(["wiki"] * 150 + ["zh"] * 50)
    card = (
        QualityClassifier()
        .fit(Examples(pa.chunked_array([POSITIVE]), None, sources), pa.array(NEGATIVE))
        .card
    )
    rows = card["rows"]["positive"]
    assert rows["fitted_by_source"]["wiki"] + rows["held_out_by_source"]["wiki"] == 150
    assert card["rows"]["negative"]["fitted_by_source"] == {"unnamed": card["rows"]["negative"]["fitted"]}


def test_too_few_rows_to_hold_out_means_no_metrics():
    card = QualityClassifier().fit(pa.array(POSITIVE[:30]), pa.array(NEGATIVE)).card
    assert card["held_out"] is None
    assert "not evaluated, fitted on all rows" in card["held_out_note"]
    assert card["rows"]["positive"]["fitted"] == 30
    assert card["rows"]["negative"]["held_out"] == 0


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [([], ["a"], "no positive"), (["a"], [], "no negative"), ([None, "a"], ["b"], "row 0")],
    ids=["no positives", "no negatives", "a null text"],
)
def test_unusable_examples_are_refused(positive, negative, message):
    with pytest.raises(ValueError, match=message):
        QualityClassifier().fit(pa.array(positive, pa.string()), pa.array(negative, pa.string()))


def test_one_text_a_class_is_enough():
    model = QualityClassifier().fit(pa.array(["good prose"]), pa.array(["bad spam"]))
    good, bad = model.score(pa.array(["good prose", "bad spam"]))
    assert good > bad


def test_score_before_fit_says_what_to_do():
    with pytest.raises(ModelError, match="call fit or load first"):
        QualityClassifier().score(pa.array(["a"]))


def test_saved_and_loaded_models_are_the_same(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = QualityClassifier.load(tmp_path / "model")
    texts = pa.array([*POSITIVE, *NEGATIVE, ""])
    assert (loaded.score(texts) == model.score(texts)).all()
    assert loaded.card == model.card
    assert loaded.config == model.config
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [CARD_FILE, WEIGHTS_FILE]
    assert loaded.score(pa.chunked_array([], pa.string())).shape == (0,)


def edit(key, value):
    def change(files):
        card = json.loads(files[CARD_FILE])
        card[key] = value
        return files | {CARD_FILE: json.dumps(card).encode()}

    return change


def drop(key):
    def change(files):
        card = json.loads(files[CARD_FILE])
        del card[key]
        return files | {CARD_FILE: json.dumps(card).encode()}

    return change


def tensors(**values):
    """Other weights with a card that vouches for them."""

    def change(files):
        import xxhash

        data = save(values)
        return edit("weights_digest", xxhash.xxh3_128_hexdigest(data))(files | {WEIGHTS_FILE: data})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("format_version", 2), "'format_version' is 2, known is only 1"),
        (edit("features", {"scheme": "bytes", "version": 1, "buckets": 262144}), "'features' is .*bytes"),
        (edit("format", "something else"), "not the card of"),
        (drop("features"), "'features' is None"),
        (drop("held_out"), r"lacks \['held_out'\]"),
        (lambda files: files | {CARD_FILE: b"{"}, "not JSON"),
        (lambda files: files | {CARD_FILE: b"[]"}, "not the card of"),
        (lambda files: files | {WEIGHTS_FILE: files[WEIGHTS_FILE][:-8]}, "not the weights that"),
        (tensors(weights=np.zeros(10), intercept=np.zeros(1)), "expected float64"),
        (tensors(weights=np.zeros(features.BUCKETS, np.float32), intercept=np.zeros(1)), "expected float64"),
        (tensors(weights=np.full(features.BUCKETS, np.nan), intercept=np.zeros(1)), "not finite"),
        (tensors(weights=np.zeros(features.BUCKETS)), "expected float64"),
    ],
    ids=[
        "newer format",
        "other features",
        "other format",
        "no features",
        "no metrics",
        "not JSON",
        "a list",
        "cut weights",
        "few weights",
        "float32 weights",
        "NaN weights",
        "no intercept",
    ],
)
def test_tampered_models_are_refused(model, tmp_path, change, message):
    for name, data in change(model.to_files()).items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=message):
        QualityClassifier.load(tmp_path)


def test_absent_model_names_the_file(tmp_path):
    with pytest.raises(ModelError, match=r"weights\.safetensors: no such file"):
        QualityClassifier.load(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_scores(model, form):
    values = [*POSITIVE[:3], "", *NEGATIVE[:3]]
    scores = model.score(pa.array(values, pa.string()))
    np.testing.assert_array_equal(model.score(FORMS[form](values)), scores)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_fits_the_same_model(form):
    def digest(make):
        return QualityClassifier().fit(make(POSITIVE[:40]), make(NEGATIVE[:40])).digest

    assert digest(FORMS[form]) == digest(FORMS["string"])


def test_a_missing_text_is_named_by_its_row_over_all_chunks(model):
    texts = pa.chunked_array([["a", "b"], ["c", None]])
    with pytest.raises(ValueError, match=r"^row 3 of the texts is null"):
        model.score(texts)
