"""Layers beyond Dense: their numbers, derivatives, model files, and machine code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.compile import native as machine
from deltarule.compile.lower import schedule
from deltarule.compile.rewrite import rewrite
from deltarule.errors import DataError, ModelFileError, ShapeError
from deltarule.train.architecture import LAYERS
from deltarule.train.checkpoint import Loaded
from deltarule.train.epoch import looped
from deltarule.train.loop import Training
from networks import BACKENDS, assert_close, assert_same_bits, choose

GOLDEN = json.loads((Path(__file__).parent / "golden" / "layers.json").read_text())
CASES = GOLDEN["cases"]
rng = np.random.default_rng(0)
X = rng.normal(size=(37, 6))
X[:, 0], X[:, 3] = rng.integers(0, 5, 37), rng.integers(0, 3, 37)
Y = rng.normal(size=(37, 1))
slanted = dr.nn.activation_of("leaky_relu", slope=0.1)
narrow = dr.nn.initializer("normal", std=0.3)
same = dr.Activation("identity")


def with_head(*layers):
    return lambda: dr.Sequential(*(make() for make in layers), dr.Dense(1))


NETS = {
    "prelu": with_head(lambda: dr.Dense(4), dr.PReLU),
    "prelu of one slope": with_head(lambda: dr.Dense(4), lambda: dr.PReLU(0.1, shared=True)),
    "maxout": with_head(lambda: dr.Maxout(4, 3)),
    "maxout without bias": with_head(lambda: dr.Maxout(3, bias=False, initializer="he_normal")),
    "softmax": with_head(lambda: dr.Dense(4), lambda: dr.Activation("softmax")),
    "residual": with_head(lambda: dr.Residual(dr.Dense(9, "tanh"), dr.Dense(6))),
    "projected": with_head(lambda: dr.Residual(dr.Dense(4, "tanh"), projection=True)),
    "concatenate": with_head(
        lambda: dr.Concatenate(dr.Dense(2, "tanh"), dr.Activation("identity"), dr.Dense(3))
    ),
    "multiply": with_head(lambda: dr.Multiply(dr.Dense(3), dr.Dense(3, "logistic"))),
    "batch norm": with_head(lambda: dr.Dense(4), dr.BatchNorm, lambda: dr.Activation("relu")),
    "batch norm alone": with_head(lambda: dr.BatchNorm(0.3, 1e-3, affine=False)),
    "layer norm": with_head(lambda: dr.Dense(4), dr.LayerNorm, lambda: dr.Activation("tanh")),
    "layer norm alone": with_head(lambda: dr.LayerNorm(1e-3, affine=False)),
    "noise": with_head(lambda: dr.GaussianNoise(0.2), lambda: dr.Dense(4, "tanh")),
    "columns": with_head(
        lambda: dr.Columns({0: 5, 3: dr.Embedding(3, 2), (1, 5): dr.Dense(3, "silu")}),
        lambda: dr.Dense(4, "tanh"),
    ),
    "settings": with_head(
        lambda: dr.Dense(4, slanted, initializer=narrow),
        lambda: dr.Activation(dr.nn.activation_of("elu", alpha=np.float32(0.5))),
        lambda: dr.Dense(3, dr.nn.activation_of("relu")),
    ),
    "layers in layers": with_head(
        lambda: dr.Residual(
            dr.Concatenate(
                dr.Sequential(dr.BatchNorm(), dr.Dense(2, slanted)),
                dr.Residual(dr.Dense(4, "tanh"), projection=True),
            )
        )
    ),
}


def training(net, **options):
    given = {
        "loss": "mse",
        "optimizer": dr.Adam(0.01),
        "epochs": 3,
        "batch_size": 16,
        "validation": None,
        "metrics": (),
        "train_metrics": (),
        "sample_weight": None,
        "class_weight": None,
        "shuffle": True,
        "seed": 1,
        "callbacks": (),
        "resume": None,
    }
    return Training(net, X, Y, **{**given, **options})


def loss_of(net, x=X, y=Y):
    """The loss of a training step as a function of the weights."""
    key = dr.random.key(0)
    return lambda p: np.mean((net(x, params=p, train=True, key=key) - y) ** 2)


# --- what holds for all of them ---


@pytest.mark.parametrize("name", [name for name in NETS if name != "settings"])  # kinks are near
def test_gradients_agree_with_differences(name):
    net = NETS[name]().init(X.shape, seed=2, dtype="float64")
    dr.check_grads(loss_of(net, X[:7], Y[:7]), net.params)


ALIKE = ("prelu of one slope", "maxout without bias", "softmax", "residual", "layer norm alone")


@pytest.mark.parametrize("name", [name for name in NETS if name not in (*ALIKE, "settings")])
def test_a_compiled_training_is_the_interpreted_one(name, monkeypatch):
    found = []
    for backend in BACKENDS:
        choose(backend, monkeypatch)
        net = NETS[name]().init(X.shape, seed=2, dtype="float64")
        run = dr.fit(net, X, Y, optimizer="adam", epochs=3, batch_size=16, validation=0.2, seed=1)
        found.append((net, run))
    (a, first), (b, second) = found
    assert_close(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(first.history["val_loss"], second.history["val_loss"], rtol=1e-9)


@pytest.mark.parametrize("name", NETS)
def test_the_step_is_machine_code_throughout(name):
    epochs = training(NETS[name]()).epochs
    for rows in (epochs.batch, epochs.rest):  # 37 = 2 * 16 + 5
        plan, _ = schedule(rewrite(looped(epochs.stage(rows))), epochs.form)
        assert plan.native == 1.0, str(plan)


@pytest.mark.parametrize("name", NETS)
def test_a_network_comes_back_from_its_file(name, tmp_path):
    net = NETS[name]().init(X.shape, seed=2)
    dr.fit(net, X, Y, epochs=1, seed=0)  # running statistics have moved
    dr.save(net, tmp_path / "net.dr")
    found = dr.load(tmp_path / "net.dr")
    assert not isinstance(found, Loaded)
    assert repr(found) == repr(net)
    assert_same_bits(net, found)
    np.testing.assert_array_equal(net(X), found(X))
    dr.fit(net, X, Y, epochs=1, seed=1)
    dr.fit(found, X, Y, epochs=1, seed=1)
    assert_same_bits(net, found)


@pytest.mark.parametrize("name", NETS)
def test_the_graph_in_the_file_evaluates_the_same(name, tmp_path):
    """A class of the user's own around it is loaded as the graph of one row."""

    class Own(dr.Module):
        def __init__(self):
            self.inside = NETS[name]()

        def __call__(self, x):
            return self.inside(x)

    net = Own().init(X.shape, seed=2, dtype="float64")
    dr.fit(net, X, Y, epochs=1, seed=0)
    dr.save(net, tmp_path / "net.dr")
    np.testing.assert_allclose(dr.load(tmp_path / "net.dr")(X), net(X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NETS)
def test_rows_are_evaluated_one_by_one(name):
    """Evaluation of a row does not depend on the rows beside it."""
    net = NETS[name]().init(X.shape, seed=2, dtype="float64")
    np.testing.assert_allclose(np.concatenate([net(x[None]) for x in X]), net(X), rtol=1e-12)


@pytest.mark.native
def test_one_thread_and_two_give_the_same_bits(monkeypatch):
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(machine, "thread_count", lambda threads=threads: threads)
        net = dr.Sequential(dr.Dense(256), dr.BatchNorm(), dr.Activation("relu"), dr.Dense(1))
        choose("native", monkeypatch)
        wide = np.tile(X, (20, 40))
        dr.fit(net, wide, np.tile(Y, (20, 1)), epochs=2, batch_size=64, seed=1)
        found.append(net)
    assert_same_bits(*found)


# --- figures of PyTorch ---

PEERS = {
    "BatchNorm1d": lambda: dr.BatchNorm(),
    "BatchNorm1d of momentum 0.3 and eps 0.01": lambda: dr.BatchNorm(0.3, 0.01),
    "LayerNorm": lambda: dr.LayerNorm(),
    "PReLU": lambda: dr.PReLU(),
    "PReLU of one slope": lambda: dr.PReLU(shared=True),
}
OURS = {"BatchNorm": ("gamma", "beta"), "LayerNorm": ("gamma", "beta"), "PReLU": ("slope",)}


@pytest.mark.parametrize("name", PEERS)
def test_figures_of_pytorch(name):
    case, x, ct = CASES[name], np.array(GOLDEN["x"]), np.array(GOLDEN["upstream"])
    layer = PEERS[name]().init(x.shape, dtype="float64")
    words = OURS[type(layer).__name__]
    start = layer.params
    given = {
        w: np.reshape(v, start[w].shape)
        for w, v in zip(words, case["params"].values(), strict=True)
    }
    layer.params = given
    exact = {"rtol": 1e-12, "atol": 1e-13}

    def total(p, x, train=True):
        return np.sum(layer(x, params=p, train=train) * ct)

    np.testing.assert_allclose(layer(x, params=given, train=True), case["y"], **exact)
    g, dx = dr.grad(total, argnums=(0, 1))(given, x)
    np.testing.assert_allclose(dx, case["dx"], **exact)
    for word, theirs in zip(words, case["grads"].values(), strict=True):
        np.testing.assert_allclose(g[word].ravel(), theirs, **exact)
    if "running_mean" in case:
        state = layer.state
        for batch in (x, 2 * x[:3] + 1):
            _, state = layer.apply(given, state, batch, train=True)
        np.testing.assert_allclose(state["running_mean"], case["running_mean"], **exact)
        np.testing.assert_allclose(state["running_var"], case["running_var"], **exact)
        layer.state = state
        np.testing.assert_allclose(layer(x), case["y in evaluation"], **exact)
        dx = dr.grad(lambda x: total(given, x, train=False))(x)
        np.testing.assert_allclose(dx, case["dx in evaluation"], **exact)


def test_embedding_has_the_figures_of_pytorch():
    case = GOLDEN["embedding"]
    x, weight = np.array(case["x"]), np.array(case["weight"])
    layer = dr.Embedding(4, 2).init((1, 2), dtype="float64")
    layer.params = {"weight": weight}
    np.testing.assert_array_equal(layer(x), case["y"])
    ct = np.array(case["upstream"])
    g = dr.grad(lambda p: np.sum(layer(x.astype(float), params=p) * ct))(layer.params)
    np.testing.assert_array_equal(g["weight"], case["grad"])


# --- one by one ---


def test_prelu_at_zero_has_the_derivative_of_the_negative_side():
    layer = dr.PReLU(0.3).init((1, 1), dtype="float64")
    x = np.array([[-1.0], [0.0], [2.0]])
    dx = dr.grad(lambda x: np.sum(layer(x, params=layer.params)))(x)
    np.testing.assert_array_equal(dx[:, 0], [0.3, 0.3, 1.0])


@settings(max_examples=25, deadline=None)
@given(units=st.integers(1, 4), pieces=st.integers(2, 4), bias=st.booleans())
def test_maxout_is_the_largest_of_its_sums(units, pieces, bias):
    layer = dr.Maxout(units, pieces, bias=bias).init(X.shape, seed=units, dtype="float64")
    p = {name: rng.normal(size=w.shape) for name, w in layer.params.items()}
    layer.params = p
    for i, j in np.ndindex(3, units):
        sums = [
            X[i] @ p["weight"][:, k] + (p["bias"][k] if bias else 0) for k in range(units * pieces)
        ]
        assert layer(X)[i, j] == pytest.approx(max(sums[j * pieces : (j + 1) * pieces]))


def test_ties_of_maxout_share_the_gradient():
    layer = dr.Maxout(1, 2).init((1, 1), dtype="float64")
    p = {"weight": np.array([[2.0, 2.0]]), "bias": np.zeros(2)}
    g = dr.grad(lambda p: np.sum(layer(np.array([[3.0]]), params=p)))(p)
    np.testing.assert_array_equal(g["weight"], [[1.5, 1.5]])


def test_softmax_as_a_layer_gives_probabilities():
    net = dr.Sequential(dr.Dense(3), dr.Activation("softmax")).init(X.shape, dtype="float64")
    np.testing.assert_allclose(net(X).sum(axis=1), 1)


def test_residual_adds_and_projects():
    net = dr.Residual(dr.Dense(6, "tanh"), dr.Dense(6), projection=True).init(
        X.shape, dtype="float64"
    )
    assert "projection" not in net.params  # sizes are the same: x itself
    first, second = net.layers
    np.testing.assert_allclose(net(X), X + second(first(X)))
    wide = dr.Residual(dr.Dense(2), projection=True).init(X.shape, dtype="float64")
    np.testing.assert_allclose(wide(X), X @ wide.params["projection"] + wide.layers[0](X))
    with pytest.raises(
        ShapeError, match=r"x of shape \(1, 6\) and f\(x\) of shape \(1, 2\).*projection=True"
    ):
        dr.Residual(dr.Dense(2)).init((1, 6))


def test_branches_that_do_not_fit_say_so():
    with pytest.raises(ShapeError, match=r"shapes \(2, 3\), \(2, 4\).*layer multiply1"):
        dr.Sequential(dr.Multiply(dr.Dense(3), dr.Dense(4))).init((2, 6))
    with pytest.raises(ShapeError, match=r"joins along the last axis.*\(2, 4, 3\)"):
        dr.Concatenate(same, dr.Embedding(5, 3)).init((2, 4))
    with pytest.raises(ShapeError, match="takes 2 layers or more; 1 given"):
        dr.Concatenate(dr.Dense(3))
    with pytest.raises(ShapeError, match=r"not 'relu': dr\.Activation\('relu'\)$"):
        dr.Sequential(dr.Dense(2), "relu")
    with pytest.raises(ShapeError, match=r"Residual takes layers, not classes: Dense"):
        dr.Residual(dr.Dense)


def test_branches_name_their_layers():
    net = dr.Concatenate(dr.Dense(2), dr.Dense(3), dr.Sequential(dr.Dense(4))).init((1, 2))
    assert list(net.params) == ["dense1", "dense2", "sequential1"]
    assert repr(net) == "Concatenate(Dense(2), Dense(3), Sequential(Dense(4)))"


def test_noise_is_that_of_its_size_and_of_its_key():
    layer = dr.GaussianNoise(0.5).init((1, 1))
    x = np.zeros((4000, 2))
    a, b, c = (
        layer(
            x,
            params={},
            train=True,
            key=dr.random.key(k),
        )
        for k in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).mean() > 0.9
    assert abs(a.mean()) < 0.02 and abs(a.std() - 0.5) < 0.02
    np.testing.assert_array_equal(layer(x), 0)
    with pytest.raises(DataError, match="GaussianNoise draws random numbers while training"):
        layer(x, params={}, train=True)


# --- batch norm ---


def test_running_statistics_move_as_documented_in_a_training(monkeypatch):
    """Two epochs of three batches, the last of them smaller; by hand beside ``fit``."""
    for backend in BACKENDS:
        choose(backend, monkeypatch)
        net = dr.Sequential(dr.BatchNorm(momentum=0.25), dr.Dense(1)).init(X.shape, dtype="float64")
        dr.fit(net, X, Y, epochs=2, batch_size=16, shuffle=False, seed=0)
        mean, variance = np.zeros(6), np.ones(6)
        for batch in [X[:16], X[16:32], X[32:]] * 2:
            mean = 0.75 * mean + 0.25 * batch.mean(axis=0)
            variance = 0.75 * variance + 0.25 * batch.var(axis=0, ddof=1)
        np.testing.assert_allclose(net.state["batchnorm1"]["running_mean"], mean)
        np.testing.assert_allclose(net.state["batchnorm1"]["running_var"], variance)


def test_evaluation_leaves_the_statistics_alone():
    net = dr.Sequential(dr.BatchNorm(), dr.Dense(1)).init(X.shape)
    before = net.state["batchnorm1"]["running_mean"].copy()
    net(X)
    np.testing.assert_array_equal(net.state["batchnorm1"]["running_mean"], before)


def test_a_batch_of_one_row_is_an_error_before_the_first_step():
    net = dr.Sequential(dr.Dense(4), dr.BatchNorm(), dr.Dense(1)).init(X.shape, seed=0)
    start = net.params
    with pytest.raises(DataError, match=r"2 rows or more.*batch_size.*layer batchnorm1"):
        dr.fit(net, X, Y, batch_size=12)  # 37 = 3 * 12 + 1
    np.testing.assert_array_equal(net.params["dense1"]["weight"], start["dense1"]["weight"])
    assert net(X[:1]).shape == (1, 1)  # evaluation has no such need


def test_statistics_are_taken_over_all_axes_but_the_last():
    x = rng.normal(size=(5, 4, 3))
    layer = dr.BatchNorm().init(x.shape, dtype="float64")
    y = layer(x, params=layer.params, train=True)
    flat = layer(x.reshape(20, 3), params=layer.params, train=True)
    np.testing.assert_allclose(y.reshape(20, 3), flat)


def test_a_normalization_in_two_places_keeps_one_pair_of_statistics():
    layer = dr.BatchNorm(0.5)
    net = dr.Sequential(layer, dr.Activation("tanh"), layer, dr.Dense(1)).init(X.shape)
    _, state = net.apply(net.params, net.state, X.astype("float32"), train=True)
    once = np.tanh((X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5))
    expected = 0.25 * 0 + 0.25 * X.mean(axis=0) + 0.5 * once.mean(axis=0)
    np.testing.assert_allclose(state["batchnorm1"]["running_mean"], expected, rtol=1e-5, atol=1e-6)
    kept = [q.value for q in dr.explain(net, X[:3], Y[:3]).steps[0] if q.role == "kept"]
    assert any(value != float(np.float32(value)) for value in kept)  # explained in float64


def test_constant_features_stay_finite():
    layer = dr.BatchNorm().init((1, 2), dtype="float64")
    x = np.full((4, 2), 7.0)
    g = dr.grad(lambda x: np.sum(layer(x, params=layer.params, train=True) ** 2))(x)
    np.testing.assert_allclose(layer(x, params=layer.params, train=True), 0)
    np.testing.assert_allclose(g, 0)


def test_widths_that_do_not_fit_say_so():
    for layer in (dr.BatchNorm(), dr.LayerNorm(), dr.PReLU(), dr.Maxout(2)):
        layer.init((1, 6))
        with pytest.raises(ShapeError, match=r"\(2, 5\) do not fit"):
            layer(np.zeros((2, 5)))
    with pytest.raises(ShapeError, match="do not fit the running statistics"):
        dr.BatchNorm(affine=False).init((1, 6))(np.zeros((2, 5)))


# --- categories ---


def test_columns_go_their_ways():
    net = dr.Columns({3: dr.Embedding(3, 2), (4, 0): same, 0: 5}).init(X.shape, dtype="float64")
    one, other = (net.params[name]["weight"] for name in ("embedding1", "embedding2"))
    expected = np.hstack(
        [X[:, [1, 2, 5]], one[X[:, 3].astype(int)], X[:, [4, 0]], other[X[:, 0].astype(int)]]
    )
    np.testing.assert_array_equal(net(X), expected)


def test_a_column_of_several_goes_through_one_table():
    x = np.array([[0, 2], [1, 1]])
    net = dr.Columns({(0, 1): dr.Embedding(3, 2)}).init(x.shape, dtype="float64")
    table = net.params["embedding1"]["weight"]
    np.testing.assert_array_equal(net(x), table[x].reshape(2, 4))


def test_categories_are_learnt():
    """Each of four categories has a target of its own, in no order."""
    x = np.tile(np.arange(4), 25)[:, None]
    y = np.array([3.0, -1.0, 2.0, 0.0])[x[:, 0]]
    net = dr.Sequential(dr.Columns({0: 4}), dr.Dense(1))
    dr.fit(net, x, y, optimizer=dr.Adam(0.1), epochs=60, seed=0)
    np.testing.assert_allclose(net(np.arange(4)[:, None])[:, 0], [3, -1, 2, 0], atol=0.05)


@pytest.mark.parametrize("wrong", [5, -1, 1.5])
def test_what_is_no_category_is_an_error_before_the_first_step(wrong):
    net = dr.Sequential(dr.Columns({0: 5, 3: 3}), dr.Dense(1)).init(X.shape)
    bad = X.copy()
    bad[9, 0] = wrong
    words = rf"column 0 of the inputs: Embedding\(5, 4\).*0 to 4; at \[9, 0\] stands {wrong}"
    with pytest.raises(DataError, match=words):
        dr.fit(net, bad, Y)
    with pytest.raises(DataError, match=words):
        net(bad)
    with pytest.raises(DataError, match=words):
        dr.fit(net, X, Y, validation=(bad, Y))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("wrong", [3.0, -1.0, 0.5])
def test_what_is_no_category_behind_other_layers_is_never_read(wrong, backend, monkeypatch):
    choose(backend, monkeypatch)
    net = dr.Sequential(lambda x: x, dr.Embedding(3, 2), lambda y: y[:, 0], dr.Dense(1))
    x = np.array([[0.0], [1.0], [wrong], [2.0]])
    with pytest.raises((IndexError, DataError)):
        dr.fit(net, x, np.zeros((4, 1)), epochs=1, seed=0)


def test_columns_that_are_not_there_say_so():
    with pytest.raises(ShapeError, match=r"no column 7: inputs of shape \(1, 6\)"):
        dr.Columns({7: 3}).init((1, 6))
    with pytest.raises(ShapeError, match="a column's number, counted from 0"):
        dr.Columns({-1: 3})
    with pytest.raises(ShapeError, match="takes a dict"):
        dr.Columns([0, 1])
    with pytest.raises(ShapeError, match="Columns takes layers"):
        dr.Columns({0: "relu"})


def test_more_categories_than_a_float_can_tell_apart():
    with pytest.raises(ShapeError, match="float64"):
        dr.Embedding(20_000_000, 1).init((1, 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.BatchNorm(momentum=0), "momentum is in"),
        (lambda: dr.BatchNorm(epsilon=0), "epsilon is a small positive number"),
        (lambda: dr.LayerNorm(epsilon=float("nan")), "LayerNorm: epsilon"),
        (lambda: dr.GaussianNoise(-1), "0 or more and finite, not -1"),
        (lambda: dr.PReLU("relu"), "slope is the number where a starts, not 'relu'"),
        (lambda: dr.Maxout(0), "units is a whole number of at least 1"),
        (lambda: dr.Maxout(3, 1), "pieces is a whole number of at least 2"),
        (lambda: dr.Maxout(3, initializer="he_norml"), "Did you mean 'he_normal'"),
        (lambda: dr.Embedding(0), "categories is a whole number"),
        (lambda: dr.Embedding(3, 0.5), "size is a whole number"),
        (lambda: dr.BatchNorm().init((1, 3))(np.zeros(3)), "rows of features"),
    ],
)
def test_settings_that_make_no_sense(make, words):
    with pytest.raises((DataError, ShapeError), match=words):
        make()


# --- model files ---


def test_settings_of_activations_are_kept(tmp_path):
    net = dr.Sequential(dr.Dense(2, slanted, initializer=narrow)).init((1, 2))
    dr.save(net, tmp_path / "net.dr")
    found = dr.load(tmp_path / "net.dr")
    assert repr(found) == "Sequential(Dense(2, leaky_relu(slope=0.1)))"
    assert found.layers[0].activation.keywords == {"slope": 0.1}
    assert found.layers[0].initializer.keywords == {"std": 0.3}


def test_activations_between_layers_are_kept_by_name(tmp_path):
    net = dr.Sequential(dr.Dense(2), slanted, dr.Dense(1)).init((1, 2))
    dr.save(net, tmp_path / "net.dr")
    found = dr.load(tmp_path / "net.dr")
    assert repr(found) == "Sequential(Dense(2), leaky_relu(slope=0.1), Dense(1))"
    np.testing.assert_array_equal(found(X[:, :2]), net(X[:, :2]))


def test_a_layer_of_another_version_is_named(tmp_path, monkeypatch):
    net = dr.Sequential(dr.BatchNorm()).init((1, 2))
    dr.save(net, tmp_path / "net.dr")
    monkeypatch.delitem(LAYERS, "BatchNorm")
    with pytest.raises(ModelFileError, match="a layer 'BatchNorm', which this version"):
        dr.load(tmp_path / "net.dr")


def test_a_setting_that_no_file_keeps_is_an_error(tmp_path):
    odd = dr.nn.activation_of("leaky_relu", slope=np.array([0.1, 0.2]))
    net = dr.Sequential(dr.Dense(2, odd)).init((1, 2), dtype="float64")
    with pytest.raises(ModelFileError, match=r"leaky_relu has slope=array.*give slope as a number"):
        dr.save(net, tmp_path / "net.dr")


def test_a_function_of_ones_own_still_loads_as_a_graph(tmp_path):
    net = dr.Sequential(dr.Residual(dr.Dense(2, lambda z: z**3))).init((1, 2), dtype="float64")
    dr.save(net, tmp_path / "net.dr")
    found = dr.load(tmp_path / "net.dr")
    assert isinstance(found, Loaded)
    np.testing.assert_allclose(found(X[:, :2]), net(X[:, :2]))


def test_the_initializer_suits_an_activation_with_settings():
    plain, set_ = dr.Dense(3, "leaky_relu"), dr.Dense(3, slanted)
    for layer in (plain, set_):
        layer.init((1, 4), seed=1)
    np.testing.assert_array_equal(plain.params["weight"], set_.params["weight"])
