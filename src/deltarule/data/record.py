"""Frozen dataclasses to plain JSON data and back, every field checked on the way in.

Out: a dict with the record's kind and its fields. In: such a dict, perhaps from a damaged or edited
model file; whatever does not fit is a ModelFileError that names the field and what it holds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from deltarule.errors import ModelFileError

Label = str | int | bool


def to_record(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as JSON data, with its class name as "kind".

    >>> from deltarule.data.target import Quantity
    >>> to_record(Quantity("price", mean=2.5, scale=0.5))
    {'kind': 'Quantity', 'name': 'price', 'mean': 2.5, 'scale': 0.5}
    """
    record: dict[str, Any] = {"kind": type(value).__name__}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        record[field.name] = list(content) if isinstance(content, tuple) else content
    return record


def from_record(record: object, *kinds: type) -> Any:
    """Return the dataclass that `to_record` wrote; it must be one of `kinds`."""
    if not isinstance(record, Mapping):
        raise damaged(f"a {_listed(kinds)} is stored as {record!r:.60}, not as an object")
    named = {kind.__name__: kind for kind in kinds}
    kind = named.get(str(record.get("kind")))
    if kind is None:
        raise damaged(f"kind is {record.get('kind')!r:.60} where {_listed(kinds)} is known")
    fields = [field.name for field in dataclasses.fields(kind)]
    check_keys(record, ["kind", *fields], kind.__name__)
    hints = get_type_hints(kind)
    return kind(
        **{name: _read(record[name], hints[name], f"{kind.__name__}.{name}") for name in fields}
    )


def check_keys(record: Mapping[str, Any], expected: list[str], place: str) -> None:
    """Raise unless the record has exactly the expected keys."""
    missing = [key for key in expected if key not in record]
    unknown = [key for key in record if key not in expected]
    if missing or unknown:
        raise damaged(
            f"{place} lacks {missing or 'nothing'} and has unknown {unknown or 'nothing'}"
        )


def read_names(content: object, place: str) -> tuple[str, ...]:
    """Return a stored list of strings as a tuple."""
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise damaged(f"{place} is {content!r:.60}, not a list of names")
    return tuple(content)


def damaged(what: str) -> ModelFileError:
    """Return the error for stored preprocessing that does not fit."""
    return ModelFileError(
        f"The stored preprocessing is damaged: {what}. Take an undamaged copy, or train and save again."
    )


def _read(content: object, hint: object, place: str) -> object:
    return _READERS[hint](content, place)


def _read_text(content: object, place: str) -> str:
    if not isinstance(content, str):
        raise damaged(f"{place} is {content!r:.60}, not a string")
    return content


def _read_bool(content: object, place: str) -> bool:
    if not isinstance(content, bool):
        raise damaged(f"{place} is {content!r:.60}, not true or false")
    return content


def _read_float(content: object, place: str) -> float:
    if (
        isinstance(content, bool)
        or not isinstance(content, int | float)
        or not math.isfinite(content)
    ):
        raise damaged(f"{place} is {content!r:.60}, not a finite number")
    if place.endswith(".scale") and content <= 0:
        raise damaged(f"{place} is {content!r:.60}, not above 0")
    return float(content)


def _read_labels(content: object, place: str) -> tuple[Label, ...]:
    labels = content if isinstance(content, list) else []
    kinds = {type(label) for label in labels}
    if len(kinds) != 1 or not kinds <= {str, int, bool} or len(set(labels)) < max(2, len(labels)):
        raise damaged(f"{place} is {content!r:.60}, not a list of two or more distinct classes")
    return tuple(labels)


def _read_counts(content: object, place: str) -> tuple[int, ...]:
    if not isinstance(content, list) or not all(type(item) is int and item > 0 for item in content):
        raise damaged(f"{place} is {content!r:.60}, not a list of whole numbers above 0")
    return tuple(content)


_READERS: dict[object, Callable[[object, str], object]] = {
    str: _read_text,
    bool: _read_bool,
    float: _read_float,
    tuple[str, ...]: read_names,
    tuple[int, ...]: _read_counts,
    tuple[str, ...] | tuple[int, ...] | tuple[bool, ...]: _read_labels,
}


def _listed(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
