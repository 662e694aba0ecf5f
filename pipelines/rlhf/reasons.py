"""Why a record is or is not in a dataset: the closed list that `rlhf_decisions` draws on.

A reader drops what cannot be an example, a rule what should not be one. Rules are named in the order in which
they are asked; a record has the first reason that holds.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of rlhf_decisions; figure, limit and evidence of each stand beside it.

    Cleaning reasons hold for a record alone, rule reasons by comparison with a limit or with other records.
    """

    KEPT = "kept"
    HELD_OUT_PROMPT = (
        "held_out_prompt"  # a judgement or demonstration that gave its prompt alone, to `prompts`
    )

    # Reading: rows that are no example of the dataset that their layout gives. (figure, limit, evidence)
    SYNTHETIC = "synthetic"  # a message that a model wrote, its name; all replies below it go with it
    DELETED = "deleted"  # a message that its writer or a moderator took back
    FLAGGED = "flagged"  # a message that reviewers turned down
    UNPAIRED = (
        "unpaired"  # an answer judged good or bad by itself, the label: no comparison, no demonstration
    )
    UNJUDGED = "unjudged"  # a verdict that says nothing, the verdict
    NOT_TRAINED_ON = "not_trained_on"  # a reply whose source gives it the weight 0, the field
    CONTEXT_MISMATCH = "context_mismatch"  # most turns of an answer behind the shared ones, 1
    ENDS_ON_HUMAN = "ends_on_human"  # turns, none, role of the last one; its prompt is kept as a prompt

    # Cleaning. (figure, limit, evidence)
    EMPTY_REPLY = "empty_reply"  # characters, 1
    TOO_LONG = "too_long"  # characters of the longest message, most allowed, its role
    TEMPLATE_PLACEHOLDER = "template_placeholder"  # placeholders, 0, the first of them
    WRONG_LANGUAGE = (
        "wrong_language"  # probability of the reply's language, least asked, prompt's and reply's code
    )
    UNWANTED_LANGUAGE = "unwanted_language"  # the prompt's language
    REFUSING = "refusing"  # characters of the reply, most a refusal has, its first words
    TRUNCATED = "truncated"  # characters of the reply, least asked, its last words
    REPETITIVE = "repetitive"  # share of word n-grams seen before in the reply, most allowed
    DUPLICATE_COMPLETIONS = "duplicate_completions"  # distinct answers without contradicting ranks, 2
    TOO_FEW_COMPLETIONS = "too_few_completions"  # judged answers, 2

    # Rules. (figure, limit, evidence)
    PROMPT_TOO_LONG = "prompt_too_long"  # tokens, most allowed
    COMPLETION_TOO_LONG = "completion_too_long"  # tokens of the longest answer, most allowed
    EMPTY_PROMPT = "empty_prompt"  # words of the user's turns, 1
    PERSONAL_DATA = "personal_data"  # spans found, 0, their kinds
    CONTAMINATED = "contaminated"  # benchmark n-grams found, 0, benchmark and n-gram
    PREFIX_DUPLICATE = "prefix_duplicate"  # words compared, words a prefix has, survivor's record_id
    FEW_SHOT_PREFIX_DUPLICATE = (
        "few_shot_prefix_duplicate"  # the same, of a prompt that holds worked examples
    )
    NEAR_DUPLICATE = "near_duplicate"  # Jaccard similarity, threshold, survivor's record_id
    USER_LIMIT = "user_limit"  # place among the user's prompts from 1, most allowed, user_id
    CONTRADICTED = "contradicted"  # share of the judges that agree, 0.5
    SHARED_WITH_ANSWERED = "shared_with_answered"  # split_group that `sft` or `comparisons` holds as evidence
    OVER_QUOTA = "over_quota"  # place in its stratum from 1, prompts wanted, stratum


DROPPED_WITHOUT_FIGURE = frozenset(
    {
        Reason.SYNTHETIC,
        Reason.DELETED,
        Reason.FLAGGED,
        Reason.UNPAIRED,
        Reason.UNJUDGED,
        Reason.NOT_TRAINED_ON,
        Reason.UNWANTED_LANGUAGE,
        Reason.SHARED_WITH_ANSWERED,
    }
)
"""Reasons whose evidence says all: they have no figure and no limit."""
