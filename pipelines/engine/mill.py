"""What every build step needs: where the datasets stand and how to get a Spark session."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.engine import storage

DATA_VARIABLE = "GRISTMILL_DATA"


@dataclass(frozen=True)
class Mill:
    """The data root and the (lazy) Spark session of one run."""

    root: str
    spark: Callable[[], Any]

    def path(self, *parts: str) -> str:
        """A path below the data root."""
        return storage.join(self.root, *parts)


def data_root(configured: str = "") -> str:
    """The configured data root, else the one GRISTMILL_DATA names, else ./data; absolute where it is local."""
    root = configured or os.environ.get(DATA_VARIABLE) or "data"
    return root.rstrip("/") if storage.is_remote(root) else os.path.abspath(root)  # noqa: PTH100
