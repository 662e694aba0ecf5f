"""datatrove's filters at work, in the Python that has them installed: started by benchmarks.signals.

    PYTHON benchmarks/peer_filters.py INPUT OUTPUT

Knows nothing of this project. INPUT: a Parquet file with the column text. Each filter judges every text by
itself with its defaults. OUTPUT: a Parquet file, a column a filter: the reason, null where the text is kept;
a text at which a filter raises has "error". The last line printed is JSON: version, and processor seconds of
each filter (imports and a first warming up left out; each filter splits the text into words anew, as it
does in a pipeline of several filters, unless the text is among the last five).
"""

import importlib.metadata
import json
import sys
import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def filters() -> dict[str, Any]:
    """The four filters."""
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.filters.c4_filters import C4QualityFilter
    from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter

    return {
        "gopher_quality": GopherQualityFilter(),
        "gopher_repetition": GopherRepetitionFilter(),
        "c4": C4QualityFilter(),
        "fineweb": FineWebQualityFilter(),
    }


def verdict(judge: Any, text: str) -> str | None:
    """Reason of one filter for one text, or None."""
    from datatrove.data import Document

    try:
        result = judge.filter(Document(text=text, id="0"))
    except (ZeroDivisionError, ValueError, AssertionError):
        return "error"
    if isinstance(result, tuple):
        return str(result[1])
    return None if result else "dropped"


def main() -> None:
    """Judge and write."""
    source, target = sys.argv[1:]
    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    found, seconds = {}, {}
    for name, judge in filters().items():
        verdict(judge, "The tokenizer is loaded with this text, and that is all there is to it.")
        started = time.process_time()
        found[name] = pa.array([verdict(judge, text) for text in texts], pa.string())
        seconds[name] = time.process_time() - started
    pq.write_table(pa.table(found), target)
    print(json.dumps({"version": importlib.metadata.version("datatrove"), "seconds": seconds}))


if __name__ == "__main__":
    main()
