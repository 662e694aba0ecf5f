"""The page of PPO lists the keys that there are, and its configs are configs."""

import json
import re
from typing import Any

import pytest

from model.alignment_config import AlignmentConfig, ContenderConfig, JudgeConfig, TaxConfig
from model.best_of_n_config import BestOfNConfig
from model.config_files import load_config
from model.ppo_config import (
    PPOBatchConfig,
    PPOConfig,
    PPORewardConfig,
    PPOUpdateConfig,
    PromptsConfig,
    PtxConfig,
)
from tests.model.test_option_tables import DOCS, option_rows

PAGE = DOCS / "ppo.md"
TABLES = {
    "ppo": PPOConfig,
    "prompts": PromptsConfig,
    "batch": PPOBatchConfig,
    "reward": PPORewardConfig,
    "update": PPOUpdateConfig,
    "ptx": PtxConfig,
    "best_of_n": BestOfNConfig,
    "alignment": AlignmentConfig,
    "contender": ContenderConfig,
    "judge": JudgeConfig,
    "tax": TaxConfig,
}


@pytest.mark.parametrize(("mark", "config_class"), TABLES.items(), ids=TABLES)
def test_the_table_is_the_config(mark: str, config_class: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (table,) = (part.split("<!-- end -->")[0] for part in text.split(f"<!-- {mark} -->\n")[1:])
    assert table == option_rows(config_class)


def test_the_configs_shown_load() -> None:
    shown = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    classes = (PPOConfig, AlignmentConfig)
    for text, config_class in zip(shown, classes, strict=True):
        load_config(config_class, json.loads(text))
