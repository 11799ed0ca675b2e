"""Anything that is a table to a tidy Arrow table: ``read_table``.

Tidy: every cell of a text column is trimmed, the words for a missing value are missing, and text
that is numbers throughout is numbers. A number column with a few words in it is an error that names
the rows, because the network would otherwise silently see hundreds of categories.
"""

from __future__ import annotations

import difflib
import gzip
import io
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.data.delimited import MISSING_WORDS, header_hint, parse_delimited
from deltarule.errors import TableError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

NUMERIC_SHARE = (
    0.9  # from this share of numbers on, a text column is a number column with errors ...
)
FEW_LEVELS = 20  # ... unless it has at most so many distinct values ("1", "2", "3 or more")

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DRESSED_NUMBER = re.compile(r"[€$£¥]?\s?[+-]?\d{1,3}(,?\d{3})*([.,]\d+)?\s?[%€$£¥]?")  # $1,234.50


def read_table(
    source: Any,
    *,
    header: bool = True,
    delimiter: str | None = None,
    categories: Sequence[str] = (),
) -> pa.Table:
    r"""Read a table from a file, or take it from a data frame.

    What a file *is* counts, not what it is called: Parquet and gzip are known by their first bytes;
    everything else is delimited text in UTF-8, its delimiter (comma, semicolon, tab, bar) told from
    the text. Empty cells and NA, N/A, nan, NaN, null, None and ? are missing values.

    Parameters
    ----------
    source : path, open file, pandas or polars frame, pyarrow.Table, or mapping of names to values
        The table.
    header : bool
        Whether the first line of a text file holds the column names; else they are ``col1 ... colN``.
    delimiter : str, optional
        What separates the cells of a text file; ``None`` tells it from the text.
    categories : sequence of str
        Columns whose values are names even where they look like numbers (``007``, postal codes).

    Returns
    -------
    pyarrow.Table
        Text columns of type string, those of `categories` of type dictionary, trimmed; missing values
        null. Reading a table that was read already changes nothing.

    Raises
    ------
    TableError
        No such file, not a table, no rows, ragged lines, two columns of one name, an unknown name in
        `categories`, or a number column that holds text in some rows.

    Examples
    --------
    >>> read_table({"rooms": ["3", " 4", "?"], "coast": ["near", "far", "NA"]}).to_pydict()
    {'rooms': [3, 4, None], 'coast': ['near', 'far', None]}
    """
    place = os.fspath(source) if isinstance(source, str | os.PathLike) else "The table"
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        raw = _bytes_of(path, str(place))
        table = _parse(raw, path.suffix, str(place), header, delimiter, categories)
    elif isinstance(source, io.IOBase):
        raw, place = _bytes_in(source), str(getattr(source, "name", "The table"))
        table = _parse(raw, "", place, header, delimiter, categories)
    else:
        table = _take_frame(source)
    if table.num_rows == 0 or table.num_columns == 0:
        size = f"{table.num_rows} rows and {table.num_columns} columns"
        raise TableError(f"{place} has {size}: nothing to learn from or to predict.")
    for name in categories:
        column_of(table, name, str(place))
    return _tidy(table, categories, str(place))


def column_of(table: pa.Table, name: str, place: str = "The table") -> pa.ChunkedArray:
    """Return a column by name; an unknown name raises a TableError that offers the nearest one."""
    names = table.column_names
    if name in names:
        return table.column(name)
    nearest = _nearest(name, names)
    offer = f"did you mean {nearest!r}?" if nearest else f"it has {_listed(names)}."
    raise TableError(f"{place} has no column {name!r}; {offer}{header_hint(names)}")


def is_missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Tell for each row whether its value is missing: null, or not a number."""
    import pyarrow.compute as pc

    missing: NDArray[np.bool_] = pc.is_null(column, nan_is_null=True).to_numpy()
    return missing


def rows_listed(rows: Sequence[int], values: Sequence[object], limit: int = 3) -> str:
    """Return the first few rows, counted from 1, with what they hold, for messages.

    >>> rows_listed([4, 11], ["x", "y"])
    "row 5 holds 'x', row 12 holds 'y'"
    """
    shown = [f"row {row + 1} holds {value!r}" for row, value in zip(rows, values, strict=False)]
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return ", ".join(shown[:limit]) + more


def _bytes_in(file: Any) -> bytes:
    raw = file.read()
    return raw if isinstance(raw, bytes) else str(raw).encode()


def _parse(
    raw: bytes,
    suffix: str,
    place: str,
    header: bool,
    delimiter: str | None,
    categories: Sequence[str],
) -> pa.Table:
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise TableError(
                f"{place} is a damaged gzip file ({error}). Fetch or pack it again."
            ) from None
    if raw.startswith(b"PAR1"):
        return _read_parquet(raw, place)
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise TableError(
            f"{place} is a zip archive or a spreadsheet. Unpack it, or save the sheet as 'CSV UTF-8'."
        )
    if suffix in (".parquet", ".pq"):
        raise TableError(
            f"{place} is not a Parquet file: it starts with {raw[:8]!r} instead of b'PAR1'. "
            "Write it again, or give it the ending .csv if it is text."
        )
    return parse_delimited(raw, place, header=header, delimiter=delimiter, as_text=categories)


def _bytes_of(path: Path, place: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        folder = path.parent
        if not folder.is_dir():
            raise TableError(
                f"There is no file {place}: the folder {folder} does not exist."
            ) from None
        nearest = _nearest(path.name, [entry.name for entry in folder.iterdir()])
        offer = f"did you mean {str(folder / nearest)!r}?" if nearest else "check the path."
        raise TableError(f"There is no file {place}; {offer}") from None
    except IsADirectoryError:
        raise TableError(f"{place} is a folder. Name one file in it.") from None
    except OSError as error:
        raise TableError(
            f"{place} cannot be read: {error.strerror}. Check its permissions."
        ) from None


def _read_parquet(raw: bytes, place: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(pa.py_buffer(raw))
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            f"{place} is a damaged Parquet file ({str(error)[:80]}). Write it again."
        ) from None


def _take_frame(frame: Any) -> pa.Table:
    import pyarrow as pa

    try:
        if isinstance(frame, pa.Table):
            table = frame
        elif isinstance(frame, Mapping):
            table = pa.table(dict(frame))
        else:
            table = _through_narwhals(frame)
    except (pa.ArrowException, ValueError, TypeError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            f"The table cannot be converted: {error}. Give every column one type, one name and one length."
        ) from None
    names = table.column_names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"The table has two columns named {twice!r}. Rename one.")
    return table


def _through_narwhals(frame: Any) -> pa.Table:
    import narwhals as nw

    try:
        wrapped = nw.from_native(frame)
    except TypeError:
        raise TableError(
            f"A {type(frame).__name__} is not a table. Give a path to a CSV, TSV or Parquet file, "
            "a pandas or polars frame, a pyarrow.Table or a dict of columns."
        ) from None
    eager = wrapped.collect() if isinstance(wrapped, nw.LazyFrame) else wrapped
    named = eager.rename({name: str(name) for name in eager.columns})
    return named.to_arrow().select(named.columns)  # leaves out the index of pandas


def names_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a column as text; whole numbers without a decimal point (1.0 is "1")."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.round(column))).as_py():
        column = column.cast(pa.int64())
    return column.cast(pa.string())


def _tidy(table: pa.Table, categories: Sequence[str], place: str) -> pa.Table:
    import pyarrow as pa

    for i, name in enumerate(table.column_names):
        column = table.column(i)
        category = name in categories or pa.types.is_dictionary(column.type)
        if category or _is_text(column.type):
            tidy = _tidy_text(names_of(column), name, category, place)
            table = table.set_column(i, name, tidy)
    return table


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(kind) for is_kind in text)


def _tidy_text(column: pa.ChunkedArray, name: str, category: bool, place: str) -> pa.Array:
    """Tidy the distinct values only: a column of a million cells may have five."""
    import pyarrow as pa

    coded = column.combine_chunks().dictionary_encode()
    stripped = [word.strip() for word in coded.dictionary.to_pylist()]
    words = [None if word in MISSING_WORDS else word for word in stripped]
    present = {word for word in words if word is not None}
    if present and not category:
        if all(map(NUMBER.fullmatch, present)):
            return _as_numbers(words).take(coded.indices)
        if len(present) > FEW_LEVELS:
            _refuse_text_among_numbers(pa.array(words).take(coded.indices), name, place)
    tidy = pa.array(words, pa.string()).take(coded.indices)
    return tidy.dictionary_encode() if category else tidy


def _as_numbers(words: list[str | None]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array([word if word is None else int(word) for word in words], pa.int64())
    except (ValueError, OverflowError):
        return pa.array([word if word is None else float(word) for word in words], pa.float64())


def _refuse_text_among_numbers(column: pa.Array, name: str, place: str) -> None:
    """Raise if nearly all cells are numbers, plain or with a currency, percent or thousands mark."""
    import pyarrow.compute as pc

    plain = pc.match_substring_regex(column, f"^(?:{NUMBER.pattern})$")
    dressed = pc.match_substring_regex(column, f"^(?:{_DRESSED_NUMBER.pattern})$")
    share = pc.mean(pc.or_(plain, dressed)).as_py()
    if share < NUMERIC_SHARE:
        return
    odd = pc.indices_nonzero(pc.invert(plain))
    raise TableError(
        f"{place}: column {name!r} is a column of numbers ({100 * share:.3g} % of its cells), but "
        f"{rows_listed(odd.to_pylist(), column.take(odd).to_pylist())}. Write plain numbers there (no "
        "currency, percent or thousands marks) or leave the cells empty for missing; to use the column as "
        f"names instead, pass categories=[{name!r}] (command line: --category {name})."
    )


def _nearest(name: str, names: Sequence[str]) -> str | None:
    lowered = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[found[0]] if found else None


def _listed(names: Sequence[str], limit: int = 12) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more
