"""Model files: weights in the safetensors format, everything else as JSON in its header.

In: a network. Out: one file, written whole or not at all; and back. The file holds the
architecture, how its weights are trained, the graph of the evaluation of one row, the preprocessing,
and the version of the format. It is data only: reading it executes nothing.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import Preprocessor
from deltarule.data.place import bytes_of
from deltarule.data.write import write_whole
from deltarule.derive.batch import batch_walk
from deltarule.derive.trace import baked, stage
from deltarule.errors import DeltaruleError, ModelFileError, ShapeError
from deltarule.nn import Module
from deltarule.nn.call import current
from deltarule.nn.nested import Path as Names
from deltarule.nn.nested import flat, matched, nested
from deltarule.nn.tying import ties_of
from deltarule.program import Graph, type_of
from deltarule.program.families import broadcast_to
from deltarule.program.types import ArrayType
from deltarule.train.architecture import architecture, build
from deltarule.train.record import read_record
from deltarule.train.resume import described_run, run_of, trees_of
from deltarule.train.run import Run

FORMAT = 1


def save(
    net: Module,
    path: str | Path,
    *,
    preprocessor: Preprocessor | None = None,
    row: tuple[int, ...] | None = None,
    run: Run | None = None,
    resumable: bool = False,
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
    run : Run, optional
        The training's record, which ``dr.Run.load(path)`` reads back.
    resumable : bool
        Whether what the run's update rule keeps goes along, so that ``dr.fit(..., resume=run)`` can go
        on from the file. With Adam it is twice as large as the network.

    Raises
    ------
    ModelFileError
        Where the network has no weights yet, or the place cannot be written; a file that is there
        already stays as it was.
    DataError
        Where the run cannot be resumed.

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

    place = _path(path)
    if not isinstance(net, Module):
        raise ModelFileError(f"save writes a network, an object of dr.Module, not {net!r:.60}")
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
        "tuning": net.tuning,
        "ties": ties_of(net),
        "row": list(shape),
        "graph": evaluation_graph(net, tuple(shape)).to_text(),
        "preprocessor": None if preprocessor is None else preprocessor.to_json(),
        "trained": net.trained,
    }
    arrays = {
        ".".join((kind, *names)): np.array(x, order="C")
        for kind, tree in (("params", net.params), ("state", net.state))
        for names, x in flat(tree)
    }
    if run is not None or resumable:
        about["run"], more = described_run(run, resumable)
        arrays |= more
    text = json.dumps(about)
    header = {"deltarule": text, "crc32": checksum(text, arrays)}
    try:
        write_whole(place, to_bytes(arrays, header))
    except OSError as error:
        raise ModelFileError(
            f"cannot write {path}: {error.strerror}. A file that was there is as it was; "
            "free some space, or choose a folder that exists and is writable"
        ) from None


def checksum(about: str, arrays: dict[str, Any]) -> str:
    """CRC-32 of the header's text and of all arrays by name: a changed bit is another sum."""
    crc = zlib.crc32(about.encode())
    for name in sorted(arrays):
        crc = zlib.crc32(np.ascontiguousarray(arrays[name]).data, zlib.crc32(name.encode(), crc))
    return f"{crc:08x}"


def _path(given: Any) -> Path:
    """A path, or an error for what is none."""
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given):
        raise ModelFileError(
            f"a model file goes by its path, such as 'net.dr', not by {given!r:.60}"
        )
    return Path(given)


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
    path = _path(path)
    about, arrays = read(path)
    try:
        trees = trees_of(arrays)
        found = _network(about, trees, net)
        if about["preprocessor"] is not None:
            found.preprocessor = Preprocessor.from_json(about["preprocessor"])
        found.trained = read_record(about.get("trained"))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        known = isinstance(error, DeltaruleError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        raise ModelFileError(f"{path} is damaged, or does not fit: {reason}") from None
    return found


def read_run(path: Path) -> Run:
    """The run in a model file."""
    about, arrays = read(path)
    if about.get("run") is None:
        raise ModelFileError(
            f"{path} holds a network without the record of its training; dr.save(net, path, run=run) "
            "or dr.Checkpoint(path) writes one with it"
        )
    try:
        return run_of(about["run"], arrays)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelFileError(f"{path} is damaged: its run cannot be read, {reason}") from None


def _network(about: Any, trees: Any, net: Module | None) -> Module:
    if net is None and about["architecture"] is None:
        graph = Graph.from_text(about["graph"])
        return Loaded(graph, trees["params"], trees["state"], about["dtype"], about["row"])
    found = build(about["architecture"]) if net is None else net
    if not found.built:
        found.init((1, *about["row"]), 0, about["dtype"])
    for one in about.get("ties", ()):  # files of the first versions have no ties, and no tuning
        if one not in ties_of(found):
            found.tie(*one)
    found.params, found.state = trees["params"], trees["state"]
    found.tuning = about.get("tuning", found.tuning)
    return found


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the arrays of a model file; its bytes are those that were written."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as arrays_of

    raw = bytes_of(path, ModelFileError)
    header = _header(raw, path)
    if "deltarule" not in header:
        raise ModelFileError(
            f"{path} is a safetensors file of another program: its header has no entry 'deltarule'"
        )
    try:
        arrays = arrays_of(raw)
        whole = header.get("crc32") in (None, checksum(header["deltarule"], arrays))
        about = json.loads(header["deltarule"])
        newer = about["format"] > FORMAT
    except (SafetensorError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise _damaged(path, "its header cannot be read") from None
    if newer:
        raise ModelFileError(
            f"{path} has format {about['format']}, this version reads up to {FORMAT}; update "
            "deltarule: pip install --upgrade deltarule"
        )
    if not whole:
        raise _damaged(path, "its checksum is not that of what it holds, so bytes were changed")
    return about, arrays


def _header(raw: bytes, path: Path) -> dict[str, str]:
    """The entries of a safetensors header; a file that has none, or is shorter than it says, is refused."""
    end = 8 + int.from_bytes(raw[:8], "little")
    if raw[8:9] != b"{":
        start = f"it starts with {raw[:8]!r}" if raw else "it is empty"
        raise ModelFileError(
            f"{path} is no model file: {start}. Name a file that dr.save or `deltarule train` wrote; on "
            "the command line the model comes before the table"
        )
    try:
        found = json.loads(raw[8:end])
        named = found.pop("__metadata__", {})
        end += max((array["data_offsets"][1] for array in found.values()), default=0)
        entries = {str(name): str(value) for name, value in named.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        cut = f"it ends after {len(raw)} bytes, within its header" if len(raw) < end else ""
        raise _damaged(path, cut or "its header cannot be read") from None
    if len(raw) < end:
        raise _damaged(path, f"it is cut short, {len(raw)} of {end} bytes are there")
    return entries


def _damaged(path: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{path} is damaged: {what}. Take an undamaged copy, or train again")
