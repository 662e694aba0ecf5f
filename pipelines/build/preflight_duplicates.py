"""Whether the search for duplicates knows the sources and columns that its config names.

It would say so itself, but behind the steps that read every text.
"""

from collections.abc import Mapping

from pipelines.build.indexing import ROLES_KEY
from pipelines.build.removals import RoleOrderError, source_ranks
from pipelines.build.selecting import DuplicatesConfig, by_source
from pipelines.deduplication.deduplicate_steps import check_policy


def check_duplicates(config: DuplicatesConfig, roles: Mapping[str, str]) -> str | None:
    """What is wrong with `config` for sources of these `roles`, beginning with its key; None where nothing is."""
    try:
        ranks = source_ranks(roles, config.roles, ROLES_KEY)
    except RoleOrderError as error:
        return str(error)
    try:
        check_policy(ranks, by_source(config.dedup, roles, config.roles))
    except ValueError as error:
        return f"ops.duplicates.config.{error}"
    return None
