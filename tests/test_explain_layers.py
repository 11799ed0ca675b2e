"""Worked steps of every layer: each number that of the trained path, each printed line right."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from deltarule.explain import read, work
from deltarule.nn import loss_of
from deltarule.nn.nested import flat
from test_explain import check_formulas
from test_explain_render import check_printed

rng = np.random.default_rng(3)
X = np.array([[1.0, 0.5], [0.0, -1.0], [2.0, 1.0]])
Y = np.array([[1.0], [0.0], [0.5]])
WORKED = Path(__file__).parents[1] / "examples" / "worked"
B1 = WORKED / "batch-norm.toml"


def net(*layers):
    found = dr.Sequential(*layers, dr.Dense(1)).init(X.shape, dtype="float64")
    found.params = {layer: _random(weights) for layer, weights in found.params.items()}
    return found


def _random(weights):
    if isinstance(weights, dict):
        return {name: _random(w) for name, w in weights.items()}
    return rng.normal(size=weights.shape).round(1)


NETS = {
    "prelu": (dr.Dense(2), dr.PReLU()),
    "prelu of one slope": (dr.Dense(2), dr.PReLU(shared=True)),
    "maxout": (dr.Maxout(2, 3),),
    "softmax": (dr.Dense(3), dr.Activation("softmax")),
    "residual": (dr.Residual(dr.Dense(2, "tanh"), dr.Dense(2)),),
    "projected": (dr.Residual(dr.Dense(1, "tanh"), projection=True),),
    "concatenate": (dr.Concatenate(dr.Dense(1, "tanh"), dr.Activation("identity")),),
    "multiply": (dr.Multiply(dr.Dense(2), dr.Dense(2, "logistic")),),
    "batch norm": (dr.Dense(2), dr.BatchNorm(), dr.Activation("relu")),
    "batch norm first": (dr.BatchNorm(0.3),),
    "batch norm alone": (dr.Dense(2, "tanh"), dr.BatchNorm(affine=False)),
    "layer norm": (dr.Dense(3), dr.LayerNorm(), dr.Activation("tanh")),
    "noise": (dr.GaussianNoise(0.1), dr.Dense(2, "tanh"), dr.GaussianNoise(0.2)),
    "columns": (dr.Columns({0: dr.Embedding(3, 2)}),),
    "leaky": (dr.Dense(2, dr.nn.activation_of("leaky_relu", slope=0.1)),),
    "several": (dr.Dense(2), dr.BatchNorm(), dr.Residual(dr.LayerNorm(), dr.Dense(2)), dr.PReLU()),
}


@pytest.mark.parametrize("name", NETS)
def test_every_number_is_that_of_the_trained_path(name):
    one = net(*NETS[name])
    worked = dr.explain(one, X, Y, optimizer=dr.SGD(0.1), steps=2)
    check_formulas(worked)
    assert check_printed(worked, 6) > 20
    assert not any(np.ndim(q.value) for step in worked.steps for q in step)  # neuron by neuron
    objective, params, state = loss_of("half_squared_error"), one.params, one.state
    key = dr.random.key(0)
    for step in (0, 1):

        def error(p, state=state, step=step):
            y, after = one.apply(p, state, X, train=True, key=key, step=np.int64(step))
            return objective(y, Y), after

        (total, after), grads = dr.value_and_grad(error, has_aux=True)(params)
        params, _ = dr.SGD(0.1).step(params, grads, dr.SGD(0.1).init(params))
        values = {q.name: q.value for q in worked.steps[step]}
        assert values.get("E_total", values.get("E")) == pytest.approx(total, rel=1e-14)
        expected = sorted(float(x) for _, w in flat(params) for x in np.ravel(w))
        found = sorted(q.value for q in worked.steps[step] if q.role == "new")
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
        kept = sorted(float(x) for _, w in flat(after) for x in np.ravel(w))
        found = sorted(q.value for q in worked.steps[step] if q.role == "kept")
        np.testing.assert_allclose(found, kept, rtol=1e-12)
        state = after


@pytest.mark.parametrize("name", ["batch norm first", "projected", "columns", "maxout"])
def test_pages_are_whole(name):
    rows = 2 if "norm" in name else 1
    worked = dr.explain(net(*NETS[name]), X[:rows], Y[:rows])
    page = worked.html()
    drawing = page[page.index("<svg") : page.index("</svg>") + 6]
    ET.fromstring(drawing)
    assert worked.latex().isascii() and worked.markdown()


def test_the_drawing_follows_the_branches():
    """i1 reaches both factors by weights, and the product reads one neuron of each."""
    worked = dr.explain(net(dr.Multiply(dr.Dense(1), dr.Dense(1, "tanh"))), X[:1], Y[:1])
    units, columns = worked.layout.units, worked.layout.columns
    assert units == (("i1", "i2"), ("h1_1",), ("h2_1",), ("mul1_1",), ("o1",))
    assert columns == (0, 1, 1, 2, 3)
    lines = {(e.layer, e.before, e.source): e.name for e in worked.layout.edges if e.source}
    assert lines == {
        (1, 0, 1): "w1",
        (1, 0, 2): "w2",
        (2, 0, 1): "w3",
        (2, 0, 2): "w4",
        (3, 1, 1): "",
        (3, 2, 1): "",
        (4, 3, 1): "w5",
    }


def test_the_drawing_goes_around_a_residual():
    worked = dr.explain(net(dr.Residual(dr.Dense(2, "tanh"), dr.Dense(2))), X[:1], Y[:1])
    around = [e for e in worked.layout.edges if e.source and not e.name]
    assert [(e.layer, e.unit, e.before, e.source) for e in around] == [(2, 1, 0, 1), (2, 2, 0, 2)]


def test_layer_norm_reads_every_neuron():
    worked = dr.explain(net(dr.Dense(2), dr.LayerNorm()), X[:1], Y[:1])
    into = {(e.unit, e.source) for e in worked.layout.edges if e.layer == 2 and e.source}
    assert into == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_batch_norm_reads_as_the_paper_writes_it():
    one = net(dr.Dense(1), dr.BatchNorm())
    worked = dr.explain(one, X[:2], Y[:2])
    said = {name: q.formula for name, q in worked.quantities.items()}
    assert said["mean_bn1_1"] == "1/2*(out_h1(1) + out_h1(2))"
    assert said["xhat_bn1_1(2)"] == "(out_h1(2) - mean_bn1_1)/√(var_bn1_1 + 1e-05)"
    assert said["out_bn1_1(1)"] == "gamma_bn1_1*xhat_bn1_1(1) + beta_bn1_1"
    assert said["dE/dxhat_bn1_1(1)"] == "dE/dout_bn1_1(1)*gamma_bn1_1"
    assert said["running_mean_bn1_1_new"] == "0.9*running_mean_bn1_1 + 0.1*mean_bn1_1"
    assert said["running_var_bn1_1_new"] == "0.9*running_var_bn1_1 + 0.2*var_bn1_1"  # n / (n - 1)
    text = worked.text(width=200)
    assert "dE/dmean_bn1_1*dmean_bn1_1/dout_h1(1)" in text


def test_what_no_weight_stands_before_has_no_derivative():
    """Where none is computed none is shown: a zero would be wrong."""
    worked = dr.explain(net(dr.GaussianNoise(0.1)), X[:1], Y[:1])
    assert not any(name.startswith("dE/dout_noise") for name in worked.quantities)
    assert "dE/dw1" in worked.quantities


@pytest.mark.parametrize("name", NETS)
def test_nothing_is_read_before_its_own_line(name):
    worked = dr.explain(net(*NETS[name]), X, Y)
    shown = list(worked.quantities)
    for own, q in worked.quantities.items():
        assert all(shown.index(read) < shown.index(own) for read in q.depends), own


def test_softmax_reads_as_quotients_of_a_sum():
    one = dr.Sequential(dr.Dense(2, "softmax")).init((1, 2), dtype="float64")
    worked = dr.explain(one, X[:1], np.array([[1.0, 0.0]]))
    assert worked["out_o2"].formula == "exp_o2/sum_o"
    assert worked["sum_o"].formula == "exp_o1 + exp_o2"
    assert worked["delta_o1"].formula == "dE/dexp_o1*exp_o1"
    y = one(X[:1])[0]
    error = y - [1.0, 0.0]  # delta_j = sum_k error_k y_k ([j = k] - y_j)
    expected = y * error - y * np.sum(y * error)
    found = [worked.values[f"delta_o{j}"] for j in (1, 2)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_row_of_maxout_has_its_pieces():
    worked = dr.explain(net(dr.Maxout(1, 2)), X[:1], Y[:1])
    assert worked["out_h1"].formula == "max(net_h1_1, net_h1_2)"
    assert (
        worked["net_h1_2"].formula == "w2*i1 + w4*i2 + b_h1_2"
        or worked["net_h1_2"].formula == "w3*i1 + w4*i2 + b_h1_2"
    )


def test_a_large_network_names_the_parts():
    deep = net(
        dr.Dense(20),
        dr.BatchNorm(),
        dr.Activation("relu"),
        dr.Residual(dr.Dense(20), dr.LayerNorm()),
    )
    worked = dr.explain(deep, X, Y)
    said = {name: q.formula for name, q in worked.quantities.items()}
    assert worked.values["var_bn1"].shape == (1, 20)
    assert worked.values["mean_res1_ln1"].shape == (3, 1)
    assert said["bn1"] == "batchnorm1.gamma*xhat_bn1 + batchnorm1.beta"
    assert "dE/dxhat_bn1" in said and "batchnorm1.running_var_new" in said
    shown = list(worked.quantities)
    for name, q in worked.quantities.items():  # nothing is read before its own line
        assert all(shown.index(read) < shown.index(name) for read in q.depends if q.step == 1), name
    one = dr.explain(deep, X, Y, weight="dense1.weight[1, 7]")
    grads = dr.grad(lambda p: loss_of("half_squared_error")(deep(X, params=p, train=True), Y))(
        deep.params
    )
    assert one.values["dE/dW1[1,7]"] == pytest.approx(grads["dense1"]["weight"][1, 7], rel=1e-12)


# --- the example of a file ---


def test_b1_to_the_last_digit():
    values = work(read(B1)).values
    exact = {
        "out_y": (-1.512453129953, -0.170817709984, 1.170817709984, 2.512453129953),
        "delta_z": (0.214659413266, -0.375658668901, 0.107331584907, 0.053667670728),
    }
    for name, numbers in exact.items():
        found = [values[f"{name}({i})"] for i in range(1, 5)]
        np.testing.assert_allclose(found, numbers, rtol=0, atol=1e-12)
    assert values["dE/dgamma"] == pytest.approx(0.626096529319, abs=1e-12)
    assert values["dE/dbeta"] == pytest.approx(0.6, abs=1e-12)
    check_formulas(work(read(B1)))


def test_an_error_without_a_floor_stays_in_its_box():
    from deltarule.explain.page import _curve

    curve = _curve([1.0, 0.0, -5.0, -50.0, float("nan")], 1.2)
    heights = [y for _, y in curve["points"]]
    assert all(4 <= y <= 40 for y in heights) and heights[:4] == sorted(heights[:4])
    page = work(read(B1)).html()
    assert "gamma" in page[page.index("<svg") : page.index("</svg>")]  # at its neuron


def test_b1_by_the_layer():
    layer = dr.BatchNorm(momentum=1.0).init((4, 1), dtype="float64")
    x, ct = np.arange(1.0, 5)[:, None], np.array([[0.1], [-0.2], [0.3], [0.4]])
    p = {"gamma": np.array([1.5]), "beta": np.array([0.5])}

    def error(p, x):
        return np.sum(ct * layer(x, params=p, train=True))

    dr.check_grads(error, p, x)
    dx = dr.grad(error, argnums=1)(p, x)
    expected = [0.214659413266, -0.375658668901, 0.107331584907, 0.053667670728]
    np.testing.assert_allclose(dx[:, 0], expected, rtol=0, atol=1e-12)
    _, state = layer.apply(p, layer.state, x, train=True)
    assert state["running_var"][0] == pytest.approx(5 / 3, abs=1e-12)  # unbiased is what is kept
    assert state["running_mean"][0] == 2.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('normalize = "batch"', 'normalize = "layer"'), "normalize is 'batch', not 'layer'"),
        (('normalize = "batch"\n', ""), 'gamma, but no normalize = "batch"'),
        (
            ('gamma = ["gamma"]', 'gamma = ["g1", "g2"]'),
            "gamma is one name or number for each of 1",
        ),
        (('gamma = ["gamma"]', 'gamma = "-"'), "gamma is one name or number"),
        (("epsilon = 1e-5", "epsilon = -1"), "epsilon is 0 or more"),
        (("epsilon = 1e-5", 'bias = "b"'), "no bias"),
        (("epsilon = 1e-5", "epsilom = 1"), "did you mean 'epsilon'"),
        (("upstream =", 'loss = "mse"\nupstream ='), "loss stand there, too"),
        (
            (
                "inputs = {x = [1, 2, 3, 4]}\nupstream = [0.1, -0.2, 0.3, 0.4]",
                "inputs = {x = 1}\nupstream = [1]",
            ),
            "there is one row: give two rows or more",
        ),
    ],
)
def test_what_a_normalization_cannot_be(change, words, tmp_path):
    text = B1.read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "example.toml"
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read(path).sound()


def test_a_normalization_in_the_middle_of_an_example(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(
        """
        inputs = [[1, 2], [0.5, -1], [3, 0]]
        targets = [[1], [0], [0.5]]
        learning_rate = 0.1
        fill = "random"
        [[layers]]
        units = 2
        [[layers]]
        normalize = "batch"
        activation = "relu"
        [[layers]]
        bias = "?"
        """,
        encoding="utf-8",
    )
    example = read(path)
    assert [layer.neurons for layer in example.layers] == [
        ("h1_1", "h1_2"),
        ("h2_1", "h2_2"),
        ("o1",),
    ]
    worked = work(example)
    check_formulas(worked)
    gamma = example.values["gamma_h2_1"]
    z = np.array([worked.values[f"out_h1_1({i})"] for i in (1, 2, 3)])
    expected = gamma * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + example.values["beta_h2_1"]
    found = [worked.values[f"out_h2_1({i})"] for i in (1, 2, 3)]
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-12)
