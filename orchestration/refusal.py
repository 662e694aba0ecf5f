"""What a resource refuses is what the person reads last.

Dagster wraps an exception of a resource in one of its own that names the resource alone, and the command ends with
that one: what was amiss then stands a hundred lines of stack above it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def told_last() -> Iterator[None]:
    """Around the checks of a resource: Dagster's error has the message of what was raised, and that as its cause."""
    try:
        yield
    except dg.DagsterError:
        raise
    except Exception as error:
        raise dg.DagsterResourceFunctionError(  # type: ignore[no-untyped-call]
            str(error), user_exception=error, original_exc_info=sys.exc_info()
        ) from error
