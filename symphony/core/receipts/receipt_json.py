"""The JSON form of a receipt: the same values, byte strings in lower-case hexadecimal.

It is another way to write the same bytes: `from_json` gives back exactly the receipt that `to_json`
was made from, and only that has a digest and is verified. Layout and the order of keys mean
nothing in JSON; fields that no receipt has, keys that repeat and other types are refused.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ledger import codec
from ledger.errors import DecodeError
from symphony.core.receipts.receipt import MAX_RECEIPT_BYTES
from symphony.errors import ReceiptInvalid

MAX_JSON_BYTES = 3 * MAX_RECEIPT_BYTES  # two digits a byte, texts with escapes
_HEX = "hex"
_TEXT = "text"
_OPENED = {"unit": _TEXT, "result": _HEX, "salt": _HEX, "text": _TEXT}
_SEAL = {"checkpoint": _HEX, "paths": [_HEX], "cosigns": [_HEX]}
_RECEIPT: dict[str, Any] = {
    "format": _TEXT,
    "swarm": _HEX,
    "salt": _HEX,
    "prompt": _TEXT,
    "answer_schema": _TEXT,
    "entries": [_HEX],
    "capabilities": [_HEX],
    "opened": [_OPENED],
    "evidence": [_HEX],
    "seal": _SEAL,
}


def to_json(receipt: bytes) -> str:
    """One line. Raises `ReceiptInvalid` for bytes that have not the shape of a receipt."""
    try:
        value = codec.loads(receipt, max_bytes=MAX_RECEIPT_BYTES)
    except DecodeError as error:
        raise _refusal(f"this is no receipt: {error.message}") from None
    return json.dumps(_written(value, _RECEIPT, "receipt"))


def from_json(text: str | bytes) -> bytes:
    """The receipt that a JSON text stands for. Raises `ReceiptInvalid`."""
    if len(text) > MAX_JSON_BYTES:
        raise _refusal("it is larger than any receipt")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise _refusal("this is no JSON, or repeats a key") from None
    return codec.dumps(_read(value, _RECEIPT, "receipt"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def _written(value: Any, shape: Any, where: str) -> Any:
    """A decoded value as JSON, checked against its shape."""
    match shape:
        case "hex" if isinstance(value, bytes):
            return value.hex()
        case "text" if isinstance(value, str):
            return value
        case [inner] if isinstance(value, list):
            return [_written(item, inner, where) for item in value]
        case dict() if isinstance(value, dict):
            _fields(value, shape, where)
            return {name: _written(value[name], shape[name], name) for name in value}
    raise _refusal(f"{where} is not what it is in a receipt")


def _read(value: Any, shape: Any, where: str) -> Any:
    """A JSON value as the value to encode."""
    match shape:
        case "hex" if isinstance(value, str):
            return _bytes(value, where)
        case "text" if isinstance(value, str):
            if not value.isascii() and any(0xD800 <= ord(char) <= 0xDFFF for char in value):
                raise _refusal(f"{where} is not valid Unicode")
            return value
        case [inner] if isinstance(value, list):
            return [_read(item, inner, where) for item in value]
        case dict() if isinstance(value, dict):
            _fields(value, shape, where)
            return {name: _read(value[name], shape[name], name) for name in value}
    raise _refusal(f"{where} is not what it is in a receipt")


def _fields(value: dict[Any, Any], shape: dict[str, Any], where: str) -> None:
    missing = shape.keys() - value.keys() - {"seal"}
    if value.keys() - shape.keys() or missing:
        raise _refusal(f"{where} holds fields that no receipt has, or lacks some")


def _bytes(text: str, where: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise _refusal(f"{where} is not hexadecimal") from None
    if data.hex() != text:
        raise _refusal(f"{where} is not in lower-case hexadecimal")
    return data


def _refusal(text: str) -> ReceiptInvalid:
    return ReceiptInvalid(text, hint="ask the conductor of the task for the original file")
