"""Habits of writing that are put in one form before an answer is parsed, and second readings."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_ANY_INTEGER = r"([a-z] ?\\in ?(?:\\mathbb ?(?:\{ ?[ZN] ?\}|[ZN])|Z)(?:\^?[+*])?) ?"
_SHOWN = re.compile(
    r"\A([^\0]{0,200}(?:frac|sqrt|/|pi)[^\0=]{1,200})= ?"
    r"(-?[0-9]{0,9}\.[0-9]{1,30}) ?(?:\\[lc]?dots|\.\.\.)\Z"
)
"""An endless decimal behind an exact value only shows it."""
_FORMS = (
    # What a form needs to have in it is looked for first: most answers have none of these.
    # `x = 2k\\pi\\ (k \\in \\mathbb{Z})`, and the set of these.
    (
        "\\in",
        re.compile(
            rf"\A\\\{{(?:x ?(?:\\mid|\||:) ?)?([^{{}}|:]{{1,120}}?)"
            rf" ?(?:\\mid|\||:|,) ?{_ANY_INTEGER}\\\}}\Z"
        ),
        r"\1, \2",
    ),
    ("\\in", re.compile(rf"(?:\\[ ,;]|\\q?quad|[ ,])*\( ?{_ANY_INTEGER}\)\Z"), r", \1"),
    # A system with one brace, and delimiters that are not seen.
    (
        "array",
        re.compile(
            r"\\left ?\\\{ ?\\begin ?\{array\} ?\{[lcr| ]{1,9}\}([^\0]{1,4000}?)"
            r"\\end ?\{array\} ?\\right ?\."
        ),
        r"\\begin{cases}\1\\end{cases}",
    ),
    (
        "ed}",
        re.compile(
            r"\\left ?\\\{ ?(\\begin ?\{(aligned|gathered)\}[^\0]{1,4000}?\\end ?\{\2\})"
            r" ?\\right ?\."
        ),
        r"\1",
    ),
    ("t.", re.compile(r"\\(?:left|right) ?\.(?![0-9])"), ""),
    # Marks set as text, and what only moves or closes a proof.
    ("t{", re.compile(r"\\text ?\{([,;-])( ?)\}"), r"\1\2"),
    ("t{,", re.compile(r"\\text ?\{, ?(and|or) ?\}"), r", \\text{ \1 }"),
    ("space{", re.compile(r"\\[hv]space\*? ?\{[^{}]{0,20}\}"), " "),
    ("\\checkmark", re.compile(r"(?: |\\[,;: ]|\\q?quad){0,4}\\checkmark\Z"), ""),
    ("\\blacksquare", re.compile(r"(?: |\\[,;: ]|\\q?quad){0,4}\\blacksquare\Z"), ""),
    ("ots", _SHOWN, r"\1\\approx \2"),
    ("...", _SHOWN, r"\1\\approx \2"),
    ("\\rm", re.compile(r"\{ ?\\rm ?((?!\{)[^{}]{1,60})\}"), r"\\mathrm{\1}"),
    ("\\rm", re.compile(r"\\rm ?(?=\{)"), r"\\mathrm"),
    ("{.}", re.compile(r"(?<=[0-9])\{\.\}(?=[0-9])"), "."),
    # A raised letter o beside a figure is a degree sign.
    ("^", re.compile(r"(?<=[0-9}]) ?\^ ?(?:o(?![A-Za-z])|\{ ?o ?\})"), r"^\\circ "),
    ("C", re.compile(r"C ?\^ ?(\{ ?[0-9]+ ?\}|[0-9]) ?_ ?(\{ ?[0-9]+ ?\}|[0-9])"), r"C_\2^\1"),
    ("\\mapsto", re.compile(r"\A([A-Za-z]) ?(?::|\\colon) ?([a-z]) ?\\mapsto ?"), r"\1(\2)="),
    ("\\in", re.compile(r"\A[a-z] ?\\in ?\\(?:varnothing|emptyset)\Z"), r"\\varnothing"),
    ("_", re.compile(r"_ ?\\(text|mathrm) ?\{ ?([a-z]{2,12}) ?\}"), r"_{\\\1{\2}}"),
    (
        "t{",
        re.compile(r"\\text ?\{([^{}\\]{0,60})\\text ?\{([^{}\\]{1,60})\}([^{}\\]{0,60})\}"),
        r"\\text{\1\2\3}",
    ),
    ("\\math", re.compile(r"\\math(?:cal|scr|frak) ?\{ ?([A-Za-z]) ?\}"), r"\1"),
    ("Rs", re.compile(r"\\(?:text|mathrm) ?\{ ?Rs\.? ?\}"), "Rs. "),
    ("}", re.compile(r"(?<![A-Za-z^_}])\{([-+:=<>*/])\}"), r"\1"),
    ("}}", re.compile(r"\^\{(-?[0-9])\}(?=\})"), r"^\1"),
    ("10", re.compile(r"(?<=[0-9])( ?)[xX] ?10 ?(?:\^|\*\*)"), r"\\times 10^"),
    ("E", re.compile(r"(?<![0-9.,])([0-9]{1,3}),([0-9]{3})(?=E[-+]?[0-9])"), r"\1\2"),
    # A genitive within words; a prime on a name is mathematics.
    ("'", re.compile(r"(?<![A-Za-z\\])([A-Za-z]{4,})'(?:s(?![A-Za-z])|(?= [A-Za-z]))"), r"\1"),
    ("inus ", re.compile(r"\A[Mm]inus (?=[0-9.\\$])"), "-"),
    ("egative ", re.compile(r"\A[Nn]egative (?=[0-9.\\$])"), "-"),
    (" of a", re.compile(r"(?<=[0-9}]) of an? "), " "),
    ("+", re.compile(r"\+ ?/ ?-"), r"\\pm "),
    ("\\!", re.compile(r"(?<=[0-9])(?: ?\\!)* ?:(?: ?\\!)* ?(?=[0-9])"), ":"),
    ("\\phantom", re.compile(r"\\phantom ?\{[^{}]{0,40}\}"), ""),
    ("\\Omega", re.compile(r"(?<=[0-9}]) ?(?:\\[ ,;] ?)?\\Omega(?![A-Za-z(^_])"), r"\\text{ ohms}"),
    (
        "{",
        re.compile(
            r"(\\(?:sin|cos|tan|cot|sec|csc)(?: ?\^ ?(?:[0-9]|\{ ?[0-9] ?\}))?) ?"
            r"\{ ?([0-9]{1,9}(?:\.[0-9]{1,9})?) ?\}"
        ),
        r"\1 \2",
    ),
    (
        "degree",
        re.compile(
            r"((?:sin|cos|tan|cot|sec|csc)(?: ?(?:\^|\*\*) ?\{?[0-9]\}?)? ?\(? ?[0-9.]{1,9})"
            r" ?degrees?(?![A-Za-z])"
        ),
        r"\1^\\circ ",
    ),
    ("degree", re.compile(r"(?<=[0-9]) degrees?(?= ?(?:[-+*]|[kmn](?![A-Za-z])))"), r"^\\circ "),
    ("\\degree", re.compile(r"\\degrees?(?![A-Za-z])"), r"^\\circ "),
    ("quad", re.compile(r"\\q?quad(?=[A-Za-z])"), " "),
    ("\\m", re.compile(r"(?<=[A-Za-z])_ ?\{ ?\\(min|max) ?\}"), r"_{\1}"),
    ("quad", re.compile(r"(?<=[0-9A-Za-z)}]) ?\\q?quad ?(?=[a-z] ?=)"), ", "),
    ("=", re.compile(r"\A= ?(?=[-0-9\\(.A-Za-z])"), ""),
    ("\\euro", re.compile(r"\\euro(?![A-Za-z])"), "€"),
    ("\\pounds", re.compile(r"\\pounds(?![A-Za-z])"), "£"),
    ("space", re.compile(r"\\(?:space|enspace|thinspace)(?![A-Za-z])"), " "),
    ("dollar", re.compile(r"\\textdollar(?![A-Za-z])"), r"\\$"),
    ("cent", re.compile(r"\\(?:cent|textcent)(?![A-Za-z])"), r"\\text{ cents}"),
    ("{\\over", re.compile(r"\.\{\\overline ?\{([0-9]{1,99})\}\}"), r".\\overline{\1}"),
    (
        "frac",
        re.compile(
            r"\\[dt]?frac ?\{ ?\\(?:text|mathrm) ?\{([A-Za-z ]{1,30})\} ?\}"
            r" ?\{ ?\\(?:text|mathrm) ?\{([A-Za-z ]{1,30})\} ?\}"
        ),
        r"\\text{\1/\2}",
    ),
    (
        "}",
        re.compile(
            r"(\\(?:text|mathrm) ?\{[A-Za-z ~]{1,30}\}) ?(?:\\cdot|\\times) ?(?=\\(?:text|mathrm))"
        ),
        r"\1 ",
    ),
)
_COMMAND_TWICE = re.compile(r"\\\\(?=[dtc]?frac|sqrt|left|right|pi|text|cdot|times|infty)")
_PAIRS = re.compile(r"(?:[^\\]|\\\\)*")
_ESCAPED = re.compile(r"\\\\(?=[A-Za-z])")


def tidy(text: str) -> str:
    """The text with one form for each of these habits."""
    if "\\\\" in text and _ESCAPED.search(text) and _PAIRS.fullmatch(text):
        # Taken out of JSON as it stood there: every backslash is written twice.
        text = text.replace("\\\\", "\\")
    elif "\\\\" in text and "\\begin" not in text:
        text = _COMMAND_TWICE.sub(r"\\", text)
    for needed, pattern, form in _FORMS:
        if needed in text:
            text = pattern.sub(form, text)
    return text


_MILLIONS = re.compile(r"(\\\$ ?[0-9][0-9.,]{0,20}) ?(k|K|m|M|mn|mil|b|B|bn)(?![A-Za-z0-9^_])")
_SCALES = {"k": "thousand", "m": "million", "b": "billion"}


def in_millions(text: str) -> str:
    """`\\$5M` as `\\$5 million`; only money is counted so."""
    if "\\$" not in text:
        return text
    return _MILLIONS.sub(lambda found: f"{found[1]} {_SCALES[found[2][0].lower()]}", text)


# --- second readings ------------------------------------------------------------------------------

Hit = Literal["equal", "undecided", ""]
"""What a second reading proves that equals the other side; nothing if it is not looked at."""


class Respelled(NamedTuple):
    """A text in another reading, and what a hit proves when it stands in a gold or an answer."""

    text: str
    in_gold: Hit
    in_answer: Hit


_COMMA = re.compile(r"[0-9],[0-9]")
_BRACKETS = re.compile(r"[()\[\]|&]")
_BLOB = re.compile(
    r"(?<![0-9.,])([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]{1,30}),([0-9]{1,30})"
    r"(?![0-9.,])"
)
_LAKHS = re.compile(r"(?<![0-9.,])[0-9]{1,2}(?:,[0-9]{2}){1,9},[0-9]{3}(?![0-9,])")
_ONE_POINT = re.compile(r"(?<![0-9.,])([1-9][0-9]{0,2})\.([0-9]{3})(?![0-9.,])")
_POWER_OF_TEN = re.compile(
    r"(?<![0-9.A-Za-z])(?!1e)([0-9]{1,9})e([-+][0-9]{1,3})(?![0-9.A-Za-z^(])"
)
_IN_BRACKETS = re.compile(r"(?<![0-9])([0-9]{0,20}\.[0-9]{1,20})\(([0-9]{1,20})\)(?![0-9^])")
_WHOLE_AND_PART = re.compile(
    r"\A(-?[0-9]{1,12}) ?(?:and|\\text ?\{ ?and ?\}) ?"
    r"([0-9]{1,4}/[0-9]{1,4}(?![0-9])|\\[dt]?frac(?:\{[0-9]{1,4}\}\{[0-9]{1,4}\}|[0-9]{2}\Z))"
)
_LATEX_COMMA = re.compile(r"(?<![0-9.,}])([1-9][0-9]{0,2})\{,\}([0-9]{3})(?![0-9{.,])")


def respelled(text: str) -> list[Respelled]:
    """Second readings of a text with one number that can be read in two ways."""
    found = [
        *_decimal_commas(text),
        *_one(_POWER_OF_TEN, r"\1.0e\2", text, "equal", "equal"),
        *_one(_WHOLE_AND_PART, r"\1 \2", text, "equal", "equal"),
        *_one(_IN_BRACKETS, r"\1\\overline{\2}", text, "equal", "equal"),
        *_one(_ONE_POINT, r"\1\2", text, "", "undecided"),
        *_one(_LATEX_COMMA, r"\1.\2", text, "", "undecided"),
    ]
    if text.count(",") > 1 and not _BRACKETS.search(text):
        lakhs = _LAKHS.fullmatch(text.strip("\\$ "))
        if lakhs is not None:
            found.append(Respelled(lakhs[0].replace(",", ""), "equal", "equal"))
    return found


def with_product(text: str) -> str:
    """`2e-1` read as a product; the reading as a power of ten is a second one."""
    return _POWER_OF_TEN.sub(r"\1 e\2", text) if "e" in text else text


def _one(
    pattern: re.Pattern[str], form: str, text: str, in_gold: Hit, in_answer: Hit
) -> list[Respelled]:
    """The other reading, where the text holds exactly one number of that kind."""
    other, times = pattern.subn(form, text)
    return [Respelled(other, in_gold, in_answer)] if times == 1 else []


def _decimal_commas(text: str) -> list[Respelled]:
    """`3,14` is a list of two in English and a decimal elsewhere; `1.234,56` is always one."""
    if not _COMMA.search(text):
        return []
    if ";" in text:
        other = re.sub(r"(?<=[0-9]),(?=[0-9])", ".", text)
        return [Respelled(other, "equal", "equal")] if "," not in other else []
    if text.replace("{,}", "").count(",") != 1 or _BRACKETS.search(text):
        return []
    found = _BLOB.search(text)
    if found is None:
        return []
    whole, places = found.groups()
    digits = whole.replace(".", "").replace(" ", "")
    other = f"{text[: found.start()]}{digits}.{places}{text[found.end() :]}"
    if whole == digits and not _must_be_decimal(whole, places):
        # Thousands are what a comma before three digits groups in English, and zeros make it sure.
        return (
            [] if places.endswith("0") and len(places) == 3 else [Respelled(other, "", "undecided")]
        )
    if whole == "0" and len(places) == 1:
        return [Respelled(other, "undecided", "equal")]
    if whole != digits and len(places) == 3:
        return [Respelled(other, "undecided", "undecided")]
    return [Respelled(other, "equal", "equal")]


def _must_be_decimal(whole: str, places: str) -> bool:
    """Nobody lists 0 and 25 as `0,25`, nor 1000 and 99 as `1000,99`; but -2 and 1 as `-2,1`.

    Golds do list the roots 0 and 5 as `0,5`, but nobody answers 0.5 with that list.
    """
    if whole == "0":
        return True
    return len(places) != 1 and (len(places) != 3 or len(whole) > 3)
