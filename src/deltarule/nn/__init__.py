"""Networks: modules with named weights, layers, initial weights, losses.

In: layers and their settings, or a class whose attributes are layers and arrays. Out: a network
whose call is NumPy code and is traced like any function, its weights as nested dicts, and losses of
its raw outputs.
"""

from deltarule.nn.activations import ACTIVATIONS, activation_of
from deltarule.nn.initializers import INITIALIZERS, initializer
from deltarule.nn.layers import Activation, Dense, Dropout, Sequential
from deltarule.nn.losses import LOSSES, Loss, loss_of
from deltarule.nn.lsuv import lsuv
from deltarule.nn.module import Module, State

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "Activation",
    "Dense",
    "Dropout",
    "Loss",
    "Module",
    "Sequential",
    "State",
    "activation_of",
    "initializer",
    "loss_of",
    "lsuv",
]
