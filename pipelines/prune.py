"""Removes what nobody reads any more: versions of datasets that no pointer names.

    python -m pipelines.prune            # say what would go
    python -m pipelines.prune --delete   # remove it

Removing the version that a pointer names (by hand) makes the next run build it again.
"""

import argparse
import json
import sys

from pipelines.engine import storage
from pipelines.engine.dataset import POINTER
from pipelines.engine.mill import data_root


def unread_versions(root: str) -> list[str]:
    """Version folders below the data root that are not the current one of their dataset, sorted."""
    unread = []
    for pointer in storage.list_files(root, POINTER, recursive=True):
        dataset = pointer.rpartition("/")[0]
        current = json.loads(storage.read_bytes(pointer))["version"]
        versions = [
            folder for folder in storage.list_folders(dataset) if folder.rpartition("/")[2].startswith("v-")
        ]
        unread += [folder for folder in versions if folder.rpartition("/")[2] != current]
    return sorted(unread)


def main() -> int:
    """List or remove the versions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--root", "--data", dest="root", default="", help="data root; default: GRISTMILL_DATA, else ./data"
    )
    parser.add_argument(
        "--delete", action="store_true", help="remove them; no run may be using the data root"
    )
    arguments = parser.parse_args()
    for folder in unread_versions(data_root(arguments.root)):
        sys.stdout.write(f"{folder}\n")
        if arguments.delete:
            storage.delete_folder(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
