"""The text field of a row that came as an object."""

from typing import Any

from pipelines.sources.records import BadRecord, Entry, Record


def text_of(row: Any, field: str, place: str, charset: str) -> Entry:
    """The record of a row, or the bad record that says what its `field` holds instead of a text.

    'a.b' is first taken as a name of its own, then as field b of the object in field a.
    """
    if not isinstance(row, dict):
        return BadRecord(place, "not_an_object", f"row {place}: expected an object, found {_kind(row)}")
    value: Any = row
    for part in [field] if field in row else field.split("."):
        if not isinstance(value, dict) or part not in value:
            found = ", ".join(sorted(str(key) for key in row)[:10]) or "none"
            return BadRecord(place, "missing_field", f"row {place}: no field '{field}'; fields: {found}")
        value = value[part]
    return checked(value, field, place, charset)


def checked(value: Any, field: str, place: str, charset: str) -> Entry:
    """The record of a value that should be a text, or the bad record."""
    if not isinstance(value, str):
        return BadRecord(
            place, "not_a_text", f"row {place}: field '{field}' holds {_kind(value)}, not a text"
        )
    if not value.strip():
        return BadRecord(place, "empty_text", f"row {place}: field '{field}' is empty")
    return Record(place, value, charset)


def _kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object" if isinstance(value, dict) else f"a {type(value).__name__}")
