"""Whether chains are what they say: order, mask, and which wrong attempt is the nearest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cotgen.audit.dataset import Used
from cotgen.audit.findings import Book, Demand
from cotgen.records import Chain, Group, Judged

_DEMAND: Demand = "wrong-to-right"


class ChainCheck:
    """Checks the chains of one recipe."""

    def __init__(self, book: Book, used: Used, settings: dict[str, Any]) -> None:
        self._book = book
        self._used = used
        self._is_revision = settings.get("kind") == "revision"
        self._same_teacher = bool(settings.get("same_teacher"))
        self._correct_context = bool(settings.get("correct_context"))

    def check(self, group: Group) -> None:
        """Every chain of a problem. What filters dropped is in no chain, and nearest to nothing."""
        dropped = self._used.dropped
        known = {judged.id: judged for judged in group.judged if judged.id not in dropped}
        if group.problem.id in dropped:
            known = {}
        for number, chain in enumerate(group.chains):
            where = f"{group.problem.id}, chain {number}"
            self._book.count(_DEMAND, "chains")
            if not chain.attempts or any(id not in known for id in chain.attempts):
                self._book.fault(_DEMAND, "names an attempt that is not left", where)
                continue
            self._order(chain, known, where)
            self._mask(chain, known, where)
            self._nearest(chain, known, where)

    def _order(self, chain: Chain, known: dict[str, Judged], where: str) -> None:
        *earlier, last = (known[id] for id in chain.attempts)
        if last.is_("correct"):
            self._used.add(last.id, "right")
        else:
            self._book.fault(_DEMAND, "ends in an attempt that is not correct", where)
        for judged in earlier:
            self._used.add(judged.id, "context")
            if not (judged.is_("incorrect") or (self._correct_context and judged.is_("correct"))):
                self._book.fault(_DEMAND, "shows an attempt that is not wrong", where)
        if len(set(chain.attempts)) < len(chain.attempts):
            self._book.fault(_DEMAND, "shows an attempt twice", where)
        wrong = sum(judged.is_("incorrect") for judged in earlier)
        if wrong != chain.wrong:
            self._book.fault(_DEMAND, "counts its wrong attempts wrongly", where)
        self._book.count(_DEMAND, "transitions from wrong to right", int(wrong > 0))

    def _mask(self, chain: Chain, known: dict[str, Judged], where: str) -> None:
        trained = [link.trained for link in chain.links]
        only_last = trained == [False] * (len(trained) - 1) + [True]
        # Other kinds may train what they put between attempts, but never a wrong attempt.
        others_right = trained[-1:] == [True] and not any(
            link.trained and known[link.attempt].is_("incorrect")
            for link in chain.links
            if link.attempt in known
        )
        if not (only_last if self._is_revision else others_right):
            self._book.fault(_DEMAND, "trains another part than the last", where)
        shown = [link for link in chain.links if link.kind == "attempt"]
        if [link.attempt for link in shown] != list(chain.attempts):
            self._book.fault(_DEMAND, "has links in another order than its attempts", where)
        elif any(link.text != known[link.attempt].attempt.text for link in shown):
            self._book.fault(_DEMAND, "has a text that is not its attempt's", where)

    def _nearest(self, chain: Chain, known: dict[str, Judged], where: str) -> None:
        """The nearest by comparisons of our own with every wrong attempt, in order.

        Whether another one is nearer needs no full comparison, only one up to the distance stated.
        """
        from rapidfuzz.distance import Levenshtein

        correct = known[chain.correct]
        pool = self._pool(correct, known)
        if not pool or not chain.nearest:
            if chain.nearest or (pool and self._is_revision):
                self._book.fault(_DEMAND, "names a wrong nearest attempt", where)
            return
        text = correct.attempt.text
        places = {judged.id: place for place, judged in enumerate(pool)}
        place = places.get(chain.nearest)
        if place is None:
            self._book.fault(_DEMAND, "names a wrong nearest attempt", where)
            return
        stated = chain.distance
        if Levenshtein.distance(text, pool[place].attempt.text) != stated:
            self._book.fault(_DEMAND, "states a wrong distance", where)
            return
        for other, judged in enumerate(pool):
            # At the same distance the first in order wins.
            least = stated - (other > place)
            if least < 0:
                break
            distance = Levenshtein.distance(text, judged.attempt.text, score_cutoff=least)
            if other != place and distance <= least:
                self._book.fault(_DEMAND, "names a wrong nearest attempt", where)
                return
        ordered = self._is_revision and not self._correct_context
        if chain.wrong and ordered and chain.attempts[-2] != chain.nearest:
            self._book.fault(_DEMAND, "does not show the nearest wrong attempt last", where)

    def _pool(self, correct: Judged, known: dict[str, Judged]) -> list[Judged]:
        """The wrong attempts of the problem: the first of each text, none that equals a correct
        attempt up to white space."""
        right = {
            " ".join(judged.attempt.text.split())
            for judged in known.values()
            if judged.is_("correct")
        }
        texts: Counter[str] = Counter()
        pool = []
        for judged in known.values():
            text = judged.attempt.text
            if judged.is_("incorrect") and " ".join(text.split()) not in right:
                texts[text] += 1
                if texts[text] == 1:
                    pool.append(judged)
        if self._same_teacher:
            pool = [judged for judged in pool if judged.teacher == correct.teacher]
        return pool
