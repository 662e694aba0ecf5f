import numpy as np
import pyarrow as pa

from pipelines.rlhf.lengths import LengthConfig, Lengths, measure, too_long
from tests.pipelines.rlhf.rule_tables import chat_tokenizer, messages, turns


def test_lengths_are_those_of_the_ids() -> None:
    column = messages(turns("the cat"), turns("x", "y", "中文"))
    answers = pa.array([["sat", "sat on the mat"], []], pa.large_list(pa.large_string()))
    lengths = measure(pa.chunked_array([column]), answers, chat_tokenizer())
    assert lengths.prompt.tolist() == [len(ids) for ids in chat_tokenizer().dialogue_ids(column, True)]
    whole = messages(turns("the cat", "sat"), turns("the cat", "sat on the mat"))
    both = [len(ids) for ids in chat_tokenizer().dialogue_ids(whole, False)]
    assert (lengths.prompt[0] + lengths.answers).tolist() == both
    assert lengths.longest.tolist() == [lengths.answers.max(), 0]
    assert lengths.take(np.array([1, 0])).offsets.tolist() == [0, 0, 2]


def test_the_limit_itself_is_allowed_and_the_prompt_is_named_first() -> None:
    lengths = Lengths(np.array([10, 11, 11, 1]), np.array([5, 6, 6, 9]), np.array([0, 1, 2, 2, 4]))
    drops = too_long(lengths, LengthConfig(max_prompt_tokens=10, max_completion_tokens=5))
    assert drops.rows.tolist() == [1, 2, 3]
    assert drops.reason.to_pylist() == ["prompt_too_long", "prompt_too_long", "completion_too_long"]
    assert drops.figure.tolist() == [11, 11, 9]
    assert drops.limit.tolist() == [10, 10, 5]
