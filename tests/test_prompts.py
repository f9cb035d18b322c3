from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from cotgen.prompts import Prompt, names
from cotgen.search.examples import Example

GIVEN: dict[str, dict[str, object]] = {
    "retry": {},
    "second_look": {},
    "folded": {"question": "What is 2 + 2?", "attempts": ["It is 5.", "It is 3."]},
    "revise": {"question": "What is 2 + 2?", "attempts": ["It is 5.", "It is 3."]},
    "critic": {"question": "What is 2 + 2?", "solution": "It is 4."},
    "budget": {"question": "What is 2 + 2?", "budget": "300"},
    "solve_fewshot": {"question": "What is 2 + 2?", "examples": [Example("1 + 1?", "It is 2.")]},
}
QUESTION: dict[str, object] = {"question": "What is 2 + 2?"}


class Holder(BaseModel):
    """Reads a prompt as a recipe does."""

    prompt: Prompt


def prompt(text: str) -> Prompt:
    return Prompt(name="mine", text=text)


def template(folder: Path, text: str) -> str:
    path = folder / "mine.j2"
    path.write_bytes(text.encode())
    return str(path)


@pytest.mark.parametrize("name", names())
def test_every_template_renders_with_its_variables(name: str) -> None:
    given = GIVEN.get(name, QUESTION)
    text = Prompt.named(name).render(**given)
    assert text == text.strip()
    assert all(str(value) in text for value in given.values() if isinstance(value, str))


@pytest.mark.parametrize("name", [name for name in names() if GIVEN.get(name, QUESTION)])
def test_every_template_refuses_to_render_without_its_variables(name: str) -> None:
    with pytest.raises(ValueError, match=r"'(question|attempts|examples|solution)' is undefined"):
        Prompt.named(name).render()


def test_the_folded_template_shows_every_attempt() -> None:
    text = Prompt.named("folded").render(**GIVEN["folded"])
    assert text.startswith("What is 2 + 2?\n")
    assert "Attempt 1:\nIt is 5." in text
    assert "Attempt 2:\nIt is 3." in text


def test_the_folded_template_without_attempts_is_the_question() -> None:
    assert Prompt.named("folded").render(question="2 + 2?", attempts=[]).strip() == "2 + 2?"


@pytest.mark.parametrize(
    "name", ["boxed", "solve", "think", "plan", "meta", "still", "marco", "stepwise_json"]
)
def test_solving_templates_ask_for_a_box(name: str) -> None:
    assert "\\boxed{" in Prompt.named(name).render(**QUESTION)


def test_an_unknown_variable_is_an_error_that_names_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"prompt mine: 'nope' is undefined \(allowed: a, b\)"):
        prompt("{{ nope }}").render(b=1, a=1)


def test_an_unknown_name_is_an_error_that_names_the_templates() -> None:
    with pytest.raises(ValueError, match=r"no prompt is called .bxed.: choose boxed, .*j2 file"):
        Prompt.named("bxed")


@pytest.mark.parametrize(
    "text", ["{{ question", "{% if %}", "{{ question | nofilter }}", "{% x %}"]
)
def test_bad_syntax_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a jinja2 template"):
        prompt(text).render(**QUESTION)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"none\.j2: No such file or directory"):
        Holder.model_validate({"prompt": str(tmp_path / "none.j2")})


def test_a_folder_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "mine.j2").mkdir()
    with pytest.raises(ValidationError, match=r"mine\.j2: Is a directory"):
        Holder.model_validate({"prompt": str(tmp_path / "mine.j2")})


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match="utf-8"):
        Holder.model_validate({"prompt": str(tmp_path / "mine.j2")})


def test_a_name_and_a_path_and_both_fields_give_a_prompt(tmp_path: Path) -> None:
    path = template(tmp_path, "{{ question }}\n")
    by_path = Holder.model_validate({"prompt": path}).prompt
    assert by_path == Prompt(name="mine", text="{{ question }}")
    assert Holder.model_validate({"prompt": by_path.model_dump()}).prompt == by_path
    assert Holder.model_validate({"prompt": "boxed"}).prompt == Prompt.named("boxed")


def test_the_text_is_kept_when_the_file_changes(tmp_path: Path) -> None:
    read = Holder.model_validate({"prompt": template(tmp_path, "first")}).prompt
    template(tmp_path, "second")
    assert read.render() == "first"


def test_the_digest_changes_with_the_text() -> None:
    texts = ["a", "a ", "a\n", "A", "", "{{ question }}", "{{question}}"]
    assert len({prompt(text).digest for text in texts}) == len(texts)


def test_the_digest_does_not_change_with_the_name(tmp_path: Path) -> None:
    named = Prompt.named("boxed")
    assert Prompt(name="other", text=named.text).digest == named.digest
    by_path = Holder.model_validate({"prompt": template(tmp_path, named.text + "\n")}).prompt
    assert by_path.digest == named.digest


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ question.__class__ }}",
        "{{ '{0.__class__}'.format(question) }}",
        "{{ question.format.__globals__ }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'boxed' %}",
        "{{ 1 / 0 }}",
        "{{ question + 1 }}",
        "{{ question() }}",
        "{{ 'x' * 10**18 }}",
        "{{ question.encode('nope') }}",
    ],
)
def test_a_template_that_does_what_it_may_not_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="prompt mine: "):
        prompt(text).render(**QUESTION)


@pytest.mark.parametrize(
    "question", ["{{ 7*7 }}", "{% raw %}", "{# gone #}", "<b>&amp;</b>", "\\{"]
)
def test_a_question_is_never_rendered(question: str) -> None:
    assert Prompt.named("question").render(question=question) == question
    assert question in Prompt.named("folded").render(question="?", attempts=[question])
