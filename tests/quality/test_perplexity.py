"""Perplexity by language: which model measures which text, what is null, where the buckets begin, and the files."""

import json

import numpy as np
import pyarrow as pa
import pytest

from quality.language_models.ngram_model import NgramModel, NgramModelError
from quality.perplexity import CARD_FILE, PerplexityModels, bucket, cuts_of
from tests.quality.language_models.test_ngram_model import CHINESE, ENGLISH

EN, ZH = NgramModel.fit(ENGLISH), NgramModel.fit(CHINESE)
TEXTS = [*ENGLISH, "zzz yyy", CHINESE[0], "", "...", ENGLISH[0]]
LANGUAGES = ["en"] * 6 + ["en", "zh", "en", "zh", None]


def models(en_cuts=(5.0, 30.0), zh_cuts=None):
    return PerplexityModels({"en": EN, "zh": ZH}, {"en": {"cuts": en_cuts}, "zh": {"cuts": zh_cuts}})


@pytest.mark.parametrize("chunked", [False, True])
def test_each_text_is_measured_by_the_model_of_its_language(chunked):
    texts = pa.chunked_array([TEXTS[:3], TEXTS[3:]]) if chunked else TEXTS
    found = models().signals(texts, pa.array(LANGUAGES))
    expected = [*EN.perplexity(TEXTS[:7]).tolist(), float(ZH.perplexity(TEXTS[7:8])[0]), None, None, None]
    assert found["perplexity"].type == pa.float32()
    assert found["perplexity"].to_pylist() == [f and pytest.approx(f, rel=1e-6) for f in expected]
    by_cut = [bucket(figure, (5.0, 30.0)) for figure in expected[:7]]
    assert found["perplexity_bucket"].to_pylist() == [*by_cut, None, None, None, None]
    assert set(by_cut) == {"head", "middle", "tail"}


@pytest.mark.parametrize(
    ("perplexity", "name"),
    [(1.0, "head"), (99.9, "head"), (100.0, "middle"), (299.0, "middle"), (300.0, "tail"), (1e9, "tail")],
)
def test_a_cut_belongs_to_the_bucket_above(perplexity, name):
    assert bucket(perplexity, [100.0, 300.0]) == name


def test_cuts_are_percentiles_30_and_60_of_what_has_words():
    assert cuts_of(np.array([np.nan, *range(101), np.nan])) == (30.0, 60.0)


def test_no_text_and_a_language_alone():
    assert models().signals([], pa.array([], pa.string())).num_rows == 0
    assert models().signals(TEXTS[:1], pa.array(["fr"]))["perplexity"].to_pylist() == [None]
    alone = models().signals(TEXTS[:6], pa.array(["en"] * 6))["perplexity"].to_pylist()
    assert alone == models().signals(TEXTS, pa.array(LANGUAGES))["perplexity"].to_pylist()[:6]


def test_files_hold_the_same_models(tmp_path):
    models().save(tmp_path)
    again = PerplexityModels.load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["en.safetensors", CARD_FILE, "zh.safetensors"]
    assert again.digest == models().digest
    assert again.signals(TEXTS, pa.array(LANGUAGES)) == models().signals(TEXTS, pa.array(LANGUAGES))
    again.save(tmp_path / "again")
    for name in ("en.safetensors", CARD_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_digest_follows_models_and_cuts():
    swapped = PerplexityModels({"en": ZH, "zh": EN}, {"en": {"cuts": (5.0, 30.0)}, "zh": {"cuts": None}})
    digests = {m.digest for m in (models(), models(en_cuts=(5.0, 29.0)), models(zh_cuts=(1.0, 2.0)), swapped)}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("zh.safetensors", None, "zh.safetensors: no such file", id="no file of a language"),
        pytest.param(CARD_FILE, None, "perplexity.json: no such file", id="no card"),
        pytest.param(CARD_FILE, "{", "perplexity.json: not JSON", id="no JSON"),
        pytest.param(
            CARD_FILE, '{"format": "x"}', "not the card of gristmill perplexity models", id="another card"
        ),
        pytest.param(
            "en.safetensors", "zh", "en.safetensors: not the model that its card", id="another model"
        ),
    ],
)
def test_what_is_not_ours(tmp_path, name, content, message):
    models().save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    elif content == "zh":
        (tmp_path / name).write_bytes(ZH.to_bytes())
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(NgramModelError, match=message):
        PerplexityModels.load(tmp_path)


def test_the_card_is_json_and_tells_each_language():
    card = json.loads(json.dumps(models().card))
    assert card["languages"]["en"]["cuts"] == [5.0, 30.0]
    assert card["languages"]["zh"]["model"]["config"] == {"order": 3, "min_count": 2}
