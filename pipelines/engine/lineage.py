"""What a step's inputs were made of, and whether that is still what is published.

Steps take the published versions. When one asset alone is made again, the versions that were made of its old
version stay published: they fit each other no longer, though each by itself is whole. Every manifest names its
direct inputs, so the manifests together tell what a version goes back to.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from pipelines.engine import storage
from pipelines.engine.dataset import POINTER, DatasetError, DatasetVersion, current, open_version

# Datasets that an asset of another name makes.
_ASSETS = {
    "repeated": "selection",
    "passage_cuts": "passages",
    "passages_cut": "passages",
    "benchmark_grams": "corpus",
    "gram_counts": "corpus",
    "merged_gram_counts": "corpus",
    "contamination": "corpus",
    "decontaminated": "corpus",
    "personal_data": "corpus",
    "diversity_tally": "diversity",
    "bucketed_tokens": "pretraining",
    "raw_demonstrations": "instructions",
    "raw_judgements": "instructions",
    "raw_prompts": "instructions",
    "read_decisions": "instructions",
    "judge_scores": "code_judgements",
    "clean_demonstrations": "cleaned_instructions",
    "clean_judgements": "cleaned_instructions",
    "clean_prompts": "cleaned_instructions",
    "clean_decisions": "cleaned_instructions",
    "rlhf_shortfalls": "rlhf_decisions",
    "majority_cycles": "rlhf_decisions",
    "rlhf_benchmark_grams": "rlhf_decisions",
}
# Names under which a manifest lists an input that is a dataset of another name.
_DATASETS = {"batch": "index_batch", "meetings": "index_meetings"}


class StaleInputError(DatasetError):
    """An input goes back to a version that is no longer published; the message names what to make again."""


class Node(NamedTuple):
    """One version in a lineage."""

    dataset: str
    version: str


def current_inputs(root: str, *names: str) -> dict[str, DatasetVersion]:
    """The published versions of the datasets `names`, as `consistent` wants them.

    DatasetError where one has not been made, StaleInputError where they do not fit each other.
    """
    inputs = {name: current(root, name) for name in names}
    consistent(root, inputs)
    return inputs


def consistent(mill_root: str, inputs: Mapping[str, DatasetVersion]) -> None:
    """Check that all `inputs` go back to one version of every dataset, and to the published one.

    StaleInputError names two inputs and the dataset that they disagree on, or the input that goes back to an
    old version, and the assets that were made of it, in the order in which to materialise them again. What
    is never published (a step's own intermediates, an index elsewhere) has no published version to differ
    from, and a version whose manifest is gone ends its line.
    """
    lineage = _Lineage(mill_root)
    roots = [Node(version.name, version.version) for version in inputs.values()]
    for version in inputs.values():
        lineage.add(version)
    for dataset in lineage.datasets():
        found = [(node, lineage.versions(node, dataset)) for node in roots]
        with_it = [(node, versions) for node, versions in found if versions]
        published = lineage.published(dataset)
        old = [node for node, versions in with_it if published and versions != {published}]
        differing = [node for node, versions in with_it if versions != with_it[0][1]]
        if differing:
            pair = (with_it[0][0].dataset, differing[0].dataset)
            told = f"'{pair[0]}' and '{pair[1]}' go back to different versions of '{dataset}'"
        elif old:
            told = f"'{old[0].dataset}' goes back to a version of '{dataset}' that is no longer published"
        else:
            continue
        again = lineage.assets_on_old() or sorted({_asset(node.dataset) for node in differing or old})
        raise StaleInputError(f"{told}; materialise again, in this order: {', '.join(again)}")


class _Lineage:
    """The manifests below some versions, each read once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._ancestors: dict[Node, frozenset[Node]] = {}
        self._published: dict[str, str | None] = {}

    def add(self, version: DatasetVersion) -> None:
        """Take in `version` and all that it goes back to."""
        self._walk(Node(version.name, version.version), version)

    def datasets(self) -> list[str]:
        """Names of all datasets, those first that others were made of."""
        return list(dict.fromkeys(node.dataset for node in self._ancestors))

    def versions(self, node: Node, dataset: str) -> set[str]:
        """Versions of `dataset` that `node` goes back to, itself included."""
        return {found.version for found in self._ancestors[node] if found.dataset == dataset}

    def published(self, dataset: str) -> str | None:
        """The version that the pointer names, None where there is no pointer."""
        if dataset not in self._published:
            pointer = storage.join(self._root, dataset, POINTER)
            named = json.loads(storage.read_bytes(pointer))["version"] if storage.exists(pointer) else None
            self._published[dataset] = named
        return self._published[dataset]

    def assets_on_old(self) -> list[str]:
        """Assets whose published versions were made of one that is no longer published, inputs first."""
        nodes = []
        for dataset in self.datasets():
            version = self.published(dataset)
            if version is not None:
                nodes.append(Node(dataset, version))
                self._walk(nodes[-1], open_version(self._root, dataset, version))
        old = {node for node in self._ancestors if self.published(node.dataset) not in (None, node.version)}
        return list(dict.fromkeys(_asset(node.dataset) for node in nodes if self._ancestors[node] & old))

    def _walk(self, node: Node, version: DatasetVersion | None) -> frozenset[Node]:
        if node not in self._ancestors:
            named = version.manifest.get("inputs", {}) if version else {}
            inputs = [Node(_DATASETS.get(name, name), made) for name, made in sorted(named.items())]
            below = [self._walk(found, open_version(self._root, *found)) for found in inputs]
            # After those of its inputs, so that the keys are in the order of the flow.
            self._ancestors[node] = frozenset({node}).union(*below)
        return self._ancestors[node]


def _asset(dataset: str) -> str:
    return _ASSETS.get(dataset, dataset)
