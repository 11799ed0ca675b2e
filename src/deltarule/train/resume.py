"""Where a training stands, in a model file and back: what the update rule keeps, the best weights.

In: a ``Run``, or the entries and arrays of a file. Out: entries and arrays, or the run; and the carry that
a training begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten, paths, tree_map
from deltarule.errors import DataError
from deltarule.nn.nested import flat, nested
from deltarule.train.continued import continued
from deltarule.train.epoch import Carry
from deltarule.train.prepare import Array
from deltarule.train.run import Kept, Run

RULE = "opt_state"
TREES = ("params", "state")


@dataclass(frozen=True, slots=True)
class Stored:
    """The leaves of a tree whose structure only their paths tell."""

    paths: tuple[str, ...]
    leaves: tuple[Array, ...]


def first_carry(params: Any, state: Any, opt_state: Any, resume: Run | None) -> Carry:
    """Where a training begins: anew, or where the run to resume stands."""
    fresh = Carry(params, state, opt_state, np.int64(0))
    if resume is not None:
        old = resume.carry
        if old is None:
            raise DataError(
                "resume: the run holds no state of an optimizer to continue from. A file has it "
                "where dr.Checkpoint wrote it, or dr.save(net, path, run=run, resumable=True)"
            )
        kept = _kept(old.opt_state)
        before = dict(zip(kept.paths, kept.leaves, strict=True))
        fresh = Carry(params, state, continued(before, old.params, params, opt_state), old.count)
    return tree_map(np.asarray, fresh)  # type: ignore[no-any-return]


def _kept(opt_state: Any) -> Stored:
    if isinstance(opt_state, Stored):
        return opt_state
    leaves, spec = flatten(opt_state)
    return Stored(tuple(paths(spec)), tuple(map(np.asarray, leaves)))


# --- in a file ---


def described_run(run: Any, resumable: bool) -> tuple[dict[str, Any], dict[str, Array]]:
    """The entry of a run in the header of a model file, and its arrays."""
    if not isinstance(run, Run):
        raise DataError(f"run is what dr.fit returned, an object of dr.Run, not {run!r}")
    entry, arrays = run.record(), {}
    if resumable:
        if run.carry is None:
            raise DataError("resumable=True: the run holds no state of an optimizer")
        kept = _kept(run.carry.opt_state)
        entry |= {"count": int(run.carry.count), RULE: list(kept.paths), "kept": {}}
        arrays = {f"{RULE}{path}": x for path, x in zip(kept.paths, kept.leaves, strict=True)}
        for i, (figure, best) in enumerate(run.kept.items()):
            entry["kept"][figure] = best.epoch
            for tree in TREES:
                arrays |= named(f"kept{i}.{tree}", getattr(best, tree))
    return entry, {name: np.array(x, order="C") for name, x in arrays.items()}


def named(name: str, tree: Any) -> dict[str, Array]:
    """The arrays of a nested dict by their dotted names."""
    return {".".join((name, *path)): x for path, x in flat(tree)}


def trees_of(arrays: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Weights and state as nested dicts, from the arrays of a file."""
    trees: dict[str, Any] = {tree: {} for tree in TREES}
    known: Iterable[tuple[str, ...]] = (tuple(name.split(".")) for name in arrays)
    start = (before,) if before else ()
    leaves = [
        (path[len(start) :], arrays[".".join(path)])
        for path in known
        if path[: len(start)] == start and path[len(start)] in TREES
    ]
    return trees | nested(leaves)


def run_of(entry: Any, arrays: Mapping[str, Array]) -> Run:
    """The run of an entry of the header."""
    run = Run.from_record(entry)
    if RULE in entry:
        leaves = tuple(arrays[f"{RULE}{path}"] for path in entry[RULE])
        trees = trees_of(arrays)
        stored = Stored(tuple(entry[RULE]), leaves)
        run.carry = Carry(trees["params"], trees["state"], stored, np.int64(entry["count"]))
        for i, (figure, epoch) in enumerate(entry["kept"].items()):
            run.kept[figure] = Kept(int(epoch), **trees_of(arrays, f"kept{i}"))
    return run
