from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.near_duplicates import Links
from pipelines.rlhf.normalise import user_texts
from pipelines.rlhf.prefix_groups import prefixes
from pipelines.rlhf.split_groups import GroupConfig, group_figures, split_groups
from tests.pipelines.rlhf.rule_tables import prompt, prompt_records

NO_LINKS = Links(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "u", "v"]),
        st.sampled_from([None, "r", "s"]),
        st.sampled_from(["a b c", "a b d", "c", "d", "?"]),
        st.sampled_from(["one", "two"]),
    ),
    max_size=8,
)


def _groups(table: pa.Table, links: Links, config: GroupConfig) -> dict[str, str]:
    keys = prefixes(user_texts(table["prompt"], []), 2).keys
    found = split_groups(table, keys, links, config)
    return dict(zip(table["record_id"].to_pylist(), found.to_pylist(), strict=True))


def _expected(rows: list[dict[str, Any]], linked: list[tuple[int, int]], across: bool) -> dict[str, str]:
    graph = nx.Graph()
    for row in rows:
        me = ("record", row["record_id"])
        graph.add_node(me)
        text = row["messages"][0]["content"]
        shared = [("prompt", text), ("root", row["root_id"]) if row["root_id"] else me]
        if row["user_id"]:
            shared.append(("user", row["user_id"].split(":")[1] if across else row["user_id"]))
        if text != "?":
            shared.append(("prefix", " ".join(text.split()[:2])))
        graph.add_edges_from((me, other) for other in shared)
    for left, right in linked:
        graph.add_edge(("record", rows[left]["record_id"]), ("record", rows[right]["record_id"]))
    named = {}
    for component in nx.connected_components(graph):
        ids = sorted(node[1] for node in component if node[0] == "record")
        named |= dict.fromkeys(ids, ids[0])
    return named


@given(ROWS, st.booleans(), st.data())
def test_groups_are_the_components_of_what_records_share(rows: Any, across: bool, data: Any) -> None:
    raw = [
        prompt(i, text, user_id=f"{source}:{user}" if user else None, root_id=root, source=source)
        for i, (user, root, text, source) in enumerate(rows)
    ]
    place = st.integers(0, len(raw) - 1)
    linked = data.draw(st.lists(st.tuples(place, place), max_size=2)) if raw else []
    left, right = (np.array([pair[i] for pair in linked], np.int64) for i in (0, 1))
    config = GroupConfig(users_across_sources=across)
    expected = _expected(raw, linked, across)
    assert _groups(prompt_records(*raw), Links(left, right, np.ones(len(linked))), config) == expected
    order = data.draw(st.permutations(range(len(raw))))
    where = {old: new for new, old in enumerate(order)}
    moved = [np.array([where[i] for i in side], np.int64) for side in (left, right)]
    shuffled = prompt_records(*(raw[i] for i in order))
    assert _groups(shuffled, Links(*moved, np.ones(len(linked))), config) == expected


def test_one_user_of_two_sources_is_one_where_the_config_says_so() -> None:
    table = prompt_records(
        prompt(0, "c", source="one", user_id="one:u"), prompt(0, "d", source="two", user_id="two:u")
    )
    keys = prefixes(user_texts(table["prompt"], []), 2).keys
    for across, groups in ((False, 2), (True, 1)):
        found = split_groups(table, keys, NO_LINKS, GroupConfig(users_across_sources=across))
        assert len(found.unique()) == groups


def test_a_rounds_record_names_its_group_only_where_it_is_alone() -> None:
    table = prompt_records(prompt(0, "a b c"), prompt(1, "a b c"), prompt(2, "d"))
    ids = table["record_id"].to_pylist()
    keys = prefixes(user_texts(table["prompt"], []), 2).keys
    for late in ([True, False, True], [False, True, True]):
        groups = split_groups(table, keys, NO_LINKS, GroupConfig(), np.array(late))
        earlier = ids[late.index(False)]
        assert groups.to_pylist() == [earlier, earlier, ids[2]]


def test_a_group_that_holds_most_is_told() -> None:
    figures = group_figures(pa.array(["a", "a", "b"]))
    assert figures == {"groups": 2, "largest_group": 2, "records": 3}
