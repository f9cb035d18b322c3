"""Where the answer stands."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgen.verifiers.mathematics import boxes
from cotgen.verifiers.mathematics.extract import DEFAULT_FORMS, Extraction, extract, extract_gold

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BOXES = [
    ("so \\boxed{5}", "5"),
    ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
    ("so \\boxed{\\{1\\}}", "\\{1\\}"),
    ("so \\boxed 5 apples", "5"),
    ("so \\boxed {7} apples", "7"),
    ("so \\boxed\n{7}", "7"),
    ("so $\\boxed \\frac{1}{2}$", "\\frac{1}{2}"),
    ("so \\fbox{x}", "x"),
    ("\\boxed{1} or \\boxed{2}", "1, 2"),
    ("$x=\\boxed{1}$, $y=\\boxed{2}$", "1, 2"),
    ("$x_1=\\boxed{1}$ and $x_2=\\boxed{-1}$.", "1, -1"),
    ("\\boxed{1} \\text{ and } \\boxed{2}", "1, 2"),
    ("\\boxed{1}. Now \\boxed{2}", "2"),
    ("\\boxed{5} and \\boxed{5}", "5"),
    ("First \\boxed{3} eggs are eaten. Then \\boxed{9} are left.", "9"),
    ("The center is $\\boxed{(1,2)}$ and the radius is $\\boxed{3}$.", "(1,2), 3"),
    ("\\boxed{1} papers and \\boxed{2} bins", "1, 2"),
    ("$\\boxed{1}\\boxed{2}$", "1, 2"),
    ("\\boxed{5}\n\\boxed{}", "5"),
    ("\\boxed{5}\n\nPut your answer in \\boxed{your answer}.", "5"),
    ("I put it in \\boxed format: \\boxed{3}", "3"),
    ("The sum is \\boxed{3}, in \\boxed form.", "3"),
    ("\\boxed{\\boxed{5}}", "5"),
    ("\\boxed{x = \\boxed{5}, y = 6}", "x = \\boxed{5}, y = 6"),
    ("\\boxed{4 and so \\boxed{5}", "5"),
    ("\\[\\boxed{\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}}\\]",
     "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"),
    ("The answer is \\boxed{12}. The answer is in simplest form.", "12"),
    ("\\boxed{12}\n\nThis answer is correct since the answer is a multiple of 3.", "12"),
    ("\\boxed{18}\n\nThe answer is 18 dollars a day.", "18"),
    ("\\boxed{\\$18}\n\nSo the answer is \\$18 per day.", "\\$18"),
    ("A: \\boxed{5}", "5"),
    ("#### \\boxed{5}", "5"),
    ("<answer>It is \\boxed{5}</answer>", "5"),
    ("**Final Answer**\n\n\\[ \\boxed{204} \\]", "204"),
    ("### Final Answer:\n$$\n\\boxed{C}\n$$", "C"),
    ("\\boxed{18} is our answer. The answer is not 17.", "18"),
    ("Therefore, $\\boxed{14{,}916}$ is our answer.", "14{,}916"),
    ("\\boxed{A}, not \\boxed{B}", "A"),
    ("It is \\boxed{5} (not $\\boxed{6}$).", "5"),
    ("Is it \\boxed{5}? No, \\boxed{6}.", "6"),
    ("It is not true that the answer is \\boxed{5}. It is \\boxed{6}.", "6"),
    ("It is not difficult to show that the answer is \\boxed{5}.", "5"),
    ("It is no longer \\boxed{5} but \\boxed{6}.", "6"),
    ("\\boxed{42}<|im_end|>\n<|im_start|>user\n\\boxed{43}", "42"),
    ("<think>\nmaybe \\boxed{4}\n</think>\n\nThe total is \\boxed{5}.", "5"),
    ("no opening tag \\boxed{4}\n</think>\n\n\\boxed{5}", "5"),
    ("<THINK>\\boxed{4}</THINK> \\boxed{5}", "5"),
    ("<seed:think>\\boxed{4}</seed:think>\\boxed{5}", "5"),
    ("<|channel|>analysis<|message|>Maybe \\boxed{8}<|end|><|start|>assistant<|channel|>final"
     "<|message|>It is \\boxed{9}<|return|>", "9"),
    ("\\boxed{4}\n\nor\n\n\\boxed{5}", "4, 5"),
    ("Hence $x = \\boxed{4} \\text{ cm}^2$.", "4"),
    ("$\\boxed{50}\\%$", "50"),
    ("$\\boxed{30}^\\circ$", "30"),
    ("$x \\in \\boxed{(2, 3)}$", "(2, 3)"),
    ("$\\textbf{(A)}\\ \\boxed{4}$", "4"),
    ("$\\color{red}{\\boxed{4}}$", "4"),
    ("$n \\equiv \\boxed{4} \\pmod{5}$", "4"),
    ("**Answer** - \\boxed{4}", "4"),
    ("_\\boxed{4}_", "4"),
    ("\\boxed{\\frac{3}{4}}\n\nSo the answer is 3/4.", "\\frac{3}{4}"),
    ("- \\boxed{4}\n- done", "4"),
    ("> \\boxed{4}!", "4"),
    ("Since $2 < 3$, $\\boxed{4}$ (or four) are left.", "4"),
    ("\\boxed{7}. Now some might claim the answer is 8, but they are wrong.", "7"),
]  # fmt: skip
PHRASES = [
    ("\\boxed{4}\nThe final answer is 5.", "5"),
    ("\\boxed{4}. Wait, no. The answer is 5.", "5"),
    ("\\boxed{5}\n\nUpdate: the above is flawed. New answer: 6", "6"),
    ("The answer is 5.\n**Corrected answer:** 6", "6"),
    ("The answer is 5.\n\nProblem 2. John has pens.\nSolution. The answer is 6.", "5"),
    ("The answer is 5.\n\n[INST] John has pens. [/INST] The answer is 6.", "5"),
    ("The answer is 5.\n\n### Problem\nJohn has pens.\nThe answer is 6.", "5"),
    ("The answer is 5.\n\n**Problem 2**\nJohn has pens.\nThe answer is 6.", "5"),
    ("The answer is 7.\n\nSome people think the answer is 8.", "7"),
    ("I think the answer is 8.", "8"),
    ("If we add 2 and 3, then the answer is 5.", "5"),
    ("The answer is 5.", "5"),
    ("The final answer is: $x = 5$. I hope it is correct.", "$x = 5$"),
    ("Final Answer: The final answer is $\\frac{3}{4}$. I hope it is correct.", "$\\frac{3}{4}$"),
    ('Final Answer: The final answer is "$12 $ and $13 $". I hope it is correct.',
     '"$12 $ and $13 $"'),
    ("Answer: east", "east"),
    ("**Final Answer:** $5$", "$5$"),
    ("**Answer: 5**", "5"),
    ("**Answer:** 5", "5"),
    ("### Answer: 5", "5"),
    ("**Final Answer**\n\n42", "42"),
    ("## Final answer\n$x^2$", "$x^2$"),
    ("The answer to the question is 0.5.", "0.5"),
    ("So the answer is **5**.", "5"),
    ("So the answer is **5** apples.", "5 apples"),
    ("The answer is $18. I hope that helps!", "$18"),
    ("The answer is $1,450.50 per year.", "$1,450.50 per year"),
    ("The answer is \\$18.50. It is less than \\$20.", "\\$18.50"),
    ("The answer is $x = 2.5. $ Done.", "$x = 2.5. $"),
    ("Thus the answer is\n\n\\[ \\frac{1}{2} \\]\n\nas required.", "\\frac{1}{2}"),
    ("Therefore, the final answer is:\n$$\n12\n$$", "12"),
    ("The answer is 12, not 18.", "12"),
    ("The answer is 12 and not 18.", "12"),
    ("The answer is 5 because 2 + 3 = 5.", "5"),
    ("The answer is simply 5.", "5"),
    ("The answer is therefore $7$.", "$7$"),
    ("The answer would be 7 pm.", "7 pm"),
    ("The answer is 4:30 p.m. on Monday.", "4:30 p.m. on Monday"),
    ("The correct answer is (C).", "(C)"),
    ("The correct answer is C) Plane.", "C) Plane"),
    ("The correct option is (B).", "(B)"),
    ("The answer is option D.", "D"),
    ("The correct choice is: **A**", "A"),
    ("so answer is 5.", "5"),
    ("ANSWER: 5", "5"),
    ("Answer：5", "5"),
    ("The answer is 4. Wait, no. The answer is 5.", "5"),
    ("The answer is 5. We check: the answer is correct.", "5"),
    ("If the answer is 4, then 2 + 2 = 4. Answer: 5", "5"),
    ("The answers are:\n- $x = 1$\n- $x = 2$\n", "$x = 1$, $x = 2$"),
    ("The answer is:\n- 7", "7"),
    ("The final answer is no solution.", "no solution"),
    ("<answer>The answer is 5.</answer>", "5"),
    ("The answer is 42<|eot_id|>", "42"),
    ("The answer is 42.\n\n### Instruction: Go on.\nThe answer is 4.", "42"),
    ("**Final Answer:** The sum is **15**.", "15"),
    ("Final Answer: The total number of eggs is 15.", "15"),
    ("Final Answer: The volume of $ABCD$ is 120. I hope it is correct.", "120"),
    ("Final Answer: The largest number of points of $f(x)$ is 19.", "19"),
    ("Answer: The value of the sum is $15$ meters.", "$15$ meters"),
    ("The correct answer is option **B**.", "B"),
    ("Final Answer\n\n42", "42"),
    ("A: The answer is 5", "5"),
    ("The answer is 2, 3, and 5.", "2, 3, and 5"),
    ("The answer is $\\{1, 2\\}$.", "$\\{1, 2\\}$"),
    ("Final answer: a = 3, b = 4", "a = 3, b = 4"),
    ("The answer is not 18 but 20.", "20"),
    ("The answer is not 1.5, but rather 2.", "2"),
    ("The answer is 5. Now the answer is no longer 5 but 6.", "6"),
    ("The answer is 18. The answer is not 180.", "18"),
    ("The answer is for sure D, it can't be A or B", "D"),
    ("It is not hard to see that the answer is 5.", "5"),
    ("Since 4 is not correct, the answer is 5.", "5"),
    ("So A is false and the answer is (B).", "(B)"),
]  # fmt: skip
MARKS = [
    ("#### 5", "5", "hashes"),
    ("She makes $18.\n#### 18", "18", "hashes"),
    ("She makes 9 * 2 = $<<9*2=18>>18 every day. #### 18", "18", "hashes"),
    ("#### 1. Read the problem\n2 + 3 = 5\n#### 5", "5", "hashes"),
    ("#### 1,450 dollars", "1,450 dollars", "hashes"),
    ("#### 18\n\nI hope this helps!", "18", "hashes"),
    ("A: 5", "5", "answer_line"),
    ("**A:** 5", "5", "answer_line"),
    ("Ans: 5", "5", "answer_line"),
    ("<think>A: 4</think>A: 5", "5", "answer_line"),
    ("A: 5\nQ: and now?\nA: 6", "5", "answer_line"),
    ("#### 5\n\nQuestion: Tom has 3 pens.\nAnswer: #### 3", "5", "hashes"),
    ("<answer> 5 </answer>", "5", "tag"),
    ("<think>2+3</think>\n<answer>5</answer>", "5", "tag"),
    ("<answer>4</answer> no, better <answer>5</answer>", "5", "tag"),
    ("<final_answer>5</final_answer>", "5", "tag"),
    ('{"reasoning": "2+3", "answer": 5}', "5", "json"),
    ('```json\n{"final_answer": "5 apples"}\n```', "5 apples", "json"),
    ('{"answer": [1, 2.50, "x"]}', "1, 2.50, x", "json"),
    ('{"answer": 1e5}', "1e5", "json"),
    ('{"answer": "\\\\frac{1}{2}"}', "\\frac{1}{2}", "json"),
    ('{"answer": "\\frac{1}{2}"}', "\\frac{1}{2}", "json"),
    ('{"answer": "90\\u00b0"}', "90°", "json"),
    ('{"answer": "\\\\boxed{5}"}', "\\boxed{5}", "json"),
    ('\\boxed{{"answer": "5", "unit": "m"}}', "5", "json"),
    ('\\boxed{{"answer": {"answer": "5"}}+1}', '{"answer": {"answer": "5"}}+1', "box"),
    ('\\boxed{2*{"answer": 5}}', '2*{"answer": 5}', "box"),
    ('{"steps": [{"answer": 3}], "final_answer": 5}', "5", "json"),
    ('{"final_answer": 5, "steps": [{"answer": 3}]}', "5", "json"),
    ("There are 3 cases.\n\n**5**", "5", "bold"),
    ("2 + 3 = 5.\n\nShe makes **$18** a day.", "$18", "bold"),
    ("So it points\n\n**east**", "east", "bold"),
]  # fmt: skip
BARE = [
    "42", "-3.5", "$\\frac12$", "x = 5", "(C)", "\\frac{1}{2}", "3x + 2y", "$2$ and $3$",
    "x = 1 or x = 2", "5 apples", "18 dollars", "6 \\text{ inches}", "east", "no solution",
    "$28$ percent", "(-\\infty, 2) \\cup (3, 5]", "\\[ x^2 \\]", "$$\n9\n$$", "10:30 p.m.",
    "3 hours and 20 minutes", "C) Plane", "$19, 46, \\text{ and } 82$", "{1, 2, 3}", "5!",
    "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}", "11,\\! 111", "∅", "50\\%", "½", "Yes",
]  # fmt: skip
NOTHING = [
    "",
    "I get 5",
    "It is 18",
    "so \\boxed{5",
    "\\boxed{4} so \\boxed{5",
    "The answer is 4. \\boxed{5",
    "<think>\\boxed{5}",
    "<think>\\boxed{5}</think>",
    "<think>a</think>\\boxed{5}<think>b",
    "<|begin_of_thought|>\\boxed{5}",
    "\\boxed{}",
    "\\boxed{\\text{your answer}}",
    "The answer is not 5",
    "The answer is 5?",
    "If the answer is 5, she has too many.",
    "#### Step 5: now add\nmore",
    "We check the answer: it fits.\nnothing",
    "The answer is 18. Wait, no, that is wrong.",
    "\\boxed{18} is incorrect.",
    "\\boxed{18}. But this answer is wrong.",
    "\\boxed{18}. I made a mistake above.",
    "The answer is 18. So the answer is not 18.",
    "Options:\nA: 5\nB: 6",
    "<answer></answer>",
    "<answer>5",
    '{"answer": null}',
    '{"answer": "..."}',
    "She has 9 eggs and sells 3 for $6.\nThat leaves 6 eggs.",
    "There are **3** cases and **4** choices.",
    "2 + 3 = 5\n9 * 2 = 18",
    "where $n$ is an integer",
    "We get 12 from $n = 3$. Note that $n > 2$.",
    "We get $y = 3$. So it grows on $x > 0$.",
    "We get $y = 3$. So it is 12 for $n = 3$.",
    "We add. So the mean is 12 and the median is 13.",
    "We look. So the domain is $x > 3$ and the range is $y > 2$.",
    "Case 1 works. So there are 3 cases to consider.",
    "We add. Therefore the number is 3 or 4.",
    "We add. Hence it is 12^2.",
    "We get $y = 3$. Hence $y = 3$ and $z = 4$.",
    "Is it \\boxed{5}?",
    "The answer is definitely not 5.",
    "It is not true that the answer is 5.",
    "It is false that the answer is $5$.",
    "I don't think the answer is 5.",
    "It is not true that the answer is \\boxed{5}.",
    "The answer is 5. It is not true that the answer is 5.",
    "The answer is 5. On reflection it is no longer 5 but 6.",
    "\\boxed{5}. Now it is no longer 5 but 6.",
    "The answer is 5, no longer 5 but 6.",
    "The answer is not only 5 but also 6.",
    "Suppose $n = 5$",
    "**Step 3: Add**",
    "Let me think. 5",
    "\ud800\x00",
    "\\boxed{4}\nThe answer is 5.",
    "\\boxed{10}\n\n### Check\nPlugging back: choosing 9, the answer is 8, which is smaller.",
    "The final answer is \\boxed{10}.\n\nNote: when the order matters, the answer is 90.",
    "\\boxed{42}. A common mistake is to forget the carry; then the answer is 32.",
    "It cannot be that the answer is 5.",
    "There is no way the answer is 5.",
    "The textbook says the answer is 5, but that's a typo.",
    "We need to show the answer is 5.",
    "Let's guess the answer is 5. But that is no good.",
    "One might think that the answer is 8.",
    "If we had used 41 instead, the answer would be 40.",
    "<THINK>\\boxed{5}",
    "<scratchpad>\\boxed{5}",
    "<analysis>\\boxed{5}",
    "<seed:think>\\boxed{5}",
    "<|channel|>analysis<|message|>Maybe \\boxed{8}<|end|>",
    "The answer is \\boxed{5}. Hmm, actually, it should be 6.",
    "The answer is \\boxed{5}. Actually, 6 is the answer here.",
    "The answer is 5. Oops, I forgot to count zero, so the count is 6.",
    "The answer is 5. Hold on, there is one more.",
    "\\boxed{5}\n\nActually I need to recheck. There are 6.",
    "\\boxed{5}\n\nEdit: it should be 6.",
    "**(a)** \\boxed{3}\n\n**(b)** \\boxed{4}",
    "(a) The answer is 3.\n(b) The answer is 4.",
    "The answer to part (a) is 4.",
    "The answer to the first question is 4.",
    "The answer to the previous part is 4.",
    "Format: The final answer is \\boxed{5}.\nI cannot solve this problem.",
    "Write your answer as \\boxed{5} for example. I do not know.",
    "The answer is $1",
    "The answer is $\\frac{1}{2",
    "The answer is \\(5",
]
MIDWAY = [
    "Therefore, it cannot be $4$.",
    "Therefore the maximum is less than $4$.",
    "So an upper bound is $4$.",
    "Hence the number of cases to examine is $4$.",
    "So the base case is $4$.",
    "Thus, the only remaining possibility to rule out is $4$.",
    "Hence the next term to compute is 4.",
    "So far the total is 4",
    "So our initial guess is 4",
    "Therefore, the complement is $\\frac14$.",
]
PARTS_OF_A_FORMULA = [
    "$-\\boxed{4}$", "$x = -\\boxed{4}$", "$10 - \\boxed{4}$", "$2\\boxed{4}$",
    "$\\boxed{4}x$", "$\\boxed{4}\\sqrt{2}$", "$\\sqrt{\\boxed{4}}$", "$\\frac{1}{\\boxed{4}}$",
    "$\\frac{\\boxed{4}}{3}$", "$2\\cdot\\boxed{4}$", "$\\boxed{4}^2$", "$x^{\\boxed{4}}$",
    "$\\boxed{4}!$", "$\\boxed{4}/3$", "$f(\\boxed{4}) = 0$", "$(\\boxed{4}, 5)$",
    "$\\pm\\boxed{4}$",
    "$x > \\boxed{4}$", "$x \\neq \\boxed{4}$", "$\\boxed{4} < x$", "$\\boxed{4} + 1 = 5$",
    "$\\boxed{4} \\text{ or } 5$", "\\boxed{4} or 5", "The answer is less than \\boxed{5}",
    "It cannot be \\boxed{4}.", "It lies between 3 and \\boxed{4}",
]  # fmt: skip


@pytest.mark.parametrize(("text", "answer"), BOXES)
def test_the_last_box_is_found(text: str, answer: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, "box")


@pytest.mark.parametrize(("text", "answer"), PHRASES)
def test_the_last_stated_answer_is_found(text: str, answer: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, "phrase")


@pytest.mark.parametrize(("text", "answer", "rule"), MARKS)
def test_other_marks_are_found(text: str, answer: str, rule: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, rule)


@pytest.mark.parametrize("text", BARE)
def test_an_attempt_that_is_nothing_but_an_answer_is_that_answer(text: str) -> None:
    found = extract(f" {text}\n")
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule, found.span) == (text, "bare", (1, 1 + len(text)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer \\[ 9 \\]", "\\[ 9 \\]"),
        ("Answer $$ \n 9 \n $$", "$$ \n 9 \n $$"),
        (
            "P(A) = 2/3. Therefore, the probability that Al wins is 2/3. I hope it is correct.",
            "2/3",
        ),
        ("Matrix with fractions: $ \\frac{1}{2} $", "$ \\frac{1}{2} $"),
        ("We have $x > 4$. Thus $x > 5$ is our answer.", "$x > 5$"),
        ("We find that $x \\neq 3$.", "$x \\neq 3$"),
    ],
)
def test_an_attempt_of_one_sentence_tells_its_only_formula(text: str, answer: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, "sentence")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so we get $x=5$.", "$x=5$"),
        ("Hence the length equals\n\\[ \\sqrt{2}. \\]", "\\[ \\sqrt{2}. \\]"),
        ("We have $a=2$. Therefore, the area is $3$ square units.", "$3$ square units"),
        ("We have $a=2$. So the pair $(x, y)$ that solves it is $(7, 6)$.", "$(7, 6)$"),
        ("P(A) = 2/3 Therefore, the probability is 2/3. <|im_start|>user", "2/3"),
        ("2 * 6 = 12. Therefore, there are 12 distinct sequences.", "12"),
        ("First, $n=3$.\n\nHence we get\n$$x = 4.$$", "$$x = 4.$$"),
    ],
)
def test_a_conclusion_after_other_sentences_counts_only_on_request(text: str, answer: str) -> None:
    assert isinstance(extract(text), str)
    found = extract(text, (*DEFAULT_FORMS, "conclusion"))
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, "conclusion")


@pytest.mark.parametrize("text", MIDWAY)
@pytest.mark.parametrize("before", ["", "We know $n=3$. "])
def test_a_sentence_on_the_way_concludes_nothing(text: str, before: str) -> None:
    assert isinstance(extract(before + text), str)


@pytest.mark.parametrize("text", PARTS_OF_A_FORMULA)
def test_a_box_that_is_a_part_of_something_else_is_no_answer(text: str) -> None:
    assert isinstance(extract(text), str)


@pytest.mark.parametrize("text", NOTHING)
def test_without_an_answer_there_is_none(text: str) -> None:
    assert isinstance(extract(text), str)


@pytest.mark.parametrize(
    ("form", "text", "answer"),
    [
        ("formula", "We have $a=2$ and $b=3$. So we get $x=5$ in total.", "$x=5$"),
        ("display", "Thus \\[ x = 5 \\] and we are done.", "x = 5"),
        ("number", "She has 9 eggs and sells 1,003 of them.", "1,003"),
    ],
)
def test_guesses_count_only_on_request(form: str, text: str, answer: str) -> None:
    assert isinstance(extract(text), str)
    found = extract(text, (*DEFAULT_FORMS, form))  # type: ignore[arg-type]
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, form)


def test_a_formula_of_an_earlier_sentence_is_no_guess() -> None:
    assert isinstance(extract("We get $x=5$. That is all of it.", ("formula",)), str)


def test_only_the_chosen_forms_count() -> None:
    text = "#### 4\nThe answer is 5."
    found = extract(text, ("hashes",))
    assert isinstance(found, Extraction)
    assert found.text == "4"
    assert isinstance(extract("42", ("box",)), str)


@pytest.mark.parametrize(
    ("gold", "answer", "rule"),
    [
        (" 5 ", "5", "bare"),
        ("x = 5, y = 6", "x = 5, y = 6", "bare"),
        ("\\boxed{5}", "5", "box"),
        ("2+3=5\n#### 5", "5", "hashes"),
        ("2+3=5\nA: 5", "5", "answer_line"),
        ("<think>4</think>The answer is 5.", "5", "phrase"),
        ('{"answer": 5}', "5", "json"),
        ("It is \\boxed{28}. Note: the answer is wrong.", "28", "box"),
        ("a long text without a mark is taken as it is", None, "bare"),
    ],
)
def test_a_gold_is_bare_or_marked(gold: str, answer: str | None, rule: str) -> None:
    found = extract_gold(gold)
    assert isinstance(found, Extraction)
    assert (found.text, found.rule) == (gold if answer is None else answer, rule)


@pytest.mark.parametrize("gold", ["", "  \n", "\\boxed{}", "\\boxed{5", "<think>5"])
def test_an_unusable_gold_is_told(gold: str) -> None:
    assert isinstance(extract_gold(gold), str)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("<think>no</think> so \\boxed{5}.", "\\boxed{5}"),
        ("<think>no</think> the answer is 5 apples.", "5 apples"),
        ("so\n#### **5** \n", "5"),
        ('{"answer": "5"}', '"5"'),
        ("It makes\n**$18**", "$18"),
    ],
)
def test_the_place_of_the_answer_in_the_whole_attempt_is_told(text: str, part: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction)
    assert text[found.start : found.end] == part


@given(st.text(), st.text(alphabet="0123456789xyz+-", min_size=1))
def test_the_last_box_wins_whatever_stands_before(before: str, answer: str) -> None:
    before = before.replace("<", "").replace("\\", "").replace("Q", "")
    found = extract(f"{before} \\boxed{{0}}.\n\nHence \\boxed{{{answer}}}")
    assert isinstance(found, Extraction)
    assert found.text == answer


@given(st.text())
def test_any_text_is_read_and_the_span_is_inside_it(text: str) -> None:
    found = extract(text)
    if isinstance(found, Extraction):
        assert 0 <= found.start < found.end <= len(text)


def test_the_solutions_of_math_hold_their_annotated_answers() -> None:
    """One solution boxes the answer twice, as a mixed number and as a fraction."""
    path = DATA / "math" / "test500.jsonl"
    if not path.exists():
        pytest.skip("no MATH problems on this machine")
    missed = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        found = extract(row["solution"])
        assert isinstance(found, Extraction), row
        if found.text.split() != row["answer"].split():
            missed.append("".join(found.text.split()) == "".join(row["answer"].split()))
    assert missed.count(False) == 1


HOSTILE = [
    "$ ", "\\boxed{", "answer is ", "The answer is 5. ", "\\boxed{}", "\\boxed{1}, ", "#### ",
    "####", "A: 5\n", "A:", "\nA: 5\nQ: ", "<answer>", "<answer>5</answer>", '"answer": [',
    '{"answer": "\\', "**", "**5**", "\n ", " ", "\\", "{", "}", "<think>", "\nQuestion: ",
    "answer: $5. x", "wait, no ", "\\[", "\\(", "$$", "$\\", "\\begin{a}", "answer:\n- 5\n- ",
    "answer to ", "p.m. ", "9", "\u202e", "<|channel|>",
    "(b) ", "\n(b)", "Hmm, ", "{\\boxed{1}}", "</a>", "<THINK>", "\n[INST]", "\\, ",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("end", ["", "\n\\boxed{5}", " The answer is "])
def test_five_megabytes_are_read_at_once(unit: str, end: str) -> None:
    text = unit * (5_000_000 // len(unit)) + end
    start = time.process_time()
    extract(text, (*DEFAULT_FORMS, "display", "formula", "number"))
    extract_gold(text)
    assert time.process_time() - start < 0.5


# --- quick tests before slow patterns -------------------------------------------------------------

TAKEN_BACK = [
    "Wait, no", "wait - not so", "Wa\u0131t, actually", "no, that cannot be", "That is wrong",
    "This i\u017f wrong", "The answer above was not correct", "This seems not right",
    "That must be a mistake", "this looks mistaken", "that is flawed", "This result is invalid",
    "Hmm, so", "Hold on", "Oops, a slip", "Whoops - a slip", "I forgot one", "I m\u0130ssed one",
    "I overlooked one", "I misread it", "I miscounted", "Actually, it has two", "Actually 5",
    "I need to recompute", "I have to fix this", "Edit: 6", "Update: 6", "Erratum: 6",
    "I made a mistake", "I have made an error", "I see my error", "my mistake", "I was wrong",
    "Scratch that", "On second thought", "Correction: 6", "Let me redo this", "let me try again",
    "let me start over", "It is no longer 5", "The answer is not 5", "this is definitely never 5",
    "It is not true that the answer is 5", "It is false that our answer is 5",
    "It is untrue that the answer is 5", "which is incorrect",
]  # fmt: skip


@pytest.mark.parametrize("said", TAKEN_BACK)
def test_whatever_takes_an_answer_back_is_seen(said: str) -> None:
    assert extract(f"\\boxed{{5}} {said}.") == "the answer is taken back"


NOT_MEANT = [
    "It is not", "It is Not", "It is never", "It is no longer", "We get 5 instead of",
    "We get 5 rather than", "It cannot be", "It can't be", "It is not true that the answer is",
    "It is false that the answer is", "I don't think the answer is", "Nobody says that it is",
    "Format:", "Output format:", "Example: a", "Write your answer as", "and put your result into",
]  # fmt: skip


@pytest.mark.parametrize("before", NOT_MEANT)
def test_whatever_denies_a_box_is_seen(before: str) -> None:
    assert extract(f"Now\n{before} \\boxed{{6}}") == "no marked answer"


@pytest.mark.parametrize("blank", ["", " ", "\n", "\n\n "])
@pytest.mark.parametrize("end", sorted(boxes._NOTHING_AFTER))
def test_what_stands_behind_most_boxes_takes_none(end: str, blank: str) -> None:
    after = blank + end + blank
    line = boxes._SPACE.sub("", after.partition("\n")[0], count=1)
    for pattern in (boxes._OR, boxes._DIGITS_AFTER, boxes._TAKEN_AFTER):
        assert not pattern.match(after)
        assert not pattern.match(line)
    assert not after.lstrip().startswith("}")


@pytest.mark.parametrize("inner", ["5", "x+1", "\\frac{1}{2}", "\\{1\\}", "{1}", "a\\}b", "5 {"])
def test_the_closing_brace_of_a_lone_box_is_the_one_that_a_scan_finds(inner: str) -> None:
    text = f"so \\boxed{{{inner}}} and }} more {{ of }} it"
    place = text.index("\\boxed")
    scanned = boxes._closing_braces(text, place - 1, place, len(text))
    found = boxes._closing_braces(text, place, place, len(text))
    assert found.get(place + 6) == scanned.get(place + 6)


@pytest.mark.parametrize("start", ["(a)", "\n(a)", "x\nPart A", "Part A"])
@pytest.mark.parametrize("later", ["\n(b)", "\n**(b)**", "\nPart B", "\npart b)"])
def test_one_part_of_several_is_no_answer(start: str, later: str) -> None:
    text = f"{start} The answer is 5.{later} It is \\boxed{{6}}."
    assert extract(text) == "the text answers several parts"
