"""Settings are read where torch is not installed: by the orchestrator, for its forms and its checks of a config."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "model").glob("*_config.py"))


def imported_by(modules: list[str], wanted: str) -> bool:
    names = ", ".join(f"model.{module}" for module in modules)
    code = f"import sys, {names}; print({wanted!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip() == "True"


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_no_module_of_settings_imports(library: str) -> None:
    assert len(MODULES) >= 6
    assert not imported_by([*MODULES, "config_files"], library)
