"""A dict of columns to an Arrow table: ``table_of``, whose errors name the column and the row."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa


def table_of(columns: Mapping[Any, Any]) -> pa.Table:
    """Return the table of a mapping of names to values.

    Raises
    ------
    TableError
        A column is no list of values, holds values of several kinds, or has another length.

    Examples
    --------
    >>> table_of({"rooms": [2, None], "coast": ["near", "far"]}).num_rows
    2
    """
    import pyarrow as pa

    arrays = {str(name): _column(str(name), values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    first = next(iter(lengths), "")
    for name, length in lengths.items():
        if length != lengths[first]:
            raise TableError(
                f"Column {first!r} has {lengths[first]} rows and column {name!r} has {length}: give every "
                "column one value for each row."
            )
    return pa.table(arrays)


def _column(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise TableError(
            f"Column {name!r} is an array of shape {values.shape}: give one value for each row, and "
            "several columns under several names."
        )
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise TableError(f"Column {name!r} is {values!r:.60}: give a list, one value for each row.")
    values = values if isinstance(values, np.ndarray) else list(values)
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        present = [(row, value) for row, value in enumerate(values, 1) if value is not None]
    if all(isinstance(value, Real) for _, value in present):  # whole numbers beyond 64 bits
        return pa.array([value if value is None else float(value) for value in values])
    row, value = present[0]
    other = next((found for found in present if _kind(found[1]) != _kind(value)), None)
    if other is None:
        raise TableError(
            f"Column {name!r} holds {type(value).__name__} values (row {row} holds {value!r:.60}): give "
            "numbers, text, dates, or true and false."
        )
    raise TableError(
        f"Column {name!r} holds values of several kinds: row {row} holds {value!r:.60}, row {other[0]} "
        f"holds {other[1]!r:.60}. Give it one kind: numbers, text, dates, or true and false."
    )


def _kind(value: Any) -> Any:
    return Real if isinstance(value, Real) and not isinstance(value, bool) else type(value)
