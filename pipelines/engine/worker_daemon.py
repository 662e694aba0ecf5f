"""The process that Spark's Python workers fork from: it imports and loads what every task needs, once.

Spark starts it by the setting spark.python.daemon.module. A worker forked from it pays neither the imports
(numba, scipy, the extractor and the tokenizers take seconds) nor the loading of compiled kernels from their cache.

Spark collects garbage in the worker after every task. What was preloaded never becomes garbage, and looking through
all of it took 0.19 s a task; frozen, it is left alone.
"""

import gc


def preload() -> None:
    """Import the stages and run the kernels that most of them use on a tiny input."""
    import numpy as np
    import pyarrow as pa

    import pipelines.build.cleaning
    import pipelines.build.ingest
    import pipelines.build.mixing
    import pipelines.build.scoring
    import pipelines.build.selecting  # noqa: F401
    from dedup.lsh import band_keys
    from dedup.minhash import MinHashConfig, signature_matrix, signatures
    from pipelines.extract import extract_text
    from quality.classifiers.features import BUCKETS, linear_scores
    from quality.signals import compute
    from text.hashing import uniform
    from text.words import segment

    texts = pa.array(["one two three four five six", "一二三"])
    config = MinHashConfig()
    band_keys(signature_matrix(signatures(texts, config)), config)
    linear_scores(segment(texts), np.zeros(BUCKETS), 0.0)
    uniform(texts, 0, "preload")
    compute(texts, pa.array(["en", "zh"]))
    extract_text(b"<html><body><p>one two</p></body></html>")


if __name__ == "__main__":
    preload()
    from pyspark.daemon import manager

    gc.collect()
    gc.freeze()
    manager()
