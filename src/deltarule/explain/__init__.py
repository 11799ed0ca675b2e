"""Every number of a training step with its formula, and the first wrong line of one done by hand.

In: a network and rows, an example file, or a function. Out: ``Worked``: named quantities with exact values and
formulas, as text, Markdown, LaTeX or a page.
"""

from deltarule.explain.example import Claim, Example, Layer, Problem, read
from deltarule.explain.explain import explain, work
from deltarule.explain.record import Quantity, Worked

__all__ = ["Claim", "Example", "Layer", "Problem", "Quantity", "Worked", "explain", "read", "work"]
