"""A catalogued model as a folder that vLLM can serve, made once from its GGUF file.

The work is done by `vllm_convert.py` in vLLM's own environment. The rules of `models` hold: a
folder under its final name is complete, because the work happens beside it, under the model's
lock, and is renamed; what a killed conversion left is cleared by whoever holds the lock next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from symphony.engines import limits, models, vllm
from symphony.engines.catalog import find_model, lookup_model
from symphony.errors import EngineUnavailable, ModelError

_SCRIPT = Path(__file__).with_name("vllm_convert.py")


def folder_of(name: str) -> Path:
    """Where the converted model lies, or would."""
    return models.models_dir() / f"{find_model(name).name}{models.CONVERTED}"


def weights_for_vllm(name: str) -> str:
    """What `vllm serve` is given for a model: a folder, or the name of a repository of the hub.

    The catalogue comes first, and only a name with a separator is a path: a folder that happens to
    lie where the node was started must not stand in for weights that were checked. Raises
    `ModelError` with the next step for one that has to be converted first.
    """
    model = lookup_model(name)
    if model is None:
        return _elsewhere(name)
    if model.files and model.purpose == "chat":
        folder = folder_of(name)
        if (folder / "config.json").exists():
            return str(folder)
        raise ModelError(
            f"{model.name} is not here in the form that vLLM serves",
            hint=f"run: symphony model convert {model.name}",
        )
    if model.hub_repo is None:
        raise ModelError(f"vLLM can't serve {model.name}", hint="symphony model list")
    return _of_the_hub(model.hub_repo)


def _elsewhere(name: str) -> str:
    """A model that the catalogue does not know: a folder by its path, or whatever the hub has."""
    vllm.refuse_options(name, Path(name).name)
    if os.sep in name and Path(name).is_dir():
        return str(Path(name).resolve())
    return _of_the_hub(name)


def _of_the_hub(repo: str) -> str:
    """The name, unless vLLM would take it for a path, as it does where one of that name is."""
    if Path(repo).exists():
        raise ModelError(
            f"{repo} is a name of the hub, and a file or folder where this was started",
            hint=f"give its path, {Path(repo).resolve()}, or start elsewhere",
        )
    return repo


def convert(name: str) -> Path:
    """Convert a model that was pulled, if it was not, and return its folder. Takes minutes.

    Raises `ModelError` (not pulled, unknown, failed) or `EngineUnavailable` (vLLM is not
    installed).
    """
    final = folder_of(name)
    known = find_model(name).name
    with models.held(known) as root:
        source = models.path(name)
        if (final / "config.json").exists():
            return final
        if not (vllm.environment() / vllm.MARKER).exists():
            raise EngineUnavailable(
                "converting needs vLLM's environment", hint="run: symphony engine install vllm"
            )
        with models.scratch_folder(root, known, models.CONVERTED) as scratch:
            made = scratch / "made"
            _run(known, source, made, scratch / "log")
            shutil.rmtree(final, ignore_errors=True)
            made.rename(final)
    return final


def _run(name: str, source: Path, made: Path, log: Path) -> None:
    """Let the script make the folder `made`. Raises `ModelError` with its last words."""
    python = vllm.environment() / "bin" / "python"
    with log.open("w+", errors="replace") as said:
        try:
            done = subprocess.run(  # noqa: S603 - our own script, in the environment we made
                [str(python), "-P", str(_SCRIPT), str(source), str(made)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                timeout=limits.CONVERT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{name} was not converted within {limits.CONVERT_SECONDS:.0f} s",
                hint="try again while the machine has less to do",
            ) from error
        said.seek(0)
        words = " ".join(said.read().split())[-limits.ERROR_TEXT_CHARS :]
    if done.returncode != 0:
        raise ModelError(f"{name} could not be converted: {words}")
