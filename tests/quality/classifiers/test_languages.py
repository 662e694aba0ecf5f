import numpy as np
import pyarrow as pa
import pytest

from quality.classifiers.base import CARD_FILE, ModelError
from quality.classifiers.examples import Examples
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.kinds import fit as fit_one
from quality.classifiers.languages import QualityModel, fit_model
from tests.quality.classifiers.test_logistic_regression import (
    CHINESE_PROSE,
    CHINESE_SPAM,
    PROSE,
    SPAM,
    documents,
)

SMALL = FastTextConfig(dimension=8, buckets=4096, epochs=5, learning_rate=0.5)
ENGLISH = documents(PROSE + SPAM[:9], 150, 1), documents(SPAM + PROSE[:9], 300, 2)
CHINESE = (
    documents(CHINESE_PROSE + CHINESE_SPAM[:9], 90, 3, ""),
    documents(CHINESE_SPAM + CHINESE_PROSE[:9], 120, 4, ""),
)


def examples(place):
    texts = ENGLISH[place] + CHINESE[place]
    languages = ["en"] * len(ENGLISH[place]) + ["zh"] * len(CHINESE[place])
    languages[3] = None
    return Examples(
        pa.chunked_array([texts[:70], texts[70:]]),
        groups=[f"site{i % 41}" for i in range(len(texts))],
        sources=["web"] * len(texts),
        languages=languages,
    )


@pytest.fixture(scope="module")
def fitted():
    return fit_model(examples(0), examples(1), languages=["zh", "fr"], min_examples=50)


TEXTS = [*ENGLISH[0][:3], *CHINESE[0][:3], ENGLISH[1][0], CHINESE[1][0], ""]
LANGUAGES = ["en", "en", None, "zh", "zh", "zh", "fr", "zh", "und"]


def test_a_text_is_scored_by_the_classifier_of_its_language(fitted):
    model, _ = fitted
    own, general = model.by_language["zh"].score(TEXTS), model.general.score(TEXTS)
    expected = np.where(np.array(LANGUAGES) == "zh", own, general)
    for texts in (TEXTS, pa.array(TEXTS), pa.chunked_array([TEXTS[:2], TEXTS[2:]])):
        np.testing.assert_array_equal(model.score(texts, pa.array(LANGUAGES)), expected)
    assert (own != general).any()
    nothing_own = model.score(TEXTS, pa.nulls(len(TEXTS), pa.string()))
    np.testing.assert_array_equal(nothing_own, general)
    all_own = model.score(TEXTS, pa.array(["zh"] * len(TEXTS)))
    np.testing.assert_array_equal(all_own, own)


def test_a_languages_classifier_is_fitted_on_its_rows_alone_and_on_nothing_held_out(fitted):
    model, split = fitted
    classes = [examples(place) for place in (0, 1)]
    masks = [part.of_language("zh") for part in classes]
    alone = [part.select(mask) for part, mask in zip(classes, masks, strict=True)]
    again = fit_one(*alone, split=split.select(*masks))
    assert again.digest == model.by_language["zh"].digest
    rows = model.by_language["zh"].card["rows"]
    assert rows["positive"]["fitted"] == (masks[0] & ~split.positive).sum()
    assert rows["negative"]["held_out"] == (masks[1] & split.negative).sum() > 0


def test_a_language_with_few_examples_has_the_general_classifier_and_the_card_says_so(fitted):
    model, _ = fitted
    told = model.card["languages"]
    assert sorted(model.by_language) == ["zh"]
    assert told["fr"]["digest"] is None
    assert told["fr"]["note"].startswith("scored by the general classifier: 0 positive and 0 negative")
    assert told["zh"]["note"] is None
    assert told["zh"]["digest"] == model.by_language["zh"].digest
    fewer, _ = fit_model(examples(0), examples(1), languages=["zh"], min_examples=100)
    assert fewer.by_language == {}
    assert "100 of each are asked for" in fewer.card["languages"]["zh"]["note"]


@pytest.mark.parametrize("choice", ["logistic_regression", "fasttext", "best"])
def test_saved_and_read_models_are_the_same(choice, tmp_path):
    model, _ = fit_model(
        examples(0), examples(1), choice, fasttext=SMALL, languages=["zh", "fr"], min_examples=50
    )
    model.save(tmp_path)
    read = QualityModel.read(lambda name: (tmp_path / name).read_bytes(), str(tmp_path))
    assert read.to_files() == model.to_files()
    assert read.digest == model.digest
    languages = pa.array(LANGUAGES)
    np.testing.assert_array_equal(read.score(TEXTS, languages), model.score(TEXTS, languages))


def test_without_languages_it_is_the_classifier_itself():
    model, split = fit_model(examples(0), examples(1))
    alone = fit_one(examples(0), examples(1), split=split)
    assert model.digest == alone.digest
    assert model.to_files() == alone.to_files()
    assert "languages" not in model.card
    np.testing.assert_array_equal(model.score(TEXTS), alone.score(TEXTS))


def test_the_digest_is_of_all_classifiers(fitted):
    model, _ = fitted
    swapped = QualityModel(model.general, {"zh": model.general})
    assert len({model.digest, model.general.digest, swapped.digest}) == 3


def test_languages_must_be_given_where_they_matter(fitted):
    with pytest.raises(ValueError, match=r"languages: not given, .* each for \['zh'\]"):
        fitted[0].score(TEXTS)


def test_a_swapped_classifier_is_refused(fitted, tmp_path):
    model, _ = fitted
    model.save(tmp_path)
    for name, data in model.general.to_files().items():
        (tmp_path / "languages" / "zh" / name).write_bytes(data)
    with pytest.raises(ModelError, match=rf"languages/zh: this classifier's digest is .*{CARD_FILE} names"):
        QualityModel.read(lambda name: (tmp_path / name).read_bytes(), str(tmp_path))
