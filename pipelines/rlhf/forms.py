"""Texts of augmented prompts: worked examples in front of a question, and a task with its instruction and input."""

from collections.abc import Sequence
from typing import NamedTuple

_MAX_INSTRUCTION_WORDS = 60


class _Words(NamedTuple):
    instruction: str
    answer: str
    task: str
    input: str


_ENGLISH = _Words("Instruction:", "Answer:", "Task:", "Input:")
_CHINESE = _Words("指令：", "回答：", "任务：", "输入：")

# What each use case of InstructGPT's Table 1 asks for.
_TASKS = {
    "generation": ("write a text", "写一段文字"),
    "open_qa": ("answer a question from general knowledge", "根据常识回答问题"),
    "brainstorming": ("collect ideas", "集思广益"),
    "chat": ("carry on a conversation", "进行对话"),
    "rewrite": ("rewrite a text", "改写文字"),
    "summarization": ("summarise a text", "概括内容"),
    "classification": ("classify", "分类"),
    "other": ("follow an instruction", "按照指令完成"),
    "closed_qa": ("answer a question from the given text", "根据给定文本回答问题"),
    "extract": ("extract information from a text", "从文本中提取信息"),
}


def few_shot_text(question: str, examples: Sequence[tuple[str, str]], language: str | None) -> str:
    """The question behind worked examples (question, answer), all in one layout.

    >>> print(few_shot_text("2 + 2?", [("1 + 1?", "2")], "en"))
    Instruction: 1 + 1?
    Answer: 2
    <BLANKLINE>
    Instruction: 2 + 2?
    Answer:
    """
    words = _CHINESE if language == "zh" else _ENGLISH
    gap = "" if language == "zh" else " "
    blocks = [
        f"{words.instruction}{gap}{asked}\n{words.answer}{gap}{answered}" for asked, answered in examples
    ]
    return "\n\n".join([*blocks, f"{words.instruction}{gap}{question}\n{words.answer}"])


def task_text(question: str, use_case: str, language: str | None) -> str:
    """The question as instruction and input under the name of its task.

    The input is what stands below a first line of at most 60 words; a question of one line has none.

    >>> print(task_text("Shorten this.\\nOnce upon a time.", "summarization", "en"))
    Task: summarise a text
    <BLANKLINE>
    Instruction: Shorten this.
    <BLANKLINE>
    Input:
    Once upon a time.
    """
    chinese = language == "zh"
    words, gap = (_CHINESE, "") if chinese else (_ENGLISH, " ")
    instruction, _, given = question.partition("\n")
    if not given.strip() or len(instruction.split()) > _MAX_INSTRUCTION_WORDS:
        instruction, given = question, ""
    parts = [
        f"{words.task}{gap}{_TASKS[use_case][chinese]}",
        f"{words.instruction}{gap}{instruction.strip()}",
    ]
    parts += [f"{words.input}\n{given.strip()}"] if given.strip() else []
    return "\n\n".join(parts)


def has_task(use_case: str | None) -> bool:
    """Whether a use case has words for its task."""
    return use_case in _TASKS
