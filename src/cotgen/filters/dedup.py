"""Duplicates: of each set of equal, or nearly equal, texts the first stays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, PositiveInt

from cotgen.filters.signatures import Signatures
from cotgen.ngrams import gram_set, jaccard, normal
from cotgen.protocols import Component, Decision, Draw, Groups
from cotgen.records import Group, Thing

if TYPE_CHECKING:
    from cotgen.ngrams import Hashes

_GROUPS_KEPT = 8
_TEXTS_KEPT = 256


class DedupFilter(Component):
    """Drops what stands in the run already: the first of equal or nearly equal texts stays.

    Texts are equal if they are once in NFKC, in lower case and with single spaces. They are nearly
    equal if the Jaccard similarity of their sets of word n-grams is at least `near`: candidates are
    found by MinHash (Broder 1997) in bands, and each is confirmed on the texts. Attempts are
    compared only with attempts of the same outcome: a wrong attempt next to a correct one is what
    preference pairs are made of.
    """

    alone: ClassVar[bool] = False
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["dedup"] = "dedup"
    of: Literal["attempts", "problems"] = "attempts"
    """What is compared: attempts, or questions (then the whole problem is dropped)."""
    near: Annotated[float, Field(ge=0.5, le=1)] | None = None
    """The Jaccard similarity from which texts are duplicates, say 0.8; null: only equal ones."""
    across: Literal["run", "problem"] = "run"
    """Compare attempts with those of all problems, or of the same problem only."""
    words: PositiveInt = 5
    """The n of the n-grams."""

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """One pass that keeps signatures; then only texts that may be duplicates are read again."""
        signatures = Signatures(self.near, self.words)
        places: list[_Place] = []
        for group in groups:
            for id, text, stratum in self._texts(group):
                places.append(_Place(group.problem.id, id))
                signatures.add(normal(text), stratum)
        texts = _Texts(groups, places, self.words)
        yield from signatures.firsts(lambda number, earlier: self._repeats(texts, number, earlier))

    def _texts(self, group: Group) -> Iterator[tuple[str, str, str]]:
        """Each text with its id, and with what it must have in common with its duplicates."""
        if self.of == "problems":
            yield group.problem.id, group.problem.question, ""
            return
        within = group.problem.id if self.across == "problem" else ""
        for judged in group.judged:
            outcome = judged.verdict.outcome if judged.verdict else ""
            yield judged.id, judged.attempt.text, f"{outcome}\0{within}"

    def _repeats(self, texts: _Texts, number: int, earlier: list[int]) -> Decision | None:
        """The decision on a text that repeats one of the earlier ones; the first counts."""
        thing: Thing = "attempt" if self.of == "attempts" else "problem"
        id = texts.places[number].id
        for other in earlier:
            match = texts.places[other].id
            if texts.are_equal(number, other):
                return Decision(id, thing, "duplicate", match, "the same text")
            alike = texts.alike(number, other)
            if self.near is not None and alike >= self.near:
                return Decision(id, thing, "near_duplicate", match, f"similarity {alike:.3f}")
        return None


class _Place(NamedTuple):
    """A text of the run: an attempt's, or a question where the id is the problem's."""

    problem: str
    id: str


class _Texts:
    """Texts, read again when they are asked for."""

    def __init__(self, groups: Groups, places: list[_Place], words: int) -> None:
        self.places = places
        self._words = words
        self._group = lru_cache(_GROUPS_KEPT)(groups.whole)
        self._normal = lru_cache(_TEXTS_KEPT)(self._read)
        self._grams = lru_cache(_TEXTS_KEPT)(self._read_grams)

    def are_equal(self, one: int, other: int) -> bool:
        """Whether two texts are the same in normal form."""
        return self._normal(one) == self._normal(other)

    def alike(self, one: int, other: int) -> float:
        """The Jaccard similarity of two texts."""
        return jaccard(self._grams(one), self._grams(other))

    def _read(self, number: int) -> str:
        problem, id = self.places[number]
        group = self._group(problem)
        return normal(group.problem.question if id == problem else group.by_id(id).attempt.text)

    def _read_grams(self, number: int) -> Hashes:
        return gram_set(self._normal(number), self._words)
