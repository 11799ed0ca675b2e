"""A batch normalization in an example file: gamma and beta of each neuron before it.

In: the entries of a layer that says ``normalize``. Out: a ``Layer``; DataError for entries that do not
go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deltarule.explain.example import Problem
from deltarule.explain.network import Layer

if TYPE_CHECKING:
    from deltarule.explain.reading import Reader

ENTRIES = ("gamma", "beta", "epsilon")
EPSILON = 1e-5


def check_normalization(reader: Reader, one: Mapping[str, Any], where: str) -> None:
    """Raise where entries of a dense layer and of a normalization stand together."""
    if "normalize" not in one:
        if found := [name for name in ENTRIES if name in one]:
            raise reader.wrong(f'{where} has {found[0]}, but no normalize = "batch"')
    elif one["normalize"] != "batch":
        raise reader.wrong(f"{where}: normalize is 'batch', not {one['normalize']!r}")
    elif found := [name for name in ("weights", "bias", "units") if name in one]:
        raise reader.wrong(f"{where} normalizes: it has gamma and beta, no {found[0]}")


def normalization(
    reader: Reader,
    one: Mapping[str, Any],
    neurons: list[str],
    activation: str,
    before: list[str],
    where: str,
) -> Layer:
    """The layer, whose neurons normalize those before it."""
    if len(neurons) != len(before):
        reason = f"{where} normalizes {len(before)} neurons and names {len(neurons)}"
        reader.problems.append(Problem("contradiction", reason))
    gamma, beta = (_names(reader, one, word, neurons, where) for word in ("gamma", "beta"))
    epsilon = reader.number(one.get("epsilon", EPSILON), f"{where}: epsilon")
    if epsilon < 0:
        raise reader.wrong(f"{where}: epsilon is 0 or more, not {epsilon}")
    return Layer(tuple(neurons), activation, tuple((name,) for name in gamma), beta, epsilon)


def _names(
    reader: Reader, one: Mapping[str, Any], word: str, neurons: list[str], where: str
) -> tuple[str, ...]:
    """The name of gamma or beta of each neuron."""
    row = one.get(word, ["?"] * len(neurons))
    row = row if isinstance(row, list) else [row] * len(neurons)
    if len(row) != len(neurons) or "-" in row:
        raise reader.wrong(
            f"{where}: {word} is one name or number for each of {len(neurons)} neurons, not {row!r}"
        )
    pairs = zip(row, neurons, strict=True)
    return tuple(reader.entry(x, f"{word}_{n}", f"{word} of {n}") for x, n in pairs)
