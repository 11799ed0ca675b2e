"""Weights of another network, taken over by name.

In: a network and a source. Out: the weights that fit, and the word on those that do not.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

import deltarule as dr
from deltarule.errors import DataError, ModelFileError, ShapeError
from networks import X


class Counted(dr.Module):
    """A layer with a weight, state, and a layer inside."""

    def __init__(self):
        self.inner = dr.Dense(4, "tanh")
        self.seen = dr.State(np.zeros(()))

    def __call__(self, x):
        if self.training:
            self.seen = self.seen + 1.0
        return self.inner(x)


def network(outputs=1, seed=0, dtype="float64"):
    return dr.Sequential(Counted(), dr.Dense(outputs)).init((1, 3), seed, dtype)


def flat(net):
    params, state = net.params, net.state
    return [
        *params["counted1"]["inner"].values(),
        *params["dense1"].values(),
        state["counted1"]["seen"],
    ]


def source(kind, tmp_path):
    base = network(outputs=5, seed=3)
    base.layers[0].seen = 7.0
    if kind == "file":
        dr.save(base, tmp_path / "base.dr")
        return base, tmp_path / "base.dr"
    if kind == "text":
        return base, source("file", tmp_path)[1].__str__()
    return base, base


@pytest.mark.parametrize("kind", ["network", "file", "text"])
def test_what_fits_is_taken_and_the_rest_is_said(kind, tmp_path):
    base, given = source(kind, tmp_path)
    net = network(outputs=2, dtype="float32")
    head = net.params["dense1"]
    done = dr.transfer(net, given)
    assert done.taken == ("counted1.inner.weight", "counted1.inner.bias", "counted1.seen")
    assert done.misfits == {"dense1.weight": ((4, 2), (4, 5)), "dense1.bias": ((2,), (5,))}
    assert done.missing == () and done.unused == ()
    assert str(done).splitlines() == [
        "taken: counted1.inner.weight, counted1.inner.bias, counted1.seen",
        "of another shape: dense1.weight (4, 2), given (4, 5), dense1.bias (2,), given (5,)",
    ]
    for new, old in zip(flat(net)[:2], flat(base)[:2], strict=True):
        np.testing.assert_array_equal(new, old.astype("float32"))
    assert net.dtype == np.float32 and net.state["counted1"]["seen"] == 7
    np.testing.assert_array_equal(net.params["dense1"]["weight"], head["weight"])
    flat(net)[0][:] = 0
    assert base.layers[0].inner.weight.any()


def test_arrays_come_nested_or_by_dotted_names():
    base = network(seed=3)
    w = base.layers[0].inner.weight
    for given in (
        {"counted1": {"inner": {"weight": w}}, "dense9": {"weight": w}},
        {"counted1.inner.weight": w.tolist(), "dense9.weight": w},
    ):
        net = network()
        done = dr.transfer(net, given)
        assert done.taken == ("counted1.inner.weight",) and done.unused == ("dense9.weight",)
        assert "counted1.inner.bias" in done.missing and "dense1.weight" in done.missing
        np.testing.assert_array_equal(net.layers[0].inner.weight, w)


def test_names_choose_and_must_be_there_and_fit():
    base, net = network(outputs=5, seed=3), network()
    before = flat(net)
    done = dr.transfer(net, base, "counted1.inner", "counted1")
    assert done.taken == ("counted1.inner.weight", "counted1.inner.bias", "counted1.seen")
    net = network()
    assert dr.transfer(net, base, "*.inner.bias").taken == ("counted1.inner.bias",)
    np.testing.assert_array_equal(flat(net)[0], before[0])
    for names, error, words in [
        (["dense1"], ShapeError, r"dense1.weight has shape \(4, 1\), in the source \(4, 5\)"),
        (["dens1"], DataError, "no layer or weight is called 'dens1'.*Did you mean 'dense1'"),
    ]:
        with pytest.raises(error, match=words):
            dr.transfer(net, base, *names)
    with pytest.raises(
        DataError, match=r"source has no dense1.weight; it has dense2.weight.*Did you mean"
    ):
        dr.transfer(net, {"dense2.weight": np.ones((4, 1))}, "dense1")
    np.testing.assert_array_equal(flat(net)[0], before[0])


def test_names_of_the_source_may_be_others():
    encoder = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(2))
    base = dr.Sequential(encoder, dr.Dense(3)).init((1, 3), 3, "float64")
    net = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(2)).init((1, 3), 0, "float64")
    done = dr.transfer(net, base, rename={"sequential1": ""})
    assert done.unused == ("dense1.weight (there)", "dense1.bias (there)")
    np.testing.assert_array_equal(net(X), encoder(X))
    net = network()
    dr.transfer(net, base, "counted1.inner", rename={"sequential1.dense1": "counted1.inner"})
    np.testing.assert_array_equal(net.layers[0].inner.weight, encoder.layers[0].weight)
    with pytest.raises(DataError, match=r"rename has 'encoder', and the source no such name"):
        dr.transfer(net, base, rename={"encoder": ""})
    with pytest.raises(DataError, match=r"makes two arrays 'dense1.weight'"):
        dr.transfer(net, base, rename={f"sequential1.dense{i}": "dense1" for i in (1, 2)})


def test_a_matrix_the_other_way_round_is_recognized():
    net = dr.Sequential(dr.Dense(2)).init((1, 3))
    with pytest.raises(ShapeError, match=r"give the transpose"):
        dr.transfer(net, {"dense1.weight": np.ones((2, 3))}, "dense1.weight")
    with pytest.raises(DataError, match=r"(?s)nothing can be taken.*give the transpose"):
        dr.transfer(net, {"dense1.weight": np.ones((2, 3))})


def test_what_cannot_be_a_source_or_a_network_is_refused(tmp_path):
    net = network()
    with pytest.raises(DataError, match=r"nothing can be taken from the source"):
        dr.transfer(net, {"a": np.ones(3)})
    with pytest.raises(
        DataError, match=r"from a network, a model file or a nested dict.*not from 3"
    ):
        dr.transfer(net, 3)
    with pytest.raises(ModelFileError, match=r"There is no file"):
        dr.transfer(net, tmp_path / "none.dr")
    with pytest.raises(ShapeError, match=r"has no weights yet"):
        dr.transfer(dr.Sequential(dr.Dense(1)), net)
    with pytest.raises(ShapeError, match=r"has no weights yet"):
        dr.transfer(net, dr.Sequential(dr.Dense(1)))
    with pytest.raises(DataError, match=r"not of 3"):
        dr.transfer(3, net)
    dr.save(net, tmp_path / "net.dr")
    loaded = dr.load(tmp_path / "net.dr")
    with pytest.raises(DataError, match=r"transfer sets weights"):
        dr.transfer(loaded, net)
    assert dr.transfer(network(seed=5), loaded).missing == ()


def test_a_new_question_about_digits_learnt_from_few_examples(tmp_path):
    """Layers that tell ten digits apart help to tell odd from even ones, from two of each digit."""
    images, digits = load_digits(return_X_y=True)
    images, odd = (images / 16).astype("float32"), digits % 2
    train = dict(loss="cross_entropy", batch_size=16, seed=0)
    many, left = slice(1000), np.arange(1000, len(digits))
    few = np.concatenate([left[digits[left] == k][:2] for k in range(10)])
    rest = np.setdiff1d(left, few)

    base = dr.Sequential(dr.Dense(64, "relu"), dr.Dense(32, "relu"), dr.Dense(10))
    dr.fit(base, images[many], digits[many], optimizer=dr.Adam(3e-3), epochs=20, **train)
    dr.save(base, tmp_path / "digits.dr")

    def new():
        layers = dr.Dense(64, "relu"), dr.Dense(32, "relu"), dr.Dense(2)
        return dr.Sequential(*layers).init(images.shape, seed=1)

    def right(net):
        return np.mean(net(images[rest]).argmax(axis=1) == odd[rest])

    net, scratch = new(), new()
    dr.transfer(net, tmp_path / "digits.dr", "dense1", "dense2")
    net.freeze("dense1", "dense2")
    head = dr.fit(net, images[few], odd[few], optimizer=dr.Adam(3e-3), epochs=60, **train)
    np.testing.assert_array_equal(net.params["dense1"]["weight"], base.params["dense1"]["weight"])
    assert list(head.carry.opt_state["m"]) == ["dense3"]
    of_head = right(net)
    net.unfreeze().tune("dense1", rate=0.1)
    dr.fit(net, images[few], odd[few], optimizer=dr.Adam(1e-3), epochs=60, **train)
    dr.fit(scratch, images[few], odd[few], optimizer=dr.Adam(3e-3), epochs=60, **train)
    assert of_head > right(scratch) + 0.05 and right(net) > right(scratch) + 0.05


def test_the_file_of_a_checkpoint_is_a_source(tmp_path):
    """What the update rule keeps, and the best weights so far, are none of the network's arrays."""
    base, path = network(), tmp_path / "base.dr"
    stop = dr.EarlyStopping(patience=2, monitor="loss")
    y = np.arange(float(len(X)))
    dr.fit(base, X, y, epochs=3, callbacks=[stop, dr.Checkpoint(path)], seed=0)
    net = network(seed=1)
    done = dr.transfer(net, path)
    assert (done.missing, done.misfits, len(done.taken)) == ((), {}, 5)
    assert all(np.array_equal(a, b) for a, b in zip(flat(net), flat(base), strict=True))
