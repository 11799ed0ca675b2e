"""How weights are trained: frozen, with a rate or decay of their own, penalized, bounded.

In: networks tuned by name. Out: what the same arithmetic by hand gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.tree import flatten
from deltarule.errors import DataError, ModelFileError, ShapeError
from deltarule.nn import loss_of
from deltarule.nn.nested import flat
from deltarule.nn.tuning import PENALTIES, Tuning
from deltarule.optim.rule import Rule
from deltarule.optim.rules import OPTIMIZERS
from deltarule.train import epoch
from networks import BACKENDS, LABELS, X, Y, assert_same_bits, choose, leaves, mlp, statistics


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    choose(request.param, monkeypatch)
    return request.param


def weights(net):
    return {".".join(path): w.copy() for path, w in flat(net.params)}


def changed(before, net):
    return {name for name, w in weights(net).items() if (w != before[name]).any()}


# --- names ---


class Block(dr.Module):
    def __init__(self, units):
        self.inner = dr.Dense(units, "tanh")
        self.gain = np.ones(units)

    def __call__(self, x):
        return self.inner(x) * self.gain


def deep(seed=0):
    return dr.Sequential(Block(4), dr.Dense(3, "tanh"), dr.Dense(1)).init((1, 3), seed, "float64")


@pytest.mark.parametrize(
    ("names", "frozen"),
    [
        (["dense1"], {"dense1.weight", "dense1.bias"}),
        (["*.bias"], {"block1.inner.bias", "dense1.bias", "dense2.bias"}),
        (["block1"], {"block1.gain", "block1.inner.weight", "block1.inner.bias"}),
        (
            ["block1.inner", "dense2.bias"],
            {"block1.inner.weight", "block1.inner.bias", "dense2.bias"},
        ),
        (["dense*"], {"dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"}),
        (["*.gain"], {"block1.gain"}),
    ],
)
def test_layers_and_weights_are_frozen_by_name_or_pattern(names, frozen):
    net = deep()
    before = weights(net)
    assert net.freeze(*names) is net
    assert {path for path, own in net.tuned.items() if own == {"trainable": False}} == frozen
    dr.fit(net, X, Y, epochs=2, seed=0)
    assert changed(before, net) == before.keys() - frozen


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dens1", "no layer or weight is called 'dens1'.*Did you mean 'dense1'"),
        ("dense1.wieght", "Did you mean 'dense1.weight'"),
        ("*.scale", "no layer or weight is called"),
        ("", "no layer or weight is called ''"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(name, words):
    net = deep()
    for wrong in (["dense1"], 1, dr.Dense(1), None):
        with pytest.raises(DataError, match=r"given one by one, by name or as layers of this"):
            net.freeze(wrong)
    for act in (net.freeze, net.unfreeze, lambda name: net.tune(name, rate=0.1)):
        with pytest.raises(DataError, match=words):
            act(name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"l3": 1.0}, "no setting 'l3'; known: .*trainable"),
        ({"activaton": "relu"}, "no setting 'activaton'"),
        ({"maxnorm": 0.1}, "no setting 'maxnorm'.*Did you mean 'max_norm'"),
        ({"learning_rate": 0.1}, "no setting 'learning_rate'; known: .*trainable, rate"),
        (
            {"rate": 0},
            "rate must be a positive number, not 0; to leave weights as they are, freeze",
        ),
        ({"rate": np.nan}, "rate must be a positive number, not nan"),
        ({"decay": -1}, "decay must be 0 or a positive number, not -1"),
        ({"l2": "much"}, "l2 must be 0 or a positive number, not 'much'"),
        ({"l1": np.inf}, "l1 must be"),
        ({"l2": True}, "l2 must be"),
        ({"max_norm": 0}, "max_norm must be a positive number, not 0"),
        ({"trainable": "no"}, "trainable is True or False, not 'no'"),
    ],
)
def test_settings_are_checked(settings, words):
    with pytest.raises(DataError, match=words):
        dr.Dense(3, **settings)
    with pytest.raises(DataError, match=words):
        mlp().tune("dense1", **settings)


def test_a_setting_that_would_do_nothing_is_an_error():
    net = deep()
    for name, settings, words in [
        ("dense1.bias", {"max_norm": 1.0}, r"two axes or more; bias has shape \(3,\)"),
        ("dense1.bias", {"orthogonal": 1.0}, "two axes or more"),
        ("dense1.bias", {"activity_l1": 1.0}, "outputs of a layer"),
    ]:
        with pytest.raises((ShapeError, DataError), match=words):
            net.tune(name, **settings)

    class Scale(dr.Module):
        def __init__(self):
            self.gain = np.ones(3)

        def __call__(self, x):
            return x * self.gain

    with pytest.raises(ShapeError, match=r"l2 given for a layer.*name the weight"):
        Scale().tune(l2=0.1)
    net = dr.Sequential(dr.Dropout(0.1).tune(l2=0.1), Scale())
    with pytest.raises(ShapeError, match=r"l2 given for a layer.*none of these layers has one"):
        dr.fit(net, X, X, epochs=1, seed=0)
    with pytest.raises(DataError, match=r"tune takes a setting, as in net.tune\(rate=0.1\)"):
        net.tune()
    with pytest.raises(DataError, match=r"Did you mean 'activation'"):
        dr.Dense(2, activaton="relu")
    assert not dr.Dense(2, bias=np.False_).bias_on
    with pytest.raises(DataError, match=r"names after net.init"):
        dr.Sequential(dr.Dense(2)).freeze("*.bias")


def test_what_is_given_for_a_layer_replaces_what_its_weights_had():
    net = deep().freeze("dense1.bias", "block1").unfreeze("block1.gain")
    assert net.tuned["dense1.bias"] == {"trainable": False} and "block1.gain" not in net.tuned
    assert net.unfreeze().tuned == {}
    net.tune(l2=0.1).tune("dense1", l2=0.2).tune("dense1.bias", l2=0.3)
    assert [net.tuned[f"{name}.weight"]["l2"] for name in ("dense1", "dense2")] == [0.2, 0.1]
    assert net.tuned["dense1.bias"] == {"l2": 0.3} and "dense2.bias" not in net.tuned


def test_layers_are_frozen_by_attribute_too():
    net = deep()
    net["dense1"].trainable = False
    net.freeze(net["block1"])
    assert not net["block1.inner"].trainable and net["block1.inner"].frozen and net.trainable
    net["block1.inner"].trainable = True
    assert net["block1"].trainable and not net["block1.inner"].frozen
    net.trainable = False
    assert net.frozen and not net.trainable and not net["dense2"].trainable
    net.frozen = False
    assert net.trainable and not net["block1"].frozen and not net.tuned
    layer = dr.Dense(3, trainable=False)
    assert layer.frozen and not layer.trainable
    with pytest.raises(DataError, match=r"trainable is True or False"):
        net.frozen = 1


def test_a_layer_is_found_by_name():
    net = deep()
    assert net["dense1"] is net.layers[1] and net["block1.inner"] is net.layers[0].inner
    with pytest.raises(DataError, match=r"no layer 'dense3'.*Did you mean 'dense"):
        net["dense3"]
    with pytest.raises(AttributeError, match=r"net\['dense1'\]"):
        net.dense1.weight = 1


# --- frozen ---


def test_a_frozen_network_with_a_head_trains_as_the_head_on_its_outputs(backend):
    net = mlp(seed=1).freeze("dense1")
    features = net.layers[0](X)
    head = dr.Sequential(dr.Dense(1)).init((1, 5), dtype="float64")
    head.params = {"dense1": net.params["dense2"]}
    whole = dr.fit(net, X, Y, optimizer=dr.Adam(0.01), epochs=5, seed=0)
    alone = dr.fit(head, features, Y, optimizer=dr.Adam(0.01), epochs=5, seed=0)
    np.testing.assert_allclose(whole.history["loss"], alone.history["loss"], rtol=1e-12)
    np.testing.assert_allclose(
        net.params["dense2"]["weight"], head.params["dense1"]["weight"], rtol=1e-9
    )


def products(net):
    """How many matrix products a step has."""
    data = dr.train.prepare.prepare(net, X, Y, loss_of("mse"), None, None, None, 0)
    rule, params = dr.SGD(0.1), net.params
    carry = epoch.Carry(params, net.state, rule.init(params), np.int64(0))
    staged = epoch.stage_step(
        epoch.step_of(net, loss_of("mse"), rule), carry, dr.random.key(0), data, 8
    )
    return sum(node.primitive.name == "matmul" for node in staged.graph.nodes)


def test_frozen_weights_have_no_gradient_work():
    assert products(mlp()) == 5  # two forward, two gradients of weights, one of the layer between
    assert products(mlp().freeze("dense2")) == 4
    assert products(mlp().freeze("dense1")) == 3


def test_frozen_weights_have_no_state_of_the_optimizer():
    net = mlp().freeze("dense1.weight", "dense2.bias")
    run = dr.fit(net, X, Y, optimizer=dr.Averaged(dr.AdamW()), epochs=1, seed=0)
    for name in ("m", "v", "average"):
        kept = {".".join(path) for path, _ in flat(run.carry.opt_state[name])}
        assert kept == {"dense1.bias", "dense2.weight"}


def test_a_frozen_layer_is_in_evaluation(backend):
    class Counting(dr.Module):
        def __init__(self):
            self.seen = dr.State(np.zeros(()))
            self.drop = dr.Dropout(0.5)

        def __call__(self, x):
            self.seen = self.seen + 1.0
            return self.drop(x)

    def trained(*frozen):
        net = dr.Sequential(Counting(), dr.Dense(1)).init((1, 3), dtype="float64")
        net.freeze(*frozen) if frozen else None
        dr.fit(net, X, Y, epochs=2, batch_size=37, seed=0)
        return net

    still, plain = trained("counting1"), dr.Sequential(dr.Dense(1)).init((1, 3), dtype="float64")
    dr.fit(plain, X, Y, epochs=2, batch_size=37, seed=0)
    np.testing.assert_array_equal(
        still.params["dense1"]["weight"], plain.params["dense1"]["weight"]
    )
    assert still.state["counting1"]["seen"] == 0 and trained().state["counting1"]["seen"] == 2


def test_unfreezing_between_runs_keeps_what_the_optimizer_knows(backend):
    net = mlp().freeze("dense1")
    first = dr.fit(net, X, Y, optimizer=dr.Adam(0.01), epochs=2, batch_size=37, seed=0)
    velocity = first.carry.opt_state["m"]["dense2"]["weight"].copy()
    assert velocity.any()
    none = dr.fit(net.unfreeze(), X, Y, optimizer=dr.Adam(0.01), epochs=0, resume=first)
    np.testing.assert_array_equal(none.carry.opt_state["m"]["dense2"]["weight"], velocity)
    assert not none.carry.opt_state["m"]["dense1"]["weight"].any()
    assert none.carry.opt_state["count"] == 2
    before = weights(net)
    more = dr.fit(net, X, Y, optimizer=dr.Adam(0.01), epochs=2, resume=none)
    assert changed(before, net) == before.keys() and more.epochs == 4
    again = dr.fit(net.freeze("dense2"), X, Y, optimizer=dr.Adam(0.01), epochs=1, resume=more)
    assert list(again.carry.opt_state["m"]) == ["dense1"]


@pytest.mark.parametrize("rule", [dr.SGD(0.1), dr.SGD(0.1, momentum=0.9), dr.RMSprop()])
def test_resuming_with_another_rule_is_still_an_error(rule):
    net = mlp().freeze("dense1")
    run = dr.fit(net, X, Y, optimizer=dr.Adam(), epochs=1, seed=0)
    with pytest.raises(DataError, match=r"of another kind"):
        dr.fit(net.unfreeze(), X, Y, optimizer=rule, resume=run)
    other = dr.Sequential(dr.Dense(5, "tanh"), dr.Dense(1), dr.Dense(1)).init((1, 3))
    with pytest.raises(DataError, match=r"of another kind"):
        dr.fit(other, X, Y, optimizer=dr.Adam(), resume=run)


def test_nothing_left_to_train_is_an_error():
    with pytest.raises(DataError, match=r"all weights of .* are frozen.*net.unfreeze\('dense2'\)"):
        dr.fit(mlp().freeze(), X, Y, epochs=1)
    with pytest.raises(DataError, match=r"are frozen"):
        dr.explain(mlp().freeze(), X[0], Y[:1])


def test_a_callback_cannot_change_what_is_compiled():
    for hook in ("on_start", "on_epoch"):
        thaws = type("Thaws", (dr.Callback,), {hook: lambda self, moment: moment.net.unfreeze()})
        with pytest.raises(DataError, match=r"holds from the next fit on.*resume=run"):
            dr.fit(mlp().freeze("dense1"), X, Y, epochs=2, seed=0, callbacks=[thaws()])


def test_frozen_layers_stay_frozen_in_another_network():
    base = mlp().freeze()
    net = dr.Sequential(*base.layers[:-1], dr.Dense(3)).init((1, 3), seed=2, dtype="float64")
    np.testing.assert_array_equal(net.layers[0].weight, base.layers[0].weight)
    dr.fit(net, X, LABELS, loss="cross_entropy", epochs=2, seed=0)
    np.testing.assert_array_equal(net.layers[0].weight, base.layers[0].weight)


# --- rates and decays ---

BY_GRADIENTS = {name: rule() for name, rule in OPTIMIZERS.items() if rule is not dr.LBFGS}
RULES = BY_GRADIENTS | {
    "momentum": dr.SGD(0.02, momentum=0.9, weight_decay=0.1),
    "decayed": dr.AdamW(0.02, weight_decay=0.3),
    "coupled": dr.Adam(0.02, weight_decay=0.3),
    "schedule": dr.SGD(dr.CosineDecay(0.1, 20), weight_decay=0.1),
    "function": dr.SGD(lambda step: 0.1 / (1 + step)),
    "clipped": dr.Clip(dr.SGD(0.1, weight_decay=0.1), norm=0.1),
    "averaged": dr.Averaged(dr.Lion(0.01, weight_decay=0.1), decay=0.5),
}


def other(rule, rate, decay):
    """The same rule with another learning rate and weight decay, written out."""
    own = {name: getattr(rule, name) for name in rule.__slots__ if name in rule.__match_args__}
    if "rule" in own:
        return type(rule)(**own | {"rule": other(own["rule"], rate, decay)})
    lr = own["learning_rate"]
    own["learning_rate"] = (lambda step: rate * lr(step)) if callable(lr) else rate * lr
    if "weight_decay" in own:
        own["weight_decay"] *= decay
    return type(rule)(**own)


@pytest.mark.parametrize("name", RULES)
def test_a_rate_and_a_decay_of_its_own_are_a_rule_of_its_own(name):
    rule = RULES[name]
    net = mlp().tune("dense1.weight", rate=0.3, decay=0.5).tune("dense2.bias", decay=0)
    rules = {"dense1.weight": other(rule, 0.3, 0.5), "dense2.bias": other(rule, 1.0, 0.0)}
    params, every = mlp().params, {None: rule, **rules}
    states = {key: one.init(params) for key, one in every.items()}
    for _ in range(4):
        gradient = dr.grad(lambda p: np.mean((net(X, params=p)[:, 0] - Y) ** 2))(params)
        done = {key: one.step(params, gradient, states[key]) for key, one in every.items()}
        states = {key: state for key, (_, state) in done.items()}
        params = {
            layer: {
                w: done[f"{layer}.{w}" if f"{layer}.{w}" in rules else None][0][layer][w]
                for w in own
            }
            for layer, own in params.items()
        }
        # each rule goes on from the weights that all of them made
    dr.fit(net, X, Y, optimizer=rule, epochs=4, batch_size=37, seed=0, shuffle=False)
    for (path, w), (_, expected) in zip(flat(net.params), flat(params), strict=True):
        # Muon's iteration multiplies roundings by the condition of the momentum
        loose = 1e-6 if name == "muon" else 0
        np.testing.assert_allclose(w, expected, rtol=1e-9, atol=loose, err_msg=".".join(path))


def test_biases_may_be_left_out_of_weight_decay(backend):
    net = mlp().tune("*.bias", decay=0)
    net.params = {layer: {k: w + 1 for k, w in own.items()} for layer, own in net.params.items()}
    start = net.params

    def nothing(y, t):
        return np.sum(y * 0.0)

    dr.fit(net, X, Y, loss=nothing, optimizer=dr.AdamW(0.1, weight_decay=1.0), epochs=1, seed=0)
    for layer, own in net.params.items():
        np.testing.assert_array_equal(own["bias"], start[layer]["bias"])
        assert (abs(own["weight"]) < abs(start[layer]["weight"])).all()


def test_a_rule_of_ones_own_has_no_rate_to_change():
    class Own:
        def init(self, params):
            return {}

        def step(self, params, grads, state):
            return params, state

    with pytest.raises(
        DataError, match=r"dense1.weight has a learning rate.*no settings to change"
    ):
        dr.fit(mlp().tune("dense1", rate=0.1), X, Y, optimizer=Own(), epochs=1)
    dr.fit(mlp().freeze("dense1"), X, Y, optimizer=Own(), epochs=1, seed=0)


@dataclass(frozen=True)
class Start:
    """A learning rate that stands in the rule's state."""

    rate: float


@dataclass(frozen=True)
class Held(Rule):
    """Descent whose rate may be changed between epochs."""

    learning_rate: Start

    def __post_init__(self):
        pass

    def _counters(self):
        return {"plateau": {"rate": np.float64(self.learning_rate.rate)}}

    def _advanced(self, state):
        return {"plateau": {"rate": state["plateau"]["rate"] * 0.5}}

    def _rate_at(self, counters):
        return counters["plateau"]["rate"]

    def _update(self, scalars, p, g):
        return (p - scalars[0] * g,)


def test_a_rate_in_the_state_of_the_rule_is_multiplied_there(backend):
    net, other = mlp().tune("dense1", rate=0.5), mlp().tune("dense1", rate=0.5)
    run = dr.fit(
        net, X, Y, optimizer=dr.Clip(Held(Start(0.2)), norm=1.0), epochs=1, batch_size=10, seed=0
    )
    halved = dr.Clip(dr.SGD(lambda step: 0.2 * 0.5 ** (step + 1)), norm=1.0)
    dr.fit(other, X, Y, optimizer=halved, epochs=1, batch_size=10, seed=0)
    for a, b in zip(leaves(net), leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert run.carry.opt_state["plateau"]["rate"] == 0.2 / 16


def test_a_rule_that_searches_along_a_line_has_one_rate():
    @dataclass(frozen=True)
    class Search(Rule):
        learning_rate: float = 1.0

        def descend(self):
            pass

    with pytest.raises(DataError, match=r"no settings to change for one weight"):
        dr.fit(mlp().tune("dense1", rate=0.1), X, Y, optimizer=Search(), epochs=1)


def test_factors_of_one_change_nothing():
    net, plain = mlp().tune(rate=1, decay=1, l2=0.0, max_norm=None), mlp()
    runs = [dr.fit(one, X, Y, epochs=2, seed=0) for one in (net, plain)]
    assert_same_bits(net, plain)
    assert list(runs[0].history) == list(runs[1].history) and net.tuned == {}


# --- penalties and bounds ---


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 3, 4)])
def test_penalties_have_their_values_and_derivatives(name, shape):
    w = np.random.default_rng(1).normal(size=shape)
    one = Tuning(**{name: 0.3})
    m = w.reshape(-1, shape[-1])
    gram = m.T @ m if len(m) >= shape[-1] else m @ m.T
    value = {
        "l1": np.abs(w).sum(),
        "l2": (w**2).sum() / 2,
        "orthogonal": ((gram - np.eye(len(gram))) ** 2).sum() / 2,
    }
    assert one.penalty(w) == pytest.approx(0.3 * value[name])
    dr.check_grads(one.penalty, w)


def test_an_orthogonal_matrix_has_no_orthogonal_penalty():
    q = dr.nn.initializer("orthogonal")(dr.random.key(0), (5, 3))
    assert Tuning(orthogonal=1.0).penalty(q) == pytest.approx(0, abs=1e-20)
    assert Tuning(orthogonal=1.0).penalty(q.T) == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize(
    ("settings", "penalty"),
    [
        ({"l1": 0.01}, lambda w, h: 0.01 * np.abs(w).sum()),
        ({"l2": 0.1}, lambda w, h: 0.05 * np.sum(w * w)),
        ({"activity_l1": 0.1}, lambda w, h: 0.1 * np.abs(h).sum() / h.shape[0]),
        ({"activity_l2": 0.1}, lambda w, h: 0.05 * np.sum(h * h) / h.shape[0]),
        (
            {"l2": 0.1, "activity_l1": 0.1},
            lambda w, h: 0.05 * np.sum(w * w) + 0.1 * np.abs(h).sum() / h.shape[0],
        ),
    ],
)
def test_a_penalty_is_added_to_what_is_minimized(settings, penalty, backend):
    net = dr.Sequential(dr.Dense(5, "tanh", **settings), dr.Dense(1)).init((1, 3), 0, "float64")
    params, rule = net.params, dr.SGD(0.1)
    losses, penalties = [], []

    def parts(p):
        h = np.tanh(X @ p["dense1"]["weight"] + p["dense1"]["bias"])
        y = h @ p["dense2"]["weight"] + p["dense2"]["bias"]
        return np.mean((y[:, 0] - Y) ** 2), penalty(p["dense1"]["weight"], h)

    for _ in range(3):
        for figures, value in zip((losses, penalties), parts(params), strict=True):
            figures.append(value)
        params, _ = rule.step(params, dr.grad(lambda p: sum(parts(p)))(params), {})
    run = dr.fit(net, X, Y, optimizer=rule, epochs=3, batch_size=37, seed=0, shuffle=False)
    np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(run.history["penalty"], penalties, rtol=1e-12)
    for (_, w), (_, expected) in zip(flat(net.params), flat(params), strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-10)


def test_the_penalty_of_an_epoch_is_a_mean_over_rows():
    net = mlp().tune("dense1", l2=0.1)
    run = dr.fit(net, X, Y, optimizer=dr.SGD(1e-9), epochs=2, batch_size=10, validation=0.1, seed=0)
    expected = 0.05 * (net.params["dense1"]["weight"] ** 2).sum()
    np.testing.assert_allclose(run.history["penalty"], [expected] * 2, rtol=1e-6)
    assert list(run.history) == ["loss", "penalty", "val_loss", "rows_per_second"]
    more = dr.fit(
        net, X, Y, optimizer=dr.SGD(1e-9), epochs=1, batch_size=10, validation=0.1, resume=run
    )
    np.testing.assert_allclose(more.history["penalty"], [expected] * 3, rtol=1e-6)


def test_the_penalty_l2_is_the_weight_decay_of_sgd():
    net, plain = mlp().tune("*.weight", l2=0.1), mlp().tune("*.bias", decay=0)
    dr.fit(net, X, Y, optimizer=dr.SGD(0.1), epochs=5, seed=0)
    dr.fit(plain, X, Y, optimizer=dr.SGD(0.1, weight_decay=0.1), epochs=5, seed=0)
    for a, b in zip(leaves(net), leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_a_run_goes_on_where_penalties_come_and_go():
    net = mlp().tune("dense1", l2=0.1).freeze("dense1")
    one = dr.fit(net, X, Y, epochs=2, seed=0)
    assert "penalty" not in one.history
    two = dr.fit(net.unfreeze(), X, Y, epochs=1, resume=one)
    assert two.history["penalty"][:2] == [0, 0] and two.history["penalty"][2] > 0
    three = dr.fit(net.tune("dense1", l2=0), X, Y, epochs=1, resume=two)
    assert three.history["penalty"] == [*two.history["penalty"], 0]


@pytest.mark.parametrize("callbacks", [(), (dr.EarlyStopping(99, "loss"),)])
def test_short_epochs_have_their_own_penalties(callbacks):
    net = mlp().tune(l1=0.1, activity_l1=0.1)
    run = dr.fit(net, X, Y, optimizer=dr.SGD(0.05), epochs=30, seed=0, callbacks=callbacks)
    penalties = np.array(run.history["penalty"])
    assert len(penalties) == 30 and (np.diff(penalties) != 0).all()
    assert penalties[-1] < 0.8 * penalties[0]


def test_a_frozen_weight_has_no_penalty():
    net = mlp().tune(l2=0.1).freeze("dense1")
    run = dr.fit(net, X, Y, optimizer=dr.SGD(1e-9), epochs=1, seed=0)
    expected = 0.05 * (net.params["dense2"]["weight"] ** 2).sum()
    np.testing.assert_allclose(run.history["penalty"], [expected], rtol=1e-6)


def test_outputs_of_a_shared_layer_count_each_time():
    layer = dr.Dense(3, "tanh", activity_l2=1.0)
    net = dr.Sequential(layer, layer).init((1, 3), dtype="float64")
    run = dr.fit(net, X, X, optimizer=dr.SGD(1e-12), epochs=1, batch_size=37, seed=0)
    h = np.tanh(X @ layer.weight + layer.bias)
    y = np.tanh(h @ layer.weight + layer.bias)
    expected = ((h**2).sum() + (y**2).sum()) / 2 / len(X)
    np.testing.assert_allclose(run.history["penalty"], [expected], rtol=1e-6)


def test_outputs_inside_a_loop_cannot_be_penalized():
    net = statistics()
    net.tune("cell", activity_l2=0.1)
    with pytest.raises(DataError, match=r"not for layers inside dr.scan.*in layer cell"):
        dr.fit(net, X, Y, epochs=1, seed=0)


def test_penalties_are_not_part_of_an_evaluation():
    net, plain = mlp().tune("dense1", activity_l1=5.0), mlp()
    np.testing.assert_array_equal(net(X), plain(X))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_a_bound_scales_long_columns_and_leaves_short_ones(shape):
    w = np.random.default_rng(0).normal(size=shape)
    w[..., 0] *= 0.01
    w[..., 1] = 0
    found = Tuning(max_norm=0.7).bounded(w)
    norms = np.sqrt((found.reshape(-1, 4) ** 2).sum(axis=0))
    np.testing.assert_array_equal(found[..., :2], w[..., :2])
    np.testing.assert_allclose(norms[2:], 0.7)
    for j in (2, 3):
        np.testing.assert_allclose(found[..., j], w[..., j] * 0.7 / np.linalg.norm(w[..., j]))


def test_max_norm_holds_after_each_update(backend):
    net = dr.Sequential(dr.Dense(5, "tanh", max_norm=0.5), dr.Dense(1)).init((1, 3), 0, "float64")
    params, rule = net.params, dr.SGD(0.5)
    for _ in range(4):
        gradient = dr.grad(lambda p: np.mean((net(X, params=p)[:, 0] - Y) ** 2))(params)
        params, _ = rule.step(params, gradient, {})
        w = params["dense1"]["weight"]
        params["dense1"]["weight"] = w * np.minimum(1, 0.5 / np.sqrt((w * w).sum(axis=0)))
    dr.fit(net, X, Y, optimizer=rule, epochs=4, batch_size=37, seed=0, shuffle=False)
    for (_, w), (_, expected) in zip(flat(net.params), flat(params), strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-10)
    assert np.sqrt((net.params["dense1"]["weight"] ** 2).sum(axis=0)).max() <= 0.5 * (1 + 1e-12)


ALL = {"rate": 0.5, "decay": 0.2, "l1": 1e-3, "l2": 1e-2, "orthogonal": 1e-2, "max_norm": 0.9}
OUTPUTS = {"activity_l1": 1e-3, "activity_l2": 1e-2}


def everything(dtype="float64"):
    net = mlp(dr.Dense(4, "relu"), dtype=dtype).tune("dense1", **ALL, **OUTPUTS)
    return net.freeze("dense2").tune("*.bias", decay=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_native_code_trains_as_the_interpreter_does(dtype, monkeypatch):
    nets = []
    for backend in BACKENDS:
        choose(backend, monkeypatch)
        net = everything(dtype)
        rule = dr.Clip(dr.AdamW(0.01), norm=1.0)
        run = dr.fit(net, X, Y, optimizer=rule, epochs=3, batch_size=8, validation=0.2, seed=0)
        nets.append(net)
        assert {w.dtype.name for w in leaves(net)} == {dtype}
        assert {x.dtype.name for x in flatten(run.carry.opt_state)[0] if x.ndim} == {dtype}
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    for a, b in zip(*map(leaves, nets), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# --- model files ---


@pytest.mark.parametrize("own", [False, True])
def test_a_loaded_network_goes_on_with_the_same_settings(own, tmp_path):
    def new():
        return (deep() if own else mlp(dr.Dense(4, "relu"))).freeze("dense1.bias")

    net = new().tune("dense1", **ALL, **OUTPUTS).freeze("dense2")
    run = dr.fit(net, X, Y, epochs=1, seed=0)
    dr.save(net, tmp_path / "net.dr")
    there = dr.load(tmp_path / "net.dr", deep() if own else None)
    assert there.tuned == net.tuned and there["dense2"].frozen
    for one in (net, there):
        dr.fit(one, X, Y, epochs=2, resume=run)
    assert_same_bits(net, there)


def test_a_file_with_a_damaged_setting_is_refused(tmp_path, monkeypatch):
    net = mlp()
    monkeypatch.setattr(type(net), "tuning", {"dense1": {"": {"l4": 1.0}}})
    dr.save(net, tmp_path / "net.dr")
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"no setting 'l4'"):
        dr.load(tmp_path / "net.dr")


# --- shared weights ---


class Tied(dr.Module):
    """An autoencoder whose decoder has the encoder's weights, transposed."""

    def __init__(self):
        self.encoder = dr.Dense(2, "tanh")
        self.shift = np.zeros(3)

    def __call__(self, x):
        return self.encoder(x) @ self.encoder.weight.T + self.shift


def test_a_weight_used_by_two_layers_is_one_and_its_gradients_add(tmp_path, backend):
    net = Tied().init((1, 3), dtype="float64")
    assert list(net.params) == ["shift", "encoder"]
    params = net.params
    w, b, shift = params["encoder"]["weight"], params["encoder"]["bias"], params["shift"]

    def error(first, second):
        y = np.tanh(X @ first + b) @ second.T + shift
        return np.mean(np.mean((y - X) ** 2, axis=1))

    expected = sum(dr.grad(error, argnums=(0, 1))(w, w))
    rule = dr.SGD(0.1)
    dr.fit(net, X, X, optimizer=rule, epochs=1, batch_size=37, seed=0)
    np.testing.assert_allclose(net.params["encoder"]["weight"], w - 0.1 * expected, rtol=1e-9)
    dr.save(net, tmp_path / "net.dr")
    again = dr.load(tmp_path / "net.dr", Tied())
    dr.fit(again, X, X, epochs=1, seed=0)
    np.testing.assert_array_equal(again(X), again(X, params=again.params))


def test_tied_weights_are_one(tmp_path, backend):
    layers = dr.Dense(2, "tanh"), dr.Dense(3)
    net = dr.Sequential(*layers).init((1, 3), dtype="float64")
    net.tie("dense2.weight", "dense1.weight", transpose=True)
    assert [*net.params["dense1"], *net.params["dense2"]] == ["weight", "bias", "bias"]
    w, b, shift = layers[0].weight, layers[0].bias, layers[1].bias
    np.testing.assert_array_equal(layers[1].weight, w.T)

    def error(first, second):
        return np.mean(np.mean((np.tanh(X @ first + b) @ second.T + shift - X) ** 2, axis=1))

    expected = sum(dr.grad(error, argnums=(0, 1))(w, w))
    dr.save(net, tmp_path / "net.dr")
    again = dr.load(tmp_path / "net.dr")
    for one in (net, again):
        dr.fit(one, X, X, optimizer=dr.SGD(0.1), epochs=1, batch_size=37, seed=0)
        found = one.params["dense1"]["weight"]
        np.testing.assert_allclose(found, w - 0.1 * expected, rtol=1e-9)
        np.testing.assert_array_equal(one["dense2"].weight, found.T)
    assert_same_bits(net, again)
    net.init((1, 3), seed=3, dtype="float64")
    np.testing.assert_array_equal(net["dense2"].weight, net["dense1"].weight.T)
    assert "b_o1" in dr.explain(net, X[:1], X[:1]).values


def test_ties_are_checked():
    net = dr.Sequential(dr.Dense(2), dr.Dense(3), dr.Dense(2)).init((1, 3))
    for names, words in [
        (
            ("dense2.weight", "dense1.weight"),
            r"shape \(2, 3\), dense1.weight has shape \(3, 2\); transpose",
        ),
        (("dense1.bias", "dense2.bias"), r"has shape \(2,\), dense2.bias has shape \(3,\)"),
        (("dense1", "dense3"), "names of single weights, such as 'dense1.weight', not 'dense1'"),
        (("dense1.weight", "dense1.weight"), "cannot be tied to itself"),
        (("dense1.weigt", "dense3.weight"), "Did you mean 'dense1.weight'"),
    ]:
        with pytest.raises((DataError, ShapeError), match=words):
            net.tie(*names)
    net.tie("dense3.weight", "dense1.weight")
    with pytest.raises(
        ShapeError, match=r"weight of Dense\(2\) is weight of Dense\(2\): set that one"
    ):
        net["dense3"].weight = np.ones((3, 2))
    with pytest.raises(DataError, match=r"no layer or weight is called 'dense3.weight'"):
        net.tie("dense1.weight", "dense3.weight")
    alone = dr.Sequential(net["dense3"])
    with pytest.raises(ShapeError, match=r"tied to those of Dense\(2\), which is no layer"):
        alone.init((1, 3))
    np.testing.assert_array_equal(net["dense3"](X), net["dense1"](X) + net["dense3"].bias)
    with pytest.raises(DataError, match=r"names after net.init"):
        dr.Sequential(dr.Dense(2), dr.Dense(2)).tie("dense2.weight", "dense1.weight")


def test_a_layer_used_twice_has_one_weight_also_after_loading(tmp_path):
    layer = dr.Dense(3, "tanh", l2=0.1)
    net = dr.Sequential(layer, dr.Dropout(0.1), layer).init((1, 3), dtype="float64")
    assert list(net.params) == ["dense1"]
    dr.save(net, tmp_path / "net.dr")
    again = dr.load(tmp_path / "net.dr")
    assert again.layers[0] is again.layers[2] and list(again.params) == ["dense1"]
    for one in (net, again):
        run = dr.fit(one, X, X, epochs=2, seed=0)
        assert run.history["penalty"][0] > 0
    assert_same_bits(net, again)


# --- explained ---


def test_explained_steps_are_those_of_the_training():
    net = dr.Sequential(dr.Dense(2, "tanh"), dr.Dense(1)).init((1, 2), 0, "float64")
    net.tune("dense1", l1=0.03, activity_l2=0.1, rate=0.5).tune("dense2", max_norm=0.4, decay=0)
    net.freeze("dense1.bias")
    x, y, rule = np.array([[1.0, 0.5]]), np.array([[1.0]]), dr.SGD(0.1, weight_decay=0.01)
    worked = dr.explain(net, x, y, optimizer=rule, steps=2)
    assert "b_h1" in worked.values and "b_h1_new" not in worked.values
    assert "dE/db_h1" not in worked.values
    text = worked.text()
    assert "dense1.bias: frozen" in text and "0.03*" in text
    dr.fit(net, x, y, loss="half_squared_error", optimizer=rule, epochs=2, seed=0)
    after = worked.steps[-1] if hasattr(worked, "steps") else None
    assert after is not None
    values = {q.name: q.value for q in after}
    w1, w2 = net.params["dense1"]["weight"], net.params["dense2"]["weight"]
    found = [values[f"w{i}_new"] for i in (1, 2, 3, 4)]
    np.testing.assert_allclose(found, w1.T.ravel(), rtol=1e-12)
    np.testing.assert_allclose([values["w5_new"], values["w6_new"]], w2.ravel(), rtol=1e-12)


def test_no_chain_rule_is_shown_that_leaves_the_penalty_out():
    net = dr.Sequential(dr.Dense(2, "tanh", l2=0.1, activity_l2=0.1), dr.Dense(1))
    net.init((1, 2), 0, "float64")
    worked = dr.explain(net, np.array([[1.0, 0.5]]), np.array([[1.0]]))
    chained = {q.name for q in worked.steps[0] if q.chain is not None}
    assert {"dE/dw5", "dE/dw6", "dE/db_h1", "delta_h1"} <= chained
    assert not {"dE/dw1", "dE/dw4", "dE/dout_h1"} & chained
    plain = dr.explain(net.tune("dense1", l2=0, activity_l2=0), X[:1, :2], Y[:1, None])
    assert {"dE/dw1", "dE/dout_h1"} <= {q.name for q in plain.steps[0] if q.chain is not None}


@pytest.mark.parametrize(
    "settings", [{"l1": 0.1}, {"l2": 0.1}, {"orthogonal": 0.1}, OUTPUTS, {"max_norm": 0.1}]
)
def test_large_networks_are_explained_with_their_penalties(settings):
    net = dr.Sequential(dr.Dense(30, "tanh", **settings), dr.Dense(1)).init((1, 8), 0, "float64")
    net.freeze("dense2.bias")
    worked = dr.explain(net, np.ones((3, 8)), np.ones((3, 1)), optimizer=dr.AdamW(0.1))
    assert "b2_new" not in worked.values and "b2" in worked.values
    assert "E_new" in worked.text()
    assert (
        "W1[0,0]_new"
        in dr.explain(net, X[:3, [0] * 8], Y[:3, None], weight="dense1.weight[0,0]").text()
    )
    with pytest.raises(DataError, match=r"dense2.bias is frozen"):
        dr.explain(net, np.ones((3, 8)), np.ones((3, 1)), weight="dense2.bias[0]")


# --- weights by hand ---


def test_weights_are_given_by_hand_in_the_ways_people_try():
    W, b = [[1, 0], [0, 1], [1, 1]], [0.5, -0.5]
    layer = dr.Dense(2, weight=W, bias=b)
    net = dr.Sequential(layer).init((1, 3), seed=0)
    y = X @ np.array(W) + b
    np.testing.assert_allclose(net(X), y, rtol=1e-5)
    assert net.params["dense1"]["weight"].dtype == np.float32
    np.testing.assert_allclose(net.init((1, 3), seed=5)(X), y, rtol=1e-5)
    for give in (
        lambda net: setattr(net, "params", {"dense1": {"weight": W, "bias": b}}),
        lambda net: (setattr(net["dense1"], "weight", W), setattr(net["dense1"], "bias", b)),
    ):
        net = dr.Sequential(dr.Dense(2)).init((1, 3))
        give(net)
        np.testing.assert_allclose(net(X), y, rtol=1e-5)
        assert set(net.params["dense1"]) == {"weight", "bias"}


def test_weights_given_by_hand_are_checked():
    for make, words in [
        (
            lambda: dr.Dense(2, weight=np.ones((2, 3))),
            r"shape \(inputs, 2\); float64 of shape \(2, 3\)",
        ),
        (
            lambda: dr.Dense(2, bias=[1.0, 2.0, 3.0]),
            r"bias has shape \(2,\); float64 of shape \(3,\)",
        ),
        (lambda: dr.Dense(2, weight=[["a", "b"]]), "weight has shape"),
        (lambda: dr.Dense(2, weight=np.ones((2, 2), complex)), "complex128"),
    ]:
        with pytest.raises(ShapeError, match=words):
            make()
    with pytest.raises(ShapeError, match=r"has no weights yet: call net.init"):
        dr.Sequential(dr.Dense(1)).params = {"dense1": {"weight": [[1.0]], "bias": [0.0]}}
    net = dr.Sequential(dr.Dense(2)).init((1, 3))
    for wrong in (np.ones((2, 3)), [["a"]], 3.0, None):
        with pytest.raises(ShapeError, match=r"Dense.weight is a weight of shape \(3, 2\)"):
            net["dense1"].weight = wrong
    assert set(net.params["dense1"]) == {"weight", "bias"}
    with pytest.raises(
        ShapeError, match=r"inputs of shape \(1, 4\) do not fit the weights of shape \(3, 2\)"
    ):
        dr.Sequential(dr.Dense(2, weight=np.ones((3, 2)))).init((1, 4))


def test_a_penalty_on_a_tied_layer_says_where_its_weight_is():
    net = dr.Sequential(dr.Dense(3), dr.Dense(3)).init((1, 3), seed=0)
    net.tie("dense1.weight", "dense2.weight")
    with pytest.raises(
        ShapeError, match=r"its weight is tied to another layer's: tune that layer$"
    ):
        net.tune("dense1", l2=0.1)
