"""One split of an instruction dataset as a table in memory: demonstrations and judgements are some thousand rows."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.data import DataError, dataset_folder, split_files


def read_split(
    path: str | Path, split: str, columns: Sequence[str], optional: Sequence[str] = ()
) -> pa.Table:
    """The rows of `split`, in the order of file names, with `columns` and those of `optional` that all files have.

    `path` is the dataset's folder or one of its versions; files tell the split by their names or in a column
    `split`. DataError, which names the file, where a column is missing, and where the split has no rows.
    """
    folder = dataset_folder(path)
    files, named = split_files(folder, split)
    tables = [_read(file, columns, [*optional, *([] if named else ["split"])]) for file in files]
    shared = [name for name in (*columns, *optional) if all(name in t.column_names for t in tables)]
    tables = [
        table if named else _chosen(table, split, file) for table, file in zip(tables, files, strict=True)
    ]
    rows = pa.concat_tables([table.select(shared) for table in tables]) if tables else None
    if rows is None or not rows.num_rows:
        raise DataError(
            f"{folder}: no rows of split '{split}'; make the dataset larger, or name another split"
        )
    return rows.combine_chunks()


def _read(file: Path, columns: Sequence[str], optional: Sequence[str]) -> pa.Table:
    try:
        opened = pq.ParquetFile(file, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file}: not a readable Parquet file ({error}); make the dataset again") from None
    with opened:
        found = opened.schema_arrow.names
        missing = [name for name in columns if name not in found]
        if missing:
            raise DataError(f"{file}: no column {', '.join(missing)}; it has {', '.join(found)}")
        return opened.read(columns=[*columns, *(name for name in optional if name in found)])


def _chosen(table: pa.Table, split: str, file: Path) -> pa.Table:
    if "split" in table.column_names:
        return table.filter(pc.equal(table["split"], split))
    if split == "train":
        return table  # a plain file of rows is training data
    raise DataError(f"{file}: neither its name nor a column 'split' tells the split '{split}'")
