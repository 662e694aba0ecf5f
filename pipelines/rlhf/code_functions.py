"""Public functions of a Python file with what their docstring or leading comment says they do."""

import ast
import inspect
import re
import textwrap
import warnings
from collections.abc import Iterator
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Where a docstring stops to say what the function does: sections, field lists, doctests, directives, underlines.
_SECTION = re.compile(
    r"^\s*(?:(?:args|arguments|parameters|params|returns?|raises|yields?|examples?|notes?|see also|references|"
    r"attributes|usage|warnings?|keyword arguments)\s*:?\s*$|:\w|>>>|\.\. |[-=~]{3,}\s*$|@\w)",
    re.IGNORECASE,
)
_ROLE = re.compile(r":[\w:+-]+:`~?([^`]*)`")
_NO_PROSE = re.compile(
    r"^#\s*(?:!|type:|noqa|pragma|pylint|mypy|ruff|fmt:|isort|todo|fixme|xxx|[^\w\s]{3})", re.IGNORECASE
)


class CodeFunction(NamedTuple):
    """A function at `line` (from 1): signature without `def`, what it does on one line, code without docstring."""

    name: str
    line: int
    signature: str
    doc: str
    code: str


class Skipped(NamedTuple):
    """A public function that gives no pair, and why."""

    line: int
    reason: str


def functions(text: str, methods: bool = False) -> Iterator[CodeFunction | Skipped]:
    """The module's public functions in order, with `methods` those of its public classes too.

    Names that begin with an underscore or with test are not public. SyntaxError or ValueError where the text is
    no Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes in the source
        module = ast.parse(text)
    lines = text.splitlines()
    for node in _public(module, methods):
        yield _function(node, lines)


def _public(module: ast.Module, methods: bool) -> Iterator[Function]:
    for node in module.body:
        if isinstance(node, Function) and _is_public(node.name):
            yield node
        elif methods and isinstance(node, ast.ClassDef) and _is_public(node.name):
            yield from (
                inner for inner in node.body if isinstance(inner, Function) and _is_public(inner.name)
            )


def _is_public(name: str) -> bool:
    return not name.lower().startswith(("_", "test"))


def _function(node: Function, lines: list[str]) -> CodeFunction | Skipped:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    written = ast.get_docstring(node, clean=True)
    body = node.body[1:] if written is not None else node.body
    if _is_stub(node, body):
        return Skipped(first, "no_body")
    told = _paragraph(written) if written is not None else _comment(lines, first)
    if not told:
        return Skipped(first, "says_nothing")
    code = _code(node, lines, first, written is not None)
    if code is None:
        return Skipped(first, "docstring_on_a_line_of_code")
    arguments = ast.unparse(node.args)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return CodeFunction(node.name, first, f"{node.name}({arguments}){returns}", told, code)


def _is_stub(node: Function, body: list[ast.stmt]) -> bool:
    """Nothing but pass, `...` or raise NotImplementedError, or an overload's form."""
    overload = any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
    return overload or all(_does_nothing(statement) for statement in body)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        return "NotImplemented" in ast.unparse(statement.exc)
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _code(node: Function, lines: list[str], first: int, documented: bool) -> str | None:
    """The function's lines without its docstring, dedented; None where the docstring shares a line with code."""
    last = node.end_lineno or node.lineno
    if not documented:
        return textwrap.dedent("\n".join(lines[first - 1 : last]))
    doc, after = node.body[0], node.body[1]
    before = lines[doc.lineno - 1][: doc.col_offset]
    resumes = min([after.lineno, *(d.lineno for d in getattr(after, "decorator_list", []))])
    end = doc.end_lineno or doc.lineno
    if before.strip() or resumes <= end:
        return None
    rest = lines[end:last]
    while rest and not rest[0].strip():
        rest = rest[1:]
    return textwrap.dedent("\n".join([*lines[first - 1 : doc.lineno - 1], *rest]))


def _paragraph(docstring: str) -> str:
    """What stands before the first section, on one line, without markup."""
    kept: list[str] = []
    for line in inspect.cleandoc(docstring).splitlines():
        if _SECTION.match(line):
            break
        kept.append(line)
    # The title of an underlined section is no prose either.
    paragraphs = [" ".join(part.split()) for part in "\n".join(kept).split("\n\n") if part.strip()]
    return _ROLE.sub(r"`\1`", paragraphs[0]).replace("``", "`") if paragraphs else ""


def _comment(lines: list[str], first: int) -> str:
    """The comment directly above, at the same depth."""
    indent = re.match(r"\s*", lines[first - 1])
    depth = indent[0] if indent else ""
    found: list[str] = []
    for line in reversed(lines[: first - 1]):
        if not line.startswith(f"{depth}#") or _NO_PROSE.match(line.strip()):
            break
        found.append(line.strip().lstrip("#").strip())
    return " ".join(" ".join(reversed(found)).split())
