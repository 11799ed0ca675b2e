"""Model files: weights in the safetensors format, everything else as JSON in its header. Data only, nothing is executed.

In: a network. Out: one file, written whole or not at all; and back. The file holds the architecture, the graph of the
evaluation of one row, the preprocessing, and the versions that wrote it.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import Preprocessor
from deltarule.derive.batch import batch_walk
from deltarule.derive.trace import baked, stage
from deltarule.errors import DeltaruleError, ModelFileError
from deltarule.nn import Activation, Dense, Dropout, Module, Sequential
from deltarule.nn.module import flat, put
from deltarule.program import Graph, type_of
from deltarule.program.types import ArrayType

FORMAT = 1
LAYERS: dict[str, type[Module]] = {
    cls.__name__: cls for cls in (Dense, Activation, Dropout, Sequential)
}


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
        Shape of one row of inputs, needed for networks whose first layer is not Dense.

    Raises
    ------
    ModelFileError
        Where the network has no weights yet, or the place cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    if not net.built:
        raise ModelFileError(
            f"{type(net).__name__} has no weights yet; train it, or call net.init(shape, seed), before saving"
        )
    preprocessor = preprocessor or net.preprocessor
    about = {
        "format": FORMAT,
        "dtype": net.dtype.name,
        "architecture": architecture(net),
        "row": list(row or net.input_shape or ()),
        "graph": evaluation_graph(net, row).to_text(),
        "preprocessor": None if preprocessor is None else preprocessor.to_json(),
    }
    arrays = {}
    for kind, tree in (("params", net.params), ("state", net.state)):
        arrays.update(
            {".".join((kind, *names)): np.ascontiguousarray(x) for names, x in flat(tree)}
        )
    write_whole(Path(path), to_bytes(arrays, {"deltarule": json.dumps(about)}))


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the place and move: a reader sees the old file or the new one, never a part."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ModelFileError(
            f"cannot write {path}: {error.strerror}; choose a folder that exists and is writable"
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException as error:
        os.unlink(name)
        if isinstance(error, OSError):
            raise ModelFileError(
                f"cannot write {path}: {error.strerror}; the old file, if any, is as it was"
            ) from None
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def architecture(net: Any) -> Any:
    """Layers and settings as JSON; None where the network is the user's own class or holds functions."""
    if isinstance(net, Sequential):
        layers = [architecture(layer) for layer in net.layers]
        return None if None in layers else {"kind": "Sequential", "layers": layers}
    if type(net) not in LAYERS.values():
        return None
    settings = net.config()
    plain = all(v is None or isinstance(v, (str, int, float, bool)) for v in settings.values())
    return {"kind": type(net).__name__, "settings": settings} if plain else None


def build(described: Any) -> Module:
    """The network of an architecture."""
    kind = described["kind"]
    if kind == "Sequential":
        return Sequential(*(build(layer) for layer in described["layers"]))
    return LAYERS[kind](**described["settings"])


def evaluation_graph(net: Module, row: tuple[int, ...] | None = None) -> Graph:
    """The graph (weights, state, one row) -> outputs of that row, in evaluation mode."""
    shape = row or net.input_shape
    if shape is None:
        raise ModelFileError(
            "the shape of one row of inputs is not known; give it, dr.save(net, path, row=(features,))"
        )
    params, state = net.params, net.state
    leaves = [x for tree in (params, state) for _, x in by_name(tree)]
    names = [(i, path) for i, tree in enumerate((params, state)) for path, _ in by_name(tree)]

    def run(*values: Any) -> list[Any]:
        trees: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for (i, path), value in zip(names, values, strict=False):
            put(trees[i], path, value)
        return [net.apply(*trees, values[-1])[0]]

    staged = stage(run, [*map(type_of, leaves), ArrayType((1, *shape), net.dtype)])
    return baked(staged)


def by_name(tree: Any) -> list[tuple[tuple[str, ...], Any]]:
    """Leaves in the order of their paths, which no file format changes."""
    return sorted(flat(tree), key=lambda item: item[0])


class Loaded(Module):
    """A network of which only the file is known: it evaluates the graph that was saved."""

    def __init__(self, graph: Graph, params: Any, state: Any, dtype: Any) -> None:
        object.__setattr__(self, "graph", graph)
        object.__setattr__(self, "_dtype", np.dtype(dtype))
        object.__setattr__(self, "_trees", (params, state))

    @property
    def params(self) -> Any:
        """Weights by name."""
        return self._trees[0]

    @property
    def state(self) -> Any:
        """Values that the network kept itself, by name."""
        return self._trees[1]

    def __call__(self, x: Any) -> Any:
        leaves = [value for tree in self._trees for _, value in by_name(tree)]
        rows = x[:, None]
        flags = [False] * len(leaves) + [True]
        (y, _), *_ = batch_walk(self.graph, len(rows), [*leaves, rows], flags)
        return y[:, 0]


def load(path: str | Path, net: Module | None = None) -> Module:
    """Read a network from a file.

    Parameters
    ----------
    path : str or Path
        Written by ``dr.save``.
    net : Module, optional
        A network of the user's own class to put the weights into. Without it such a file gives a network that evaluates the
        saved graph and cannot be trained.

    Raises
    ------
    ModelFileError
        Where the file is missing, corrupt, truncated, foreign, or of a newer version.
    """
    about, arrays = read(Path(path))
    trees: dict[str, dict[str, Any]] = {"params": {}, "state": {}}
    for name, x in arrays.items():
        kind, *names = name.split(".")
        put(trees[kind], tuple(names), x)
    try:
        found = _network(about, trees, net)
        if about["preprocessor"] is not None:
            found.preprocessor = Preprocessor.from_json(about["preprocessor"])
    except (KeyError, TypeError, DeltaruleError) as error:
        raise ModelFileError(f"{path} is damaged or does not fit: {error}") from None
    return found


def _network(about: Any, trees: Any, net: Module | None) -> Module:
    if net is None and about["architecture"] is None:
        return Loaded(
            Graph.from_text(about["graph"]), trees["params"], trees["state"], about["dtype"]
        )
    found = build(about["architecture"]) if net is None else net
    if not found.built:
        found.init((1, *about["row"]), 0, about["dtype"])
    found.params, found.state = trees["params"], trees["state"]
    return found


def read(path: Path) -> tuple[Any, dict[str, Any]]:
    """The header and the arrays of a model file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
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
    about = json.loads(header["deltarule"])
    if about.get("format", 0) > FORMAT:
        raise ModelFileError(
            f"{path} has format {about['format']}, this version reads up to {FORMAT}; update deltarule"
        )
    return about, arrays
