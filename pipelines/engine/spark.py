"""The Spark session of a run: one, made when it is first needed, on any master or over Spark Connect."""

import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.engine.java import prepare_environment


class SparkConfig(BaseModel):
    """Where Spark runs and with what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    master: str = Field(
        "local[*,4]",
        description="Spark master; local[*,4] retries a task whose worker died, local[*] would fail the job",
    )
    remote: str = Field("", description="Spark Connect address (sc://host:15002); wins over master")
    driver_memory: str = Field(
        "2g", description="heap of the driver, which in local mode does all of the JVM's work"
    )
    shuffle_partitions: int = Field(8, ge=1, description="partitions of a shuffle of narrow keys")
    conf: list[str] = Field([], description="further Spark settings, each as key=value")


class SparkSettingError(ValueError):
    """A Spark setting in the run config cannot be used."""


def session(config: SparkConfig) -> Any:
    """A SparkSession for `config`; on a local or cluster master it sets JAVA_HOME and the Python of the workers."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("gristmill")
    if config.remote:
        builder = builder.remote(config.remote)
        settings = _runtime_settings(config)
    else:
        prepare_environment()
        builder = builder.master(config.master)
        settings = _static_settings(config) | _runtime_settings(config)
    for key, value in (settings | user_settings(config.conf)).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    if not config.remote:
        spark.sparkContext.setLogLevel("FATAL")
    return spark


class LazySession:
    """Makes the session at its first call and hands out the same one afterwards."""

    def __init__(self, config: SparkConfig) -> None:
        self._config = config
        self._session: Any = None
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        """The session."""
        with self._lock:
            if self._session is None:
                self._session = session(self._config)
            return self._session

    def stop(self) -> None:
        """Stop the session if there is one."""
        with self._lock:
            if self._session is not None:
                self._session.stop()
                self._session = None


def _static_settings(config: SparkConfig) -> dict[str, str]:
    settings = {
        "spark.driver.memory": config.driver_memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Workers fork from a daemon that has imported and loaded the kernels: tasks pay neither.
        "spark.python.daemon.module": "pipelines.engine.worker_daemon",
        "spark.python.worker.faulthandler.enabled": "true",
        "spark.executorEnv.PYTHONHASHSEED": "0",
        "spark.log.level": "FATAL",
    }
    if config.master.startswith("local"):
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return settings


def _runtime_settings(config: SparkConfig) -> dict[str, str]:
    return {
        "spark.sql.shuffle.partitions": str(config.shuffle_partitions),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
    }


def user_settings(lines: Sequence[str]) -> dict[str, str]:
    """The settings that the config's `conf` lines name; SparkSettingError for the first that is malformed."""
    settings = {}
    for number, line in enumerate(lines):
        key, equals, value = line.partition("=")
        if not equals or not key.startswith("spark."):
            raise SparkSettingError(
                f"resources.mill.config.spark.conf.{number}: '{line}' is not of the form spark.some.key=value"
            )
        settings[key.strip()] = value.strip()
    return settings
