"""The process around the embedded llama.cpp server.

    python -P …/symphony/engines/llamacpp_child.py

reads one line of JSON from standard input (model, slots, threads, the server's key), starts the
server on a free port of the loopback, prints one line of JSON (`{"url": …}` or `{"error": …}`)
and then only watches its standard input: when that closes, its parent is gone or wants it gone,
and it exits. The key travels by that pipe, never by arguments, which every user can read.

Run as a file and importing nothing of Symphony: the package with all it needs takes over a
second of CPU to import, this file a tenth. `-P` keeps its folder off the import path.

A process of its own, because a crash in native code must not take the node with it, because a
generation must not compete for the node's interpreter lock, and because killing it is a sure
way to free its memory.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final, NoReturn

# Bounds that concern the two ends of the pipes; the others come with the orders.
ORDERS_BYTES: Final = 16_384
ERROR_CHARS: Final = 300


def main() -> NoReturn:
    # Idle OpenMP threads spin by default, and starve whatever else runs on the machine; the
    # library reads this when it is loaded.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    line = sys.stdin.buffer.readline(ORDERS_BYTES)
    try:
        server = _start(json.loads(line))
    except Exception as error:  # noqa: BLE001 - the parent must hear of any failure, and hear it as one line
        _say({"error": f"{type(error).__name__}: {error}"[:ERROR_CHARS]})
        _leave(1)
    _say({"url": server.listening_address})
    # Native code may write what it likes to the error stream from now on: nobody reads it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while sys.stdin.buffer.read(4096):
        pass
    _leave(0)


def _start(options: dict[str, Any]) -> Any:
    import xllamacpp  # noqa: PLC0415 - after the environment was set

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options["key"]]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context_tokens"]
    params.cont_batching = True
    params.fit_params = False  # the context is given, so there is nothing to fit to memory
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.n_threads_http = options["http_threads"]
    params.cache_ram_mib = options["cache_ram_mib"]
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.cors_origins = ""  # no web page has business here
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)


def _say(line: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _leave(status: int) -> NoReturn:
    # Interpreter shutdown would wait for the server's threads, which may be in a long prefill.
    os._exit(status)


if __name__ == "__main__":
    main()
