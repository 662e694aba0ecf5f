"""Rows of a folder of Parquet files by number: packed sequences as arrays, other tables as Arrow.

Files are memory-mapped, and only the row groups in use are held decoded, so memory stays flat however large the
dataset is. Rows are numbered through the files in the order of their names.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.row_order import Rows

POINTER = "CURRENT.json"
SPLITS = ("train", "validation", "test")
OPEN_FILES = 64
CACHED_ROWS = 16_384  # decoded rows held where nobody asks for another number: 134 MB at 2,049 tokens

Group = TypeVar("Group")
Tokens = npt.NDArray[np.int32]


class DataError(ValueError):
    """A folder or a file does not hold what training needs; the message says where and what to do."""


def dataset_folder(path: str | Path) -> Path:
    """The folder that holds the Parquet files: `path`, or the version that the dataset's pointer in it names.

    DataError where it has neither.
    """
    folder = Path(path)
    pointer = folder / POINTER
    if pointer.is_file():
        try:
            folder = folder / str(json.loads(pointer.read_text(encoding="utf-8"))["version"])
        except (ValueError, KeyError) as error:
            raise DataError(f"{pointer}: expected a JSON object with 'version' ({error})") from None
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make the dataset first, or correct the config's path")
    return folder


def split_files(folder: Path, split: str) -> tuple[list[Path], bool]:
    """The Parquet files that may hold rows of `split`, by name, and whether their names already tell the split.

    Names that begin with a split (train-00000.parquet) tell it; otherwise the column `split` has to.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise DataError(
            f"{folder}: no .parquet files and no {POINTER}; give the dataset's folder or one of its versions"
        )
    named = [path for path in files if path.name.split("-")[0].split(".")[0] in SPLITS]
    if not named:
        return files, False
    return [path for path in named if path.name.split("-")[0].split(".")[0] == split], True


class _Files(Generic[Group]):
    """Row groups of many files by number, decoded once while they are among the last used."""

    def __init__(self, files: Sequence[Path], columns: Sequence[str] | None, cached_rows: int) -> None:
        self.files, self.columns, self.cached_rows = list(files), columns, cached_rows
        sizes: list[int] = []
        places: list[tuple[int, int]] = []
        for number, path in enumerate(self.files):
            metadata = _open(path).metadata
            self.inspect(path, metadata)
            for group in range(metadata.num_row_groups):
                sizes.append(metadata.row_group(group).num_rows)
                places.append((number, group))
        self.sizes = np.array(sizes, np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.places = np.array(places, np.int64).reshape(-1, 2)
        self._open: OrderedDict[int, pq.ParquetFile] = OrderedDict()
        self._decoded: OrderedDict[int, Group] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def decode(self, table: pa.Table, where: str) -> Group:
        """What is kept of a row group; `where` names it in errors."""
        raise NotImplementedError

    def inspect(self, path: Path, metadata: pq.FileMetaData) -> None:
        """Refuse a file by its footer, before anything is read of it."""

    def group(self, number: int) -> Group:
        """A decoded row group; the least recently used ones are dropped past `cached_rows` rows."""
        if number in self._decoded:
            self._decoded.move_to_end(number)
            return self._decoded[number]
        at, group = (int(value) for value in self.places[number])
        columns = None if self.columns is None else list(self.columns)
        table = self._file(at).read_row_group(group, columns=columns, use_threads=False)
        decoded = self.decode(table, f"{self.files[at]}, row group {group}")
        self._decoded[number] = decoded
        self._held += int(self.sizes[number])
        while self._held > self.cached_rows and len(self._decoded) > 1:
            dropped, _ = self._decoded.popitem(last=False)
            self._held -= int(self.sizes[dropped])
        return decoded

    def _file(self, number: int) -> pq.ParquetFile:
        if number not in self._open:
            self._open[number] = _open(self.files[number])
            if len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(number)
        return self._open[number]


class ParquetRows(_Files[pa.Table]):
    """Rows of any table by number, as Arrow: demonstrations, judgements, prompts.

    `split` is chosen by the files' names or the column `split`; `columns` are those that `take` gives.
    """

    def __init__(
        self,
        path: str | Path,
        split: str,
        columns: Sequence[str] | None = None,
        cached_rows: int = CACHED_ROWS,
    ) -> None:
        folder = dataset_folder(path)
        files, named = split_files(folder, split)
        for file in files:
            _need(file, columns or ())
        super().__init__(files, columns, cached_rows)
        self._chosen = None if named else _choose(self, folder, {"split": split})
        if not len(self):
            raise DataError(f"{folder}: no rows of split '{split}'")

    def __len__(self) -> int:
        """Rows of the split."""
        return super().__len__() if self._chosen is None else len(self._chosen)

    def decode(self, table: pa.Table, where: str) -> pa.Table:
        """The group as it is."""
        return table

    def group_sizes(self) -> Rows:
        """Rows of the split in each row group: what a RowOrder needs."""
        return _chosen_sizes(self, self._chosen)

    def take(self, rows: Rows) -> pa.Table:
        """These rows of the split, in this order."""
        numbers = rows if self._chosen is None else self._chosen[rows]
        groups = np.searchsorted(self.starts, numbers, side="right") - 1
        parts = [
            self.group(int(group)).slice(int(row - self.starts[group]), 1)
            for row, group in zip(numbers, groups, strict=True)
        ]
        return pa.concat_tables(parts)


class PackedRows(_Files[Tokens]):
    """Sequences of equal length by number, as int32.

    `source` picks the rows that name it in the column `source`. DataError, with file and row group, where rows are
    missing, of unequal length, null, or hold an id of `vocab_size` or more.
    """

    COLUMN = "input_ids"

    def __init__(
        self,
        path: str | Path,
        split: str = "train",
        source: str | None = None,
        vocab_size: int | None = None,
        cached_rows: int = CACHED_ROWS,
    ) -> None:
        self.folder = dataset_folder(path)
        files, named = split_files(self.folder, split)
        for file in files:
            _need(file, [self.COLUMN])
        self._vocab_size = vocab_size
        super().__init__(files, [self.COLUMN], cached_rows)
        wanted = ({} if named else {"split": split}) | ({} if source is None else {"source": source})
        self._chosen = _choose(self, self.folder, wanted) if wanted else None
        if not len(self):
            known = f" of source '{source}'" if source is not None else ""
            raise DataError(f"{self.folder}: no rows of split '{split}'{known}; make the dataset larger")
        self.length = 0  # not known before the first group is
        self.length = self.group(int(np.flatnonzero(self.sizes)[0])).shape[1]

    def __len__(self) -> int:
        """Rows of the split."""
        return super().__len__() if self._chosen is None else len(self._chosen)

    def group_sizes(self) -> Rows:
        """Rows of the split in each row group: what a RowOrder needs."""
        return _chosen_sizes(self, self._chosen)

    def take(self, rows: Rows) -> Tokens:
        """Ids [len(rows), length] of these rows of the split, in this order."""
        numbers = rows if self._chosen is None else self._chosen[rows]
        out = np.empty((len(rows), self.length), np.int32)
        groups = np.searchsorted(self.starts, numbers, side="right") - 1
        # Group by group, so that a batch wider than the cache still decodes each of its groups once.
        for group in np.unique(groups):
            mine = np.flatnonzero(groups == group)
            out[mine] = self.group(int(group))[numbers[mine] - self.starts[group]]
        return out

    def sources(self) -> npt.NDArray[np.str_]:
        """The column `source` of all rows of the split."""
        names = np.array(_narrow(self, "source").to_pylist(), dtype=np.str_)
        return names if self._chosen is None else names[self._chosen]

    def decode(self, table: pa.Table, where: str) -> Tokens:
        """Ids [rows, length], without a copy where the file holds int32."""
        column = table[self.COLUMN].combine_chunks()
        values = column.flatten()
        if column.null_count or values.null_count:
            raise DataError(
                f"{where}: column '{self.COLUMN}' holds nulls; every row must be a whole sequence"
            )
        ids: Tokens = values.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        length = self.length or (len(ids) // len(column))
        sizes = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        if not (sizes == length).all():
            row = int(np.flatnonzero(sizes != length)[0])
            raise DataError(f"{where}, row {row}: {sizes[row]} tokens where other rows have {length}")
        if len(ids):
            self._check_id(int(ids.max()), where)
        return ids.reshape(len(column), length)

    def inspect(self, path: Path, metadata: pq.FileMetaData) -> None:
        """Refuse ids beyond the vocabulary by the footer's statistics, where it has them."""
        column = next(
            i
            for i in range(metadata.num_columns)
            if metadata.schema.column(i).path.split(".")[0] == self.COLUMN
        )
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max:
                self._check_id(int(statistics.max), f"{path}, row group {group}")

    def _check_id(self, largest: int, where: str) -> None:
        if self._vocab_size is not None and largest >= self._vocab_size:
            raise DataError(
                f"{where}: token id {largest} does not fit a vocabulary of {self._vocab_size}: "
                "raise config key model.vocab_size, or use the data of this tokenizer"
            )


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}); make the dataset again") from None


def _need(path: Path, columns: Sequence[str]) -> None:
    found = _open(path).schema_arrow.names
    missing = [name for name in columns if name not in found]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(found)}")


def _narrow(files: _Files[Any], column: str) -> pa.ChunkedArray:
    parts = []
    for path in files.files:
        _need(path, [column])
        with _open(path) as opened:
            parts += opened.read(columns=[column])[column].chunks
    return pa.chunked_array(parts) if parts else pa.chunked_array([], pa.string())


def _choose(files: _Files[Any], folder: Path, wanted: dict[str, str]) -> Rows | None:
    """Numbers of the rows whose columns have these values; None (all rows) where a lone split cannot be told."""
    chosen: npt.NDArray[np.bool_] | None = None
    for column, value in wanted.items():
        if column == "split" and value == "train" and "split" not in _open(files.files[0]).schema_arrow.names:
            continue  # a plain folder of sequences is training data
        equal = pc.equal(_narrow(files, column), value).to_numpy()
        chosen = equal if chosen is None else chosen & equal
    return None if chosen is None else np.flatnonzero(chosen)


def _chosen_sizes(files: _Files[Any], chosen: Rows | None) -> Rows:
    if chosen is None:
        return files.sizes
    groups = np.searchsorted(files.starts, chosen, side="right") - 1
    return np.bincount(groups, minlength=len(files.sizes)).astype(np.int64)
