"""Typed access to a row: what is missing, null, wrongly typed or too long is an error that names the field."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.records import canonical

MAX_LABEL_CHARS = 1000
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


class RowError(ValueError):
    """A row that cannot be used: a short fixed `reason`, and a message that names the field."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Fields:
    """A value of a row, at `path` in it; texts longer than `limit` characters are refused."""

    def __init__(self, value: Any, limit: int, path: str = "") -> None:
        self.value = value
        self.path = path
        self._limit = limit

    def __contains__(self, name: str) -> bool:
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def at(self, name: str) -> "Fields":
        """The field `name`, which must be there and not null; a missing one is told with those that are there."""
        if not isinstance(self.value, dict):
            raise RowError("wrong_type", f"{self._where}: expected an object, found {kind(self.value)}")
        path = f"{self.path}.{name}" if self.path else name
        if name not in self.value:
            found = ", ".join(sorted(map(str, self.value))[:12]) or "none"
            raise RowError("missing_field", f"no field '{path}'; fields: {found}")
        if self.value[name] is None:
            raise RowError("null_field", f"field '{path}' is null")
        return Fields(self.value[name], self._limit, path)

    def follow(self, path: str) -> "Fields":
        """The value at a path such as info.post or summaries.0.text; a name with dots in it is tried first."""
        if isinstance(self.value, dict) and path in self.value:
            return self.at(path)
        name, _, rest = path.partition(".")
        below = self._item(int(name)) if isinstance(self.value, list) and name.isdigit() else self.at(name)
        return below.follow(rest) if rest else below

    def optional(self, path: str) -> "Fields | None":
        """Like `follow`, None where the value is missing, null or an empty text."""
        try:
            found = self.follow(path)
        except RowError as error:
            if error.reason in ("missing_field", "null_field"):
                return None
            raise
        return None if found.value == "" else found

    def text(self) -> str:
        """The text in its canonical form; may be empty."""
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        if len(self.value) > self._limit:
            raise RowError(
                "field_too_long",
                f"{self._where} has {len(self.value):,} characters, more than max_field_chars {self._limit:,}",
            )
        return canonical(self.value)

    def raw(self) -> str:
        """The text as it stands."""
        self.text()
        return str(self.value)

    def label(self) -> str:
        """A text or a number as a short text: an id, a name, a category."""
        if isinstance(self.value, bool) or not isinstance(self.value, (str, int)):
            raise self.wrong("a text or a whole number")
        name = str(self.value)
        if len(name) > MAX_LABEL_CHARS:
            raise RowError(
                "field_too_long",
                f"{self._where} has {len(name):,} characters, a name has {MAX_LABEL_CHARS:,}",
            )
        return canonical(name)

    def json(self) -> str:
        """The value as JSON text."""
        told = json.dumps(self.value, ensure_ascii=False, default=str)
        return self.having(told).text()

    def integer(self) -> int:
        """A whole number; True and False are none, the digits of a CSV cell and 1.0 are."""
        value = self.value
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong("a whole number")
        return value

    def number(self) -> float:
        """A finite number; True and False are none."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.wrong("a number")
        return self._finite(self.value)

    def score(self) -> float:
        """Like `number`; the text of a number, as a CSV cell has it, is one too."""
        if not isinstance(self.value, str):
            return self.number()
        try:
            found = float(self.value)
        except ValueError:
            raise self.wrong("a number") from None
        return self._finite(found)

    def flag(self) -> bool:
        """True or False."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def having(self, value: Any) -> "Fields":
        """Another value at the same place."""
        return Fields(value, self._limit, self.path)

    def items(self) -> Iterator["Fields"]:
        """The items of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        for number in range(len(self.value)):
            yield Fields(self.value[number], self._limit, f"{self.path}[{number}]")

    def wrong(self, expected: str, found: str = "") -> RowError:
        """The error of a value that is not what was `expected`; `found` says what it is where its type does not."""
        reason = "wrong_value" if found else "wrong_type"
        return RowError(reason, f"{self._where}: expected {expected}, found {found or kind(self.value)}")

    def _finite(self, value: float) -> float:
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.wrong("a number", f"{found}")
        return found

    def _item(self, number: int) -> "Fields":
        if number >= len(self.value):
            raise RowError(
                "missing_field", f"{self._where} has {len(self.value)} items, no number {number} (from 0)"
            )
        if self.value[number] is None:
            raise RowError("null_field", f"field '{self.path}[{number}]' is null")
        return Fields(self.value[number], self._limit, f"{self.path}[{number}]")

    @property
    def _where(self) -> str:
        return f"field '{self.path}'" if self.path else "the row"


def kind(value: Any) -> str:
    """What a JSON value is, in a person's words."""
    kinds = {
        type(None): "null",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")
