"""What became of every record: rules say which rows go and why, the ledger keeps the first answer of each.

Rules are pure functions from tables to `Drops`; nothing is removed from a table before the ledger has its reason.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.schemas import RLHF_DECISIONS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Drops(NamedTuple):
    """Rows of a table that go, each once; figure and limit are NaN, evidence null, where a reason has none."""

    rows: Ints
    reason: pa.Array
    figure: Floats
    limit: Floats
    evidence: pa.Array

    @classmethod
    def of(
        cls,
        rows: Ints,
        reason: Reason,
        figure: npt.ArrayLike = np.nan,
        limit: npt.ArrayLike = np.nan,
        evidence: pa.Array | None = None,
    ) -> "Drops":
        """Drops of one reason; a figure or limit that is one number holds for all rows."""
        n = len(rows)
        return cls(
            rows.astype(np.int64),
            pa.array([str(reason)], pa.string()).take(pa.array(np.zeros(n, np.int64))),
            np.broadcast_to(np.asarray(figure, np.float64), n).copy(),
            np.broadcast_to(np.asarray(limit, np.float64), n).copy(),
            pa.nulls(n, pa.string()) if evidence is None else evidence.cast(pa.string()),
        )


def none_dropped() -> Drops:
    """The answer of a rule that drops nothing."""
    return Drops.of(np.empty(0, np.int64), Reason.KEPT)


class Ledger:
    """Decisions on the rows of `records` (record_id, source, dataset), which all begin as kept."""

    def __init__(self, records: pa.Table) -> None:
        n = records.num_rows
        self._records = records.select(["record_id", "source", "dataset"])
        self._drops: list[Drops] = []
        self.alive: npt.NDArray[np.bool_] = np.ones(n, np.bool_)
        self._renamed = np.zeros(n, np.bool_)

    def rows(self) -> Ints:
        """Rows that no rule has dropped, ascending."""
        return np.flatnonzero(self.alive)

    def drop(self, drops: Drops, base: Ints | None = None) -> None:
        """Take over what a rule said of the rows `base` (default: all); a row dropped before keeps its reason."""
        rows = drops.rows if base is None else base[drops.rows]
        fresh = self.alive[rows]
        self.alive[rows] = False
        picked = pa.array(np.flatnonzero(fresh))
        self._drops.append(
            Drops(
                rows[fresh],
                drops.reason.take(picked),
                drops.figure[fresh],
                drops.limit[fresh],
                drops.evidence.take(picked),
            )
        )

    def hold_out(self, rows: Ints) -> None:
        """Mark kept rows as giving their prompt alone."""
        self._renamed[rows] = True

    def decisions(self) -> pa.Table:
        """One row a record in RLHF_DECISIONS, ordered by dataset and record_id."""
        n = len(self.alive)
        names = [str(Reason.KEPT), str(Reason.HELD_OUT_PROMPT)]
        order = np.full(n, -1, np.int64)
        given = [drops for drops in self._drops if len(drops.rows)]
        rows = np.concatenate([drops.rows for drops in given]) if given else np.empty(0, np.int64)
        order[rows] = np.arange(len(rows))
        kept = pa.array(names).take(pa.array(self._renamed.astype(np.int8)))
        reasons = pa.concat_arrays([pa.array([], pa.string()), *(drops.reason for drops in given)])
        evidence = pa.concat_arrays([pa.array([], pa.string()), *(drops.evidence for drops in given)])
        figures = np.concatenate([np.empty(0), *(drops.figure for drops in given)])
        limits = np.concatenate([np.empty(0), *(drops.limit for drops in given)])
        place = pa.array(order, mask=order < 0)
        dropped = pa.array(order >= 0)

        def column(values: Floats) -> pa.Array:
            return pa.array(values, pa.float64(), mask=np.isnan(values)).take(place)

        table = pa.table(
            {
                "record_id": self._records["record_id"],
                "source": self._records["source"],
                "dataset": self._records["dataset"],
                "keep": pa.array(order < 0),
                "reason": pc.if_else(dropped, reasons.take(place), kept),
                "figure": column(figures),
                "limit": column(limits),
                "evidence": evidence.take(place),
            }
        )
        table = table.sort_by([("dataset", "ascending"), ("record_id", "ascending")])
        return RLHF_DECISIONS.conform(table, RLHF_DECISIONS.name)
