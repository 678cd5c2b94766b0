"""Where agents come from: the user's folders, or those shipped with Symphony.

A place is an `agent.yaml`, a folder that holds one, or a folder of such folders. The shipped
agents lie in the wheel as data (`symphony/_agents`); in a checkout they are the repository's
`agents/`. Without any place, the shipped ones are hosted: a first run needs no file of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import symphony
from symphony.errors import ManifestError
from symphony.manifests.load import MANIFEST_NAME, AgentManifest, load_manifest
from symphony.manifests.schema import MAX_AGENTS


def shipped_agents() -> Path:
    """The folder of the agents that come with Symphony. Raises `ManifestError`: not installed."""
    package = Path(symphony.__file__).parent
    for place in (package / "_agents", package.parent / "agents"):
        if place.is_dir():
            return place
    raise ManifestError(
        "the agents that come with Symphony are not installed",
        hint="name your own with --agents DIR, or reinstall symphony-swarm",
    )


def find_manifests(places: Sequence[Path] = ()) -> tuple[AgentManifest, ...]:
    """All agents at `places`, by name; those shipped with Symphony if there is no place.

    Raises `ManifestError` for the first one that does not validate, for a place without any,
    for two agents of one name, and for more than a node may host.
    """
    files: list[Path] = []
    for place in places or (shipped_agents(),):
        files += manifest_files(place)
    if len(files) > MAX_AGENTS:
        raise ManifestError(
            f"{len(files)} agents, a node hosts at most {MAX_AGENTS}",
            hint="name fewer with --agents, or start a second node",
        )
    found: dict[str, AgentManifest] = {}
    for file in files:
        manifest = load_manifest(file)
        other = found.setdefault(manifest.name, manifest)
        if other is not manifest and other.path.resolve() != file.resolve():
            raise ManifestError(
                f"{file}: metadata.name: {manifest.name!r} is also the name of {other.path}",
                hint="give one of them another name",
            )
    return tuple(found[name] for name in sorted(found))


def manifest_files(place: Path) -> tuple[Path, ...]:
    """The manifests at one place, in order of their paths, without reading them."""
    if place.is_file():
        return (place,)
    if (place / MANIFEST_NAME).is_file():
        return (place / MANIFEST_NAME,)
    files = tuple(sorted(place.glob(f"*/{MANIFEST_NAME}"))) if place.is_dir() else ()
    if not files:
        what = "no agent.yaml in it" if place.is_dir() else "no such file or folder"
        raise ManifestError(f"{place}: {what}", hint="name a folder that holds agents")
    return files
