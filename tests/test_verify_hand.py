"""Calculations as textbooks, blogs, notes and chat assistants write them: right ones raise no alarm, and
a planted mistake is found in its line.

In: `tests/hand`, and small texts. Out: the verdict, the first wrong line, its kind.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deltarule.errors import DataError
from deltarule.explain.example import parse
from deltarule.explain.handwork import read_lines
from deltarule.explain.verify import verify
from deltarule.explain.verify_report import report
from deltarule.explain.verify_text import verify_text

FOLDER = Path(__file__).parent / "hand"
WRONG = {  # the beginning of the first wrong line, and its kind
    "chain-early.txt": ("delta_1 =", "updated weights used too early"),
    "blog-code-nobias.md": ("z2 =", "bias left out"),
    "blog-code-half.md": ("dL_dy =", "half or mean mistaken"),
    "table-error.md": ("| delta_o1", "multiplied by the error instead of its derivative"),
    "logistic-uphill.md": ("- w1 ←", "sign"),
    "two-epochs-old-weight.txt": ("y = 0.2*2 + 0.06", ""),
    "mse-two-outputs-double.txt": ("delta_o1 = 2*", "half or mean mistaken"),
    "assistant-noderiv.md": ("$$\\delta_o =", "activation's derivative left out"),
}
RIGHT = sorted(path.name for path in FOLDER.iterdir() if path.name not in WRONG)


@pytest.mark.parametrize("name", RIGHT)
def test_right_texts_raise_no_alarm(name):
    verdict = verify(FOLDER / name)
    assert verdict.code == 0, report(verdict)
    assert len(verdict.checked) == len(verdict.findings) > 3  # nothing is passed over


@pytest.mark.parametrize("name", WRONG)
def test_wrong_texts_are_found_out(name):
    begins, kind = WRONG[name]
    verdict = verify(FOLDER / name)
    first = verdict.first_wrong
    assert first is not None, report(verdict)
    assert first.line.text.startswith(begins), report(verdict)
    assert kind in first.kind
    assert {finding.kind for finding in verdict.wrong} == {first.kind}
    assert verdict.following(first)


NEURON = (
    "2-1 network, linear. x1 = 1, x2 = 2, t = 1, w1 = 0.5, w2 = 0.25, b = 0.1; learning rate 0.1\n"
)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"], ids=["plain", "mark", "wide", "windows"]
)
def test_texts_of_other_programs_are_read(tmp_path, encoding):
    path = tmp_path / "text.txt"
    text = NEURON + "für später:\nnet = 0.5·1 + 0.25·2 + 0.1 = 1.1\n"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert verify(path).code == 0
    path.write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="zero bytes"):
        verify(path)


def test_lines_that_are_not_recognized_are_counted():
    verdict = verify_text(
        NEURON + "net = 0.5*1 + 0.25*2 + 0.1 = 1.1\nE = 0.005\nmystery = 7.25\n", "t"
    )
    assert [f.status for f in verdict.findings] == ["right", "right", "unknown"]
    assert "all 2 lines are right; 1 more is not recognized" in report(verdict)


@pytest.mark.parametrize("word", ["leaky ReLU", "swish", "softplus", "ELU"])
def test_activations_that_are_not_known_are_named(word):
    verdict = verify_text(NEURON.replace("linear", word) + "z = 0.5*1 + 0.25*2 + 0.1 = 1.1\n", "t")
    assert verdict.code == 2
    assert word in str(verdict.problems[0])


def test_the_weight_that_a_numbering_leaves_out_is_named():
    text = "2-2-1 network, sigmoid, learning rate 1. x1 = 1, x2 = 2, t = 1\n"
    weights = "w1 = 0.1, w2 = 0.2, w4 = 0.4, w5 = 0.5, w6 = 0.6\nnet_h1 = 0.5\n"
    assert "w3 is not among them" in str(verify_text(text + weights, "t").problems[0])


def test_a_claim_of_an_unknown_name_is_refused():
    example = {
        "inputs": [1.0], "targets": [1.0], "learning_rate": 0.1,
        "layers": [{"neurons": ["y"], "weights": [[0.5]]}], "claims": {"nett_y": 0.5},
    }  # fmt: skip
    verdict = verify(parse(example, "test"))
    assert verdict.code == 2
    assert "did you mean net_y" in str(verdict.problems[0])


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("y = sigmoid(0.2)  # 0.55", ["y"]),
        ("x1=0.2 x2=0.7 t=0.6", ["x1", "x2", "t"]),
        ("net = -0.2 → y = 0.45 → E ≈ 0.151", ["net", "y", "E"]),
        ("w1 ← 0.5 − 0.1·0.2 = 0.48", ["w1"]),
        ("w1: 0.5 → 0.48", ["w1_new"]),
        ("x1 = 20%. w1 = 0.5", ["x1", "w1"]),
        ("MSE = 1/2 * sum since n = 2", ["MSE", "n"]),
        (r"\delta_1^{(2)} &= y - t = 0.2 \\", ["delta_1^{(2)}"]),
        ("the new output is σ(0.2) = 0.55", ["the new output"]),
    ],
)
def test_statements_as_people_separate_them(text, labels):
    assert [line.label for line in read_lines(text)] == labels
