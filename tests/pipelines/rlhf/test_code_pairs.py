from email.message import Message
from pathlib import Path

import pytest

from pipelines.rlhf.code_candidates import CodeCandidatesConfig, code_candidates
from pipelines.rlhf.code_functions import CodeFunction, functions
from pipelines.rlhf.code_pairs import (
    CodeFolder,
    CodePairsConfig,
    SourceText,
    code_pairs,
    package_licence,
    read_sources,
)
from pipelines.rlhf.judge import JudgeConfig, judge
from pipelines.rlhf.raw_rows import dense_ranks

ADD = '''
@cache
def add(a: int, b: int = 1) -> int:
    """Add two whole numbers
    and :func:`give <x.give>` ``their`` sum.

    A second paragraph.

    Args:
        a: one
    """

    # carry
    total = a + b
    return total
'''


def only(text: str, methods: bool = False) -> CodeFunction:
    (found,) = functions(text, methods)
    assert isinstance(found, CodeFunction)
    return found


def test_a_function_without_its_docstring() -> None:
    found = only(ADD)
    assert found.signature == "add(a: int, b: int=1) -> int"
    assert found.doc == "Add two whole numbers and `give <x.give>` `their` sum."
    assert found.code == (
        "@cache\ndef add(a: int, b: int = 1) -> int:\n    # carry\n    total = a + b\n    return total"
    )
    assert (found.name, found.line) == ("add", 2)


def test_a_leading_comment_says_it_too() -> None:
    text = "import os\n\n# Join the parts\n# of a path.\ndef join(parts):\n    return os.sep.join(parts)\n"
    assert (only(text).doc, only(text).code.splitlines()[0]) == (
        "Join the parts of a path.",
        "def join(parts):",
    )


def test_methods_are_dedented() -> None:
    text = 'class A:\n    def go(self):\n        """Go to the place."""\n        x = 1\n        return x\n'
    assert list(functions(text)) == []
    assert only(text, methods=True).code == "def go(self):\n    x = 1\n    return x"


def test_async_functions() -> None:
    assert (
        only('async def go():\n    """Go to the place."""\n    await x\n').code
        == "async def go():\n    await x"
    )


@pytest.mark.parametrize(
    "text",
    ["def _a():\n    '''Does a thing.'''\n    x = 1", "def test_a():\n    '''Tests a.'''\n    x = 1",
     "class _C:\n    def a(self):\n        '''Does a thing.'''\n        x = 1"],
    ids=["private", "test", "private class"],
)  # fmt: skip
def test_what_is_not_public(text: str) -> None:
    assert list(functions(text, methods=True)) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def a():\n    '''Does a thing.'''", "no_body"),
        ("def a():\n    '''Does a thing.'''\n    ...", "no_body"),
        ("def a():\n    '''Does a thing.'''\n    raise NotImplementedError('later')", "no_body"),
        ("@typing.overload\ndef a():\n    '''Does a thing.'''\n    x = 1", "no_body"),
        ("def a():\n    x = 1", "says_nothing"),
        ("# noqa\ndef a():\n    x = 1", "says_nothing"),
        ("# ----- helpers -----\ndef a():\n    x = 1", "says_nothing"),
        ("# Far above.\n\ndef a():\n    x = 1", "says_nothing"),
        ("def a():\n    '''\n    Args:\n        x: y\n    '''\n    x = 1", "says_nothing"),
        ("def a():\n    '''Does.'''; x = 1", "docstring_on_a_line_of_code"),
    ],
    ids=["docstring alone", "dots", "abstract", "overload", "nothing said", "a pragma", "a banner", "a gap",
         "sections alone", "one line"],
)  # fmt: skip
def test_what_gives_no_pair(text: str, reason: str) -> None:
    (found,) = functions(text)
    assert not isinstance(found, CodeFunction)
    assert found.reason == reason


def source(
    text: str | None, path: str = "pkg/a.py", name: str = "pkg", licence: str | None = "MIT"
) -> SourceText:
    return SourceText(name, path, text, licence, "" if text is not None else "unreadable")


CONFIG = CodePairsConfig(chinese_share=0)


def test_a_pair_is_a_raw_demonstration() -> None:
    (row,) = code_pairs([source(ADD)], CONFIG).pairs.to_pylist()
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    asked, answered = (turn["content"] for turn in row["messages"])
    assert "Add two whole numbers" in asked
    assert "`add(a: int, b: int=1) -> int`" in asked
    assert answered == only(ADD).code
    assert (row["origin"], row["root_id"], row["licence"]) == ("pkg/a.py#2", "pkg:pkg/a.py", "MIT")
    assert (row["use_case"], row["language"], row["kind"]) == ("generation", "en", "demonstration")


def test_chinese_instructions() -> None:
    (row,) = code_pairs([source(ADD)], CodePairsConfig(chinese_share=1)).pairs.to_pylist()
    assert "Python 函数" in row["messages"][0]["content"]
    assert row["language"] == "zh"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"min_lines": 6}, "too_short"),
        ({"max_lines": 4}, "too_long"),
        ({"max_chars": 20}, "too_long"),
        ({"max_signature_chars": 9}, "long_signature"),
        ({"min_doc_words": 30}, "says_too_little"),
        ({"max_doc_words": 4}, "says_too_much"),
    ],
)
def test_limits(changed: dict[str, int], reason: str) -> None:
    found = code_pairs([source(ADD)], CONFIG.model_copy(update=changed))
    assert found.counts == {"files": 1, "functions": 1, f"skipped:{reason}": 1}


def test_equal_functions_give_one_pair_whatever_the_order() -> None:
    copies = [
        source(ADD, "pkg/b.py"),
        source(ADD, "pkg/a.py"),
        source(None, "pkg/c.py"),
        source("def (", "pkg/d.py"),
    ]
    found = code_pairs(copies, CONFIG)
    assert found.pairs.equals(code_pairs(copies[::-1], CONFIG).pairs)
    assert found.pairs["origin"].to_pylist() == ["pkg/a.py#2"]
    assert found.counts == {
        "files": 4,
        "functions": 2,
        "pairs": 1,
        "skipped:duplicate": 1,
        "skipped_file:no_python": 1,
        "skipped_file:unreadable": 1,
    }


MANY = [
    source(ADD.replace("add", f"add_{i}").replace("total", f"sum_{i}"), f"pkg/m{i // 4}.py")
    for i in range(40)
]
JOINED = [
    SourceText("pkg", f"pkg/m{n}.py", "\n".join(s.text or "" for s in MANY[4 * n : 4 * n + 4]), "MIT")
    for n in range(10)
]


def test_the_most_pairs_are_a_draw() -> None:
    few = code_pairs(JOINED, CodePairsConfig(max_pairs=10))
    assert (few.pairs.num_rows, few.counts["skipped:beyond_max_pairs"]) == (10, 30)
    everything = set(code_pairs(JOINED, CodePairsConfig()).pairs["record_id"].to_pylist())
    assert set(few.pairs["record_id"].to_pylist()) < everything


def test_folders_without_tests(tmp_path: Path) -> None:
    for name in ("a.py", "tests/b.py", "sub/test_c.py", "sub/d.py", "e.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(ADD, encoding="utf-8")
    (tmp_path / "f.py").write_bytes(b"# \xff\xfe\n")
    config = CodePairsConfig(folders=[CodeFolder(name="mine", path=str(tmp_path), licence="MIT")])
    found = list(read_sources(config))
    assert [(s.path, s.reason) for s in found] == [("a.py", ""), ("f.py", "unreadable"), ("sub/d.py", "")]
    assert {s.licence for s in found} == {"MIT"}


def test_installed_packages() -> None:
    found = list(read_sources(CodePairsConfig(packages=["xxhash"])))
    assert found
    assert all(s.source == "xxhash" and s.licence for s in found)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CodePairsConfig(packages=["no-such-package"]), "packages: 'no-such-package' is not installed"),
        (
            CodePairsConfig(folders=[CodeFolder(name="x", path="/no/such")]),
            "folders: '/no/such' of source 'x'",
        ),
    ],
)
def test_missing_sources(config: CodePairsConfig, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        list(read_sources(config))


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ([("License-Expression", "MIT"), ("License", "other")], "MIT"),
        ([("License", "BSD-3-Clause")], "BSD-3-Clause"),
        (
            [("License", "A\nlong text"), ("Classifier", "License :: OSI Approved :: MIT License")],
            "MIT License",
        ),
        ([("License", "UNKNOWN")], None),
        ([], None),
    ],
)
def test_licences_of_packages(lines: list[tuple[str, str]], licence: str | None) -> None:
    told = Message()
    for name, value in lines:
        told[name] = value
    assert package_licence(told) == licence


PAIRS = code_pairs(JOINED, CONFIG).pairs


def test_candidates_are_made_from_the_file_alone() -> None:
    table, references = code_candidates(PAIRS, CodeCandidatesConfig())
    own = dict(zip(references["record_id"].to_pylist(), references["reference"].to_pylist(), strict=True))
    files = {row["record_id"]: row["root_id"] for row in table.to_pylist()}
    text_of = {row["messages"][1]["content"]: row["root_id"] for row in PAIRS.to_pylist()}
    for row in table.to_pylist():
        authors = dict(zip(row["completions"], row["completion_authors"], strict=True))
        assert [text for text, who in authors.items() if who == "human" and text == own[row["record_id"]]]
        assert {text_of[text] for text, who in authors.items() if who == "human"} == {files[row["record_id"]]}
        assert len(authors) == 4
    places = {row["completions"].index(own[row["record_id"]]) for row in table.to_pylist()}
    assert places == {0, 1, 2, 3}


def test_the_judge_prefers_the_function_itself() -> None:
    table, references = code_candidates(PAIRS, CodeCandidatesConfig())
    own = dict(zip(references["record_id"].to_pylist(), references["reference"].to_pylist(), strict=True))
    judged = judge(table, JudgeConfig(), references).judgements
    assert judged.num_rows == table.num_rows == 40
    by_prompt = {row["messages"][0]["content"]: row for row in judged.to_pylist()}
    for row in table.to_pylist():
        verdict = by_prompt[row["messages"][0]["content"]]
        assert verdict["ranks"][verdict["completions"].index(own[row["record_id"]])] == 1
        assert verdict["ranks"] == dense_ranks(verdict["ranks"])


def test_a_file_with_one_function_has_no_other() -> None:
    table, _ = code_candidates(code_pairs([source(ADD)], CONFIG).pairs, CodeCandidatesConfig())
    assert [len(row) for row in table["completions"].to_pylist()] == [3]
    shortest, _, longest = sorted(table["completions"][0].as_py(), key=len)
    own = only(ADD).code
    assert (own.startswith(shortest), longest.startswith(own)) == (True, True)
