"""An Arrow table to a file, ``write_table``, and any bytes to a file as a whole, ``write_whole``."""

from __future__ import annotations

import errno
import gzip
import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.data.place import check_writable, not_written
from deltarule.data.table import unplaced
from deltarule.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

_BINARY = getattr(os, "O_BINARY", 0)  # Windows has text files too
ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV, TSV (both also packed with gzip) or Parquet, by the file's ending.

    The file appears whole or not at all; one of that name is replaced.

    Raises
    ------
    TableError
        Another ending.
    WriteError
        The file cannot be written; one of that name is as it was.
    """
    path = Path(path)
    check_writable(path)
    if not path.name.endswith(ENDINGS):
        raise TableError(f"{path}: a table is written to a file that ends in {', '.join(ENDINGS)}.")
    if path.suffix == ".parquet":
        raw = _parquet(table)
    else:
        raw = delimited(table, "\t" if ".tsv" in path.suffixes else ",")
    if path.suffix == ".gz":
        raw = gzip.compress(raw, mtime=0)
    try:
        write_whole(path, raw)
    except OSError as error:
        raise not_written(path, error) from None


def write_whole(path: Path, raw: bytes) -> None:
    """Write beside the place and move: a reader sees the old file or the new one, never a part.

    Raises
    ------
    OSError
        The place cannot be written; a file that was there is as it was.
    """
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def delimited(table: pa.Table, delimiter: str = ",") -> bytes:
    """Return a table as delimited text, UTF-8, with a header; `read_table` reads it back."""
    from pyarrow import csv

    out = io.BytesIO()
    csv.write_csv(table, out, csv.WriteOptions(delimiter=delimiter))
    return out.getvalue()


def _parquet(table: pa.Table) -> bytes:
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(unplaced(table), out)
    return out.getvalue()
