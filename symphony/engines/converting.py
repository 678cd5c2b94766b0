"""A catalogued model as a folder that vLLM can serve, made once from its GGUF file.

The work is done by `vllm_convert.py` in vLLM's own environment. The rule of `models` holds: a
folder under its final name is complete, because the work happens beside it and is renamed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from symphony.engines import limits, models, vllm
from symphony.engines.catalog import find_model, lookup_model
from symphony.errors import EngineUnavailable, ModelError

_SCRIPT = Path(__file__).with_name("vllm_convert.py")
_SUFFIX = ".hf"


def folder_of(name: str) -> Path:
    """Where the converted model lies, or would."""
    return models.models_dir() / f"{find_model(name).name}{_SUFFIX}"


def weights_for_vllm(name: str) -> str:
    """What `vllm serve` is given for a model: a folder, or the name of a repository of the hub.

    Raises `ModelError` with the next step for one that has to be converted first.
    """
    if Path(name).is_dir():
        return str(Path(name).resolve())
    model = lookup_model(name)
    if model is None:
        return name  # whatever the hub calls it
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
    return model.hub_repo


def convert(name: str) -> Path:
    """Convert a model that was pulled, if it was not, and return its folder. Takes minutes.

    Raises `ModelError` (not pulled, unknown) or `EngineUnavailable` (vLLM is not installed).
    """
    source, final = models.path(name), folder_of(name)
    if (final / "config.json").exists():
        return final
    python = vllm.environment() / "bin" / "python"
    if not (vllm.environment() / vllm.MARKER).exists():
        raise EngineUnavailable(
            "converting needs vLLM's environment", hint="run: symphony engine install vllm"
        )
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}-") as scratch:
        made = Path(scratch) / "made"
        with (Path(scratch) / "log").open("w+") as log:
            done = subprocess.run(  # noqa: S603 - our own script, in the environment we made
                [str(python), "-P", str(_SCRIPT), str(source), str(made)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                timeout=limits.CONVERT_SECONDS,
                check=False,
            )
            log.seek(0)
            said = " ".join(log.read().split())[-limits.ERROR_TEXT_CHARS :]
        if done.returncode != 0:
            raise ModelError(f"{name} could not be converted: {said}")
        shutil.rmtree(final, ignore_errors=True)
        made.rename(final)
    return final
