"""The signals dataset: its columns by config, each what its own module measures, and what makes it run again."""

import pickle

import pyarrow.parquet as pq
import pytest

from pipelines.engine.dataset import read_shard
from pipelines.engine.runner import StageError, Task, run_locally
from pipelines.schemas import DOCUMENTS, SIGNALS, SchemaError
from pipelines.signals import SignalsConfig, SignalsStage, ToxicityMeasure, signals_schema
from quality import machine_written, pii
from quality.catalogue import SIGNALS as MEASURES
from quality.classifiers.logistic_regression import FitConfig, QualityClassifier
from quality.language import identify, mixed
from quality.language_models.ngram_model import NgramModel
from quality.perplexity import PerplexityModels
from quality.rule_sets import RULE_SETS
from quality.rules import rules_of
from quality.signals import compute
from tests.pipelines.tables import filled

TEXTS = [
    "The history of this river begins where its sources leave the hills and run to the sea.",
    "Buy cheap shoes! Click here.\nBuy cheap shoes! Click here.\nMail awful@shop.com or call +1 212-555-0123.",
    "这条河从城北的山里流出来，走了四十里路才到海边。手机13812345678",
    "",
]
SHARDS = ["shard-00000", "shard-00001"]


def fitted(folder):
    """A classifier of four texts."""
    model = QualityClassifier(FitConfig(held_out_share=0)).fit(TEXTS[:1] * 2, TEXTS[1:2] * 2)
    model.save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folders of documents and of a model, and files of lists."""
    root = tmp_path_factory.mktemp("signals")
    (root / "documents").mkdir()
    for number, shard in enumerate(SHARDS):
        ids = [f"{number}{row}" for row in range(len(TEXTS))]
        table = filled(DOCUMENTS, {"doc_id": ids, "text": TEXTS[number:] + TEXTS[:number]})
        pq.write_table(table, root / "documents" / f"{shard}.parquet", row_group_size=3)
    (root / "en").write_text("awful\nbuy cheap\n")
    fitted(root / "model")
    return root


@pytest.fixture
def everything(world):
    """A config with all that can be measured."""
    return SignalsConfig(
        families=["gopher", "gopher_datatrove", "c4", "c4_datatrove", "fineweb"],
        second_language=True,
        personal_data=["email", "zh_mobile"],
        word_lists=[str(world / "en")],
        allowed_words=["buy cheap"],
        toxicity=ToxicityMeasure(scorer="listed_words", word_lists=[str(world / "en")]),
        machine_written=str(world / "model"),
    )


def measured(world, config, folder):
    stage = SignalsStage.of(str(world / "documents"), str(world / "model"), config)
    stage = pickle.loads(pickle.dumps(stage))
    assert run_locally(stage, [Task(shard, {}) for shard in SHARDS], str(folder)) == {"records": 8}
    schema = signals_schema(config)
    return [read_shard(str(folder / "signals"), shard, schema) for shard in SHARDS]


def test_every_column_is_what_its_module_measures(world, everything, tmp_path):
    model = QualityClassifier.load(world / "model")
    for shard, table in zip(SHARDS, measured(world, everything, tmp_path), strict=True):
        documents = pq.read_table(world / "documents" / f"{shard}.parquet")
        texts, languages = documents["text"], identify(documents["text"])
        assert table["doc_id"].equals(documents["doc_id"])
        assert table["language"].to_pylist() == languages["language"].to_pylist()
        assert table["quality_score"].to_pylist() == model.score(texts).tolist()
        others = (
            compute(texts, languages["language"]),
            mixed(texts, languages["language"]),
            machine_written.signals(model, texts),
            pii.counts(pii.find(texts), len(texts)).select(["pii_email_v1", "pii_zh_mobile_v1"]),
        )
        for batch in others:
            for name in batch.schema.names:
                assert table[name].to_pylist() == batch[name].to_pylist(), name
        row = texts.to_pylist().index(TEXTS[1])
        assert table["listed_words_v1"][row].as_py() == 1  # "buy cheap" is allowed
        assert table["listed_word"][row].as_py() == "awful"
        assert table["toxicity"][row].as_py() > table["listed_words_share_v1"][row].as_py() > 0
        assert table["pii_email_v1"][row].as_py() == 1
    assert measured(world, everything, tmp_path / "again")[0].column_names == table.column_names


@pytest.mark.parametrize(
    ("config", "further"),
    [
        ({"families": []}, set()),
        ({"families": ["fineweb"]}, {s.name for s in MEASURES if "fineweb" in s.name} | {"text_lines_v1"}),
        ({"families": [], "second_language": True}, {"second_language", "second_language_share"}),
        ({"families": [], "personal_data": ["ip"]}, {"pii_ip_v1"}),
    ],
    ids=["nothing", "a family", "second language", "a kind of personal data"],
)
def test_columns_depend_on_the_config(config, further):
    schema = signals_schema(SignalsConfig(**config))
    assert schema.schema.names[:4] == SIGNALS.schema.names
    assert set(schema.schema.names[4:]) == further


def test_each_measure_is_in_one_family():
    families = ("gopher", "gopher_datatrove", "c4", "c4_datatrove", "fineweb")
    parts = [signals_schema(SignalsConfig(families=[family])).schema.names[4:] for family in families]
    assert sorted(name for part in parts for name in part) == sorted(signal.name for signal in MEASURES)


def test_the_default_measures_what_the_recommended_rules_ask():
    names = set(signals_schema(SignalsConfig()).schema.names)
    for name, rule_set in RULE_SETS.items():
        if "datatrove" not in name:
            assert {rule.signal for rule in rules_of(rule_set)} <= names


def test_readers_of_the_four_columns_take_any_signals(world, everything, tmp_path):
    measured(world, everything, tmp_path)
    folder = str(tmp_path / "signals")
    assert read_shard(folder, SHARDS[0], SIGNALS, ["language"]).column_names == ["language"]
    with pytest.raises(SchemaError, match="has unknown"):
        read_shard(folder, SHARDS[0], signals_schema(SignalsConfig()))
    path = tmp_path / "signals" / f"{SHARDS[0]}.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["language"]), path)
    with pytest.raises(SchemaError, match=r"lacks columns \['language'\]"):
        read_shard(folder, SHARDS[0], SIGNALS, ["doc_id"])


def test_memory_stays_flat_in_row_groups(world, tmp_path):
    measured(world, SignalsConfig(), tmp_path)
    file = pq.ParquetFile(tmp_path / "signals" / f"{SHARDS[0]}.parquet")
    assert file.num_row_groups == 2


def test_the_fingerprint_follows_models_lists_and_config(world, everything, tmp_path, monkeypatch):
    def fingerprint(config, model="model"):
        return SignalsStage.of(str(world / "documents"), str(world / model), config).fingerprint()

    one = fingerprint(everything)
    assert fingerprint(everything) == one
    seen = {one, fingerprint(SignalsConfig()), fingerprint(SignalsConfig(families=["c4"]))}
    before = (world / "en").read_text()
    (world / "en").write_text("awful\nworse\n")
    seen.add(fingerprint(everything))
    (world / "en").write_text(before)
    other = QualityClassifier(FitConfig(held_out_share=0)).fit(TEXTS[1:2] * 2, TEXTS[:1] * 2)
    other.save(world / "other")
    seen.add(fingerprint(everything, "other"))
    monkeypatch.setattr("quality.language.model_digest", lambda: "another")
    seen.add(fingerprint(everything))
    assert len(seen) == 6


def test_perplexity_is_that_of_the_models_in_their_folder(world, tmp_path):
    english = NgramModel.fit([TEXTS[0], TEXTS[1]])
    models = PerplexityModels({"en": english}, {"en": {"cuts": [20.0, 30.0]}})
    models.save(tmp_path / "models")
    config = SignalsConfig(families=[], perplexity=True)
    stage = SignalsStage.of(str(world / "documents"), str(world / "model"), config, str(tmp_path / "models"))
    run_locally(pickle.loads(pickle.dumps(stage)), [Task(SHARDS[0], {})], str(tmp_path))
    table = read_shard(str(tmp_path / "signals"), SHARDS[0], signals_schema(config))
    expected = models.signals(TEXTS, table["language"])
    for name in expected.schema.names:
        assert table[name].to_pylist() == expected[name].to_pylist()
    assert [figure is None for figure in expected["perplexity"].to_pylist()] == [False, False, True, True]
    again = PerplexityModels({"en": english}, {"en": {"cuts": [20.0, 31.0]}})
    again.save(tmp_path / "models")
    later = SignalsStage.of(str(world / "documents"), str(world / "model"), config, str(tmp_path / "models"))
    assert later.fingerprint() != stage.fingerprint()
    without = [
        SignalsStage.of(str(world / "documents"), str(world / "model"), None, f) for f in ("", "/absent")
    ]
    assert without[0].fingerprint() == without[1].fingerprint()


def test_a_model_that_is_not_the_planned_one_stops_the_stage(world, tmp_path):
    stage = SignalsStage(
        str(world / "documents"), str(world / "model"), "planned before", "x", SignalsConfig(), ""
    )
    with pytest.raises(StageError, match="planned was planned before; run it again"):
        run_locally(stage, [Task(SHARDS[0], {})], str(tmp_path))


def test_row_order_and_sharding_change_no_signal(world, tmp_path):
    tables = measured(world, SignalsConfig(), tmp_path)
    first, second = ([tuple(row.values())[1:] for row in table.to_pylist()] for table in tables)
    assert first == second[-1:] + second[:-1]
