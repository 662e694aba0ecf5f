"""What the instruction datasets promise a trainer, recomputed from the tables that are to be published."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.build.built import Check
from pipelines.rlhf.chat_tokenizer import ChatTokenizer, TemplateCheck, TemplateError
from pipelines.rlhf.comparisons import answer_messages
from pipelines.rlhf.normalise import dialogues, turns


def template_ids(messages: pa.ChunkedArray, tokenizer: ChatTokenizer) -> Check:
    """The chat template gives every dialogue the ids that are put together from its parts."""
    try:
        found = tokenizer.check_template(messages)
    except TemplateError as error:
        return Check("template_ids_equal", False, str(error))
    return Check("template_ids_equal", True, _told(found))


def _told(found: TemplateCheck) -> str:
    spelled = f"; {found.spelled_special} spell a special token" if found.spelled_special else ""
    return f"equal ids in {found.equal} dialogues{spelled}"


def judged_dialogues(comparisons: pa.Table) -> pa.ChunkedArray:
    """Prompt and completion of every answer of `comparisons` as MESSAGES, judgement by judgement."""
    lists = comparisons["completions"].combine_chunks()
    owner = np.asarray(lists.value_parent_indices()).astype(np.int64)
    prompts = turns(comparisons["prompt"].take(pa.array(owner)))
    answers = turns(pa.chunked_array([answer_messages(lists.flatten())]))
    ends = prompts.offsets[1:]
    n = len(prompts.roles)
    # The answer of dialogue i goes behind its prompt's last turn.
    order = np.argsort(np.concatenate([np.arange(n) * 2, ends * 2 - 1]), kind="stable")
    roles = pa.concat_arrays([prompts.roles, answers.roles]).take(pa.array(order))
    contents = pa.concat_arrays([prompts.contents, answers.contents]).take(pa.array(order))
    offsets = prompts.offsets + np.arange(len(prompts.offsets))
    return dialogues(offsets, roles, contents)


def groups_in_one_split(tables: dict[str, pa.Table]) -> Check:
    """No split group has rows in two splits, in one dataset or in several."""
    rows = pa.concat_tables([table.select(["split_group", "split"]) for table in tables.values()])
    wrong = _in_several_splits(rows, "split_group")
    detail = f"{len(rows['split_group'].unique())} groups, each in one split"
    return Check("groups_in_one_split", not wrong, detail if not wrong else f"in several splits: {wrong}")


def prompts_in_one_split(table: pa.Table) -> Check:
    """No prompt has rows in two splits."""
    wrong = _in_several_splits(table.select(["prompt_id", "split"]), "prompt_id")
    detail = f"{len(table['prompt_id'].unique())} prompts, each in one split"
    return Check("prompts_in_one_split", not wrong, detail if not wrong else f"in several splits: {wrong}")


def _in_several_splits(rows: pa.Table, key: str) -> str:
    counts = rows.group_by(key).aggregate([("split", "count_distinct")])
    wrong = counts.filter(pc.greater(counts["split_count_distinct"], 1))[key].to_pylist()
    return f"{len(wrong)}, such as {min(wrong)}" if wrong else ""


def disjoint_prompts(prompts: pa.Table, answered: list[pa.Table], shared_groups: bool) -> Check:
    """No split group of `prompts` is one of `sft` or `comparisons`, unless the config lets it."""
    name = "disjoint_from_answered"
    groups = pa.concat_tables([table.select(["split_group"]) for table in answered])["split_group"]
    shared = prompts["split_group"].filter(pc.is_in(prompts["split_group"], groups.combine_chunks()))
    detail = f"{len(shared)} of {prompts.num_rows} prompts are of a group that has answers"
    return Check(name, shared_groups or not len(shared), detail)


def filled(table: pa.Table, meant: int, dataset: str) -> Check:
    """There are rows, if any record was meant to give one."""
    detail = f"{table.num_rows} rows of {meant} records meant for {dataset}"
    return Check("not_empty", table.num_rows > 0 or meant == 0, detail)


def one_decision_each(decisions: pa.Table, raw: dict[str, pa.Table], read: pa.Table) -> Check:
    """Every raw record, and every one that its reader left out, has one decision in its dataset."""
    keys = ["dataset", "record_id"]
    decided = decisions.group_by(keys).aggregate([([], "count_all")])
    twice = decided.filter(pc.greater(decided["count_all"], 1)).num_rows
    parts = [
        (pa.array([name] * table.num_rows, pa.string()), table["record_id"]) for name, table in raw.items()
    ]
    parts.append((read["dataset"], read["record_id"]))
    expected = pa.concat_tables([pa.table(dict(zip(keys, part, strict=True))) for part in parts])
    missing = expected.join(decided, keys, join_type="left anti").num_rows
    unknown = decided.join(expected, keys, join_type="left anti").num_rows
    detail = f"{decisions.num_rows} decisions on {expected.num_rows} records"
    if twice or missing or unknown:
        detail += f": {twice} records decided twice, {missing} not at all, {unknown} decisions on no record"
    return Check("one_decision_each", not (twice or missing or unknown), detail)
