"""Explanations: every number of a step is the one that trains, and every formula gives its number.

Sources of the exact values: Mazur's 2-2-2 network (2015), the 3-2-1 network of Han and Kamber, cases
computed by hand and checked by central differences.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.explain import Example, Layer, read, work
from deltarule.explain.term import evaluate
from deltarule.nn import loss_of
from deltarule.nn.activations import ACTIVATIONS
from deltarule.nn.losses import LOSSES
from deltarule.nn.nested import flat
from deltarule.optim import searches
from deltarule.optim.rules import OPTIMIZERS
from worked import HAN, MAZUR

EXACT = {"rtol": 0, "atol": 1e-12}


@pytest.fixture
def example(tmp_path):
    def from_text(text):
        path = tmp_path / "example.toml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return from_text


def check_formulas(worked):
    """Each formula, and each chain rule, gives the number that the graph gave."""
    for step in worked.steps:
        values = {q.name: q.value for q in step}
        for q in step:
            for term in (q.term, q.chain):
                if term is not None:
                    with np.errstate(all="ignore"):
                        found = float(evaluate(term, values))
                    np.testing.assert_allclose(
                        found, q.value, rtol=1e-9, atol=1e-13, err_msg=q.name
                    )


# --- worked examples by value ---

M1 = {
    "net_h1": 0.3775,
    "net_h2": 0.3925,
    "out_h1": 0.593269992107,
    "out_h2": 0.596884378260,
    "net_o1": 1.105905967060,
    "net_o2": 1.224921404096,
    "out_o1": 0.751365069552,
    "out_o2": 0.772928465321,
    "E_o1": 0.274811083176,
    "E_o2": 0.023560025584,
    "E_total": 0.298371108760,
    "dE/dout_o1": 0.741365069552,
    "dout_o1/dnet_o1": 0.751365069552 * (1 - 0.751365069552),
    "delta_o1": 0.138498561629,
    "delta_o2": -0.038098236517,
    "dE/dw5": 0.082167040564,
    "dE/dw6": 0.082667627848,
    "dE/dw7": -0.022602540477,
    "dE/dw8": -0.022740242216,
    "dE/dout_h1": 0.036350306393,
    "dE/dout_h2": 0.041370322649,
    "delta_h1": 0.008771354689,
    "delta_h2": 0.009954254705,
    "dE/dw1": 0.000438567734,
    "dE/dw2": 0.000877135469,
    "dE/dw3": 0.000497712735,
    "dE/dw4": 0.000995425471,
    "w1_new": 0.149780716133,
    "w2_new": 0.199561432266,
    "w3_new": 0.249751143632,
    "w4_new": 0.299502287265,
    "w5_new": 0.358916479718,
    "w6_new": 0.408666186076,
    "w7_new": 0.511301270239,
    "w8_new": 0.561370121108,
    "E_total_new": 0.291027773694,
}


def test_m1_every_line(example):
    worked = work(example(MAZUR))
    for name, exact in M1.items():
        assert worked.values[name] == pytest.approx(exact, abs=1e-12), name
    assert "b1_new" not in worked.values  # biases are not trained
    check_formulas(worked)


def test_m1_formulas_are_those_of_the_textbook(example):
    worked = work(example(MAZUR))
    formulas = {
        "net_h1": "w1*i1 + w2*i2 + b1",
        "out_h1": "1/(1 + e^(-net_h1))",
        "E_o1": "1/2*(out_o1 - t_o1)^2",
        "E_total": "E_o1 + E_o2",
        "dE/dout_o1": "out_o1 - t_o1",
        "dout_o1/dnet_o1": "out_o1*(1 - out_o1)",
        "dE/dw5": "delta_o1*out_h1",
        "dE/dout_h1": "delta_o1*w5 + delta_o2*w7",
        "w5_new": "w5 - lr*dE/dw5",
    }
    assert {name: worked[name].formula for name in formulas} == formulas
    lines = worked.text().splitlines()
    assert "  net_h1 = w1*i1 + w2*i2 + b1 = 0.15*0.05 + 0.2*0.1 + 0.35 = 0.3775" in lines
    assert "                  = dE/dout_o1*dout_o1/dnet_o1*dnet_o1/dw5" in lines


@pytest.mark.parametrize(
    ("bias", "trained", "after"),
    [
        ('"b1"', "all", 0.285750886699),  # shared in each layer, gradients summed
        ("0.35", "all", 0.280471446791),  # one for each neuron
    ],
)
def test_m1_with_trained_biases(example, bias, trained, after):
    text = MAZUR.replace('trained = "weights"', f'trained = "{trained}"')
    if bias != '"b1"':
        text = text.replace('bias = "b1"', "bias = 0.35").replace('bias = "b2"', "bias = 0.60")
        text = text.replace("b1 = 0.35\n", "").replace("b2 = 0.60\n", "")
    worked = work(example(text))
    assert worked.values["E_total_new"] == pytest.approx(after, abs=1e-12)
    if bias == "0.35":
        assert worked.values["b_h1_new"] == pytest.approx(0.345614322655, abs=1e-12)
        assert worked.values["b_o2_new"] == pytest.approx(0.619049118258, abs=1e-12)
    else:
        assert worked["dE/db2"].formula == "delta_o1 + delta_o2"
    check_formulas(worked)


def test_m2_every_line(example):
    worked = work(example(HAN))
    exact = {
        "net_4": -0.7,
        "net_5": 0.1,
        "net_6": -0.104539505845,
        "out_4": 0.331812227832,
        "out_5": 0.524979187479,
        "out_6": 0.473888898824,
        "delta_6": -0.131169078214,
        "delta_5": 0.006542085064,
        "delta_4": 0.008724561965,
        "w46_new": -0.260828846342,
        "w56_new": -0.138025067507,
        "w14_new": 0.192147894231,
        "w15_new": -0.305887876558,
        "w24_new": 0.4,
        "w34_new": -0.507852105769,
        "theta6_new": 0.218052170393,
        "theta4_new": -0.407852105769,
        "E": 0.138396445390,
        "out_6_new": 0.515247950985,
        "E_new": 0.117492274512,
    }
    for name, value in exact.items():
        assert worked.values[name] == pytest.approx(value, abs=1e-12), name
    assert worked["net_4"].formula == "w14*x1 + w24*x2 + w34*x3 + theta4"
    check_formulas(worked)


def test_repeated_steps_follow_the_trained_path(example):
    given = example(HAN)
    worked, net = work(given, steps=3), given.network()
    dr.fit(
        net,
        given.x,
        given.targets,
        loss="half_squared_error",
        optimizer=dr.SGD(0.9),
        epochs=3,
        batch_size=1,
    )
    for name, value in net.params.items():
        assert worked.values[f"{name}_new@3"] == pytest.approx(float(value), abs=1e-14)
    assert worked.values["E@2"] == worked.values["E_new"]


@pytest.mark.parametrize(
    ("first", "second", "y", "gradients", "after"),
    [
        ([0.5, 0.1, 0], [0.5, 0.1, 0], 0.64, [-3.024, -3.024], 0.216496739),
        ([0.5, 0.1, 0], [0.5, 0.2, 0], 0.70, [-2.97, -3.63], 0.093441645),
    ],
)
def test_e1_repaired(example, first, second, y, gradients, after):
    text = f"""
    inputs = [1, 2, 3]
    targets = [4]
    learning_rate = 0.1
    [[layers]]
    weights = [{first}, {second}]
    bias = 0.2
    [[layers]]
    weights = [["v1", "v2"]]
    bias = 0.1
    [values]
    v1 = 0.3
    v2 = 0.3
    """
    worked = work(example(text))
    assert worked.values["out_o1"] == pytest.approx(y, abs=1e-12)
    assert [worked.values[f"dE/dv{i}"] for i in (1, 2)] == pytest.approx(gradients, abs=1e-12)
    assert worked.values["E_new"] == pytest.approx(after, abs=1e-9)
    assert worked.values["net_h1"] == worked.values["out_h1"]  # no activation
    check_formulas(worked)


def test_m6_no_bias(example):
    text = """
    inputs = [2, 3]
    targets = [1]
    learning_rate = 0.05
    [[layers]]
    weights = [[0.11, 0.21], [0.12, 0.08]]
    [[layers]]
    weights = [[0.14, 0.15]]
    """
    worked = work(example(text))
    exact = {
        "out_h1": 0.85,
        "out_h2": 0.48,
        "out_o1": 0.191,
        "E": 0.3272405,
        "dE/dw_h1_o1": -0.68765,
    }
    for name, value in exact.items():
        assert worked.values[name] == pytest.approx(value, abs=1e-12), name
    assert worked.values["w_i1_h2_new"] == pytest.approx(0.132135, abs=1e-12)
    assert worked.values["out_o1_new"] == pytest.approx(0.255745780808, abs=1e-12)


def test_h1_house_price():
    net = dr.Sequential(dr.Dense(1)).init((1, 2), dtype="float64")
    net.params = {"dense1": {"weight": np.array([[150.0], [0.0]]), "bias": np.zeros(1)}}
    worked = dr.explain(
        net, np.array([[2000.0, 3.0]]), np.array([350_000.0]), optimizer=dr.SGD(1e-7)
    )
    values = worked.values
    assert values["out_o1"] == 300_000 and values["E"] == 1.25e9
    assert [values[f"dE/d{w}"] for w in ("w1", "w2", "b_o1")] == [-1e8, -1.5e5, -5e4]
    assert values["out_o1_new"] == pytest.approx(320_000.05, abs=1e-9)


def test_s1_softmax_cross_entropy():
    net = dr.Sequential(dr.Dense(3, bias=False)).init((1, 1), dtype="float64")
    net.params = {"dense1": {"weight": np.array([[2.0, 1.0, 0.1]])}}
    worked = dr.explain(net, np.ones((1, 1)), np.array([0]), loss="cross_entropy")
    assert worked.values["E"] == pytest.approx(0.417030016278, abs=1e-12)
    found = [worked.values[f"delta_o{j}"] for j in (1, 2, 3)]
    np.testing.assert_allclose(found, [-0.340998861114, 0.242432970705, 0.098565890409], **EXACT)
    check_formulas(worked)


def test_o1_adam_shows_its_moments():
    net = dr.Sequential(dr.Dense(1, bias=False)).init((1, 1), dtype="float64")
    net.params = {"dense1": {"weight": np.ones((1, 1))}}
    worked = dr.explain(net, np.ones((1, 1)), np.zeros((1, 1)), optimizer=dr.Adam(0.1), steps=3)
    found = [worked.values[name] for name in ("w1_new", "w1_new@2", "w1_new@3")]
    np.testing.assert_allclose(found, [0.900000001000, 0.800412229712, 0.701586274504], **EXACT)
    assert worked["m_w1_new@2"].formula == "beta1*m_w1 + (1 - beta1)*dE/dw1"
    check_formulas(worked)


# --- the numbers are those that train ---

RULES = (
    *(make() for make in OPTIMIZERS.values()),
    dr.SGD(0.3, momentum=0.9),
    dr.SGD(0.3, momentum=0.5, nesterov=True),
    dr.Adam(0.05),
)


OF_SEVERAL = ("cross_entropy", "focal", "kl", "cosine")


@st.composite
def networks(draw):
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    loss = draw(st.sampled_from(tuple(LOSSES)))
    outputs = draw(st.integers(2 if loss in OF_SEVERAL else 1, 3))
    hidden = draw(
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from(tuple(ACTIVATIONS))), max_size=2)
    )
    inputs, rows = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    layers = [dr.Dense(n, activation, bias=draw(st.booleans())) for n, activation in hidden]
    layers.append(
        dr.Dense(outputs, draw(st.sampled_from(tuple(ACTIVATIONS))) if loss == "mse" else None)
    )
    net = dr.Sequential(*layers).init((rows, inputs), dtype="float64")
    net.params = {
        layer: {name: rng.normal(size=w.shape) for name, w in weights.items()}
        for layer, weights in net.params.items()
    }
    x = rng.normal(size=(rows, inputs))
    if loss in ("cross_entropy", "focal"):
        y = rng.integers(0, outputs, rows)
    elif loss == "kl":
        y = rng.dirichlet(np.ones(outputs), rows)
    elif loss in ("binary_cross_entropy", "binary_focal"):
        y = rng.integers(0, 2, (rows, outputs)).astype(float)
    elif loss == "hinge":
        y = rng.choice([-1.0, 1.0], (rows, outputs))
    else:
        y = rng.uniform(0.1, 0.9, (rows, outputs))
    return net, x, y, loss, draw(st.sampled_from(RULES))


@settings(max_examples=60, deadline=None)
@given(networks())
def test_every_value_is_that_of_the_trained_path(case):
    net, x, y, loss, rule = case
    worked = dr.explain(net, x, y, loss=loss, optimizer=rule, steps=2)
    check_formulas(worked)
    params, state = net.params, rule.init(net.params)
    objective = loss_of(loss)
    for number in (1, 2):

        def of(p):
            return objective(net(x, params=p), y)

        error, grads = dr.value_and_grad(of)(params)
        if searches(rule):
            params, state, _ = rule.descend(of, params, state)
        else:
            params, state = rule.step(params, grads, state)
        values = {q.name: q.value for q in worked.steps[number - 1]}
        total = values["E_total"] if "E_total" in values else values["E"]
        assert total == error
        for name, gradient, new in named(worked.steps[number - 1], grads, params):
            assert values[f"dE/d{name}"] == gradient, name
            assert values[f"{name}_new"] == new, name


def named(step, grads, params):
    """Weights with the numbers of the trained path, by layer, neuron and source."""
    layers = list(params)
    for q in step:
        if q.role in ("weight", "bias"):
            layer = layers[q.layer - 1]
            if q.role == "weight":
                at = (q.source - 1, q.unit - 1)
                yield q.name, grads[layer]["weight"][at], params[layer]["weight"][at]
            else:
                at = q.unit - 1
                yield q.name, grads[layer]["bias"][at], params[layer]["bias"][at]


def test_one_who_made_a_mistake_goes_on(example):
    worked = work(example(HAN))
    assert worked.recompute({}) == pytest.approx(
        {q.name: q.value for q in worked.steps[0]}, abs=1e-15
    )
    mistaken = worked.recompute({"out_6": 0.5})
    assert mistaken["dE/dout_6"] == -0.5
    assert mistaken["delta_6"] == -0.125
    assert mistaken["net_6"] == worked.values["net_6"]  # earlier lines stay


def test_an_example_made_in_python():
    example = Example(
        inputs=("i1",),
        layers=(Layer(("o1",), "identity", (("w",),), ("w",)),),  # the weight is the bias, too
        values={"w": 2.0},
        x=np.array([[3.0]]),
        targets=np.array([[0.0]]),
        optimizer=dr.SGD(0.1),
        trained=("w",),
    )
    worked = work(example)
    assert worked.values["out_o1"] == 8.0
    assert worked["dE/dw"].formula == "3*delta_o1 + delta_o1" or worked.values["dE/dw"] == 32.0
    check_formulas(worked)


# --- networks that no textbook has ---


class Own(dr.Module):
    """Written by hand: no layers, a shared bias, a constant."""

    def __init__(self):
        self.w1, self.w2 = np.array([[0.15, 0.25], [0.20, 0.30]]), np.array([[0.4], [0.5]])
        self.b1, self.b2 = np.array(0.35), dr.State(np.array(0.6))

    def __call__(self, x):
        hidden = 1 / (1 + np.exp(-(x @ self.w1 + self.b1)))
        return np.tanh(hidden @ self.w2 + self.b2)


class Standardize(dr.Module):
    """Over the rows of a batch, with a gain."""

    def __init__(self):
        self.gain = np.ones(2)

    def __call__(self, x):
        middle = x.mean(axis=0)
        spread = ((x - middle) ** 2).mean(axis=0)
        return (x - middle) / np.sqrt(spread + 1e-5) * self.gain


NETS = {
    "own": (Own, 1),
    "standardize": (lambda: dr.Sequential(dr.Dense(2), Standardize(), dr.Dense(1)), 3),
    "dropout": (lambda: dr.Sequential(dr.Dense(2, "relu"), dr.Dropout(0.5), dr.Dense(1)), 2),
    "functions": (
        lambda: dr.Sequential(dr.Dense(2), np.tanh, dr.Dense(1), dr.Activation("logistic")),
        1,
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_any_network(name):
    make, rows = NETS[name]
    rng = np.random.default_rng(1)
    net = make().init((rows, 2), dtype="float64")
    x, y = rng.normal(size=(rows, 2)), rng.normal(size=(rows, 1))
    worked = dr.explain(net, x, y, loss="mse", seed=3)
    check_formulas(worked)
    assert worked.text() and worked.markdown() and worked.latex()
    if name == "own":
        assert worked["net_h1"].formula == "w1*i1 + w2*i2 + b1"
        assert worked["net_o1"].formula == "w5*out_h1 + w6*out_h2 + b2"
    if name == "functions":
        assert worked["out_h1"].formula == "tanh(net_h1)"
        assert worked["out_o1"].formula == "1/(1 + e^(-net_o1))"
    if name == "dropout":
        kept = worked.values["out_dropout1_1(1)"]
        assert kept in (0.0, 2 * worked.values["out_h1(1)"])


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Recurrent(dr.Module):
    """h = tanh(w h + u x + b), y = v h, as a loop that is one node."""

    def __init__(self, reverse=False):
        self.w, self.u = np.array([[0.5]]), np.array([[1.0]])
        self.b, self.v = np.zeros(1), np.array([[1.0]])
        self.reverse = reverse

    def __call__(self, x):
        def step(h, row):
            h = np.tanh(h @ self.w + row @ self.u + self.b)
            return h, h @ self.v

        start = np.zeros((x.shape[0], 1))
        _, ys = dr.scan(step, start, x.T[:, :, None], reverse=self.reverse)
        return ys[:, :, 0].T


class Convolution(dr.Module):
    """A kernel of three over six inputs."""

    def __init__(self):
        self.kernel, self.out = np.array([1.0, -2.0, 0.5]), np.full((4, 1), 0.3)

    def __call__(self, x):
        z = sum(self.kernel[i] * x[:, i : i + 4] for i in range(3))
        return np.maximum(z, 0) @ self.out


class Residual(dr.Module):
    """x + f(x), then a layer."""

    def __init__(self):
        self.inner, self.last = dr.Dense(2, "tanh"), dr.Dense(1)

    def __call__(self, x):
        return self.last(x + self.inner(x))


ODD = {
    "softmax": (lambda: dr.Sequential(dr.Dense(3, softmax)), 2, 3),
    "recurrent": (Recurrent, 3, 3),
    "recurrent in reverse": (lambda: Recurrent(reverse=True), 3, 3),
    "convolution": (Convolution, 6, 1),
    "residual": (Residual, 2, 1),
}


@pytest.mark.parametrize("name", ODD)
def test_networks_of_every_kind(name):
    make, inputs, outputs = ODD[name]
    net = make().init((1, inputs), dtype="float64")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(1, inputs)), rng.normal(size=(1, outputs))
    worked = dr.explain(net, x, y, optimizer=dr.Adam(0.1), steps=2)
    if not any(np.ndim(q.value) for q in worked.steps[0]):
        check_formulas(worked)
    objective = loss_of("half_squared_error")
    error, grads = dr.value_and_grad(lambda p: objective(net(x, params=p), y))(net.params)
    values = worked.values
    assert values.get("E_total", values.get("E")) == pytest.approx(error, rel=1e-14)
    gradients = [q.value for q in worked.steps[0] if q.role == "gradient"]
    found = sorted(g for leaf in gradients for g in np.ravel(leaf))
    expected = sorted(g for leaf in flat(grads) for g in np.ravel(leaf[1]))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert max(map(len, worked.text().splitlines())) <= 100


def test_t1_a_loop_is_written_out():
    net = Recurrent().init((1, 3), dtype="float64")
    x, t = np.array([[1.0, 0.5, -1.0]]), np.array([[0.5, 0.2, -0.3]])
    worked = dr.explain(net, x, t)
    exact = {
        "E": 0.198928417886,
        "H1": 0.761594155956,
        "H4": 0.706818409142,
        "H7": -0.569370439168,
        "dE/dW1": 0.029790044,
        "dE/du": 0.439633249,
        "dE/db": 0.179576561,
        "dE/dW2": 0.710828727,
    }
    for name, value in exact.items():
        assert np.asarray(worked.values[name]).item() == pytest.approx(value, abs=1e-9), name
    assert worked["H4"].formula == "tanh(H3 + Z4 + b)"
    assert worked["dE/db"].formula == "Σ(dE/dZ7) + Σ(dE/dZ4) + Σ(dE/dZ1)"


def test_parts_of_an_array_are_told_apart():
    """Formulas of whole arrays must not take two slices, or sums along two axes, for one."""

    def f(x):
        a = x[:2] * x[2:4]
        return np.sum(a) + np.sum(x[:2] * x[1:3])

    worked = dr.explain(f, np.array([1.0, 2.0, 3.0, 4.0]))
    assert "x[0:2]" in worked["a"].formula and "x[2:4]" in worked["a"].formula
    assert "x[1:3]" in worked["f"].formula


def test_a_loss_of_ones_own():
    net = dr.Sequential(dr.Dense(1)).init((1, 2), dtype="float64")
    x, y = np.array([[0.9, 0.1]]), np.array([1.0])
    worked = dr.explain(net, x, y, loss=lambda out, t: np.sum(np.log(np.cosh(out[:, 0] - t))))
    check_formulas(worked)
    expected = np.tanh(worked.values["out_o1"] - 1)
    assert worked.values["delta_o1"] == pytest.approx(expected, abs=1e-14)


def test_a_choice_is_shown_as_it_was_made():
    net = dr.Sequential(dr.Dense(1, bias=False)).init((1, 1), dtype="float64")
    for weight, formula in ((2.0, "0.1*net_o1"), (-2.0, "net_o1")):
        leaky = dr.Sequential(dr.Dense(1, lambda z: np.where(z > 0, 0.1 * z, z), bias=False))
        net = leaky.init((1, 1), dtype="float64")
        net.params = {"dense1": {"weight": np.array([[weight]])}}
        text = dr.explain(net, np.ones((1, 1)), np.ones((1, 1))).text()
        (line,) = (
            line
            for line in text.splitlines()
            if line.strip().startswith("out_o1 ") and "new" not in line
        )
        assert f" = {formula} = " in line
        assert ("net_o1 > 0 holds" in line) == (weight > 0)


# --- large networks, single weights ---


def large():
    rng = np.random.default_rng(0)
    net = dr.Sequential(dr.Dense(32, "relu"), dr.Dense(16, "tanh"), dr.Dense(10))
    net.init((8, 40), seed=1)
    return net, rng.normal(size=(8, 40)), rng.integers(0, 10, 8)


def test_matrix_form():
    net, x, y = large()
    worked = dr.explain(net, x, y, loss="cross_entropy", optimizer=dr.SGD(0.1))
    params = {
        layer: {name: w.astype(float) for name, w in weights.items()}
        for layer, weights in net.params.items()
    }
    objective = loss_of("cross_entropy")
    error, grads = dr.value_and_grad(lambda p: objective(net(x, params=p), y))(params)
    assert worked.values["E"] == error
    for number, layer in enumerate(params, 1):
        for letter, name in (("W", "weight"), ("b", "bias")):
            key = f"{letter}{number}"
            np.testing.assert_array_equal(worked.values[f"dE/d{key}"], grads[layer][name])
            expected = params[layer][name] - 0.1 * grads[layer][name]
            np.testing.assert_array_equal(worked.values[f"{key}_new"], expected)
    formulas = {
        "Z1": "X W1 + b1",
        "H1": "max(0, Z1)",
        "dE/dW2": "H1^T dE/dZ2",
        "dE/db2": "Σ(dE/dZ2)",
        "dE/dH1": "dE/dZ2 W2^T",
        "W1_new": "W1 - lr*dE/dW1",
    }
    assert {name: worked[name].formula for name in formulas} == formulas
    text = worked.text()
    assert "dE/dZ1 = dE/dH1 ⊙ [Z1 > 0]   8 × 32, norm" in text
    assert worked.markdown() and worked.latex() and worked.html()


@pytest.mark.parametrize(
    ("weight", "layer", "kind", "place"),
    [
        ("dense1.weight[3, 7]", "dense1", "weight", (3, 7)),
        ("dense2.bias[4]", "dense2", "bias", (4,)),
        ("dense3.weight[2,1]", "dense3", "weight", (2, 1)),
    ],
)
def test_one_weight_of_a_large_network(weight, layer, kind, place):
    net, x, y = large()
    worked = dr.explain(net, x, y, loss="cross_entropy", weight=weight)
    check_formulas(worked)
    whole = dr.explain(net, x, y, loss="cross_entropy")
    number = layer[-1]
    key = f"{'W' if kind == 'weight' else 'b'}{number}"
    own = f"dE/d{key}[{','.join(map(str, place))}]"
    assert worked.values[own] == whole.values[f"dE/d{key}"][place]
    assert own in worked.text()


class Centre(dr.Module):
    """Rows without their mean, by broadcasting an axis of size 1."""

    def __init__(self):
        self.scale = np.array([[1.5], [0.5]])

    def __call__(self, x):
        return (x - x.mean(axis=1, keepdims=True)) * self.scale


@pytest.mark.parametrize("weight", ["centre1.scale[1, 0]", "dense1.weight[1, 2]", "dense2.bias[0]"])
def test_one_weight_behind_axes_of_size_one(weight):
    net = dr.Sequential(dr.Dense(3, "tanh"), Centre(), dr.Dense(1)).init((2, 2), dtype="float64")
    x, y = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([[1.0], [-1.0]])
    worked = dr.explain(net, x, y, weight=weight)
    check_formulas(worked)
    objective = loss_of("half_squared_error")
    grads = dr.grad(lambda p: objective(net(x, params=p), y))(net.params)
    layer, _, rest = weight.partition(".")
    name, _, places = rest.rstrip("]").partition("[")
    expected = grads[layer][name][tuple(map(int, places.split(",")))]
    (found,) = [q.value for q in worked.steps[0] if q.role == "gradient"]
    assert found == expected


@pytest.mark.parametrize(
    "weight", ["dense1.weigth[3, 7]", "dense1.weight[3]", "dense1.weight[3, 99]"]
)
def test_a_weight_that_is_not_there(weight):
    net, x, y = large()
    with pytest.raises(dr.DataError, match="counted from 0"):
        dr.explain(net, x, y, loss="cross_entropy", weight=weight)


# --- functions ---


def circuit(x, y, z):
    q = x + y
    return q * z


def test_a_function_line_by_line():
    worked = dr.explain(circuit, -2.0, 5.0, -4.0, argnums=(0, 1, 2))
    values = worked.values
    assert [values[k] for k in ("q", "circuit", "dcircuit/dq")] == [3.0, -12.0, -4.0]
    assert [values[f"dcircuit/d{k}"] for k in "xyz"] == [-4.0, -4.0, 3.0]
    assert worked["circuit"].formula == "q*z"
    assert worked["q"].where.startswith("test_explain.py:")


def test_a_function_of_nested_parameters_and_arrays():
    def neuron(w, x):
        s = w["a"] * x[0] + w["b"] * x[1]
        return 1 / (1 + np.exp(-(s + w["c"])))

    w, x = {"a": 2.0, "b": -3.0, "c": -3.0}, np.array([-1.0, -2.0])
    worked = dr.explain(neuron, w, x)
    grads = dr.grad(neuron)(w, x)
    assert {k: worked.values[f"dneuron/dw.{k}"] for k in "abc"} == grads
    assert worked["s"].formula == "w.a*x[0] + w.b*x[1]"
    assert "2*(-1) + (-3)*(-2)" in worked.text()


def test_a_function_that_writes_and_branches():
    def f(a, b):
        c = a + b
        if c < 0:
            c = c * 2
        d = np.zeros(2)
        d[0] = c * b
        return np.sum(d**2)

    worked = dr.explain(f, -4.0, 2.0, argnums=(0, 1))
    ga, gb = dr.grad(f, argnums=(0, 1))(-4.0, 2.0)
    assert (worked.values["df/da"], worked.values["df/db"]) == (ga, gb)


# --- what cannot be explained says so ---


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: dr.explain(dr.Sequential(dr.Dense(1)), [[1.0]], [1.0]),
            dr.ShapeError,
            "no weights yet",
        ),
        (lambda: dr.explain(lambda x: x, np.ones(3)), dr.GradientError, "Sum it"),
        (lambda: dr.explain(lambda x: 3.0, 1.0), dr.GradientError, "does not depend"),
        (lambda: dr.explain(7), TypeError, "a network or a function"),
        (lambda: dr.explain(large()[0], 1), TypeError, "explain(net, x, y)"),
        (lambda: dr.explain(*large(), loss="cross_entropy", steps=0), dr.DataError, "at least 1"),
        (lambda: dr.explain(circuit, 1.0, 1.0, 1.0, argnums=5), dr.GradientError, "argnums"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
