"""Examples for the tests of explanations: as files, and the arithmetic of printed lines."""

from __future__ import annotations

import math
import re

MAZUR = """
title = "A 2-2-2 network"
source = "Matt Mazur, 2015"
inputs = [0.05, 0.10]
targets = [0.01, 0.99]
learning_rate = 0.5
trained = "weights"

[[layers]]
activation = "logistic"
weights = [["w1", "w2"], ["w3", "w4"]]
bias = "b1"

[[layers]]
activation = "logistic"
weights = [["w5", "w6"], ["w7", "w8"]]
bias = "b2"

[values]
w1 = 0.15
w2 = 0.20
w3 = 0.25
w4 = 0.30
w5 = 0.40
w6 = 0.45
w7 = 0.50
w8 = 0.55
b1 = 0.35
b2 = 0.60
"""

HAN = """
title = "A 3-2-1 network"
source = "Han and Kamber"
inputs = { 1 = 1, 2 = 0, 3 = 1 }
targets = { 6 = 1 }
learning_rate = 0.9

[[layers]]
neurons = ["4", "5"]
activation = "logistic"
weights = [["w14", "w24", "w34"], ["w15", "w25", "w35"]]
bias = ["theta4", "theta5"]

[[layers]]
neurons = ["6"]
activation = "logistic"
weights = [["w46", "w56"]]
bias = ["theta6"]

[values]
w14 = 0.2
w15 = -0.3
w24 = 0.4
w25 = 0.1
w34 = -0.5
w35 = 0.2
w46 = -0.3
w56 = -0.2
theta4 = -0.4
theta5 = 0.2
theta6 = 0.1
"""


def arithmetic(text: str) -> float:
    """What a printed line of numbers comes to, by Python's own arithmetic."""
    code = text.replace("∞", "inf").replace("−", "-")
    for sign, word in (("≥", ">="), ("≤", "<="), ("≠", "!="), ("∧", "and"), ("∨", "or")):
        code = code.replace(sign, word)
    code = re.sub(r"\[([^\[\]]*)\]", lambda m: f"float({m[1].replace(' = ', ' == ')})", code)
    code = re.sub(r"\|([^|]*)\|", r"abs(\1)", code)
    code = re.sub(r"(?<![\w.])e\^", "EXP^", code)
    code = re.sub(r"\bln (\([^()]*\)|[\d.e-]+)", r"ln(\1)", code)
    code = code.replace("√", "sqrt").replace("^", "**")
    names = {
        "EXP": math.e,
        "ln": math.log,
        "sqrt": math.sqrt,
        "tanh": math.tanh,
        "abs": abs,
        "max": max,
        "min": min,
        "inf": math.inf,
        "clip": lambda x, low, high: min(max(x, low), high),
    }
    return float(eval(code, {"__builtins__": {"float": float}}, names))
