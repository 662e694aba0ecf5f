"""Files on local paths, s3:// and gs:// alike: a thin layer over pyarrow.fs in which every write is atomic."""

import fnmatch
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.fs as pafs

REMOTE_SCHEMES = ("s3://", "gs://")


def is_remote(path: str) -> bool:
    """Whether `path` names an object store rather than a local file."""
    return path.startswith(REMOTE_SCHEMES)


def filesystem(path: str) -> tuple[pafs.FileSystem, str]:
    """The Arrow filesystem of `path` and the path within it; AWS_ENDPOINT_URL names another S3 server."""
    if path.startswith("s3://"):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        options: dict[str, Any] = {}
        if endpoint:
            scheme, _, host = endpoint.partition("://")
            options = {"endpoint_override": host, "scheme": scheme}
        return pafs.S3FileSystem(**options), path.removeprefix("s3://")
    if path.startswith("gs://"):
        return pafs.GcsFileSystem(), path.removeprefix("gs://")
    if "://" in path:
        raise ValueError(f"{path}: unknown scheme; use a local path, s3:// or gs://")
    return pafs.LocalFileSystem(), str(Path(path).absolute())


def join(folder: str, *parts: str) -> str:
    """`folder` with `parts` below it, for local and remote paths."""
    return "/".join([folder.rstrip("/"), *parts])


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    fs, inner = filesystem(path)
    return bool(fs.get_file_info(inner).type != pafs.FileType.NotFound)


def size(path: str) -> int:
    """Bytes of the file `path`; FileNotFoundError where there is none."""
    fs, inner = filesystem(path)
    info = fs.get_file_info(inner)
    if info.type != pafs.FileType.File:
        raise FileNotFoundError(f"{path}: no such file")
    return int(info.size)


def list_files(folder: str, pattern: str = "*", recursive: bool = False) -> list[str]:
    """Full paths of the files below `folder` whose name matches `pattern`, sorted; none where it is absent."""
    fs, inner = filesystem(folder)
    infos = fs.get_file_info(pafs.FileSelector(inner, allow_not_found=True, recursive=recursive))
    return sorted(
        _scheme(folder) + info.path
        for info in infos
        if info.type == pafs.FileType.File and fnmatch.fnmatch(info.base_name, pattern)
    )


def open_input(path: str) -> Any:
    """A seekable binary Arrow file for reading `path`."""
    fs, inner = filesystem(path)
    return fs.open_input_file(inner)


def read_bytes(path: str) -> bytes:
    """The whole file."""
    with open_input(path) as stream:
        return bytes(stream.read())


def make_folder(path: str) -> None:
    """Create a local folder and its parents; object stores have no folders to make."""
    if not is_remote(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def temporary_name(path: str) -> str:
    """A name beside `path` that no reader takes for data and no other attempt uses."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/_tmp.{name}.{uuid4().hex[:12]}"


class AtomicOutput:
    """A binary stream to `path` whose bytes appear only at a clean exit.

    They go to a temporary name beside it that no other attempt uses. Locally that is renamed; an object store
    copies it on its own side. What stood under the final name before is never touched by an attempt that fails.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        make_folder(path.rpartition("/")[0])
        self._target = temporary_name(path)
        fs, inner = filesystem(self._target)
        self._fs, self._inner = fs, inner
        self.stream = fs.open_output_stream(inner)

    def commit(self) -> None:
        """Close the stream and give the file its name."""
        self.stream.close()
        if is_remote(self.path):
            self._fs.move(self._inner, filesystem(self.path)[1])
        else:
            Path(self._target).replace(self.path)

    def abort(self) -> None:
        """Close the stream and leave nothing behind."""
        self.stream.close()
        if self._fs.get_file_info(self._inner).type == pafs.FileType.File:
            self._fs.delete_file(self._inner)

    def __enter__(self) -> "AtomicOutput":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file so that readers see either the old bytes or the new ones."""
    with AtomicOutput(path) as output:
        output.stream.write(data)


def delete_folder(path: str) -> None:
    """Remove a folder and all below it; nothing happens where it is absent."""
    fs, inner = filesystem(path)
    if fs.get_file_info(inner).type == pafs.FileType.Directory:
        fs.delete_dir(inner)


def delete_file(path: str) -> None:
    """Remove one file."""
    fs, inner = filesystem(path)
    fs.delete_file(inner)


def modified(path: str) -> float:
    """Time of the last change, in seconds since 1970; 0 where the store keeps none."""
    fs, inner = filesystem(path)
    time = fs.get_file_info(inner).mtime
    return float(time.timestamp()) if time else 0.0


def list_folders(folder: str) -> list[str]:
    """Full paths of the folders directly below `folder`, sorted."""
    fs, inner = filesystem(folder)
    infos = fs.get_file_info(pafs.FileSelector(inner, allow_not_found=True))
    return sorted(_scheme(folder) + info.path for info in infos if info.type == pafs.FileType.Directory)


def _scheme(path: str) -> str:
    """What Arrow leaves out of the paths that it lists: s3:// or gs://, nothing for local ones."""
    return path[: path.index("://") + 3] if is_remote(path) else ""
