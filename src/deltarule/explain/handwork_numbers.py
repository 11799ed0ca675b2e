"""Numbers as they are printed: a value and how exactly it was written.

In: the text of a number, with decimal point or comma, grouping, exponent or percent sign. Out: its
value, and the half unit of its last place, which is how far a rounded number may be from the exact one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

Commas = Literal["decimal", "thousands", "unknown"]
NUMBER = re.compile(
    r"(?:\d+(?:[.,]\d+)*\.?(?!\d)|[.,]\d+)"
    r"(?:[eE][+-]?\d+(?![\w.])|\s*[*]\s*10\s*\^\s*(?:\(\s*[+-]?\d+\s*\)|\{\s*[+-]?\d+\s*\}|[+-]?\d+))?%?"
)


class AmbiguousComma(ValueError):
    """A comma between digits may be a decimal sign or stand between thousands."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed number.

    Attributes
    ----------
    text : str
        As it stands in the line, without a sign.
    value : float
        The number nearest to the text.
    unit : float
        One unit of its last place: 0.01 for 0.25, 1 for 320,000, 1e-6 for 4.25e-4.
    whole : bool
        Whether it has no decimals and no exponent; counts and inputs are written so.
    """

    text: str
    value: float
    unit: float
    whole: bool

    @property
    def half(self) -> float:
        """How far from the exact number a rounded one may be."""
        return self.unit / 2

    @property
    def digits(self) -> int:
        """Significant digits; those of 0.050 are 2."""
        mantissa = re.split(r"[eE*%]", self.text)[0]
        return max(1, len(re.sub(r"[.,\s]", "", mantissa).lstrip("0")))

    @property
    def decimals(self) -> int:
        """Digits after the decimal point, negative for 12e3."""
        return -int(Decimal(repr(self.unit)).adjusted())


def printed(text: str, commas: Commas = "unknown") -> Printed:
    """Return what a number's text says.

    Raises ``AmbiguousComma`` where a comma may mean two things ("1,234" alone in a text), ``ValueError``
    where it is no number.

    >>> printed("0.750")
    Printed(text='0.750', value=0.75, unit=0.001, whole=False)
    >>> printed("4,25e-4").unit, printed("1,250,000").value, printed("5 %".replace(" ", "")).value
    (1e-06, 1250000.0, 0.05)
    """
    mantissa, exponent = text, 0
    percent = text.endswith("%")
    if power := re.fullmatch(
        r"(.*?)\s*[*]\s*10\s*\^\s*[({]?\s*([+-]?\d+)\s*[)}]?", text.rstrip("%")
    ):
        mantissa, exponent = power[1], int(power[2])
    elif power := re.fullmatch(r"(.*?)[eE]([+-]?\d+)", text.rstrip("%")):
        mantissa, exponent = power[1], int(power[2])
    mantissa = _point(mantissa.rstrip("%"), commas)
    exponent -= 2 * percent
    decimals = len(mantissa.partition(".")[2])
    try:
        value = float(Decimal(mantissa).scaleb(exponent))
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number") from None
    return Printed(
        text,
        value,
        float(Decimal(1).scaleb(exponent - decimals)),
        decimals == 0 and exponent == 0,
    )


def _point(text: str, commas: Commas) -> str:
    """The number with a decimal point and nothing between thousands."""
    if "," not in text:
        return text if text.count(".") < 2 else text.replace(".", "")
    if "." in text:  # the later of the two is the decimal sign
        group, sign = (",", ".") if text.rindex(".") > text.rindex(",") else (".", ",")
        return text.replace(group, "").replace(sign, ".")
    grouped = bool(re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", text))
    if grouped and (commas == "thousands" or text.count(",") > 1):
        return text.replace(",", "")
    if grouped and commas == "unknown":
        decimal = text.replace(",", ".")
        raise AmbiguousComma(
            f"{text!r} may be {decimal} or {text.replace(',', '')}: write a decimal point, or another "
            "number with a decimal comma in the same text"
        )
    if text.count(",") == 1:
        return text.replace(",", ".")
    raise ValueError(f"{text!r} is no number: {text.count(',')} commas")


def how_commas_are_used(text: str) -> Commas:
    """Say what a comma between digits means in a text, from its other numbers.

    >>> how_commas_are_used("w1 = 0,15; w2 = 0,2"), how_commas_are_used("price 300,000, rate 0.1")
    ('decimal', 'thousands')
    >>> how_commas_are_used("x = 1,234")
    'unknown'
    """
    if re.search(r"(?<![\d.,])\d*\.\d|[$€£] ?\d{1,3},\d{3}(?![\d,])", text):
        return "thousands"
    if re.search(r"(?<![\d,])(?:0,\d+|,\d+|\d+,(?:\d{1,2}|\d{4,}))(?![\d,])", text):
        return "decimal"
    return "unknown"
