"""Formulas that nobody here can work with, compared as they are written: the same signs, though
some have two names, and blanks and braces that change nothing."""

from __future__ import annotations

import re

MAX_LENGTH = 400

_NAMES = {
    "leq": "le",
    "leqslant": "le",
    "geq": "ge",
    "geqslant": "ge",
    "neq": "ne",
    "to": "rightarrow",
    "longrightarrow": "rightarrow",
    "implies": "Rightarrow",
    "Longrightarrow": "Rightarrow",
    "iff": "Leftrightarrow",
    "Longleftrightarrow": "Leftrightarrow",
    "lnot": "neg",
    "wedge": "land",
    "vee": "lor",
    "varnothing": "emptyset",
    "dots": "ldots",
    "dotsc": "ldots",
    "cdots": "ldots",
    "dotsb": "ldots",
    "backslash": "setminus",
    "mid": "vert",
    "colon": ":",
    "operatorname": "mathrm",
}
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_BLANK = re.compile(r"\\[,;:! ]|\\q?quad(?![A-Za-z])|\\limits(?![A-Za-z])|[\s~]")
_BETWEEN_SIGNS = re.compile(r"(?<![0-9A-Za-z]) +| +(?![0-9A-Za-z])")
_BRACES = re.compile(r"(?<=[_^])\{([A-Za-z0-9])\}")


def alike(one: str, two: str) -> bool:
    """Whether two formulas, or two formulas of chemistry, are the same but for spelling."""
    if max(len(one), len(two)) > MAX_LENGTH:
        return False
    if ("\\" in one or "\\" in two) and _canonical(one) == _canonical(two):
        return True
    formula = _substance(one)
    return formula is not None and formula == _substance(two)


def _canonical(text: str) -> str:
    text = _COMMAND.sub(lambda found: f"\\{_NAMES.get(found[1], found[1])} ", text)
    text = text.replace("\\vert ", "|").replace("\\: ", ":")
    return _BETWEEN_SIGNS.sub("", _BRACES.sub(r"\1", _BLANK.sub(" ", text)))


_WRAPPER = re.compile(r"\\(?:text|mathrm|ce|rm|mathbf|operatorname)(?![A-Za-z])|[{}\s]")
_ELEMENTS = (
    "He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ar|Ca|Sc|Ti|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Zr|Mo"
    "|Ag|Cd|Sn|Sb|Te|Xe|Cs|Ba|Pt|Au|Hg|Pb|Bi|[HBCNOFPSKVIUW]"
)
_SUBSTANCE = re.compile(
    rf"(?:(?:{_ELEMENTS})(?:_?[0-9]{{1,2}})?|\((?:(?:{_ELEMENTS})(?:_?[0-9]{{1,2}})?){{1,9}}\)"
    r"(?:_?[0-9]{1,2})?){1,12}"
)


def _substance(text: str) -> str | None:
    """`\\text{H}_2\\text{O}` as `H2O`; a single element is a letter like any other."""
    if not any(letter in text for letter in "HONC"):
        return None
    bare = _WRAPPER.sub("", text)
    found = _SUBSTANCE.fullmatch(bare)
    several = sum(letter.isupper() for letter in bare) > 1
    counted = any(letter.isdigit() for letter in bare)
    return bare.replace("_", "") if found and several and counted else None
