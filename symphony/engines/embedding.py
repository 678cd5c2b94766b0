"""Texts to small vectors whose angle says how alike their meanings are.

MiniLM-L6 (int8, ONNX) turns a text into 384 numbers: the mean of its tokens' last layer. They
are kept as 384 signed bytes, value = round(127 * x / max|x|). That throws the length away, and
cosine does not look at it: `similarity` of two such vectors needs no scale, is computed in
integers alone up to its last division, and is the same on every machine for the same bytes.
The rounding costs under 0.005 of cosine. Vectors of different encoders do not compare, so each
carries its encoder's id wherever it is stored.

Nothing that is encoded, nor that anything is, leaves the machine: the runtime's own telemetry is
switched off before it is loaded.

The encoder wants the packages onnxruntime and numpy and the model `minilm-l6-int8`; a node
without them says so (`encoder_missing`) and matches by tags.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from symphony.engines import limits, models
from symphony.engines.catalog import find_model
from symphony.engines.wordpiece import WordPiece
from symphony.errors import EngineError, ModelError

MODEL = "minilm-l6-int8"
VECTOR_BYTES = 384


def similarity(one: bytes, other: bytes) -> float:
    """The cosine of two vectors of one encoder, from -1 to 1; 0 where either is all zeros."""
    if len(one) != len(other):
        raise ValueError("vectors of different lengths do not compare")
    a, b = memoryview(one).cast("b"), memoryview(other).cast("b")
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = sum(x * x for x in a) * sum(y * y for y in b)
    return dot / math.sqrt(lengths) if lengths else 0.0


def encoder_missing() -> str | None:
    """Why there is no encoder on this machine; None when there is one."""
    for package in ("onnxruntime", "numpy"):
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed (pip install 'symphony-swarm[local]')"
    try:
        models.path(MODEL)
    except ModelError as error:
        return str(error)
    return None


def find_encoder() -> LateEncoder | None:
    """The encoder, not loaded yet; None where `encoder_missing` says why not."""
    return None if encoder_missing() is not None else LateEncoder(models.path(MODEL))


async def open_encoder() -> Encoder | None:
    """The encoder, or None where `encoder_missing` says why not. Raises `EngineError`."""
    found = find_encoder()
    return await found.load() if found is not None else None


class LateEncoder:
    """An encoder that is loaded at the first need: half a second, 60 MB. `id` as in `Encoder`."""

    def __init__(self, weights: Path) -> None:
        self.id = Encoder.id
        self._weights = weights
        self._lock = trio.Lock()
        self._loaded: Encoder | EngineError | None = None

    @property
    def fingerprint(self) -> str:
        """What its vectors depend on: the model that the catalogue trusts, and the file here."""
        seen = self._weights.stat()
        hashes = [file.sha256 for file in find_model(MODEL).files]
        return "/".join((self.id, *hashes, str(seen.st_size), str(seen.st_mtime_ns)))

    async def load(self) -> Encoder:
        """Load it now, once. Raises `EngineError` where it can't be, then and later."""
        async with self._lock:
            if self._loaded is None:
                self._loaded = await trio.to_thread.run_sync(_load, self._weights)
        if isinstance(self._loaded, EngineError):
            raise self._loaded
        return self._loaded

    async def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector of `VECTOR_BYTES` per text, in order. Raises `EngineError`."""
        return await (await self.load()).encode(texts)


def _load(weights: Path) -> Encoder | EngineError:
    try:
        return Encoder(weights)
    except Exception as error:  # noqa: BLE001 - whatever the runtime makes of a file
        return EngineError(
            f"the encoder can't be loaded: {type(error).__name__}",
            hint=f"symphony model remove {MODEL}, then symphony model pull {MODEL}",
        )


class Encoder:
    """MiniLM in this process, on one thread. `id` names the model and the quantisation."""

    id = f"{MODEL}/maxabs127"

    def __init__(self, weights: Path) -> None:
        # It collects what it is used for, under an id of the machine, and sends that to its maker;
        # it looks at this when it is loaded. Nothing leaves this machine.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime  # noqa: PLC0415 - half a second and 60 MB, only for those who encode

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = frozenset(one.name for one in self._session.get_inputs())
        self._tokenizer = WordPiece(weights.with_name("vocab.txt"))
        self._gate = trio.CapacityLimiter(1)

    async def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector of `VECTOR_BYTES` per text, in order. Runs in a thread, one call at once."""
        if len(texts) > limits.ENCODE_TEXTS:
            raise EngineError(
                f"{len(texts)} texts are more than {limits.ENCODE_TEXTS}",
                hint="encode them in several calls",
            )
        return await trio.to_thread.run_sync(self._encode, list(texts), limiter=self._gate)

    def _encode(self, texts: list[str]) -> list[bytes]:
        step = limits.ENCODE_BATCH
        batches = [texts[at : at + step] for at in range(0, len(texts), step)]
        return [vector for batch in batches for vector in self._encode_batch(batch)]

    def _encode_batch(self, texts: list[str]) -> list[bytes]:
        import numpy as np  # noqa: PLC0415 - as above

        rows = [self._tokenizer.ids(text) for text in texts]
        shape = (len(rows), max(len(row) for row in rows))
        ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
            mask[at, : len(row)] = 1
        every: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        }
        given = {name: value for name, value in every.items() if name in self._inputs}
        output: Any = self._session.run(None, given)[0]
        if output.ndim == 3:  # per token: take the mean over the tokens that are not padding
            weights = mask[:, :, None].astype(output.dtype)
            output = (output * weights).sum(axis=1) / weights.sum(axis=1)
        largest = np.maximum(np.abs(output).max(axis=1, keepdims=True), 1e-12)
        return [row.tobytes() for row in np.rint(127.0 * output / largest).astype(np.int8)]
