"""A small file of the home that is written as a whole: the new one is there, or the one before."""

from __future__ import annotations

import json
import os
from pathlib import Path

from symphony.errors import ConfigError


def replace(path: Path, value: object, failed: str) -> None:
    """Put the value there as JSON, for this user only. Raises `ConfigError`, beginning with
    `failed`, if it can't be written.
    """
    scratch = path.with_name(path.name + ".new")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(value, indent=1))
        scratch.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{failed}: {error}", hint=f"check the rights and the space at {path.parent}"
        ) from error
