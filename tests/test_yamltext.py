"""YAML that may be hostile: plain values, or one kind of error that says where."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cotgen import judging
from cotgen.bringing import importer_named
from cotgen.errors import RecipeError
from cotgen.publish.files import read_publication
from cotgen.report import write_report
from cotgen.runs import saved_recipe, saved_shape
from cotgen.yamltext import NotYaml, read_yaml

DEEP = "[" * 5000


def chain_of_anchors(links: int) -> str:
    """A key that is nested as deep as there are lines, though no line is."""
    lines = [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, links)]
    return "\n".join(["a0: &a0 [x]", *lines, f"? [*a{links - 1}]\n: 1"])


def aliases_of_aliases(levels: int) -> str:
    """A few lines that stand for 9 to the power of their number of values."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DEEP, "nested deeper than 100"),
        ("{a: " * 5000, "nested deeper than 100"),
        ("- " * 5000, "nested deeper than 100"),
        (chain_of_anchors(2000), "nested too deep"),
        ("&a [*a]", "aliases written out"),
        (aliases_of_aliases(12), "aliases written out"),
        ("a: [", "line 1"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("[a]: 1", "cannot be a key"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("2026-13-01", "month must be in"),
        ("!!timestamp x", "cannot be read"),
        ("!!bool x", "cannot be read"),
        ("!!int ''", "cannot be read"),
        ("9" * 5000, "cannot be read"),
        ("\0", "unacceptable character"),
    ],
)
def test_what_is_not_yaml_is_one_error(text: str, said: str) -> None:
    with pytest.raises(NotYaml, match=said):
        read_yaml(text)


def test_plain_values_are_read_as_any_yaml() -> None:
    text = "a: [1, 2.5, yes, null, 2026-01-02]\nb: &b {c: d}\ne: {<<: *b, f: g}\n"
    assert read_yaml(text) == yaml.safe_load(text)
    assert read_yaml("[" * 100 + "]" * 100) == yaml.safe_load("[" * 100 + "]" * 100)


def test_on_is_a_key_as_notify_writes_it_and_is_read_again() -> None:
    text = "notify: {command: [true], on: failure}\nNo: 1\ntrue: 2\n"
    found = read_yaml(text)
    assert found == {"notify": {"command": [True], "on": "failure"}, "No": 1, True: 2}
    assert read_yaml(yaml.safe_dump(found)) == found
    with pytest.raises(NotYaml, match="'on' stands twice"):
        read_yaml("on: 1\non: 2")


@pytest.mark.parametrize("read", [saved_recipe, saved_shape, read_publication])
@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        "a: [",
        "[]",
        "teachers: {}",
        "{teachers: {}, problems: [1]}",
        "{teachers: t, problems: {}}",
    ],
)
def test_a_run_with_a_broken_recipe_is_refused_by_name(
    tmp_path: Path, read: object, text: str
) -> None:
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    assert callable(read)
    with pytest.raises(RecipeError, match=r"recipe\.yaml: not the recipe of a run"):
        read(tmp_path)


def test_a_report_on_a_broken_recipe_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(DEEP, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: not the recipe of a run"):
        write_report([tmp_path])


def test_settings_on_the_command_line_that_are_not_yaml_are_refused_by_key() -> None:
    with pytest.raises(RecipeError, match="--set rounding: the value is not YAML: nested deeper"):
        judging.settings([f"rounding={DEEP}"])
    with pytest.raises(RecipeError, match="the value is not YAML: nested deeper"):
        importer_named("prm800k", [f"license={DEEP}"])
