import time

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rows import tags_outside_fences

from cotgen.records import Attempt, Completion, Finish
from cotgen.steps import CLOSE, MARKS, OPEN, Style, Uncut, parse, split, tags

FENCED = f"```xml\n{OPEN}\n{CLOSE}\n```\n"

separators = st.sampled_from(["\n", "\n\n", "\r\n", "ab", "\u2028"])
texts = st.text(st.sampled_from("\n\n\r\u2028\u0085ab\0😀é ") | st.characters())
pieces = st.sampled_from(
    ["\n", "\n", "```", "````", "~~~", "```py\n", "```a```", " ", "    ", "\t", "x", OPEN, CLOSE]
)
fence_texts = st.lists(pieces, max_size=16).map("".join)


def attempt(completion: Completion) -> Attempt:
    steps, thought_steps, finish, flaw, flag = parse(completion)
    return Attempt(steps, finish, thought_steps, flaw, flag=flag)


def boundary(text: str, reasoning: str = "", finish: Finish = "stop") -> tuple[str, str]:
    """Thought and solution, after a check that nothing was lost."""
    parsed = attempt(Completion(text, finish, reasoning))
    if not reasoning:
        assert parsed.text == text
    assert parsed.text == parsed.thought + parsed.solution
    assert parsed.finish == finish
    return parsed.thought, parsed.solution


encodable = st.text(
    st.sampled_from('\n\n\n"\\{}:,[]tex\x7f\r\0é😀') | st.characters(exclude_categories=["Cs"])
)


@given(text=encodable, separator=separators)
@example('\n\n"},{"text":"\\n"\n', "\n")
@example("\\n\\\n", "\n")
@settings(derandomize=True, max_examples=1000, database=None, deadline=None)
def test_steps_that_are_not_cut_are_written_as_those_that_are(text: str, separator: str) -> None:
    uncut, cut = Uncut(text, separator), split(text, separator)
    # Verdicts stand on a digest of these bytes.
    assert uncut.json() == msgspec.json.encode(cut)
    seen: object = uncut
    assert seen == cut
    assert (len(uncut), uncut[1:], hash(uncut)) == (len(cut), cut[1:], hash(cut))


@given(text=texts, separator=separators)
@settings(derandomize=True, max_examples=300, database=None, deadline=None)
def test_joined_steps_are_the_text(text: str, separator: str) -> None:
    steps = split(text, separator)
    assert "".join(step.text for step in steps) == text
    assert all(step.text for step in steps)


@given(text=texts, separator=separators)
@settings(derandomize=True, max_examples=300, database=None, deadline=None)
def test_every_step_but_the_last_ends_with_the_separator(text: str, separator: str) -> None:
    steps = split(text, separator)
    assert all(step.text.endswith(separator) for step in steps[:-1])


def test_a_step_keeps_all_separators_that_follow_it() -> None:
    assert [step.text for step in split("\n\na\n\n\nb\nc")] == ["\n\n", "a\n\n\n", "b\n", "c"]


def test_an_empty_text_has_no_steps() -> None:
    assert split("") == ()


def test_a_text_without_tags_is_all_solution() -> None:
    assert boundary("2 + 2 = 4\n\\boxed{4}") == ("", "2 + 2 = 4\n\\boxed{4}")


def test_a_completion_that_was_cut_off_stays_so() -> None:
    assert boundary("2 + 2", finish="length") == ("", "2 + 2")


def test_the_thought_ends_behind_the_close_tag_and_its_newlines() -> None:
    thought, solution = boundary(f"{OPEN}\na\nb\n{CLOSE}\n\n4\n")
    assert thought == f"{OPEN}\na\nb\n{CLOSE}\n\n"
    assert solution == "4\n"


def test_a_solution_may_follow_the_close_tag_at_once() -> None:
    assert boundary(f"{OPEN}a{CLOSE}4") == (f"{OPEN}a{CLOSE}", "4")


def test_the_steps_of_the_thought_come_first() -> None:
    steps, thought_steps, *_ = parse(Completion(f"{OPEN}\na\n\nb\n{CLOSE}\n\n4\nis it"))
    assert [step.text for step in steps[:thought_steps]] == [
        f"{OPEN}\n", "a\n\n", "b\n", f"{CLOSE}\n\n",
    ]  # fmt: skip
    assert [step.text for step in steps[thought_steps:]] == ["4\n", "is it"]


def test_a_close_tag_without_an_open_one_ends_the_thought() -> None:
    assert boundary(f"a\n{CLOSE}\n\n4") == (f"a\n{CLOSE}\n\n", "4")


def test_a_reasoning_field_is_written_before_the_text() -> None:
    thought, solution = boundary("4", reasoning="\na\nb\n")
    assert thought == f"{OPEN}\na\nb\n{CLOSE}\n\n"
    assert solution == "4"


@pytest.mark.parametrize(
    ("reasoning", "text"),
    [
        ("```py\nx = 1", "```py\nx = 2\n```\n4"),
        (f"```\n{CLOSE}\n```", "4"),
        ("a < b", "4 > 3"),
    ],
)
def test_a_reasoning_field_is_the_thought(reasoning: str, text: str) -> None:
    assert boundary(text, reasoning) == (f"{OPEN}\n{reasoning}\n{CLOSE}\n\n", text)


@pytest.mark.parametrize(
    ("reasoning", "text"),
    [
        (f"the tag {CLOSE} ends a thought", "4"),
        (f"a {OPEN}", "4"),
        ("a", f"as {CLOSE} says, 4"),
        ("a", f"{OPEN}b{CLOSE}4"),
        ("a", "<Thought>b</Thought>4"),
    ],
)
def test_a_tag_beside_a_reasoning_field_is_a_flaw(reasoning: str, text: str) -> None:
    assert attempt(Completion(text, "stop", reasoning)).flaw == "tag_collision"


def test_a_reasoning_field_without_a_text_is_all_thought() -> None:
    assert boundary("", reasoning="a", finish="length") == (f"{OPEN}\na\n{CLOSE}\n\n", "")


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (f"{OPEN}a{CLOSE}\n3? no\n{OPEN}b{CLOSE}\n4", "two_thoughts"),
        (f"{OPEN}a{CLOSE}\n3\n{CLOSE}\n4", "two_thoughts"),
        (f"a{CLOSE}\n3\n{CLOSE}\n4", "two_thoughts"),
        (f"{OPEN}a{OPEN}b{CLOSE}\n4", "tag_collision"),
        (f"{CLOSE}a{OPEN}\n4", "tag_collision"),
        (f"{OPEN}a{CLOSE}\n4{OPEN}", "tag_collision"),
        (f"{OPEN}a{CLOSE}<Thought>b</Thought>4", "tag_collision"),
    ],
)
def test_several_thoughts_in_one_text_are_a_flaw(text: str, flaw: str) -> None:
    found = attempt(Completion(text))
    assert (found.text, found.thought_steps, found.flaw) == (text, 0, flaw)


@pytest.mark.parametrize("style", MARKS)
def test_the_thoughts_of_every_style_are_found(style: Style) -> None:
    opened, closed = MARKS[style]
    text = f"{opened}\na\n{closed}\n\n4"
    for chosen in ("auto", style):
        steps, thought_steps, finish, flaw, _ = parse(Completion(text), style=chosen)
        assert (finish, flaw) == ("stop", "")
        assert "".join(step.text for step in steps[thought_steps:]) == "4"
    other: Style = "still" if style == "think" else "think"
    assert parse(Completion(text), style=other).thought_steps == 0


def test_the_prompt_may_open_the_thought() -> None:
    half = Completion(f"a\n{CLOSE}\n4")
    assert parse(half).thought_steps == parse(half, open_in_prompt="yes").thought_steps == 2
    assert parse(half, open_in_prompt="no").flaw == "tag_collision"
    assert parse(Completion("a"), open_in_prompt="yes").finish == "length"
    assert parse(Completion("a"), open_in_prompt="no").finish == "stop"


def test_two_blocks_can_be_told_by_their_tags() -> None:
    text = f"{OPEN}a{CLOSE}\n3? no\n{OPEN}b{CLOSE}\n4"
    assert [tag for tag, _ in tags(text)] == [OPEN, CLOSE, OPEN, CLOSE]


def test_an_unclosed_thought_is_unfinished_whatever_the_server_says() -> None:
    steps, thought_steps, finish, *_ = parse(Completion(f"{OPEN}\na\nb", "stop"))
    assert "".join(step.text for step in steps) == f"{OPEN}\na\nb"
    assert thought_steps == 0
    assert finish == "length"


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        (f"{OPEN}\n\n{CLOSE}\n\n4", ""),
        (f"{OPEN}{CLOSE}4", ""),
        (f"\n{CLOSE}\n4", ""),
        ("<Thought> </Thought>4", ""),
        ("4", "\n"),
    ],
)
def test_an_empty_block_is_neither_thought_nor_solution_and_flagged(
    text: str, reasoning: str
) -> None:
    found = attempt(Completion(text, "stop", reasoning))
    assert (found.thought_steps, found.thought, found.solution) == (0, "", "4")
    assert (found.flag, found.flaw, found.finish) == ("empty_thought", "", "stop")
    assert found.text.endswith(text)


def test_a_block_that_holds_something_is_not_flagged() -> None:
    assert attempt(Completion(f"{OPEN}a{CLOSE}4")).flag == ""
    assert attempt(Completion(f"4 {OPEN}{CLOSE}")).flag == ""


def test_much_white_space_takes_no_time() -> None:
    started = time.process_time()
    parse(Completion("\n" * 200_000 + f"x{CLOSE}4"))
    assert time.process_time() - started < 1


def test_a_thought_without_a_solution_leaves_it_empty() -> None:
    assert boundary(f"{OPEN}\na\n{CLOSE}") == (f"{OPEN}\na\n{CLOSE}", "")


def test_tags_inside_closed_fences_do_not_count() -> None:
    assert boundary(FENCED + "4") == ("", FENCED + "4")


def test_the_thought_may_hold_fenced_tags() -> None:
    text = f"{OPEN}\n{FENCED}{CLOSE}\n4\n{FENCED}"
    assert boundary(text) == (f"{OPEN}\n{FENCED}{CLOSE}\n", f"4\n{FENCED}")


def test_a_fence_that_is_left_open_hides_no_tag() -> None:
    assert boundary(f"{OPEN}\n```py\nx = 1\n{CLOSE}\n4") == (
        f"{OPEN}\n```py\nx = 1\n{CLOSE}\n",
        "4",
    )


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{CLOSE}\n```py\n",  # A line with an info string closes nothing.
        f"````\n{CLOSE}\n```\n",  # Nor does a shorter one.
        f"```\n{CLOSE}\n~~~\n",
        f"    ```\n{CLOSE}\n    ```\n",
        f"```x```\n{CLOSE}\n```\n",  # Code within a line opens nothing.
    ],
)
def test_what_only_looks_like_a_fence_hides_no_tag(text: str) -> None:
    assert [tag for tag, _ in tags(text)] == [CLOSE]


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{CLOSE}\n```",
        f"```\n{CLOSE}\n`````  \n",
        f"~~~ a `b`\n{CLOSE}\n~~~\n",
        f"````\n```\n{CLOSE}\n```\n````",
        f"   ```\r\n{CLOSE}\r\n ```\r\n",
    ],
)
def test_a_closed_fence_hides_tags(text: str) -> None:
    assert tags(text) == []


def test_a_tag_is_given_with_its_end() -> None:
    assert tags(f"a{OPEN}b{CLOSE}") == [(OPEN, 8), (CLOSE, 17)]


@given(text=fence_texts)
@settings(derandomize=True, max_examples=1000, database=None, deadline=None)
def test_tags_are_those_that_an_independent_reader_finds(text: str) -> None:
    assert [(tag, end - len(tag)) for tag, end in tags(text)] == tags_outside_fences(text)


@given(text=fence_texts, reasoning=fence_texts)
@settings(derandomize=True, max_examples=500, database=None, deadline=None)
def test_parsing_loses_no_character(text: str, reasoning: str) -> None:
    parsed = attempt(Completion(text, "stop", reasoning))
    assert parsed.text.endswith(text)
    assert parsed.text.removesuffix(text).strip("\n") == (
        f"{OPEN}\n{reasoning.strip(chr(10))}\n{CLOSE}" if reasoning else ""
    )
    before = "".join(step.text for step in parsed.steps[: parsed.before])
    assert before + parsed.solution == parsed.text
    assert parsed.thought == ("" if parsed.flag else before)


def test_many_fences_that_nothing_closes_take_no_time() -> None:
    assert [tag for tag, _ in tags("```py\n" * 50_000 + CLOSE)] == [CLOSE]
