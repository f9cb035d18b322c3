"""Units of measure: which are the same, and which cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """What is measured, and how much of it one unit is; an unknown unit measures only itself."""

    dimension: str
    scale: Fraction
    known: bool


_TABLE = {
    "length": {
        "mm millimeter millimetre": "1/1000",
        "cm centimeter centimetre": "1/100",
        "m meter metre": "1",
        "km kilometer kilometre": "1000",
        "in inch inche": "254/10000",
        "ft foot feet": "3048/10000",
        "yd yard": "9144/10000",
        "mi mile": "1609344/1000",
    },
    "time": {
        "s sec second": "1",
        "min minute": "60",
        "h hr hour": "3600",
        "day": "86400",
        "week": "604800",
    },
    "years": {"year yr": "12", "month": "1"},
    "mass": {"mg milligram": "1/1000", "g gram": "1", "kg kilogram": "1000"},
    "weight": {"oz ounce": "1", "lb pound": "16", "ton": "32000"},
    "volume": {"ml milliliter millilitre": "1/1000", "l liter litre": "1"},
    "dollars": {"cent ¢": "1", "dollar usd buck": "100"},
    "euros": {"euro eur": "1"},
    "speed": {"mph miles per hour mile per hour mi / hr": "1"},
}


def _plain(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


def _known() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for dimension, units in _TABLE.items():
        for names, scale in units.items():
            unit = Unit(dimension, Fraction(scale), True)
            singles = [names] if "per" in names else names.split()
            found |= {name: unit for name in singles}
    return found


_KNOWN = _known()
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "^2": 2, "^3": 3}


def unit(text: str) -> Unit:
    """The unit that a text names: `square inches`, `in ^2`, `cm`, or one nobody knows."""
    words = text.lower().split()
    power = 1
    if len(words) == 2:
        for mark, name in (words, words[::-1]):
            if mark in _POWERS and name not in _POWERS:
                power, words = _POWERS[mark], [name]
                break
    joined = " ".join(_plain(word) for word in words)
    found = _KNOWN.get(joined) or _KNOWN.get(" ".join(words))
    if found is None:
        return Unit(" ".join(_plain(word) for word in text.lower().split()), Fraction(1), False)
    if power == 1:
        return found
    return Unit(f"{found.dimension} ^{power}", found.scale**power, True)


def scales(dimension: str) -> tuple[Fraction, ...]:
    """The sizes of all known units of a dimension."""
    name, _, power = dimension.partition(" ^")
    return tuple(Fraction(scale) ** int(power or 1) for scale in _TABLE.get(name, {}).values())
