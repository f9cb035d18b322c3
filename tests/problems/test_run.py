from pathlib import Path

import pytest

import cotgen
from cotgen.errors import RecipeError
from cotgen.problems.outcomes import Where
from cotgen.problems.remaining import RemainingProblems
from cotgen.problems.run import RunProblems
from cotgen.recipe import parse_recipe
from cotgen.records import BadLine, Outcome, Problem, Verified
from cotgen.store import Table

JUDGED: dict[str, tuple[Outcome, ...]] = {
    "solved": ("correct", "correct"),
    "mixed": ("incorrect", "correct"),
    "wrong": ("incorrect", "incorrect"),
    "odd@id": ("unverifiable", "unfinished"),
    "unseen": (),
}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A run whose problems are named by what came of them."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    problems = Table(folder / "problems.jsonl", Problem)
    verdicts = Table(folder / "verdicts.jsonl", Verified)
    for id, outcomes in JUDGED.items():
        problems.append(Problem(id, f"What is {id}?", "1"))
        for number, outcome in enumerate(outcomes):
            verdicts.append(Verified(f"{id}@t/{number}", "", outcome, "", "", ""))
    problems.close()
    verdicts.close()
    return folder


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("all", list(JUDGED)),
        ("solved", ["solved", "mixed"]),
        ("mixed", ["mixed"]),
        ("unsolved", ["wrong", "odd@id", "unseen"]),
        ("unseen", ["unseen"]),
    ],
)
def test_problems_are_chosen_by_what_came_of_them(
    earlier: Path, where: Where, ids: list[str]
) -> None:
    assert [each.id for each in RunProblems(path=earlier, where=where).load()] == ids


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is not the folder of a run"):
        list(RunProblems(path=tmp_path / "nothing").load())


def test_what_remains_are_first_the_unseen_and_then_the_unsolved(earlier: Path) -> None:
    assert _ids(_remaining(earlier)) == ["unseen", "wrong", "odd@id"]
    assert _ids(_remaining(earlier, again=False)) == ["unseen"]
    assert _ids(_remaining(earlier, of_limit=3)) == ["wrong"]


def test_without_earlier_runs_the_whole_source_remains(earlier: Path) -> None:
    assert _ids(RemainingProblems(of=RunProblems(path=earlier))) == list(JUDGED)


def test_a_second_round_takes_what_the_first_has_not_solved(in_tmp: Path) -> None:
    first = {
        "name": "first",
        "problems": {"kind": "generated", "limit": 30},
        "teachers": {"t": {"kind": "scripted", "accuracy": 0.5}},
        "search": {"kind": "sample", "n": 1},
        "verifier": {"kind": "math"},
        "datasets": [{"kind": "sft"}],
    }
    solved = cotgen.run(parse_recipe(first)).solved
    source = {"kind": "run", "path": "outputs/first", "where": "unsolved"}
    again = cotgen.run(parse_recipe(first | {"name": "second", "seed": 1, "problems": source}))
    assert 0 < solved < 30
    assert again.problems == 30 - solved


def _remaining(run: Path, *, again: bool = True, of_limit: int | None = None) -> RemainingProblems:
    return RemainingProblems(of=RunProblems(path=run, limit=of_limit), runs=(run,), again=again)


def _ids(source: RemainingProblems) -> list[str]:
    found = list(source.load())
    assert not any(isinstance(item, BadLine) for item in found)
    return [item.id for item in found if isinstance(item, Problem)]
