"""Columns of the instruction datasets: what a reader gives, what a trainer reads, and the decisions between them."""

import pyarrow as pa

from pipelines.schemas import DatasetSchema

ROLES = ("system", "user", "assistant", "tool")
MESSAGES = pa.list_(
    pa.struct([pa.field("role", pa.string(), False), pa.field("content", pa.string(), False)])
)
"""Turns of a dialogue: roles as in ROLES; a tool call is an assistant's turn whose content is the call's JSON."""

_TEXTS = pa.list_(pa.string())


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


_RECORD_ID = _column("record_id", pa.string(), "128-bit xxh3 of the source's name and the origin; hex")
_SOURCE = _column("source", pa.string(), "name of the source in the run config")
_ORIGIN = _column("origin", pa.string(), "file#row, with #part where a row gives several records")
_LICENCE = _column("licence", pa.string(), "licence of the row's texts, null where unknown", nullable=True)
_USER_ID = _column(
    "user_id", pa.string(), "who wrote the prompt, as SOURCE:id; null where unknown", nullable=True
)
_USER_KIND = _column(
    "user_id_kind", pa.string(), "given (by the source) or derived; null without user_id", nullable=True
)
_ROOT_ID = _column("root_id", pa.string(), "conversation that the record is a part of", nullable=True)
_USE_CASE = _column("use_case", pa.string(), "category of the prompt", nullable=True)
_LANGUAGE = _column("language", pa.string(), "ISO 639-1 code", nullable=True)
_PROMPT_ID = _column("prompt_id", pa.string(), "128-bit xxh3 of the prompt's normalised messages; hex")
_PROMPT = _column("prompt", MESSAGES, "turns up to the last one of the user")
_GROUP = _column("split_group", pa.string(), "records of one group are never in two splits")
_SPLIT = _column("split", pa.string(), "train, validation or test")

_RAW = [
    _RECORD_ID,
    _SOURCE,
    _ORIGIN,
    _LICENCE,
    _USER_ID,
    _USER_KIND,
    _ROOT_ID,
    _USE_CASE,
    _LANGUAGE,
]
_JUDGES = [
    _column("ranks", pa.list_(pa.int32()), "rank of each completion: 1 best, equal a tie, null not judged"),
    _column("labeler_id", pa.string(), "who judged, null where unknown", nullable=True),
    _column("judge_kind", pa.string(), "human or model"),
    _column("criteria", pa.string(), "what was judged, such as helpfulness", nullable=True),
    _column("partial", pa.bool_(), "whether a completion was not judged; the order is never filled in"),
]
_AUTHORS = _column(
    "completion_authors", _TEXTS, "who wrote each completion, model or human; items may be null"
)

RAW_DEMONSTRATIONS = DatasetSchema(
    "raw_demonstrations",
    1,
    pa.schema(
        [
            *_RAW,
            _column("messages", MESSAGES, "turns, the last one of the assistant"),
            _column("kind", pa.string(), "demonstration, best_reply (of ranked ones) or reference"),
        ]
    ),
)

RAW_JUDGEMENTS = DatasetSchema(
    "raw_judgements",
    1,
    pa.schema(
        [
            *_RAW,
            _column(
                "messages",
                MESSAGES,
                "the context that all completions answer, the last turn not the assistant's",
            ),
            _column("completions", _TEXTS, "the answers, at least two"),
            _AUTHORS,
            *_JUDGES,
        ]
    ),
)

RAW_PROMPTS = DatasetSchema(
    "raw_prompts",
    1,
    pa.schema([*_RAW, _column("messages", MESSAGES, "turns, the last one not the assistant's")]),
)

_ANSWERED = [_GROUP, _USER_ID, _USER_KIND, _USE_CASE, _ORIGIN, _SOURCE, _LANGUAGE, _LICENCE, _SPLIT]

SFT = DatasetSchema(
    "sft",
    1,
    pa.schema(
        [
            _RECORD_ID,
            _PROMPT_ID,
            _PROMPT,
            _column("completion", MESSAGES, "one assistant turn: the only tokens with a loss"),
            _column("messages", MESSAGES, "prompt and completion"),
            _column("kind", pa.string(), "demonstration, best_reply or reference"),
            _column("form", pa.string(), "plain, dialogue, few_shot, task_conditioned or code"),
            _column(
                "made_from", _TEXTS, "record_id of the records that an augmented one is made of; else empty"
            ),
            _column(
                "n_prompt_tokens", pa.int32(), "tokens of the prompt, the assistant's role token included"
            ),
            _column("n_completion_tokens", pa.int32(), "tokens of the completion, its end token included"),
            *_ANSWERED,
        ]
    ),
)

COMPARISONS = DatasetSchema(
    "comparisons",
    1,
    pa.schema(
        [
            _column("judgement_id", pa.string(), "record_id of the judgement"),
            _PROMPT_ID,
            _PROMPT,
            _column("completions", _TEXTS, "the K answers"),
            _column("completion_ids", _TEXTS, "128-bit xxh3 of prompt_id and answer; hex"),
            _AUTHORS,
            *_JUDGES,
            _column(
                "weight",
                pa.float32(),
                "mean, over the judgement's pairs, of the share of votes that agree; 1 where nobody differs, or "
                "where rules.comparisons.on_conflict is not weight",
            ),
            _column(
                "n_prompt_tokens", pa.int32(), "tokens of the prompt, the assistant's role token included"
            ),
            _column(
                "n_completion_tokens", pa.list_(pa.int32()), "tokens of each answer, its end token included"
            ),
            *_ANSWERED,
        ]
    ),
)

PAIRS = DatasetSchema(
    "pairs",
    1,
    pa.schema(
        [
            _column("judgement_id", pa.string(), "judgement that the pair is of"),
            _PROMPT_ID,
            _PROMPT,
            _column("chosen", MESSAGES, "one assistant turn: the better answer"),
            _column("rejected", MESSAGES, "one assistant turn: the worse answer"),
            _column("chosen_id", pa.string(), "completion_id of chosen"),
            _column("rejected_id", pa.string(), "completion_id of rejected"),
            _column("margin", pa.float32(), "ranks between the two"),
            _column(
                "weight",
                pa.float32(),
                "share of the votes on these two answers that are for chosen; 1 where nobody differs, or where "
                "rules.comparisons.on_conflict is not weight",
            ),
            _SPLIT,
        ]
    ),
)

PROMPTS = DatasetSchema(
    "prompts",
    1,
    pa.schema(
        [
            _RECORD_ID,
            _PROMPT_ID,
            _PROMPT,
            _column("messages", MESSAGES, "the same turns"),
            _column("n_tokens", pa.int32(), "tokens of the prompt, the assistant's role token included"),
            *_ANSWERED,
        ]
    ),
)

RLHF_DECISIONS = DatasetSchema(
    "rlhf_decisions",
    1,
    pa.schema(
        [
            _RECORD_ID,
            _SOURCE,
            _column("dataset", pa.string(), "raw_demonstrations, raw_judgements or raw_prompts"),
            _column("keep", pa.bool_(), "whether the record is in the dataset made of it"),
            _column("reason", pa.string(), "member of pipelines.rlhf.reasons.Reason"),
            _column("figure", pa.float64(), "the measured figure behind the reason", nullable=True),
            _column("limit", pa.float64(), "the threshold it was held against", nullable=True),
            _column("evidence", pa.string(), "survivor, text or code behind the reason", nullable=True),
        ]
    ),
)

READ_DECISIONS = DatasetSchema("read_decisions", 1, RLHF_DECISIONS.schema)
