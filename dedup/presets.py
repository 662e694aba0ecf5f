"""GPT-3's fuzzy deduplication to the letter (Brown et al. 2020, appendix A), but with every pair verified.

"We fuzzily deduplicated documents [...] within each dataset using Spark's MinHashLSH implementation with 10
hashes, using the same features as were used for classification above. We also fuzzily removed WebText from
Common Crawl." Spark's MinHashLSH makes a hash table of each hash, so ten bands of one row; the classifier's
features are single words. Documents of similarity 0.1 then meet with probability 0.65: what meets is only a
candidate, and without verification nearly everything is merged (benchmarks/gpt3_literal.py). The paper gives
no threshold; 0.75 is ours.

In such buckets common words gather thousands of documents, of which not all pairs can be looked at: the preset
raises the limit to its maximum, and past that finds fewer duplicates than the default banding.
"""

from dedup.config import DedupConfig, Removal
from dedup.minhash import MinHashConfig

GPT3_MINHASH = MinHashConfig(num_perm=10, ngram=1, bands=10, rows=1)
GPT3_DEDUP = DedupConfig(
    threshold=0.75,
    max_pairs_bucket=1024,
    across=[Removal(keep=["webtext"], remove=["crawl"])],
)
