"""The project's own rules that no other tool checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cotgen import load_recipe
from cotgen.menus import MENUS
from cotgen.protocols import Component
from cotgen.recipe import Recipe
from cotgen.teachers import OpenAITeacher
from cotgen.verifiers import AllOfVerifier, AnyOfVerifier, AnyVerifier

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_is_listed(path: Path) -> None:
    load_recipe(path)
    assert f"`{path.name}`" in (ROOT / "recipes/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_server_of_ones_own_decides_nothing_of_the_sampling(path: Path) -> None:
    """Such servers take what is not said from the model's `generation_config` (facts.md §9)."""
    for teacher in load_recipe(path).teachers.values():
        if isinstance(teacher, OpenAITeacher) and "localhost" in (teacher.base_url or ""):
            assert {"top_k", "min_p", "repetition_penalty"} <= teacher.extra_body.keys()


def _kinds_in_recipes() -> set[tuple[str, str]]:
    used: set[tuple[str, str]] = set()
    for path in RECIPES:
        recipe: Recipe = load_recipe(path)
        used.add(("problems", recipe.problems.kind))
        used.add(("search", recipe.search.kind))
        used |= {("verifiers", verifier.kind) for verifier in _with_parts(recipe.verifier)}
        used |= {("teachers", teacher.kind) for teacher in recipe.teachers.values()}
        used |= {("filters", str(filter.kind)) for filter in recipe.filters}
        used |= {("emitters", dataset.kind) for dataset in recipe.datasets}
        used |= {("chains", recipe.chains.kind)} if recipe.chains else set()
    return used


def _with_parts(verifier: AnyVerifier) -> Iterator[AnyVerifier]:
    yield verifier
    if isinstance(verifier, AnyOfVerifier | AllOfVerifier):
        for part in verifier.of:
            yield from _with_parts(part)


ALL_KINDS = sorted((family, kind) for family, kinds in MENUS.items() for kind in kinds)


# Importers are no part of a recipe: tests/importers has a sample of each.
@pytest.mark.parametrize(("family", "kind"), [each for each in ALL_KINDS if each[0] != "importers"])
def test_every_kind_is_in_some_recipe(family: str, kind: str) -> None:
    assert (family, kind) in _kinds_in_recipes()


def test_every_component_file_is_on_its_menu() -> None:
    listed = {component.__module__ for kinds in MENUS.values() for component in kinds.values()}
    for family in MENUS:
        for path in (ROOT / "src/cotgen" / family).glob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "(Component)" in text and "kind: Literal" in text:
                assert f"cotgen.{family}.{path.stem}" in listed


@pytest.mark.parametrize(("family", "kind"), ALL_KINDS)
def test_every_setting_is_explained(family: str, kind: str) -> None:
    component: type[Component] = MENUS[family][kind]
    unexplained = [
        name
        for name, field in component.model_fields.items()
        if name != "kind" and not field.description
    ]
    assert unexplained == []


def test_the_data_of_others_is_not_in_the_project() -> None:
    largest = max(path.stat().st_size for path in (ROOT / "tests").rglob("*") if path.is_file())
    assert largest < 1 << 20
