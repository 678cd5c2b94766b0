"""The version, as the installed distribution knows it; read when first asked for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("symphony-swarm")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
