"""Networks: what is a weight, what it is called, what it starts as, and what a call computes."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import deltarule as dr
from deltarule.compile import jit
from deltarule.derive import stage
from deltarule.errors import DataError, ShapeError, TracedValueError, TypeRuleError
from deltarule.nn import module
from deltarule.nn.initializers import INITIALIZERS
from deltarule.program.types import ArrayType

X = np.random.default_rng(0).normal(size=(5, 3))
KEY = dr.random.key(3)
ONES = np.ones(2, np.float32)


def shapes(tree):
    return {k: shapes(v) if isinstance(v, dict) else v.shape for k, v in tree.items()}


def tree_equal(a, b):
    return a.keys() == b.keys() and all(
        tree_equal(a[k], b[k]) if isinstance(a[k], dict) else np.array_equal(a[k], b[k]) for k in a
    )


class Mixed(dr.Module):
    """Every kind of attribute."""

    def __init__(self):
        self.gain = np.ones(4)
        self.first = dr.Dense(4, "tanh")
        self.blocks = [dr.Dense(4, "tanh") for _ in range(2)]
        self.heads = {"price": dr.Dense(1), "rooms": (dr.Dense(2), dr.Dense(3))}
        self.seen = dr.State(np.zeros(4))
        self.rows = dr.State(0)
        self.scale = np.sqrt(2.0)
        self.names = ["a", "b"]
        self.order = np.array([0, 1])

    def __call__(self, x):
        x = self.first(x) * self.gain
        for block in self.blocks:
            x = x + block(x)
        if self.training:
            self.seen = 0.5 * self.seen + 0.5 * x.mean(axis=0)
            self.rows = self.rows + x.shape[0]
        price, (two, three) = self.heads["price"](x), self.heads["rooms"]
        return self.scale * price + two(x)[:, :1] + three(x)[:, 1:2]


def test_weights_and_states_are_found_by_name():
    net = Mixed().init((1, 3), seed=0)
    dense = {"weight": (4, 4), "bias": (4,)}
    assert shapes(net.params) == {
        "gain": (4,),
        "first": {"weight": (3, 4), "bias": (4,)},
        "blocks1": dense,
        "blocks2": dense,
        "heads_price": {"weight": (4, 1), "bias": (1,)},
        "heads_rooms1": {"weight": (4, 2), "bias": (2,)},
        "heads_rooms2": {"weight": (4, 3), "bias": (3,)},
    }
    assert shapes(net.state) == {"seen": (4,), "rows": ()}
    assert net(X).shape == (5, 1)


def test_numbers_are_constants_and_floats_are_the_networks_type():
    net = Mixed().init((1, 3), seed=0)
    assert "scale" not in net.params and net.scale == np.sqrt(2.0)
    assert {w.dtype for _, w in module.flat(net.params)} == {np.dtype("float32")}
    assert net.state["seen"].dtype == np.float32 and net.state["rows"].dtype == np.int64
    assert net(X).dtype == np.float32


def test_float64_networks():
    net = Mixed().init((1, 3), seed=0, dtype="float64")
    assert net.dtype == np.float64 and net(X).dtype == np.float64
    assert net.state["seen"].dtype == np.float64
    single = Mixed().init((1, 3), seed=0)
    np.testing.assert_allclose(net(X), single(X), rtol=1e-5)
    np.testing.assert_array_equal(
        net.params["first"]["weight"].astype(np.float32), single.params["first"]["weight"]
    )


def test_layers_of_a_list_that_grew_after_its_assignment_are_found():
    class Net(dr.Module):
        def __init__(self):
            self.layers = []
            for _ in range(2):
                self.layers.append(dr.Dense(2))

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    assert list(Net().init((1, 3)).params) == ["layers1", "layers2"]


def test_sequential_names_layers_by_class_and_number():
    inner = dr.Sequential(dr.Dense(2), dr.Activation("tanh"), dr.Dense(2))
    net = dr.Sequential(dr.Dense(4, "relu"), np.tanh, dr.Dropout(0.1), inner, dr.Dense(1))
    net.init((1, 3))
    dense = {"weight": (2, 2), "bias": (2,)}
    assert shapes(net.params) == {
        "dense1": {"weight": (3, 4), "bias": (4,)},
        "sequential1": {"dense1": {"weight": (4, 2), "bias": (2,)}, "dense2": dense},
        "dense2": {"weight": (2, 1), "bias": (1,)},
    }
    assert "dropout1" in dict(net.children())
    assert repr(net).startswith("Sequential(Dense(4, 'relu'), tanh, Dropout(0.1), Sequential(")


def test_subclass_of_sequential_may_have_layers_of_its_own():
    class Net(dr.Sequential):
        def __init__(self):
            super().__init__(dr.Dense(4))
            self.head = dr.Dense(1)

        def __call__(self, x):
            return self.head(super().__call__(x))

    net = Net().init((1, 3))
    assert list(net.params) == ["dense1", "head"] and net(X).shape == (5, 1)


def test_super_call_extends_a_layer():
    class Doubled(dr.Dense):
        def __call__(self, x):
            return 2 * super().__call__(x)

    double, single = (cls(2).init((1, 3), seed=4) for cls in (Doubled, dr.Dense))
    np.testing.assert_array_equal(double(X), 2 * single(X))


def test_a_shared_layer_has_one_set_of_weights_and_the_sum_of_gradients():
    shared = dr.Dense(3, "tanh")
    net = dr.Sequential(shared, shared, dr.Dense(1)).init((1, 3), seed=1, dtype="float64")
    assert list(net.params) == ["dense1", "dense3"]
    assert net.params["dense1"]["weight"] is shared.params["weight"]
    w, b = shared.params["weight"], shared.params["bias"]
    hidden = np.tanh(np.tanh(X @ w + b) @ w + b)
    head = net.params["dense3"]
    np.testing.assert_allclose(net(X), hidden @ head["weight"] + head["bias"])
    dr.check_grads(lambda p: np.sum(net(X, params=p) ** 2), net.params, order=1)


def test_layers_of_a_network_can_be_called_alone():
    net = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(1)).init((1, 3))
    np.testing.assert_array_equal(net.layers[1](net.layers[0](X)), net(X))


def test_keyword_arguments_reach_layers():
    class Scaled(dr.Module):
        def __init__(self):
            self.gain = np.ones(3)

        def __call__(self, x, factor=1.0):
            return x * self.gain * factor

    class Net(dr.Module):
        def __init__(self):
            self.scaled = Scaled()

        def __call__(self, x, factor=2.0):
            return self.scaled(x, factor=factor)

    net = Net().init((1, 3), dtype="float64")
    np.testing.assert_array_equal(net(X), 2 * X)
    np.testing.assert_array_equal(net(X, factor=3.0), 3 * X)
    np.testing.assert_array_equal(net(X, params=net.params, factor=3.0), 3 * X)


def test_networks_can_be_copied():
    net = Mixed().init((1, 3), seed=0)
    other = copy.deepcopy(net)
    np.testing.assert_array_equal(other(X), net(X))
    other.gain = np.zeros(4)
    assert net.gain[0] == 1


# --- what is refused, and how it is said ---


def test_an_attribute_may_change_its_kind():
    net = dr.Dense(2)
    for value in (np.ones(3), None, dr.Dense(1), np.ones(2)):
        net.extra = value
    assert shapes(net.params) == {"extra": (2,)} and not list(net.children())
    net.extra = dr.State(np.ones(2))
    assert net.params == {} and shapes(net.state) == {"extra": (2,)}
    with pytest.raises(ShapeError, match="a state keeps its type"):
        net.extra = None


@pytest.mark.parametrize("holder", [list, tuple, lambda a: {"w": a[0]}])
def test_a_weight_inside_a_list_is_refused(holder):
    class Net(dr.Module):
        def __init__(self):
            self.weights = holder([np.ones((3, 1))])

        def __call__(self, x):
            return x

    with pytest.raises(ShapeError, match=r"weights(1|_w) is inside a list or dict"):
        Net().init((1, 3))


def test_two_things_of_one_name_are_refused():
    class Net(dr.Module):
        def __init__(self):
            self.layer1 = dr.Dense(1)
            self.layer = [dr.Dense(2)]

        def __call__(self, x):
            return self.layer1(self.layer[0](x))

    with pytest.raises(ShapeError, match="'layer1' names two things"):
        Net().init((1, 3))


def test_a_name_with_a_dot_is_refused():
    class Net(dr.Module):
        def __init__(self):
            self.heads = {"a.b": dr.Dense(1)}

        def __call__(self, x):
            return self.heads["a.b"](x)

    with pytest.raises(ShapeError, match=r"'heads_a.b' has a dot"):
        Net().init((1, 3))


@pytest.mark.parametrize("name", ["forward", "init", "training", "apply", "built", "_arrays"])
def test_the_names_of_module_are_taken(name):
    with pytest.raises(ShapeError, match=f"networks have '{name}' already"):
        setattr(dr.Dense(1), name, 3)


def test_a_class_is_told_where_its_code_belongs():
    with pytest.raises(DataError, match="its __call__; rename it"):
        type("Net", (dr.Module,), {"forward": lambda self, x: x})
    with pytest.raises(DataError, match=r"parameter 'train'.*self\.training"):
        type("Net", (dr.Module,), {"__call__": lambda self, x, train=False: x})
    empty = type("Net", (dr.Module,), {})
    with pytest.raises(DataError, match="Net has no __call__"):
        empty().init((1, 3))


@pytest.mark.parametrize(
    "value", [lambda w, x: w * 2, lambda w, x: x, lambda w, x: np.ones((3, 1))]
)
def test_assigning_weights_in_a_call_is_an_error(value):
    class Net(dr.Module):
        def __init__(self):
            self.w = np.ones((3, 1))

        def __call__(self, x):
            self.w = value(self.w, x)
            return x @ self.w

    with pytest.raises(ShapeError, match=r"Net\.w is assigned an array while.*dr\.State"):
        Net().init((1, 3))


def test_keeping_an_activation_in_a_call_makes_no_weight():
    class Net(dr.Module):
        def __init__(self):
            self.dense = dr.Dense(1)
            self.keep = False

        def __call__(self, x):
            y = self.dense(x)
            if self.keep:
                self.hidden = y
            return y

    net = Net().init((1, 3))
    net.keep = True
    with pytest.raises(ShapeError, match=r"Net\.hidden is assigned an array"):
        net(X)
    assert list(net.params) == ["dense"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.Dense(0), "at least 1, not 0"),
        (lambda: dr.Dense(2.0), "not 2.0"),
        (lambda: dr.Dense(True), "not True"),
        (lambda: dr.Dense(2, "rleu"), "no activation is called 'rleu'; known: identity"),
        (
            lambda: dr.Dense(2, initializer="xavier"),
            "no initializer is called 'xavier'; known: zeros",
        ),
        (lambda: dr.Activation("soft"), "no activation is called 'soft'"),
        (lambda: dr.Dropout(1.0), r"in \[0, 1\), not 1.0"),
        (lambda: dr.Dropout(-0.1), "not -0.1"),
        (lambda: dr.Dropout("half"), "not 'half'"),
        (lambda: dr.Sequential(dr.Dense), r"Dense\(...\) instead of Dense"),
        (lambda: dr.Sequential([dr.Dense(1)]), r"Sequential\(\*layers\)"),
        (lambda: dr.Dense(1).init(3), r"net.init\(X.shape\)"),
        (lambda: dr.Dense(1).init((3,)), r"not \(3,\)"),
        (lambda: dr.Dense(1).init((1, 0)), r"not \(1, 0\)"),
        (lambda: dr.Dense(1).init((1, 3), dtype="float16"), "float32 or float64, not float16"),
        (lambda: dr.Dense(1).init((1, 3), seed="a"), "not 'a'"),
        (lambda: dr.Dense(1)(X), r"Dense has no weights yet: call net.init\(X.shape, seed\)"),
        (lambda: dr.Dense(1).init((1, 3))(X, train=True), "need params="),
        (lambda: dr.Dense(1).init((1, 3))(X, key=KEY), "need params="),
        (lambda: dr.Dense(1).init((1, 3))(5.0), "a single number was given"),
        (
            lambda: dr.Dense(1).init((1, 3))([["a", "b", "c"]]),
            "X has dtype <U1; numbers are needed",
        ),
        (
            lambda: dr.Dense(1, initializer=lambda k, s: np.ones(2)).init((1, 3)),
            r"weight returned float64\[2\]",
        ),
    ],
)
def test_errors_say_what_is_wrong_and_what_helps(make, words):
    with pytest.raises((ShapeError, DataError), match=words):
        make()


def test_inputs_of_another_width_name_the_layer_both_shapes_and_the_cure():
    net = dr.Sequential(dr.Dense(4), dr.Dense(1)).init((1, 3))
    with pytest.raises(ShapeError) as caught:
        net(X[:, :2])
    message = str(caught.value)
    for words in (
        "(5, 2)",
        "(3, 4)",
        "take 3 numbers",
        "net.init(X.shape)",
        "layer dense1, Dense(4)",
    ):
        assert words in message
    assert message.count("in layer") == 1


def test_errors_of_numpy_in_a_layer_name_it_in_a_note():
    class Wrong(dr.Module):
        def __call__(self, x):
            return x @ np.ones((7, 2), np.float32)

    net = dr.Sequential(dr.Sequential(Wrong()))
    object.__setattr__(net, "_dtype", np.dtype("float32"))
    with pytest.raises(ValueError, match="matmul") as caught:
        net(X)
    assert caught.value.__notes__ == ["in layer sequential1.wrong1, Wrong()"]
    with pytest.raises(TypeRuleError, match=r"in layer sequential1.wrong1"):
        net.init((1, 3))


def test_nodes_carry_the_path_of_their_layer():
    net = dr.Sequential(dr.Dense(2), np.sin, dr.Sequential(dr.Dense(2, "tanh"))).init((1, 3))
    graph = stage(lambda x: [net(x)], [ArrayType((4, 3), np.dtype("float32"))]).graph
    scopes = [(n.primitive.name, n.origin.scope) for n in graph.nodes if n.origin and n.args]
    assert [s for name, s in scopes if name == "matmul"] == ["dense1", "sequential1.dense1"]
    assert ("tanh", "sequential1.dense1") in scopes and ("sin", "") in scopes


def test_a_network_may_be_made_inside_the_call_of_another():
    class Outer(dr.Module):
        def __init__(self):
            self.dense = dr.Dense(2)

        def __call__(self, x):
            other = dr.Dense(2)
            other.gain = ONES
            return self.dense(x) * other.gain

    assert Outer().init((1, 3))(X).shape == (5, 2)


# --- initial weights ---


def test_init_is_a_function_of_seed_and_path_only():
    small = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(2)).init((1, 3), seed=9).params
    large = (
        dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(2), dr.Dense(7)).init((64, 3), seed=9).params
    )
    assert tree_equal(large["dense1"], small["dense1"])
    assert tree_equal(large["dense2"], small["dense2"])
    other = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(2)).init((1, 3), seed=10).params
    assert not np.array_equal(other["dense1"]["weight"], small["dense1"]["weight"])
    twins = dr.Sequential(dr.Dense(3, "tanh"), dr.Dense(3, "tanh")).init((1, 3), seed=9).params
    assert not np.array_equal(twins["dense1"]["weight"], twins["dense2"]["weight"])


def test_a_second_init_draws_again_and_forgets_training():
    net = Mixed().init((1, 3), seed=0)
    first = copy.deepcopy(net.params)
    net.gain, net.seen = np.full(4, 7.0), np.full(4, 7.0)
    net.init((1, 6), seed=1)
    assert net.params["first"]["weight"].shape == (6, 4)
    net.init((1, 3), seed=0)
    net.params = {**net.params, "gain": np.zeros(4, np.float32)}
    net.init((1, 3), seed=0)
    assert net.gain[0] == 7 and net.state["seen"][0] == 0
    assert tree_equal({**net.params, "gain": first["gain"]}, first)


def test_a_failed_init_leaves_the_network_as_it_was():
    net = dr.Sequential(dr.Dense(4), lambda x: x @ np.ones((4, 2), np.float32)).init((1, 3), seed=0)
    before = net(X)
    net.layers[0].units = 5
    with pytest.raises(TypeRuleError):
        net.init((1, 3), seed=1)
    np.testing.assert_array_equal(net(X), before)


def test_layers_that_have_weights_keep_them_in_a_new_network():
    encoder = dr.Dense(4, "tanh").init((1, 3), seed=5)
    before = encoder.params["weight"].copy()
    net = dr.Sequential(encoder, dr.Dense(1))
    dr.fit(net, X, X[:, 0], epochs=0, seed=1)
    np.testing.assert_array_equal(net.params["dense1"]["weight"], before)
    net.init((1, 3), seed=1)
    assert not np.array_equal(net.params["dense1"]["weight"], before)


VARIANCE = {
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "glorot_normal": lambda i, o: 2 / (i + o),
    "he_uniform": lambda i, o: 2 / i,
    "he_normal": lambda i, o: 2 / i,
}


@pytest.mark.parametrize("name", VARIANCE)
def test_statistics_of_initial_weights(name):
    i, o = 300, 200
    layer = dr.Dense(o, initializer=name).init((1, i), seed=2, dtype="float64")
    w, variance = layer.params["weight"], VARIANCE[name](i, o)
    n = w.size
    assert abs(w.mean()) < 4 * math.sqrt(variance / n)
    assert abs(w.var() / variance - 1) < 4 * math.sqrt((2 if "normal" in name else 0.8) / n)
    if "uniform" in name:
        bound = math.sqrt(3 * variance)
        assert bound * 0.999 < abs(w).max() <= bound
    else:
        assert abs(np.mean(abs(w) < math.sqrt(variance)) - 0.682689) < 4 * math.sqrt(0.22 / n)
    assert not layer.params["bias"].any()


def test_relu_layers_start_with_he_others_with_glorot():
    for activation, name in (
        ("relu", "he_normal"),
        ("tanh", "glorot_uniform"),
        (None, "glorot_uniform"),
    ):
        one = dr.Dense(4, activation).init((1, 3), seed=1).params
        two = dr.Dense(4, activation, initializer=name).init((1, 3), seed=1).params
        assert tree_equal(one, two)


def test_initializers_keep_the_size_of_signals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 256)).astype(np.float32)
    for activation in ("relu", "tanh"):
        net = dr.Sequential(*(dr.Dense(256, activation) for _ in range(10))).init(x.shape, seed=0)
        assert 0.1 < np.std(net(x)) < 3


def test_a_function_may_draw_the_weights():
    layer = dr.Dense(2, initializer=lambda key, shape: np.arange(6.0).reshape(shape))
    np.testing.assert_array_equal(layer.init((1, 3)).params["weight"], np.arange(6.0).reshape(3, 2))
    assert set(INITIALIZERS) >= {"zeros", "ones"}
    assert dr.Dense(2, initializer="ones").init((1, 3)).params["weight"].all()


def test_a_layer_of_ones_own_declares_weights_when_it_sees_its_inputs():
    class Diagonal(dr.Module):
        def __call__(self, x):
            self.declare("diagonal", x.shape[-1:], INITIALIZERS["ones"])
            return x * self.diagonal

    net = dr.Sequential(Diagonal(), dr.Dense(1)).init((1, 3))
    assert net.params["diagonal1"]["diagonal"].tolist() == [1, 1, 1]


# --- setting weights ---


def test_setting_weights_checks_names_shapes_and_types():
    net = dr.Sequential(dr.Dense(2), dr.Dense(1)).init((1, 3))
    good = net.params
    first, second = good["dense1"], good["dense2"]
    other = {"weight": np.ones((2, 1)), "bias": np.ones(1)}
    square, whole = (
        {**other, "weight": np.ones((2, 2))},
        {**other, "weight": np.ones((2, 1), complex)},
    )
    for wrong, words in [
        ({"dense1": first}, "missing dense2.bias, dense2.weight; unknown none"),
        ({**good, "dense3": second}, "unknown dense3.bias, dense3.weight"),
        ({**good, "dense2": square}, r"dense2.weight have shape \(2, 1\); shape \(2, 2\)"),
        ({**good, "dense2": whole}, "dense2.weight are float32; complex128"),
        ({**good, "dense2": other}, "float32 and float64 were given"),
        ([1, 2], "nested dict, like net.params; given is list"),
    ]:
        with pytest.raises(ShapeError, match=words):
            net.params = wrong
        assert tree_equal(net.params, good)
    with pytest.raises(ShapeError, match="state do not fit this network"):
        net.state = {"mean": np.zeros(3)}


def test_weights_are_copied_in_and_set_the_float_type():
    net = Mixed().init((1, 3), seed=0)
    given = Mixed().init((1, 3), seed=1, dtype="float64").params
    net.params = given
    assert net.dtype == np.float64 and net.state["seen"].dtype == np.float64
    given["gain"][:] = 9
    assert net.gain[0] == 1


def test_weights_may_be_set_as_attributes():
    net = dr.Sequential(dr.Dense(2)).init((1, 3))
    net.layers[0].weight = np.zeros((3, 2))
    net.layers[0].bias = [1.0, 2.0] * np.ones(2)
    np.testing.assert_array_equal(net(X), [[1, 2]] * 5)
    assert net.params["dense1"]["weight"].dtype == np.float32


def test_traced_weights_cannot_be_stored():
    net = dr.Dense(1).init((1, 3))

    def loss(p):
        net.params = p
        return np.sum(net(X) ** 2)

    with pytest.raises(TracedValueError):
        dr.grad(loss)(net.params)


# --- calls ---


def test_the_pure_call_is_the_evaluation():
    net = Mixed().init((1, 3), seed=0)
    net.scale = 1.5
    np.testing.assert_array_equal(net(X, params=net.params), net(X))
    assert net(X, params=net.params).dtype == np.float32
    wide = Mixed().init((1, 3), seed=0, dtype="float64").params
    assert net(X, params=wide).dtype == np.float64
    assert net.dtype == np.float32


def test_the_pure_call_takes_exactly_the_networks_weights():
    net = dr.Sequential(dr.Dense(2), dr.Dense(1)).init((1, 3))
    with pytest.raises(ShapeError, match=r"missing dense2.bias"):
        net(X, params={"dense1": net.params["dense1"]})
    with pytest.raises(ShapeError, match="shape"):
        net(X, params={**net.params, "dense2": {"weight": np.ones((1, 1)), "bias": np.ones(1)}})


def test_a_network_inside_a_traced_function_is_constant():
    net = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(1)).init((1, 3), seed=0, dtype="float64")
    dr.check_grads(lambda x: np.sum(net(x) ** 2), X)
    teacher = dr.Dense(1).init((1, 3), seed=1, dtype="float64")
    student = dr.Dense(1).init((1, 3), seed=2, dtype="float64")

    def loss(p):
        return np.mean((student(X, params=p) - teacher(X)) ** 2)

    expected = 2 * X.T @ (student(X) - teacher(X)) / 5
    np.testing.assert_allclose(dr.grad(loss)(student.params)["weight"], expected)


@pytest.mark.parametrize("rows", [1, 3, 4, 100])
def test_evaluation_in_chunks_is_evaluation_in_one(rows, monkeypatch):
    net = Mixed().init((1, 3), seed=0, dtype="float64")
    whole = net(X)
    monkeypatch.setattr(module, "CHUNK_ELEMENTS", rows * 3)
    np.testing.assert_allclose(net(X), whole, rtol=1e-14)
    assert net(X[:0]).shape == (0, 1)


def test_integers_bools_and_lists_are_inputs():
    net = dr.Dense(2).init((1, 3), seed=0)
    expected = net(np.array([[1.0, 0.0, 1.0]]))
    for x in ([[1, 0, 1]], np.array([[True, False, True]]), np.array([[1, 0, 1]], np.uint8)):
        np.testing.assert_array_equal(net(x), expected)


def test_leading_axes_are_kept():
    net = dr.Dense(2, "tanh").init((1, 4, 3), seed=0)
    x = np.random.default_rng(1).normal(size=(6, 4, 3))
    assert net(x).shape == (6, 4, 2)
    np.testing.assert_allclose(net(x)[2], net(x[2]), rtol=1e-6)


# --- state ---


def test_state_assigned_in_a_training_call_is_a_result():
    net = Mixed().init((1, 3), seed=0, dtype="float64")
    _, state = net.apply(net.params, net.state, X, train=True)
    hidden = np.tanh(X @ net.params["first"]["weight"])
    for block in ("blocks1", "blocks2"):
        hidden = hidden + np.tanh(hidden @ net.params[block]["weight"])
    np.testing.assert_allclose(state["seen"], hidden.mean(0) / 2)
    assert state["rows"] == 5 and net.state["rows"] == 0 and not net.state["seen"].any()
    _, unchanged = net.apply(net.params, net.state, X)
    assert tree_equal(unchanged, net.state)


def test_state_is_no_weight_but_gradients_flow_through_it():
    class Carry(dr.Module):
        def __init__(self):
            self.w = np.array(0.5)
            self.h = dr.State(np.array(1.0))

        def __call__(self, x):
            self.h = self.h * self.w
            return x * self.h

    net = Carry().init((1, 3), dtype="float64")
    assert list(net.params) == ["w"]
    dr.check_grads(lambda p: np.sum(net(X, params=p) ** 2), net.params)
    assert net.state["h"] == 1


def test_state_assigned_in_evaluation_lasts_for_the_call(monkeypatch):
    class Twice(dr.Module):
        def __init__(self):
            self.h = dr.State(np.array(1.0))

        def __call__(self, x):
            self.h = self.h * 2
            return x * self.h

    net = Twice().init((1, 3))
    monkeypatch.setattr(module, "CHUNK_ELEMENTS", 3)
    np.testing.assert_allclose(net(X), 2 * X, rtol=1e-6)
    assert net.state["h"] == 1


@pytest.mark.parametrize("value", [lambda x: x.mean(), lambda x: np.arange(3), lambda x: x[0, :2]])
def test_a_state_keeps_its_type(value):
    class Net(dr.Module):
        def __init__(self):
            self.count = dr.State(
                np.zeros(3, np.int32) if value(X).dtype.kind != "f" else np.zeros(3)
            )

        def __call__(self, x):
            self.count = value(x)
            return x

    net = Net()
    if value(X).dtype.kind == "f":
        with pytest.raises(
            ShapeError, match=r"Net\.count is state of type float32\[3\]; it is assigned float32\["
        ):
            net.init((1, 3))
    else:
        net.init((1, 3))
        assert net.apply({}, net.state, X)[1]["count"].dtype == np.int32


# --- dropout ---


def dropped(rate, x, key=KEY, step=0):
    net = dr.Dropout(rate).init((1, 1), dtype="float64")
    return net.apply({}, {}, x, train=True, key=key, step=np.int64(step))[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    n = 100_000
    y = dropped(rate, np.ones(n))
    assert set(np.unique(y)) == {0.0, 1 / (1 - rate)}
    tolerance = 4 * math.sqrt(rate * (1 - rate) / n)
    assert abs(np.mean(y == 0) - rate) < tolerance
    assert abs(np.corrcoef(y[:-1], y[1:])[0, 1]) < 4 / math.sqrt(n)


def test_dropout_is_a_function_of_key_step_and_path():
    x = np.ones((20, 20))
    first = dropped(0.5, x)
    np.testing.assert_array_equal(dropped(0.5, x), first)
    assert not np.array_equal(dropped(0.5, x, key=dr.random.key(4)), first)
    assert not np.array_equal(dropped(0.5, x, step=1), first)
    net = dr.Sequential(dr.Dropout(0.5), dr.Dropout(0.5)).init((1, 20), dtype="float64")
    once = dr.Sequential(dr.Dropout(0.5)).init((1, 20), dtype="float64")
    one = once(x, params={}, train=True, key=KEY)
    two = net(x, params={}, train=True, key=KEY)
    assert np.all(one[two > 0] > 0) and 0.15 < np.mean(two > 0) < 0.35
    same = dr.Dropout(0.5)
    twice = dr.Sequential(same, same).init((1, 20), dtype="float64")
    assert 0.15 < np.mean(twice(x, params={}, train=True, key=KEY) > 0) < 0.35


def test_dropout_is_off_in_evaluation_and_at_rate_zero():
    net = dr.Dropout(0.5).init((1, 3), dtype="float64")
    np.testing.assert_array_equal(net(X), X)
    np.testing.assert_array_equal(net(X, params={}), X)
    zero = dr.Dropout(0.0).init((1, 3), dtype="float64")
    np.testing.assert_array_equal(zero(X, params={}, train=True, key=KEY), X)


def test_the_gradient_of_dropout_is_its_mask():
    net = dr.Dropout(0.3).init((1, 3), dtype="float64")
    gradient = dr.grad(lambda x: np.sum(net(x, params={}, train=True, key=KEY)))(X)
    np.testing.assert_array_equal(gradient, net(np.ones_like(X), params={}, train=True, key=KEY))


def test_traced_and_plain_calls_drop_the_same():
    net = dr.Sequential(dr.Dense(8, "tanh"), dr.Dropout(0.5), dr.Dense(1)).init((1, 3), seed=0)
    plain = net(X, params=net.params, train=True, key=KEY)
    seen = []

    def loss(p):
        y = net(X, params=p, train=True, key=KEY)
        seen.append(dr.value(y))
        return np.sum(y)

    dr.grad(loss)(net.params)
    np.testing.assert_array_equal(seen[0], plain)
    jitted = jit.compile(lambda p, x: net(x, params=p, train=True, key=KEY))
    np.testing.assert_allclose(jitted(net.params, X.astype(np.float32)), plain, rtol=1e-5)


def test_dropout_without_a_key_says_so():
    net = dr.Sequential(dr.Dropout(0.5)).init((1, 3))
    with pytest.raises(
        DataError, match=r"key=dr.random.key\(seed\).*in layer dropout1, Dropout\(0.5\)"
    ):
        net(X, params={}, train=True)


# --- the gradients of every layer ---

NETS = {
    "dense": lambda: dr.Dense(2),
    "dense without bias": lambda: dr.Dense(2, bias=False),
    **{f"dense {f}": lambda f=f: dr.Dense(4, f) for f in ("identity", "logistic", "tanh", "relu")},
    "dense own function": lambda: dr.Dense(4, lambda z: z * np.exp(-(z**2))),
    "activation": lambda: dr.Sequential(dr.Dense(3), dr.Activation("sigmoid")),
    "function": lambda: dr.Sequential(dr.Dense(3), np.sin),
    "dropout": lambda: dr.Sequential(dr.Dense(8, "tanh"), dr.Dropout(0.4), dr.Dense(2)),
    "mixed": Mixed,
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("train", [False, True])
def test_gradients_of_every_layer(name, train):
    net = NETS[name]().init((1, 3), seed=1, dtype="float64")

    def outputs(params, x):
        return net(x, params=params, train=train, key=KEY)

    dr.check_grads(outputs, net.params, X)


def test_gradients_of_dense_are_the_formulas_of_its_docstring():
    layer = dr.Dense(4, "tanh").init((1, 3), seed=1, dtype="float64")
    ct = np.random.default_rng(2).normal(size=(5, 4))
    y, pullback = dr.vjp(lambda p, x: layer(x, params=p), layer.params, X)
    gradient, dx = pullback(ct)
    delta = ct * (1 - y**2)
    np.testing.assert_allclose(gradient["weight"], X.T @ delta)
    np.testing.assert_allclose(gradient["bias"], delta.sum(0))
    np.testing.assert_allclose(dx, delta @ layer.params["weight"].T)
