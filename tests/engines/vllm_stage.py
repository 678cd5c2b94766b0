"""What tests with a real vLLM look at: its processes, its shared memory, an adapter to serve."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path

import numpy as np
import psutil

PATIENCE_MS = 900_000
"""How long a request may take, the start of a server on two shared cores included."""
SOON_S = 15.0
_RANK = 24  # above what vLLM takes unless it is told to


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are not over soon. A zombie that nobody reaps holds nothing any more."""
    _, left = psutil.wait_procs(family, SOON_S)
    return [one for one in left if one.status() != psutil.STATUS_ZOMBIE]


def segments() -> set[Path]:
    """The shared memory of vLLM's kind on this machine."""
    return set(Path("/dev/shm").glob("psm_*"))


def litter() -> set[Path]:
    """Its shared memory, and what it puts among the temporary files: sockets, and files that its
    processes find one another by.
    """
    folder = Path(tempfile.gettempdir())
    sockets = {path for path in folder.iterdir() if path.is_socket()}
    return segments() | sockets | set(folder.glob("vllm_dist_*")) | set(folder.glob("vllm-*"))


def write_adapter(folder: Path, weights: Path) -> None:
    """A LoRA adapter of random weights for the model in `weights`: enough to change its words."""
    config = json.loads((weights / "config.json").read_text())
    hidden = config["hidden_size"]
    head = hidden // config["num_attention_heads"]
    wide = {"q_proj": hidden, "v_proj": config["num_key_value_heads"] * head}
    draw = np.random.default_rng(7)
    tensors: dict[str, np.ndarray] = {}
    for layer in range(config["num_hidden_layers"]):
        for part, rows in wide.items():
            place = f"base_model.model.model.layers.{layer}.self_attn.{part}"
            for name, shape in (("lora_A", (_RANK, hidden)), ("lora_B", (rows, _RANK))):
                values = draw.standard_normal(shape, dtype=np.float32) * np.float32(0.2)
                tensors[f"{place}.{name}.weight"] = values
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(_as_safetensors(tensors))
    said = {
        "peft_type": "LORA",
        "r": _RANK,
        "lora_alpha": 2 * _RANK,
        "target_modules": sorted(wide),
        "bias": "none",
        "base_model_name_or_path": weights.name,
    }
    (folder / "adapter_config.json").write_text(json.dumps(said))


def _as_safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    """Eight bytes with the length of a JSON header, the header, the numbers one behind another."""
    header, at = {}, 0
    for name, values in tensors.items():
        offsets = [at, at + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        at = offsets[1]
    head = json.dumps(header).encode()
    data = b"".join(values.astype("<f4").tobytes() for values in tensors.values())
    return struct.pack("<Q", len(head)) + head + data
