"""What tells one training asset from another: its command, its config, and what it takes from its inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestration.config import ConfigError
from orchestration.dataclass_schema import completed, core_dataclass, merged
from pipelines.build.training import file_stamps
from pipelines.engine.dataset import DatasetVersion

Values = Mapping[str, Any]


Inputs = Mapping[str, DatasetVersion]


def _no_files(values: Values) -> Sequence[str]:
    return ()


def _nothing_amiss(inputs: Inputs) -> str | None:
    return None


@dataclass(frozen=True)
class Training:
    """One training asset: `python -m <module>` under a config that is partly its inputs'.

    `fill` makes the config's keys that follow from the inputs, out of their versions and the other keys; `stand_in`
    holds the same keys while a config is checked before anything has run, and hides them from the run config, but for
    those in `shown` (lists that a user may add to). `defaults` stand for those of the config's
    class. `neutral` keys change how a run goes, never what it learns, so a crashed one may be resumed with others.
    `files` are the paths that a run config names, `amiss` says why inputs that are all there do not go together.
    """

    name: str
    module: str
    config: type
    description: str
    inputs: tuple[str, ...]
    fill: Callable[[Inputs, Values], dict[str, Any]]
    stand_in: Values
    shown: tuple[str, ...] = ()
    defaults: Values = field(default_factory=dict)
    neutral: tuple[str, ...] = ()
    files: Callable[[Values], Sequence[str]] = _no_files
    amiss: Callable[[Inputs], str | None] = _nothing_amiss
    figures: tuple[str, ...] = ()
    curves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Dotted keys that the asset fills in by itself."""
        return tuple(key for key in _leaves(self.stand_in) if key not in self.shown)

    @property
    def key(self) -> str:
        """Where the asset's config stands in a run config."""
        return f"ops.{self.name}.config"

    def values(self, given: Values) -> dict[str, Any]:
        """The run config's part with all defaults, without what the inputs fill in."""
        return completed(self.config, given, self.hidden, self.defaults)

    def filled(self, values: Values, inputs: Inputs) -> Any:
        """The whole config, as the command gets it; ConfigError where its values do not go together."""
        self.require(inputs)
        return core_dataclass(self.config, merged(values, self.fill(inputs, values)), self.key)

    def require(self, inputs: Inputs) -> None:
        """ConfigError where the inputs do not go together."""
        if (why := self.amiss(inputs)) is not None:
            raise ConfigError(f"{self.name}: {why}")

    def check(self, given: Values) -> None:
        """ConfigError for what the process would refuse hours later: a value, or a file that is not there."""
        values = self.values(given)
        core_dataclass(self.config, merged(values, self.stand_in), self.key)
        try:
            file_stamps(self.files(values))
        except OSError as error:
            raise ConfigError(f"{self.key}: {error}") from None


def _leaves(values: Values, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, value in values.items():
        path = f"{prefix}{name}"
        found += _leaves(value, f"{path}.") if isinstance(value, Mapping) else [path]
    return found
