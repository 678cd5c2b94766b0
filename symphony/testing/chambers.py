"""One network namespace for each node, so that a real swarm can really be partitioned.

Each node lives in a namespace of its own, with one interface; the other ends of all of them are
plugged into a bridge. A partition plugs some of them into a second bridge: those still reach each
other, and nobody else, and no connection is told of it.

All of it is made inside a network and mount namespace of the whole program (`confined`), so
nothing is left behind whatever happens, and nothing outside can be reached. Where the kernel
refuses, `refusal` says why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from symphony.errors import SymphonyError

TOOL_S = 10.0
TOOLS = ("unshare", "nsenter", "ip", "mount", "umount", "sleep")
_NET = "10.99.0"
HOST = f"{_NET}.1"
"""The address of the program itself, and of the model servers beside it."""
_WHOLE, _APART = "whole", "apart"


def confined(command: Sequence[str]) -> list[str]:
    """A command, in namespaces of its own."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return [_tool("unshare"), *as_root, "--net", "--mount", "--", *command]


def refusal() -> str:
    """Why there can be no chambers here; empty if there can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    trial = "ip link add dev a0 type bridge && ip link add dev a1 type veth peer name a2"
    done = subprocess.run(  # noqa: S603 - a fixed command
        confined([_tool("sh"), "-c", trial]),
        capture_output=True,
        text=True,
        timeout=TOOL_S,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


@dataclass(frozen=True, slots=True)
class Chamber:
    """A namespace: its address, and what to put before a command that is to run inside."""

    address: str
    prefix: tuple[str, ...]


class Chambers:
    """The namespaces of one swarm. The caller runs inside `confined`."""

    def __init__(self) -> None:
        self._holders: list[subprocess.Popen[bytes]] = []
        self._ip("link", "set", "lo", "up")
        for bridge in (_WHOLE, _APART):
            self._ip("link", "add", "dev", bridge, "type", "bridge")
            self._ip("link", "set", bridge, "up")
        self._ip("addr", "add", f"{HOST}/24", "dev", _WHOLE)

    def open(self) -> Chamber:
        """One more."""
        number = len(self._holders)
        holder = subprocess.Popen(  # noqa: S603 - it does nothing but keep the namespace
            [_tool("unshare"), "--net", "--", _tool("sh"), "-c", "echo; exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        self._holders.append(holder)
        assert holder.stdout is not None
        holder.stdout.readline()  # now it is in there
        outer, inner, address = f"v{number}", f"w{number}", f"{_NET}.{10 + number}"
        self._ip("link", "add", "dev", outer, "type", "veth", "peer", "name", inner)
        self._ip("link", "set", outer, "master", _WHOLE, "up")
        self._ip("link", "set", inner, "netns", str(holder.pid))
        prefix = (_tool("nsenter"), "--net", "--target", str(holder.pid), "--")
        for words in (
            ("addr", "add", f"{address}/24", "dev", inner),
            ("link", "set", inner, "up"),
            ("link", "set", "lo", "up"),
        ):
            self._ip(*words, prefix=prefix)
        return Chamber(address, prefix)

    def cut(self, numbers: Iterable[int]) -> None:
        """Part these from all others, in both directions."""
        for number in numbers:
            self._ip("link", "set", f"v{number}", "master", _APART)

    def heal(self) -> None:
        for number in range(len(self._holders)):
            self._ip("link", "set", f"v{number}", "master", _WHOLE)

    def close(self) -> None:
        for holder in self._holders:
            holder.kill()
            holder.wait(TOOL_S)
            if holder.stdout is not None:
                holder.stdout.close()

    @staticmethod
    def _ip(*words: str, prefix: Sequence[str] = ()) -> None:
        _done([*prefix, _tool("ip"), *words])


@contextmanager
def small_disk(place: Path, size_mib: int) -> Iterator[None]:
    """A file system of this size at a place."""
    place.mkdir(parents=True, exist_ok=True)
    options = f"size={size_mib}m,mode=0700"
    _done([_tool("mount"), "-t", "tmpfs", "-o", options, "none", str(place)])
    try:
        yield
    finally:
        _done([_tool("umount"), "--lazy", str(place)])


def _done(command: Sequence[str]) -> None:
    done = subprocess.run(  # noqa: S603 - fixed tools with our own arguments
        command, capture_output=True, text=True, timeout=TOOL_S, check=False
    )
    if done.returncode:
        raise SymphonyError(
            f"{' '.join(command)}: {done.stderr.strip()}",
            hint="see `symphony bench nemesis --help`",
        )


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SymphonyError(f"{name} is not installed", hint="install util-linux and iproute2")
    return found
