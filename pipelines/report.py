"""What a person reads after a run: what came in, what was kept and dropped and why, and the mixture.

`python -m pipelines.report` prints the tables of the last run; the asset `report` keeps them as markdown together
with samples of the text that was kept and dropped.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.dataset import DatasetError, DatasetVersion, current, read_dataset, read_shard
from pipelines.engine.mill import data_root
from pipelines.judge import FAMILIES
from pipelines.reasons import Reason
from pipelines.schemas import CONTAMINATION, DECISIONS, DOCUMENTS, MIXTURE_PLAN
from text.hashing import uniform

SAMPLES = 5
SAMPLE_CHARACTERS = 700


def funnel(decisions: DatasetVersion) -> list[list[Any]]:
    """`funnel_rows` of decisions or of a selection."""
    return funnel_rows(decisions.counts)


def funnel_rows(counts: Mapping[str, int]) -> list[list[Any]]:
    """Header and rows: by reason that occurs, in the recipe's order, the documents of each source and of all."""
    sources = sorted({name.split(":")[1] for name in counts if name.startswith("source:")})
    rows: list[list[Any]] = []
    for reason in Reason:
        if f"reason:{reason}" in counts:
            found = [counts.get(f"source:{source}:{reason}", 0) for source in sources]
            rows.append([str(reason), sum(found), *found])
    total = [sum(row[i] for row in rows) for i in range(1, len(sources) + 2)]
    return [["", "all", *sources], *rows, ["documents", *total]]


def rule_rows(counts: Mapping[str, int]) -> list[list[Any]]:
    """Header and rows: by rule the documents that fail it, that fail nothing else, and that it is the reason for.

    From the counters of a selection. The draw by quality score and repeated ids are left aside in "it alone": the
    draw takes most of a crawl, and beside it no rule would be alone.
    """
    rows: list[list[Any]] = []
    names = [*map(str, Reason), *(f"any {family} rule" for family in FAMILIES)]
    for name in names:
        if f"fails:{name}" in counts:
            alone = counts.get(f"only:{name}", "-")
            dropped = counts.get(f"reason:{name}", 0)
            if name.startswith("any "):
                prefix = f"reason:{name.split()[1]}_"
                dropped = sum(n for key, n in counts.items() if key.startswith(prefix))
            rows.append([name, counts[f"fails:{name}"], alone, dropped])
    return [["rule", "documents that fail it", "it alone", "dropped for it"], *rows]


def mixture_rows(plan: pa.Table) -> list[list[Any]]:
    """Header and rows of the mixture plan beside GPT-3's Table 2.2."""
    header = ["source", "role", "pieces", "tokens", "weight", "epochs", "drawn", "share", "paper"]
    rows = []
    for row in plan.to_pylist():
        paper = "-"
        if row["paper_weight"] is not None:
            paper = f"{row['paper_weight']:.0%} x {row['paper_epochs']:g}"
        rows.append(
            [
                row["source"],
                row["role"],
                row["documents"],
                row["tokens"],
                f"{row['weight']:.1%}",
                f"{row['epochs']:.2f}",
                row["drawn_tokens"],
                f"{row['drawn_share']:.1%}",
                paper,
            ]
        )
    return [header, *rows]


def contamination_rows(contamination: DatasetVersion) -> list[list[Any]]:
    """Header and rows: hits by benchmark and action."""
    table = read_dataset(contamination, CONTAMINATION, ["benchmark", "action", "doc_id"])
    grouped = table.group_by(["benchmark", "action"]).aggregate(
        [("doc_id", "count"), ("doc_id", "count_distinct")]
    )
    rows = [
        [row["benchmark"], row["action"], row["doc_id_count"], row["doc_id_count_distinct"]]
        for row in grouped.sort_by([("benchmark", "ascending"), ("action", "ascending")]).to_pylist()
    ]
    return [["benchmark", "action", "n-grams found", "documents"], *rows]


def samples(
    documents: DatasetVersion, decisions: DatasetVersion, n: int = SAMPLES
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """By reason, `n` documents drawn by id: url, source, figure, limit, evidence and the beginning of the text.

    Kept documents are taken from the crawl: what curated sources hold is known.
    """
    roles: dict[str, str] = documents.manifest["details"]["roles"]
    crawled = [source for source, role in roles.items() if role == "crawl"]
    chosen = _draw_by_reason(decisions, crawled, n)
    for reason, rows in chosen.items():
        found = []
        for shard, row in rows:
            columns = ["url", "text"]
            page = read_shard(documents.folder, shard, DOCUMENTS, columns).slice(row, 1).to_pylist()[0]
            told = read_shard(decisions.folder, shard, DECISIONS).slice(row, 1).to_pylist()[0]
            found.append(told | {"url": page["url"], "text": page["text"][:SAMPLE_CHARACTERS]})
        yield reason, found


def text_table(rows: Sequence[Sequence[Any]]) -> str:
    """Rows (the first is the header) as aligned columns for a terminal."""
    cells = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = []
    for number, row in enumerate(cells):
        shown = [
            c.rjust(w) if i and _is_figure(c) else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(shown).rstrip())
        if number == 0:
            lines.append("  ".join("-" * w for w in widths))
    return "\n".join(lines)


def summary(root: str) -> str:
    """The tables of the last run under the data root, for a terminal."""
    decisions, plan = current(root, "decisions"), current(root, "mixture_plan")
    packed, report = current(root, "pretraining"), current(root, "report")
    documents = current(root, "documents")
    sequences = {
        s: sum(x["rows"] for x in packed.manifest["shards"] if x["name"].startswith(s))
        for s in ("train", "validation")
    }
    context = packed.manifest["details"]["context"]
    parts = [
        "What came in, and what became of it (documents)",
        text_table(funnel(decisions)),
        "",
        "The mixture, beside the weight and epochs of GPT-3's Table 2.2",
        text_table(mixture_rows(read_dataset(plan, MIXTURE_PLAN))),
        "",
        f"{sequences['train']:,} training and {sequences['validation']:,} validation sequences "
        f"of {context + 1} tokens.",
    ]
    if documents.manifest["dead_letters"]:
        parts.append(
            f"{documents.manifest['dead_letters']:,} records could not be read: see {root}/dead_letters"
        )
    parts += [
        f'Training data: {root}/pretraining   (datasets.load_dataset("{root}/pretraining"))',
        f"Report with samples of kept and dropped text: {report.folder}/report.md",
    ]
    return "\n".join(parts)


def _is_figure(cell: str) -> bool:
    return cell[:1].isdigit() or cell == "-"


def _draw_by_reason(
    decisions: DatasetVersion, crawled: list[str], n: int
) -> dict[str, list[tuple[str, int]]]:
    """By reason in the recipe's order, shard and row of the n documents with the smallest draws."""
    drawn: dict[str, list[tuple[float, str, int]]] = {}
    for shard in decisions.shards:
        table = read_shard(decisions.folder, shard, DECISIONS, ["doc_id", "source", "reason"])
        draws = uniform(table["doc_id"].combine_chunks(), 0, "report sample")
        for reason in pc.unique(table["reason"]).to_pylist():
            chosen = np.asarray(pc.equal(table["reason"], reason))
            if reason == Reason.KEPT:
                chosen = chosen & np.asarray(pc.is_in(table["source"], value_set=pa.array(crawled)))
            rows = np.flatnonzero(chosen)
            best = rows[np.argsort(draws[rows], kind="stable")[:n]]
            drawn.setdefault(reason, []).extend((float(draws[row]), shard, int(row)) for row in best)
    order = [str(reason) for reason in Reason]
    return {
        reason: [(shard, row) for _, shard, row in sorted(drawn[reason])[:n]]
        for reason in sorted(drawn, key=order.index)
    }


def main() -> int:
    """Print the summary of the last run."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.report", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--root", default="", help="data root; default GRISTMILL_DATA, else ./data")
    root = data_root(parser.parse_args().root)
    try:
        sys.stdout.write(summary(root) + "\n")
    except DatasetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
