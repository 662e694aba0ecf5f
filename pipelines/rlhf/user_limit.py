"""At most 200 prompts of one user (InstructGPT, section 3.2), so that no user's task is the data set's.

Only users that a source gives are limited: an id that was derived may stand for many people. Which prompts stay
is a draw by prompt and seed, so neither the order of the rows nor the other users matter.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.duplicates import codes
from pipelines.rlhf.reasons import Reason
from text.hashing import uniform

Ints = npt.NDArray[np.int64]
GIVEN = "given"


class UserLimitConfig(BaseModel):
    """How many prompts one user may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_prompts: int | None = Field(
        default=200, description="prompts a given user, in all datasets together; null: no limit", ge=1
    )
    seed: int = Field(default=0, description="seed of the draw of the prompts that stay")


def over_user_limit(records: pa.Table, config: UserLimitConfig) -> Drops:
    """Rows of `records` (user_id, user_id_kind, prompt_id) beyond the limit of their user.

    Several rows of one prompt count once and stay or go together, whatever source they came from.
    """
    given = np.asarray(pc.fill_null(pc.equal(records["user_id_kind"], GIVEN), False))
    given &= np.asarray(pc.is_valid(records["user_id"]))
    rows = np.flatnonzero(given)
    if config.max_prompts is None or not len(rows):
        return Drops.of(np.empty(0, np.int64), Reason.USER_LIMIT)
    table = records.take(pa.array(rows))
    users = codes(table["user_id"])
    prompts = table["prompt_id"].combine_chunks()
    place = prompt_places(users, prompts, config.seed)
    over = np.flatnonzero(place > config.max_prompts)
    return Drops.of(
        rows[over],
        Reason.USER_LIMIT,
        place[over],
        config.max_prompts,
        table["user_id"].combine_chunks().take(pa.array(over)),
    )


def prompt_places(strata: Ints, prompts: pa.StringArray, seed: int, purpose: str = "user limit") -> Ints:
    """Place of each row's prompt among its stratum's, int64[n] from 1, in the order of a draw by prompt_id."""
    ids = prompts.dictionary_encode()
    draws = uniform(ids.dictionary, seed, purpose)
    by_draw = np.empty(len(draws), np.int64)
    # Two ids of one draw are told apart by their text.
    texts = np.asarray(pc.rank(ids.dictionary, tiebreaker="dense")) if len(draws) else np.empty(0)
    by_draw[np.lexsort([texts, draws])] = np.arange(len(draws))
    drawn = by_draw[np.asarray(ids.indices)]
    order = np.lexsort([drawn, strata])
    stratum, prompt = strata[order], drawn[order]
    opens = np.ones(len(order), np.bool_)
    opens[1:] = stratum[1:] != stratum[:-1]
    fresh = opens.copy()
    fresh[1:] |= prompt[1:] != prompt[:-1]
    running = np.cumsum(fresh)
    place = np.empty(len(order), np.int64)
    place[order] = running - running[np.flatnonzero(opens)][np.cumsum(opens) - 1] + 1
    return place
