"""The leash of a vLLM server of ours: starts it, says when it answers, and ends all of it.

    python -P …/symphony/engines/vllm_child.py

reads one line of JSON from standard input (the command, its environment, the grace of its end, and
`room`, a folder for its temporary files),
starts the command on a free port of the loopback, and prints one line of JSON (`{"url": …}` or
`{"error": …}`) once `/health` answers or the server died. Then it waits for the first of two
things: the server's death, or the end of its own standard input, which means that the node is
gone or wants it gone. Both end every process of the server: vLLM runs several, and those that
outlive their parent would hold the memory of a GPU. The room goes last: vLLM keeps sockets and
other files among the temporary ones, and leaves them there.

Run as a file and importing nothing of Symphony, as `llamacpp_child` is. Secrets reach the server
by its environment, which only its own user can read, never by arguments.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Final, NoReturn

# Bounds that concern the two ends of the pipes; the others come with the orders.
ORDERS_BYTES: Final = 16_384
ERROR_CHARS: Final = 1500
TAIL_LINES: Final = 12
HEALTH_EVERY_S: Final = 0.25
LAST_WORDS_S: Final = 0.25
HEALTH_TIMEOUT_S: Final = 5.0
GONE_EVERY_S: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_ending: Final = threading.Lock()
_SHARED: Final = ("/dev/shm/psm_", "/dev/shm/sem.mp-")  # noqa: S108 - Python's names, not ours


def main() -> NoReturn:
    orders = json.loads(sys.stdin.buffer.readline(ORDERS_BYTES))
    grace_s, room = float(orders["grace_s"]), str(orders["room"])
    port = _free_port()
    tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    try:
        server = _start(orders, port)
    except OSError as error:
        _say({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    drain = threading.Thread(target=_drain, args=(server, tail), daemon=True)
    drain.start()
    threading.Thread(target=_watch_leash, args=(server, grace_s, room), daemon=True).start()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # meant for the group, which includes us
    while not _healthy(port):
        if server.poll() is not None:
            # Its last words are still on their way through the pipe: `_drain` may run on after
            # the death, and processes that inherited the pipe may hold its end back for ever.
            drain.join(LAST_WORDS_S)
            _say({"error": " ".join(tail)[-ERROR_CHARS:] or f"it ended with {server.returncode}"})
            _end(server, grace_s, room)
        # Nothing but an answer says that a server answers. Its death ends the wait at once.
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(HEALTH_EVERY_S)
    _say({"url": f"http://127.0.0.1:{port}"})
    server.wait()
    _end(server, grace_s, room)


def _start(orders: dict[str, Any], port: int) -> subprocess.Popen[str]:
    libc = ctypes.CDLL(None)
    return subprocess.Popen(  # noqa: S603 - the command is our parent's
        [*orders["command"], "--host", "127.0.0.1", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **orders["env"], "TMPDIR": orders["room"]},
        # Should this leash be killed, the kernel ends the server for it.
        preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - no thread yet
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _healthy(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/health", timeout=HEALTH_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _drain(server: subprocess.Popen[str], tail: collections.deque[str]) -> None:
    """Keep the last lines of what the server says; a full pipe would stop it."""
    assert server.stdout is not None
    for line in server.stdout:
        tail.append(line.strip()[:ERROR_CHARS])


def _watch_leash(server: subprocess.Popen[str], grace_s: float, room: str) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    _end(server, grace_s, room)


def _end(server: subprocess.Popen[str], grace_s: float, room: str) -> NoReturn:
    """Ask all other processes of the group to go, kill those that are left, and remove the shared
    memory and the files that they had and did not remove themselves.

    Once: whoever comes second, because the server that the first asks to go is dead, waits here
    for the end. It would find nothing left of that server, and leave before the first is done.
    """
    _ending.acquire()
    segments = {segment for pid in _others() for segment in _segments(pid)}
    os.killpg(os.getpgrp(), signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and _others():
        server.poll()  # buries our own child
        time.sleep(GONE_EVERY_S)  # the others are its children: no event tells us of their end
    for pid in _others():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for segment in segments:
        with contextlib.suppress(OSError):
            os.unlink(segment)  # noqa: PTH108 - nothing of Path's is needed
    shutil.rmtree(room, ignore_errors=True)
    os._exit(1)


def _others() -> list[int]:
    """Whoever else of our process group is alive."""
    found: list[int] = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry.name}/stat") as file:  # noqa: PTH123 - as above
                state, _, group = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == os.getpgrp() and state != "Z":
            found.append(int(entry.name))
    return found


def _segments(pid: int) -> set[str]:
    """The shared memory and the semaphores that a process has mapped, as far as they have names of
    the kinds that vLLM's processes make.
    """
    try:
        with open(f"/proc/{pid}/maps") as file:  # noqa: PTH123 - as above
            words = {line.split()[-1] for line in file if "/dev/shm/" in line}  # noqa: S108
    except OSError:
        return set()
    return {word for word in words if word.startswith(_SHARED)}


def _say(line: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
