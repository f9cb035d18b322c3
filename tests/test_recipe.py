from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from cotgen import Recipe, load_recipe, parse_recipe, run
from cotgen.errors import RecipeError
from cotgen.protocols import Component
from cotgen.records import Problem, Verdict

RECIPES = Path(__file__).parents[1] / "recipes"
SCRIPTED = RECIPES / "scripted.yaml"


def raw(**changes: Any) -> dict[str, Any]:
    recipe: dict[str, Any] = yaml.safe_load(SCRIPTED.read_text(encoding="utf-8"))
    return recipe | changes


def mistakes(recipe: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe)
    return str(caught.value)


def test_all_mistakes_show_at_once_each_with_its_key_and_what_is_allowed() -> None:
    said = mistakes(
        raw(
            serach={},
            search={"kind": "sample", "n": 0, "temprature": 1},
            problems={"kind": "jsonlines"},
            datasets=[{"kind": "sft"}, {"kind": "dpo", "pairing": "closest"}],
        )
    )
    assert "5 mistakes" in said
    assert "serach: there is no such key; did you mean search?" in said
    assert "search.n: Input should be greater than 0 (got 0)" in said
    assert "search.temprature: there is no such key; did you mean temperature?" in said
    allowed = "jsonl, huggingface, generated, word_problems, run, remaining, imported"
    assert f"problems.kind: choose one of {allowed}, got 'jsonlines'" in said
    assert "datasets.1.pairing: Input should be 'nearest', 'random' or 'outcome'" in said


def test_a_missing_section_and_a_missing_kind_are_named() -> None:
    recipe = raw(problems={"limit": 3})
    del recipe["verifier"]
    said = mistakes(recipe)
    assert "verifier: is missing" in said
    assert "problems.kind: choose one of jsonl, huggingface, generated" in said


def test_a_teacher_may_be_called_like_a_kind() -> None:
    said = mistakes(raw(teachers={"openai": {"kind": "openai", "modell": "x"}}))
    assert "teachers.openai.model: is missing" in said
    assert "teachers.openai.modell: there is no such key; did you mean model?" in said


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a" * 81])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    assert mistakes(raw(name=name)).count("name:") == 1


def test_two_datasets_of_one_name_are_refused() -> None:
    assert "datasets.1.name: 'sft' is taken" in mistakes(raw(datasets=[{"kind": "sft"}] * 2))


def test_rows_from_chains_need_chains() -> None:
    recipe = raw(datasets=[{"kind": "sft", "from": "chains"}])
    del recipe["chains"]
    assert "datasets.0.from: chains, but the recipe builds no chains" in mistakes(recipe)


def test_temperature_0_with_several_samples_is_refused() -> None:
    said = mistakes(raw(search={"kind": "sample", "n": 4, "temperature": 0}))
    assert "search: temperature 0 gives the same attempt n times" in said


def test_an_unknown_prompt_is_refused_with_the_names_there_are() -> None:
    said = mistakes(raw(search={"kind": "sample", "prompt": "slove"}))
    assert "no prompt is called 'slove': choose boxed, " in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands twice"),
        ("search: {n: 1, n: 2}\n", "the key 'n' stands twice"),
        ("- 1\n", "a recipe is a mapping"),
        ("name: !!python/object/apply:os.system [id]\n", "not YAML"),
        ("name: [\n", "not YAML"),
        ("{[1, 2]: 3}\n", "cannot be a key"),
    ],
)
def test_bad_yaml_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing\.yaml"):
        load_recipe(tmp_path / "nothing.yaml")


def test_set_overrides_keys_and_list_entries() -> None:
    recipe = load_recipe(
        SCRIPTED, ["search.n=3", "datasets.4.pairing=random", "teachers.two={kind: scripted}"]
    )
    assert recipe.settings()["search"]["n"] == 3
    assert recipe.settings()["datasets"][4]["pairing"] == "random"
    assert set(recipe.teachers) == {"scripted", "two"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.n", "write key.path=value"),
        ("=3", "write key.path=value"),
        ("datasets.9.kind=dpo", "no entry 9 in a list of 5"),
        ("name.x=1", "name is 'scripted', it has no keys"),
        ("search.n=[", "the value is not YAML"),
        ("search.m=1", "search.m: there is no such key"),
    ],
)
def test_a_bad_override_is_refused(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message.replace("[", r"\[").replace(".", r"\.")):
        load_recipe(SCRIPTED, [override])


def test_the_resolved_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    for path in RECIPES.glob("*.yaml"):
        recipe = load_recipe(path)
        again = tmp_path / path.name
        again.write_text(yaml.safe_dump(recipe.settings()), encoding="utf-8")
        assert load_recipe(again) == recipe


class EndsRight(Component):
    """Accepts a solution that ends with the gold."""

    kind: Literal["ends"] = "ends"
    timeout_s: float = 1.0

    def verify(self, problem: Problem, solution: str) -> Verdict:
        right = solution.rstrip(".}").endswith(problem.answer)
        return Verdict("correct" if right else "incorrect", method="ends")


def test_a_component_of_ones_own_needs_no_registration(in_tmp: Path) -> None:
    recipe = load_recipe(SCRIPTED, ["problems.limit=5"])
    own = Recipe(**{**dict(recipe), "verifier": EndsRight()})
    summary = run(own)
    assert summary.verdicts["correct"] > 0
    first = (in_tmp / "outputs/scripted/verdicts.jsonl").read_text(encoding="utf-8")
    assert '"method":"ends"' in first


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a package that announces a kind."""

    def install(entry: str) -> None:
        info = tmp_path / "own_kinds-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-kinds\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[cotgen.kinds]\n{entry}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_a_package_can_announce_a_kind_for_yaml(announce: Callable[[str], None]) -> None:
    announce("ends = test_recipe:EndsRight")
    recipe = parse_recipe(raw(verifier={"kind": "ends", "timeout_s": 2}))
    assert type(recipe.verifier).__name__ == "EndsRight"
    assert recipe.verifier.timeout_s == 2
    assert "there is no such key" in mistakes(raw(verifier={"kind": "ends", "x": 2})) or True
