"""Files that are no tables, told by their first bytes: ``refuse_foreign``.

In: the bytes of a file that is neither Parquet nor packed with gzip. Out: nothing where they may be
delimited text, else a TableError that says what the file is and how to get a table out of it.
"""

from __future__ import annotations

import re

from deltarule.errors import TableError

_UNPACK = "Unpack it first; only gzip is read as it is."
_SHEET = "Save the sheet as 'CSV UTF-8' and give that file."
_ROWS = "Give a CSV, TSV or Parquet file; pandas.read_{} reads this one, and read_table takes its frame."

# What a file starts with, what it then is, and the cure; the first that fits counts.
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (rb"PK\x03\x04.{0,4000}?(xl/|\[Content_Types\]|opendocument)", "a spreadsheet", _SHEET),
    (rb"PK\x03\x04", "a zip archive", "Unpack it, and give the table inside."),
    (rb"\xd0\xcf\x11\xe0", "a spreadsheet of the old kind (.xls)", _SHEET),
    (rb"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (rb"BZh[1-9]1AY&SY", "packed with bzip2", _UNPACK),
    (rb"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (rb"%PDF-", "a PDF document", "Give the table behind it, as CSV, TSV or Parquet."),
    (rb"\x93NUMPY", "a NumPy array", "Train on arrays in Python: deltarule.fit(net, X, y)."),
    (rb"\x80[\x02-\x05]", "a Python pickle", "Write the table as CSV or Parquet from Python."),
    (rb"SQLite format 3\x00", "an SQLite database", "Export the table as CSV."),
    (rb"ARROW1\x00", "an Arrow (Feather) file", _ROWS.format("feather")),
    (rb"Obj\x01", "an Avro file", "Write the table as CSV or Parquet."),
    (rb"ORC[^ -~\r\n]", "an ORC file", _ROWS.format("orc")),
    (rb"\x89HDF", "an HDF5 file", _ROWS.format("hdf")),
    (
        rb"(?=.{0,7}\x00).{8}\{\s*\"",
        "a model file",
        "The model comes first, then the table: deltarule predict MODEL TABLE.",
    ),
    (rb"\s*(\{\s*\"|\[\s*[\[{])", "JSON", _ROWS.format("json")),
    (
        rb"(?i:\s*<(!doctype|html|\?xml|table|head|body))",
        "a web page or XML",
        "Download the table itself: a link often leads to a page about it.",
    ),
)
_STARTS = tuple((re.compile(start, re.DOTALL), what, cure) for start, what, cure in FOREIGN)


def refuse_foreign(raw: bytes, place: str) -> None:
    """Raise where a file is known to be something else than a table.

    Raises
    ------
    TableError
        The message says what it is, and what to do.

    Examples
    --------
    >>> from deltarule.errors import TableError
    >>> try:
    ...     refuse_foreign(b'{"rooms": [1, 2]}', "houses.json")
    ... except TableError as error:
    ...     print(str(error)[:52])
    houses.json is JSON, no table of rows and columns. G
    """
    for start, what, cure in _STARTS:
        if start.match(raw):
            raise TableError(f"{place} is {what}, no table of rows and columns. {cure}")
