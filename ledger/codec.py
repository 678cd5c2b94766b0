"""Strict deterministic CBOR: one value, one encoding (RFC 8949, section 4.2.1).

Everything that is signed or hashed passes through here, and so does every hostile byte, so the
codec accepts only what it would write itself: unsigned and negative integers of 64 bits, byte
and text strings, arrays, maps, booleans and null. Refused: floats, tags, undefined, indefinite
lengths, integers or lengths not in their shortest form, map keys out of order or twice, text
that is not UTF-8, bytes after the value, more than 8 nested containers.

The rule it keeps: `dumps(loads(data)) == data` for every `data` that `loads` accepts.

Written by hand rather than on top of a general CBOR library: those sort map keys by RFC 7049
(length first), build tagged objects while they decode, and allow deep recursion. Sizes are
checked before anything is built, and containers grow one decoded item at a time, so a short
message can't claim a huge array; all items together are counted.

Map keys are integers, byte strings and text only: Python holds `1` and `True` to be the same
dictionary key, and a reader that asks for field 1 must not be given the field `true`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ledger.errors import DecodeError
from ledger.limits import MAX_DEPTH, MAX_ITEMS, MAX_VALUE_BYTES

Key: TypeAlias = "int | bytes | str"
Value: TypeAlias = "bool | int | bytes | str | list[Value] | dict[Key, Value] | None"
"""What `loads` returns."""

Encodable: TypeAlias = (
    "bool | int | bytes | str | Sequence[Encodable] | Mapping[Any, Encodable] | None"
)
"""What `dumps` takes: tuples and read-only mappings too."""

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 0xF4, 0xF5, 0xF6
_FIRST_NOT_KEY = _ARRAY << 5
_MAX_UINT = 2**64 - 1
_NOT_SHORTEST = "an integer or a length that is not in its shortest form"
_KEPT_HEADS = 256
_KEPT_LAYOUTS = 512  # kinds of maps whose order is remembered
_KEPT_KEYS = 32  # at most so many keys each
_HEADS = [
    [bytes([major << 5 | arg] if arg < 24 else [major << 5 | 24, arg]) for arg in range(256)]
    for major in range(6)
]
_UINT_HEADS, _BYTES_HEADS, _TEXT_HEADS = _HEADS[_UINT], _HEADS[_BYTES], _HEADS[_TEXT]


def dumps(value: Encodable) -> bytes:
    """The one encoding of `value`.

    Raises `TypeError` for a type that has none, `ValueError` for an integer beyond 64 bits,
    for text with lone surrogates, and for more than 8 nested containers.
    """
    out: list[bytes] = []
    _write(value, out, MAX_DEPTH)
    return b"".join(out)


def loads(data: bytes, *, max_bytes: int = MAX_VALUE_BYTES, max_items: int = MAX_ITEMS) -> Value:
    """The value that `data` is the one encoding of. Raises `DecodeError` for anything else, and
    for more than `max_items` items in all its arrays and maps together (a pair counts as one).
    """
    if len(data) > max_bytes:
        raise DecodeError(f"{len(data)} bytes, at most {max_bytes} are allowed")
    try:
        value, end = _read(data, 0, MAX_DEPTH, [max_items])
    except IndexError:
        raise DecodeError("ends in the middle of a value") from None
    except UnicodeDecodeError:
        raise DecodeError("text that is not UTF-8") from None
    if end != len(data):
        raise DecodeError("goes on after the value")
    return value


def first(data: bytes, start: int) -> tuple[Value, int]:
    """The value that starts at `start`, and where it ends: for sequences of values, which are
    bounded by whoever reads them. Raises `DecodeError` as `loads` does.
    """
    try:
        return _read(data, start, MAX_DEPTH, [MAX_ITEMS])
    except IndexError:
        raise DecodeError("ends in the middle of a value") from None
    except UnicodeDecodeError:
        raise DecodeError("text that is not UTF-8") from None


def _head(major: int, arg: int) -> bytes:
    """The type and argument of an item, in the shortest form."""
    if arg < _KEPT_HEADS:
        return _HEADS[major][arg]
    if arg < 0x10000:
        return bytes((major << 5 | 25,)) + arg.to_bytes(2, "big")
    if arg < 0x100000000:
        return bytes((major << 5 | 26,)) + arg.to_bytes(4, "big")
    if arg <= _MAX_UINT:
        return bytes((major << 5 | 27,)) + arg.to_bytes(8, "big")
    raise ValueError("an integer beyond 64 bits has no encoding here")


def _write(value: Encodable, out: list[bytes], depth: int) -> None:
    """Append the encoding of `value` to `out`; `depth` more containers may be opened."""
    kind = type(value)  # the exact types first: nearly everything is one of them
    if kind is bytes:
        size = len(value)  # type: ignore[arg-type]
        out.append(_BYTES_HEADS[size] if size < _KEPT_HEADS else _head(_BYTES, size))
        out.append(value)  # type: ignore[arg-type]
    elif kind is str:
        text = value.encode()  # type: ignore[union-attr]
        size = len(text)
        out.append(_TEXT_HEADS[size] if size < _KEPT_HEADS else _head(_TEXT, size))
        out.append(text)
    elif kind is int:
        _write_integer(value, out)  # type: ignore[arg-type]
    elif kind is dict:
        _write_map(value, out, depth)  # type: ignore[arg-type]
    elif kind is tuple or kind is list:
        _write_array(value, out, depth)  # type: ignore[arg-type]
    elif value is None:
        out.append(b"\xf6")
    elif isinstance(value, bool):
        out.append(b"\xf5" if value else b"\xf4")
    else:
        _write_other(value, out, depth)


def _write_other(value: Encodable, out: list[bytes], depth: int) -> None:
    """Subclasses of the types above (`NewType`s are none), and mappings that are no `dict`."""
    if isinstance(value, bytes):
        _write(bytes(value), out, depth)
    elif isinstance(value, int):
        _write(int(value), out, depth)
    elif isinstance(value, str):
        _write(str.__str__(value), out, depth)
    elif isinstance(value, list | tuple):
        _write_array(value, out, depth)
    elif isinstance(value, Mapping):
        _write_map(dict(value), out, depth)
    else:
        raise TypeError(f"{type(value).__name__} has no encoding here")


def _write_integer(value: int, out: list[bytes]) -> None:
    out.append(_head(_UINT, value) if value >= 0 else _head(_NINT, -1 - value))


def _write_array(value: Sequence[Encodable], out: list[bytes], depth: int) -> None:
    _open(depth)
    out.append(_head(_ARRAY, len(value)))
    for item in value:
        _write(item, out, depth - 1)


def _write_map(value: dict[Any, Encodable], out: list[bytes], depth: int) -> None:
    """Keys in the order of their encodings. Short bytes, and small counts, are written right here:
    they are nearly all there are, and a call costs more than they do.
    """
    _open(depth)
    depth -= 1
    out.append(_head(_MAP, len(value)))
    keys = tuple(value)
    for encoded, key in _layouts.get(keys) or _layout(keys):
        out.append(encoded)
        item = value[key]
        kind = type(item)
        if kind is bytes and (size := len(item)) < _KEPT_HEADS:  # type: ignore[arg-type]
            out.append(_BYTES_HEADS[size])
            out.append(item)  # type: ignore[arg-type]
        elif kind is int and 0 <= item < _KEPT_HEADS:  # type: ignore[operator]
            out.append(_UINT_HEADS[item])  # type: ignore[index]
        else:
            _write(item, out, depth)


_layouts: dict[tuple[Key, ...], Sequence[tuple[bytes, Key]]] = {}


def _layout(keys: tuple[Key, ...]) -> Sequence[tuple[bytes, Key]]:
    """The keys of a map with their encodings, in order. Maps of one kind of record have the same
    keys in the same order, so their layouts are remembered; those of texts only, because `1` and
    `True` are equal and have different encodings.
    """
    found = tuple(sorted((_encoded_key(key), key) for key in keys))
    if len(keys) <= _KEPT_KEYS and all(type(key) is str for key in keys):
        if len(_layouts) >= _KEPT_LAYOUTS:
            _layouts.clear()
        _layouts[keys] = found
    return found


def _open(depth: int) -> None:
    if depth == 0:
        raise ValueError(f"more than {MAX_DEPTH} nested containers")


def _encoded_key(key: object) -> bytes:
    if type(key) is int and 0 <= key < 24:
        return _HEADS[_UINT][key]
    if isinstance(key, int | bytes | str) and not isinstance(key, bool):
        out: list[bytes] = []
        _write(key, out, 0)
        return b"".join(out)
    raise TypeError(f"{type(key).__name__} can't be a map key")


def _argument(data: bytes, pos: int, info: int) -> tuple[int, int]:
    """The argument of a head whose low five bits are `info` > 24, and where it ends."""
    if info > 27:
        raise DecodeError("an indefinite length or a reserved head")
    size = 1 << (info - 24)
    end = pos + size
    if end > len(data):
        raise IndexError
    arg = int.from_bytes(data[pos:end], "big")
    if arg < 1 << 4 * size:
        raise DecodeError(_NOT_SHORTEST)
    return arg, end


def _read(data: bytes, pos: int, depth: int, left: list[int]) -> tuple[Value, int]:
    """The value that starts at `pos`, and where it ends. `left` holds one number: how many more
    items may come.
    """
    initial = data[pos]
    major = initial >> 5
    arg = initial & 31
    pos += 1
    if major == _SIMPLE:
        return _simple(initial), pos
    if arg == 24:  # the most common long head, so not worth a call
        arg = data[pos]
        pos += 1
        if arg < 24:
            raise DecodeError(_NOT_SHORTEST)
    elif arg > 24:
        arg, pos = _argument(data, pos, arg)
    if major == _UINT:
        return arg, pos
    if major == _BYTES:
        end = pos + arg
        if end > len(data):
            raise IndexError
        return data[pos:end], end
    if major == _TEXT:
        end = pos + arg
        if end > len(data):
            raise IndexError
        return data[pos:end].decode(), end
    if major == _MAP:
        return _read_map(data, pos, arg, _deeper(depth, arg, left), left)
    if major == _ARRAY:
        depth = _deeper(depth, arg, left)
        items: list[Value] = []
        for _ in range(arg):
            item, pos = _read(data, pos, depth, left)
            items.append(item)
        return items, pos
    if major == _NINT:
        return -1 - arg, pos
    raise DecodeError("a tag")


def _read_map(data: bytes, pos: int, size: int, depth: int, left: list[int]) -> tuple[Value, int]:
    """A map of `size` pairs, whose encoded keys must ascend. Short keys, and values with short
    heads, are read right here: they are nearly all there are, and a call costs more than they do.
    """
    result: dict[Key, Value] = {}
    last = b""
    key: Value
    for _ in range(size):
        initial = data[pos]
        if initial < 24:  # a small unsigned integer, as in headers
            key, end = initial, pos + 1
        elif 0x60 <= initial < 0x78:  # text below 24 bytes, as in all our records
            end = pos + initial - 0x5F
            key = data[pos + 1 : end].decode()
        elif initial < _FIRST_NOT_KEY:
            key, end = _read(data, pos, depth, left)
        else:
            raise DecodeError("a map key that is not an integer, a byte string or text")
        encoded = data[pos:end]
        if encoded <= last:
            raise DecodeError("map keys out of order, or one of them twice")
        last = encoded
        initial = data[end]
        if initial < 24:
            result[key], pos = initial, end + 1  # type: ignore[index]
        elif 0x40 <= initial < 0x58:
            pos = end + initial - 0x3F
            result[key] = data[end + 1 : pos]  # type: ignore[index]
        elif 0x60 <= initial < 0x78:
            pos = end + initial - 0x5F
            result[key] = data[end + 1 : pos].decode()  # type: ignore[index]
        elif initial == 0x58 and data[end + 1] >= 24:  # ids, digests and keys
            pos = end + 2 + data[end + 1]
            result[key] = data[end + 2 : pos]  # type: ignore[index]
        else:
            result[key], pos = _read(data, end, depth, left)  # type: ignore[index]
        if pos > len(data):
            raise IndexError
    return result, pos


def _deeper(depth: int, size: int, left: list[int]) -> int:
    """Open a container of `size` items; how many may be opened inside it."""
    if depth == 0:
        raise DecodeError(f"more than {MAX_DEPTH} nested containers")
    left[0] -= size
    if left[0] < 0:
        raise DecodeError("too many items")
    return depth - 1


def _simple(initial: int) -> bool | None:
    if initial == _NULL:
        return None
    if initial == _TRUE:
        return True
    if initial == _FALSE:
        return False
    raise DecodeError("a float, or a simple value other than false, true and null")
