"""Ids and canonical text."""

import pytest

from pipelines.rlhf.raw_rows import dense_ranks
from pipelines.rlhf.records import canonical, completion_id, prompt_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Paris", "Paris"),
        ("    return x\n", "    return x"),
        ("\n \n  a\n\n b \n", "  a\n\n b"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ud83d", "\ufffd"),
        ("　中文", "　中文"),
    ],
    ids=["joining-space", "indent", "blank-lines", "newlines", "surrogate", "ideographic-space"],
)
def test_canonical(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_a_forged_turn_has_another_prompt_id() -> None:
    one = [{"role": "user", "content": "a\x1fassistant\x1f1\x1fb"}]
    two = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert len({prompt_id(one), prompt_id(two), prompt_id([two[0]])}) == 3


def test_roles_and_texts_make_the_prompt_id() -> None:
    user, system = ({"role": role, "content": "a"} for role in ("user", "system"))
    assert prompt_id([user]) != prompt_id([system])
    assert completion_id("p", "a ") == completion_id("p", "a") != completion_id("q", "a")


def test_dense_ranks_keep_order_and_ties() -> None:
    assert dense_ranks([7, None, 2, 7, 9]) == [2, None, 1, 2, 3]
