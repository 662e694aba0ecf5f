"""Demonstrations as the dataset `sft`: the prompt, and one answer of the assistant that alone has a loss.

A dialogue of several turns is a prompt of several turns; `form` says which it is. Roles and ends of turns are
tokens of the chat tokenizer (`pipelines.rlhf.chat_tokenizer`), so both forms are encoded in one way.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.comparisons import answer_messages
from pipelines.rlhf.lengths import Lengths
from pipelines.rlhf.normalise import contexts, turns
from pipelines.rlhf.schemas import SFT

PLAIN, DIALOGUE = "plain", "dialogue"


def answers(messages: pa.Array | pa.ChunkedArray) -> pa.LargeListArray:
    """The last turn of each demonstration as a list of one text; none for a dialogue without turns."""
    flat = turns(messages)
    sizes = np.minimum(np.diff(flat.offsets), 1)
    last = flat.offsets[1:][sizes > 0] - 1
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    return pa.LargeListArray.from_arrays(offsets, flat.contents.take(pa.array(last)))


def check_ends_on_assistant(demonstrations: pa.Table) -> None:
    """ValueError that names the first record whose last turn is not the assistant's."""
    flat = turns(demonstrations["messages"])
    filled = np.diff(flat.offsets) > 0
    roles = flat.roles.take(pa.array(flat.offsets[1:][filled] - 1))
    wrong = ~filled
    wrong[filled] = np.asarray(pc.not_equal(roles, "assistant"))
    if wrong.any():
        record = demonstrations["record_id"][int(np.flatnonzero(wrong)[0])].as_py()
        raise ValueError(f"raw_demonstrations: record {record} does not end on a turn of the assistant")


def build(demonstrations: pa.Table, lengths: Lengths) -> pa.Table:
    """The dataset SFT of kept raw demonstrations with prompt_id, split_group and split, row-aligned with lengths.

    Rows are ordered by record_id. ValueError where a demonstration does not end on the assistant's turn.
    """
    order = np.asarray(pc.sort_indices(demonstrations["record_id"])).astype(np.int64)
    demonstrations, lengths = demonstrations.take(pa.array(order)), lengths.take(order)
    check_ends_on_assistant(demonstrations)
    messages = demonstrations["messages"]
    flat = turns(messages)
    users = np.bincount(
        flat.dialogue[np.asarray(pc.equal(flat.roles, "user"))], minlength=demonstrations.num_rows
    )
    forms = pa.array([PLAIN, DIALOGUE]).take(pa.array((users > 1).astype(np.int8)))
    columns = {name: demonstrations[name] for name in demonstrations.column_names if name in SFT.schema.names}
    empty = pa.array(np.zeros(demonstrations.num_rows + 1, np.int32))
    columns |= {
        "prompt": contexts(messages),
        "completion": answer_messages(answers(messages).flatten()),
        "messages": messages,
        "form": forms,
        "made_from": pa.ListArray.from_arrays(empty, pa.array([], pa.string())),
        "n_prompt_tokens": pa.array(lengths.prompt.astype(np.int32)),
        "n_completion_tokens": pa.array(lengths.longest.astype(np.int32)),
    }
    return SFT.conform(pa.table(columns), SFT.name)
