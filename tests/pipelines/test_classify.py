import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.classify import ClassifierConfig, _quotas, fit_classifier, load_model, training_sample
from pipelines.ids import document_id
from pipelines.schemas import DOCUMENTS
from quality.classifiers.logistic_regression import FitConfig, ModelError, QualityClassifier
from quality.language import identify
from text.words import count_words

ROLES = {"cc": "crawl", "wiki": "wikipedia", "novels": "books1", "news": "webtext"}
GOOD = ["the", "history", "of", "this", "river", "begins", "where", "its", "sources", "leave", "hills"]
BAD = ["buy", "cheap", "click", "here", "login", "cart", "price", "offer", "free", "now"]


def documents(counts: dict[str, int]) -> pa.Table:
    """That many documents of each source, in no order, every tenth one without words."""
    draw = np.random.default_rng(0)
    rows = []
    for source, n in counts.items():
        for number in range(n):
            words = draw.choice(BAD + GOOD[:4] if source == "cc" else GOOD + BAD[:3], size=30)
            text = "... !" if number % 10 == 9 else f"{' '.join(words)} {source}{number}"
            url = (
                f"https://www.site{number % 40}.example.com/{number}"
                if source == "cc"
                else f"/data/{source}#{number}"
            )
            rows.append(
                {"doc_id": document_id(source, "", url, text), "source": source, "url": url, "text": text}
            )
    draw.shuffle(rows)
    table = pa.Table.from_pylist(rows)
    n_words = count_words(table["text"])
    filled = {"n_words": n_words, "n_bytes": pc.binary_length(table["text"])}
    blank = {name: [""] * len(rows) for name in ("snapshot", "payload_digest", "media_type", "charset")}
    times = pa.nulls(len(rows), DOCUMENTS.schema.field("fetched_at").type)
    columns = {name: table[name] for name in table.column_names} | filled | blank | {"fetched_at": times}
    return pa.table({name: columns[name] for name in DOCUMENTS.schema.names}, schema=DOCUMENTS.schema)


def write(table: pa.Table, folder, shards: int, row_group: int = 50) -> list[str]:
    folder.mkdir()
    names = []
    for number in range(shards):
        part = table.take(pa.array(range(number, table.num_rows, shards), pa.int64()))
        names.append(f"shard-{number:05d}")
        pq.write_table(part, folder / f"{names[-1]}.parquet", row_group_size=row_group)
    return names


@pytest.fixture(scope="module")
def table():
    return documents({"cc": 600, "wiki": 300, "novels": 20, "news": 100})


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("documents") / "three"
    write(table, path, 3)
    return path


SHARDS = ["shard-00000", "shard-00001", "shard-00002"]


def rows_of(examples):
    columns = (examples.texts.to_pylist(), examples.sources.to_pylist(), examples.groups.to_pylist())
    return sorted(zip(*columns, strict=True), key=str)


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_sample_and_model_do_not_depend_on_the_shards(table, folder, tmp_path, shards):
    config = ClassifierConfig(max_positive=120, max_negative=150)
    names = write(table, tmp_path / "other", shards, row_group=17)
    one = training_sample(str(folder), SHARDS, ROLES, config)
    other = training_sample(str(tmp_path / "other"), names[::-1], ROLES, config)
    assert [rows_of(examples) for examples in one] == [rows_of(examples) for examples in other]
    fitted = [fit_classifier(str(folder), SHARDS, ROLES, config)]
    fitted.append(fit_classifier(str(tmp_path / "other"), names, ROLES, config))
    assert fitted[0].model.to_files() == fitted[1].model.to_files()


def test_sample_is_spread_over_roles_and_leaves_out_texts_without_words(folder):
    config = ClassifierConfig(max_positive=120, max_negative=150)
    positive, negative = training_sample(str(folder), SHARDS, ROLES, config)
    assert positive.count_by_source(np.ones(len(positive), bool)) == {"news": 51, "novels": 18, "wiki": 51}
    assert negative.count_by_source(np.ones(len(negative), bool)) == {"cc": 150}
    assert "... !" not in positive.texts.to_pylist() + negative.texts.to_pylist()


def test_all_documents_with_words_are_taken_where_they_fit(folder):
    positive, negative = training_sample(str(folder), SHARDS, ROLES, ClassifierConfig())
    assert (len(positive), len(negative)) == (270 + 18 + 90, 540)


def test_a_repeated_document_is_sampled_once(table, folder, tmp_path):
    twice = pa.concat_tables([table, table.slice(0, 400)])
    names = write(twice, tmp_path / "twice", 5)
    config = ClassifierConfig(max_positive=120, max_negative=150)
    one = training_sample(str(folder), SHARDS, ROLES, config)
    other = training_sample(str(tmp_path / "twice"), names, ROLES, config)
    assert [rows_of(examples) for examples in one] == [rows_of(examples) for examples in other]


def test_texts_sources_and_sites_belong_together(folder):
    positive, negative = training_sample(str(folder), SHARDS, ROLES, ClassifierConfig(max_negative=99))
    for text, source, group in rows_of(positive):
        assert text.split()[-1].startswith(source)
        assert group is None
    for text, source, group in rows_of(negative):
        number = int(text.split()[-1].removeprefix(source))
        assert (source, group) == ("cc", "example.com")
        assert number % 10 != 9


def test_another_seed_draws_another_sample(folder):
    samples = [
        training_sample(str(folder), SHARDS, ROLES, ClassifierConfig(max_negative=100, seed=seed))[1]
        for seed in (1, 2)
    ]
    assert rows_of(samples[0]) != rows_of(samples[1])


def test_long_texts_are_read_from_their_start(folder):
    config = ClassifierConfig(max_characters=5)
    for examples in training_sample(str(folder), SHARDS, ROLES, config):
        assert set(pc.utf8_length(examples.texts).to_pylist()) == {5}


def test_languages_are_those_of_the_whole_texts_row_for_row(table, tmp_path):
    texts = table["text"].to_pylist()
    chinese = "这条河从城北的山里流出来，走了四十里路才到海边，名字叫做"
    mixed = [f"Log 9 {chinese}。{row}" if row % 3 else text for row, text in enumerate(texts)]
    place = table.schema.get_field_index("text")
    changed = table.set_column(place, table.schema.field("text"), pa.array(mixed))
    names = write(changed, tmp_path / "documents", 3, row_group=17)
    # The first five characters are English.
    config = ClassifierConfig(max_characters=5, per_language=["zh"])
    language_of = dict(zip(mixed, identify(mixed)["language"].to_pylist(), strict=True))
    url_of = dict(zip(changed["url"].to_pylist(), mixed, strict=True))
    for examples in training_sample(str(tmp_path / "documents"), names, ROLES, config):
        whole = [url_of[url] for url in examples.urls.to_pylist()]
        assert [text[:5] for text in whole] == examples.texts.to_pylist()
        assert [language_of[text] for text in whole] == examples.languages.to_pylist()
        assert 5 < examples.languages.to_pylist().count("zh") < len(examples)


def test_languages_are_not_looked_for_unless_they_matter(folder):
    for examples in training_sample(str(folder), SHARDS, ROLES, ClassifierConfig(max_negative=50)):
        assert examples.languages is None


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 50), min_size=1), st.integers(1, 120))
def test_quotas_are_even_and_use_what_there_is(available, total):
    quotas = _quotas(available, total)
    assert sum(quotas.values()) == min(total, sum(available.values()))
    assert all(quotas[role] <= n for role, n in available.items())
    largest = max(quotas.values())
    assert all(quota >= largest - 1 or quota == available[role] for role, quota in quotas.items())


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (dict.fromkeys(ROLES, "crawl"), r"found roles \['crawl'\]"),
        (dict.fromkeys(ROLES, "other"), r"found roles \['other'\]"),
        ({"cc": "crawl", "wiki": "wikipedia"}, r"sources \['n\w+', 'n\w+'\] have no role"),
    ],
    ids=["crawl alone", "curated alone", "unknown sources"],
)
def test_unusable_sources_are_refused(folder, roles, message):
    with pytest.raises(ValueError, match=message):
        training_sample(str(folder), SHARDS, roles, ClassifierConfig())


def test_a_dataset_without_shards_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no shards"):
        training_sample(str(tmp_path), [], ROLES, ClassifierConfig())


def test_absent_model_names_the_file(tmp_path):
    with pytest.raises(ModelError, match=r"weights\.safetensors: no such file; run the asset"):
        load_model(str(tmp_path))


def test_real_prose_is_told_from_real_crawl_pages(real_data):
    """Held-out site by site: Wikipedia articles and news against pages of Common Crawl 2008."""
    from zipfile import ZipFile

    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    with gzip.open(real_data / "curated" / "llamafactory_wiki_demo.txt.gz", "rt") as lines:
        positive = [line for line in lines if line.strip()]
    with ZipFile(real_data / "curated" / "nltk_abc.zip") as archive:
        lines = archive.read("abc/rural.txt").decode("latin-1").split("\n")
        positive += ["\n".join(lines[first : first + 6]) for first in range(0, 1200, 6)]
    with gzip.open(real_data / "curated" / "c4_en_300.jsonl.gz", "rt") as rows:
        positive += [json.loads(row)["text"] for row in rows][:100]
    negative = []
    with (real_data / "crawl" / "commoncrawl_2008_multidomain.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            body = record.reader.read()
            negative.append(extract_plain_text(bytes_to_str(body, detect_encoding(body)), main_content=True))
    positive, negative = ([text for text in texts if text.strip()] for texts in (positive, negative))
    model = QualityClassifier(FitConfig(held_out_share=0.3)).fit(pa.array(positive), pa.array(negative))
    assert model.card["held_out"]["roc_auc"] > 0.9
