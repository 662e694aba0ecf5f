"""Who belongs to a process, and that its work is seen."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.process_tree import TreeWatch, descendants

PARENTS = {1: 0, 10: 1, 11: 10, 12: 10, 13: 12, 20: 1}


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param(10, {10, 11, 12, 13}, id="children and theirs, no neighbours"),
        pytest.param(20, {20}, id="a process without children"),
        pytest.param(99, set(), id="a process that is gone"),
    ],
)
def test_descendants(root, expected):
    assert set(descendants(root, PARENTS)) == expected


def test_memory_and_time_of_a_child_are_counted_to_the_root():
    child = "import time; held = b'x' * 60_000_000\nwhile time.process_time() < 0.4: pass\ntime.sleep(1)"
    with TreeWatch(os.getpid(), interval=0.05) as watch:
        subprocess.run([sys.executable, "-c", child + "\nassert held"], check=True)
        time.sleep(0.1)
    assert watch.peaks["worker"] > 60
    assert watch.cpu["worker"] > 0.3


def test_time_between_two_moments_is_read_off_the_curve():
    watch = TreeWatch(os.getpid())
    watch.curve = [(10.0, 0.0), (20.0, 4.0), (30.0, 5.0)]
    assert watch.cpu_between(15.0, 30.0) == pytest.approx(3.0)
    assert watch.cpu_between(0.0, 10.0) == 0.0
