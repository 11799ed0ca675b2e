"""Anything that is a table to a tidy Arrow table: ``read_table``.

Tidy: every cell of a text column is trimmed, the words for a missing value are missing, and text
that is numbers throughout is numbers. A number column with a few words in it is an error that names
the rows, because the network would otherwise silently see hundreds of categories.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.data.delimited import MISSING_WORDS, header_hint, parse_delimited
from deltarule.data.foreign import refuse_foreign
from deltarule.data.mapping import table_of
from deltarule.data.place import bytes_of, nearest
from deltarule.errors import TableError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

NUMERIC_SHARE = 0.9  # from here on a text column is a number column with errors ...
FEW_LEVELS = 20  # ... unless it has so few distinct values ("1", "2", "3 or more"), each seen twice
NO_FILE = "The table"  # what messages call a table that is from no file
_PLACE = b"deltarule.place"  # in the metadata of a table: the file that it is from

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
    categories = (categories,) if isinstance(categories, str) else categories or ()
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise TableError(f"delimiter is {delimiter!r}; it is one character, as in ',', or None.")
    if isinstance(source, str) and "\n" in source:
        raise TableError(
            f"{source[:30]!r}... is text, not the path of a file. Write it to a file first."
        )
    place = str(os.fspath(source)) if isinstance(source, str | os.PathLike) else NO_FILE
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        raw = bytes_of(path, TableError)
        table = _parse(raw, path.suffix, place, header, delimiter, categories)
    elif isinstance(source, io.IOBase):
        place = str(getattr(source, "name", NO_FILE))
        table = _parse(_bytes_in(source), "", place, header, delimiter, categories)
    else:
        table = _take_frame(source)
    _refuse_doubled(table.column_names, place)
    if table.num_rows == 0 or table.num_columns == 0:
        size = f"{table.num_rows} rows and {table.num_columns} columns"
        raise TableError(f"{place} has {size}: nothing to learn from or to predict.")
    table = _placed(table, place)
    for name in categories:
        column_of(table, name)
    return _tidy(table, categories)


def _placed(table: pa.Table, place: str) -> pa.Table:
    """The table with a note of the file that it is from; one that was read before keeps its note."""
    metadata = table.schema.metadata or {}
    if place != NO_FILE or _PLACE not in metadata:
        metadata = {**metadata, _PLACE: os.fsencode(place)}
    return table.replace_schema_metadata(metadata)


def unplaced(table: pa.Table) -> pa.Table:
    """Return the table without the note of the file that it is from."""
    metadata = table.schema.metadata or {}
    return table.replace_schema_metadata({k: v for k, v in metadata.items() if k != _PLACE})


def place_of(table: pa.Table) -> str:
    """Return the name of the file that `read_table` took the table from, for messages.

    >>> place_of(read_table({"rooms": [1, 2]}))
    'The table'
    """
    metadata = table.schema.metadata or {}
    return os.fsdecode(metadata[_PLACE]) if _PLACE in metadata else NO_FILE


@contextmanager
def errors_of(table: pa.Table) -> Iterator[None]:
    """Name the file in every TableError raised inside about a column or the target of the table."""
    try:
        yield
    except TableError as error:
        place, message = place_of(table), str(error)
        if place != NO_FILE and message.startswith(("Column ", "Target ")):
            error.args = (f"{place}: {message[0].lower()}{message[1:]}",)
        raise


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column by name; an unknown name raises a TableError that offers the nearest one."""
    names, place = table.column_names, place_of(table)
    if not isinstance(name, str):
        raise TableError(f"{place}: a column goes by its name, a text, not by {name!r}.")
    if name in names:
        return table.column(name)
    near = nearest(name, names)
    offer = f"did you mean {near!r}?" if near else f"it has {_listed(names)}."
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
        except (EOFError, OSError, zlib.error):
            raise TableError(
                f"{place} is a damaged gzip file: it is cut short, or bytes were changed. Fetch or "
                "pack it again."
            ) from None
    if raw.startswith(b"PAR1"):
        return _read_parquet(raw, place)
    refuse_foreign(raw, place)
    if suffix in (".parquet", ".pq"):
        raise TableError(
            f"{place} is not a Parquet file: it starts with {raw[:8]!r} instead of b'PAR1'. "
            "Write it again, or give it the ending .csv if it is text."
        )
    return parse_delimited(raw, place, header=header, delimiter=delimiter, as_text=categories)


def _read_parquet(raw: bytes, place: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(pa.py_buffer(raw)).read()
    except (pa.ArrowException, OSError):
        raise TableError(
            f"{place} is a damaged Parquet file: it is cut short or changed, or packed in a way that "
            "is not known here. Fetch or write it again."
        ) from None


def _take_frame(frame: Any) -> pa.Table:
    import pyarrow as pa

    try:
        if isinstance(frame, pa.Table):
            table = frame
        elif isinstance(frame, Mapping):
            table = table_of(frame)
        else:
            table = _through_narwhals(frame)
    except (pa.ArrowException, ValueError, TypeError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            f"The table cannot be converted: {error}. Give every column one type, one name and one length."
        ) from None
    return table


def _refuse_doubled(names: Sequence[str], place: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"{place} has two columns named {twice!r}. Rename one.")


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


def _tidy(table: pa.Table, categories: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    for i, name in enumerate(table.column_names):
        column = table.column(i)
        category = name in categories or pa.types.is_dictionary(column.type)
        if category or _is_text(column.type):
            tidy = _tidy_text(names_of(column), name, category, place_of(table))
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
        if len(present) > min(FEW_LEVELS, max(2, (len(coded) - coded.null_count) / 2)):
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
        f"{rows_listed(odd.to_pylist(), column.take(odd).to_pylist())} (row 1 is the first below the "
        "names). Write plain numbers there (no "
        "currency, percent or thousands marks) or leave the cells empty for missing; to use the column as "
        f"names instead, pass categories=[{name!r}] (command line: --category {name})."
    )


def _listed(names: Sequence[str], limit: int = 12) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more
