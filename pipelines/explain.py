"""Everything that a run knows of one document: what was measured, decided, found and cut, and the passages behind it.

    python -m pipelines.explain DOC_ID [--root DATA] [--json] [--characters 2000]

DOC_ID is a document's id, the id of a piece of the corpus, or an address. A record that could not be read has no id:
it is looked for among the dead letters by its file or address.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.dataset import DatasetError, DatasetVersion, current, open_version
from pipelines.engine.mill import data_root
from pipelines.explaining.passages import responsible
from pipelines.explaining.places import (
    Place,
    dead_letters,
    find_documents,
    parent_of,
    published,
    row_at,
    rows_of,
)
from pipelines.explaining.render import as_text
from pipelines.explaining.surprise import surprising
from pipelines.explaining.verdicts import FAILS, Verdict, verdicts
from pipelines.judge import rules_by_language
from pipelines.list_files import blocklist_files
from pipelines.perplexity import load_models
from pipelines.reasons import Reason
from pipelines.schemas import (
    CONTAMINATION,
    CORPUS,
    DECISIONS,
    DOCUMENTS,
    DUPLICATES,
    PASSAGES_CUT,
    PERSONAL_DATA,
    SELECTION,
    SIGNALS,
)
from pipelines.select_stages import blocklists
from pipelines.selection_config import SelectionConfig
from pipelines.signals import SignalsConfig
from quality import pii
from quality.list_files import ListFileError
from quality.word_lists import WordLists


class UnknownDocumentError(LookupError):
    """Nothing in the data root goes by that name."""


@dataclass(frozen=True)
class Explanation:
    """What is known of a document; what no step has said yet is empty.

    `decision` is the last one made: of `decisions`, else of `selection`. `responsible` holds passages by the rule
    that fails because of them. A record that never became a document has `dead_letters` alone.
    """

    name: str
    document: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    also_at: list[str] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    signals: dict[str, Any] = field(default_factory=dict)
    responsible: dict[str, list[str]] = field(default_factory=dict)
    duplicate_of: list[dict[str, Any]] = field(default_factory=list)
    survivor_of: list[dict[str, Any]] = field(default_factory=list)
    passages_cut: list[dict[str, Any]] = field(default_factory=list)
    contamination: list[dict[str, Any]] = field(default_factory=list)
    pieces: list[dict[str, Any]] = field(default_factory=list)
    personal_data: list[dict[str, Any]] = field(default_factory=list)
    replaced: list[dict[str, Any]] = field(default_factory=list)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)


def explain(root: str, name: str) -> Explanation:
    """What a run knows of the document, piece, address or unreadable record `name` in the data root `root`.

    Of several documents under one address the first is told, the others in `also_at`. Reads the ids of all
    documents, then single rows. UnknownDocumentError where nothing is called so, DatasetError where a dataset was
    made from other documents than are published.
    """
    documents = current(root, "documents")
    corpus = published(root, "corpus")
    places = find_documents(documents, name)
    if not places and corpus is not None:
        parent = parent_of(corpus, name)
        places = find_documents(documents, parent) if parent is not None else []
    if not places:
        dead = dead_letters(root, name)
        if not dead:
            raise UnknownDocumentError(
                f"{root}: no document, piece of the corpus, address or unreadable record is called '{name}'"
            )
        return Explanation(name, dead_letters=dead)
    return _of_document(root, name, documents, places)


def _of_document(root: str, name: str, documents: DatasetVersion, places: list[Place]) -> Explanation:
    place = places[0]
    row = row_at(documents, DOCUMENTS, place)
    doc_id, text = row["doc_id"][0].as_py(), row["text"][0].as_py()
    role = documents.manifest["details"]["roles"].get(row["source"][0].as_py())
    facts = {
        **row.drop_columns(["text"]).to_pylist()[0],
        "role": role,
        "shard": place.shard,
        "row": place.row,
    }
    measured = published(root, "signals")
    signals = row_at(measured, SIGNALS, place, doc_id) if measured is not None else None
    selection = published(root, "selection")
    found: list[Verdict] = []
    why: dict[str, list[str]] = {}
    if signals is not None and selection is not None:
        config = SelectionConfig.model_validate(selection.manifest["config"]["config"])
        curated = row["source"][0].as_py() in selection.manifest["config"]["curated"]
        fitted = selection.manifest["details"].get("pareto_fit") is not None
        found = verdicts(row, signals, curated, config, _blocked(row["url"], config), fitted)
        why = _responsible(root, text, signals, found, config, measured)
    return Explanation(
        name=name,
        document=facts,
        text=text,
        also_at=[f"{other.shard}, row {other.row}" for other in places[1:]],
        decision=_decision(root, place, doc_id),
        verdicts=found,
        signals={} if signals is None else signals.drop_columns(["doc_id"]).to_pylist()[0],
        responsible=why,
        **_later_steps(root, place.shard, doc_id),
        personal_data=pii.find([text]).drop_columns(["row"]).to_pylist(),
    )


def _decision(root: str, place: Place, doc_id: str) -> dict[str, Any]:
    for schema in (DECISIONS, SELECTION):
        version = published(root, schema.name)
        if version is not None:
            told = row_at(version, schema, place, doc_id).drop_columns(["doc_id"]).to_pylist()[0]
            return {"step": schema.name, **told}
    return {}


def _later_steps(root: str, shard: str, doc_id: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of the datasets that later steps made, by the explanation's field."""
    duplicates, corpus = published(root, "duplicates"), published(root, "corpus")
    pieces = rows_of(corpus, CORPUS, shard, "parent_id", [doc_id])
    survived = []
    for other in duplicates.shards if duplicates is not None else []:
        survived += rows_of(duplicates, DUPLICATES, other, "survivor_id", [doc_id])
    own = [piece["doc_id"] for piece in pieces]
    return {
        "duplicate_of": rows_of(duplicates, DUPLICATES, shard, "doc_id", [doc_id]),
        "survivor_of": survived,
        "passages_cut": rows_of(published(root, "passages_cut"), PASSAGES_CUT, shard, "doc_id", [doc_id]),
        "contamination": rows_of(published(root, "contamination"), CONTAMINATION, shard, "doc_id", [doc_id]),
        "pieces": [
            {"doc_id": piece["doc_id"], "n_bytes": piece["n_bytes"], "n_words": piece["n_words"]}
            for piece in pieces
        ],
        "replaced": rows_of(published(root, "personal_data"), PERSONAL_DATA, shard, "doc_id", own),
    }


def _blocked(urls: pa.ChunkedArray, config: SelectionConfig) -> str | None:
    """The entry of a block list that holds the address, with its list."""
    if not blocklist_files(config.blocklists):
        return None
    checked = blocklists(config.blocklists.model_dump_json()).check(urls)
    return pc.binary_join_element_wise(checked["blocklist"], checked["blocklist_entry"], ": ")[0].as_py()


def _responsible(
    root: str,
    text: str,
    signals: pa.Table,
    found: list[Verdict],
    config: SelectionConfig,
    measured: DatasetVersion | None,
) -> dict[str, list[str]]:
    """Passages by the rule that fails because of them."""
    failed = {one.reason for one in found if one.verdict == FAILS}
    language = signals["language"][0].as_py()
    why: dict[str, list[str]] = {}
    for _, rules in rules_by_language(signals["language"], config):
        for rule in rules:
            if rule.reason in failed and rule.reason not in why:
                why[str(rule.reason)] = responsible(text, language, rule)
    if Reason.LISTED_WORDS in failed and measured is not None:
        lists = SignalsConfig.model_validate(measured.manifest["config"]["config"]).of_word_lists()
        matches = WordLists(lists).matches([text], [language]).to_pylist()
        why[str(Reason.LISTED_WORDS)] = [
            f"'{match['entry']}' at byte {match['start']} ({match['list']})" for match in matches
        ]
    if Reason.PERPLEXITY in failed and measured is not None:
        why[str(Reason.PERPLEXITY)] = _surprising(root, text, language, measured)
    return why


def _surprising(root: str, text: str, language: str, measured: DatasetVersion) -> list[str]:
    """The least likely lines, by the model that measured the text; none where its version is gone."""
    used = measured.manifest["inputs"]["perplexity_model"]
    version = open_version(root, "perplexity_model", used)
    if version is None:
        return []
    return surprising(text, load_models(version.folder).models[language])


def as_json(found: Explanation) -> str:
    """The explanation as JSON."""
    told: Mapping[str, Any] = asdict(found) | {"verdicts": [one._asdict() for one in found.verdicts]}
    return json.dumps(told, ensure_ascii=False, indent=2, default=str)


def main() -> int:
    """Print what is known of one document."""
    parser = argparse.ArgumentParser(description="What a run did with one document, and why.")
    parser.add_argument("name", metavar="DOC_ID", help="id of a document or of a piece, or an address")
    parser.add_argument("--root", default="", help="data root; default GRISTMILL_DATA, else ./data")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--characters", type=int, default=2000, help="characters of the text to show")
    arguments = parser.parse_args()
    try:
        found = explain(data_root(arguments.root), arguments.name)
    except (DatasetError, UnknownDocumentError, ListFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    told = as_json(found) if arguments.json else as_text(found, arguments.characters)
    sys.stdout.write(told.rstrip("\n") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
