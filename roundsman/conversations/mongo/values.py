"""Values of BSON as the readers of documents know them: those of an export in extended JSON."""

from typing import Any

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId

_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})


def plain_value(value: Any) -> Any:
    """A document or a value in it, made of Python's own types."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is dict:
        return {name: plain_value(inner) for name, inner in value.items()}
    if kind is list:
        return [plain_value(inner) for inner in value]
    if kind is Int64:
        return int(value)
    if kind is ObjectId:
        return str(value)
    if kind is DatetimeMS:
        return {"$date": int(value)}
    if kind is Decimal128:
        return {"$numberDecimal": str(value)}
    return {"$other": kind.__name__}  # binary data, regular expressions and the like: an object that nobody understands
