"""Which problems a page asks for, and in what order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from cotgen.errors import RecipeError
from cotgen.view.index import OUTCOMES, Index

Order = Literal["run", "hardest", "easiest", "attempts"]
Chain = Literal["", "yes", "no"]
Places = npt.NDArray[np.int64]


class Wanted(msgspec.Struct, frozen=True):
    """The filters of an address. Empty ones let everything pass.

    `verdict`, `teacher` and `method` are about one attempt: a problem is shown if one of its
    attempts fits all three. `rate` is a range of the share of right attempts, in percent: 0-25.
    """

    q: str = ""
    verdict: str = ""
    teacher: str = ""
    method: str = ""
    level: str | None = None
    source: str | None = None
    chain: Chain = ""
    rate: str = ""
    order: Order = "run"


def wanted(address: Mapping[str, str]) -> Wanted:
    """The filters of an address; raises RecipeError for values that are none."""
    known = {name: address[name] for name in Wanted.__struct_fields__ if name in address}
    found = msgspec.structs.replace(Wanted(), **known)
    _allowed("verdict", found.verdict, ("", *OUTCOMES))
    _allowed("chain", found.chain, get_args(Chain))
    _allowed("order", found.order, get_args(Order))
    _range(found.rate)
    return found


def _allowed(name: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        allowed = ", ".join(each for each in values if each)
        raise RecipeError(f"{name}: {value[:50]!r} is none of {allowed}")


def _range(rate: str) -> tuple[float, float] | None:
    if not rate:
        return None
    low, _, high = rate.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) <= int(high) <= 100):
        raise RecipeError(f"rate: {rate[:50]!r} is no range of percents like 0-25")
    return int(low) / 100, int(high) / 100


def places(index: Index, ask: Wanted, hits: npt.NDArray[np.bool_]) -> Places:
    """The places of the problems that pass, in the order asked for."""
    mask = hits.copy()
    if ask.verdict or ask.teacher or ask.method:
        mask &= _with_attempt(index, ask)
    if ask.level is not None:
        mask &= index.level == index.levels.names.get(ask.level, -1)
    if ask.source is not None:
        mask &= index.source == index.sources.names.get(ask.source, -1)
    if ask.chain:
        mask &= (index.chain_count > 0) == (ask.chain == "yes")
    if bounds := _range(ask.rate):
        mask &= (index.rate >= bounds[0]) & (index.rate <= bounds[1])
    return _ordered(index, np.flatnonzero(mask), ask.order)


def _with_attempt(index: Index, ask: Wanted) -> npt.NDArray[np.bool_]:
    fits = np.ones(len(index.owner), np.bool_)
    if ask.verdict:
        fits &= index.outcome == OUTCOMES.index(ask.verdict)
    if ask.teacher:
        teachers = index.shape.teachers
        fits &= index.teacher == (teachers.index(ask.teacher) if ask.teacher in teachers else -1)
    if ask.method:
        fits &= index.method == index.methods.names.get(ask.method, -2)
    found = np.zeros(len(index.ids), np.bool_)
    found[index.owner[fits]] = True
    return found


def _ordered(index: Index, found: Places, order: Order) -> Places:
    if order == "run":
        return found
    if order == "attempts":
        return found[np.argsort(-index.counts[found].sum(axis=1), kind="stable")]
    rate = index.rate[found]
    unjudged = rate < 0  # Neither hard nor easy: they come last.
    keys = np.where(unjudged, 2.0, rate if order == "hardest" else 1.0 - rate)
    return found[np.argsort(keys, kind="stable")]
