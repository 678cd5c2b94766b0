"""The memory of this machine and of its GPUs: what decides whether one more model fits.

NVIDIA's driver is asked by its own program, AMD's writes what it knows to files. A machine
without either has no GPUs here. Nothing is guessed: what can't be read is left out.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from symphony.capacity import Gpu, Memory
from symphony.engines import limits

_NVIDIA: Final = ("--query-gpu=name,memory.used,memory.total", "--format=csv,noheader,nounits")
_MIB: Final = 1024 * 1024
DRM: Final = Path("/sys/class/drm")


def memory() -> Memory:
    """Look now. May take some tenths of a second where there is a GPU."""
    ram = psutil.virtual_memory()
    return Memory(int(ram.available), int(ram.total), (*_nvidia(), *_amd(DRM)))


def _nvidia() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        asked = subprocess.run(  # noqa: S603 - the driver's own program
            [program, *_NVIDIA],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=limits.GPU_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    lines = asked.stdout[: limits.GPU_BYTES].decode(errors="replace").splitlines()
    return tuple(gpu for line in lines if (gpu := _row(line)) is not None)


def _row(line: str) -> Gpu | None:
    """`NVIDIA H100, 1234, 81559`, in MiB."""
    name, *numbers = (part.strip() for part in line.rsplit(",", 2))
    if len(numbers) != 2 or not all(part.isascii() and part.isdecimal() for part in numbers):
        return None
    used, total = (int(part) * _MIB for part in numbers)
    return Gpu(name, used, total)


def _amd(folder: Path) -> tuple[Gpu, ...]:
    found = []
    for total in sorted(folder.glob("card*/device/mem_info_vram_total")):
        try:
            used = int(total.with_name("mem_info_vram_used").read_text())
            found.append(Gpu(f"AMD {total.parts[-3]}", used, int(total.read_text())))
        except (OSError, ValueError):
            continue
    return tuple(found)
