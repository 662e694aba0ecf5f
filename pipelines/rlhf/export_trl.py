"""The final datasets in TRL's columns and no others, one Parquet file a split.

TRL's conversational forms (its dataset_formats page): prompt and completion for SFTTrainer, prompt, chosen, rejected
and margin for RewardTrainer and DPOTrainer, prompt for GRPO and RLOO, prompt, completion and label for KTO.
"""

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.engine import storage
from pipelines.rlhf.schemas import MESSAGES

TrlForm = Literal["prompt_completion", "preference", "prompt_only", "unpaired"]

_COLUMNS: dict[str, list[str]] = {
    "prompt_completion": ["prompt", "completion"],
    "preference": ["prompt", "chosen", "rejected", "margin"],
    "prompt_only": ["prompt"],
}


def trl_table(table: pa.Table, form: TrlForm) -> pa.Table:
    """`table` (SFT, PAIRS or PROMPTS; PAIRS for unpaired) in the columns of a form, with its column split.

    KTO has two rows a pair: the chosen answer with the label true, the rejected with false.
    """
    if form != "unpaired":
        return table.select([*_COLUMNS[form], "split"])
    good = _labelled(table, "chosen", True)
    return pa.concat_tables([good, _labelled(table, "rejected", False)])


def write_trl(table: pa.Table, form: TrlForm, folder: str) -> dict[str, int]:
    """Write <folder>/<split>-00000.parquet, which `datasets` loads by split; rows by split."""
    made = trl_table(table, form)
    rows = {}
    for split in sorted(pc.unique(made["split"]).to_pylist()):
        part = made.filter(pc.equal(made["split"], split)).drop_columns(["split"])
        with storage.AtomicOutput(storage.join(folder, f"{split}-00000.parquet")) as output:
            pq.write_table(part, output.stream, compression="zstd")
        rows[split] = part.num_rows
    return rows


def _labelled(pairs: pa.Table, column: str, label: bool) -> pa.Table:
    labels = pa.array([label]).take(pa.array([0] * pairs.num_rows, pa.int64()))
    columns = {"prompt": pairs["prompt"], "completion": pairs[column].cast(MESSAGES)}
    return pa.table({**columns, "label": labels, "split": pairs["split"]})
