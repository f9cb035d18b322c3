"""Problems, and attempts, that share text with benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from cotgen.errors import RecipeError
from cotgen.ngrams import gram_hashes, normal, plain_words
from cotgen.protocols import Component, Decision, Draw, Groups
from cotgen.records import BadLine, clean
from cotgen.rows import lookup, read_rows
from cotgen.testsets import test_set_names, test_set_of

if TYPE_CHECKING:
    from cotgen.ngrams import Hashes


class Benchmark(BaseModel):
    """A benchmark's file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Path
    """JSON Lines (`.jsonl`, `.jsonl.gz`), seen from the folder where cotgen is started."""
    fields: Annotated[tuple[str, ...], Field(min_length=1)] = ("question",)
    """Dotted paths of the texts in a row."""


class DecontaminateFilter(Component):
    """Drops problems of which n words in a row stand in a benchmark.

    Words are compared in lower case and without punctuation (13-grams as for GPT-3, Brown et al.
    2020). A question or a row with fewer words counts only if both are wholly equal. Of the test
    sets that cotgen knows by digest, whole questions are found, and problems found in them are no
    reason to refuse the recipe.
    """

    alone: ClassVar[bool] = False

    kind: Literal["decontaminate"] = "decontaminate"
    files: tuple[Benchmark, ...] = ()
    """Benchmarks: `{path: test.jsonl, fields: [question]}`."""
    test_sets: tuple[str, ...] = Field(default_factory=lambda: tuple(test_set_names()))
    """Test sets that cotgen knows."""
    n: PositiveInt = 13
    """Words in a row."""
    attempts: bool = False
    """Look at attempts too, and drop those that share n words with a benchmark file."""

    @field_validator("test_sets")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in test_set_names():
                raise ValueError(f"{name!r} is not known; choose {', '.join(test_set_names())}")
        return names

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.files and not self.test_sets:
            raise ValueError("name files, test_sets or both")
        if self.attempts and not self.files:
            raise ValueError("attempts are compared with files: name some")
        return self

    @property
    def reads(self) -> tuple[Path, ...]:
        """The benchmarks."""
        return tuple(benchmark.path for benchmark in self.files)

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """Drop what is found in the benchmarks, naming the line and the words."""
        index = _Index(self.files, self.n)
        for group in groups:
            problem = group.problem
            name = test_set_of(problem.question)
            if name in self.test_sets:
                yield Decision(problem.id, "problem", "test_set", name, "the whole question")
            elif found := index.find(problem.question, whole=True):
                yield Decision(problem.id, "problem", "benchmark", found.place, found.words)
            elif self.attempts:
                for judged in group.judged:
                    if found := index.find(judged.attempt.text, whole=False):
                        yield Decision(judged.id, "attempt", "benchmark", found.place, found.words)


class _Found(NamedTuple):
    place: str
    words: str


class _Index:
    """The n-grams of benchmarks as sorted hashes, each with the first row that holds it."""

    def __init__(self, benchmarks: Iterable[Benchmark], n: int) -> None:
        self._n = n
        self._places: list[str] = []
        self._short: dict[int, int] = {}
        self._texts: list[tuple[Hashes, int]] = []
        for benchmark in benchmarks:
            for place, text in _texts(benchmark):
                self._add(place, plain_words(normal(text)))

    def _add(self, place: str, words: list[str]) -> None:
        grams, number = gram_hashes(words, self._n), len(self._places)
        self._places.append(place)
        if len(words) >= self._n:
            self._texts.append((grams, number))
        elif words:
            self._short.setdefault(int(grams[0]), number)

    @cached_property
    def _grams(self) -> tuple[Any, Any]:
        """All hashes, sorted, and the rows they stand in."""
        import numpy as np

        texts = [grams for grams, _ in self._texts]
        lengths = [len(grams) for grams in texts]
        rows = np.repeat(np.array([row for _, row in self._texts], np.uint32), lengths)
        hashes, first = np.unique(np.concatenate([np.empty(0, np.uint64), *texts]), True)
        self._texts.clear()
        return hashes, rows[first]

    def find(self, text: str, *, whole: bool) -> _Found | None:
        """The first n words that a benchmark holds. A shorter text is found if it is wholly there,
        and if `whole` texts are looked for."""
        import numpy as np

        words = plain_words(normal(text))
        if not words or (len(words) < self._n and not whole):
            return None
        grams = gram_hashes(words, self._n)
        if len(words) < self._n:
            row = self._short.get(int(grams[0]))
            return None if row is None else _Found(self._places[row], " ".join(words))
        hashes, rows = self._grams
        if not len(hashes):
            return None
        at = np.searchsorted(hashes, grams).clip(max=len(hashes) - 1)
        hits = np.flatnonzero(hashes[at] == grams)
        if not len(hits):
            return None
        start = int(hits[0])
        return _Found(self._places[rows[at[start]]], " ".join(words[start : start + self._n]))


def _texts(benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    """Each text with its place. Raises RecipeError for a row that lacks one."""
    for place, row in read_rows(benchmark.path):
        if isinstance(row, BadLine):
            raise RecipeError(f"{place}: {row.error}")
        for field in benchmark.fields:
            text = lookup(row, field)
            if not isinstance(text, str):
                raise RecipeError(f"{place}: no text at {field}")
            yield str(place), clean(text)
