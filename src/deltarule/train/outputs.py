"""A common mistake at the end of a network: an activation that the loss has already.

In: a loss and the graph of the network. Out: nothing, or a warning that names the cure. What counts is
the graph, so a softmax written by hand is found like that of a layer.
"""

from __future__ import annotations

import warnings

from deltarule.nn import Loss
from deltarule.program import Node
from deltarule.train.answers import LOG_MEAN, LOGITS, LOGITS_BINARY

MOVES = ("reshape", "broadcast", "cast", "transpose")  # what lies between an operation and the end


def check_outputs(loss: Loss, output: Node) -> None:
    """Warn where the last operation of a network is one that the loss does itself."""
    last = activation_at(output)
    if not loss.named or not last:
        return
    if loss.name in LOGITS + LOGITS_BINARY and last != "exponential":
        own, wanted = ("logistic" if loss.name in LOGITS_BINARY else "softmax"), "logits"
    elif loss.name in LOG_MEAN and last == "exponential":
        own, wanted = "exponential", "logarithms of means"
    else:
        return
    warnings.warn(
        f"the network ends with a {last}, and {loss.name} takes {wanted}: it has a {own} of its own. "
        f"Twice is slow to train and ends with a larger loss. Leave the last {last} out, and take it "
        f"of net(X) where you want its values",
        stacklevel=2,
    )


def activation_at(output: Node) -> str:
    """Which of softmax, logistic or exponential a value is the result of; empty for all else.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.derive import stage
    >>> from deltarule.program.types import ArrayType
    >>> rows = [ArrayType((2, 3), np.dtype(float))]
    >>> activation_at(stage(lambda x: [1 / (1 + np.exp(-x))], rows).graph.outputs[0])
    'logistic'
    """
    node = _source(output)
    name = node.primitive.name
    if name in ("sigmoid", "exp"):
        return "logistic" if name == "sigmoid" else "exponential"
    if name != "div":
        return ""
    above, below = map(_source, node.args)
    if below.primitive.name == "sum":
        summed = _source(below.args[0])
        both = above.primitive.name == summed.primitive.name == "exp"
        return "softmax" if both and above.args[0] is summed.args[0] else ""
    parts = {_source(arg).primitive.name for arg in below.args}
    return "logistic" if below.primitive.name == "add" and parts == {"literal", "exp"} else ""


def _source(node: Node) -> Node:
    while node.primitive.name in MOVES:
        node = node.args[0]
    return node
