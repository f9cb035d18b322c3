from collections.abc import Mapping
from typing import Any

import pytest

from cotgen.golds import Gold, gold_of, last_boxed
from cotgen.problems.fields import Field, RowMap, content_id
from cotgen.records import Problem

GSM8K = {
    "question": "A shelf holds 3 rows of 8 jars. How many jars are that in 50 shelves?",
    "answer": "One shelf holds 3*8=<<3*8=24>>24 jars.\n"
    "All hold 24*50=<<24*50=1200>>1200 jars.\n#### 1,200",
}
MATH = {
    "problem": "Solve $2x = 1$.",
    "level": "Level 2",
    "solution": "Halving gives $x = \\boxed{\\frac{1}{2}}.$",
    "subject": "Algebra",
    "unique_id": "train/algebra/1.json",
}


def read(
    row: object,
    paths: Mapping[Field, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    gold: Gold = "auto",
) -> Problem:
    return RowMap(paths or {}, constants or {}, gold).problem(row)


def simple(**fields: object) -> dict[str, object]:
    return {"question": "2 + 2?", "answer": "4", **fields}


def test_a_row_shaped_as_in_gsm8k_loads_as_it_is() -> None:
    problem = read(GSM8K)
    assert problem.question == GSM8K["question"]
    assert problem.answer == "1200"
    assert problem.id == content_id(problem.question, "1200")


def test_a_row_shaped_as_in_math_loads_as_it_is() -> None:
    assert read(MATH) == Problem(
        "train/algebra/1.json", "Solve $2x = 1$.", "\\frac{1}{2}", level="Level 2"
    )


def test_an_answer_wins_over_a_solution() -> None:
    assert read({**MATH, "answer": "0.5"}).answer == "0.5"


def test_a_null_answer_leaves_the_solution() -> None:
    assert read({**MATH, "answer": None}).answer == "\\frac{1}{2}"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("4", "4"),
        (" 4 \n", "4"),
        ("#### 4", "4"),
        ("2+2\n####4", "4"),
        ("so 5\n#### 4\n", "4"),
        ("#### 4\nThat is all.", "4"),
        ("#### 3\n#### 4", "4"),
        ("#### 1,234", "1234"),
        ("#### -1,234,567.5", "-1234567.5"),
        ("#### 1,2", "1,2"),
        ("#### 12,34", "12,34"),
        ("#### $1,234", "$1,234"),
        ("#### (1,234)", "(1,234)"),
        ("1,234", "1,234"),
        ("That makes 4.\nA: 4", "4"),
        ("A: 1,234\n", "1234"),
        ("A: 4\nB: 5", "A: 4\nB: 5"),
        ("so \\boxed{4}", "4"),
        ("\\boxed{3} or rather \\boxed{4}.", "4"),
        ("\\boxed{3}\n#### 4", "3"),
        ("\\fbox{ 4 }", "4"),
        ("$\\boxed{\\frac{\\sqrt{3}}{2}}$", "\\frac{\\sqrt{3}}{2}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{\\left\\{ x \\right.}", "\\left\\{ x \\right."),
        ("\\boxed{\\begin{pmatrix} 1 \\\\ {2} \\end{pmatrix}}",
         "\\begin{pmatrix} 1 \\\\ {2} \\end{pmatrix}"),
        ("\\boxed{4", "\\boxed{4"),
    ],
)  # fmt: skip
def test_the_gold_is_found_in_the_answer(answer: str, gold: str) -> None:
    assert gold_of(answer, "auto") == gold


@pytest.mark.parametrize(
    ("gold", "expected"), [("whole", "\\boxed{3}\n#### 4"), ("boxed", "3"), ("hashes", "4")]
)
def test_the_recipe_may_say_where_the_gold_stands(gold: Gold, expected: str) -> None:
    assert gold_of("\\boxed{3}\n#### 4\n", gold) == expected


@pytest.mark.parametrize(
    ("gold", "error"), [("boxed", r"no \\boxed\{\}"), ("hashes", "no line that starts with ####")]
)
def test_a_gold_that_is_not_where_it_should_be_is_refused(gold: Gold, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read(simple(answer="just 4"), gold=gold)


@pytest.mark.parametrize("answer", ["a thought\n#### ", "####", "\\boxed{}", "so \\boxed{ }."])
def test_an_empty_gold_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="empty gold"):
        read(simple(answer=answer))


def test_a_text_without_a_closed_box_has_no_boxed() -> None:
    assert last_boxed("4") is None
    assert last_boxed("\\boxed{3} \\boxed{4") is None
    assert last_boxed("\\boxed{3\\}") is None


def test_fields_are_read_where_the_recipe_says() -> None:
    row = {"id": 5, "data": {"text": "2 + 2?", "golds": ["3", "4"]}, "meta.topic": "sums", "d": 3}
    paths: dict[Field, str] = {
        "question": "data.text", "answer": "data.golds.1", "tags": "meta.topic", "level": "d",
    }  # fmt: skip
    assert read(row, paths) == Problem("5", "2 + 2?", "4", level="3", tags=("sums",))


def test_a_field_that_the_recipe_names_and_the_row_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no data\.text \(columns: question, answer\)"):
        read(simple(), {"question": "data.text"})


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"answer": "4"}, r"no question at question or problem \(columns: answer\)"),
        (simple(question=" \n"), "no question at question or problem"),
        (simple(question=None), "no question at"),
        ({"question": "2 + 2?"}, r"no answer at answer or solution \(columns: question\)"),
        (simple(answer=""), "no answer at"),
        (simple(answer=True), "answer must be a text or a number, found bool"),
        (simple(question=["2 + 2?"]), "question must be a text or a number, found list"),
        (simple(level={"n": 1}), "level must be a text or a number, found dict"),
        (["2 + 2?", "4"], "expected an object, found list"),
        (None, "expected an object, found NoneType"),
    ],
)
def test_a_row_that_holds_no_problem_is_refused_with_the_reason(row: object, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read(row)


@pytest.mark.parametrize(
    ("answer", "gold"), [(4, "4"), (0, "0"), (2.5, "2.5"), (10**30, "1" + "0" * 30)]
)
def test_numbers_may_be_answers(answer: float, gold: str) -> None:
    assert read(simple(answer=answer)).answer == gold


@pytest.mark.parametrize(("level", "text"), [(5, "5"), (0, "0"), ("hard", "hard"), (None, "")])
def test_levels_are_texts(level: object, text: str) -> None:
    assert read(simple(level=level)).level == text


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("sums", ("sums",)), (["a", "b"], ("a", "b")), ([], ()), (None, ()), (("a",), ("a",))],
)
def test_tags_are_one_text_or_several(tags: object, expected: tuple[str, ...]) -> None:
    assert read(simple(about=tags), {"tags": "about"}).tags == expected


@pytest.mark.parametrize("tags", [3, ["a", 1], {"a": 1}])
def test_tags_of_another_shape_are_refused(tags: object) -> None:
    with pytest.raises(ValueError, match="tags must be a text or a list of texts"):
        read(simple(about=tags), {"tags": "about"})


def test_a_row_as_cotgen_writes_problems_is_read_back_whole() -> None:
    row = simple(
        id="p1", answer_kind="number", level="2", tags=["a", "b"], split="train", source="s",
        license="MIT",
    )  # fmt: skip
    assert read(row) == Problem("p1", "2 + 2?", "4", "number", "2", ("a", "b"), "train", "s", "MIT")


def test_constants_give_way_to_the_row() -> None:
    constants = {"split": "train", "source": "here", "license": "MIT", "tags": ("mine",)}
    problem = read(simple(), constants=constants)
    assert (problem.split, problem.source, problem.license) == ("train", "here", "MIT")
    assert problem.tags == ("mine",)
    row = simple(split="test", source="there", license="CC0-1.0", tags=["its"])
    problem = read(row, constants=constants)
    assert (problem.split, problem.source, problem.license) == ("test", "there", "CC0-1.0")
    assert problem.tags == ("its",)


@pytest.mark.parametrize("split", ["validation", "dev", "Train", "", None, 3])
def test_a_split_column_with_other_words_is_unknown(split: object) -> None:
    assert read(simple(split=split), constants={"split": "unknown"}).split == "unknown"


def test_a_split_that_the_recipe_names_must_be_a_split() -> None:
    with pytest.raises(ValueError, match="split is 'validation': allowed are train, test, unknown"):
        read(simple(part="validation"), {"split": "part"})


def test_equal_problems_get_equal_ids() -> None:
    assert read(GSM8K).id == read({**GSM8K, "extra": 1}).id
    assert read(GSM8K).id == read({**GSM8K, "answer": "#### 1200"}).id


@pytest.mark.parametrize(
    "changed", [{"question": "2 + 3?"}, {"answer": "5"}, {"question": "2 + 2? "}]
)
def test_other_problems_get_other_ids(changed: dict[str, object]) -> None:
    assert read(simple()).id != read(simple(**changed)).id


@pytest.mark.parametrize(("id", "text"), [("p1", "p1"), (0, "0"), (17, "17")])
def test_an_id_of_the_row_is_kept(id: object, text: str) -> None:
    assert read(simple(id=id)).id == text


def test_an_empty_id_is_made_from_the_content() -> None:
    assert read(simple(id="")).id == read(simple()).id


def test_lone_surrogates_are_replaced() -> None:
    row = simple(question="a\ud800b?", answer="\udfff", level="\ud800", tags=["\ud800"])
    problem = read(row)
    assert problem.question == "a\ufffdb?"
    assert problem.answer == problem.level == "\ufffd"
    assert problem.tags == ("\ufffd",)


def test_surrogate_pairs_become_characters() -> None:
    assert read(simple(question="\ud83d\ude00?")).question == "😀?"
