"""A small crawl and small curated sources, made up word by word: enough for every stage to have something to do."""

import json
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import yaml
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

SYLLABLES = ["ba", "do", "ki", "lu", "me", "no", "pa", "ri", "so", "ta", "ve", "wi", "xo", "zu"]
PAGES = 90
EMAIL = "someone@mill.org"


def word(random: Random, syllables: list[str]) -> str:
    """A made-up word."""
    return "".join(random.choices(syllables, k=random.randint(2, 4)))


def prose(random: Random, words: int, syllables: list[str] | None = None) -> str:
    """Paragraphs of made-up sentences."""
    sentences = []
    while words > 0:
        n = random.randint(6, 14)
        sentences.append(" ".join(word(random, syllables or SYLLABLES) for _ in range(n)).capitalize() + ".")
        words -= n
    return "\n\n".join(" ".join(sentences[i : i + 4]) for i in range(0, len(sentences), 4))


def page(title: str, text: str) -> bytes:
    """An HTML page with a menu around the text."""
    paragraphs = "".join(f"<p>{p}</p>" for p in text.split("\n\n"))
    menu = "<nav><ul><li><a href='/'>home</a></li><li><a href='/about'>about</a></li></ul></nav>"
    body = f"<body>{menu}<main><h1>{title}</h1>{paragraphs}</main></body>"
    return f"<html><head><title>{title}</title></head>{body}</html>".encode()


def write_warc(path: Path, pages: list[tuple[str, bytes]]) -> None:
    """Response records of (url, html), gzip per record."""
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for url, html in pages:
            head = StatusAndHeaders(
                "200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1"
            )
            record = writer.create_warc_record(
                url,
                "response",
                payload=BytesIO(html),
                http_headers=head,
                warc_headers_dict={"WARC-Date": "2026-01-02T03:04:05Z"},
            )
            writer.write_record(record)


def odd_pages(random: Random) -> list[tuple[str, bytes]]:
    """Pages for one rule each, and one with an address to write to."""
    # Within a paragraph: of equal paragraphs the extractor keeps one.
    again = " ".join([prose(random, 30).replace("\n\n", " ")] * 6)
    written = prose(random, 150) + f"\n\nWrite to {EMAIL} before noon. " + prose(random, 60)
    texts = {
        "http://blocked.example/1": prose(random, 200),
        "http://again.example/1": again,
        "http://listed.example/1": prose(random, 150) + " Zuzu-baba. " + prose(random, 60),
        "http://written.example/1": written,
    }
    return [(url, page("Odd", text)) for url, text in texts.items()]


def selection(folder: Path) -> dict[str, Any]:
    """Rules for a made-up language: it has no stop words, whatever the identifier takes it for."""
    made_up = {"name": "made_up", "gopher": {"min_stop_words": None}}
    return {
        "blocklists": {"domains": [str(folder / "blocked.txt")]},
        "rules": {"rule_sets": ["made_up"], "by_language": [], "own_sets": [made_up]},
        "max_listed_words": 0,
        "max_perplexity": {"worst_bucket": "tail"},
        "quality": "threshold",
        "threshold": 0.01,
    }


def build(folder: Path) -> dict[str, Any]:
    """Write the inputs into `folder`; a run config that reads them."""
    random = Random(7)
    folder.mkdir(parents=True, exist_ok=True)
    questions = [prose(random, 40).replace("\n\n", " ") for _ in range(6)]
    pages = []
    for number in range(PAGES):
        text = prose(random, random.randint(120, 400))
        if number % 15 == 0:
            text = text + "\n\n" + questions[number // 15] + "\n\n" + prose(random, 150)
        pages.append((f"http://site{number % 9}.example/{number}", page(f"Page {number}", text)))
    again = [(url + "?print=1", html) for url, html in pages[:10]]
    # A sentence, as a line of two words may be taken for what stands around a text.
    edit = b"<p>Edited by its author, who found a word that was wrong in the second line.</p></main>"
    edited = [(url + "?v=2", html.replace(b"</main>", edit)) for url, html in pages[10:20]]
    pages += odd_pages(random)
    (folder / "blocked.txt").write_text("blocked.example\n")
    (folder / "listed.txt").write_text("zuzu baba\n")
    write_warc(folder / "first.warc.gz", pages)
    write_warc(
        folder / "second.warc.gz", [*again, *edited, pages[30], ("http://empty.example/", b"<html></html>")]
    )
    with (folder / "web.jsonl").open("w") as stream:
        for _ in range(40):
            stream.write(json.dumps({"text": prose(random, 200, SYLLABLES[:10])}) + "\n")
        stream.write('{"text": 5}\n')
    for number in range(3):
        (folder / f"book{number}.txt").write_text(prose(random, 3000, SYLLABLES[4:]))
    with (folder / "quiz.jsonl").open("w") as stream:
        stream.writelines(json.dumps({"question": q, "answer": "yes"}) + "\n" for q in questions)
    return {
        "resources": {"mill": {"config": {"spark": {"master": "local[2,4]", "shuffle_partitions": 2}}}},
        "ops": {
            "crawl": {"config": {"files": [str(folder / "*.warc.gz")]}},
            "curated": {
                "config": {
                    "sources": [
                        {"name": "web", "role": "webtext", "files": [str(folder / "web.jsonl")]},
                        {"name": "books", "role": "books1", "files": [str(folder / "book*.txt")]},
                    ]
                }
            },
            "documents": {"config": {"shard_mib": 0.02}},
            # The made-up language passes for Spanish or Portuguese, page by page.
            "perplexity_model": {"config": {"mode": "fit", "min_words": 3000, "min_crawl_documents": 20}},
            "signals": {
                "config": {
                    "personal_data": ["email"],
                    "word_lists": [str(folder / "listed.txt")],
                    "perplexity": True,
                }
            },
            "selection": {"config": selection(folder)},
            "corpus": {
                "config": {
                    "benchmarks": [{"name": "quiz", "files": [str(folder / "quiz.jsonl")]}],
                    "personal_data": {"mode": "replace", "kinds": ["email"]},
                }
            },
            "tokenizer": {"config": {"tokenizer": {"vocab_size": 600}}},
            "tokens": {"config": {"validation_fraction": 0.2}},
            "pretraining": {"config": {"context": 64, "buckets": 3}},
        },
    }


def write_config(path: Path, config: dict[str, Any]) -> Path:
    """The run config as a YAML file."""
    path.write_text(yaml.safe_dump(config))
    return path
