"""Digests of the users' lists and models, so that a changed file makes the steps that read it run again."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import xxhash

from quality.blocklists import BlocklistConfig

_BLOCK = 1 << 20


def digest_files(names: Sequence[str]) -> str:
    """128-bit xxh3 over the contents of files and folders, in order; FileNotFoundError names one that is absent."""
    found = xxhash.xxh3_128()
    for name in names:
        path = Path(name)
        if not path.exists():
            raise FileNotFoundError(f"{name}: no such file or folder; name a list that exists")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.update(f"\0{file.relative_to(path).as_posix()}\0".encode())
                for block in _blocks(file):
                    found.update(block)
    return found.hexdigest()


def blocklist_files(config: BlocklistConfig) -> list[str]:
    """Every file and folder that the block lists are read from."""
    own = [config.suffix_list] if config.suffix_list else []
    return [*config.domains, *config.urls, *config.words, *config.folders, *own]


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
