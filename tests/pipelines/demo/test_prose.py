"""Curated prose and a benchmark from the environment, through the readers that will read them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.decontamination.benchmarks import BenchmarkConfig, read_benchmark
from pipelines.demo.prose import _plain, build_demo_sources
from pipelines.demo.questions import build_demo_benchmarks
from pipelines.engine.runner import run_locally
from pipelines.sources.config import SourceConfig
from pipelines.sources.stage import SourceDocumentsStage, source_tasks


class Built:
    """The demo's sources, as files and as documents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources: list[SourceConfig] = build_demo_sources(str(folder / "in"))
        self.counts = run_locally(SourceDocumentsStage(), source_tasks(self.sources), str(folder / "out"))
        shards = sorted(folder.glob("out/documents/*.parquet"))
        self.documents: pa.Table = pa.concat_tables(pq.read_table(path) for path in shards)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("prose"))


def test_every_curated_role_has_text(built: Built) -> None:
    assert [source.role for source in built.sources] == ["webtext", "books1", "books2", "wikipedia"]
    rows = built.documents.to_pylist()
    for source in built.sources:
        assert sum(row["n_bytes"] for row in rows if row["source"] == source.name) > 100_000
    assert 1_500_000 < sum(row["n_bytes"] for row in rows) < 5_000_000


def test_every_row_is_a_document(built: Built) -> None:
    assert not (built.folder / "out" / "dead_letters").exists()
    texts = built.documents.column("text").to_pylist()
    assert len(set(texts)) == len(texts) == built.counts["records"]


def test_finished_sources_are_not_written_again(built: Built) -> None:
    before = source_tasks(built.sources)
    assert build_demo_sources(str(built.folder / "in")) == built.sources
    assert source_tasks(built.sources) == before


def test_same_text_on_every_build(built: Built, tmp_path: Path) -> None:
    again = build_demo_sources(str(tmp_path))
    for one, other in zip(built.sources, again, strict=True):
        assert Path(one.files[0]).read_bytes() == Path(other.files[0]).read_bytes()


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        pytest.param("# T\n[![badge](a.svg)](b)\n\ntext", "# T\n\ntext", id="badge"),
        pytest.param(
            "<p align=center>x</p> [a](http://b) [c][d]\n[d]: http://e", "x a c", id="tags-and-links"
        ),
        pytest.param(
            ".. image:: a.svg\n   :target: b\n\nT\n=\n|Build| |Docs|_\nx", "T\n=\n\nx", id="rst-badges"
        ),
        pytest.param("see `the docs <https://a.b>`_ and `c <d>`__", "see the docs and c", id="rst-links"),
        pytest.param(".. |V| image:: a\n.. _x: http://y\nz", "z", id="rst-targets"),
        pytest.param("a | b | c\n``x < y``", "a | b | c\n``x < y``", id="bars-and-signs-stay"),
    ],
)
def test_description_without_markup(markup: str, expected: str) -> None:
    assert "\n".join(line.strip() for line in _plain(markup).split("\n")) == expected


def test_benchmark_items_are_long_enough_to_be_found(tmp_path: Path) -> None:
    (config,) = build_demo_benchmarks(str(tmp_path))
    assert isinstance(config, BenchmarkConfig)
    (file,) = read_benchmark(config)
    lengths = [len(part.split()) for item in file.texts for part in item]
    assert len(lengths) >= 50
    assert min(lengths) >= 20
    assert max(lengths) <= 60
    before = Path(config.files[0]).stat().st_mtime_ns
    build_demo_benchmarks(str(tmp_path))
    assert Path(config.files[0]).stat().st_mtime_ns == before
