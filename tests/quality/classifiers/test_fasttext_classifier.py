import json

import fasttext
import numpy as np
import pyarrow as pa
import pytest
import xxhash
from safetensors.numpy import load, save

from quality.classifiers.base import CARD_FILE, WEIGHTS_FILE, FitConfig, ModelError
from quality.classifiers.fasttext_classifier import BINARY_FILE, FastTextClassifier
from quality.classifiers.fasttext_training import LABELS, FastTextConfig
from quality.classifiers.fasttext_words import lines
from tests.quality.classifiers.test_logistic_regression import (
    CHINESE_PROSE,
    CHINESE_SPAM,
    NEGATIVE,
    POSITIVE,
    PROSE,
    SPAM,
)
from tests.text_forms import FORMS

SMALL = FastTextConfig(dimension=8, buckets=4096, epochs=10, learning_rate=0.5)


@pytest.fixture(scope="module")
def model():
    return FastTextClassifier(fasttext=SMALL).fit(pa.array(POSITIVE), pa.array(NEGATIVE))


def test_tells_curated_from_crawled_text(model):
    texts = [" ".join(PROSE), " ".join(SPAM), "".join(CHINESE_PROSE), "".join(CHINESE_SPAM)]
    good, bad, gut, schlecht = model.score(texts)
    assert good > 0.8 > 0.2 > bad
    assert gut > 0.8 > 0.2 > schlecht


def test_letter_case_and_signs_do_not_matter(model):
    plain, loud = model.score(["buy cheap offer", "BUY!! Cheap\n\n***offer"])
    assert plain == loud


def test_card_tells_kind_balance_figures_and_words(model):
    card = model.card
    rows = card["rows"]
    fitted = rows["positive"]["fitted"], rows["negative"]["fitted"]
    assert card["kind"] == "fasttext"
    assert card["balance"] == {
        "method": "rows of the smaller class repeated",
        "positive_rows": fitted[0],
        "negative_rows": fitted[1],
        "lines_of_a_class": max(fitted),
    }
    assert card["held_out"]["roc_auc"] > 0.9
    assert card["held_out"]["n_positive"] == rows["positive"]["held_out"] > 0
    weights = dict(card["top_words"]["positive"]), dict(card["top_words"]["negative"])
    assert {*weights[0]} <= {*PROSE, *CHINESE_PROSE, *SPAM[:9]}
    assert min(weights[0].values()) > 0 > max(weights[1].values())


def test_labels_without_meaning_have_no_skill():
    """A leak from the fit into the metrics would show as skill on labels drawn at random."""
    texts = [" ".join(f"w{number}x{place}" for place in range(20)) for number in range(600)]
    fitted = FastTextClassifier(FitConfig(held_out_share=0.3), SMALL).fit(texts[:300], texts[300:])
    assert 0.35 < fitted.card["held_out"]["roc_auc"] < 0.65


def test_saved_and_loaded_models_are_the_same(model, tmp_path):
    model.save(tmp_path)
    loaded = FastTextClassifier.load(tmp_path)
    texts = [*POSITIVE, *NEGATIVE, "", "nothing known"]
    assert (loaded.score(texts) == model.score(texts)).all()
    assert (loaded.card, loaded.config, loaded.fasttext) == (model.card, model.config, model.fasttext)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CARD_FILE, WEIGHTS_FILE]
    assert loaded.to_files() == model.to_files()


def test_fasttexts_own_file_scores_alike_and_must_be_the_cards(tmp_path):
    kept = FastTextClassifier(fasttext=SMALL.model_copy(update={"keep_binary": True}))
    kept.fit(POSITIVE, NEGATIVE).save(tmp_path)
    own = fasttext.load_model(str(tmp_path / BINARY_FILE))
    for line, score in zip(lines(POSITIVE[:20]).to_pylist(), kept.score(POSITIVE[:20]), strict=True):
        labels, probabilities = own.predict(line, k=2)
        assert dict(zip(labels, probabilities, strict=True))[LABELS[True]] == pytest.approx(score, abs=2e-5)
    assert FastTextClassifier.load(tmp_path).to_files() == kept.to_files()
    (tmp_path / BINARY_FILE).write_bytes((tmp_path / BINARY_FILE).read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"fasttext\.bin: not the file that the card describes"):
        FastTextClassifier.load(tmp_path)


def edit(**values):
    def change(files):
        card = json.loads(files[CARD_FILE]) | values
        card = {key: value for key, value in card.items() if value != "absent"}
        return files | {CARD_FILE: json.dumps(card).encode()}

    return change


def tensors(**values):
    """Other weights with a card that vouches for them; None takes a tensor away."""

    def change(files):
        changed = {k: v for k, v in (load(files[WEIGHTS_FILE]) | values).items() if v is not None}
        data = save(changed)
        return edit(weights_digest=xxhash.xxh3_128_hexdigest(data))(files | {WEIGHTS_FILE: data})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit(kind="logistic_regression"), "'kind' is 'logistic_regression', expected 'fasttext'"),
        (edit(format_version=9), "'format_version' is 9"),
        (edit(features={"scheme": "bytes", "version": 1}), "'features' is .*bytes"),
        (edit(fasttext="absent"), r"lacks \['fasttext'\]"),
        (lambda files: files | {WEIGHTS_FILE: files[WEIGHTS_FILE] + b"x"}, "not the weights that"),
        (tensors(words=None), "expected .*'words'.* found"),
        (tensors(ngram_weights=np.zeros(5, np.float32)), "expected .* found"),
        (tensors(word_weights=np.zeros(3)), r"words but 3 weights of words"),
        (tensors(words=np.frombuffer(b"a b", np.uint8), word_weights=np.zeros(1)), "'a b' is not one word"),
        (tensors(words=np.frombuffer(b"\xff", np.uint8), word_weights=np.zeros(1)), "can't decode byte"),
        (tensors(ngram_weights=np.full(5, np.nan)), "not finite"),
    ],
    ids=[
        "another kind",
        "newer format",
        "other features",
        "no settings",
        "other weights",
        "no words",
        "float32 weights",
        "few weights",
        "no word",
        "no text",
        "NaN",
    ],
)
def test_tampered_models_are_refused(model, tmp_path, change, message):
    for name, data in change(model.to_files()).items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=message):
        FastTextClassifier.load(tmp_path)


def test_score_before_fit_says_what_to_do():
    with pytest.raises(ModelError, match="call fit or load first"):
        FastTextClassifier().score(["a"])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_scores(model, form):
    values = [*POSITIVE[:3], "", *NEGATIVE[:3]]
    np.testing.assert_array_equal(model.score(FORMS[form](values)), model.score(values))
