"""How an asset is declared whose work is one training process: config, inputs, process, metadata.

What the process leaves is published in one step. Where it fails, the asset fails with the process's last lines,
and the same run again goes on from the last checkpoint; what is finished for a config and inputs is not done twice.

The pool `gpu` has no limit by default: a limited pool whose run was killed blocks the next one for ten minutes on the
dead claim. Steps of one run never overlap here, and the lock on a training's folder dies with its process. Where
several runs share a device, an operator sets the limit on the instance (docs/training.md).
"""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from model.config_files import to_json
from orchestration.dataclass_schema import dataclass_schema
from orchestration.training_launch import attend
from orchestration.training_metadata import training_metadata
from orchestration.training_resource import registered
from orchestration.training_spec import Training
from pipelines.build.training import TrainingRun, clean, file_stamps, without
from pipelines.engine.dataset import publish
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill

GROUP = "training"
POOL = "gpu"
CODE_VERSION = "1"


def training_asset(training: Training) -> dg.AssetsDefinition:
    """The asset that `training` describes; its dataset is the folder that the training leaves."""
    registered(training)

    @dg.asset(
        name=training.name,
        group_name=GROUP,
        description=training.description,
        deps=list(training.inputs),
        kinds={"pytorch", "huggingface"},
        config_schema=dataclass_schema(training.config, training.hidden, training.defaults),
        code_version=CODE_VERSION,
        pool=POOL,
        required_resource_keys={"mill", "training"},
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        mill: Mill = context.resources.mill
        inputs = current_inputs(mill.root, *training.inputs)
        values = training.values(context.op_execution_context.op_config)
        config = training.filled(values, inputs)
        key = {
            "module": training.module,
            "config": without(values, training.neutral),
            "files": file_stamps(training.files(values)),
            "code": CODE_VERSION,
        }
        run = TrainingRun(mill.root, training.name, key, inputs)
        version = run.finished()
        if version is None:
            started = time.monotonic()
            run.prepare(to_json(config))
            attend(context, training, run, context.resources.training)
            version = run.close(time.monotonic() - started)
        else:
            context.log.info(
                f"{training.name} is finished for this config and these inputs: {version.folder}"
            )
            clean(version)
        publish(mill.root, version)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(version.version),
            metadata=training_metadata(version, training.figures, training.curves),
        )

    return made
