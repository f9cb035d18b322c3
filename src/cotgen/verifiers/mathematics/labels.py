"""Several labelled parts in one answer: `(a) 3 (b) 4`, `(i) x = 2, (ii) x = 5`, `1) 7; 2) 9`."""

from __future__ import annotations

import re

_SERIES = (
    ("a", "b", "c", "d", "e", "f", "g", "h"),
    ("1", "2", "3", "4", "5", "6", "7", "8"),
    ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"),
)
_ANY = "|".join(sorted((label for row in _SERIES for label in row), key=len, reverse=True))
_SET = r"\\(?:text|textbf|mathrm|mathbf|bf) ?\{ ?"
_LABEL = re.compile(
    rf"(?:(?<=[\s,;.}}~])|(?<=quad)|\A)(?:{_SET})?(?:[Pp]art )?"
    rf"\(?(?:{_SET})?({_ANY})\}}?\)(?: ?\}})?"
    r"(?::|[ ~\n]|\\[ ,;:]|\\q?quad(?![A-Za-z])|(?<=\}))+"
)
_BEHIND = re.compile(r"(?:[\s,;~]|\\[ ,;:\\]|\\q?quad|\band|\\text ?\{ ?,? ?(?:and)? ?\})+\Z")
_MAX_LENGTH = 600


def labelled(text: str) -> list[str]:
    """The parts behind labels that count from the first on; none where there are fewer than two."""
    if len(text) > _MAX_LENGTH or ")" not in text[:24]:
        return []
    found = list(_LABEL.finditer(text))
    if len(found) < 2 or found[0].start() != 0:
        return []
    if [label[1] for label in found] not in [list(row[: len(found)]) for row in _SERIES]:
        return []
    stops = [*(label.start() for label in found[1:]), len(text)]
    parts = [
        _without_end(text[label.end() : stop]) for label, stop in zip(found, stops, strict=True)
    ]
    return parts if all(parts) else []


def _without_end(part: str) -> str:
    """A part without what parts it from the next; braces that it opened stay closed."""
    found = _BEHIND.search(part)
    part = (part[: found.start()] if found else part).strip()
    if part.count("}") == part.count("{") + 1 and part.endswith("}"):
        part = part[:-1]
    return part
