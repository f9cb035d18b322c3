"""Revision chains (Snell et al. 2408.03314 §6.1, App. H): wrong attempts, then a correct one."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal

from pydantic import Field

from cotgen.distance import nearest_of
from cotgen.protocols import Component, Services, Share
from cotgen.records import Chain, Group, Judged, Link


class RevisionChains(Component):
    """One chain for each correct attempt: question → random wrong ones → nearest wrong → correct.

    The number of wrong attempts is drawn from Uniform{0, …, min(max_wrong, w)}, w being the wrong
    attempts of the problem; the last of them is the one at the smallest edit distance from the
    correct attempt, in characters over the full texts (ties: the first), the others are drawn
    without replacement. Only the correct attempt is trained. Unverifiable and unfinished attempts
    are never shown; of wrong attempts with one text the first counts, and one that equals a correct
    attempt up to white space is left out.
    """

    kind: Literal["revision"] = "revision"
    max_wrong: Annotated[int, Field(ge=0)] = 4
    """Wrong attempts in a chain at most."""
    same_teacher: bool = False
    """Show only wrong attempts of the teacher that gave the correct one."""
    correct_context: Share = 0.0
    """Share of chains that show another correct attempt instead of wrong ones: our extension,
    against the 38 % of correct answers that revision models were seen to flip to wrong."""
    distance: Literal["characters"] = "characters"
    """What the edit distance counts."""
    bridge: str | None = None
    """A sentence between the attempts, never trained."""

    async def build(self, group: Group, services: Services) -> list[Chain]:
        """Build the chains of one problem, in the order of its correct attempts."""
        correct = list(group.having("correct"))
        wrong = group.contrasting()
        chains: dict[str, Chain] = {}
        for teacher in dict.fromkeys(
            judged.teacher if self.same_teacher else "" for judged in correct
        ):
            ours = [judged for judged in correct if teacher in ("", judged.teacher)]
            pool = [judged for judged in wrong if teacher in ("", judged.teacher)]
            for judged, (nearest, distance) in zip(ours, _nearest(ours, pool), strict=True):
                context = self._context(judged, (correct, pool), nearest, services.draw(judged.id))
                chains[judged.id] = self._chain(context, judged, nearest, distance)
        return [chains[judged.id] for judged in correct]

    def _context(
        self,
        judged: Judged,
        others: tuple[list[Judged], list[Judged]],
        nearest: Judged | None,
        draw: Random,
    ) -> list[Judged]:
        """The attempts shown before the correct one: x − 1 random wrong ones, then the nearest."""
        correct, wrong = others
        if self.correct_context and draw.random() < self.correct_context:
            text = judged.attempt.text
            siblings = [other for other in correct if other.attempt.text != text]
            if siblings:
                return [draw.choice(siblings)]
        shown = draw.randint(0, min(self.max_wrong, len(wrong)))
        if shown == 0 or nearest is None:
            return []
        return [
            *draw.sample([other for other in wrong if other is not nearest], shown - 1),
            nearest,
        ]

    def _chain(
        self, context: list[Judged], judged: Judged, nearest: Judged | None, distance: int
    ) -> Chain:
        links: list[Link] = []
        for earlier in context:
            links.append(Link("attempt", earlier.attempt.text, trained=False, attempt=earlier.id))
            if self.bridge:
                links.append(Link("revision", self.bridge, trained=False))
        links.append(Link("attempt", judged.attempt.text, trained=True, attempt=judged.id))
        return Chain(
            attempts=(*(earlier.id for earlier in context), judged.id),
            wrong=sum(earlier.is_("incorrect") for earlier in context),
            nearest=nearest.id if nearest else "",
            distance=distance,
            links=tuple(links),
        )


def _nearest(correct: list[Judged], wrong: list[Judged]) -> list[tuple[Judged | None, int]]:
    if not wrong:
        return [(None, -1)] * len(correct)
    texts = [judged.attempt.text for judged in correct]
    found = nearest_of(texts, [judged.attempt.text for judged in wrong])
    return [(wrong[nearest.index], nearest.distance) for nearest in found]
