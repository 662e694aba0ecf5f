"""Personal data keeps a record out of training (InstructGPT, app. A: all prompts of the train split are filtered)."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.record_texts import RecordTexts
from quality.pii import KINDS, Kind, find


class PersonalDataConfig(BaseModel):
    """Which personal data is looked for, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: list[Kind] = Field(
        default=list(KINDS), description="kinds of personal data that count; an empty list: do not look"
    )
    texts: Literal["prompts", "all"] = Field(
        default="all", description="prompts: the turns of the prompt alone, as in the paper; all: answers too"
    )


def personal_data(found: RecordTexts, config: PersonalDataConfig) -> Drops:
    """Records that hold personal data, with the number of finds and their kinds; the finds themselves are not
    written down.
    """
    searched = np.flatnonzero(found.in_prompt | (config.texts == "all"))
    if not config.kinds or not len(searched):
        return Drops.of(np.empty(0, np.int64), Reason.PERSONAL_DATA)
    spans = find(found.texts.take(pa.array(searched)), config.kinds)
    record = found.record[searched[spans["row"].to_numpy()]]
    table = pa.table({"record": record, "kind": spans["kind"]})
    counts = table.group_by("record").aggregate([("kind", "count"), ("kind", "distinct")])
    counts = counts.sort_by("record")
    kinds = [", ".join(sorted(kinds)) for kinds in counts["kind_distinct"].to_pylist()]
    return Drops.of(
        counts["record"].to_numpy(),
        Reason.PERSONAL_DATA,
        pc.cast(counts["kind_count"], pa.float64()).to_numpy(),
        0.0,
        pa.array(kinds, pa.string()),
    )
