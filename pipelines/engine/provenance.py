"""Which code made a dataset: the commit of the checkout that this module stands in."""

import functools
import subprocess
from importlib import metadata
from pathlib import Path


@functools.cache
def code_commit() -> str:
    """Commit hash, with '+changes' where the tree differs from it; the package's version outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return f"gristmill {metadata.version('gristmill')}"
    try:
        head = _git(folder, "rev-parse", "HEAD")
        dirty = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({type(error).__name__})"
    return head + ("+changes" if dirty else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, timeout=10
    )
    return done.stdout.strip()
