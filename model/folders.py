"""A folder that is there wholly or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place when the block ends, and is removed where it fails.

    A folder that was there before stays until the new one is complete.
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    made, replaced = (target.parent / f".{target.name}.{kind}-{uuid.uuid4().hex}" for kind in ("new", "old"))
    made.mkdir()
    try:
        yield made
        _to_disk(made)
        if target.exists():
            target.rename(replaced)
        made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _to_disk(folder: Path) -> None:
    for path in filter(Path.is_file, folder.rglob("*")):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
