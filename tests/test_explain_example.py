"""The example format: what files say, what is missing, what contradicts itself, and clear errors."""

import re
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.cli import main
from deltarule.explain import read, work
from worked import HAN, MAZUR

PAGE = Path(__file__).parents[1] / "docs" / "example-format.md"


@pytest.fixture
def example(tmp_path):
    def from_text(text):
        path = tmp_path / "example.toml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return from_text


def test_the_example_of_the_page(example):
    text = PAGE.read_text(encoding="utf-8")
    given = example(re.search(r"```toml\n(.*?)```", text, re.S)[1])
    assert given.trained == ("w1", "w2", "b", "w3", "w4", "w5", "w6")
    assert [(c.name, c.text) for c in given.claims] == [
        ("net_h1", "0.2"),
        ("out_h1", "0.550"),
        ("dE/dw5", "-0.56"),
    ]
    worked = work(given)
    for claim in given.claims:
        places = len(claim.text.partition(".")[2])
        assert round(worked.values[claim.name], places) == float(claim.text), claim
    entries = set(re.findall(r"^\| `\[*(\w+)", text, re.M)) | {"source", "note", "seed"}
    from deltarule.explain.reading import LAYER, TOP

    assert {*TOP, *LAYER} - {"units"} <= entries  # the page names every entry


def test_rows_and_named_columns(example):
    text = """
    inputs = { area = [1.0, 2.0], rooms = [3, 4] }
    targets = { price = [5, 6] }
    learning_rate = 0.1
    [[layers]]
    neurons = ["price"]
    weights = [["a", "b"]]
    [values]
    a = 0.5
    b = 0.25
    """
    given = example(text)
    np.testing.assert_array_equal(given.x, [[1, 3], [2, 4]])
    worked = work(given)
    assert worked["out_price(2)"].formula == "a*area(2) + b*rooms(2)"
    assert worked.values["E_total"] == pytest.approx(((1.25 - 5) ** 2 + (2 - 6) ** 2) / 4)


def test_classes(example):
    text = """
    inputs = [[1.0], [2.0]]
    targets = [0, 2]
    loss = "cross_entropy"
    learning_rate = 0.1
    [[layers]]
    weights = [[1.0], [0.5], [-1.0]]
    """
    given = example(text)
    assert given.targets.dtype.kind == "i"
    assert work(given).values["class(2)"] == 2


def test_connections_that_are_not_there(example):
    text = HAN.replace('["w14", "w24", "w34"]', '["w14", "-", "w34"]').replace("w24 = 0.4\n", "")
    worked = work(example(text))
    assert worked["net_4"].formula == "w14*x1 + w34*x3 + theta4"
    assert "dE/dw24" not in worked.values


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        ('"adam"', dr.Adam()),
        ('{ name = "adam", learning_rate = 0.1 }', dr.Adam(0.1)),
        ('{ name = "sgd", learning_rate = 0.1, momentum = 0.9 }', dr.SGD(0.1, momentum=0.9)),
    ],
)
def test_optimizers(example, optimizer, rule):
    text = MAZUR.replace("learning_rate = 0.5", f"optimizer = {optimizer}")
    assert example(text).optimizer == rule


def test_what_is_missing_is_filled_as_said(example):
    text = MAZUR.replace("w5 = 0.40\n", "").replace("w6 = 0.45\n", "")
    assert example(text).missing == ("w5", "w6")
    filled = example("fill = 0.25\n" + text)
    assert (filled.values["w5"], filled.values["w6"]) == (0.25, 0.25)
    drawn = example('fill = "random"\nseed = 3\n' + text).values["w5"]
    assert drawn == example('fill = "random"\nseed = 3\n' + text).values["w5"]
    assert drawn != example('fill = "random"\nseed = 4\n' + text).values["w5"]
    given = example(text).filled({"w5": 0.4, "w6": 0.45})
    assert work(given).values["E_total"] == pytest.approx(0.298371108760, abs=1e-12)


def test_everything_that_is_wrong_is_said_at_once(example):
    text = """
    title = "The third text"
    inputs = [1, 2, 3]
    targets = [4, 5]
    [[layers]]
    neurons = ["n1", "n2"]
    weights = [[0.5, 0.1], [0.5, 0.1, 0.2, 0.3]]
    bias = 0.2
    [[layers]]
    weights = [[0.3]]
    [values]
    unused = 1.0
    """
    given = example(text)
    kinds = {(p.kind, p.what) for p in given.problems}
    assert ("missing", "no learning rate is given") in kinds
    assert ("contradiction", "n2 has 4 weights, 3 neurons stand before it") in kinds
    assert ("contradiction", "2 targets are given for 1 output neurons") in kinds
    assert ("contradiction", "values has a number for unused, which no layer uses") in kinds
    assert given.missing == ("w_i3_n1", "w_n2_o1")
    with pytest.raises(dr.DataError) as caught:
        work(given)
    for part in ("learning rate", "n2 has 4", "2 targets", "unused", "w_i3_n1, w_n2_o1"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("targets = ", "target = ", "did you mean 'targets'"),
        ("inputs = [0.05, 0.10]", "inputs = 'one'", "inputs is a list of numbers"),
        ("inputs = [0.05, 0.10]", "inputs = [[1, 2], [3]]", "different lengths"),
        ("inputs = [0.05, 0.10]", "inputs = [nan, 1]", "a finite number is needed"),
        ("w1 = 0.15", "w1 = 'a'", "values.w1"),
        ("w1 = 0.15", "w1 = 0.15\nw1 = 0.2", "is no TOML"),
        ('activation = "logistic"', 'activation = "sigmod"', "no activation is called 'sigmod'"),
        ('bias = "b1"', 'bias = "b 1"', "letters, digits"),
        ("learning_rate = 0.5", "learning_rate = -1", "positive"),
        ("learning_rate = 0.5", 'optimizer = "adamm"', "no optimizer is called 'adamm'"),
        ("learning_rate = 0.5", 'optimizer = {name = "sgd", rate = 1}', "rate"),
        ('trained = "weights"', 'trained = ["w9"]', "'w9'"),
        ('trained = "weights"', 'trained = "some"', "'all', 'weights' or a list"),
        ("learning_rate", 'loss = "msee"\nlearning_rate', "no loss is called 'msee'"),
        ("learning_rate", "steps = 0\nlearning_rate", "steps is 0"),
        ("[values]", "[claims]\nnet_h1 = true\n[values]", "claims.net_h1"),
        ('[["w1", "w2"], ["w3", "w4"]]', '["w1", "w2"]', "o1 has 2 weights, 1 neurons"),
        ('[["w1", "w2"], ["w3", "w4"]]', "7", "a row for each neuron"),
        ('weights = [["w1"', 'weigths = [["w1"', "did you mean 'weights'"),
        ('bias = "b1"', 'bias = "i1"', "i1 names two things"),
        ('bias = "b1"', 'bias = "lr"', "lr names two things"),
        ('bias = "b1"', 'bias = "state"', "'state' is a word of networks"),
    ],
)
def test_errors_name_the_file_and_the_entry(example, old, new, words):
    assert old in MAZUR
    with pytest.raises(dr.DeltaruleError) as caught:
        work(example(MAZUR.replace(old, new, 1)))
    assert words in str(caught.value)


# --- the command ---


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["explain", *map(str, arguments)])
    code, shown = ended.value.code or 0, capsys.readouterr()
    return code, shown.out, shown.err


@pytest.fixture
def mazur(tmp_path):
    path = tmp_path / "mazur.toml"
    path.write_text(MAZUR, encoding="utf-8")
    return path


def test_the_command_prints_text(capsys, mazur):
    code, out, err = run(capsys, mazur, "--digits", 9)
    assert code == 0 and not err
    assert "E_total = E_o1 + E_o2 = 0.274811083 + 0.0235600256 = 0.298371109" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.md", "# A 2-2-2"),
        ("x.tex", "\\documentclass"),
        ("x.html", "<!doctype html>"),
        ("x.txt", "A 2-2-2"),
    ],
)
def test_the_ending_of_the_file_says_the_format(capsys, mazur, tmp_path, name, start):
    code, out, _ = run(capsys, mazur, "--out", tmp_path / name)
    assert code == 0 and "saved" in out
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_the_format_can_be_said(capsys, mazur):
    assert run(capsys, mazur, "--format", "latex")[1].startswith("\\documentclass")
    assert "Step 3: update" in run(capsys, mazur, "--steps", 3)[1]


def test_the_example_says_digits_and_steps(capsys, tmp_path):
    path = tmp_path / "example.toml"
    path.write_text("digits = 3\nsteps = 2\n" + MAZUR, encoding="utf-8")
    out = run(capsys, path)[1]
    assert "out_h1 = 1/(1 + e^(-net_h1)) = 1/(1 + e^(-0.378)) = 0.593" in out
    assert "Step 2: forward pass" in out


def test_missing_numbers_are_asked_for_in_a_terminal(capsys, tmp_path, monkeypatch):
    path = tmp_path / "example.toml"
    path.write_text(MAZUR.replace("w5 = 0.40\n", ""), encoding="utf-8")
    code, _, err = run(capsys, path)
    assert code == 2 and "no number is given for w5" in err
    monkeypatch.setattr("sys.stdin", Terminal(["0.4\n"]))
    code, out, _ = run(capsys, path)
    assert code == 0 and "E_total = E_o1 + E_o2 = 0.274811 + 0.0235600 = 0.298371" in out


class Terminal:
    def __init__(self, lines):
        self.lines = lines

    def isatty(self):
        return True

    def readline(self, size=-1):
        return self.lines.pop(0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.toml"], "missing.toml"),
        (["{mazur}", "--out", "no/such/folder/x.html"], "folder"),
        (["{mazur}", "--format", "word"], "word"),
    ],
)
def test_the_command_says_what_is_wrong(capsys, mazur, arguments, words):
    code, _, err = run(capsys, *(a.format(mazur=mazur) for a in arguments))
    assert code != 0 and words in err and "Traceback" not in err
