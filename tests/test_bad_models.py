"""Model files that are none, are damaged, or are of another time: each is refused by one clear line.

In: a saved model, changed byte by byte. Out: a ModelFileError, exit code 2; never other numbers.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import deltarule as dr
from deltarule.cli import main
from deltarule.errors import DataError, ModelFileError
from deltarule.train.table import train_table
from networks import X


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The bytes of the model of a small table, in a folder of its own with a table to predict."""
    monkeypatch.chdir(tmp_path)
    numbers = [float(i) for i in range(20)]
    trained = train_table({"a": numbers, "y": numbers}, "y", epochs=1, hidden=(3,), progress=False)
    dr.save(trained.model, "m.dr")
    Path("t.csv").write_text("a\n1\n2\n")
    return Path("m.dr").read_bytes()


def newer(raw):
    text = raw.replace(b'\\"format\\": 1,', b'\\"format\\": 9,', 1)
    assert text != raw
    return text


def end_of_header(raw):
    return 8 + int.from_bytes(raw[:8], "little")


DAMAGE = {
    "empty": (lambda raw: b"", "bad.dr is no model file: it is empty. Name a file that dr.save or"),
    "four bytes": (lambda raw: raw[:4], "bad.dr is no model file: it starts with b'"),
    "cut in the header": (lambda raw: raw[:99], "it ends after 99 bytes, within its header"),
    "cut in the weights": (
        lambda raw: raw[:-5],
        "bad.dr is damaged: it is cut short, {less} of {all} bytes are there. Take an undamaged copy",
    ),
    "longer": (lambda raw: raw + b"x", "bad.dr is damaged: "),
    "a table": (lambda raw: b"a,b,y\n1,2,3\n4,5,6\n", "it starts with b'a,b,y\\n1,'"),
    "text": (lambda raw: b"# my model", "on the command line the model comes before the table"),
    "a pickle": (
        lambda raw: b"\x80\x04\x95" + bytes(40),
        "is no model file: it starts with b'\\x80",
    ),
    "a workbook": (lambda raw: b"PK\x03\x04" + bytes(99), "is no model file: it starts with b'PK"),
    "packed": (gzip.compress, "is no model file: it starts with b'\\x1f\\x8b"),
    "a weight changed": (
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        "bad.dr is damaged: its checksum is not that of what it holds, so bytes were changed",
    ),
    "a name changed": (
        lambda raw: raw.replace(b"glorot", b"gloROT", 1),
        "its checksum is not that",
    ),
    "no JSON": (lambda raw: raw.replace(b'":"', b'" "', 1), "its header cannot be read"),
    "newer": (
        newer,
        "bad.dr has format 9, this version reads up to 1; update deltarule: pip install",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_model_file_that_is_none(case, command, model, capfd):
    damage, words = DAMAGE[case]
    raw = damage(model)
    Path("bad.dr").write_bytes(raw)
    with pytest.raises(SystemExit) as ended:
        main([command, "bad.dr", "t.csv"])
    out, err = capfd.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert words.format(less=len(raw), all=len(model)) in err, err
    assert Path("bad.dr").read_bytes() == raw


def test_no_changed_byte_of_the_weights_or_the_header_goes_unseen(model):
    """Each is refused: what is read is what was written."""
    places = [*range(8, end_of_header(model), 301), *range(end_of_header(model), len(model))]
    for place in places:
        Path("bad.dr").write_bytes(model[:place] + bytes([model[place] ^ 4]) + model[place + 1 :])
        with pytest.raises(ModelFileError):
            dr.load("bad.dr")


def test_a_file_without_a_checksum_is_read(model):
    header = json.loads(model[8 : end_of_header(model)])["__metadata__"]
    save_file(load_file("m.dr"), "old.dr", {"deltarule": header["deltarule"]})
    x = np.ones((2, 1))
    np.testing.assert_array_equal(dr.load("old.dr")(x), dr.load("m.dr")(x))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hosue.dr", "There is no file hosue.dr; did you mean 'house.dr'?"),
        ("no/m.dr", "There is no file no/m.dr: the folder no does not exist."),
        ("sub", "sub is a folder. Name one file in it."),
        ("nothing like it", "There is no file nothing like it; check the path."),
    ],
)
def test_files_that_are_not_there(name, words, model):
    os.mkdir("sub")
    os.rename("m.dr", "house.dr")
    with pytest.raises(ModelFileError) as caught:
        dr.load(name)
    assert str(caught.value) == words


def test_a_file_that_may_not_be_read(model, monkeypatch):
    def closed(*args, **settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.raises(
        ModelFileError, match=r"m.dr cannot be read: Permission denied\. Check its perm"
    ):
        dr.load("m.dr")


def test_arrays_are_given_to_a_model_of_a_table(model):
    net = dr.load("m.dr")
    with pytest.raises(
        dr.ShapeError, match=r"inputs of shape \(37, 3\) do not fit the weights of shape"
    ):
        net(X)
    with pytest.raises(DataError, match=r"X has dtype <U1; numbers are needed\. .*train_table"):
        net([["a"]])


@pytest.mark.parametrize("path", [None, 3, "", ["m.dr"]])
def test_what_is_no_path(path, model):
    words = r"a model file goes by its path, such as 'net\.dr', not by "
    with pytest.raises(ModelFileError, match=words):
        dr.load(path)
    with pytest.raises(ModelFileError, match=words):
        dr.save(dr.load("m.dr"), path)


def test_what_is_no_network(model):
    with pytest.raises(ModelFileError, match=r"save writes a network, .* not 'm\.dr'"):
        dr.save("m.dr", "n.dr")
    assert not Path("n.dr").exists()
