# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain data both ways: every dataclass of the model to JSON values and back.

What goes through Ansible variables, the journal, the run record and the reports are these JSON values and nothing else,
so that a reader of any of them needs no Python. Unknown keys are ignored on the way in (a record that a newer Friday
wrote can be read), missing ones take the field's default and are an error where there is none.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def to_data(value: Any) -> Any:
    """Turn a dataclass (or a container of them) into JSON values: dict, list, str, int, float, bool, None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, typing.Mapping):
        return {str(key): to_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_data(item) for item in items]
    if isinstance(value, bool) or value is None:
        return value
    # Ansible hands out tagged subclasses of str, int and float: only the plain type leaves here.
    for plain in (int, float, str):
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_data(kind: type[T], data: Any) -> T:
    """Build ``kind`` (a dataclass) from JSON values.

    Raises:
        ValueError: a required field is missing or a value has no place in its field; the message names the field.
    """
    result: T = _convert(kind, data, kind.__name__)
    return result


def digest(value: Any) -> str:
    """Sha256 (hex) of the canonical JSON of ``value``: equal data, equal digest, whatever the order of keys."""
    canonical = json.dumps(to_data(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _convert(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), data, where)
    if dataclasses.is_dataclass(kind):
        return _convert_dataclass(typing.cast(type, kind), data, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    if origin is tuple:
        return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(_expect(list, data, where)))
    if origin is dict:
        items = _expect(dict, data, where).items()
        return {str(key): _convert(args[1], item, f"{where}.{key}") for key, item in items}
    if kind is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        return float(data)
    if kind is int and isinstance(data, int) and not isinstance(data, bool):
        return int(data)
    if kind is bool and isinstance(data, bool):
        return data
    if kind is str and isinstance(data, str):
        return str(data)
    raise ValueError(f"{where}: {data!r} is no {getattr(kind, '__name__', kind)}")


def _convert_dataclass(kind: type, data: Any, where: str) -> Any:
    data = _expect(dict, data, where)
    hints, values = _hints(kind), {}
    for field in dataclasses.fields(kind):
        if field.name in data:
            values[field.name] = _convert(hints[field.name], data[field.name], f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where}.{field.name} is missing")
    return kind(**values)


def _expect(kind: type, data: Any, where: str) -> Any:
    if kind is list and isinstance(data, (list, tuple)):
        return data
    if not isinstance(data, kind):
        raise ValueError(f"{where}: a {kind.__name__} is expected, not {data!r}")
    return data
