"""Units of measure: which are the same, and which cannot be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Unit:
    """What is measured, as powers of base units, and how many of these one unit is.

    A word that is in no table is a base unit of its own and makes the unit unknown.
    """

    dimension: tuple[tuple[str, int], ...]
    scale: Fraction
    known: bool


_LENGTHS = {
    "nm nanometer nanometre": "1/1000000000",
    "μm um micrometer micrometre micron": "1/1000000",
    "mm millimeter millimetre": "1/1000",
    "cm centimeter centimetre": "1/100",
    "dm decimeter decimetre": "1/10",
    "m meter metre": "1",
    "km kilometer kilometre": "1000",
    "in inch": "254/10000",
    "ft foot feet": "3048/10000",
    "yd yard": "9144/10000",
    "mi mile": "1609344/1000",
}
_TIMES = {
    "ms millisecond": "1/1000",
    "s sec second": "1",
    "min minute": "60",
    "h hr hour": "3600",
    "day": "86400",
    "week wk": "604800",
}
_GRAMS_IN_A_POUND = Fraction("453.59237")
_LITER = {"length": 3}, Fraction(1, 1000)
_GALLON = {"length": 3}, 231 * Fraction(254, 10000) ** 3
_SQUARE_METER = {"length": 2}, Fraction(1)
_NEWTON = {"mass": 1, "length": 1, "time": -2}, Fraction(1000)
_JOULE = {"mass": 1, "length": 2, "time": -2}, Fraction(1000)
_WATT = {"mass": 1, "length": 2, "time": -3}, Fraction(1000)
_PASCAL = {"mass": 1, "length": -1, "time": -2}, Fraction(1000)
_ELECTRONVOLT = _JOULE[0], _JOULE[1] * Fraction("1.602176634e-19")
_VOLT = {"mass": 1, "length": 2, "time": -3, "current": -1}, Fraction(1000)
_SPEED = {"length": 1, "time": -1}
_TABLE: tuple[tuple[tuple[dict[str, int], Fraction], dict[str, str]], ...] = (
    (({"length": 1}, Fraction(1)), _LENGTHS),
    (({"time": 1}, Fraction(1)), _TIMES),
    (
        ({"month": 1}, Fraction(1)),
        {"month": "1", "year yr": "12", "decade": "120", "century": "1200"},
    ),
    (
        ({"mass": 1}, Fraction(1)),
        {"mg milligram": "1/1000", "g gram gramme": "1", "kg kilogram kilo": "1000"}
        | {"tonne": "1000000"},
    ),
    (
        ({"mass": 1}, _GRAMS_IN_A_POUND),
        {"oz ounce": "1/16", "lb pound": "1", "stone": "14"},
    ),
    (
        _LITER,
        {"ml milliliter millilitre cc": "1/1000", "cl centiliter centilitre": "1/100"}
        | {"dl deciliter decilitre": "1/10", "l liter litre": "1"},
    ),
    (
        _GALLON,
        {"gal gallon": "1", "qt quart": "1/4", "pt pint": "1/8", "cup": "1/16"}
        | {"tbsp tablespoon": "1/256", "tsp teaspoon": "1/768", "floz": "1/128"},
    ),
    (_SQUARE_METER, {"hectare ha": "10000", "acre": "40468564224/10000000"}),
    ((_SPEED, Fraction(1609344, 3600000)), {"mph": "1"}),
    ((_SPEED, Fraction(1000, 3600)), {"kph kmh kmph": "1"}),
    ((_SPEED, Fraction(1)), {"mps": "1"}),
    (_NEWTON, {"n newton": "1", "kn kilonewton": "1000"}),
    (_JOULE, {"j joule": "1", "kj kilojoule": "1000", "kwh": "3600000"}),
    (_WATT, {"w watt": "1", "kw kilowatt": "1000"}),
    (({"time": -1}, Fraction(1)), {"hz hertz": "1", "khz kilohertz": "1000"}),
    (_PASCAL, {"pa pascal": "1", "hpa": "100", "kpa kilopascal": "1000"}),
    (_VOLT, {"volt": "1", "kv kilovolt": "1000"}),
    (_ELECTRONVOLT, {"ev electronvolt": "1", "kev": "1000"}),
    (({"current": 1}, Fraction(1)), {"A ampere amp": "1"}),
    (({"dollar": 1}, Fraction(1)), {"cent ¢ penny": "1/100", "dollar usd buck": "1"}),
    (({"euro": 1}, Fraction(1)), {"euro eur": "1", "eurocent": "1/100"}),
    (({"sterling": 1}, Fraction(1)), {"sterling gbp": "1", "pence": "1/100"}),
    (({"rupee": 1}, Fraction(1)), {"rupee inr rs": "1"}),
    (({"yen": 1}, Fraction(1)), {"yen jpy": "1"}),
    (({"yuan": 1}, Fraction(1)), {"yuan rmb cny": "1"}),
)


_PLURALS = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "feet": "foot",
    "dice": "die",
    "mice": "mouse",
    "geese": "goose",
    "vertices": "vertex",
    "pence": "pence",
}


def singular(word: str) -> str:
    """The word without its plural ending."""
    if word in _PLURALS:
        return _PLURALS[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


def _known() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for (powers, base), units in _TABLE:
        for names, scale in units.items():
            unit = Unit(tuple(sorted(powers.items())), base * Fraction(scale), True)
            found |= dict.fromkeys(names.split(), unit)
    for symbol, (powers, base) in _PREFIXED.items():
        for prefix, size in _PREFIXES.items():
            unit = Unit(tuple(sorted(powers.items())), base * size, True)
            found.setdefault(prefix + symbol, unit)
    return found


_PREFIXES = {
    "m": Fraction(1, 1000),
    "M": Fraction(10**6),
    "p": Fraction(1, 10**12),
    "P": Fraction(10**15),
    "G": Fraction(10**9),
}
_PREFIXED: dict[str, tuple[dict[str, int], Fraction]] = {
    "m": ({"length": 1}, Fraction(1)),
    "s": ({"time": 1}, Fraction(1)),
    "g": ({"mass": 1}, Fraction(1)),
    "A": ({"current": 1}, Fraction(1)),
    "N": _NEWTON,
    "J": _JOULE,
    "W": _WATT,
    "Pa": _PASCAL,
    "V": _VOLT,
    "eV": _ELECTRONVOLT,
    "Hz": ({"time": -1}, Fraction(1)),
}
_WITH_PREFIX = re.compile(
    r"[mMpPgG](?:[mM]|[gG]|[sS]|[aA]|[nN]|[jJ]|[wW]|[pP][aA]|[vV]|[eE][vV]|[hH][zZ]|[tT]|[fF]|[lL]"
    r"|[bB]|[kK]|[wW][hH]|[mM][oO][lL])"
)


def cased(word: str) -> str:
    """The word in small letters, unless these make another unit: `mW` is no `MW`, `A` no article.

    Capitals that are only careless, as in `MM`, name no known unit.
    """
    if word in ("A", "Pa", "pt", "PT", "Pt", "mL"):
        return word if word == "A" else word.lower()
    return word if _WITH_PREFIX.fullmatch(word) else word.lower()


_KNOWN = _known()
_BEFORE = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_BEHIND = {"squared": 2, "cubed": 3}
_SKIPPED = frozenset(("of", "a", "an", "*", "the"))
_MAX_POWER = 9


@lru_cache(maxsize=2_000)
def unit(text: str) -> Unit:
    """The unit that a text names: `square inches`, `in ^2`, `miles per hour`, `m / s ^2`."""
    powers: dict[str, int] = {}
    scale, known = Fraction(1), True
    for name, power in _factors(text):
        found = _single(name) if abs(power) <= _MAX_POWER else _unknown(f"{name} ^{power}")
        power = power if abs(power) <= _MAX_POWER else 1
        known = known and found.known
        scale *= found.scale**power
        for base, exponent in found.dimension:
            powers[base] = powers.get(base, 0) + exponent * power
    dimension = tuple(sorted((base, power) for base, power in powers.items() if power))
    return Unit(dimension, scale, known)


def _single(name: str) -> Unit:
    found = _KNOWN.get(name) or _KNOWN.get(singular(name))
    return found or _unknown(singular(name))


def _unknown(name: str) -> Unit:
    return Unit(((name, 1),), Fraction(1), False)


def _factors(text: str) -> list[tuple[str, int]]:
    """The single units of a text, each with its power."""
    found: list[tuple[str, int]] = []
    sign, before = 1, 1
    words = _spelled_out(text)
    for word in words:
        if word in ("per", "/", "each"):
            sign = -1
        elif word in _BEFORE:
            before = _BEFORE[word]
        elif (word in _BEHIND or word.startswith("^")) and found:
            name, power = found[-1]
            own = _power(word)
            if own is None:
                found[-1] = (f"{name} {word}", power)
            else:
                found[-1] = (name, min(max(power * own, -99), 99))
        elif word not in _SKIPPED:
            found.append((word, sign * before))
            before = 1
    return found


def _spelled_out(text: str) -> list[str]:
    """Words, slashes and powers of a text, each alone."""
    text = _FLUID_OUNCE.sub("floz", text)
    for sign in "/*·⋅":
        text = text.replace(sign, f" {'/' if sign == '/' else '*'} ")
    words = text.replace("^", " ^").replace("-", " " if "^" not in text else "-").split()
    return [cased(word) for word in words]


_FLUID_OUNCE = re.compile(r"fl(?:uid ounce| oz)", re.IGNORECASE)


def _power(word: str) -> int | None:
    """The power that a word says; None for one that is no unit's."""
    digits = word.removeprefix("^")
    if word in _BEHIND:
        return _BEHIND[word]
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    return (
        sign * int(digits) if digits.isascii() and digits.isdigit() and len(digits) == 1 else None
    )


def scales(dimension: tuple[tuple[str, int], ...]) -> tuple[Fraction, ...]:
    """The sizes of all known units of a dimension."""
    found = {each.scale for each in _KNOWN.values() if each.dimension == dimension}
    if len(dimension) == 1 and dimension[0][1] in (2, 3):
        base, power = dimension[0]
        found |= {each.scale**power for each in _KNOWN.values() if each.dimension == ((base, 1),)}
    return tuple(found)
