"""The forms in which callers hold texts: each makes, of a list of str, what a public function has to take."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


class Exported:
    """A column of another library (polars), known by nothing but its export of Arrow data."""

    def __init__(self, values: list[str | None]) -> None:
        self._values = pa.chunked_array([pa.array(values, pa.string_view())])

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._values.__arrow_c_stream__(requested_schema)


class Column(list[str]):
    """A sequence that is no plain list."""


def _dictionary(values: list[str | None], kind: pa.DataType) -> pa.DictionaryArray:
    coded = pa.array(values, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.cast(kind))


FORMS = {
    "string": lambda values: pa.array(values, pa.string()),
    "large_string": lambda values: pa.array(values, pa.large_string()),
    "string_view": lambda values: pa.array(values, pa.string_view()),
    "binary": lambda values: pa.array(values, pa.string()).cast(pa.binary()),
    "binary_view": lambda values: pa.array(values, pa.string()).cast(pa.binary_view()),
    "dictionary": lambda values: _dictionary(values, pa.string()),
    "dictionary of large_string": lambda values: _dictionary(values, pa.large_string()),
    "dictionary of string_view": lambda values: _dictionary(values, pa.string_view()),
    "chunked string_view": lambda values: pa.chunked_array(
        [pa.array(values[:1], pa.string_view()), pa.array(values[1:], pa.string_view())]
    ),
    "chunked dictionary": lambda values: pa.chunked_array(
        [_dictionary(values[:1], pa.string()), _dictionary(values[1:], pa.string())]
    ),
    "list": list,
    "tuple": tuple,
    "sequence": Column,
    "object array": lambda values: np.array(values, object),
    "str array": lambda values: np.array(values, str),
    "Series": lambda values: pd.Series(values, dtype=object),
    "Series of string": lambda values: pd.Series(values, dtype="string"),
    "Series of category": lambda values: pd.Series(pd.Categorical(values)),
    "Series of Arrow": lambda values: pd.Series(values, dtype=pd.ArrowDtype(pa.string())),
    "Series by other index": lambda values: pd.Series(values, index=range(7, 7 + len(values)), dtype=object),
    "Arrow export": Exported,
}
FIXED_WIDTH = {"str array"}  # NumPy's own strings have no null
