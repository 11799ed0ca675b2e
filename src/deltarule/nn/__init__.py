"""Networks: modules with named weights, layers, initial weights, losses.

In: layers and their settings, or a class whose attributes are layers and arrays. Out: a network
whose call is NumPy code and is traced like any function, its weights as nested dicts, and losses of
its raw outputs.
"""

from deltarule.nn.activations import ACTIVATIONS, activation_of
from deltarule.nn.containers import Concatenate, Multiply, Residual, Sequential
from deltarule.nn.embedding import Columns, Embedding
from deltarule.nn.initializers import INITIALIZERS, initializer
from deltarule.nn.layers import Activation, Dense, Dropout
from deltarule.nn.losses import LOSSES, Loss, loss_of
from deltarule.nn.lsuv import lsuv
from deltarule.nn.module import Module, State
from deltarule.nn.noise import GaussianNoise
from deltarule.nn.normalization import BatchNorm, LayerNorm
from deltarule.nn.units import Maxout, PReLU

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "Activation",
    "BatchNorm",
    "Columns",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "GaussianNoise",
    "LayerNorm",
    "Loss",
    "Maxout",
    "Module",
    "Multiply",
    "PReLU",
    "Residual",
    "Sequential",
    "State",
    "activation_of",
    "initializer",
    "loss_of",
    "lsuv",
]
