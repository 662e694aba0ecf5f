"""Tables of the labelling loop: what was sent out, and what came back besides raw judgements and demonstrations."""

import pyarrow as pa

from pipelines.rlhf.candidates import CANDIDATES
from pipelines.rlhf.labelling.flags import FLAGS
from pipelines.rlhf.schemas import RAW_DEMONSTRATIONS, RAW_JUDGEMENTS
from pipelines.schemas import DatasetSchema


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


LABEL_TASKS = DatasetSchema(
    "label_tasks",
    1,
    pa.schema(
        [
            *CANDIDATES.schema,
            _column(
                "shown",
                pa.list_(pa.int32()),
                "places in `completions` in the order in which the labeler sees them",
            ),
        ]
    ),
)
"""record_id is the key of the task in Label Studio's data (`task_key`)."""

LABELLED_JUDGEMENTS = DatasetSchema("labelled_judgements", 1, RAW_JUDGEMENTS.schema)
LABELLED_DEMONSTRATIONS = DatasetSchema("labelled_demonstrations", 1, RAW_DEMONSTRATIONS.schema)

_ANNOTATION = [
    _column("annotation_id", pa.string(), "record_id of the annotation's judgement and demonstration"),
    _column("task_key", pa.string(), "record_id in label_tasks"),
    _column("prompt_id", pa.string(), "prompt of the task"),
    _column("labeler_id", pa.string(), "source's name and the annotator's number", nullable=True),
]

LABEL_ANNOTATIONS = DatasetSchema(
    "label_annotations",
    1,
    pa.schema(
        [
            *_ANNOTATION,
            _column("seconds", pa.float64(), "time the labeler took, null where not told", nullable=True),
            _column("ranked", pa.int32(), "answers that were ranked"),
            _column("rated", pa.int32(), "answers that were rated or flagged"),
            _column("demonstrated", pa.bool_(), "whether an answer of the labeler's own was written"),
        ]
    ),
)

LABEL_RATINGS = DatasetSchema(
    "label_ratings",
    1,
    pa.schema(
        [
            *_ANNOTATION,
            _column("completion_id", pa.string(), "the answer"),
            _column("rating", pa.int32(), "overall quality, 1 to 7", nullable=True),
            *(_column(name, pa.bool_(), wording) for name, wording in FLAGS.items()),
        ]
    ),
)
"""One row an answer that a labeler rated or flagged; a flag that was not set there is false."""
