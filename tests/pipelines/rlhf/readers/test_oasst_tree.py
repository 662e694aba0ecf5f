"""OpenAssistant's trees: rankings of siblings, the best of them, and whose words stay out."""

from pathlib import Path
from typing import Any

from tests.pipelines.rlhf.instruction_files import Raw, read_rows_of, said


def message(name: str, text: str, replies: list | None = None, **facts: Any) -> dict[str, Any]:
    role = "prompter" if name.startswith("p") else "assistant"
    return {"message_id": name, "text": text, "role": role, "lang": "en", "replies": replies or [], **facts}


def read_tree(folder: Path, prompt: dict[str, Any]) -> Raw:
    return read_rows_of(
        folder, [{"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": prompt}]
    )


def test_a_full_ranking(tmp_path: Path) -> None:
    replies = [
        message("a1", "second", rank=1),
        message("a2", "first", rank=0),
        message("a3", "third", rank=2),
    ]
    raw = read_tree(tmp_path, message("p", "q", replies))
    (judgement,) = raw.judgements
    assert judgement["completions"] == ["second", "first", "third"]
    assert judgement["ranks"] == [2, 1, 3]
    assert (judgement["partial"], judgement["judge_kind"], judgement["language"]) == (False, "human", "en")
    (demonstration,) = raw.demonstrations
    assert said(demonstration["messages"]) == [("u", "q"), ("a", "first")]
    assert demonstration["kind"] == "best_reply"
    assert {judgement["root_id"], demonstration["root_id"], raw.prompts[0]["root_id"]} == {"test:t"}


def test_an_unranked_sibling_stays_unjudged(tmp_path: Path) -> None:
    replies = [message("a1", "x", rank=0), message("a2", "y", rank=1), message("a3", "late", rank=None)]
    (judgement,) = read_tree(tmp_path, message("p", "q", replies)).judgements
    assert judgement["ranks"] == [1, 2, None]
    assert judgement["partial"]


def test_deeper_contexts_have_their_own_records(tmp_path: Path) -> None:
    below = message("p2", "r", [message("a3", "y", rank=1), message("a4", "z", rank=0)])
    raw = read_tree(tmp_path, message("p", "q", [message("a1", "x", [below])]))
    assert [said(p["messages"]) for p in raw.prompts] == [[("u", "q")], [("u", "q"), ("a", "x"), ("u", "r")]]
    assert [said(d["messages"])[-1] for d in raw.demonstrations] == [("a", "x"), ("a", "z")]
    assert [d["kind"] for d in raw.demonstrations] == ["demonstration", "best_reply"]
    assert [p["origin"] for p in raw.prompts] == ["rows.jsonl#1#p", "rows.jsonl#1#p2"]


def test_synthetic_deleted_and_flagged_messages_go_with_what_is_below(tmp_path: Path) -> None:
    replies = [
        message("a1", "kept b", rank=3),
        message("a2", "machine", [message("p3", "below")], rank=0, synthetic=True, model_name="m"),
        message("a3", "gone", rank=1, deleted=True),
        message("a4", "bad", rank=2, review_result=False),
        message("a5", "kept a", rank=4),
    ]
    raw = read_tree(tmp_path, message("p", "q", replies))
    assert raw.judgements[0]["completions"] == ["kept b", "kept a"]
    assert raw.judgements[0]["ranks"] == [1, 2]
    assert [(d["reason"], d["evidence"]) for d in raw.decisions] == [
        ("synthetic", "m"),
        ("deleted", "a3"),
        ("flagged", "a4"),
    ]
    assert len(raw.prompts) == 1


def test_unranked_replies_give_no_best_one(tmp_path: Path) -> None:
    raw = read_tree(tmp_path, message("p", "q", [message("a1", "x"), message("a2", "y")]))
    assert not raw.demonstrations
    assert not raw.judgements
    assert [d["reason"] for d in raw.decisions] == ["unjudged"]


def test_nine_replies_with_ties(tmp_path: Path) -> None:
    ranks = [0, 1, 1, 2, 3, 3, 3, 4, 5]
    replies = [message(f"a{n}", f"answer {n}", rank=rank) for n, rank in enumerate(ranks)]
    (judgement,) = read_tree(tmp_path, message("p", "q", replies)).judgements
    assert judgement["ranks"] == [rank + 1 for rank in ranks]


def test_a_deep_tree_needs_no_deep_stack(tmp_path: Path) -> None:
    tree = message("a120", "end")
    for depth in range(119, -1, -1):
        tree = message(f"p{depth}", "q", [tree])
        tree = message(f"a{depth}", "a", [tree]) if depth else tree
    assert len(read_tree(tmp_path, tree).prompts) == 120
