"""Hand calculations: how lines are read, what counts as rounding, which mistake explains a number, what
cannot be told.

In: lines and texts as people write them. Out: findings, and exit codes of the command.
"""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from deltarule.cli import app
from deltarule.errors import DataError
from deltarule.explain.example import parse
from deltarule.explain.handwork import read_lines
from deltarule.explain.handwork_characters import plain
from deltarule.explain.handwork_numbers import how_commas_are_used, printed
from deltarule.explain.handwork_terms import NotAFormula, formula, value
from deltarule.explain.term import symbols
from deltarule.explain.verify import verify
from deltarule.explain.verify_record import steps_of
from deltarule.explain.verify_report import report
from deltarule.explain.verify_rounding import Interval, reach
from deltarule.explain.verify_text import verify_text
from deltarule.explain.working import work

# Reading


@pytest.mark.parametrize(
    ("text", "comes_to"),
    [
        ("1*.5 + 2*.1 + .2", 0.9),
        ("(1.3)(0.3)+.1", 0.49),
        ("½(4 − .9)²", 4.805),
        ("0.7514(1−0.7514)", 0.18679804),
        ("1/(1+e^−0.3775)", 0.5932699921071872),
        (r"\frac{1}{1+e^{-0.3775}}", 0.5932699921071872),
        ("σ(0.3775)", 0.5932699921071872),
        ("1 − tanh²(0.5)", 0.7864477329659274),
        ("0.15 x 0.05 + 0.2 × 0.1", 0.0275),
        ("max(0, −1.5)", 0.0),
        ("ReLU(1.5)", 1.5),
        ("−[1·ln(0.7) + 0]", 0.35667494393873245),
        ("4.4×10⁻⁴ + 1e-3", 0.00144),
        ("|4 − 0.9|", 3.1),
        ("2**3 + 2^3", 16.0),
        ("5% * 2", 0.1),
        ("0,5·0,25", 0.125),
    ],
)
def test_formulas_as_people_write_them(text, comes_to):
    tree, rest = formula(plain(text))
    assert rest == ""
    assert value(tree) == pytest.approx(comes_to, abs=1e-12)


@pytest.mark.parametrize("text", ["", "hello there", "(1 + 2", "* 3", "(" * 100])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(NotAFormula):
        tree, rest = formula(text)
        if rest:
            raise NotAFormula(rest)
        value(tree)
        raise NotAFormula("a name")


def test_numbers_keep_how_they_are_printed():
    for text, number, unit in [
        ("0.750", 0.75, 1e-3), (".5", 0.5, 0.1), ("4.25e-4", 4.25e-4, 1e-6), ("1,250,000", 1.25e6, 1),
        ("1,5", 1.5, 0.1), ("1.250,5", 1250.5, 0.1), ("5%", 0.05, 0.01), ("1.3*10^-3", 1.3e-3, 1e-4),
    ]:  # fmt: skip
        assert printed(text).value == pytest.approx(number, rel=1e-15)
        assert printed(text).unit == pytest.approx(unit, rel=1e-15)


def test_a_comma_that_may_mean_two_things_is_asked_about():
    with pytest.raises(ValueError, match=r"may be 1\.234 or 1234"):
        printed("1,234")
    assert printed("1,234", how_commas_are_used("w = 0,5 and x = 1,234")).value == 1.234
    assert printed("1,234", how_commas_are_used("w = 0.5 and x = 1,234")).value == 1234
    assert verify_text("x1 = 1,234", "t").code == 2


def test_statements_of_a_line():
    for text, labels in [
        ("net_h1 = 0.3775; out_h1 = 0.5933", ["net_h1", "out_h1"]),
        ("h1: net = 0.3775, out = 0.5933", ["h1: net", "h1: out"]),
        ("3. z1 = 0.5*1 + 0.3*2 = 1.1", ["z1"]),
        ("- **E = 0.298**", ["E"]),
        ("| net h1 | 0.3775 |", ["net h1"]),
        ("max(0, -1.5) = 0", [""]),
        (r"$\frac{\partial E}{\partial w_5} = 0.0822$", ["dE/dw_5"]),
    ]:
        assert [line.label for line in read_lines(text)] == labels


# Rounding


def test_an_interval_holds_everything_that_rounds_to_the_numbers():
    found = reach(lambda x: x["a"] * x["b"] - x["a"], {"a": 0.5, "b": 2.0}, {"a": 0.05, "b": 0.005})
    for a in (0.45, 0.5, 0.55):
        for b in (1.995, 2.0, 2.005):
            assert found.holds(a * b - a)
    assert not found.holds(0.6)
    assert Interval.around(0.3, 0.05).meets(Interval.around(0.39, 0.05))


def mazur(lines="", **more):
    names = [["w1", "w2"], ["w3", "w4"]], [["w5", "w6"], ["w7", "w8"]]
    layers = [
        {"neurons": list(neurons), "activation": "logistic", "weights": rows, "bias": bias}
        for neurons, rows, bias in ((("h1", "h2"), names[0], "b1"), (("o1", "o2"), names[1], "b2"))
    ]
    values = dict(
        w1=0.15, w2=0.2, w3=0.25, w4=0.3, w5=0.4, w6=0.45, w7=0.5, w8=0.55, b1=0.35, b2=0.6
    )
    example = {
        "inputs": {"i1": 0.05, "i2": 0.10}, "targets": [0.01, 0.99], "learning_rate": 0.5,
        "layers": layers, "values": values, "lines": lines.strip().splitlines(),
    }  # fmt: skip
    return parse({**example, **more}, "test")


def statuses(lines, **more):
    return [finding.status for finding in verify(mazur(lines, **more)).findings]


def test_rounding_on_the_way_is_not_called_wrong():
    lines = """
    out_h1 = 0.593
    out_h2 = 0.597
    net_o1 = 0.4*0.593 + 0.45*0.597 + 0.6 = 1.106
    out_o1 = 0.751
    delta_o1 = (0.751 - 0.01)*0.751*(1 - 0.751) = 0.139
    dE/dw5 = 0.139*0.593 = 0.0824
    w5_new = 0.4 - 0.5*0.0824 = 0.3588
    """
    assert set(statuses(lines)) == {"right", "rounded"}
    assert statuses("dE/dw5 = 0.0824") == ["wrong"]  # nothing printed before explains it


def test_a_number_is_held_to_its_own_precision():
    assert statuses("out_o1 = 0.7514\nout_o1 = 0.75137\nout_o1 = 0.751365070") == ["right"] * 3
    assert statuses("out_o1 = 0.7528") == ["wrong"]
    assert statuses("out_o1 = 0.7513") == ["rounded"]  # cut off


# Kinds of mistakes


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("net_h1 = 0.15*0.05 + 0.2*0.1 = 0.0275", "bias left out"),
        ("net_h1 = 0.15*0.05 - 0.2*0.1 + 0.35 = 0.3375", "sign"),
        ("net_h1 = 0.15*0.1 + 0.2*0.05 + 0.35 = 0.375", "wrong input used"),
        ("net_h1 = 0.15*0.05 + 0.25*0.1 + 0.35 = 0.3825", "transposed weights"),
        ("net_h1 = 0.15*0.05 + 0.2*0.1 + 0.35 = 0.4775", "arithmetic"),
        ("net_h1 = 0.15*0.05 + 0.2*0.1 + 0.57 = 0.5975", "number copied wrongly"),
        ("net_h1 = 0.0275", "bias left out"),
        ("out_h1 = 0.3775", "activation left out"),
        ("out_h1 = 1/(1 + e^0.3775) = 0.406730008", "sign"),
        ("out_h1 = tanh(0.3775) = 0.360534", "wrong activation"),
        ("E_o1 = (0.01 - 0.751365070)^2 = 0.549622166", "half or mean mistaken"),
        ("E_o1 = 1/2*(0.99 - 0.751365070)^2 = 0.028473315", "wrong target used"),
        ("delta_o1 = 0.274811083*0.751365070*(1 - 0.751365070) = 0.051338998",
         "multiplied by the error instead of its derivative"),
        ("delta_o1 = 0.751365070 - 0.01 = 0.741365070", "activation's derivative left out"),
        ("dE/dw5 = 0.439830", "activation's derivative left out"),
        ("delta_o1 = 2*(0.751365070 - 0.01)*0.751365070*(1 - 0.751365070) = 0.276997123",
         "half or mean mistaken"),
        ("dE/dw5 = -0.082167041", "sign"),
        ("dE/dw5 = 0.138498562*0.596884378 = 0.082667628", "wrong neuron's value used"),
        ("dE/dw5 = 0.5*0.138498562*0.593269992 = 0.041083520", "learning rate mistaken"),
        ("delta_h1 = (0.138498562*0.45 - 0.038098237*0.55)*0.593269992*(1 - 0.593269992) = 0.009982668",
         "wrong"),
        ("delta_h1 = 0.138498562*0.4*0.593269992*(1 - 0.593269992) = 0.013367920", "term left out"),
        ("delta_h1 = (0.138498562*0.4 - 0.038098237*0.45)*0.593269992*(1 - 0.593269992) = 0.009230967",
         "transposed weights"),
        ("delta_h1 = 0.036350306", "activation's derivative left out"),
        ("w5_new = 0.4 + 0.5*0.082167041 = 0.441083520", "sign"),
        ("w5_new = 0.4 - 0.082167041 = 0.317832959", "learning rate mistaken"),
        ("w5_new = 0.358961480", "number copied wrongly"),
        ("w5_new = 3.58916480", "number copied wrongly"),
    ],
)  # fmt: skip
def test_kinds(line, kind):
    verdict = verify(mazur(line))
    assert verdict.code == 1
    assert kind in (said := verdict.first_wrong.kind), said


def test_updated_weights_used_too_early():
    verdict = verify(mazur("w5_new = 0.358916480\nw7_new = 0.511301270\ndelta_h1 = 0.0072945"))
    assert [f.status for f in verdict.findings] == ["right", "right", "wrong"]
    assert verdict.first_wrong.kind == "updated weights used too early"


def test_what_follows_from_a_mistake_is_told_from_new_ones():
    verdict = verify(
        mazur("""
    net_h1 = 0.15*0.05 + 0.2*0.1 = 0.0275
    out_h1 = 1/(1 + e^-0.0275) = 0.506874567
    net_h2 = 0.3925
    out_h2 = 0.596884378
    net_o1 = 0.4*0.506874567 + 0.45*0.596884378 + 0.6 = 1.071347797
    out_o1 = 0.81
    """)
    )
    assert [f.status for f in verdict.findings] == [
        "wrong",
        "follows",
        "right",
        "right",
        "follows",
        "wrong",
    ]
    assert verdict.following(verdict.first_wrong) == tuple(verdict.findings[i] for i in (1, 4))
    last = verdict.findings[-1]
    assert last.here == pytest.approx(0.744844, abs=1e-5)  # with the numbers printed before it
    assert last.exact == pytest.approx(0.751365, abs=1e-6)


def test_deltas_of_either_sign_are_understood_when_used_throughout():
    lines = """
    delta_o1 = (0.01 - 0.75136507)*0.75136507*(1 - 0.75136507) = -0.138498562
    delta_o2 = 0.038098237
    w5_new = 0.4 + 0.5*(-0.138498562)*0.593269992 = 0.358916480
    w6_new = 0.4 + 0.05 - 0.041333814 = 0.408666186
    """
    verdict = verify(mazur(lines))
    assert verdict.code == 0
    assert "opposite sign" in verdict.notes[0]
    alone = verify(
        mazur(
            "delta_o1 = -0.138498562\nw5_new = 0.4 - 0.5*(-0.138498562)*0.593269992 = 0.441083520"
        )
    )
    assert (alone.first_wrong.line.number, alone.first_wrong.kind) == (1, "sign")


def test_right_result_of_wrong_terms():
    verdict = verify(mazur("out_h1 = 1/(1 + e^0.3775) = 0.593269992"))
    assert verdict.first_wrong.kind == "sign, in the printed terms only"
    assert "The result 0.593269992 is right" in report(verdict)


def test_a_sign_lost_in_bars_is_remarked():
    verdict = verify(mazur("dE/dout_o1 = |0.01 - 0.75136507| = 0.74136507"))
    assert verdict.code == 0
    assert "lose the sign" in verdict.notes[0]


def test_claims_by_name_and_lines_are_the_same():
    verdict = verify(
        mazur(claims={"net_h1": 0.3775, "out_h1": "0.5933", "dE/dw5": "0.0822", "w5_new": "0.36"})
    )
    assert [f.status for f in verdict.findings] == ["right"] * 4
    assert verify(mazur(claims={"out_h1": 0.3775})).first_wrong.kind == "activation left out"


def test_the_report_says_line_kind_number_and_consequences():
    text = report(verify(mazur("net_h1 = 0.0275\nout_h1 = 0.506874567")))
    for said in (
        "1 of 2 lines is wrong" if "lines is" in text else "1 of 2 lines are wrong",
        "first wrong line is line 1", "b1 is left out", "It should be 0.3775, not 0.0275",
        "Consistent with this mistake: line 2",
    ):  # fmt: skip
        assert said in text


# Texts


RELU = """
2-2-1 network. Hidden layer: ReLU. Output layer: linear. Error E = 1/2 (t - y)^2. Learning rate η = 0.1
x1 = 1.0, x2 = 2.0, t = 3.0
Hidden weights: w11 = 0.5 (x1 to h1), w12 = -0.2 (x2 to h1), w21 = 0.3 (x1 to h2), w22 = 0.4 (x2 to h2)
Hidden biases: b1 = 0.1, b2 = -0.1
Output weights: v1 = 0.7, v2 = 0.6; output bias c = 0.2

z1 = 0.5*1 + (-0.2)*2 + 0.1 = 0.2
h1 = max(0, 0.2) = 0.2
z2 = 0.3*1 + 0.4*2 - 0.1 = 1.0
h2 = ReLU(1.0) = 1.0
y_hat = 0.7*0.2 + 0.6*1.0 + 0.2 = 0.94
E = 1/2 (0.94 - 3)^2 = 2.1218
dE/dy_hat = 0.94 - 3 = -2.06
dE/dv1 = -2.06*0.2 = -0.412
"""
COMMA = """
Netz 2-1: zwei Eingaben, ein Ausgang, sigmoid.
x1 = 0,5; x2 = 0,8; t = 1; w1 = 0,3; w2 = -0,2; b = 0,1; learning rate = 0,5
z = 0,3·0,5 + (−0,2)·0,8 + 0,1 = 0,09
y = 1/(1 + e^(−0,09)) = 0,522
E = ½·(1 − 0,522)² = 0,114
δ = (0,522 − 1)·0,522·(1 − 0,522) = −0,119
w1' = 0,3 − 0,5·(−0,119)·0,5 = 0,330
b' = 0,1 + 0,5·0,119 = 0,1595
"""
SOFTMAX = """
Two inputs, three outputs with softmax, cross-entropy loss, learning rate 0.1.
x1 = 1, x2 = 2; target: 1, 0, 0
w11 = 0.1 (x1→o1), w21 = 0.2 (x2→o1), w12 = 0.3 (x1→o2), w22 = -0.1 (x2→o2)
w13 = 0.05 (x1→o3), w23 = 0.0 (x2→o3)
z1 = 0.1*1 + 0.2*2 = 0.5
z2 = 0.3*1 - 0.1*2 = 0.1
z3 = 0.05
p1 = e^0.5/(e^0.5 + e^0.1 + e^0.05) = 0.4333
p2 = 0.2904
L = -ln(0.4333) = 0.8363
δ1 = 0.4333 - 1 = -0.5667
dL/dw11 = -0.5667*1 = -0.5667
"""
NEURON = """
Single neuron with sigmoid, quadratic cost C = (y - a)^2/2
x = 1
y = 0
w = 0.6
b = 0.9
learning rate 0.15

z = w x + b = 0.6*1 + 0.9 = 1.5
a = σ(z) = 0.8176
C = 0.3342
dC/dw = 0.8176*0.8176*(1 - 0.8176)*1 = 0.1219
w_new = 0.6 - 0.15*0.1219 = 0.5817
"""
MATRIX = """
A network with 2 inputs, 2 hidden neurons and 1 output.
Activation: sigmoid in the hidden layer, sigmoid at the output.
x = [0.5, 0.9], t = 1
W1 = [[0.1, 0.3], [0.2, 0.4]], b1 = [0.1, 0.2]
W2 = [[0.5, 0.6]], b2 = [0.3]
lr = 0.2, squared error 1/2 (t - y)^2
z1 = 0.1*0.5 + 0.3*0.9 + 0.1 = 0.42
z2 = 0.2*0.5 + 0.4*0.9 + 0.2 = 0.66
h1 = 0.6035
y = sigmoid(0.5*0.6035 + 0.6*0.6593 + 0.3) = 0.7304
"""
TEXTS = {"relu": RELU, "comma": COMMA, "softmax": SOFTMAX, "neuron": NEURON, "matrix": MATRIX}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_right_texts(text):
    verdict = verify_text(text, "text")
    assert verdict.code == 0, report(verdict)
    assert {f.status for f in verdict.findings} <= {"right", "rounded"}


@pytest.mark.parametrize(
    ("text", "right", "wrong", "kind"),
    [
        (RELU, "-0.2)*2 + 0.1 = 0.2", "-0.2)*2 = 0.1", "bias left out"),
        (RELU, "0.94 - 3 = -2.06", "3 - 0.94 = 2.06", "sign"),
        (COMMA, "0,522·(1 − 0,522) = −0,119", "0,522 = −0,250", "wrong derivative of the activation"),
        (SOFTMAX, "δ1 = 0.4333 - 1 = -0.5667", "δ1 = 0.4333", "term left out"),
        (SOFTMAX, "/(e^0.5 + e^0.1 + e^0.05) = 0.4333", " = 1.6487", "wrong factor"),
        (NEURON, "= 0.8176*0.8176*(1 - 0.8176)*1 = 0.1219", "= 0.8176*1 = 0.8176",
         "activation's derivative left out"),
        (NEURON, "0.6 - 0.15*0.1219 = 0.5817", "0.6 + 0.15*0.1219 = 0.6183", "sign"),
        (MATRIX, "0.3*0.9 + 0.1 = 0.42", "0.2*0.9 + 0.1 = 0.33", "transposed weights"),
    ],
)  # fmt: skip
def test_wrong_texts(text, right, wrong, kind):
    assert right in text
    changed = text.replace(right, wrong)
    verdict = verify_text(changed, "text")
    assert verdict.code == 1, report(verdict)
    number = next(i for i, line in enumerate(changed.splitlines(), 1) if wrong in line)
    assert verdict.first_wrong.line.number == number
    assert kind in verdict.first_wrong.kind, report(verdict)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Backpropagation has 3 steps and 17 variants.", "the inputs were not recognized"),
        (RELU.replace("x1 = 1.0, x2 = 2.0, ", ""), "inputs were not recognized"),
        (RELU.replace("w22 = 0.4 (x2 to h2)", ""), "3 weights into the hidden layer are given"),
        (RELU.replace(", x2 = 2.0", ""), "1 input"),
        (NEURON.replace("learning rate 0.15", ""), "no learning rate is given"),
        (NEURON.replace("y = 0", ""), "no target is given"),
        (RELU.partition("z1 =")[0], "there is no calculation"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said(text, said):
    verdict = verify_text(text, "text")
    assert verdict.code == 2
    assert not verdict.findings
    assert said in " ".join(map(str, verdict.problems))


def test_a_name_that_may_lead_to_two_places_is_not_guessed():
    text = """
    2-2-1 network, sigmoid, learning rate 0.5, E = 1/2 (t - y)^2
    x1 = 0.5, x2 = 0.9, t = 1
    w1 = 0.1, w2 = 0.2, w3 = 0.3, w4 = 0.4, w5 = 0.5, w6 = 0.6
    """
    # one line wrong whichever way w2 and w3 are taken, another one for each
    lines = "z1 = 0.1*0.5 + 0.2*0.9 = 0.23\nz2 = 0.2*0.5 + 0.4*0.9 = 0.46\n"
    verdict = verify_text(text + lines, "text")
    assert verdict.code == 2
    assert "more than one way" in str(verdict.problems[0])
    assert "neuron by neuron" in str(verdict.problems[0]) and "input by input" in str(
        verdict.problems[0]
    )


def test_an_incomplete_example_file_lists_what_is_missing():
    example = mazur("net_h1 = 0.3775", values={"w1": 0.15})
    verdict = verify(example)
    assert verdict.code == 2
    assert "no number is given for w2" in str(verdict.problems[0])
    assert verify(mazur()).code == 2  # no claims


# The command


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (RELU, 0, "all 8 lines are right"),
        (RELU.replace("= 0.94\n", "= 0.49\n"), 1, "first wrong line is line 12"),
        ("nothing here", 2, "cannot be checked"),
    ],
)
def test_exit_codes(tmp_path, text, code, said):
    path = tmp_path / "example.txt"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert result.exit_code == code
    assert said in result.stdout


def test_a_file_that_is_not_there_cannot_be_checked(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        verify(tmp_path / "none.txt")


def test_the_error_of_a_step_is_made_of_nothing_that_comes_later():
    neuron = {
        "inputs": [1.0],
        "targets": [0.0],
        "loss": "binary_cross_entropy",
        "learning_rate": 0.1,
        "steps": 3,
        "layers": [{"neurons": ["a"], "weights": [[2.0]], "bias": 2.0}],
    }
    example = parse(neuron, "one neuron")
    facts = steps_of(work(example), example).facts
    later = {"@2", "@3"}
    assert not any(name[-2:] in later for name in symbols(facts["E"].term))
