"""What second readings add to a comparison that found a difference."""

from __future__ import annotations

from cotgen.verifiers.mathematics.decision import Decision, equal, undecided
from cotgen.verifiers.mathematics.nodes import Node
from cotgen.verifiers.mathematics.read import Answer, Second
from cotgen.verifiers.mathematics.rules import Judge


def by_second_readings(gold: Answer, given: Answer, judge: Judge) -> Decision | None:
    """Equal or undecided if a second reading equals the other side; None if none does."""
    found = {
        *_hits(gold.seconds, given.readings, judge, in_gold=True),
        *_hits(given.seconds, gold.readings, judge, in_gold=False),
    }
    if gold.seconds and given.seconds:
        found |= {
            one.in_gold
            for one in gold.seconds
            for two in given.seconds
            if one.in_gold == two.in_answer and judge(one.node, two.node).finding == "equal"
        }
    if "equal" in found:
        return equal("normalized")
    if "undecided" in found:
        return undecided("normalized", "equal only in another reading of the same spelling")
    return None


def _hits(
    seconds: tuple[Second, ...], others: tuple[Node, ...], judge: Judge, *, in_gold: bool
) -> set[str]:
    return {
        second.in_gold if in_gold else second.in_answer
        for second in seconds
        for other in others
        if judge(second.node, other).finding == "equal"
    }
