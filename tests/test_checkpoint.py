"""Model files: what is read is what was written, or an error; and a file is data, never code."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import stat

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

import deltarule as dr
from deltarule.data import Preprocessor
from deltarule.errors import DataError, ModelFileError, ShapeError
from deltarule.program import Graph
from deltarule.train.checkpoint import Loaded
from networks import Statistics, X, Y, assert_same_bits, mlp, rng, statistics


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.dr"


def header(path):
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        return file.metadata()


def rewritten(path, change):
    """The file with its header changed."""
    about = json.loads(header(path)["deltarule"])
    change(about)
    save_file(load_file(str(path)), str(path), {"deltarule": json.dumps(about)})


shared = dr.Dense(3, "tanh")
NETS = {
    "dense": lambda: dr.Sequential(dr.Dense(1)),
    "layers": lambda: dr.Sequential(
        dr.Dense(5, "relu"), dr.Dropout(0.3), dr.Activation("logistic"), dr.Dense(2, bias=False)
    ),
    "nested": lambda: dr.Sequential(dr.Sequential(dr.Dense(4, "tanh")), dr.Sequential(dr.Dense(1))),
    "shared": lambda: dr.Sequential(shared, dr.Sequential(shared), dr.Dense(1)),
    "one layer": lambda: dr.Dense(2, "tanh", initializer="he_uniform"),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back_to_the_bit(name, dtype, path):
    net = NETS[name]().init((1, 3), seed=3, dtype=dtype)
    dr.save(net, path)
    found = dr.load(str(path))
    assert repr(found) == repr(net) and found.dtype == net.dtype
    assert_same_bits(found, net)
    np.testing.assert_array_equal(found(X), net(X))


def test_what_was_loaded_trains_on_to_the_same_bits(path):
    net = dr.Sequential(dr.Dense(5, "tanh"), dr.Dropout(0.3), dr.Dense(1))
    dr.fit(net, X, Y, epochs=2, seed=0)
    dr.save(net, path)
    found = dr.load(path)
    for n in (net, found):
        dr.fit(n, X, Y, epochs=2, seed=1)
    assert_same_bits(found, net)


def test_a_shared_layer_is_still_shared(path):
    net = NETS["shared"]().init((1, 3), seed=3)
    dr.save(net, path)
    found = dr.load(path)
    dr.fit(found, X, Y, epochs=1, seed=0)
    dr.fit(net, X, Y, epochs=1, seed=0)
    assert_same_bits(found, net)


def test_the_file_is_a_safetensors_file(path):
    net = mlp(dtype="float32")
    dr.save(net, path)
    arrays = load_file(str(path))
    assert set(arrays) == {f"params.dense{i}.{name}" for i in (1, 2) for name in ("weight", "bias")}
    np.testing.assert_array_equal(arrays["params.dense1.weight"], net.params["dense1"]["weight"])
    about = json.loads(header(path)["deltarule"])
    assert (about["format"], about["row"], about["dtype"]) == (1, [3], "float32")
    graph = Graph.from_text(about["graph"])
    assert graph.result_types[0].shape == (1, 1)


def test_the_preprocessor_comes_along(path):
    table = pa.table(
        {"size": [1.0, 2.0, 4.0, None], "town": ["a", "b", "a", "c"], "price": [3.0, 4, 5, 6]}
    )
    prepared = Preprocessor.fit(table, "price", "regression")
    net = dr.Sequential(dr.Dense(1))
    dr.fit(net, prepared.inputs(table), prepared.targets(table), epochs=1, seed=0)
    for save in (
        lambda: dr.save(net, path, preprocessor=prepared),
        lambda: setattr(net, "preprocessor", prepared) or dr.save(net, path),
    ):
        save()
        found = dr.load(path)
        np.testing.assert_array_equal(found.preprocessor.inputs(table), prepared.inputs(table))
        np.testing.assert_array_equal(
            found(found.preprocessor.inputs(table)), net(prepared.inputs(table))
        )


# --- networks of the user's own class ---


def test_a_network_of_ones_own_class_evaluates_from_its_graph(path):
    net = statistics(seed=2)
    dr.fit(net, X, Y, epochs=2, seed=0)
    dr.save(net, path)
    found = dr.load(path)
    assert type(found) is Loaded
    assert_same_bits(found, net)
    np.testing.assert_allclose(found(X), net(X), rtol=1e-12)
    np.testing.assert_allclose(found(X[:1]), net(X[:1]), rtol=1e-12)
    assert found(X[:0]).shape == (0, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(x.shape[0], -1).sum(axis=1, keepdims=True),
        lambda x: x.max(axis=(1, 2))[:, None] * x[:, 0, :2],
        lambda x: np.concatenate([x[:, 0], np.tanh(x[:, 1])], axis=1) ** 2,
        lambda x: np.where(x > 0, x, 0.1 * x)[:, ::-1],
        lambda x: np.broadcast_to(np.float32(3.0), (x.shape[0], 2)),
    ],
)
def test_functions_and_more_axes_evaluate_from_their_graph(function, path):
    class Net(dr.Module):
        def __init__(self):
            self.gain = np.full(4, 2.0)

        def __call__(self, x):
            return function(x * self.gain)

    x = rng.normal(size=(6, 3, 4))
    net = dr.Sequential(Net(), lambda y: y + 1).init(x.shape, seed=0)
    dr.save(net, path)
    found = dr.load(path)
    assert found(x).shape == net(x).shape
    np.testing.assert_allclose(found(x), net(x), rtol=1e-5)


def test_such_a_network_is_differentiable_and_saved_again(path, tmp_path):
    net = statistics(seed=2)
    dr.save(net, path)
    found = dr.load(path)
    wanted = dr.grad(lambda p: np.sum(net(X, params=p) ** 2))(net.params)
    gradient = dr.grad(lambda p: np.sum(found(X, params=p) ** 2))(found.params)
    np.testing.assert_allclose(gradient["cell"]["weight"], wanted["cell"]["weight"], rtol=1e-9)
    dr.check_grads(lambda x: np.sum(found(x)), X[:3], order=1)
    found.params = {
        name: {k: 2 * w for k, w in layer.items()} for name, layer in net.params.items()
    }
    net.params = found.params
    dr.save(found, tmp_path / "again.dr")
    again = dr.load(tmp_path / "again.dr")
    assert_same_bits(again, net)
    np.testing.assert_allclose(again(X), net(X), rtol=1e-12)


def test_such_a_network_says_that_it_cannot_be_trained(path):
    dr.save(statistics(), path)
    found = dr.load(path)
    with pytest.raises(
        DataError,
        match=r"cannot be trained: load it into a network of its class, dr.load\(path, net\)",
    ):
        dr.fit(found, X, Y)
    with pytest.raises(
        ShapeError, match=r"inputs have shape \(37, 2\); rows of shape \(3,\) are needed"
    ):
        found(X[:, :2])
    with pytest.raises(ShapeError, match=r"weights cell.bias have shape \(4,\); shape \(5,\)"):
        found.params = {**found.params, "cell": {"weight": np.ones((5, 4)), "bias": np.ones(5)}}


def test_its_weights_can_be_put_into_a_network_of_its_class(path):
    net = statistics(seed=2)
    dr.fit(net, X, Y, epochs=2, seed=0)
    dr.save(net, path)
    for mine in (Statistics(), statistics(seed=7, dtype="float32")):
        found = dr.load(path, mine)
        assert found is mine
        assert_same_bits(found, net)
    dr.fit(found, X, Y, epochs=1, seed=1)
    dr.fit(net, X, Y, epochs=1, seed=1)
    assert_same_bits(found, net)
    with pytest.raises(
        ModelFileError, match=r"does not fit: weights do not fit this network: missing dense1"
    ):
        dr.load(path, dr.Sequential(dr.Dense(1)))


def test_a_network_that_saw_no_batch_needs_the_shape_of_a_row(path):
    class Scale(dr.Module):
        def __init__(self):
            self.gain = np.ones(3)

        def __call__(self, x):
            return x * self.gain

    net = Scale()
    with pytest.raises(ModelFileError, match=r"Scale\(\) has no weights yet"):
        dr.save(net, path)
    net.params = {"gain": np.full(3, 2.0)}
    with pytest.raises(ModelFileError, match=r"row=\(features,\)"):
        dr.save(net, path)
    dr.save(net, path, row=(3,))
    np.testing.assert_array_equal(dr.load(path)(X), 2 * X)


# --- writing ---


def test_a_file_is_written_whole_or_not_at_all(path, monkeypatch):
    old, new = mlp(seed=1), mlp(seed=2)
    dr.save(old, path)
    content = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace", "fdopen"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(
                ModelFileError, match=r"net.dr: No space left on device.*is as it was"
            ):
                dr.save(new, path)
        assert path.read_bytes() == content and os.listdir(path.parent) == [path.name]
    dr.save(new, path)
    assert_same_bits(dr.load(path), new)
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupt_while_writing_leaves_the_old_file(path, monkeypatch):
    dr.save(mlp(seed=1), path)
    content = path.read_bytes()

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dr.save(mlp(seed=2), path)
    assert path.read_bytes() == content and os.listdir(path.parent) == [path.name]


def test_the_file_has_the_permissions_of_any_other(path):
    outer = os.umask(0o027)
    try:
        dr.save(mlp(), path)
    finally:
        os.umask(outer)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("place", ["missing/net.dr", "."])
def test_a_place_that_cannot_be_written(place, tmp_path):
    with pytest.raises(
        ModelFileError, match=r"cannot write .*choose a folder that exists and is writable"
    ):
        dr.save(mlp(), tmp_path / place)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_is_not_writable(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ModelFileError, match="Permission denied"):
        dr.save(mlp(), tmp_path / "net.dr")


# --- reading ---


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"There is no file .*nothing.dr"):
        dr.load(tmp_path / "nothing.dr")
    with pytest.raises(ModelFileError, match="is a folder"):
        dr.load(tmp_path)


def test_every_truncation_is_an_error(path):
    dr.save(mlp(), path)
    content = path.read_bytes()
    for n in [*range(0, 40), *range(40, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:n])
        with pytest.raises(
            ModelFileError, match=r"no model file|is damaged: it (is cut short|ends)"
        ):
            dr.load(path)


def test_no_damage_to_the_header_is_worse_than_an_error(path):
    """One byte after the other is changed: the file is refused, or read as the same kind of data."""
    dr.save(mlp(), path)
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    refused = 0
    for place in range(0, end, 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x15]) + content[place + 1 :])
        try:
            found = dr.load(path)
        except ModelFileError:
            refused += 1
        else:
            assert isinstance(found, dr.Module)
    assert refused > end / 7 / 3


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x04N.", b"PK\x03\x04" + bytes(100), bytes(1000)]
)
def test_foreign_files(content, path):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="no model file"):
        dr.load(path)


def test_safetensors_of_another_program(path):
    save_file({"w": np.ones(3)}, str(path))
    with pytest.raises(ModelFileError, match="of another program"):
        dr.load(path)


def test_a_newer_file(path):
    dr.save(mlp(), path)
    rewritten(path, lambda about: about.update(format=2))
    with pytest.raises(
        ModelFileError, match=r"has format 2, this version reads up to 1; update deltarule"
    ):
        dr.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.pop("architecture"),
        lambda about: about.pop("preprocessor"),
        lambda about: about.pop("row"),
        lambda about: about.update(format="one"),
        lambda about: about.update(row=[0]),
        lambda about: about.update(row="abc"),
        lambda about: about.update(dtype="int32"),
        lambda about: about.update(dtype="nothing"),
        lambda about: about.update(architecture={"kind": "System", "settings": {}}),
        lambda about: about.update(architecture={"kind": "Dense", "settings": {"units": -1}}),
        lambda about: about.update(architecture={"kind": "Dense", "settings": {"shell": "ls"}}),
        lambda about: about.update(architecture={"kind": "same", "number": 0}),
        lambda about: about.update(architecture=[1]),
        lambda about: about.update(architecture=None, graph="graph() {"),
        lambda about: about.update(architecture=None, graph="import os"),
        lambda about: about.update(architecture=None, graph=3),
        lambda about: about.update(architecture=None, graph=about["graph"].replace("tanh", "open")),
        lambda about: about.update(architecture=None, row=[4]),
        lambda about: about.update(preprocessor={"inputs": 3}),
    ],
)
def test_a_header_that_makes_no_sense(change, path):
    dr.save(mlp(), path)
    rewritten(path, change)
    with pytest.raises(ModelFileError, match="damaged"):
        dr.load(path)


@pytest.mark.parametrize("about", ["[]", "3", "null", '{"format": {}}', "{", '{"format": 1}'])
def test_a_header_of_another_form(about, path):
    save_file({"params.w": np.ones(3)}, str(path), {"deltarule": about})
    with pytest.raises(ModelFileError, match="damaged"):
        dr.load(path)


def test_reading_executes_nothing(path, monkeypatch):
    dr.save(statistics(), path)
    dr.load(path)(X)  # what is imported late is now imported

    def forbidden(*args, **kwargs):
        raise AssertionError("code was executed")

    with monkeypatch.context() as patch:
        for name in ("eval", "exec", "compile"):
            patch.setattr(builtins, name, forbidden)
        for name in ("load", "loads", "Unpickler"):
            patch.setattr(pickle, name, forbidden)
        found = dr.load(path)(X)
    assert found.shape == (37, 1)


def test_reading_changes_nothing(path):
    dr.save(mlp(), path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    dr.load(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
