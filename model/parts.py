"""A run whose result is a folder of parts: what is finished stays, and the same command goes on with the rest.

A part counts only for the config and the inputs that it was made from, so the folder notes both.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.data import dataset_folder
from model.metrics import write_json

NOTE = "run.json"
WEIGHTS = "*.safetensors"


class Parts:
    """The folder `out` of one run."""

    def __init__(
        self, out: Path, config: Mapping[str, Any], inputs: Sequence[str], free: Sequence[str] = ()
    ) -> None:
        """Claim the folder; a ValueError says what differs where another run's parts stand in it.

        `inputs`: files, and folders whose weights or Parquet files count, by content. `free`: dotted keys of the
        config that may differ, since they are a matter of memory alone.
        """
        self.out = out
        stamps = {path: digest(path) for path in inputs}
        note = json.loads(json.dumps({"config": _without(config, free), "inputs": stamps}))
        path = out / NOTE
        if path.exists():
            noted = json.loads(path.read_text(encoding="utf-8"))
            differs = [
                f"{section}.{key}"
                for section in note
                for key in sorted({*note[section], *noted[section]})
                if note[section].get(key) != noted[section].get(key)
            ]
            if differs:
                raise ValueError(
                    f"{out}: holds results of another run, {', '.join(differs)} differ; choose another folder"
                )
        else:
            write_json(path, note)

    def part(self, name: str) -> tuple[Path, bool]:
        """Where a part of this name belongs, and whether it is finished."""
        path = self.out / name
        return path, path.exists()


def _without(config: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in config.items():
        inner = [key.removeprefix(f"{name}.") for key in keys if key.startswith(f"{name}.")]
        if name not in keys:
            made[name] = _without(value, inner) if inner and isinstance(value, Mapping) else value
    return made


def digest(path: str) -> str:
    """BLAKE2b of a file's content, or of a folder's weights and Parquet files in order of name; hex.

    A dataset's folder stands for the version that its pointer names. A ValueError where there is nothing at `path`,
    or nothing in the folder.
    """
    place = dataset_folder(path) if Path(path).is_dir() else Path(path)
    files = [place] if place.is_file() else sorted([*place.glob(WEIGHTS), *place.glob("*.parquet")])
    if not files:
        raise ValueError(f"{path}: no such file, or a folder without {WEIGHTS} and *.parquet")
    named = hashlib.blake2b(digest_size=16)
    for file in files:
        with file.open("rb") as stream:
            named.update(hashlib.file_digest(stream, "blake2b").digest())
    return named.hexdigest()
