"""Typed values to bytes and back: the one border where bytes become protocol values.

A value is a frozen dataclass. On the wire it is a deterministic CBOR map from field name to
value (`ledger.codec` refuses any other encoding of the same map). `None` is left out, unknown
fields are ignored, so that a later version may add some. Types are checked strictly: a number
is never read from text, and every field carries its own bound.

Raises `ledger.errors.DecodeError` and nothing else for any bytes whatsoever.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from annotated_types import Interval, Len
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from ledger.codec import dumps, loads
from ledger.errors import DecodeError

T = TypeVar("T")
_LEAVES = frozenset({"int", "str", "bytes", "bool"})

Ppm = Annotated[int, Interval(ge=0, le=1_000_000)]
"""A share or a score in parts per million: signed data holds no floats."""
Count = Annotated[int, Interval(ge=0, le=2**32 - 1)]
Millis = Annotated[int, Interval(ge=0, le=2**48 - 1)]
Digest = Annotated[bytes, Len(32, 32)]
Id16 = Annotated[bytes, Len(16, 16)]
Key = Annotated[bytes, Len(32, 32)]
Signature = Annotated[bytes, Len(64, 64)]
Salt = Annotated[bytes, Len(16, 16)]
Name = Annotated[str, Len(1, 64)]
Line = Annotated[str, Len(0, 300)]


class Codec(Generic[T]):
    """Encodes and decodes one dataclass type, or a union of tagged ones."""

    def __init__(self, kind: Any, *, max_bytes: int, kept: int = 0) -> None:
        """`kept`: so many decoded values are remembered, for when the same bytes come again."""
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._validator = SchemaValidator(_exact(self._adapter.core_schema))
        self._max_bytes = max_bytes
        self._known = lru_cache(maxsize=kept)(self._read) if kept else self._read

    def encode(self, value: T) -> bytes:
        return dumps(self._adapter.serializer.to_python(value, exclude_none=True))

    def decode(self, data: bytes) -> T:
        """Parse `data`. Raises `DecodeError` on anything that is not exactly such a value."""
        return self._known(data)

    def _read(self, data: bytes) -> T:
        plain = loads(data, max_bytes=self._max_bytes)
        try:
            value: T = self._validator.validate_python(plain)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DecodeError(f"{where or 'value'}: {first['msg']}") from None
        return value


def _exact(schema: Any) -> Any:
    """The same schema, strict in its leaves only.

    Strict validation as a whole would refuse a map where a dataclass is wanted, and there is
    nothing else on the wire; so texts, bytes, integers and booleans are made strict one by one.
    """
    if isinstance(schema, dict):
        inner = {key: _exact(value) for key, value in schema.items()}
        return {**inner, "strict": True} if schema.get("type") in _LEAVES else inner
    if isinstance(schema, list | tuple):
        return type(schema)(_exact(item) for item in schema)
    return schema
