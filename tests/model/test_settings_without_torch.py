"""Settings are read where torch is not installed: by the orchestrator, for its forms and its checks of a config."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "model").glob("*_config.py"))


def imported_by(modules: list[str]) -> set[str]:
    """The large libraries that come with these modules."""
    names = ", ".join(f"model.{module}" for module in modules)
    code = f"import sys, {names}; print(*({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_no_module_of_settings_imports_a_large_library() -> None:
    assert len(MODULES) >= 6
    assert imported_by([*MODULES, "config_files"]) == set()
