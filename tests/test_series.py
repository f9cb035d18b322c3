import json
from datetime import date
from pathlib import Path

import pytest
from server import samples_served, start_server
from typer.testing import CliRunner

import cotgen
from cotgen import series
from cotgen.cli import app
from cotgen.errors import LIMIT, LOCKED, RecipeError
from cotgen.notifying import Notify
from cotgen.operating import Ended, Order, operate_night
from cotgen.pipeline import Unwatched
from cotgen.problems import RemainingProblems
from cotgen.recipe import Recipe, parse_recipe
from cotgen.runs import Run, shape_of
from cotgen.store import RunFolder
from cotgen.teachers.openai import OpenAITeacher

MONDAY, TUESDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 20)
OUTPUTS = Path("outputs")


def nightly(accuracy: float = 0.5, limit: int = 40, name: str = "nightly") -> Recipe:
    return parse_recipe(
        {
            "name": name,
            "problems": {"kind": "generated", "limit": limit},
            "teachers": {"t": {"kind": "scripted", "accuracy": accuracy}},
            "search": {"kind": "sample", "n": 1},
            "verifier": {"kind": "math"},
            "datasets": [{"kind": "sft"}],
        }
    )


def night(recipe: Recipe, day: date) -> tuple[Recipe, cotgen.Summary]:
    tonight = series.dated(recipe, OUTPUTS, day)
    return tonight, cotgen.run(tonight)


def test_each_night_takes_what_earlier_nights_have_not_solved(in_tmp: Path) -> None:
    _, first = night(nightly(), MONDAY)
    _, second = night(nightly(), TUESDAY)
    _, third = night(nightly(limit=60), FRIDAY)
    assert first.problems == 40
    assert second.problems == 40 - first.solved
    assert third.problems == 60 - first.solved - second.solved
    assert [run.name for run in series.runs("nightly", OUTPUTS)] == [
        "nightly-2026-11-16",
        "nightly-2026-11-17",
        "nightly-2026-11-20",
    ]


def test_an_unsolved_problem_gets_other_attempts_than_the_night_before(in_tmp: Path) -> None:
    texts = []
    with start_server(in_tmp, correct_share=0.0) as server:
        teacher = OpenAITeacher(model="m", base_url=server.url)
        recipe = nightly(limit=5).model_copy(update={"teachers": {"t": teacher}})
        first, _ = night(recipe, MONDAY)
        second, _ = night(recipe, TUESDAY)
    for recipe in (first, second):
        with Run(shape_of(recipe), OUTPUTS / recipe.name, write=False) as run:
            texts.append(
                [attempt.text for line in run.attempts.lines() for attempt in line.attempts]
            )
    assert texts[0] != texts[1]


def test_a_night_that_goes_on_keeps_its_problems(in_tmp: Path) -> None:
    _, first = night(nightly(), MONDAY)
    _, again = night(nightly(), MONDAY)
    assert (again.problems, again.solved) == (first.problems, first.solved)


def test_a_night_goes_on_from_another_folder_and_without_the_earlier_runs(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(nightly(), MONDAY)
    by_cron = series.dated(nightly(), OUTPUTS.absolute(), TUESDAY)
    first = cotgen.run(by_cron, outputs=OUTPUTS.absolute())
    monkeypatch.chdir(OUTPUTS)
    Path("nightly-2026-11-16").rename("archived")
    by_hand = series.dated(nightly(), Path(), TUESDAY)
    assert cotgen.run(by_hand, outputs=Path()).attempts == first.attempts


def test_an_earlier_run_that_is_not_there_is_no_run_without_solutions(in_tmp: Path) -> None:
    problems = RemainingProblems(of=nightly().problems, runs=(Path("outputs/typo"),))
    with pytest.raises(RecipeError, match=r"problems.runs: outputs/typo is not the folder"):
        next(problems.load())


def test_a_series_is_not_confused_with_runs_of_like_names(in_tmp: Path) -> None:
    for name in ("nightly-2026-11-16", "nightly-2026-11-17-b", "nightly", "nightly-x-2026-11-16"):
        (OUTPUTS / name).mkdir(parents=True)
    assert [run.name for run in series.runs("nightly", OUTPUTS)] == ["nightly-2026-11-16"]


def test_a_name_without_room_for_a_date_is_refused(in_tmp: Path) -> None:
    with pytest.raises(RecipeError, match="too long for a series"):
        series.dated(nightly(name="n" * 75), OUTPUTS, MONDAY)


def test_when_all_is_solved_nothing_is_run(in_tmp: Path) -> None:
    path = Path("r.yaml")
    recipe = nightly(accuracy=1.0, limit=5)
    path.write_text(json.dumps(recipe.settings()))
    cotgen.run(series.dated(recipe, OUTPUTS, MONDAY))
    done = CliRunner().invoke(app, ["run", str(path), "--dated"])
    assert done.exit_code == 0, done.output
    assert "nothing is left" in done.output
    assert len(list(OUTPUTS.iterdir())) == 1


def test_starts_and_ends_are_noted_with_exit_codes(in_tmp: Path) -> None:
    path = Path("r.yaml")
    path.write_text("name: [")
    assert CliRunner().invoke(app, ["run", str(path), "--log", "log"]).exit_code == 2
    path.write_text(json.dumps(nightly(limit=3).settings()))
    assert CliRunner().invoke(app, ["run", str(path), "--dated", "--log", "log"]).exit_code == 0
    said = [line.split(") ")[1] for line in Path("log").read_text().splitlines()]
    assert said[0] == said[2] == "started"
    assert said[1].startswith("ended with exit code 2: r.yaml: not YAML")
    assert said[3].startswith("ended with exit code 0: nightly-")


def priced(url: str, **limits: object) -> Recipe:
    """Ten problems, four samples each, a dollar a completion token."""
    price = {"input": 0, "output": 1_000_000}
    teacher = {"kind": "openai", "model": "m", "base_url": url, "concurrency": 1, "price": price}
    return parse_recipe(
        {
            "name": "nightly",
            "problems": {"kind": "generated", "limit": 10},
            "teachers": {"t": teacher | {"fanout": "single"}},
            "search": {"kind": "sample", "n": 4, "max_tokens": 200},
            "verifier": {"kind": "math"},
            **limits,
        }
    )


class Silent(Unwatched):
    """Keeps what was said."""

    def __init__(self, said: list[Ended]) -> None:
        self.said = said

    def stop(self) -> None:
        pass

    def ended(self, ended: Ended) -> None:
        self.said.append(ended)

    def warn(self, said: str) -> None:
        pass


def night_by_command(recipe: Recipe, day: date) -> list[Ended]:
    said: list[Ended] = []
    operate_night(recipe, Order(OUTPUTS), day, lambda _: Silent(said))
    return said


def test_a_night_first_ends_what_the_last_one_has_paid_for_in_part(in_tmp: Path) -> None:
    with start_server(in_tmp) as server:
        monday = night_by_command(priced(server.url, limits={"attempts": 6}), MONDAY)
        assert [end.exit_code for end in monday] == [LIMIT]
        tuesday = night_by_command(priced(server.url, limits={"attempts": 8}), TUESDAY)
        served = samples_served(server.log())
    # Two searches' rest of Monday's six, then what Tuesday's eight leave for Tuesday's own run.
    assert [end.run for end in tuesday] == ["nightly-2026-11-16", "nightly-2026-11-17"]
    assert [end.exit_code for end in tuesday] == [0, LIMIT]
    assert set(served.values()) == {1}
    assert served.total() == 14
    assert not series.paid_for(OUTPUTS / "nightly-2026-11-16")


def test_a_night_that_finds_the_one_before_at_work_exits_3_and_buys_nothing(in_tmp: Path) -> None:
    with start_server(in_tmp) as server:
        recipe = priced(server.url)
        night_by_command(priced(server.url, limits={"attempts": 6}), MONDAY)
        bought = len(server.log())
        with RunFolder(OUTPUTS / "nightly-2026-11-16").locked():
            tuesday = night_by_command(recipe, TUESDAY)
        assert len(server.log()) == bought
    assert [(end.run, end.exit_code, end.state) for end in tuesday] == [
        ("nightly-2026-11-17", LOCKED, "locked")
    ]
    assert not (OUTPUTS / "nightly-2026-11-17").exists()


def test_a_night_without_anything_left_is_told_too(in_tmp: Path) -> None:
    recipe = nightly(accuracy=1.0, limit=3)
    cotgen.run(series.dated(recipe, OUTPUTS, MONDAY))
    told = Notify(command=("sh", "-c", "cat > told.json"))
    night_by_command(recipe.model_copy(update={"notify": told}), TUESDAY)
    assert json.loads(Path("told.json").read_text())["exit_code"] == 0


def test_a_log_that_cannot_be_opened_is_a_mistake_in_one_line(in_tmp: Path) -> None:
    Path("r.yaml").write_text(json.dumps(nightly(limit=3).settings()))
    Path("file").touch()
    done = CliRunner().invoke(app, ["run", "r.yaml", "--log", "file/log"])
    assert done.exit_code == 2
    assert "cotgen: --log file/log: cannot be opened" in done.output
    assert not OUTPUTS.exists()


def test_a_series_ends_at_what_all_its_nights_may_spend(in_tmp: Path) -> None:
    with start_server(in_tmp) as server:
        recipe = priced(server.url, limits={"attempts": 8}, series={"attempts": 20})
        days = [MONDAY, TUESDAY, date(2026, 11, 18), date(2026, 11, 19)]
        nights = [night_by_command(recipe, day)[-1] for day in days]
        served = samples_served(server.log()).total()
    assert served == 20
    assert [end.said.split(":")[0] for end in nights] == [
        "limits.attempts is reached",
        "limits.attempts is reached",
        "series.attempts is reached",
        "series.attempts is reached",
    ]
