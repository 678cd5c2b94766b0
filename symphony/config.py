"""The settings of one node: flag > environment > file > default, and nothing unknown is ignored.

A setting has one dotted name, and every layer spells it the same way: `gateway.port` is
`--gateway-port` on the command line, `SYMPHONY_GATEWAY_PORT` in the environment and `port`
under `[gateway]` in `config.toml`. `load_settings` also remembers where each value came from,
because "which file set this?" is the first question about any configuration.

The home directory holds a node's whole life (key, ledger, receipts); it is 0700 and what lies
in it is 0600. The file is read from the home; the user's configuration directory is looked at
only for the default home, so that a second node with its own home never inherits by accident.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ValidationError

from symphony.errors import ConfigError
from symphony.settings import EngineSettings, GatewaySettings, LogSettings, NodeSettings
from symphony.spelling import keys_at, nearest, suggestion

__all__ = [
    "EngineSettings",
    "GatewaySettings",
    "Loaded",
    "LogSettings",
    "NodeSettings",
    "load_settings",
    "make_home",
    "resolve_home",
]

ENV_PREFIX = "SYMPHONY_"
CONFIG_NAME = "config.toml"
MAX_CONFIG_BYTES = 64 * 1024  # a hundred times what a full configuration takes

DIR_MODE = 0o700
FILE_MODE = 0o600

_OTHERS_ENV = frozenset(
    {
        "SYMPHONY_HOME",
        "SYMPHONY_CONFIG",
        "SYMPHONY_URL",
        "SYMPHONY_API_KEY",
        "SYMPHONY_MODELS",
        "SYMPHONY_ENGINES",
        "SYMPHONY_INVITE_FILE",
    }
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and for each dotted name that somebody set, who did (flag, variable, file)."""

    settings: NodeSettings
    origins: Mapping[str, str]


def resolve_home(flag: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The data directory: `--home`, else `SYMPHONY_HOME`, else the platform's own place."""
    env = os.environ if environ is None else environ
    chosen = flag or env.get("SYMPHONY_HOME") or platformdirs.user_data_dir("symphony")
    return Path(chosen).expanduser().absolute()


def make_home(home: Path) -> None:
    """Create the home if it is missing. Raises `ConfigError` where it is open to others."""
    try:
        home.mkdir(mode=DIR_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{home}: the data directory can't be made: {error.strerror}",
            hint="choose another one with --home DIR or SYMPHONY_HOME",
        ) from error
    check_private(home, DIR_MODE)


def check_private(path: Path, mode: int) -> None:
    """Refuse a path that group or others may read, write or enter."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            f"{path}: is open to other users of this machine "
            f"(mode {stat.S_IMODE(path.stat().st_mode):04o})",
            hint=f"chmod {mode:o} {path}",
        )


def write_private(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write a whole 0600 file, or leave what was there: temporary name, fsync, rename. One that is
    not `synced` may be lost in a power cut, but is never seen in part.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    home: str | Path | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Merge all layers. `flags` maps dotted names to values; `None` there means "not given".

    Raises `ConfigError` for an unknown key, a value out of range, a file that is no TOML, or a
    file with a secret that others may read.
    """
    env = os.environ if environ is None else environ
    where = resolve_home(home, env)
    given: dict[str, tuple[Any, str]] = {}
    path = _config_path(where, config, env, default_home=home is None)
    if path is not None:
        table = _read_toml(path)
        if "home" in table:
            raise ConfigError(
                f"{path}: home can't be set in a file", hint="use --home DIR or SYMPHONY_HOME"
            )
        given |= {name: (value, str(path)) for name, value in _flat(table).items()}
        if given.keys() & {"invite", "engine.api_key"}:
            check_private(path, FILE_MODE)
    given |= _from_env(env)
    given |= {
        name: (value, f"--{name.replace('.', '-').replace('_', '-')}")
        for name, value in (flags or {}).items()
        if value is not None
    }
    origin = "--home" if home else "SYMPHONY_HOME" if env.get("SYMPHONY_HOME") else "default"
    given["home"] = (where, origin)
    return Loaded(_validated(given), {name: origin for name, (_, origin) in given.items()})


def _config_path(
    home: Path, explicit: Path | None, env: Mapping[str, str], *, default_home: bool
) -> Path | None:
    named = explicit or (Path(env["SYMPHONY_CONFIG"]) if env.get("SYMPHONY_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"{named}: no such file", hint="correct --config or SYMPHONY_CONFIG")
        return named
    places = [home / CONFIG_NAME]
    if default_home and not env.get("SYMPHONY_HOME"):
        places.append(Path(platformdirs.user_config_dir("symphony")) / CONFIG_NAME)
    return next((place for place in places if place.is_file()), None)


def _read_toml(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(MAX_CONFIG_BYTES + 1)
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes", hint="shorten it")
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{path}: is no TOML: {error}", hint="correct that line; see docs/cli.md"
        ) from None


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables to dotted names."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def setting_names() -> tuple[str, ...]:
    """Every dotted name there is, in the order of declaration."""
    names: list[str] = []
    for name in NodeSettings.model_fields:
        inner = keys_at(NodeSettings, (name,))
        names += [f"{name}.{key}" for key in inner] if inner else [name]
    return tuple(names)


def _from_env(env: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    variables = {ENV_PREFIX + name.upper().replace(".", "_"): name for name in setting_names()}
    del variables["SYMPHONY_HOME"]  # resolved before the file is looked for
    tails = {variable.removeprefix(ENV_PREFIX): variable for variable in variables}
    for variable in env:
        if not variable.startswith(ENV_PREFIX) or variable in {*variables, *_OTHERS_ENV}:
            continue
        # Others may use the prefix too, so only what looks like a misspelt setting is refused.
        near = nearest(variable.removeprefix(ENV_PREFIX), tails, cutoff=0.8)
        if near is not None:
            raise ConfigError(f"{variable}: no such setting", hint=f"did you mean {tails[near]}?")
    lists = {"listen", "peers", "agents"}
    return {
        name: (_split(env[variable]) if name in lists else env[variable], variable)
        for variable, name in variables.items()
        if env.get(variable)
    }


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _validated(given: Mapping[str, tuple[Any, str]]) -> NodeSettings:
    nested: dict[str, Any] = {}
    for name, (value, origin) in given.items():
        table, _, key = name.rpartition(".")
        if table and table not in NodeSettings.model_fields:
            raise ConfigError(
                f"{origin}: unknown table [{table}]",
                hint=suggestion(table, ("engine", "gateway", "log")),
            )
        target = nested.setdefault(table, {}) if table else nested
        if not isinstance(target, dict):
            raise ConfigError(f"{origin}: {table} is no table", hint="see docs/cli.md")
        target[key] = value
    try:
        return NodeSettings.model_validate(nested)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = [part for part in first["loc"] if isinstance(part, str)]
        name = ".".join(path)
        origin = given.get(name, ("", "settings"))[1]
        if first["type"] == "extra_forbidden":
            known = keys_at(NodeSettings, path[:-1])
            raise ConfigError(
                f"{origin}: unknown setting {name!r}", hint=suggestion(path[-1], known)
            ) from None
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{origin}: {name}: {said}", hint=_expectation(path)) from None


def _expectation(path: list[str]) -> str:
    model: type[BaseModel] = NodeSettings
    for part in path[:-1]:
        annotation = model.model_fields[part].annotation
        assert isinstance(annotation, type)
        model = annotation
    field = model.model_fields.get(path[-1]) if path else None
    return f"{'.'.join(path)}: {field.description or 'a table'}" if field else "see docs/cli.md"
