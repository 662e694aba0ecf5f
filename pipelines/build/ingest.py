"""crawl + curated → documents: the files that the run config names, or the embedded demo where it names none."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.build.built import Built, Check, not_empty
from pipelines.crawl.commoncrawl import CommonCrawlConfig, snapshot_files
from pipelines.crawl.config import CrawlConfig
from pipelines.crawl.documents import CrawlDocumentsStage
from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import InputFile, resolve_inputs
from pipelines.crawl.split import plan_shards
from pipelines.demo.config import DemoConfig
from pipelines.demo.crawl import build_demo_crawl
from pipelines.demo.prose import build_demo_sources
from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, current, read_shard
from pipelines.engine.mill import Mill
from pipelines.engine.runner import ShardOutput, Stage, Task, run_stage
from pipelines.schemas import DOCUMENTS, DatasetSchema
from pipelines.sources.config import SourceConfig
from pipelines.sources.files import source_files
from pipelines.sources.stage import SourceDocumentsStage, source_tasks

CRAWL_ROLE = "crawl"


class InputsError(ValueError):
    """The run config names no usable input."""


class CrawlInputsConfig(BaseModel):
    """The crawl: WARC or WET files. Where neither files nor common_crawl is given, the embedded demo is crawled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("crawl", description="name of the source", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    files: list[str] = Field(
        [],
        description="paths or globs, http(s):// or s3:// addresses, lists of them (@file, *.paths, *.paths.gz)",
    )
    common_crawl: list[CommonCrawlConfig] = Field(
        [], description="snapshots of Common Crawl to read files of"
    )
    http: HttpConfig = Field(HttpConfig(), description="how addresses are fetched")
    demo: DemoConfig = Field(DemoConfig(), description="the embedded demo")


class CuratedConfig(BaseModel):
    """The curated sources, one entry each. The embedded demo brings its own where none is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: list[SourceConfig] = Field([], description="the curated sources")


class DocumentsConfig(BaseModel):
    """How raw records become documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crawl: CrawlConfig = Field(CrawlConfig(), description="extraction and limits of crawled records")
    shard_mib: float = Field(
        32, description="size of a shard's input as stored, MiB; a large WARC is split", gt=0
    )
    max_dead_share: float = Field(
        0.05,
        description="share of the records that may be dead letters before the run fails, 0..1",
        ge=0,
        le=1,
    )


@dataclass(frozen=True)
class DocumentsStage(Stage):
    """Documents of crawled records and of curated files, by what a task's payload holds."""

    name: ClassVar[str] = "documents"
    version: ClassVar[int] = 1

    crawl: CrawlDocumentsStage
    curated: SourceDocumentsStage

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The documents dataset."""
        return (DOCUMENTS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Read the records of one shard."""
        (self.curated if "files" in task.payload else self.crawl).process(task, out)


def build_crawl(mill: Mill, config: CrawlInputsConfig) -> Built:
    """List the crawl's files; crawl the embedded demo first where the config names none."""
    is_demo = not config.files and not config.common_crawl
    if is_demo:
        _needs_local_root(mill)
        patterns = build_demo_crawl(mill.path("demo"), config.demo)
    else:
        patterns = list(config.files)
        for snapshot in config.common_crawl:
            patterns += snapshot_files(snapshot, config.http)
    files = resolve_inputs(patterns, config.http)
    listed = [[file.url, file.size] for file in files]
    details = {
        "name": config.name,
        "files": listed,
        "is_demo": is_demo,
        "http": config.http.model_dump(mode="json"),
    }
    key = {**details, "modified": [_modified(file.url) for file in files]}
    version = build_artifact(mill.root, "crawl", key, lambda _: details)
    size = sum(file.size or 0 for file in files)
    return Built((version,), metadata={"files": len(files), "bytes": size, "demo": is_demo})


def build_curated(mill: Mill, config: CuratedConfig) -> Built:
    """List the curated sources' files; for the demo, write what the environment holds."""
    crawl = current(mill.root, "crawl").manifest["details"]
    sources = list(config.sources)
    if not sources:
        if not crawl["is_demo"]:
            raise InputsError(
                "ops.curated.config.sources: names no source, but the quality classifier learns from curated text; "
                "add at least one (name, role, format, files)"
            )
        _needs_local_root(mill)
        sources = build_demo_sources(mill.path("demo"))
    _check_names([crawl["name"], *(source.name for source in sources)])
    listed = {
        source.name: [[file.path, file.size, _modified(file.path)] for file in source_files(source)]
        for source in sources
    }
    details = {"sources": [source.model_dump(mode="json") for source in sources]}
    version = build_artifact(mill.root, "curated", {**details, "files": listed}, lambda _: details)
    metadata = {source.name: f"{source.role}, {len(listed[source.name])} files" for source in sources}
    return Built((version,), metadata=metadata)


def build_documents(mill: Mill, config: DocumentsConfig) -> Built:
    """Read the crawl's records and the curated files to documents."""
    crawl, curated = current(mill.root, "crawl"), current(mill.root, "curated")
    listing = crawl.manifest["details"]
    sources = [SourceConfig.model_validate(source) for source in curated.manifest["details"]["sources"]]
    files = [InputFile(url, size) for url, size in listing["files"]]
    http = HttpConfig.model_validate(listing["http"])
    crawled = [
        Task(f"shard-{number:05d}", payload)
        for number, payload in enumerate(plan_shards(files, int(config.shard_mib * 2**20), http))
    ]
    tasks = [*crawled, *source_tasks(sources, len(crawled), config.shard_mib)]
    stage = DocumentsStage(CrawlDocumentsStage(listing["name"], config.crawl, http), SourceDocumentsStage())
    version = run_stage(
        mill.spark,
        mill.root,
        stage,
        tasks,
        [crawl, curated],
        config.max_dead_share,
        _details(listing, sources),
    )["documents"]
    return Built((version,), DOCUMENTS, (not_empty(version), _every_source(version)))


def _every_source(version: DatasetVersion) -> Check:
    """A source that gives nothing would silently leave its share of the mixture to the others."""
    found: set[str] = set()
    for shard in version.shards:
        sources = read_shard(version.folder, shard, DOCUMENTS, ["source"])["source"]
        found.update(pc.unique(sources).to_pylist())
    silent = sorted(set(version.manifest["details"]["roles"]) - found)
    detail = f"{len(found)} sources have documents"
    if silent:
        detail = (
            f"no documents from {', '.join(silent)}; see the dead letters and the source's format and field"
        )
    return Check("every_source_has_documents", not silent, detail)


def _details(listing: dict[str, Any], sources: list[SourceConfig]) -> dict[str, Any]:
    inputs = {listing["name"]: [url for url, _ in listing["files"]]}
    inputs |= {source.name: source.files for source in sources}
    return {
        "roles": {listing["name"]: CRAWL_ROLE} | {source.name: source.role for source in sources},
        "inputs": inputs,
        "is_demo": listing["is_demo"],
    }


def _modified(path: str) -> float:
    return 0.0 if path.startswith(("http://", "https://")) else storage.modified(path)


def _check_names(names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputsError(
            f"ops.curated.config.sources: the name '{repeated[0]}' is used twice; every source needs its own"
        )


def _needs_local_root(mill: Mill) -> None:
    if storage.is_remote(mill.root):
        raise InputsError(
            f"the embedded demo needs a local data root, not {mill.root}; name your own inputs in "
            "ops.crawl.config.files and ops.curated.config.sources, or set GRISTMILL_DATA to a folder"
        )
