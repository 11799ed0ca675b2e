"""Worked examples of backpropagation with exact numbers: textbooks' and our own, to twelve digits.

Sources: M1 is Mazur's 2-2-2 network (2015), M2 the 3-2-1 network of Han and Kamber; the others are
cases computed by hand and
checked by central differences.
"""

import numpy as np
import pytest

import deltarule as dr
from deltarule.nn import loss_of

EXACT = {"rtol": 0, "atol": 1e-12}
half_squared_error = loss_of("half_squared_error")


def mazur(**options):
    net = dr.Sequential(dr.Dense(2, "logistic", **options), dr.Dense(2, "logistic", **options))
    return net.init((1, 2), dtype="float64")


X1, T1 = np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]])
W1, W2 = np.array([[0.15, 0.25], [0.20, 0.30]]), np.array([[0.40, 0.50], [0.45, 0.55]])
B1, B2 = np.full(2, 0.35), np.full(2, 0.60)
PARAMS1 = {"dense1": {"weight": W1, "bias": B1}, "dense2": {"weight": W2, "bias": B2}}


class FixedBiases(dr.Module):
    """Mazur's network as he trains it: one bias per layer, never updated."""

    def __init__(self):
        self.w1, self.w2 = W1, W2
        self.b1, self.b2 = dr.State(np.array(0.35)), dr.State(np.array(0.60))

    def __call__(self, x):
        hidden = 1 / (1 + np.exp(-(x @ self.w1 + self.b1)))
        return 1 / (1 + np.exp(-(hidden @ self.w2 + self.b2)))


class SharedBiases(dr.Module):
    """One trained bias per layer, its gradient summed over the units."""

    def __init__(self):
        self.w1, self.w2 = W1, W2
        self.b1, self.b2 = np.array(0.35), np.array(0.60)

    __call__ = FixedBiases.forward


def trained(net, updates):
    """``updates`` steps of gradient descent on the one row, which stands in the data many times."""
    rows = min(updates, 100)
    epochs = updates // rows
    X, T = np.repeat(X1, rows, 0), np.repeat(T1, rows, 0)
    dr.fit(
        net,
        X,
        T,
        loss="half_squared_error",
        optimizer=dr.SGD(0.5),
        epochs=epochs,
        batch_size=1,
        seed=0,
    )
    y = net(X1)
    return float(half_squared_error(y, T1)), y[0]


def test_m1_forward_and_gradients():
    net = mazur()
    net.params = PARAMS1
    hidden = dr.Sequential(dr.Dense(2, "logistic")).init((1, 2), dtype="float64")
    hidden.params = {"dense1": PARAMS1["dense1"]}
    np.testing.assert_allclose(hidden(X1), [[0.593269992107, 0.596884378260]], **EXACT)
    np.testing.assert_allclose(net(X1), [[0.751365069552, 0.772928465321]], **EXACT)
    loss, g = dr.value_and_grad(lambda p: half_squared_error(net(X1, params=p), T1))(net.params)
    assert loss == pytest.approx(0.298371108760, abs=1e-12)
    expected = [[0.082167040564, -0.022602540477], [0.082667627848, -0.022740242216]]
    np.testing.assert_allclose(g["dense2"]["weight"], expected, **EXACT)
    np.testing.assert_allclose(g["dense2"]["bias"], [0.138498561629, -0.038098236517], **EXACT)
    np.testing.assert_allclose(g["dense1"]["bias"], [0.008771354689, 0.009954254705], **EXACT)
    expected = [[0.000438567734, 0.000497712735], [0.000877135469, 0.000995425471]]
    np.testing.assert_allclose(g["dense1"]["weight"], expected, **EXACT)


def test_m1_one_update_with_fixed_biases():
    net = FixedBiases().init((1, 2), dtype="float64")
    loss, _ = trained(net, 1)
    expected = [[0.358916479718, 0.511301270239], [0.408666186076, 0.561370121108]]
    np.testing.assert_allclose(net.params["w2"], expected, **EXACT)
    expected = [[0.149780716133, 0.249751143632], [0.199561432266, 0.299502287265]]
    np.testing.assert_allclose(net.params["w1"], expected, **EXACT)
    assert loss == pytest.approx(0.291027773694, abs=1e-12)
    assert float(net.state["b1"]) == 0.35


def test_m1_ten_thousand_updates_with_fixed_biases():
    loss, y = trained(FixedBiases().init((1, 2), dtype="float64"), 10_000)
    assert loss == pytest.approx(3.510187783e-5, rel=1e-9)
    np.testing.assert_allclose(y, [0.015913620444, 0.984064273515], rtol=0, atol=1e-11)


def test_m1_biases_trained_per_neuron():
    net = mazur()
    net.params = PARAMS1
    loss, _ = trained(net, 1)
    np.testing.assert_allclose(
        net.params["dense1"]["bias"], [0.345614322655, 0.345022872647], **EXACT
    )
    np.testing.assert_allclose(
        net.params["dense2"]["bias"], [0.530750719186, 0.619049118258], **EXACT
    )
    assert loss == pytest.approx(0.280471446791, abs=1e-12)
    net.params = PARAMS1
    assert trained(net, 10_000)[0] == pytest.approx(2.447562236e-6, rel=1e-9)


def test_m1_biases_trained_but_shared():
    net = SharedBiases().init((1, 2), dtype="float64")
    assert trained(net, 1)[0] == pytest.approx(0.285750886699, abs=1e-12)
    net = SharedBiases().init((1, 2), dtype="float64")
    assert trained(net, 10_000)[0] == pytest.approx(4.355321066e-6, rel=1e-9)


def test_m2_han_and_kamber():
    net = dr.Sequential(dr.Dense(2, "logistic"), dr.Dense(1, "logistic")).init(
        (1, 3), dtype="float64"
    )
    net.params = {
        "dense1": {
            "weight": np.array([[0.2, -0.3], [0.4, 0.1], [-0.5, 0.2]]),
            "bias": np.array([-0.4, 0.2]),
        },
        "dense2": {"weight": np.array([[-0.3], [-0.2]]), "bias": np.array([0.1])},
    }
    x, t, opt = np.array([[1.0, 0.0, 1.0]]), np.array([[1.0]]), dr.SGD(0.9)
    assert net(x).item() == pytest.approx(0.473888898824, abs=1e-12)
    loss, g = dr.value_and_grad(lambda p: half_squared_error(net(x, params=p), t))(net.params)
    assert loss == pytest.approx(0.138396445390, abs=1e-12)
    assert -g["dense2"]["bias"][0] == pytest.approx(0.131169078214, abs=1e-12)
    np.testing.assert_allclose(-g["dense1"]["bias"], [-0.008724561965, -0.006542085064], **EXACT)
    net.params, _ = opt.step(net.params, g, opt.init(net.params))
    np.testing.assert_allclose(
        net.params["dense2"]["weight"], [[-0.260828846342], [-0.138025067507]], **EXACT
    )
    expected = [[0.192147894231, -0.305887876558], [0.4, 0.1], [-0.507852105769, 0.194112123442]]
    np.testing.assert_allclose(net.params["dense1"]["weight"], expected, **EXACT)
    np.testing.assert_allclose(
        net.params["dense1"]["bias"], [-0.407852105769, 0.194112123442], **EXACT
    )
    assert net.params["dense2"]["bias"][0] == pytest.approx(0.218052170393, abs=1e-12)
    assert net(x).item() == pytest.approx(0.515247950985, abs=1e-12)
    assert half_squared_error(net(x), t) == pytest.approx(0.117492274512, abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "weights"),
    [
        (dr.SGD(0.1), [0.9, 0.81, 0.729]),
        (dr.SGD(0.1, momentum=0.9), [0.9, 0.72, 0.486]),
        (dr.SGD(0.1, momentum=0.9, nesterov=True), [0.81, 0.5751, 0.327321]),
        (dr.Adam(0.1), [0.900000001000, 0.800412229712, 0.701586274504]),
    ],
)
def test_o1_first_three_steps(rule, weights):
    w = 1.0
    state, found = rule.init(w), []
    for _ in weights:
        w, state = rule.step(w, dr.grad(lambda w: w**2 / 2)(w), state)
        found.append(float(w))
    np.testing.assert_allclose(found, weights, **EXACT)


def test_s1_softmax_cross_entropy():
    logits, label = np.array([[2.0, 1.0, 0.1]]), np.array([0])
    loss, g = dr.value_and_grad(lambda z: loss_of("cross_entropy")(z, label))(logits)
    assert loss == pytest.approx(0.417030016278, abs=1e-12)
    np.testing.assert_allclose(g, [[-0.340998861114, 0.242432970705, 0.098565890409]], **EXACT)


def test_s2_logistic_loss():
    target = np.array([1.0])
    loss, g = dr.value_and_grad(lambda z: loss_of("binary_cross_entropy")(z, target))(
        np.array([0.8])
    )
    assert loss == pytest.approx(0.371100665948, abs=1e-12)
    assert g[0] == pytest.approx(-0.310025518872, abs=1e-12)


def house():
    net = dr.Sequential(dr.Dense(1)).init((1, 2), dtype="float64")
    net.params = {"dense1": {"weight": np.array([[150.0], [0.0]]), "bias": np.array([0.0])}}
    return net, np.array([[2000.0, 3.0]]), np.array([350_000.0])


def test_h1_house_price():
    net, x, t = house()
    assert net(x).item() == 300_000
    assert loss_of("mse")(net(x), t) == 2.5e9
    loss, g = dr.value_and_grad(lambda p: half_squared_error(net(x, params=p), t))(net.params)
    assert loss == 1.25e9
    np.testing.assert_array_equal(g["dense1"]["weight"], [[-1e8], [-1.5e5]])
    np.testing.assert_array_equal(g["dense1"]["bias"], [-5e4])
    dr.fit(net, x, t, loss="half_squared_error", optimizer=dr.SGD(1e-7), epochs=1, batch_size=1)
    np.testing.assert_allclose(net.params["dense1"]["weight"], [[160.0], [0.015]], rtol=1e-14)
    np.testing.assert_allclose(net.params["dense1"]["bias"], [0.005], rtol=1e-14)
    assert net(x).item() == pytest.approx(320_000.05, abs=1e-9)


@pytest.mark.parametrize(("rate", "grows"), [(4.99e-7, False), (5.01e-7, True)])
def test_h1_diverges_above_two_over_the_curvature(rate, grows):
    net, x, t = house()
    curvature = dr.hessian(lambda v: half_squared_error(x @ v, t))(np.array([[150.0], [0.0]]))
    assert np.trace(curvature.reshape(2, 2)) + 1 == 4_000_010
    run = dr.fit(
        net, x, t, loss="half_squared_error", optimizer=dr.SGD(rate), epochs=50, batch_size=1
    )
    assert (run.history["loss"][-1] > run.history["loss"][0]) == grows


def test_v1_gradients_of_logistic_chains_shrink_at_most_as_a_quarter_per_layer():
    for n, bound in ((5, 9.765625e-4), (10, 9.54e-7), (20, 9.1e-13)):

        def chain(x, n=n):
            for _ in range(n):
                x = 1 / (1 + np.exp(-x))
            return x

        assert 0 < dr.grad(chain)(0.0) <= bound


def test_x1_xor_exact():
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    net = dr.Sequential(dr.Dense(2, "relu"), dr.Dense(1)).init((4, 2), dtype="float64")
    net.params = {
        "dense1": {"weight": np.ones((2, 2)), "bias": np.array([0.0, -1.0])},
        "dense2": {"weight": np.array([[1.0], [-2.0]]), "bias": np.zeros(1)},
    }
    np.testing.assert_array_equal(net(X)[:, 0], [0, 1, 1, 0])
