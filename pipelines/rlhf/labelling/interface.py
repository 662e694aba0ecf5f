"""The labelling interface: names of its controls, and its XML for tasks of K answers.

A ranker with the buckets 1 to K (answers in one bucket tie; without buckets a tie could not be said), and for
every answer the rating and the flags of InstructGPT's Table 3. Controls of an answer carry the place at which it
is shown, so a project has tasks of one K.
"""

from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.labelling.flags import FLAGS, RATING_MAX

PROMPT, COMPLETIONS, RANK, DEMONSTRATION = "prompt", "completions", "rank", "demonstration"
UNRANKED = "_"  # the bucket of what was not moved
MIN_K, MAX_K = 2, 26


class InterfaceConfig(BaseModel):
    """What is asked besides the ranking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratings: bool = Field(default=True, description="ask for a rating from 1 to 7 of every answer")
    flags: bool = Field(default=True, description="ask for the eleven flags of every answer")
    demonstration: bool = Field(default=True, description="ask for an answer of the labeler's own")


def text_of(place: int) -> str:
    """Name of the object that shows the answer at `place`."""
    return f"completion_{place}"


def rating_of(place: int) -> str:
    """Name of the rating of the answer at `place`."""
    return f"likert_{place}"


def flags_of(place: int) -> str:
    """Name of the flags of the answer at `place`."""
    return f"flags_{place}"


def title_of(place: int) -> str:
    """What a labeler calls the answer at `place`: A, B ..."""
    return f"Answer {chr(ord('A') + place)}"


def labelling_config(k: int, config: InterfaceConfig) -> str:
    """The interface's XML for tasks of `k` answers (2 to 26)."""
    if not MIN_K <= k <= MAX_K:
        raise ValueError(f"tasks of {k} answers: expected {MIN_K} to {MAX_K}; sample fewer answers a prompt")
    view = ElementTree.Element("View")
    _add(view, "Header", value="Prompt")
    _add(
        view,
        "Paragraphs",
        name=PROMPT,
        value=f"${PROMPT}",
        layout="dialogue",
        nameKey="role",
        textKey="content",
    )
    _add(view, "Header", value="Move every answer into a bucket: 1 is the best, equal answers share a bucket")
    _add(view, "List", name=COMPLETIONS, value=f"${COMPLETIONS}", title="Answers")
    ranker = _add(view, "Ranker", name=RANK, toName=COMPLETIONS)
    for bucket in range(1, k + 1):
        _add(ranker, "Bucket", name=str(bucket), title=str(bucket))
    if config.ratings or config.flags:
        for place in range(k):
            _answer(view, place, config)
    if config.demonstration:
        _add(view, "Header", value="An answer of your own, if you would write a better one")
        _add(
            view, "TextArea", name=DEMONSTRATION, toName=PROMPT, rows="6", maxSubmissions="1", editable="true"
        )
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _answer(view: ElementTree.Element, place: int, config: InterfaceConfig) -> None:
    _add(view, "Header", value=title_of(place))
    _add(view, "Text", name=text_of(place), value=f"${text_of(place)}")
    if config.ratings:
        _add(view, "Rating", name=rating_of(place), toName=text_of(place), maxRating=str(RATING_MAX))
    if config.flags:
        choices = _add(view, "Choices", name=flags_of(place), toName=text_of(place), choice="multiple")
        for wording in FLAGS.values():
            _add(choices, "Choice", value=wording)


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)
