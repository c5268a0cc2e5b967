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
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Reader = Callable[[Any], Any]
"""Turns JSON values into a value of one type. Raises :class:`_Misfit`."""

_PLAIN = frozenset((str, int, float, bool, type(None)))


class _Misfit(ValueError):
    """A value that has no place where it is. ``where`` grows from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = ""


def to_data(value: Any) -> Any:
    """Turn a dataclass (or a container of them) into JSON values: dict, list, str, int, float, bool, None."""
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key if type(key) is str else str(key): to_data(item) for key, item in value.items()}
    if kind is tuple or kind is list:
        return [to_data(item) for item in value]
    names = _fields_of(kind)
    if names is not None:
        return {name: to_data(getattr(value, name)) for name in names}
    return _uncommon(value)


def from_data(kind: type[T], data: Any) -> T:
    """Build ``kind`` (a dataclass) from JSON values.

    Raises:
        ValueError: a required field is missing or a value has no place in its field; the message names the field.
    """
    reader = _reader(typing.cast(Any, kind))
    try:
        result: T = reader(data)
    except _Misfit as error:
        raise ValueError(f"{kind.__name__}{error.where}: {error.reason}") from None
    return result


def digest(value: Any) -> str:
    """Sha256 (hex) of the canonical JSON of ``value``: equal data, equal digest, whatever the order of keys."""
    canonical = json.dumps(to_data(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@functools.cache
def _fields_of(kind: type) -> tuple[str, ...] | None:
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def _uncommon(value: Any) -> Any:
    """What is rarer than the plain types, and what Ansible hands out: tagged subclasses of them."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, typing.Mapping):
        return {str(key): to_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_data(item) for item in items]
    for plain in (int, float, str):  # only the plain type leaves here
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@functools.cache
def _reader(kind: Any) -> Reader:
    """How a type is read. Made once: a cluster's snapshot has a hundred thousand objects of a dozen types."""
    if kind is Any:
        return lambda data: data
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = _reader(next(a for a in args if a is not type(None)))
        return (lambda data: None if data is None else inner(data)) if type(None) in args else inner
    if dataclasses.is_dataclass(kind):
        return _dataclass_reader(typing.cast(type, kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return lambda data: _member(kind, data)
    if origin is tuple:
        return _tuple_reader(_reader(args[0]))
    if origin is dict:
        return _dict_reader(_reader(args[1]))
    if kind in (str, int, float, bool):
        return _plain_reader(kind)
    return lambda data: _refuse(f"{data!r} is not a {getattr(kind, '__name__', kind)}")


def _dataclass_reader(kind: type) -> Reader:
    hints = typing.get_type_hints(kind)
    fields = [(field.name, _reader(hints[field.name]), field) for field in dataclasses.fields(kind)]
    missing = dataclasses.MISSING
    required = [field.name for _, _, field in fields if field.default is missing and field.default_factory is missing]

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            _refuse(f"an object is expected, not {data!r}")
        values = {}
        for name, reader, _ in fields:
            if name in data:
                try:
                    values[name] = reader(data[name])
                except _Misfit as error:
                    error.where = f".{name}{error.where}"
                    raise
        for name in required:
            if name not in values:
                _refuse(f"{name} is missing")
        return kind(**values)

    return read


def _tuple_reader(inner: Reader) -> Reader:
    def read(data: Any) -> Any:
        if not isinstance(data, (list, tuple)):
            _refuse(f"a list is expected, not {data!r}")
        try:
            return tuple(map(inner, data))
        except _Misfit as error:
            # Counting while it goes well would cost more than all the rest.
            place = next(number for number, item in enumerate(data) if _misfits(inner, item))
            error.where = f"[{place}]{error.where}"
            raise

    return read


def _dict_reader(inner: Reader) -> Reader:
    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            _refuse(f"an object is expected, not {data!r}")
        result = {}
        for key, item in data.items():
            try:
                result[str(key)] = inner(item)
            except _Misfit as error:
                error.where = f".{key}{error.where}"
                raise
        return result

    return read


def _plain_reader(kind: type) -> Reader:
    def read(data: Any) -> Any:
        if type(data) is kind:
            return data
        if kind is bool or isinstance(data, bool):
            return _refuse(f"{data!r} is not a {kind.__name__}")
        if isinstance(data, kind) or (kind is float and isinstance(data, int)):
            return kind(data)  # also what Ansible hands out: tagged subclasses
        return _refuse(f"{data!r} is not a {kind.__name__}")

    return read


def _member(kind: type[enum.Enum], data: Any) -> Any:
    try:
        return kind(data)
    except ValueError:
        return _refuse(f"{data!r} is not one of {', '.join(str(member.value) for member in kind)}")


def _misfits(reader: Reader, item: Any) -> bool:
    try:
        reader(item)
    except _Misfit:
        return True
    return False


def _refuse(reason: str) -> typing.NoReturn:
    raise _Misfit(reason)
