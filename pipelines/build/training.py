"""Where a training works and how its outcome becomes a version: one folder, renamed when it is whole.

<root>/_training/<name>/v-<fingerprint>/   the run's folder: config.json, process.log, metrics.jsonl, checkpoints/, …
<root>/<name>/v-<fingerprint>/             the same folder when the training has ended well, without checkpoints

The fingerprint is made of the asset's config and the versions of its inputs, so the same command finds the folder
again after a crash and goes on in it, and finds the version when it is finished.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engine import storage
from pipelines.engine.dataset import MANIFEST, DatasetVersion, close_version, dataset_folder, open_version
from pipelines.engine.provenance import code_commit
from pipelines.engine.stage import digest
from pipelines.mixing import tokenizer

WORK = "_training"
CHECKPOINTS = "checkpoints"
CONFIG_FILE = "config.json"
LOG_FILE = "process.log"
METRICS_FILE = "metrics.jsonl"
SAMPLES_FILE = "samples.jsonl"
SUMMARY_FILE = "summary.json"


class TrainingError(RuntimeError):
    """A training cannot start, or has ended without what it should have left."""


@dataclass(frozen=True)
class TrainingRun:
    """One training: what it is made of, and where it works until it is finished."""

    root: str
    name: str
    key: Mapping[str, Any]
    inputs: Mapping[str, DatasetVersion]

    @property
    def upstream(self) -> dict[str, str]:
        """Versions of the inputs by name."""
        return {name: version.version for name, version in self.inputs.items()}

    @property
    def fingerprint(self) -> str:
        """Digest of everything that the result depends on."""
        return digest({"training": self.name, "key": dict(self.key), "inputs": self.upstream})

    @property
    def version(self) -> str:
        """Name of the version's folder."""
        return f"v-{self.fingerprint[:16]}"

    @property
    def work(self) -> Path:
        """Folder in which the training runs and is resumed."""
        return Path(self.root) / WORK / self.name / self.version

    def finished(self) -> DatasetVersion | None:
        """The version, if the training has been finished before."""
        return open_version(self.root, self.name, self.version)

    def prepare(self, config: str) -> None:
        """Make the work folder and write the config into it."""
        self.work.mkdir(parents=True, exist_ok=True)
        storage.write_bytes(str(self.work / CONFIG_FILE), config.encode())

    def close(self, seconds: float) -> DatasetVersion:
        """Turn the work folder into the version, in one rename; TrainingError where it holds no summary.

        `seconds` is what this sitting took; the summary tells of earlier ones.
        """
        summary = read_summary(self.work)
        close_version(
            str(self.work),
            {
                "dataset": self.name,
                "version": self.version,
                "fingerprint": self.fingerprint,
                "config": dict(self.key),
                "code_commit": code_commit(),
                "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "inputs": self.upstream,
                "rows": 0,
                "bytes": 0,
                "dead_letters": 0,
                "counts": {},
                "row_hash": "",
                "seconds": round(seconds, 3),
                "shards": [],
                "details": {"summary": summary},
            },
        )
        target = Path(dataset_folder(self.root, self.name)) / self.version
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # without a manifest, or it would have been found
            shutil.rmtree(target)
        self.work.rename(target)
        return clean(DatasetVersion(str(target), json.loads((target / MANIFEST).read_bytes())))


def clean(version: DatasetVersion) -> DatasetVersion:
    """Remove the checkpoints of a finished training: the exported model is what is kept of it."""
    shutil.rmtree(Path(version.folder) / CHECKPOINTS, ignore_errors=True)
    return version


def read_summary(folder: Path) -> dict[str, Any]:
    """The figures that the training wrote last; TrainingError where it has not."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        raise TrainingError(f"{path} is missing: the training ended without it")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file, none where there is no file; a last line that a crash has cut is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def without(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """`values` without the dotted `keys`: settings that change nothing of the result are no part of its identity."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        inner = [key.removeprefix(f"{name}.") for key in keys if key.startswith(f"{name}.")]
        if name not in keys:
            made[name] = without(value, inner) if inner and isinstance(value, Mapping) else value
    return made


def require_local(root: str) -> None:
    """TrainingError where the data root is an object store: a training maps its files into memory."""
    if storage.is_remote(root):
        raise TrainingError(
            f"resources.mill.config.root: training reads and writes local files, the data root is {root}. Copy the "
            "datasets that the training assets name as inputs to a local folder, their CURRENT.json with them, and "
            "set the root to it"
        )


def moved_token(base: str, longer: str) -> str | None:
    """A token of the tokenizer in the folder `base` whose id is another one in the folder `longer`, in words.

    None where `longer` has all of them under the same ids, and perhaps more.
    """
    ids, others = (tokenizer.load(folder).get_vocab() for folder in (base, longer))
    for token, number in sorted(ids.items(), key=lambda item: item[1]):
        if others.get(token) != number:
            there = f"id {others[token]}" if token in others else "absent"
            return f"{token!r} is id {number} in the one, {there} in the other"
    return None


def file_stamps(paths: Sequence[str]) -> dict[str, list[int]]:
    """Size and time of the last change (ns) of each file, or of all files below a folder.

    FileNotFoundError names the one that is not there.
    """
    stamps = {}
    for path in sorted(set(paths)):
        place = Path(path)
        if not place.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
        files = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
        stats = [file.stat() for file in files]
        stamps[path] = [sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)]
    return stamps
