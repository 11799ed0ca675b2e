"""The published set of worked examples: right ones hold to the last digit, wrong ones are found out.

In: `examples/worked`. Out: for each file the verdict that its README and `expected.toml` promise.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.explain.example import read
from deltarule.explain.verify import verify

FOLDER = Path(__file__).parents[1] / "examples" / "worked"
EXPECTED = tomllib.loads((FOLDER / "expected.toml").read_text(encoding="utf-8"))
FILES = sorted(
    p for p in FOLDER.iterdir() if p.suffix in (".toml", ".txt") and p.stem != "expected"
)
RIGHT = [path for path in FILES if path.name not in EXPECTED]


def name(path):
    return path.name


@cache  # several tests read the verdict on one text; none changes it
def verdict_on(file):
    return verify(FOLDER / file)


@pytest.mark.parametrize("path", RIGHT, ids=name)
def test_right_examples_hold_to_the_last_digit(path):
    verdict = verify(path)
    assert verdict.code == 0, [(f.line.text, f.kind, f.here) for f in verdict.wrong]
    if path.suffix == ".toml":  # exact numbers, not products of rounded ones
        assert {f.status for f in verdict.findings} == {"right"}
        assert len(verdict.findings) == len(read(path).claims)


def test_a_wrong_last_digit_is_seen(tmp_path):
    text = (FOLDER / "mazur.toml").read_text(encoding="utf-8")
    changed = tmp_path / "changed.toml"
    for right, wrong in (("0.593269992107", "0.593269992108"), ("0.291027773694", "0.291027924")):
        changed.write_text(text.replace(f'"{right}"', f'"{wrong}"'), encoding="utf-8")
        statuses = [f.status for f in verify(changed).findings if f.line.text.endswith(wrong)]
        assert statuses[0] in ("wrong", "rounded"), wrong


@pytest.mark.parametrize("file", EXPECTED)
def test_wrong_examples_are_found_out(file):
    verdict, expected = verdict_on(file), EXPECTED[file]
    assert verdict.code == 1
    assert verdict.first_wrong.line.number == expected["line"]
    assert verdict.first_wrong.kind == expected["kind"]
    assert (len(verdict.wrong), len(verdict.findings)) == (expected["wrong"], expected["lines"])


def test_the_readme_names_every_file():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w.-]+\.(?:toml|txt))`", readme))
    named |= {f"{stem}.txt" for stem in re.findall(r"`([\w-]+)\.toml`, `\.txt`", readme)}
    assert {path.name for path in FILES} | {"expected.toml"} == named


# The text whose network is not complete


def test_the_wrong_text_is_taken_apart_line_by_line():
    """Twelve wrong lines of fourteen, each with what belongs there when the printed y and h are kept."""
    verdict = verdict_on("three-two-one.txt")
    should = [
        0.9,
        1.1,
        0.49,
        4.805,
        -4.03,
        -3.1,
        -0.93,
        -1.86,
        -0.93,
        0.587,
        None,
        0.287,
        0.587,
        None,
    ]
    for finding, number in zip(verdict.findings, should, strict=True):
        if number is None:
            assert finding.status == "follows"
            continue
        numbers = [finding.here, *(reason.should for reason in finding.reasons)]
        assert min(abs(x - number) for x in numbers) < 1e-12, finding.line.text
        assert finding.status == "wrong"
    gradients = [f for f in verdict.findings if f.name.startswith("dE/d")]
    assert len(gradients) == 5
    own = [-6.2465, -4.805, -1.4415, -2.883, -1.4415]
    for finding, gives in zip(gradients, own, strict=True):
        error, arithmetic = finding.reasons
        assert error.kind == "multiplied by the error instead of its derivative"
        assert arithmetic.should == pytest.approx(gives, abs=1e-12)
    left_out = next(f for f in verdict.findings if f.name == "out_o1")
    assert "out_h2 is left out" in left_out.reasons[0].words


def test_what_is_missing_is_said_and_mended_in_three_ways():
    verdict = verdict_on("three-two-one.txt")
    said = " ".join(str(problem) for problem in verdict.problems)
    assert "2 weights into the hidden layer" in said and "6 connections" in said
    assert "1 weight into the output layer" in said and "x3 = 3 is never used" in said
    assert any("called a mean squared error" in note for note in verdict.notes)
    after = [dict(repair.numbers) for repair in verdict.repairs]
    assert [numbers["E"] for numbers in after] == pytest.approx([5.445, 5.6448, 6.58845], abs=1e-12)
    assert [numbers["E_new"] for numbers in after] == pytest.approx(
        [0.093441645, 0.216496739, 3.285725673], abs=1e-9
    )


def test_the_recommended_repair_trains_to_convergence():
    repair = verdict_on("three-two-one.txt").repairs[0].example
    net = repair.network()
    run = dr.fit(
        net, repair.x, repair.targets, loss="half_squared_error", optimizer=dr.SGD(0.01),
        epochs=200, batch_size=1, seed=0, progress=False,
    )  # fmt: skip
    assert float(np.ravel(net(repair.x))[0]) == pytest.approx(4, abs=1e-9)
    losses = run.history["loss"]
    assert losses[:3] == pytest.approx([5.445, 4.809, 4.129], abs=1e-3)
    assert losses[-1] < 1e-18
