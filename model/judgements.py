"""Comparisons as the reward model reads them: each prompt's different answers once, and the pairs that were judged.

All judgements of a prompt belong to one element. A full ranking of K answers has all its C(K, 2) pairs; a star of
pairs stays a star; two judges of one pair are two pairs, each with its judgement's weight.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from model.dialogue_rows import ANSWER, PROMPT, DialogueEncoder, TokenRows, fit, token_rows
from model.fine_tune_config import OnLong
from model.pair_loss import ranked_pairs

Ints = npt.NDArray[np.int64]

COLUMNS = ("prompt_id", "prompt", "completions", "completion_ids", "ranks")
OPTIONAL = ("weight", "judge_kind", "use_case", "language", "split_group")


class Counts(NamedTuple):
    """What the judgements hold, and what of it no loss is made of."""

    judgements: int
    prompts: int
    answers: int
    pairs: int
    prompts_without_pairs: int
    answers_trimmed: int
    answers_dropped: int


class Prompt(NamedTuple):
    """What a report tells prompts apart by; `group` is the split group, "unknown" stands for what is not given."""

    id: str
    use_case: str
    language: str
    group: str


class Judged(NamedTuple):
    """Answers with their prompts, and pairs of them.

    Answer a, of completion_id `answer_ids[a]`, is row a of `rows`, of prompt `prompt_of[a]`, and `answer_tokens[a]`
    long without it; the answers of a prompt are neighbours, and so are its pairs. Pair p says that answer
    `better[p]` is better than `worse[p]`, by a judgement of `k[p]` answers and of `weight[p]`. Answers in no pair
    are left out, and prompts that have none.
    """

    rows: TokenRows
    prompt_of: Ints
    answer_tokens: Ints
    answer_ids: list[str]
    better: Ints
    worse: Ints
    weight: npt.NDArray[np.float64]
    k: Ints
    judge_kind: list[str]
    prompts: list[Prompt]
    counts: Counts

    @property
    def prompt_of_pair(self) -> Ints:
        """The prompt of each pair."""
        return self.prompt_of[self.better]

    def of_prompts(self, chosen: npt.NDArray[np.bool_]) -> "Judged":
        """Those of the prompts where `chosen` [prompts] is true; counts stay those of the whole."""
        answers, pairs = chosen[self.prompt_of], chosen[self.prompt_of_pair]
        return self.subset(np.flatnonzero(chosen), np.flatnonzero(answers), np.flatnonzero(pairs))

    def subset(self, prompts: Ints, answers: Ints, pairs: Ints) -> "Judged":
        """These prompts, answers and pairs, numbered anew; each pair's answers and prompt must be among them."""
        place = np.zeros(len(self.prompt_of), np.int64)
        place[answers] = np.arange(len(answers))
        return Judged(
            token_rows((self.rows.row(a) for a in answers), (self.rows.kinds_of(a) for a in answers)),
            np.searchsorted(prompts, self.prompt_of[answers]),
            self.answer_tokens[answers],
            [self.answer_ids[a] for a in answers],
            place[self.better[pairs]],
            place[self.worse[pairs]],
            self.weight[pairs],
            self.k[pairs],
            [self.judge_kind[p] for p in pairs],
            [self.prompts[p] for p in prompts],
            self.counts,
        )


class _Pair(NamedTuple):
    prompt: int
    better: str
    worse: str
    weight: float
    k: int
    judge_kind: str


def read_judgements(
    table: pa.Table, tokenizer: PreTrainedTokenizerFast, context: int, on_long: OnLong
) -> Judged:
    """The answers and pairs of a table with COLUMNS and perhaps OPTIONAL ones; prompts in the table's order.

    A row is the prompt with the assistant's turn opened, the answer, `<|end|>`: at most `context` tokens. A
    ValueError names the row whose lists differ in length.
    """
    firsts, texts, pairs = _collect(table)
    rows, prompt_of, lengths = _rows(firsts, texts, DialogueEncoder(tokenizer))
    ids = [answer for named in texts for answer in named]
    fitted = fit(rows, context, on_long, lengths)
    kept = np.full(len(ids), -1, np.int64)
    kept[fitted.kept] = np.arange(len(fitted.kept))
    places = dict(zip(zip(prompt_of.tolist(), ids, strict=True), kept.tolist(), strict=True))
    # Neighbours by prompt, in the order of judgements.
    pairs = [pair for pair in sorted(pairs, key=lambda pair: pair.prompt) if min(_ends(pair, places)) >= 0]
    ends = np.array([_ends(pair, places) for pair in pairs], np.int64).reshape(-1, 2)
    return _with_pairs(
        Judged(
            fitted.rows,
            prompt_of[fitted.kept],
            lengths[fitted.kept],
            [ids[a] for a in fitted.kept],
            ends[:, 0],
            ends[:, 1],
            np.array([pair.weight for pair in pairs], np.float64),
            np.array([pair.k for pair in pairs], np.int64),
            [pair.judge_kind for pair in pairs],
            [_prompt(row) for row in firsts],
            Counts(table.num_rows, 0, 0, 0, 0, fitted.trimmed, fitted.dropped),
        )
    )


def _collect(table: pa.Table) -> tuple[list[dict[str, Any]], list[dict[str, str]], list[_Pair]]:
    """Each prompt's first row and its different answers by id, and the pairs of all judgements."""
    numbers: dict[str, int] = {}
    firsts: list[dict[str, Any]] = []
    texts: list[dict[str, str]] = []
    pairs: list[_Pair] = []
    for number, row in enumerate(table.to_pylist()):
        sizes = {name: len(row[name]) for name in ("completions", "completion_ids", "ranks")}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"comparisons, row {number}: lists of one judgement must be equally long: {sizes}"
            )
        at = numbers.setdefault(row["prompt_id"], len(numbers))
        if at == len(firsts):
            firsts.append(row)
            texts.append({})
        texts[at].update(zip(row["completion_ids"], row["completions"], strict=True))
        pairs += _pairs(row, at)
    return firsts, texts, pairs


def fold_of(groups: Sequence[str], folds: int, seed: int) -> Ints:
    """The fold, 0 to folds - 1, of each group's prompts, from (seed, group) alone."""
    digests = (hashlib.blake2b(f"{seed} {group}".encode(), digest_size=8).digest() for group in groups)
    return np.array([int.from_bytes(value, "little") % folds for value in digests], np.int64)


def _prompt(row: dict[str, Any]) -> Prompt:
    use_case, language = (str(row.get(name) or "unknown") for name in ("use_case", "language"))
    return Prompt(row["prompt_id"], use_case, language, row.get("split_group") or row["prompt_id"])


def _ends(pair: _Pair, places: Mapping[tuple[int, str], int]) -> tuple[int, int]:
    return places[pair.prompt, pair.better], places[pair.prompt, pair.worse]


def _pairs(row: dict[str, Any], prompt: int) -> list[_Pair]:
    ids, weight = row["completion_ids"], row.get("weight")
    weight = 1.0 if weight is None else float(weight)
    kind = str(row.get("judge_kind") or "unknown")
    return [
        _Pair(prompt, ids[better], ids[worse], weight, len(ids), kind)
        for better, worse in ranked_pairs(row["ranks"])
        # One answer that stands there twice is not better than itself.
        if ids[better] != ids[worse] and weight > 0
    ]


def _rows(
    firsts: list[dict[str, Any]], texts: list[dict[str, str]], encoder: DialogueEncoder
) -> tuple[TokenRows, Ints, Ints]:
    """Prompt and answer of every answer; the prompt of each, and its tokens without the prompt."""
    prompts = encoder.prompts([row["prompt"] for row in firsts])
    answers = [
        [*ids, encoder.end] for ids in encoder.texts([text for named in texts for text in named.values()])
    ]
    prompt_of = np.repeat(np.arange(len(texts)), [len(named) for named in texts])
    rows = token_rows(
        ([*prompts[p], *answer] for p, answer in zip(prompt_of, answers, strict=True)),
        (
            np.repeat([PROMPT, ANSWER], [len(prompts[p]), len(answer)])
            for p, answer in zip(prompt_of, answers, strict=True)
        ),
    )
    return rows, prompt_of, np.array([len(answer) for answer in answers], np.int64)


def _with_pairs(judged: Judged) -> Judged:
    """Without the answers that are in no pair, and the prompts that have none."""
    answers = np.unique(np.concatenate([judged.better, judged.worse]))
    has_pairs = np.zeros(len(judged.prompts), np.bool_)
    has_pairs[judged.prompt_of[answers]] = True
    used = np.zeros(len(judged.prompt_of), np.bool_)
    used[answers] = True
    kept = judged.subset(np.flatnonzero(has_pairs), np.flatnonzero(used), np.arange(len(judged.better)))
    counts = judged.counts._replace(
        prompts=int(has_pairs.sum()),
        answers=len(answers),
        pairs=len(judged.better),
        prompts_without_pairs=int((~has_pairs).sum()),
    )
    return kept._replace(counts=counts)
