"""Language models of a documents dataset: what they are trained and cut on, and the rule that reads their figures."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.build.scoring import build_perplexity_model
from pipelines.engine.dataset import publish
from pipelines.engine.mill import Mill
from pipelines.perplexity import PerplexityConfig, fit_models, load_models, model_rows
from pipelines.perplexity_rule import PerplexityLimit, PerplexityRule, hold
from pipelines.perplexity_sample import draw
from pipelines.schemas import DOCUMENTS
from quality import language
from quality.language_models.ngram_model import NgramConfig, NgramModel, NgramModelError
from quality.perplexity import cuts_of
from tests.pipelines.tables import filled, write_version
from text.hashing import uniform
from text.words import count_words

ROLES = {"cc": "crawl", "wiki": "wikipedia", "novels": "books1", "news": "webtext"}
SHARDS = ["shard-00000", "shard-00001", "shard-00002"]
EN = [
    "The river rises in the hills north of the town",
    "It runs for forty miles to the sea",
    "Its banks were settled long ago",
    "Mills were built there to grind the corn",
    "In winter it floods the lower meadows",
    "Children skate there when frost comes",
    "By May those fields are grazed again",
    "Salmon return each autumn to the upper reaches",
]
ZH = [
    "这条河从城北的山里流出来",
    "走了四十里路才到海边",
    "两岸很早就有人居住",
    "他们修了水车和堤坝",
    "冬天河水淹没低处的草地",
    "孩子们在冰上玩耍",
    "到了五月牛羊又回到那片田野",
    "每年秋天都有鱼游回上游",
]
CONFIG = PerplexityConfig(mode="fit", min_words=200, min_crawl_documents=20, held_out_share=0.4)


def prose(draws, sentences, n):
    return " ".join(f"{sentence}." for sentence in draws.choice(sentences, size=n))


@pytest.fixture(scope="module")
def table():
    """Documents of each source, English but for every third one, some without words, in no order."""
    draws = np.random.default_rng(0)
    rows = []
    for source, n in {"cc": 120, "wiki": 60, "novels": 6, "news": 30}.items():
        for number in range(n):
            text = prose(draws, ZH if number % 3 == 0 else EN, 30 if source == "novels" else 4)
            rows.append((f"{source}{number}", source, "... !" if number % 10 == 9 else text))
    draws.shuffle(rows)
    ids, sources, texts = (list(column) for column in zip(*rows, strict=True))
    n_words = count_words(texts).tolist()
    return filled(DOCUMENTS, {"doc_id": ids, "source": sources, "text": texts, "n_words": n_words})


def write(table, folder, shards=3):
    folder.mkdir()
    names = []
    for number in range(shards):
        part = table.take(pa.array(range(number, table.num_rows, shards), pa.int64()))
        names.append(f"shard-{number:05d}")
        pq.write_table(part, folder / f"{names[-1]}.parquet", row_group_size=20)
    return names


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("documents") / "three"
    write(table, path)
    return str(path)


@pytest.fixture(scope="module")
def models(folder):
    return fit_models(folder, SHARDS, ROLES, CONFIG)


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_models_do_not_depend_on_the_shards(table, models, tmp_path, shards):
    again = fit_models(str(tmp_path / "d"), write(table, tmp_path / "d", shards), ROLES, CONFIG)
    assert again.to_files() == models.to_files()


def test_each_model_is_fitted_held_out_and_cut_as_told(table, models):
    spoken = language.identify(table["text"])["language"]
    crawled = np.asarray(pc.equal(table["source"], "cc"))
    held = uniform(table["doc_id"], CONFIG.seed, "perplexity held out") < CONFIG.held_out_share
    n_words = table["n_words"].to_numpy()
    assert sorted(models.models) == ["en", "zh"]
    for name, model in models.models.items():
        own = np.asarray(pc.equal(spoken, name)) & (n_words > 0)
        facts = models.facts[name]
        expected = NgramModel.fit(table["text"].filter(pa.array(own & ~crawled & ~held)), CONFIG.ngrams)
        assert model.digest == expected.digest
        assert facts["held_out"]["documents"] == (own & ~crawled & held).sum() > 0
        told = expected.word_logs(table["text"].filter(pa.array(own & ~crawled & held)))
        assert facts["held_out"]["perplexity"] == pytest.approx(10 ** -np.mean(told.logs, dtype=np.float64))
        crawl = expected.perplexity(table["text"].filter(pa.array(own & crawled)))
        assert facts["crawl_documents"] == len(crawl)
        assert facts["cuts"] == pytest.approx(cuts_of(crawl))
        by_source = {source: told["words"] for source, told in facts["sources"].items()}
        assert by_source == {
            source: n_words[own & ~held & np.asarray(pc.equal(table["source"], source))].sum()
            for source in ("wiki", "novels", "news")
        }
    assert [row[0] for row in model_rows(models.card["languages"])] == ["language", "en", "zh"]


@pytest.mark.parametrize(
    ("settings", "languages", "sources"),
    [
        pytest.param({"roles": ["books1"]}, ["en", "zh"], ["novels"], id="one role"),
        pytest.param(
            {"roles": ["wikipedia", "webtext"], "min_words": 1500}, ["en"], ["news", "wiki"], id="enough"
        ),
        pytest.param({"max_words": 500}, ["en", "zh"], ["news", "novels", "wiki"], id="fewer words"),
    ],
)
def test_roles_and_budgets(folder, settings, languages, sources):
    found = fit_models(folder, SHARDS, ROLES, CONFIG.model_copy(update={"held_out_share": 0.0} | settings))
    assert sorted(found.models) == languages
    assert sorted(found.facts["en"]["sources"]) == sources
    assert found.facts["en"]["held_out"] is None
    if "max_words" in settings:
        # The last document that begins before the limit is taken whole.
        assert 500 <= found.models["en"].card["words"] < 500 + 300


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"roles": ["books2"]},
            r"roles: no curated source has the roles \['books2'\]; the sources have \['books1'",
        ),
        ({"roles": ["crawl"]}, r"no curated source has the roles \['crawl'\]"),
        ({"min_words": 10**6}, r"no language has 1,000,000 words of curated text \(found: en "),
    ],
)
def test_nothing_to_train_on_is_told(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        fit_models(folder, SHARDS, ROLES, CONFIG.model_copy(update=settings))


def test_too_little_crawl_gives_no_cuts(folder):
    found = fit_models(folder, SHARDS, ROLES, CONFIG.model_copy(update={"min_crawl_documents": 50}))
    assert [facts["cuts"] is None for facts in found.facts.values()] == [False, True]
    assert "-" in model_rows(found.card["languages"])[2]


def test_models_in_a_folder(models, tmp_path):
    models.save(tmp_path)
    assert load_models(str(tmp_path)).digest == models.digest
    with pytest.raises(NgramModelError, match=r"set ops\.perplexity_model\.config\.mode to 'fit' and run"):
        load_models(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("unit", "limit", "sizes"),
    [("documents", 5, 5), ("words", 100, 4), ("words", 10**9, 54), ("documents", 0, 0)],
    ids=["documents", "words", "all that have words", "none"],
)
def test_the_smallest_draws_are_taken(table, folder, unit, limit, sizes):
    sample = draw(folder, SHARDS, {"wiki": limit}, unit, 1000, 1)
    wiki = table.filter(pc.and_(pc.equal(table["source"], "wiki"), pc.greater(table["n_words"], 0)))
    ranked = wiki.take(pa.array(np.argsort(uniform(wiki["doc_id"], 1, "perplexity sample"))))
    assert len(sample.texts) == sizes
    assert sample.rows["doc_id"].to_pylist() == ranked["doc_id"].to_pylist()[:sizes]
    assert sample.texts.to_pylist() == ranked["text"].to_pylist()[:sizes]


def test_texts_are_read_to_a_limit_and_an_id_once(table, tmp_path):
    names = write(pa.concat_tables([table, table]), tmp_path / "twice")
    sample = draw(str(tmp_path / "twice"), names, {"novels": 10**9}, "words", 50, 1)
    assert len(set(sample.rows["doc_id"].to_pylist())) == len(sample.texts) == 6
    assert max(map(len, sample.texts.to_pylist())) == 50
    assert max(sample.rows["n_words"].to_pylist()) == 50


def measured(rows):
    spoken, figures, buckets = zip(*rows, strict=True)
    return pa.table(
        {
            "language": pa.array(spoken, pa.string()),
            "perplexity": pa.array(figures, pa.float32()),
            "perplexity_bucket": pa.array(buckets, pa.string()),
        }
    )


ROWS = [
    ("en", 10.5, "head"),
    ("en", 200.25, "middle"),
    ("en", 3000.0, "tail"),
    ("zh", 50.2, None),
    ("zh", 5000.0, "tail"),
    ("fr", None, None),
    (None, None, None),
]


@pytest.mark.parametrize(
    ("rule", "failed"),
    [
        pytest.param({}, [2, 4], id="the tail goes"),
        pytest.param({"worst_bucket": "head"}, [1, 2, 4], id="the head alone stays"),
        pytest.param({"worst_bucket": "tail"}, [], id="nothing goes"),
        pytest.param({"by_language": [("zh", 50.0)]}, [2, 3, 4], id="a limit in place of a bucket"),
        pytest.param({"by_language": [("zh", 6000.0)]}, [2], id="a limit above the bucket"),
        pytest.param({"by_language": [("zh", 50.2)]}, [2, 4], id="what is at the limit stays"),
        pytest.param({"by_language": [("en", 20.0), ("en", 1.0)]}, [1, 2, 4], id="the first limit holds"),
        pytest.param({"by_language": [("fr", 1.0)]}, [2, 4], id="nothing measured never goes"),
    ],
)
def test_the_rule(rule, failed):
    limits = [PerplexityLimit(languages=[name], most=most) for name, most in rule.get("by_language", [])]
    held = hold(measured(ROWS), PerplexityRule(**{**rule, "by_language": limits}))
    assert np.flatnonzero(held.failed).tolist() == failed
    assert held.evidence.to_pylist()[:4] == ["en, head", "en, middle", "en, tail", "zh, -"]
    given = dict(reversed(rule.get("by_language", [])))
    assert [None if np.isnan(x) else x for x in held.limits] == [given.get(row[0]) for row in ROWS]


def test_the_models_config_is_told_in_the_card(models):
    card = json.loads(models.to_files()["perplexity.json"])
    assert card["languages"]["en"]["model"]["config"] == NgramConfig().model_dump()


def no_spark():
    raise AssertionError("the language models need no Spark")


def test_the_step_reads_nothing_when_it_is_off(tmp_path):
    mill = Mill(str(tmp_path), no_spark)
    built = build_perplexity_model(mill, PerplexityConfig()).publish(str(tmp_path))
    assert (built.main.rows, built.main.manifest["inputs"], built.metadata) == (0, {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["perplexity_model"]
    assert build_perplexity_model(mill, PerplexityConfig(seed=5)).main.version == built.main.version
    with pytest.raises(NgramModelError, match=r"set ops\.perplexity_model\.config\.mode to 'fit'"):
        load_models(built.main.folder)


def test_the_step_makes_models_that_signals_read(table, models, tmp_path):
    documents = write_version(tmp_path, DOCUMENTS, [table.slice(0, 100), table.slice(100)])
    documents.manifest["details"] = {"roles": ROLES}
    documents.manifest["inputs"] = {}
    Path(documents.folder, "_manifest.json").write_text(json.dumps(documents.manifest))
    publish(str(tmp_path), documents)
    built = build_perplexity_model(Mill(str(tmp_path), no_spark), CONFIG)
    assert load_models(built.main.folder).digest == models.digest
    assert built.main.manifest["inputs"] == {"documents": "v-test"}
    assert built.tables["languages"] == model_rows(models.card["languages"])
    assert set(built.metadata) == {"held-out perplexity, en", "held-out perplexity, zh"}
