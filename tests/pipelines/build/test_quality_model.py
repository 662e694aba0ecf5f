"""The quality model as a step: its files and tables, and the alpha that a selection takes from it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.build import selecting
from pipelines.build.preflight import PreflightError, preflight
from pipelines.build.scoring import REPORT_FILE, REPORT_PAGE, build_quality_model, build_signals
from pipelines.build.selecting import build_selection
from pipelines.classify import ClassifierConfig, load_model
from pipelines.deduplication.repeated import REPEATED
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import DatasetVersion, current, publish, read_dataset
from pipelines.engine.mill import Mill
from pipelines.explain import explain
from pipelines.fitted_alpha import AlphaError
from pipelines.preview import preview, tables
from pipelines.schemas import DOCUMENTS, SELECTION, SIGNALS
from pipelines.selection_config import SelectionConfig
from pipelines.signals import SignalsConfig
from quality.classifiers.base import FitConfig
from quality.classifiers.fasttext_training import FastTextConfig
from tests.pipelines.index_world import InProcess
from tests.pipelines.selecting import chosen
from tests.pipelines.tables import filled
from tests.quality.classifiers.test_logistic_regression import CHINESE_PROSE, CHINESE_SPAM, PROSE, SPAM
from tests.quality.classifiers.test_logistic_regression import documents as texts_of
from text.words import count_words

ROLES = {"cc": "crawl", "wiki": "wikipedia", "news": "webtext"}
FIT = FitConfig(held_out_share=0.3)
SMALL = FastTextConfig(dimension=8, buckets=4096, epochs=2)


def documents() -> pa.Table:
    """English and Chinese texts of three sources; a fifth of the crawl is as good as the curated ones."""
    mixed, chinese = PROSE + SPAM[:9], CHINESE_PROSE + CHINESE_SPAM[:9]
    parts = [
        ("wiki", texts_of(mixed, 150, 1)),
        ("news", texts_of(chinese, 100, 2, "")),
        ("cc", texts_of(mixed, 50, 3) + texts_of(chinese, 30, 4, "")),
        ("cc", texts_of(SPAM + PROSE[:9], 220, 5) + texts_of(CHINESE_SPAM + CHINESE_PROSE[:9], 100, 6, "")),
    ]
    sources = [source for source, texts in parts for _ in texts]
    texts = [text for _, texts in parts for text in texts]
    columns = {"source": sources, "text": texts, "n_words": count_words(texts)}
    urls = [f"https://{source}{row % 61}.example/{row}" for row, source in enumerate(sources)]
    return filled(DOCUMENTS, {**columns, "doc_id": [f"{row:032x}" for row in range(650)], "url": urls})


def world(root: Path, config: ClassifierConfig) -> tuple[Mill, Any]:
    """A data root with documents and a published quality model, and what the model's step gave."""
    mill = Mill(str(root), InProcess)
    table = documents()
    shards = {f"shard-{number:05d}": table.take(list(range(number, 650, 2))) for number in range(2)}
    publish(mill.root, build_table(mill.root, DOCUMENTS, {}, lambda: (shards, {"roles": ROLES})))
    return mill, build_quality_model(mill, config).publish(mill.root)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mill, Any]:
    """The world with signals measured."""
    mill, built = world(tmp_path_factory.mktemp("quality") / "data", ClassifierConfig(fit=FIT))
    build_signals(mill, SignalsConfig(families=[])).publish(mill.root)
    return mill, built


@pytest.fixture
def no_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every id once: looking for repeated ones needs a Spark session."""

    def none(_: Any, version: DatasetVersion) -> dict[str, pa.Table]:
        return {shard: REPEATED.schema.empty_table() for shard in version.shards}

    monkeypatch.setattr(selecting, "repeated_rows", none)


def selected(mill: Mill, **settings: Any) -> Any:
    return build_selection(mill, chosen(min_words=1, **settings)).publish(mill.root)


def test_the_report_stands_beside_the_model(scored: tuple[Mill, Any]) -> None:
    _, built = scored
    folder = Path(built.main.folder)
    report = json.loads((folder / REPORT_FILE).read_text())
    assert report == built.main.manifest["details"]["report"]
    page = (folder / REPORT_PAGE).read_text()
    for row in report["documents"]:
        assert row["text"] in page
        assert row["url"] in page
    assert set(built.tables) == {
        "model",
        "figures",
        "keep rates",
        "calibration",
        "confusion by source",
        "words that weigh most",
        "documents to read",
    }
    assert built.metadata["roc_auc"] == report["figures"]["roc_auc"] > 0.8
    assert built.metadata["pareto_alpha_fitted"] == report["pareto_fit"]["alpha"]
    assert load_model(built.main.folder).card == built.main.manifest["details"]["card"]


def test_an_unchanged_model_is_not_fitted_again_and_shows_the_same(scored: tuple[Mill, Any]) -> None:
    mill, built = scored
    again = build_quality_model(mill, ClassifierConfig(fit=FIT))
    assert again.main.manifest["made_at"] == built.main.manifest["made_at"]
    assert (again.tables, again.metadata) == (built.tables, built.metadata)


@pytest.mark.usefixtures("no_repeats")
def test_a_null_alpha_is_the_fitted_one(scored: tuple[Mill, Any]) -> None:
    mill, built = scored
    fit = built.main.manifest["details"]["report"]["pareto_fit"]
    by_fit = selected(mill, pareto_alpha=None)
    config = SelectionConfig.model_validate(by_fit.main.manifest["config"]["config"])
    assert config.pareto_alpha == fit["alpha"]
    assert by_fit.main.manifest["details"]["pareto_fit"] == fit
    assert by_fit.metadata["pareto_alpha"].startswith(f"{fit['alpha']:.4g}, fitted")
    told = explain(mill.root, read_dataset(by_fit.main, SELECTION)["doc_id"][0].as_py())
    (note,) = [one.note for one in told.verdicts if one.signal == "quality_score"]
    assert f"alpha {fit['alpha']:.4g} (fitted)" in note

    by_number = selected(mill, pareto_alpha=fit["alpha"])
    assert read_dataset(by_number.main, SELECTION).equals(read_dataset(by_fit.main, SELECTION))
    assert by_number.main.manifest["details"] == {}
    told = explain(mill.root, told.document["doc_id"])
    assert "(fitted)" not in next(one.note for one in told.verdicts if one.signal == "quality_score")
    other = selected(mill, pareto_alpha=fit["alpha"] * 3)
    assert not read_dataset(other.main, SELECTION).equals(read_dataset(by_fit.main, SELECTION))


@pytest.mark.usefixtures("no_repeats")
def test_a_preview_shows_what_the_fitted_alpha_keeps(scored: tuple[Mill, Any]) -> None:
    mill, built = scored
    fit = built.main.manifest["details"]["report"]["pareto_fit"]
    found = preview(mill.root, chosen(min_words=1, pareto_alpha=None))
    assert found.by_alpha.keys() == {1.0, 2.0, 3.0, 5.0, 9.0, fit["alpha"]}
    rates = tables(found)["What other quality rules would keep of the crawl, duplicates not yet taken"]
    (row,) = [row for row in rates if "fitted" in row[0]]
    assert row[1] == round(found.by_alpha[fit["alpha"]])
    counts = selected(mill, pareto_alpha=None).main.counts
    assert found.counts["reason:quality"] == counts["reason:quality"] > 0


@pytest.mark.usefixtures("no_repeats")
def test_without_a_fit_a_null_alpha_is_refused(tmp_path: Path) -> None:
    mill, built = world(tmp_path / "data", ClassifierConfig(fit=FitConfig(held_out_share=0)))
    build_signals(mill, SignalsConfig(families=[])).publish(mill.root)
    assert built.metadata == {}
    with pytest.raises(AlphaError, match=r"ops\.selection\.config\.pareto_alpha: null .* set a number"):
        selected(mill, pareto_alpha=None)
    with pytest.raises(AlphaError):
        preview(mill.root, chosen(pareto_alpha=None))
    assert None not in preview(mill.root, chosen()).by_alpha
    # Where nothing is drawn no alpha is asked for.
    assert selected(mill, pareto_alpha=None, quality="threshold").main.rows == 650


@pytest.mark.parametrize(
    ("alpha", "quality", "share", "refused"),
    [
        (None, "pareto", 0.0, True),
        (None, "pareto", 0.1, False),
        (None, "threshold", 0.0, False),
        (9.0, "pareto", 0.0, False),
    ],
    ids=["null without held-out rows", "null", "no draw", "a number"],
)
def test_a_null_alpha_that_cannot_be_fitted_is_refused_before_the_run(alpha, quality, share, refused) -> None:
    configs = {
        "selection": chosen(pareto_alpha=alpha, quality=quality),
        "quality_model": ClassifierConfig(fit=FitConfig(held_out_share=share)),
    }
    if refused:
        with pytest.raises(
            PreflightError, match=r"^ops\.selection\.config\.pareto_alpha: null .*held_out_share"
        ):
            preflight(configs)
    else:
        preflight(configs)


def test_each_document_is_scored_by_the_classifier_of_its_language(tmp_path: Path) -> None:
    config = ClassifierConfig(
        kind="best", fit=FIT, fasttext=SMALL, per_language=["zh", "eo"], min_language_examples=20
    )
    mill, built = world(tmp_path / "data", config)
    assert {"languages", "kinds compared"} <= set(built.tables)
    build_signals(mill, SignalsConfig(families=[])).publish(mill.root)
    model = load_model(built.main.folder)
    assert list(model.by_language) == ["zh"]
    assert "0 positive" in model.card["languages"]["eo"]["note"]
    signals = read_dataset(current(mill.root, "signals"), SIGNALS)
    texts = pa.concat_tables(
        [
            pq.read_table(path)
            for path in sorted(Path(current(mill.root, "documents").folder).glob("*.parquet"))
        ]
    )["text"]
    own, general = model.by_language["zh"].score(texts), model.general.score(texts)
    expected = [
        ours if language == "zh" else theirs
        for ours, theirs, language in zip(own, general, signals["language"].to_pylist(), strict=True)
    ]
    assert signals["quality_score"].to_pylist() == expected
    assert signals["language"].to_pylist().count("zh") > 100
    assert (own != general).any()
