"""The shard plan: deterministic, even, complete."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.crawl.inputs import InputFile
from pipelines.crawl.split import Part, parts_of, plan_shards
from tests.pipelines.crawl.warcs import gzip_members, plain, record, zstd_frames


def plan(*sizes: int | None, target: int = 100, suffix: str = ".gz") -> list[list[Part]]:
    files = [InputFile(f"http://a.example/{n}{suffix}", size) for n, size in enumerate(sizes)]
    return [parts_of(payload) for payload in plan_shards(files, target)]


def ranges(shards: list[list[Part]]) -> list[list[tuple[str, int, int | None]]]:
    return [[(part.url[17:-3], part.start, part.end) for part in shard] for shard in shards]


@pytest.mark.parametrize(
    ("sizes", "shards"),
    [
        ((100,), [[("0", 0, None)]]),
        ((149,), [[("0", 0, None)]]),
        ((151,), [[("0", 0, 75)], [("0", 75, None)]]),
        ((320,), [[("0", 0, 106)], [("0", 106, 213)], [("0", 213, None)]]),
        ((40, 40, 40, 40), [[("0", 0, None), ("1", 0, None), ("2", 0, None)], [("3", 0, None)]]),
        ((40, 200, 40), [[("1", 0, 100)], [("1", 100, None)], [("0", 0, None), ("2", 0, None)]]),
        ((None, 10, 10), [[("0", 0, None)], [("1", 0, None), ("2", 0, None)]]),
        ((0, 10), [[("0", 0, None), ("1", 0, None)]]),
    ],
    ids=[
        "one",
        "no split",
        "two halves",
        "three",
        "small together",
        "big among small",
        "unknown size",
        "empty",
    ],
)
def test_plan(sizes: tuple[int | None, ...], shards: list[list[tuple[str, int, int | None]]]) -> None:
    assert ranges(plan(*sizes)) == shards


@given(st.lists(st.one_of(st.none(), st.integers(0, 2000)), min_size=1, max_size=20), st.integers(1, 500))
def test_every_byte_is_in_one_part(sizes: list[int | None], target: int) -> None:
    by_file: dict[str, list[Part]] = {}
    for shard in plan(*sizes, target=target):
        assert shard
        for part in shard:
            by_file.setdefault(part.url, []).append(part)
    assert len(by_file) == len(sizes)
    for parts in by_file.values():
        assert parts[0].start == 0
        assert parts[-1].end is None
        assert all(a.end == b.start for a, b in itertools.pairwise(parts))


@pytest.mark.parametrize(
    ("make", "shards"),
    [(gzip_members, 3), (zstd_frames, 3), (plain, 3)],
    ids=["gzip", "zstd", "uncompressed"],
)
def test_local_files_split_whatever_their_name(tmp_path: Path, make, shards: int) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(make([record(bytes([n]) * 50) for n in range(60)]))
    size = path.stat().st_size
    assert len(plan_shards([InputFile(str(path), size)], size // 3)) == shards
