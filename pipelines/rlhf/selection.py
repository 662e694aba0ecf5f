"""The rules in their order: from the three raw tables to the records of each dataset, with a decision on every one.

Groups and splits are settled first and over all records. Then each rule sees the records that those before it
left, so that a prompt which survives its duplicates is one that passed: length, personal data (train alone, as in
InstructGPT's app. A), benchmarks, prefix, near-duplicates, user limit, contradiction, what `prompts` shares with
the other two, quotas.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.decontaminate import Decontaminator
from pipelines.rlhf import comparisons, demonstrations, prompts
from pipelines.rlhf.chat_tokenizer import ChatTokenizer
from pipelines.rlhf.comparisons import ComparisonConfig, contradicted, identified
from pipelines.rlhf.decisions import Drops, Ledger
from pipelines.rlhf.decontaminate import contaminated
from pipelines.rlhf.demonstrations import answers as last_answers
from pipelines.rlhf.lengths import LengthConfig, Lengths, measure, too_long
from pipelines.rlhf.near_duplicates import NearConfig, near_duplicate_drops, near_links
from pipelines.rlhf.normalise import earliest, records, user_texts
from pipelines.rlhf.personal_data import PersonalDataConfig, personal_data
from pipelines.rlhf.prefix_groups import PrefixConfig, Prefixes, prefix_duplicates, prefixes
from pipelines.rlhf.prompts import PromptConfig, held_out, shared_with_answered
from pipelines.rlhf.quotas import QuotaConfig, over_quota
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.record_texts import RecordTexts, record_texts
from pipelines.rlhf.schemas import COMPARISONS, PROMPTS, RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, SFT
from pipelines.rlhf.split_groups import GroupConfig, group_figures, split_groups
from pipelines.rlhf.splits import TRAIN, SplitConfig, splits
from pipelines.rlhf.use_case import UseCaseClassifier, use_cases
from pipelines.rlhf.user_limit import UserLimitConfig, over_user_limit

Ints = npt.NDArray[np.int64]

_ALL_WORDS = np.iinfo(np.int64).max
TARGETS = (SFT.name, COMPARISONS.name, PROMPTS.name)
_TARGET_OF = {
    RAW_DEMONSTRATIONS.name: SFT.name,
    RAW_JUDGEMENTS.name: COMPARISONS.name,
    RAW_PROMPTS.name: PROMPTS.name,
}


class RulesConfig(BaseModel):
    """All rules between the raw tables and the datasets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lengths: LengthConfig = Field(default=LengthConfig(), description="token limits")
    personal_data: PersonalDataConfig = Field(
        default=PersonalDataConfig(), description="personal data in train"
    )
    prefix: PrefixConfig = Field(default=PrefixConfig(), description="long common prefixes")
    near: NearConfig = Field(default=NearConfig(), description="near-duplicate prompts")
    groups: GroupConfig = Field(default=GroupConfig(), description="what ties records to one split")
    split: SplitConfig = Field(default=SplitConfig(), description="train, validation and test")
    users: UserLimitConfig = Field(default=UserLimitConfig(), description="prompts a user")
    comparisons: ComparisonConfig = Field(default=ComparisonConfig(), description="contradicting judges")
    prompts: PromptConfig = Field(default=PromptConfig(), description="where the prompts of PPO come from")
    quotas: QuotaConfig = Field(default=QuotaConfig(), description="sizes and use-case mix")


class Datasets(NamedTuple):
    """The datasets, the decision on every record, what quotas lack (SHORTFALLS), majority cycles, and figures."""

    sft: pa.Table
    comparisons: pa.Table
    pairs: pa.Table
    prompts: pa.Table
    decisions: pa.Table
    shortfalls: pa.Table
    cycles: pa.Table
    figures: dict[str, int]


class _Work(NamedTuple):
    """All records with split_group and split, the dataset each is meant for, and what rules compare them by."""

    records: pa.Table
    target: npt.NDArray[np.object_]
    judgements: pa.Table  # the raw ones, `comparisons.identified`
    answers: pa.Array  # texts that a record answers its prompt with; none where it gives the prompt alone
    texts: pa.Array
    place: Ints
    prefixes: Prefixes
    lengths: Lengths

    def rows_for(self, target: str, ledger: Ledger) -> Ints:
        """Rows meant for a dataset that no rule has dropped."""
        return np.flatnonzero(ledger.alive & (self.target == target))

    def judgements_of(self, rows: Ints) -> pa.Table:
        """The raw judgements behind `rows`, with split_group and split."""
        taken = self.records.take(pa.array(rows))
        return _with_verdicts(self.judgements.take(taken["row"]), taken)


def build_datasets(
    raw_demonstrations: pa.Table,
    raw_judgements: pa.Table,
    raw_prompts: pa.Table,
    config: RulesConfig,
    tokenizer: ChatTokenizer,
    decontaminators: Sequence[Decontaminator] = (),
    classifier: UseCaseClassifier | None = None,
    of_rounds: pa.Array | None = None,
) -> Datasets:
    """All datasets of the raw tables (RAW_… of pipelines.rlhf.schemas); the order of their rows does not matter.

    Without decontaminators no benchmarks are looked for; without a classifier prompts that no source labels have
    no use case. `of_rounds` are the record_ids of what was judged or written in rounds: such a record neither names a
    group nor is held out.
    """
    everything = records(raw_demonstrations, raw_judgements, raw_prompts)
    late = pc.is_in(
        everything["record_id"], value_set=pa.array([], pa.string()) if of_rounds is None else of_rounds
    )
    of_round = np.asarray(late.combine_chunks())
    work = _prepare(everything, of_round, raw_demonstrations, raw_judgements, config, tokenizer, classifier)
    ledger = Ledger(work.records)
    given_up = pc.not_equal(work.records["dataset"], RAW_PROMPTS.name)
    ledger.hold_out(np.flatnonzero((work.target == PROMPTS.name) & np.asarray(given_up)))
    _rules_on_each(work, ledger, config, decontaminators)
    for target in TARGETS:
        _duplicates(work, ledger, target, config)
    rows = ledger.rows()
    ledger.drop(over_user_limit(work.records.take(pa.array(rows)), config.users), rows)
    rows = work.rows_for(COMPARISONS.name, ledger)
    ledger.drop(contradicted(work.judgements_of(rows), config.comparisons), rows)
    _disjoint(work, ledger, config.prompts)
    shortfalls = pa.concat_tables([_quota(work, ledger, target, config.quotas) for target in TARGETS])
    return _datasets(work, ledger, raw_demonstrations, config, shortfalls)


def _prepare(
    everything: pa.Table,
    of_round: npt.NDArray[np.bool_],
    raw_demonstrations: pa.Table,
    raw_judgements: pa.Table,
    config: RulesConfig,
    tokenizer: ChatTokenizer,
    classifier: UseCaseClassifier | None,
) -> _Work:
    texts = user_texts(everything["prompt"], config.prefix.templates)
    found = prefixes(texts, config.prefix.words)
    groups = split_groups(everything, found.keys, near_links(texts, config.near), config.groups, of_round)
    labels = use_cases(everything["use_case"], texts, classifier)
    place = everything.schema.get_field_index("use_case")
    everything = everything.set_column(place, "use_case", labels)
    whole = prefixes(texts, _ALL_WORDS).keys
    everything = everything.append_column("words_key", pa.array(whole))
    everything = everything.append_column("split_group", groups)
    everything = everything.append_column("split", splits(groups, config.split))
    target = np.array([_TARGET_OF[name] for name in everything["dataset"].to_pylist()], dtype=object)
    target[held_out(groups, config.prompts, of_round)] = PROMPTS.name
    answers = _answers(raw_demonstrations, raw_judgements, target == PROMPTS.name)
    ids = everything["prompt_id"].slice(raw_demonstrations.num_rows, raw_judgements.num_rows)
    return _Work(
        everything,
        target,
        identified(raw_judgements.append_column("prompt_id", ids)),
        answers,
        texts,
        earliest(everything),
        found,
        measure(everything["prompt"], answers, tokenizer),
    )


def _answers(
    raw_demonstrations: pa.Table, raw_judgements: pa.Table, prompt_alone: npt.NDArray[np.bool_]
) -> pa.LargeListArray:
    """The answers of each record in the order of `records`; none where `prompt_alone`."""
    texts_of = pa.large_list(pa.large_string())
    given = pa.concat_arrays(
        [
            last_answers(raw_demonstrations["messages"]).cast(texts_of),
            raw_judgements["completions"].combine_chunks().cast(texts_of),
        ]
    )
    counts = np.zeros(len(prompt_alone), np.int64)
    counts[: len(given)] = np.asarray(pc.list_value_length(given))
    stays = np.repeat(~prompt_alone, counts)
    counts[prompt_alone] = 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]))
    return pa.LargeListArray.from_arrays(offsets, given.flatten().filter(pa.array(stays)))


def _rules_on_each(
    work: _Work, ledger: Ledger, config: RulesConfig, decontaminators: Sequence[Decontaminator]
) -> None:
    """Rules that a record passes or not by itself."""
    wordless = np.flatnonzero(work.prefixes.n_words == 0)
    ledger.drop(Drops.of(wordless, Reason.EMPTY_PROMPT, 0.0, 1.0))
    ledger.drop(too_long(work.lengths, config.lengths))
    in_train = np.asarray(pc.equal(work.records["split"], TRAIN))
    rows = np.flatnonzero(ledger.alive & in_train)
    ledger.drop(personal_data(_texts(work, rows), config.personal_data), rows)
    for decontaminator in decontaminators:
        rows = ledger.rows()
        ledger.drop(contaminated(_texts(work, rows), decontaminator), rows)


def _with_verdicts(raw: pa.Table, records_of: pa.Table) -> pa.Table:
    """Raw rows with what was found of their records: prompt_id, use_case, split_group and split."""
    for name in ("prompt_id", "use_case", "split_group", "split"):
        if name in raw.column_names:
            raw = raw.drop_columns(name)
        raw = raw.append_column(name, records_of[name])
    return raw


def _texts(work: _Work, rows: Ints) -> RecordTexts:
    taken = pa.array(rows)
    return record_texts(work.records["prompt"].take(taken), work.answers.take(taken))


def _duplicates(work: _Work, ledger: Ledger, target: str, config: RulesConfig) -> None:
    rows = work.rows_for(target, ledger)
    found = Prefixes(work.prefixes.keys[rows], work.prefixes.n_words[rows])
    table, texts = work.records.take(pa.array(rows)), work.texts.take(pa.array(rows))
    ledger.drop(prefix_duplicates(texts, table, found, work.place[rows], target, config.prefix), rows)
    rows = work.rows_for(target, ledger)
    table, texts = work.records.take(pa.array(rows)), work.texts.take(pa.array(rows))
    keep = config.prefix.keep_conversations
    ledger.drop(near_duplicate_drops(texts, table, work.place[rows], target, config.near, keep), rows)


def _disjoint(work: _Work, ledger: Ledger, config: PromptConfig) -> None:
    rows = work.rows_for(PROMPTS.name, ledger)
    answered = np.flatnonzero(ledger.alive & (work.target != PROMPTS.name))
    groups = work.records["split_group"].combine_chunks()
    taken = groups.take(pa.array(rows)), groups.take(pa.array(answered))
    ledger.drop(shared_with_answered(*taken, config), rows)


def _quota(work: _Work, ledger: Ledger, target: str, config: QuotaConfig) -> pa.Table:
    rows = work.rows_for(target, ledger)
    quota = over_quota(work.records.take(pa.array(rows)), target, config)
    ledger.drop(quota.drops, rows)
    return quota.shortfalls


def _datasets(
    work: _Work, ledger: Ledger, raw_demonstrations: pa.Table, config: RulesConfig, shortfalls: pa.Table
) -> Datasets:
    rows = work.rows_for(SFT.name, ledger)
    kept = work.records.take(pa.array(rows))
    shown = _with_verdicts(raw_demonstrations.take(kept["row"]), kept)
    sft = demonstrations.build(shown, work.lengths.take(rows))
    rows = work.rows_for(COMPARISONS.name, ledger)
    judged = comparisons.build(work.judgements_of(rows), work.lengths.take(rows), config.comparisons)
    rows = work.rows_for(PROMPTS.name, ledger)
    asked = prompts.build(work.records.take(pa.array(rows)), work.lengths.take(rows))
    figures = group_figures(work.records["split_group"]) | {"majority_cycles": judged.cycles.num_rows}
    return Datasets(
        sft,
        judged.comparisons,
        judged.pairs,
        asked,
        ledger.decisions(),
        shortfalls,
        judged.cycles,
        figures,
    )
