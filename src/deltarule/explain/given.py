"""What a step starts from, on the sheet: inputs, weights, targets, settings of the update rule.

In: a traced step and names. Out: quantities without formulas, and names for their nodes.
"""

from __future__ import annotations

import numpy as np

from deltarule.explain.expand import Terms
from deltarule.explain.names import Names
from deltarule.explain.rows import around, rowed, spot
from deltarule.explain.sheet import Sheet
from deltarule.explain.step import Pass, Step
from deltarule.nn.nested import Path
from deltarule.program import Node

SHORT = {"learning_rate": "lr"}


def name_given(sheet: Sheet, found: Pass, names: Names, end: str) -> None:
    """Names of inputs, weights and targets; trained weights get an ending after the update."""
    inputs, targets = found.inputs, found.targets
    sheet.call(inputs, rowed(names.inputs, inputs.type.shape, "{}"), "input")
    for path, node in found.weights.items():
        new = end if path in found.trained else ""
        sheet.call(node, around(names.weights[path], "", new), "weight")
    for path, node in found.held.items():
        if path in names.weights:
            sheet.call(node, names.weights[path], "weight")
    if targets.type.is_float and targets.type.shape:
        sheet.call(targets, _target_names(targets, names), "target")


def _target_names(targets: Node, names: Names) -> Terms:
    """Of each output neuron; targets of shape (rows,) are those of one neuron."""
    shape = targets.type.shape
    wide = shape if len(shape) > 1 else (*shape, 1)
    units = names.units[-1]
    if len(units) != wide[-1]:
        units = ["t"] * wide[-1]
    return rowed(units, wide, names.target + "_{}").reshape(shape)


def given(sheet: Sheet, step: Step, names: Names) -> None:
    """All numbers that a step starts from."""
    found = step.forward
    _numbers(sheet, found.inputs, "input")
    for path, node in found.weights.items():
        _weights(sheet, node, names.weights[path], names, trained=path in found.trained)
    for path, node in found.held.items():
        if path in names.weights:
            _weights(sheet, node, names.weights[path], names, trained=False)
    if found.targets in sheet.expansion.names:
        _numbers(sheet, found.targets, "target")
    else:
        _classes(sheet, found.targets)
    _settings(sheet, step)
    _memory(sheet, step, names)


def _numbers(sheet: Sheet, node: Node, role: str) -> None:
    names = sheet.names(node)
    for place, value in np.ndenumerate(sheet.numbers(node)):
        sheet.put(names[place], value, "given", role, **spot(place))


def _weights(sheet: Sheet, node: Node, own: Terms, names: Names, trained: bool) -> None:
    values = sheet.numbers(node)
    for place in names.inorder(own):
        name = own[place]
        role, where = names.role(name), names.spot(name)
        sheet.put(name, values[place], "given", role, trained=trained, **where)


def _classes(sheet: Sheet, targets: Node) -> None:
    """Class indices, counted from 0."""
    values = sheet.numbers(targets)
    for place, value in np.ndenumerate(values):
        row = place[0] + 1 if place else 1
        name = f"class({row})" if values.size > 1 else "class"
        sheet.put(name, value, "given", "target", row=row)


def _settings(sheet: Sheet, step: Step) -> None:
    """Learning rate and the like."""
    for name, node in step.settings.items():
        short = SHORT.get(name, name)
        sheet.call(node, np.array(short, object), "setting")
        sheet.put(short, sheet.numbers(node)[()], "given", "setting")


def _memory(sheet: Sheet, step: Step, names: Names) -> None:
    """What the update rule remembers; zeros at the start are said aside."""
    for path, node in step.memory.items():
        own = memory_names(names, path, node.type.shape)
        if node.type.is_float:
            sheet.call(node, own, "memory")
        values = sheet.numbers(node)
        for place in np.ndindex(own.shape):
            sheet.put(own[place], values[place], "given", "memory", aside=not values.any())


def memory_names(names: Names, path: Path, shape: tuple[int, ...], end: str = "") -> Terms:
    """Names of what the update rule keeps for each weight: velocity_w5."""
    for i in range(1, len(path)):  # a rule inside a rule keeps its memory under a name of its own
        of = names.weights.get(path[i:])
        if of is not None and of.shape == shape:
            return around(of, "_".join(path[:i]) + "_", end)
    out = np.empty(shape, object)
    for place in np.ndindex(shape):
        numbers = [str(i + 1) for i in place]
        out[place] = "_".join([*path, *numbers]) + end
    return out
