"""Model files: weights in the safetensors format, everything else as JSON in its header.

In: a network. Out: one file, written whole or not at all; and back. The file holds the
architecture, the graph of the evaluation of one row, the preprocessing, and the version of the
format. It is data only: reading it executes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import Preprocessor
from deltarule.data.write import write_whole
from deltarule.derive.batch import batch_walk
from deltarule.derive.trace import baked, stage
from deltarule.errors import DeltaruleError, ModelFileError, ShapeError
from deltarule.nn import Module
from deltarule.nn.call import current
from deltarule.nn.nested import Path as Names
from deltarule.nn.nested import flat, matched, nested
from deltarule.program import Graph, type_of
from deltarule.program.families import broadcast_to
from deltarule.program.types import ArrayType
from deltarule.train.architecture import architecture, build

FORMAT = 1


def save(
    net: Module,
    path: str | Path,
    *,
    preprocessor: Preprocessor | None = None,
    row: tuple[int, ...] | None = None,
) -> None:
    """Write a network to one file, atomically.

    Parameters
    ----------
    net : Module
        With weights.
    path : str or Path
        By habit ``name.dr``. The file is a valid safetensors file.
    preprocessor : Preprocessor, optional
        How a table becomes inputs; ``net.preprocessor`` by default.
    row : tuple of int, optional
        Shape of one row of inputs, needed where the network was never initialized from a batch.

    Raises
    ------
    ModelFileError
        Where the network has no weights yet, or the place cannot be written; a file that is there
        already stays as it was.

    Examples
    --------
    >>> import numpy as np, deltarule as dr, tempfile
    >>> net = dr.Sequential(dr.Dense(3, "tanh"), dr.Dense(1)).init((1, 2), seed=0)
    >>> x = np.array([[1.0, 2.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dr.save(net, f"{folder}/net.dr")
    ...     bool(dr.load(f"{folder}/net.dr")(x) == net(x))
    True
    """
    from safetensors.numpy import save as to_bytes

    if not net.built:
        raise ModelFileError(
            f"{net!r} has no weights yet: train it, or call net.init(X.shape), before saving"
        )
    shape = row or net.input_shape
    if shape is None:
        raise ModelFileError(
            "the shape of one row of inputs is not known; give it, dr.save(net, path, "
            "row=(features,))"
        )
    preprocessor = preprocessor or net.preprocessor
    about = {
        "format": FORMAT,
        "dtype": net.dtype.name,
        "architecture": architecture(net),
        "row": list(shape),
        "graph": evaluation_graph(net, tuple(shape)).to_text(),
        "preprocessor": None if preprocessor is None else preprocessor.to_json(),
    }
    arrays = {
        ".".join((kind, *names)): np.array(x, order="C")
        for kind, tree in (("params", net.params), ("state", net.state))
        for names, x in flat(tree)
    }
    try:
        write_whole(Path(path), to_bytes(arrays, {"deltarule": json.dumps(about)}))
    except OSError as error:
        raise ModelFileError(
            f"cannot write {path}: {error.strerror}. A file that was there is as it was; "
            "choose a folder that exists and is writable"
        ) from None


# --- what the file says about the network ---


def evaluation_graph(net: Module, row: tuple[int, ...]) -> Graph:
    """The graph (weights, state, one row) -> outputs of that row, in evaluation mode."""
    leaves, names = _leaves(net.params, net.state)

    def run(*values: Any) -> list[Any]:
        trees: list[list[tuple[Names, Any]]] = [[], []]
        for (i, path), value in zip(names, values, strict=False):
            trees[i].append((path, value))
        params, state = map(nested, trees)
        return [net.apply(params, state, values[-1])[0]]

    staged = stage(run, [*map(type_of, leaves), ArrayType((1, *row), net.dtype)])
    return baked(staged)


def _leaves(params: Any, state: Any) -> tuple[list[Any], list[tuple[int, Names]]]:
    """Arrays in the order of their paths, which no format changes, and the tree of each."""
    found = [(i, path, x) for i, tree in enumerate((params, state)) for path, x in flat(tree)]
    found.sort(key=lambda item: item[:2])
    return [x for *_, x in found], [(i, path) for i, path, _ in found]


class Loaded(Module):
    """A network of which only the file is known: it evaluates the graph that was saved."""

    def __init__(self, graph: Graph, params: Any, state: Any, dtype: Any, row: Any) -> None:
        leaves, _ = _leaves(params, state)
        if [*map(type_of, leaves), ArrayType((1, *row), np.dtype(dtype))] != list(graph.types):
            raise ModelFileError("its graph takes other arrays than those that are in the file")
        held = {"graph": graph, "_trees": (params, state), "_dtype": np.dtype(dtype)}
        vars(self).update(held, input_shape=tuple(row))

    def _tree(self, kind: str) -> Any:
        return self._trees[kind == "_states"]

    def _set_tree(self, kind: str, new: Any) -> None:
        trees = list(self._trees)
        place = int(kind == "_states")
        old = dict(flat(trees[place]))
        given = matched("state" if place else "weights", old, new)
        trees[place] = nested((path, np.array(given[path], x.dtype)) for path, x in old.items())
        vars(self)["_trees"] = tuple(trees)

    def children(self) -> Any:
        """None: the layers are in the graph."""
        return iter(())

    def __call__(self, x: Any) -> Any:
        """The graph of one row, for all rows at once."""
        call = current()
        trees = self._trees if call is None else (call.params, call.state)
        if x.shape[1:] != self.input_shape:
            raise ShapeError(
                f"inputs have shape {x.shape}; rows of shape {self.input_shape} are needed"
            )
        leaves, _ = _leaves(*trees)
        flags = [False] * len(leaves) + [True]
        rows = x.reshape(x.shape[0], 1, *x.shape[1:])
        ((y, batched),) = batch_walk(self.graph, x.shape[0], [*leaves, rows], flags)
        y = y if batched else broadcast_to(y, (x.shape[0], *y.shape))
        return y.reshape(x.shape[0], *y.shape[2:])


# --- reading ---


def load(path: str | Path, net: Module | None = None) -> Module:
    """Read a network from a file.

    Parameters
    ----------
    path : str or Path
        Written by ``dr.save``.
    net : Module, optional
        A network of the user's own class to put the weights into. Without it such a file gives a
        network that evaluates the saved graph and cannot be trained.

    Raises
    ------
    ModelFileError
        Where the file is missing, corrupt, truncated, foreign, or of a newer version.
    """
    path = Path(path)
    about, arrays = read(path)
    try:
        leaves = [(tuple(name.split(".")), x) for name, x in arrays.items()]
        trees: dict[str, Any] = {"params": {}, "state": {}, **nested(leaves)}
        found = _network(about, trees, net)
        if about["preprocessor"] is not None:
            found.preprocessor = Preprocessor.from_json(about["preprocessor"])
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        known = isinstance(error, DeltaruleError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        raise ModelFileError(f"{path} is damaged, or does not fit: {reason}") from None
    return found


def _network(about: Any, trees: Any, net: Module | None) -> Module:
    if net is None and about["architecture"] is None:
        graph = Graph.from_text(about["graph"])
        return Loaded(graph, trees["params"], trees["state"], about["dtype"], about["row"])
    found = build(about["architecture"]) if net is None else net
    if not found.built:
        found.init((1, *about["row"]), 0, about["dtype"])
    found.params, found.state = trees["params"], trees["state"]
    return found


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the arrays of a model file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is no model file, or it is damaged or cut short: {error}"
        ) from None
    if "deltarule" not in header:
        raise ModelFileError(
            f"{path} is a safetensors file of another program: its header has no entry 'deltarule'"
        )
    try:
        about = json.loads(header["deltarule"])
        newer = about["format"] > FORMAT
    except (ValueError, TypeError, LookupError, RecursionError):
        raise ModelFileError(f"{path} is damaged: its header cannot be read") from None
    if newer:
        raise ModelFileError(
            f"{path} has format {about['format']}, this version reads up to {FORMAT}; update "
            "deltarule"
        )
    return about, arrays
