"""The process that Spark's Python workers fork from: it imports and loads what every task needs, once.

Spark starts it by the setting spark.python.daemon.module. A worker forked from it pays neither the imports
(numba, scipy and the extractors take seconds) nor the loading of compiled kernels from their cache.
"""

def preload() -> None:
    """Import the stages' modules and run the kernels once on a tiny input."""
    import pyarrow as pa

    from text.ngrams import ngrams
    from text.words import segment

    texts = pa.array(["one two three four five six", "一二三"])
    ngrams(segment(texts), 5)


if __name__ == "__main__":
    preload()
    from pyspark.daemon import manager

    manager()
