"""The part of `vllm serve` that a node sees, as a program without a model (standard library only).

    fake_vllm.py serve WEIGHTS --served-model-name M [--enable-lora … --lora-modules N=PATH …] …

It appends its arguments as one line of JSON to the file that `FAKE_VLLM_LOG` names, leaves a file
among the temporary ones, says for each question which model it was asked as, refuses those that it
does not have, and does not start with an adapter whose weights are `broken`. Where the environment
has `FAKE_VLLM_SHARES`, it leaves shared memory, too, under its process's number.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PAGE = b'vllm:num_requests_running{engine="0"} 0.0\nvllm:generation_tokens_total{engine="0"} 7.0\n'


def main() -> None:
    with Path(os.environ["FAKE_VLLM_LOG"]).open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    Path(tempfile.gettempdir(), "a socket of vLLM").touch()
    kinds = ("psm_", "sem.mp-") if "FAKE_VLLM_SHARES" in os.environ else ()
    kept = [share(f"/dev/shm/{kind}{os.getpid()}") for kind in kinds]
    parser = argparse.ArgumentParser()
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--lora-modules", nargs="*", default=[])
    parser.add_argument("--port", type=int, required=True)
    known, _ = parser.parse_known_args()
    adapters = dict(one.split("=", 1) for one in known.lora_modules)
    for name, folder in adapters.items():
        if (Path(folder) / "adapter_model.safetensors").read_bytes() == b"broken":
            sys.exit(f"ValueError: Call to add_lora method failed: {name}")
    _Handler.models = (known.served_model_name, *adapters)
    ThreadingHTTPServer(("127.0.0.1", known.port), _Handler).serve_forever()
    del kept


def share(path: str) -> mmap.mmap:
    """Shared memory that nobody but the leash removes."""
    with Path(path).open("w+b") as file:
        file.truncate(mmap.PAGESIZE)
        return mmap.mmap(file.fileno(), mmap.PAGESIZE)


class _Handler(BaseHTTPRequestHandler):
    models: tuple[str, ...] = ()

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send(200, _PAGE)
        elif self.path == "/v1/models":
            self._send(200, json.dumps({"data": [{"id": one} for one in self.models]}).encode())
        else:
            self._send(200, b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = body["model"]
        if model not in self.models:
            missing = {"error": {"message": f"the model {model} does not exist"}}
            return self._send(404, json.dumps(missing).encode())
        words = [
            {"choices": [{"delta": {"content": model}, "finish_reason": None}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
        ]
        lines = [f"data: {json.dumps(word)}\n\n" for word in words]
        return self._send(200, "".join([*lines, "data: [DONE]\n\n"]).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        return


if __name__ == "__main__":
    main()
