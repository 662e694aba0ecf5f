"""Connected components on Spark: large-star and small-star in turn until nothing moves.

A large-star step links every larger neighbour of a node with the smallest node that it knows (itself or a
neighbour), a small-star step every smaller one and the node itself. Both keep the components and end in
stars around each component's smallest node after O(log^2 n) rounds (Kiveris, Lattanzi, Mirrokni, Rastogi,
Vassilvitskii: Connected Components in MapReduce and Beyond, SoCC 2014).

Only int64 pairs move, two shuffles a step; a node with very many neighbours is a long run of sorted rows,
never a list in memory. `localCheckpoint` ends each round: it cuts the plan, which would else double with
every round, needs no shared folder, and works over Connect as well. Its blocks live with the executors: if
one is lost, the job fails and has to be run again.
"""

from typing import Any

from pipelines.engine.runner import StageError

MAX_ROUNDS = 64


def components_on_spark(edges: Any) -> Any:
    """For each node but the smallest of its component a row (node, component), long both.

    `edges` has the long columns left and right, in any direction, repeats and loops allowed. The component
    is its smallest node, as in dedup.components. StageError where MAX_ROUNDS do not suffice.
    """
    from pyspark.sql import functions as F

    stars = edges.select(F.greatest("left", "right").alias("node"), F.least("left", "right").alias("to"))
    stars = stars.filter("node != to").distinct().localCheckpoint()
    before = None
    for _ in range(MAX_ROUNDS):
        stars = _small_star(_large_star(stars)).localCheckpoint()
        now = _state(stars)
        if now == before:
            return stars.select("node", F.col("to").alias("component"))
        before = now
    raise StageError(
        f"components: not done after {MAX_ROUNDS} rounds; this needs over 2**{MAX_ROUNDS // 2} nodes"
    )


def _large_star(edges: Any) -> Any:
    """Edges (v, m) for each neighbour v > u of a node u, m the smallest of u and its neighbours."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    both = edges.unionByName(edges.select(F.col("to").alias("node"), F.col("node").alias("to")))
    smallest = F.least("node", F.min("to").over(Window.partitionBy("node")))
    linked = both.select("node", "to", smallest.alias("smallest")).filter("to > node")
    return linked.select(F.col("to").alias("node"), F.col("smallest").alias("to")).distinct()


def _small_star(edges: Any) -> Any:
    """Edges (v, m) for each neighbour v < u of a node u and for u itself, m the smallest of those v."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    smallest = F.min("to").over(Window.partitionBy("node"))
    linked = edges.select("node", "to", smallest.alias("smallest"))
    from_neighbours = linked.select(F.col("to").alias("node"), F.col("smallest").alias("to"))
    from_node = linked.select("node", F.col("smallest").alias("to"))
    return from_neighbours.unionByName(from_node).filter("node != to").distinct()


def _state(edges: Any) -> tuple[int, int]:
    """Number of edges and the exclusive or of their hashes: equal for equal sets of edges."""
    from pyspark.sql import functions as F

    row = edges.agg(F.count("*"), F.bit_xor(F.xxhash64("node", "to"))).first()
    return int(row[0]), int(row[1] or 0)
