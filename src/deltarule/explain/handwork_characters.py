"""Characters of formulas as people type, paste and typeset them, brought to one plain spelling.

In: a line with × · − ² ₁ σ ∂ ½ or LaTeX commands. Out: the same line in ASCII operators, ``^``, ``_``
and names of Greek letters.
"""

from __future__ import annotations

import re

_OPERATORS = {
    "-": "−–—‒‐‑﹣－",
    "*": "×✕✖⋅·∙∗＊⨯",
    "/": "÷∕⁄／",
    "=": "≈≃≅≐≒≡＝",
    "(": "（⟨",
    ")": "）⟩",
    "+": "＋",
    "'": "′’´‵",
    "→": "⟶➝➔↦⟼",
    "←": "⟵",
    " ": "\u00a0\u2009\u202f\u2007\u2002\u2003\u200a\t",
    "": "\u200b\u2060\ufeff\u2061\u2062",
    "d": "∂𝜕",
}
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ϵ": "epsilon",
    "η": "eta", "θ": "theta", "λ": "lambda", "μ": "mu", "σ": "sigma", "ς": "sigma", "φ": "phi",
    "ϕ": "phi", "ψ": "psi", "ρ": "rho", "τ": "tau", "Δ": "Delta", "∆": "Delta", "Σ": "Sigma",
    "∑": "Sigma", "∇": "nabla", "Φ": "phi",
}  # fmt: skip
_HALVES = {
    "½": "(1/2)", "⅓": "(1/3)", "⅔": "(2/3)", "¼": "(1/4)", "¾": "(3/4)", "⅕": "(1/5)", "⅛": "(1/8)",
}  # fmt: skip
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣᵀ", "0123456789+-()nxT")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚₛₜₓ", "0123456789+-()aehijklmnopstx")
_TABLE = str.maketrans(
    {
        **{found: plain for plain, many in _OPERATORS.items() for found in many},
        **GREEK,
        **_HALVES,
        "ŷ": "yhat",
        "𝑒": "e",
        "√": "sqrt",
        "²": "^2",
        "³": "^3",
    }
)
_LATEX = [
    (r"\\[td]?frac\s*(?:\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d)(\d))", r"(\1\3/\2\4)"),
    (r"\\(?:begin|end)\s*\{[^{}]*\}|(?<!\\)&|\\\\(?:\[\w+\])?\s*$", ""),
    (r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?)\b", ""),
    (r"\\(?:text|mathrm|mathit|mathbf|operatorname|boldsymbol|rm)\s*\{([^{}]*)\}", r"\1"),
    (r"\\(?:hat|widehat)\s*\{?\s*([A-Za-z])\s*\}?", r"\1hat"),
    (r"\\[td]?frac\s*\{((?:[^{}]|\{[^{}]*\})*)\}\s*\{((?:[^{}]|\{[^{}]*\})*)\}", r"((\1)/(\2))"),
    (r"\\(?:cdot|times|ast)\b", "*"),
    (r"\\(?:approx|simeq|cong|equiv)\b", "="),
    (r"\\(?:partial)\b\s*", "d"),
    (r"\\(?:to|rightarrow|Rightarrow|longrightarrow)\b", "→"),
    (r"\\(?:leftarrow|gets)\b", "←"),
    (r"\\Delta\b", "Delta"),
    (r"\\(?:qquad|quad|[,;:! ])", " "),
    (r"\\([A-Za-z]+)", r"\1"),
]
_RESULT = r"-?[\d.,]*\d%?"
_FRACTION_OF_DERIVATIVE = re.compile(
    r"\(\(\s*(d\s*(?:[^()]|\(\d\))*?)\s*\)/\(\s*(d\s*(?:[^()]|\(\d\))*?)\s*\)\)"
)
_MATRIX = re.compile(r"\\begin\{[bpv]?matrix\}(.*?)\\end\{[bpv]?matrix\}", re.DOTALL)


def _rows(matrix: str) -> str:
    """Rows in brackets, as programs write them: ``1 & 2 \\\\ 3 & 4`` is [[1, 2], [3, 4]]."""
    rows = [[cell.strip() for cell in row.split("&")] for row in matrix.split(r"\\") if row.strip()]
    if all(len(row) == 1 for row in rows):
        return f"[{', '.join(row[0] for row in rows)}]"
    return f"[{', '.join('[' + ', '.join(row) + ']' for row in rows)}]"


def plain(text: str) -> str:
    """Return a line in plain characters.

    >>> plain("δ₁ = −(0,01 − 0.75) × 0.75² ≈ ½·σ(z₁)")
    'delta_1 = -(0,01 - 0.75) * 0.75^2 = (1/2)*sigma(z_1)'
    >>> plain(r"$\\frac{\\partial E}{\\partial w_{5}} = 0.74 \\cdot 4.4×10⁻⁴$")
    'dE/dw_{5} = 0.74 * 4.4*10^-4'
    """
    text = re.sub(r"\$(\s*[A-Za-z\\(|{-][^$\n]*)\$", r"\1", text)
    text = _MATRIX.sub(lambda found: _rows(found[1]), text)
    text = re.sub(r"\b(?:np|numpy|torch)\.(?:array|tensor)\(([^()]*)\)", r"\1", text)
    if "\\" in text:
        text = text.replace("$", "")
        for pattern, plainly in _LATEX:
            text = re.sub(pattern, plainly, text)
        text = _FRACTION_OF_DERIVATIVE.sub(r"\1/\2", text)
    text = re.sub(r"[⁺](?![⁰¹²³⁴-⁹])", "+", text)  # w⁺ is a name, 10⁺³ a power
    text = re.sub(
        r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣᵀ]+", lambda found: "^" + found[0].translate(_SUPERSCRIPT), text
    )
    text = re.sub(
        "[₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚₛₜₓ]+", lambda found: "_" + found[0].translate(_SUBSCRIPT), text
    )
    text = re.sub(r"∂\s+", "∂", text)
    text = text.translate(_TABLE)
    text = text.replace("**", "^") if re.search(r"[\w)]\s*\*\*\s*[\d(-]", text) else text
    text = re.sub(r"(?<=[\d)])(\s*)[xX](?=\s+[-+(.\d]|\d+[.,]\d)", r"\1*", text)
    text = re.sub(r"==|:=|~=|=~", "=", text)
    text = re.sub(r"=>|⇒", ";", text)
    text = re.sub(r"\bd([A-Z][a-z]{0,4})_d(?=[A-Za-z])", r"d\1/d", text)  # dL_dw1 in programs
    text = re.sub(r"-->|->", "→", re.sub(r"<-(?!\s*[\d.])|<--", "←", text)).strip("$ \n")
    # what follows from a result is said after an arrow
    return re.sub(rf"(=\s*{_RESULT})\s*→\s*(?=[^\d\s][^=\n]*=)", r"\1; ", text)
