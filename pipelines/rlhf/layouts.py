"""The layouts that are known by name, and how a file's own is found: by keys and types, never by guessing labels."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.readers import (
    alpaca,
    alpaca_eval,
    alpaca_preference,
    auto_j,
    belle_eval,
    hh_rlhf,
    kto,
    llmbar,
    messages,
    oasst_tree,
    openai_preference,
    pandalm,
    prompt_completion,
    prompt_list,
    prompt_only,
    self_instruct,
    sharegpt,
    sharegpt_preference,
    tldr_samples,
    trl_preference,
)
from pipelines.rlhf.readers.mapped import read_mapped
from pipelines.rlhf.rows import read_rows
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.sources.members import Member

_SNIFFED_ROWS = 20
MAPPED = Layout("mapped", "columns named in the config", lambda row: isinstance(row, dict), read_mapped)
LAYOUTS: dict[str, Layout] = {
    module.LAYOUT.name: module.LAYOUT
    for module in (
        alpaca,
        alpaca_eval,
        alpaca_preference,
        auto_j,
        belle_eval,
        hh_rlhf,
        kto,
        llmbar,
        messages,
        oasst_tree,
        openai_preference,
        pandalm,
        prompt_completion,
        prompt_list,
        prompt_only,
        self_instruct,
        sharegpt,
        sharegpt_preference,
        tldr_samples,
        trl_preference,
    )
}


class LayoutError(ValueError):
    """A file's layout is unclear; the message names file, candidates and what to write in the config."""


def layout_of(config: RlhfSourceConfig, member: Member) -> Layout | None:
    """The layout that the config names, else the one that the file's first rows have; None for a file without rows.

    LayoutError where they have none, several, or one whose labels mean what only a person can say.
    """
    if config.mapped is not None:
        return MAPPED
    if config.layout != "auto":
        return LAYOUTS[config.layout]
    found = islice((value for _, value in read_rows(member, config)), _SNIFFED_ROWS)
    rows = [value for value in found if not isinstance(value, BadRow)]
    return sniff(rows, f"source '{config.name}': {member.path}") if rows else None


def sniff(rows: Sequence[Any], where: str) -> Layout:
    """The layout of these raw rows: the only one whose form more than half of them have.

    `where` names the file in the LayoutError.
    """
    fitting = [layout for layout in LAYOUTS.values() if 2 * sum(map(layout.fits, rows)) > len(rows)]
    if not fitting:
        known = ", ".join(sorted(LAYOUTS))
        raise LayoutError(
            f"{where} has no known layout ({_shape(rows[0])}); name one of {known} as 'layout', or set layout to "
            "mapped and say in 'mapped' which column is what"
        )
    if len(fitting) > 1:
        names = " and ".join(f"{layout.name} {layout.form}" for layout in fitting)
        raise LayoutError(f"{where} fits {len(fitting)} layouts: {names}; name the right one as 'layout'")
    layout = fitting[0]
    if layout.labels:
        raise LayoutError(
            f"{where} looks like {layout.name}, but what its labels mean cannot be seen in them; if {layout.labels} "
            f"is right, set layout to {layout.name}, else to mapped with your own 'mapped.verdicts'"
        )
    return layout


def _shape(row: Any) -> str:
    if isinstance(row, dict):
        return "its first row has the fields " + (", ".join(map(str, row)) or "none")
    return f"its first row is a {type(row).__name__}"
