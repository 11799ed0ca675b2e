"""Damaged tables: whatever a few changed bytes do to a file, it is trained on, or one line says why not.

In: a valid table, and random changes of its bytes. Out: exit code 0, or 2 and one line of error; in
both cases without a traceback, and without the words of the libraries underneath.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deltarule.cli import main

ROWS = [
    f'{i},{"red green blue".split()[i % 3]},"a, {i % 4}",{i * 7 % 11}.25,2024-01-{1 + i % 28:02}'
    for i in range(24)
]
TABLE = "\n".join(["size,colour,note,price,day", *ROWS, ""]).encode()
LEAKS = ("Traceback", "pyarrow", "numpy.", "ArrowInvalid", "CSV parse", "straddling", "0x7f", "bug")


def drop(raw: bytes, at: int, n: int) -> bytes:
    return raw[:at] + raw[at + n :]


def insert(raw: bytes, at: int, n: int, what: bytes) -> bytes:
    return raw[:at] + what * n + raw[at:]


def swap(raw: bytes, at: int, n: int, what: bytes) -> bytes:
    return raw[:at] + what + raw[at + 1 :]


def double(raw: bytes, at: int, n: int) -> bytes:
    lines = raw.splitlines(keepends=True)
    at %= len(lines) or 1
    return b"".join([*lines[: at + 1], *lines[at : at + n], *lines[at + 1 :]])


def lose(raw: bytes, at: int, n: int) -> bytes:
    lines = raw.splitlines(keepends=True)
    at %= len(lines) or 1
    return b"".join(lines[:at] + lines[at + n :])


def replace(raw: bytes, at: int, n: int, what: bytes, by: bytes) -> bytes:
    return raw[: at // 2] + raw[at // 2 :].replace(what, by, n)


ODD = [
    b"\0",
    b'"',
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\xff",
    b"\xef\xbb\xbf",
    b"-",
    b"e",
    b"9",
    b" ",
]
PIECES = [
    b"NA",
    b"inf",
    b"1e300",
    b"nan",
    b'""',
    b"\r\n",
    b"x" * 200,
    b"=",
    b"sep=;\n",
    "é".encode(),
]
place, few = st.integers(0, len(TABLE)), st.integers(1, 3)
what = st.sampled_from(ODD + PIECES)
CHANGES = st.one_of(
    st.tuples(st.just(drop), place, st.integers(1, 40)),
    st.tuples(st.just(insert), place, few, what),
    st.tuples(st.just(swap), place, few, what),
    st.tuples(st.just(double), place, few),
    st.tuples(st.just(lose), place, st.integers(1, 30)),
    st.tuples(st.just(replace), place, st.integers(1, 30), st.sampled_from(ODD), what),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mutated")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(CHANGES, min_size=1, max_size=3))
@example([(insert, 0, 1, b"\0")])
@example([(drop, 26, len(TABLE))])  # the header alone, without an end of line
@example([(drop, 27, len(TABLE))])
@example([(drop, 0, len(TABLE))])
@example([(replace, 0, 999, b",", b";")])
@example([(replace, 0, 999, b"\n", b"\r")])
@example([(replace, 0, 999, b".", b",")])
@example([(swap, len(TABLE) // 2, 1, b'"')])
def test_a_damaged_table_trains_or_says_what_is_wrong(folder, capfd, changes):
    raw = TABLE
    for change, *given_ in changes:
        raw = change(raw, *given_)
    path = folder / "table.csv"
    path.write_bytes(raw)
    arguments = "--target price --epochs 1 --hidden 4 --quiet --model".split()
    with pytest.raises(SystemExit) as ended:
        main(["train", str(path), *arguments, str(folder / "model.dr")])
    out, err = capfd.readouterr()
    assert not any(leak in err for leak in LEAKS), err
    if ended.value.code in (0, None):
        assert "saved: " in out
    else:
        assert (ended.value.code, out) == (2, ""), err
        errors = [line for line in err.splitlines() if not line.startswith("note: ")]
        assert len(errors) == 1 and errors[0].startswith("error: "), err
        assert len(errors[0]) > 40, err
