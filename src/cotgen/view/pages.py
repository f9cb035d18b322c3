"""What the page asks for: the run, lists, a problem and what was made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cotgen.distance import nearest_of
from cotgen.errors import RecipeError, StoreError
from cotgen.records import Chain
from cotgen.store.lines import UNREADABLE
from cotgen.view.chat import turns
from cotgen.view.filters import Wanted, places
from cotgen.view.index import OUTCOMES, Codes, Dataset, Index
from cotgen.view.lines import Lines
from cotgen.view.looker import Looker, Missing
from cotgen.view.parts import COMPARED, Difference, Part, difference, pieces, shortened
from cotgen.view.replies import (
    AttemptPage,
    ChainPage,
    DifferencePage,
    Facet,
    LinkPage,
    ListedProblem,
    ListPage,
    ProblemPage,
    RowPage,
    Rows,
    RunPage,
    TurnPage,
)
from cotgen.view.search import Search

SNIPPET = 240
"""Characters of a question in the list."""
_NAMES = 300
_CHIPS = 5_000


def run_page(index: Index, folder: Path) -> RunPage:
    """The run as a whole."""
    by_outcome = np.bincount(index.outcome, minlength=len(OUTCOMES)).tolist()
    teachers = np.bincount(index.teacher, minlength=len(index.shape.teachers)).tolist()
    return RunPage(
        name=folder.absolute().name,
        folder=str(folder),
        version=0,
        reading=1.0,
        problems=len(index.ids),
        solved=int((index.counts[:, 1] > 0).sum()),
        attempts=len(index.owner),
        chains=int(index.chain_count.sum()),
        outcomes=dict(zip(OUTCOMES, by_outcome, strict=True)),
        datasets={name: len(dataset) for name, dataset in index.datasets.items()},
        teachers=[*map(Facet, index.shape.teachers, teachers)],
        methods=_facets(index.methods, index.method[index.method >= 0]),
        levels=_facets(index.levels, index.level),
        sources=_facets(index.sources, index.source),
    )


def _facets(codes: Codes, found: Any) -> list[Facet]:
    counts = np.bincount(found, minlength=len(codes.names)).tolist()
    facets = sorted(map(Facet, codes.names, counts), key=lambda facet: (-facet.number, facet.name))
    return facets[:_NAMES]


def list_page(index: Index, ask: Wanted, search: Search, address: Mapping[str, str]) -> ListPage:
    """A page of the list, and where one problem stands in it."""
    found = places(index, ask, search.hits)
    start, size = _number(address, "from", 0), min(_number(address, "n", 50), 200)
    located = -1
    if (place := index.place.get(address.get("locate", ""))) is not None:
        at = np.flatnonzero(found == place)
        located = int(at[0]) if len(at) else -1
        start = max(0, located - size // 2) if "from" not in address and located >= 0 else start
    rows = [_listed(index, int(place)) for place in found[start : start + size]]
    return ListPage(len(found), search.done, start, rows, located)


def _listed(index: Index, place: int) -> ListedProblem:
    problem = index.problem(place)
    return ListedProblem(
        problem.id,
        " ".join(problem.question[: 2 * SNIPPET].split())[:SNIPPET],
        problem.level[:80],
        index.counts[place].tolist(),
        int(index.chain_count[place]),
    )


def _number(address: Mapping[str, str], name: str, default: int) -> int:
    value = address.get(name, "")
    if value and not (value.isascii() and value.isdecimal() and len(value) < 12):
        raise RecipeError(f"{name}: {value[:50]!r} is no number from 0 on")
    return int(value) if value else default


def problem_page(index: Index, id: str) -> ProblemPage:
    """A problem without its attempts' texts."""
    look = Looker(index, id)
    problem, chips = look.problem, look.numbers[:_CHIPS]
    rows = {name: len(dataset.of(look.place)) for name, dataset in index.datasets.items()}
    return ProblemPage(
        id=problem.id,
        question=shortened([("", problem.question)], "what=question"),
        answer=shortened([("", problem.answer)], "what=answer"),
        facts={
            "level": problem.level,
            "kind": "" if problem.answer_kind == "unknown" else problem.answer_kind,
            "split": "" if problem.split == "unknown" else problem.split,
            "source": problem.source,
            "licence": problem.license,
            "tags": ", ".join(problem.tags),
        },
        attempts=[(look.id(at), look.teacher(at), look.outcome(at)) for at in chips],
        failures=_failures(look),
        chains=int(index.chain_count[look.place]),
        rows={name: count for name, count in rows.items() if count},
        pairs=_pairs(look),
    )


def _failures(look: Looker) -> dict[str, str]:
    searches = [look.index.searched(slot) for slot in look.index.slots(look.place)]
    return {each.teacher: each.error[:2000] for each in searches if each and each.error}


def _pairs(look: Looker) -> list[tuple[str, str]]:
    """Each correct attempt with its nearest wrong one, as the chains found them; the nearest pair
    first. Without chains the nearest to the first correct attempt is found here."""
    known = [chain for chain in look.chains() if chain.nearest]
    if known:
        known.sort(key=lambda chain: chain.distance)
        return [(chain.nearest, chain.correct) for chain in known]
    by_outcome = {
        outcome: [number for number in look.numbers if look.outcome(number) == outcome][:50]
        for outcome in ("correct", "incorrect")
    }
    if not all(by_outcome.values()):
        return []
    correct, wrong = by_outcome["correct"][0], by_outcome["incorrect"]
    text, others = look.attempt(correct).text, [look.attempt(each).text for each in wrong]
    cheap = len(text) * sum(map(len, others)) <= COMPARED
    nearest = nearest_of([text], others)[0].index if cheap else 0
    return [(look.id(wrong[nearest]), look.id(correct))]


def attempt_pages(index: Index, address: Mapping[str, str]) -> list[AttemptPage]:
    """Some attempts of a problem."""
    look = Looker(index, address.get("id", ""))
    start, size = _number(address, "from", 0), min(_number(address, "n", 10), 50)
    only = address.get("only", "")
    numbers = [at for at in look.numbers if not only or look.outcome(at) == only]
    return [_attempt_page(look, number) for number in numbers[start : start + size]]


def _attempt_page(look: Looker, number: int) -> AttemptPage:
    attempt, verdict = look.attempt(number), look.verdict(number)
    page = AttemptPage(
        id=look.id(number),
        number=number - look.numbers.start,
        teacher=look.teacher(number),
        outcome=look.outcome(number),
        text=shortened(look.parts(number), f"what=attempt&attempt={number - look.numbers.start}"),
        finish=attempt.finish,
        flaw=attempt.flaw or attempt.flag,
        tokens=attempt.origin.tokens,
    )
    if verdict:
        page.predicted, page.method = verdict.predicted[:2000], verdict.method
        page.reason = verdict.reason[:2000]
        page.canonical, page.canonical_gold = verdict.canonical, verdict.canonical_gold
    return page


def difference_page(index: Index, address: Mapping[str, str]) -> DifferencePage:
    """What makes a correct attempt of a wrong one."""
    look = Looker(index, address.get("id", ""))
    (wrong, correct), found = _compared(look, address)
    return DifferencePage(
        wrong=look.id(wrong),
        correct=look.id(correct),
        unit=found.unit,
        distance=found.distance,
        text=shortened(found.parts, "what=difference", around=("del", "ins")),
    )


def _compared(look: Looker, address: Mapping[str, str]) -> tuple[tuple[int, int], Difference]:
    wrong, correct = (look.number(address.get(name, "")) for name in ("wrong", "correct"))
    by = address.get("by", "characters")
    if by not in ("characters", "words"):
        raise RecipeError(f"by: {by[:50]!r} is none of characters, words")
    texts = look.attempt(wrong).text, look.attempt(correct).text
    return (wrong, correct), difference(*texts, by=by)


def chain_pages(index: Index, address: Mapping[str, str]) -> list[ChainPage]:
    """Some chains of a problem."""
    look = Looker(index, address.get("id", ""))
    start, size = _number(address, "from", 0), min(_number(address, "n", 5), 20)
    chains = look.chains()
    return [_chain_page(look, chains[at], at) for at in range(start, len(chains))[:size]]


def _chain_page(look: Looker, chain: Chain, number: int) -> ChainPage:
    links = []
    for at, link in enumerate(chain.links):
        known = look.index.attempt(link.attempt)
        links.append(
            LinkPage(
                kind=link.kind,
                trained=link.trained,
                attempt=link.attempt,
                outcome=look.outcome(known) if known >= 0 else "",
                text=shortened([("", link.text)], f"what=link&chain={number}&link={at}"),
            )
        )
    return ChainPage(number, chain.wrong, chain.nearest, chain.distance, links)


def row_pages(index: Index, address: Mapping[str, str]) -> Rows:
    """Some rows of a dataset; with `id`, of those made of that problem."""
    name = address.get("dataset", "")
    dataset = _dataset(index, name)
    numbers: Any = range(len(dataset))
    if "id" in address:
        numbers = dataset.of(Looker(index, address["id"]).place)
    start, size = _number(address, "from", 0), min(_number(address, "n", 5), 20)
    rows = [_row_page(index, dataset, name, int(row)) for row in numbers[start : start + size]]
    return Rows(name, len(numbers), start, rows)


def _dataset(index: Index, name: str) -> Dataset:
    if name not in index.datasets:
        raise Missing(f"this run has no dataset {name[:100]!r}")
    return index.datasets[name]


def _object(lines: Lines, offset: int) -> dict[str, Any]:
    """A line that may hold anything."""
    try:
        found = msgspec.json.decode(lines.at(offset))
    except UNREADABLE as error:
        raise StoreError(f"{lines.path}, byte {offset}: {error}") from error
    return found if isinstance(found, dict) else {"row": found}


def _row(dataset: Dataset, number: int) -> dict[str, Any]:
    return _object(dataset.rows, int(dataset.starts[number]))


def _row_page(index: Index, dataset: Dataset, name: str, number: int) -> RowPage:
    place = int(dataset.problems[number])
    origin = {}
    if number < len(dataset.origin_starts):
        origin = _object(dataset.origins, int(dataset.origin_starts[number]))
    return RowPage(
        number=number,
        turns=[
            TurnPage(
                turn.role,
                turn.use,
                shortened(turn.parts, f"what=row&dataset={name}&row={number}&turn={at}"),
            )
            for at, turn in enumerate(turns(_row(dataset, number)))
        ],
        origin=origin,
        problem=index.ids[place] if place >= 0 else "",
    )


def whole_text(index: Index, address: Mapping[str, str]) -> Iterable[Part]:
    """A whole text that a page shows cut, in pieces."""
    what = address.get("what", "")
    if what == "row":
        dataset = _dataset(index, address.get("dataset", ""))
        number, turn = _number(address, "row", 0), _number(address, "turn", 0)
        if number >= len(dataset):
            raise Missing(f"the dataset has no row {number}")
        return pieces(_at(turns(_row(dataset, number)), turn).parts)
    look = Looker(index, address.get("id", ""))
    if what == "question":
        return pieces([("", look.problem.question)])
    if what == "answer":
        return pieces([("", look.problem.answer)])
    if what == "attempt":
        return pieces(look.parts(_at(look.numbers, _number(address, "attempt", 0))))
    if what == "link":
        chain = _at(look.chains(), _number(address, "chain", 0))
        return pieces([("", _at(chain.links, _number(address, "link", 0)).text)])
    if what == "difference":
        return pieces(_compared(look, address)[1].parts)
    raise RecipeError(
        f"what: {what[:50]!r} is none of question, answer, attempt, link, difference, row"
    )


def _at(things: Any, number: int) -> Any:
    if number >= len(things):
        raise Missing(f"there are {len(things)} of them, counted from 0: none is number {number}")
    return things[number]
