"""What is installed: the demo's raw material, and the fingerprint that tells when it has changed."""

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from pathlib import Path

from pydantic import BaseModel

from pipelines.engine import storage

_OWN_NAME = "gristmill"


def distributions() -> dict[str, Distribution]:
    """Installed distributions by lower-case name, in order of it; this project itself is left out."""
    found: dict[str, Distribution] = {}
    # The finder by name: importlib_metadata, once imported, puts its own in place, which reads differently.
    for dist in MetadataPathFinder.find_distributions(DistributionFinder.Context()):
        name = metadata_field(dist, "Name").lower()
        if name and name != _OWN_NAME:
            found.setdefault(name, dist)
    return dict(sorted(found.items()))


def metadata_field(dist: Distribution, key: str) -> str:
    """First value of a metadata field, empty where there is none."""
    metadata = dist.metadata
    return str(metadata[key]) if key in metadata else ""


@cache
def fingerprint() -> str:
    """SHA-256 of Python's version, the installed packages and the code of this package."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.name.encode() + b"\0" + path.read_bytes())
    packages = [f"{name}=={dist.version}" for name, dist in distributions().items()]
    facts = [platform.python_version(), platform.system(), code.hexdigest(), *packages]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def is_made(marker: str, config: BaseModel | None = None) -> bool:
    """Whether the file `marker` says that this environment and `config` have made what stands beside it."""
    if not storage.exists(marker):
        return False
    found = json.loads(storage.read_bytes(marker))
    return bool(found["fingerprint"] == _key(config) and all(storage.exists(path) for path in found["files"]))


def mark_made(
    marker: str, files: list[str], facts: dict[str, float], config: BaseModel | None = None
) -> None:
    """Write `marker`: to be called when all `files` are whole; `facts` are figures for people."""
    content = {"fingerprint": _key(config), "files": files, "facts": facts}
    storage.write_bytes(marker, (json.dumps(content, indent=2) + "\n").encode())


def _key(config: BaseModel | None) -> str:
    settings = config.model_dump_json() if config else ""
    return hashlib.sha256(f"{fingerprint()} {settings}".encode()).hexdigest()
