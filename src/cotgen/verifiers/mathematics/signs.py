"""One plain spelling for each sign: Unicode digits, dashes, blanks, raised figures, fractions."""

from __future__ import annotations

import re
import unicodedata

_GREEK = dict(
    zip(
        "παβγδεηθλμνξρστφϕψωΔΣΩ",
        (
            *("pi", "alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "lambda", "mu"),
            *("nu", "xi", "rho", "sigma", "tau", "phi", "phi", "psi", "omega"),
            *("Delta", "Sigma", "Omega"),
        ),
        strict=True,
    )
)
_SIGNS = str.maketrans(
    {letter: f"\\{name} " for letter, name in _GREEK.items()}
    | {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys("−–—﹣‐‑‒―➖⁃", "-")
    | dict.fromkeys("×·⋅∙•✕✖", "\\cdot ")
    | dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008", " ")
    | dict.fromkeys("\u2009\u200a\u202f\u205f\u3000\u2028\u2029\x85\x0b\x0c", " ")
    | dict.fromkeys("‘’′ʼ", "'")
    | dict.fromkeys("“”″„«»", '"')
    | dict.fromkeys("、，", ",")
    | dict.fromkeys("。．", ".")
    | {
        "或": "\\text{ or }",
        "和": "\\text{ and }",
        "÷": "/",
        "⁄": "/",
        "∕": "/",
        "∶": ":",
        "√": "\\sqrt ",
        "∛": "\\sqrt[3] ",
        "∜": "\\sqrt[4] ",
        "∞": "\\infty ",
        "≤": "\\le ",
        "⩽": "\\le ",
        "≥": "\\ge ",
        "⩾": "\\ge ",
        "≠": "\\ne ",
        "≈": "\\approx ",
        "≅": "\\approx ",
        "≃": "\\approx ",
        "≡": "\\equiv ",
        "∪": "\\cup ",
        "∩": "\\cap ",
        "∖": "\\setminus ",
        "∈": "\\in ",
        "∅": "\\emptyset ",
        "⌀": "\\emptyset ",
        "∨": "\\lor ",
        "∧": "\\land ",
        "±": "\\pm ",
        "∓": "\\mp ",
        "°": "^\\circ ",
        "º": "^\\circ ",
        "˚": "^\\circ ",
        "℃": "^\\circ C",
        "℉": "^\\circ F",
        "…": "\\ldots ",
        "⋯": "\\ldots ",
        "∠": "\\angle ",
        "△": "\\triangle ",
        "⟨": "\\langle ",
        "⟩": "\\rangle ",
        "⌊": "\\lfloor ",
        "⌋": "\\rfloor ",
        "⌈": "\\lceil ",
        "⌉": "\\rceil ",
        "∣": "|",
        "ℝ": "\\mathbb{R}",
        "ℤ": "\\mathbb{Z}",
        "ℚ": "\\mathbb{Q}",
        "ℕ": "\\mathbb{N}",
        "ℂ": "\\mathbb{C}",
        "ℓ": "\\ell ",
        "¢": "\\text{ cents}",
        "㎝": "\\text{ cm}",
        "㎜": "\\text{ mm}",
        "㎞": "\\text{ km}",
        "㎏": "\\text{ kg}",
        "㎡": "\\text{ m}^2",
        "㎥": "\\text{ m}^3",
    }
    | {
        sign: f"\\frac{{{fraction[0]}}}{{{fraction[1]}}}"
        for sign, fraction in {
            "½": "12",
            "⅓": "13",
            "⅔": "23",
            "¼": "14",
            "¾": "34",
            "⅕": "15",
            "⅖": "25",
            "⅗": "35",
            "⅘": "45",
            "⅙": "16",
            "⅚": "56",
            "⅐": "17",
            "⅛": "18",
            "⅜": "38",
            "⅝": "58",
            "⅞": "78",
            "⅑": "19",
        }.items()
    }
    | {"⅒": "\\frac{1}{10}"}
)
_DROPPED = dict.fromkeys(
    (
        *(0xAD, 0x061C, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F),
        *(0x202A, 0x202B, 0x202C, 0x202D, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064),
        *(0x2066, 0x2067, 0x2068, 0x2069, 0xFE0E, 0xFE0F, 0xFEFF),
    )
)
"""What is not seen. The right-to-left override shows other digits than it holds, and stays."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿˣ"
_RAISED_PLAIN = "0123456789+-=()nx"
_LOW = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙ"
_LOW_PLAIN = "0123456789+-=()n"
_SHIFTED = str.maketrans(_RAISED + _LOW, _RAISED_PLAIN + _LOW_PLAIN)
_RUN = re.compile(f"([{_RAISED}]+)(?:⁄([{_LOW}]+))?|([{_LOW}]+)")
_MARKED = re.compile("((?:[0-9]\u0305)+)|([0-9]\u0307[0-9]*(?:[0-9]\u0307)?)")
_MAX_COMPOSED = 200


def is_damaged(text: str) -> bool:
    """Whether it holds NUL or another control character: what stood there is not known."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def plain(text: str) -> str:
    """The text with one spelling for each sign, and without what cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_DROPPED)
    if text.isascii():
        return text
    if "\u0305" in text or "\u0307" in text:
        text = _MARKED.sub(_repeated, text)
    if len(text) <= _MAX_COMPOSED:
        text = unicodedata.normalize("NFC", text)
    text = _RUN.sub(_shifted, text).translate(_SIGNS)
    return text if text.isascii() else "".join(map(_letter, text))


def _shifted(found: re.Match[str]) -> str:
    raised, below, low = found.groups()
    if below:
        return f"\\frac{{{raised.translate(_SHIFTED)}}}{{{below.translate(_SHIFTED)}}}"
    return f"^{{{raised.translate(_SHIFTED)}}}" if raised else f"_{{{low.translate(_SHIFTED)}}}"


def _repeated(found: re.Match[str]) -> str:
    """Lines or dots above digits are written as TeX writes them."""
    if found[1]:
        return f"\\overline{{{found[1].replace(chr(0x305), '')}}}"
    return f"\\overline{{{found[2].replace(chr(0x307), '')}}}"


def _letter(letter: str) -> str:
    """Digits of all scripts are digits, and italic or bold letters are letters.

    Letters that only look alike, such as a Cyrillic `а`, are other letters and stay.
    """
    if letter.isascii():
        return letter
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    if "\U0001d400" <= letter <= "\U0001d7ff":
        return plain(unicodedata.normalize("NFKC", letter))
    return letter
