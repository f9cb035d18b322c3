"""Attempts that leave the language of the question."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import PositiveInt

from cotgen.protocols import Component, Decision, Draw, Groups, Share

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_MATHEMATICS = re.compile(
    r"\$\$.*?(?:\$\$|\Z)|\$[^$\n]*\$|\\\[.*?(?:\\\]|\Z)|\\\(.*?(?:\\\)|\Z)|\\[A-Za-z]+",
    re.DOTALL,
)
"""Every alternative ends where it began or takes the rest of the text: one pass, linear."""
_SENTENCE_END = re.compile(r"(?<=[.!?:。！？])\s+|\n+")
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = """
LATIN GREEK CYRILLIC ARMENIAN GEORGIAN HEBREW ARABIC DEVANAGARI BENGALI GURMUKHI GUJARATI ORIYA
TAMIL TELUGU KANNADA MALAYALAM SINHALA THAI LAO TIBETAN MYANMAR KHMER ETHIOPIC MONGOLIAN HANGUL CJK
HIRAGANA KATAKANA BOPOMOFO
"""
_KNOWN = frozenset(_SCRIPTS.split())
_CHINESE_AND_JAPANESE = frozenset({"CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO"})
_SYMBOLS = 3
"""A run of fewer letters of an alphabet is a symbol (αβ, Δx, ℵ), not a word."""
_SURE = 0.99
_SHOWN = 40
_READ = 4000
"""Characters of a stretch that are looked at; most stretches are far shorter."""


class LanguageFilter(Component):
    """Drops attempts that mix scripts or languages.

    Code and mathematics are no language: fenced and quoted code, LaTeX and single letters of other
    alphabets are left out before letters are counted. A script counts as foreign if the question
    has no letter of it; a stretch of prose counts as foreign if py3langid takes it, nearly surely,
    for a language that is neither the question's nor allowed.
    """

    alone: ClassVar[bool] = True
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["language"] = "language"
    max_share: Share = 0.05
    """The share of an attempt's letters that may be foreign."""
    scripts: tuple[str, ...] = ("latin",)
    """Scripts that are never foreign: units and names in formulas are Latin everywhere."""
    languages: tuple[str, ...] = ()
    """Languages (`en`, `de`, …) that attempts may be in; empty: the question's."""
    identify: bool = True
    """Tell languages of one script apart. Off: only scripts are looked at."""
    letters: PositiveInt = 100
    """Letters in a stretch of prose whose language is asked for; shorter ones are uncertain."""

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """Drop the attempts that mix."""
        for group in groups:
            question = _prose(group.problem.question)
            allowed = frozenset(script.upper() for script in self.scripts)
            allowed = _families(allowed | _scripts(question).keys())
            for judged in group.judged:
                prose = _prose(judged.attempt.text)
                if evidence := self._script(prose, allowed):
                    yield Decision(judged.id, "attempt", "foreign_script", evidence=evidence)
                elif self.identify and (evidence := self._language(prose, question)):
                    yield Decision(judged.id, "attempt", "foreign_language", evidence=evidence)

    def _script(self, prose: str, allowed: frozenset[str]) -> str:
        found = _scripts(prose)
        foreign = {script: n for script, n in found.items() if script not in allowed}
        share = sum(foreign.values()) / max(found.total(), 1)
        if share <= self.max_share or not foreign:
            return ""
        named = ", ".join(sorted(script.lower() for script in foreign))
        return f"{share:.1%} of its letters are {named}: {_first(prose, foreign)}"

    def _language(self, prose: str, question: str) -> str:
        stretches = [
            _Stretch(text, letters, *_identified(text))
            for text, letters in _stretches(prose, self.letters)
        ]
        sure = [stretch for stretch in stretches if stretch.sureness >= _SURE]
        expected = self.languages or _expected(question, sure, self.letters)
        foreign = [stretch for stretch in sure if expected and stretch.language not in expected]
        share = sum(stretch.letters for stretch in foreign) / max(_letters(prose), 1)
        if share <= self.max_share or not foreign:
            return ""
        named = ", ".join(sorted({stretch.language for stretch in foreign}))
        shown = " ".join(foreign[0].text.split())[:_SHOWN]
        return f"{share:.1%} of it is {named}, not {' or '.join(expected)}: {shown}"


class _Stretch(NamedTuple):
    """Some prose, and the language that it seems to be in."""

    text: str
    letters: int
    language: str
    sureness: float


def _expected(question: str, sure: list[_Stretch], letters: int) -> tuple[str, ...]:
    """The question's language; if that is too short to tell, the one most of the attempt is in."""
    if _letters(question) >= letters // 2:  # Who asks hardly mixes languages.
        language, sureness = _identified(question)
        if sureness >= _SURE:
            return (language,)
    by_language: Counter[str] = Counter()
    for stretch in sure:
        by_language[stretch.language] += stretch.letters
    return tuple(language for language, _ in by_language.most_common(1))


def _prose(text: str) -> str:
    """The text without code and mathematics."""
    return _MATHEMATICS.sub(" ", _CODE.sub(" ", text))


def _stretches(prose: str, letters: int) -> Iterator[tuple[str, int]]:
    """Sentences in a row that have so many letters together; what is left at the end is too
    short."""
    sentences: list[str] = []
    held = 0
    for sentence in _SENTENCE_END.split(prose):
        sentences.append(sentence)
        held += _letters(sentence)
        if held >= letters:
            yield " ".join(sentences), held
            sentences, held = [], 0


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _scripts(prose: str) -> Counter[str]:
    """Letters by script; single letters of alphabets are symbols, of Chinese they are words."""
    found: Counter[str] = Counter()
    for word in _WORD.findall(prose):
        if word.isascii():
            found["LATIN"] += len(word)
            continue
        for script, letters in Counter(map(_script_of, word)).items():
            if script in _CHINESE_AND_JAPANESE or script == "LATIN" or letters >= _SYMBOLS:
                found[script] += letters
    found.pop("", None)
    return found


@lru_cache(maxsize=1 << 14)
def _script_of(letter: str) -> str:
    """The script of a letter; empty for those that are made for formulas."""
    name = unicodedata.name(letter, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    script = name.partition(" ")[0]
    return script if script in _KNOWN else ""


def _families(scripts: frozenset[str]) -> frozenset[str]:
    """Who writes kana writes Chinese characters too."""
    return scripts | _CHINESE_AND_JAPANESE if scripts & _CHINESE_AND_JAPANESE else scripts


def _first(prose: str, foreign: dict[str, int]) -> str:
    """The first foreign word, with a little of what follows."""
    for word in _WORD.finditer(prose):
        if any(_script_of(letter) in foreign for letter in word[0][:_SHOWN]):
            return " ".join(prose[word.start() : word.start() + _SHOWN].split())
    return ""


def _identified(text: str) -> tuple[str, float]:
    """The language that a text seems to be in, and how surely."""
    return _identifier()(text[:_READ])


@cache
def _identifier() -> Callable[[str], tuple[str, float]]:
    # Its model takes half a second to read.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        language, sureness = identifier.classify(text)
        return str(language), float(sureness)

    return identify
