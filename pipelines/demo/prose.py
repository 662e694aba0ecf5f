"""The demo's curated sources: prose that the environment already holds, by the recipe's roles.

| role | text |
|---|---|
| webtext | package descriptions: their authors' best effort to be read, as up-voted links were |
| books1 | the language reference that pydoc carries: long, edited, one work |
| books2 | long docstrings of numpy, scipy and scikit-learn, one document an object |
| wikipedia | reference entries: data sets of scikit-learn, probability distributions of scipy |

Nothing of it is a page of the demo's crawl, save the language reference, which the documentation server shows
as well: there the curated copy must win over the crawled one.
"""

import importlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, NamedTuple

from pipelines.demo.environment import distributions, is_made, mark_made, metadata_field
from pipelines.engine import storage
from pipelines.sources.config import Role, SourceConfig

_DOCSTRING_MODULES = (
    "numpy",
    "numpy.fft",
    "numpy.linalg",
    "scipy.cluster.hierarchy",
    "scipy.spatial",
    "sklearn.cluster",
    "sklearn.decomposition",
    "sklearn.feature_extraction.text",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
)
_DISTRIBUTIONS = "scipy.stats"
_MIN_DESCRIPTION_CHARS = 1000
_MAX_DESCRIPTION_CHARS = 12_000  # what follows is mostly change logs
_MIN_DOCSTRING_CHARS = 3000
_MIN_ENTRY_CHARS = 400


class Prose(NamedTuple):
    """A text and where in the environment it stands."""

    name: str
    text: str


def build_demo_sources(folder: str) -> list[SourceConfig]:
    """Write the curated sources as JSONL files into `folder` (once for an environment) and return them.

    The files hold one object a line: name (where the text stands in the environment) and text.
    """
    configs = [
        _config(folder, "descriptions", "webtext"),
        _config(folder, "language_reference", "books1"),
        _config(folder, "docstrings", "books2"),
        _config(folder, "reference_entries", "wikipedia"),
    ]
    marker = storage.join(folder, "_sources.json")
    if is_made(marker):
        return configs
    texts = (descriptions(), language_reference(), docstrings(), reference_entries())
    facts: dict[str, float] = {}
    for config, entries in zip(configs, texts, strict=True):
        lines = [json.dumps(entry._asdict(), ensure_ascii=False) + "\n" for entry in _distinct(entries)]
        content = "".join(lines).encode("utf-8", "replace")
        storage.write_bytes(config.files[0], content)
        facts |= {f"{config.name}_documents": len(lines), f"{config.name}_bytes": len(content)}
    mark_made(marker, [config.files[0] for config in configs], facts)
    return configs


def descriptions() -> Iterator[Prose]:
    """Package descriptions as plain paragraphs, without badges, pictures and what follows the first part."""
    for name, dist in distributions().items():
        body: object = dist.metadata.get_payload()  # type: ignore[attr-defined]
        text = _plain(str(body or metadata_field(dist, "Description")))
        if len(text) > _MAX_DESCRIPTION_CHARS:
            text = text[: text.rfind("\n\n", 0, _MAX_DESCRIPTION_CHARS)].rstrip()
        if len(text) >= _MIN_DESCRIPTION_CHARS:
            yield Prose(name, text)


def language_reference() -> Iterator[Prose]:
    """The topics of Python's language reference."""
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    for name in sorted(topics):
        yield Prose(name, topics[name].strip())


def docstrings() -> Iterator[Prose]:
    """Docstrings of a fixed list of modules and of what they export, where they are as long as an article."""
    # All are imported before any is read: scipy rewrites the docstrings of some functions of numpy.
    modules = {name: _imported(name) for name in (*_DOCSTRING_MODULES, _DISTRIBUTIONS)}
    for module_name in _DOCSTRING_MODULES:
        module = modules[module_name]
        if module is None:
            continue
        for name, member in [("", module), *_exported(module)]:
            text = inspect.getdoc(member) or ""
            if len(text) >= _MIN_DOCSTRING_CHARS:
                yield Prose(f"{module_name}.{name}".rstrip("."), text)


def reference_entries() -> Iterator[Prose]:
    """Descriptions of scikit-learn's data sets and docstrings of scipy's probability distributions."""
    folder = resources.files("sklearn.datasets").joinpath("descr")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".rst"):
            yield Prose(file.name, re.sub(r"^\.\. _.*\n+", "", file.read_text("utf-8")).strip())
    stats = _imported(_DISTRIBUTIONS)
    if stats is not None:
        for name, member in _exported(stats):
            text = inspect.getdoc(member) or ""
            if isinstance(member, stats.rv_continuous | stats.rv_discrete) and len(text) >= _MIN_ENTRY_CHARS:
                yield Prose(f"{_DISTRIBUTIONS}.{name}", _entry(text))


def _config(folder: str, name: str, role: Role) -> SourceConfig:
    return SourceConfig(name=name, role=role, format="jsonl", files=[storage.join(folder, f"{name}.jsonl")])


def _distinct(entries: Iterable[Prose]) -> list[Prose]:
    """Each text once, under the first name: modules export the same object several times."""
    found: dict[str, Prose] = {}
    for entry in entries:
        found.setdefault(entry.text, entry)
    return list(found.values())


def _imported(name: str) -> Any:
    """The module, or None where this environment's version has none of that name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _exported(module: Any) -> list[tuple[str, Any]]:
    # vars, not getattr: lazy attributes import more modules or refuse with an error.
    found = vars(module)
    names = found.get("__all__") or [name for name in found if not name.startswith("_")]
    return [
        (name, found[name]) for name in sorted(set(names)) if not inspect.ismodule(found.get(name, inspect))
    ]


_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]{0,500}>", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]\n]{0,200}\]\([^)\n]{0,500}\)|!\[[^\]\n]{0,200}\]\[[^\]\n]{0,100}\]")
_LINK = re.compile(r"\[([^\]\n]{0,300})\](?:\([^)\n]{0,500}\)|\[[^\]\n]{0,100}\])")
_DIRECTIVE = re.compile(
    r"^\s*(\.\. (\||image::|figure::|_|raw::|contents::).*|:(target|alt|width|height|align):.*)$"
)
_RST_LINK = re.compile(r"`([^`<>]{1,300}?)\s*<[^`<>]{1,500}>`_{1,2}")
_SUBSTITUTION = re.compile(r"\|[A-Za-z][\w .-]{0,40}\|_{0,2}(?=\s|$)")
_TARGET = re.compile(r"^\s*\[[^\]]{1,100}\]:\s*\S+.*$")
_TEMPLATED = re.compile(r"\n(Methods|Examples)\n-+\n.*?(?=\n[A-Z][a-z ]+\n-+\n|\Z)", re.DOTALL)


def _plain(markup: str) -> str:
    """Markdown or reStructuredText without tags, pictures and link targets; all else stays as it is."""
    lines = markup.replace("\r\n", "\n").split("\n")
    text = "\n".join(line for line in lines if not (_DIRECTIVE.match(line) or _TARGET.match(line)))
    text = _TAG.sub("", _RST_LINK.sub(r"\1", text))
    text = _SUBSTITUTION.sub("", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def _entry(docstring: str) -> str:
    """A distribution's entry without methods and examples, which are the same in every entry."""
    return _TEMPLATED.sub("", docstring).strip()
