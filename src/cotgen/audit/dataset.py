"""Whether the rows of a dataset's files are what their origins say, and may be trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import msgspec

from cotgen.audit.claims import false_claims
from cotgen.audit.findings import Book
from cotgen.audit.rows import Origin, Reading, origins, reading
from cotgen.emitters.styles import Style, styled
from cotgen.records import BadLine, Group, Judged, Problem
from cotgen.rows import read_rows
from cotgen.testsets import digest_of, test_set_of

FALSE_CLAIM = "makes a false arithmetic claim"
Role = Literal["right", "wrong", "context"]
_UNKNOWN = ("", "unknown", "none", "null", "n/a")


class Used:
    """The attempts that rows and chains are made of, and as what: a few bytes each. `dropped` are
    the problems and attempts that filters took out: nothing may be made of them."""

    def __init__(self, dropped: frozenset[str] = frozenset()) -> None:
        self._roles: dict[str, int] = {}
        self._texts: set[bytes] = set()
        self._splits: dict[bytes, str] = {}
        self.problems: set[str] = set()
        self.dropped = dropped

    def add(self, id: str, role: Role) -> None:
        """Note a use."""
        self._roles[id] = self._roles.get(id, 0) | _BIT[role]

    def is_new(self, text: str) -> bool:
        """Whether no row has trained this text so far, in any dataset."""
        digest = blake2b(text.encode("utf-8", "replace"), digest_size=12).digest()
        seen = digest in self._texts
        self._texts.add(digest)
        return not seen

    def keeps_apart(self, problem: Problem, split: str) -> bool:
        """Whether no row on this question is in another split, in any dataset."""
        return self._splits.setdefault(digest_of(problem.question), split) == split

    def roles(self, id: str) -> list[Role]:
        """As what an attempt is used; nothing if it is not."""
        bits = self._roles.get(id, 0)
        return [role for role, bit in _BIT.items() if bits & bit]


_BIT: dict[Role, int] = {"right": 1, "wrong": 2, "context": 4}


class DatasetCheck:
    """Checks one dataset, row by row."""

    def __init__(
        self,
        name: str,
        book: Book,
        used: Used,
        group_of: Callable[[str], Group | None],
        style: Style | None = None,
    ) -> None:
        self._name = name
        self._book = book
        self._used = used
        self._group_of = group_of
        self._style = style
        self._seen: set[bytes] = set()

    def check(self, folder: Path, about: dict[str, Any]) -> None:
        """All rows of all splits; `about` is what the manifest says of the dataset."""
        stems = about.get("files", {"train": [self._name]})
        promised = about.get("splits", {"train": about["rows"]})
        for split, names in stems.items():
            paths = [folder / f"{name}.jsonl" for name in names]
            found = self._split(split, paths)
            columns = sum(_parquet_rows(path.with_suffix(".parquet")) for path in paths)
            if not found == promised.get(split) == columns:
                self._fault("breadth", "has another number of rows in a file", names[0])

    def _split(self, split: str, paths: list[Path]) -> int:
        """The rows of one split, in one file or several."""
        found = 0
        rows = (row for path in paths for row in _rows(path))
        made_of = (line for path in paths for line in origins(path.with_suffix(".origin.jsonl")))
        prefix = self._name if split == "train" else f"{self._name} {split}"
        for number, (row, origin) in enumerate(zip_longest(rows, made_of)):
            found += row is not None
            traced = origin if origin and origin.row == number else None
            self._row(row, traced, split, f"{prefix} row {number}")
        return found

    def _row(self, row: Any, origin: Origin | None, split: str, where: str) -> None:
        self._book.count("breadth", "rows")
        read = reading(row)
        if read is None:
            self._fault("breadth", "cannot be read", where)
            return
        group = self._group_of(origin.problem) if origin else None
        if origin is None or group is None:
            self._fault("breadth", "has no origin that can be traced", where)
            return
        known = {judged.id: judged for judged in group.judged}
        if any(id not in known for id in origin.attempts):
            self._fault("breadth", "has no origin that can be traced", where)
            return
        self._problem(group, origin, where)
        if not self._used.keeps_apart(group.problem, split):
            self._fault("breadth", "is in training and in validation", where)
        dropped = {group.problem.id, *origin.attempts} & self._used.dropped
        if dropped:
            self._fault("breadth", "is made of what a filter dropped", where)
        self._repeats(row, origin, where)
        self._texts(read, [known[id] for id in origin.attempts], origin, where)

    def _problem(self, group: Group, origin: Origin, where: str) -> None:
        problem = group.problem
        if (origin.split, origin.source, origin.license) != (
            problem.split,
            problem.source,
            problem.license,
        ):
            self._fault("breadth", "names another origin than its problem", where)
        if problem.split == "test" or test_set_of(problem.question):
            self._fault("breadth", "is of a test set", where)
        elif problem.split == "unknown":
            self._fault("breadth", "is of an unknown split", where)
        if problem.license.strip().lower() in _UNKNOWN:
            self._fault("breadth", "has no known licence", where)
        self._used.problems.add(problem.id)

    def _repeats(self, row: Any, origin: Origin, where: str) -> None:
        # Outcome labels are as sampled: their texts stand as often as they came.
        if origin.made_by[:1] == ("orm",):
            return
        digest = blake2b(msgspec.json.encode(row, order="deterministic"), digest_size=12).digest()
        if digest in self._seen:
            self._fault("breadth", "stands twice", where)
        self._seen.add(digest)

    def _texts(self, read: Reading, made_of: list[Judged], origin: Origin, where: str) -> None:
        """Every text is that of the attempt it is said to be, on the side it is said to be on."""
        if not read.trained and not read.rejected:
            self._book.count("breadth", "rows that train no text")
            return
        if len(read.trained) > 1:
            self._fault("wrong-to-right", "trains more than one part of a row", where)
            return
        right, wrong, context = _sides(read, made_of)
        if (bool(read.trained), bool(read.rejected)) != (right is not None, wrong is not None):
            self._fault("breadth", "has no origin that can be traced", where)
            return
        if right is not None:
            self._right(read.trained[0], right, origin, where)
        if wrong is not None:
            self._book.count("verified-wrong", "rejected texts")
            self._used.add(wrong.id, "wrong")
            if read.rejected[0] != self._text_of(wrong):
                self._fault("verified-wrong", "rejects a text that is not its attempt's", where)
        self._context(read.untrained, context, where)

    def _right(self, text: str, right: Judged, origin: Origin, where: str) -> None:
        self._book.count("verified-correct", "trained texts")
        self._used.add(right.id, "right")
        whole = self._text_of(right)
        if text != whole and not (origin.made_by[:1] == ("cpt",) and text.endswith(whole)):
            self._fault("verified-correct", "trains a text that is not its attempt's", where)
        if not origin.methods or not all(origin.methods):
            self._fault("verified-correct", "has no verdict method", where)
        # Where the question stands before it, it is the attempt that claims.
        said = whole if text.endswith(whole) else text
        if self._used.is_new(said) and (false := false_claims(said)):
            self._fault("verified-correct", FALSE_CLAIM, f"{where}, {right.id}: {false[0]}")

    def _text_of(self, judged: Judged) -> str:
        """An attempt's text as the dataset's think style writes it; '' if it cannot."""
        if self._style is None:
            return judged.attempt.text
        text = styled(judged, self._style)
        return text if isinstance(text, str) else ""

    def _context(self, untrained: str, context: list[Judged], where: str) -> None:
        """The attempts before the trained one stand in the part that is only read, in order."""
        at = 0
        for judged in context:
            self._book.count("wrong-to-right", "attempts shown in rows")
            self._used.add(judged.id, "context")
            text = judged.attempt.text.strip()
            at = untrained.find(text, at)
            if at < 0:
                self._fault("wrong-to-right", "does not show its attempts in order", where)
                return
            at += len(text)

    def _fault(self, demand: Any, what: str, where: str) -> None:
        self._book.fault(demand, what, where)


def _sides(
    read: Reading, made_of: list[Judged]
) -> tuple[Judged | None, Judged | None, list[Judged]]:
    """Which attempt is trained, which rejected, which only shown."""
    if read.trained and read.rejected:
        return (made_of[0], made_of[1], []) if len(made_of) == 2 else (None, None, [])
    if not made_of:
        return None, None, []
    *context, last = made_of
    return (last, None, context) if read.trained else (None, last, context)


def _rows(path: Path) -> Iterator[Any]:
    for _, row in read_rows(path):
        yield {} if isinstance(row, BadLine) else row


def _parquet_rows(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return -1


class Questions:
    """Notices one question under two ids."""

    def __init__(self) -> None:
        self._ids: dict[bytes, str] = {}

    def is_new(self, id: str, question: str) -> bool:
        """Whether no other id has this question, but for spacing, case and marks."""
        return self._ids.setdefault(digest_of(question), id) == id
