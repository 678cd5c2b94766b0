"""The memory of the machine and of GPUs, read from a driver that a test wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from symphony.capacity import Gpu
from symphony.engines import machine
from symphony.engines.machine import memory

MIB = 1024 * 1024


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that `nvidia-smi` prints."""
    said = tmp_path / "said"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexec cat {said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "DRM", tmp_path / "drm")
    return said


def test_what_the_drivers_say(driver: Path, tmp_path: Path):
    driver.write_text("NVIDIA H100, 80GB, 512, 81559\nsomething else\nNVIDIA L4, [N/A], 23034\n")
    device = tmp_path / "drm" / "card0" / "device"
    device.mkdir(parents=True)
    (device / "mem_info_vram_total").write_text("17163091968\n")
    (device / "mem_info_vram_used").write_text("12288\n")
    found = memory()
    assert 0 < found.free_bytes <= found.total_bytes
    first = Gpu("NVIDIA H100, 80GB", 512 * MIB, 81559 * MIB)
    assert found.gpus == (first, Gpu("AMD card0", 12288, 17163091968))


def test_a_driver_that_does_not_work(driver: Path):
    driver.unlink(missing_ok=True)
    assert memory().gpus == ()
