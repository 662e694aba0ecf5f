"""What licence a text has that is made of several."""

from collections.abc import Iterable


def joined(licences: Iterable[str | None]) -> str | None:
    """All different licences in order, by AND; None where one is unknown, since then the whole is.

    >>> joined(["MIT", "CC-BY-4.0", "MIT"]), joined(["MIT", None])
    ('MIT AND CC-BY-4.0', None)
    """
    known = list(licences)
    if not known or any(licence is None for licence in known):
        return None
    return " AND ".join(dict.fromkeys(str(licence) for licence in known))
