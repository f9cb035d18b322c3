"""The viewer's page in a real browser; skipped where there is no Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from viewed import Served, Tried, hostile, plant, serving

from cotgen.records import Problem

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(f"{CHROMIUM} is not there", allow_module_level=True)

Open = Callable[..., "Page"]
PHONE = {"width": 375, "height": 812}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield launched
        launched.close()


def problems() -> dict[Problem, list[Tried]]:
    """Sixty; p7 has LaTeX, a thought, and a pair of attempts that differ in one digit."""
    made = {}
    for number in range(60):
        right = Tried(f"It is {number}.", "correct", str(number))
        wrong = Tried(f"It is {number}x.", "incorrect", f"{number}x")
        question = "What is $\\frac{7}{2} \\cdot 2$?" if number == 7 else f"What is {number} + 0?"
        problem = Problem(f"p{number}", question, str(number), level=str(number % 3))
        made[problem] = [[right], [right, wrong], [wrong]][number % 3]
        if number == 7:
            text = r"We get \[ \frac{7}{2} + \text{seven halves} = 7 \] and so $\boxed{%s}$."
            thought = "<think>\nHm, halves.\n</think>\n\n"
            made[problem] = [
                Tried(text % "3", "incorrect", r"\boxed{3}"),
                Tried(text % "7", "correct", r"\boxed{7}", thought=thought),
            ]
    return made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("view") / "browsed"
    with serving(plant(folder, problems())) as viewer:
        yield viewer


class Seen(NamedTuple):
    """What a page did that it never may."""

    errors: list[str]
    requests: list[str]

    def console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def dialog(self, dialog: Dialog) -> None:
        self.errors.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens the page; at the end there was no error, no dialog, and no request to anyone else."""
    seen = Seen([], [])
    contexts: list[BrowserContext] = []

    def open_page(viewer: Served, state: str = "", **options: object) -> Page:
        size = options.pop("viewport", {"width": 1280, "height": 800})
        context = browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: seen.console(said.type, said.text))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("dialog", lambda dialog: seen.dialog(dialog))
        page.on("popup", lambda _: seen.errors.append("a window opened"))
        context.on("request", lambda request: seen.requests.append(request.url))
        page.set_default_timeout(20_000)
        page.goto(viewer.url + state)
        page.wait_for_selector(".row .question")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith("http://127.0.0.1:")] == []


def shown_id(page: Page) -> str:
    return page.locator("#detail .problem .id").inner_text()


def wait_for_problem(page: Page, id: str) -> None:
    page.wait_for_function(
        "id => document.querySelector('#detail .problem .id')?.textContent === id", arg=id
    )


def test_a_problem_is_shown_with_its_attempts_verdicts_and_answers(
    served: Served, opened: Open
) -> None:
    page = opened(served, "#p=p7")
    wait_for_problem(page, "p7")
    page.wait_for_selector(".problem .katex")
    wrong, right = page.locator(".card.attempt").all()
    assert "✗ incorrect" in wrong.inner_text()
    assert "✓ correct" in right.inner_text()
    assert right.locator(".thought").inner_text().strip().startswith("<think>")
    assert right.locator("mark.answer .katex").count() == 1
    assert wrong.locator(".katex-display").count() == 1
    # Words inside a formula stand on one line: KaTeX and the page share no class by accident.
    assert wrong.locator(".katex-display").bounding_box()["height"] < 80  # type: ignore[index]
    page.keyboard.press("m")
    page.wait_for_selector("mark.answer:not(:has(.katex))")
    assert page.locator(".card.correct mark.answer").inner_text() == r"\boxed{7}"
    assert page.locator(".katex").count() == 0


def test_the_keyboard_leads_through_problems_tabs_and_help(served: Served, opened: Open) -> None:
    page = opened(served)
    wait_for_problem(page, "p0")
    for key, id in (
        ("j", "p1"),
        ("ArrowDown", "p2"),
        ("k", "p1"),
        ("End", "p59"),
        ("Home", "p0"),
        ("j", "p1"),
    ):
        page.keyboard.press(key)
        wait_for_problem(page, id)
    assert page.locator(".row[aria-selected=true] .id").inner_text() == "p1"
    for key, tab in (
        ("ArrowRight", "difference"),
        ("ArrowRight", "chains"),
        ("ArrowLeft", "difference"),
    ):
        page.keyboard.press(key)
        page.wait_for_selector(f'.tabs [data-tab={tab}][aria-selected="true"]')
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.get_by_role("button", name="Close").click()
    assert not page.locator("#keys").is_visible()
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("p33 jk?")
    assert page.locator("#q").input_value() == "p33 jk?"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") != "q"


def test_search_and_filters_narrow_the_list_and_stand_in_the_address(
    served: Served, opened: Open
) -> None:
    page = opened(served)
    page.fill("#q", "what 4")
    page.wait_for_function(
        "() => document.querySelector('#found')?.textContent.startsWith('15 of 60')"
    )
    page.select_option("select[name=verdict]", "incorrect")
    page.select_option("select[name=level]", "2")
    page.wait_for_function(
        "() => document.querySelector('#found')?.textContent.startsWith('4 of 60')"
    )
    ids = page.locator(".row .id").all_inner_texts()
    assert ids == ["p14", "p41", "p44", "p47"]
    assert "verdict=incorrect" in page.url
    again = opened(served, page.url.partition("/#")[2].join(("#", "")))
    again.wait_for_function(
        "() => document.querySelector('#found')?.textContent.startsWith('4 of 60')"
    )
    assert again.locator("#q").input_value() == "what 4"
    again.click("#clear")
    again.wait_for_function(
        "() => document.querySelector('#found')?.textContent.startsWith('60 problems')"
    )


def test_a_deep_link_opens_its_problem_and_back_leads_back(served: Served, opened: Open) -> None:
    page = opened(served, "#p=p55&tab=chains")
    wait_for_problem(page, "p55")
    page.wait_for_selector(".row[aria-selected=true]")
    assert page.locator(".row[aria-selected=true] .id").inner_text() == "p55"
    page.locator(".row .id", has_text="p52").click()
    wait_for_problem(page, "p52")
    page.go_back()
    wait_for_problem(page, "p55")


def test_the_difference_marks_what_goes_and_what_comes(served: Served, opened: Open) -> None:
    page = opened(served, "#p=p7&tab=difference")
    page.wait_for_selector(".difference")
    assert page.locator(".difference .prose del").all_inner_texts() == ["3"]
    assert "".join(page.locator(".difference .prose ins").all_inner_texts()).endswith("7")
    assert "characters apart" in page.locator(".distance").inner_text()
    page.get_by_text("Side by side").click()
    page.wait_for_selector(".aside")
    wrong, right = page.locator(".aside .card").all()
    assert wrong.locator("del").count() == 1
    assert wrong.locator("ins").count() == 0
    assert right.locator("del").count() == 0
    page.get_by_role("button", name="Words").click()
    page.wait_for_function(
        "() => document.querySelector('.distance')?.textContent.includes('words')"
    )


def test_a_chain_marks_its_trained_text_and_nothing_else(served: Served, opened: Open) -> None:
    page = opened(served, "#p=p4&tab=chains")
    page.wait_for_selector(".chain .turn")
    turns = page.locator(".chain .turn").all()
    assert [turn.locator(".use").inner_text() for turn in turns] == [
        "context",
        "context",
        "trained",
    ]
    assert turns[2].locator(".prose").inner_text() == "It is 4."
    widths = [turn.evaluate("node => getComputedStyle(node).borderLeftColor") for turn in turns]
    assert widths[0] == widths[1] != widths[2]


def test_rows_are_chats_and_can_be_paged(served: Served, opened: Open) -> None:
    page = opened(served)
    page.keyboard.press("r")
    page.wait_for_selector(".pager")
    assert page.locator(".dataset").inner_text().split() == ["sft-multiturn", "40"]
    page.keyboard.press("j")
    page.wait_for_function("() => document.querySelector('.pager input').value === '1'")
    uses = page.locator(".turn .use").all_inner_texts()
    assert uses == ["context", "context", "context", "trained"]
    assert page.locator(".turn.trained .prose").inner_text() == "It is 1."
    page.get_by_text("problem p1").click()
    wait_for_problem(page, "p1")


def test_only_the_rows_in_sight_are_on_the_page(served: Served, opened: Open) -> None:
    page = opened(served)
    assert page.locator(".row").count() < 20
    page.locator("#list").evaluate("node => node.scrollTo(0, node.scrollHeight)")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.row .id')].some(n => n.textContent === 'p59')"
    )
    assert page.locator(".row").count() < 20


@pytest.mark.parametrize(
    "state", ["", "#p=p7", "#p=p7&tab=difference&diff=aside", "#p=p4&tab=chains", "#view=rows"]
)
def test_a_phone_needs_no_scrolling_sideways(served: Served, opened: Open, state: str) -> None:
    page = opened(served, "", viewport=PHONE)
    page.goto(served.url + state)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("document.querySelector('#detail').scrollWidth") <= 375


def test_a_phone_shows_the_list_or_the_problem(served: Served, opened: Open) -> None:
    page = opened(served, viewport=PHONE)
    assert not page.locator("#detail").is_visible()
    page.locator(".row").nth(2).click()
    wait_for_problem(page, "p2")
    assert not page.locator("#list").is_visible()
    page.click("#back")
    page.wait_for_selector("#list")
    assert not page.locator("#detail").is_visible()
    page.click("#more")
    page.select_option("select[name=verdict]", "incorrect")
    page.wait_for_function(
        "() => document.querySelector('#found')?.textContent.startsWith('40 of 60')"
    )


def brightness(page: Page) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_dark_and_light_follow_the_system_until_chosen(served: Served, opened: Open) -> None:
    dark = opened(served, color_scheme="dark")
    assert brightness(dark) < 60
    light = opened(served, color_scheme="light")
    assert brightness(light) > 220
    light.keyboard.press("t")
    assert brightness(light) < 60
    light.reload()
    light.wait_for_selector(".row .question")
    assert brightness(light) < 60


def test_verdicts_are_told_by_sign_and_word_not_by_colour_alone(
    served: Served, opened: Open
) -> None:
    page = opened(served, "#p=p4")
    page.wait_for_selector(".card.attempt")
    assert page.locator(".row").nth(1).locator(".tally").inner_text().split() == ["✓1", "✗1"]
    for outcome, sign in (("correct", "✓"), ("incorrect", "✗")):
        assert page.locator(f".card.{outcome} .verdict").inner_text() == f"{sign} {outcome}"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(hostile(tmp_path_factory.mktemp("view") / "hostile")) as viewer:
        yield viewer


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE])
def test_hostile_texts_do_nothing(attacked: Served, opened: Open, viewport: dict[str, int]) -> None:
    page = opened(attacked, viewport=viewport)
    page.locator(".row").first.click()
    page.wait_for_selector(".card.attempt")
    for tab in ("attempts", "difference", "chains", "rows"):
        page.locator(f".tabs [data-tab={tab}]").click()
        page.wait_for_selector(f'.tabs [data-tab={tab}][aria-selected="true"]')
        for _ in range(6):
            page.mouse.move(viewport["width"] * 0.7, 500)
            page.mouse.wheel(0, 1500)
            page.wait_for_timeout(40)
        planted = page.locator("#detail").locator("script, iframe, img, form, a, base, style")
        assert planted.count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.keyboard.press("r")
    page.wait_for_selector(".pager")
    assert page.evaluate("getComputedStyle(document.body).display") == "flex"
    assert page.locator("#list").count() == 1  # No formula took its id.


def test_what_is_invisible_is_marked_and_leads_no_text_astray(
    attacked: Served, opened: Open
) -> None:
    page = opened(attacked)
    page.wait_for_selector(".card.attempt")
    marks = set(page.locator(".card.correct .invisible").all_inner_texts())
    assert {
        "RLO",
        "PDF",
        "RLI",
        "PDI",
        "ZWSP",
        "NUL",
        "ESC",
        "BOM",
        "CR",
        "2028",
        "E0041",
        "E000",
        "FFFF",
    } <= marks
    left = page.evaluate(r"document.body.innerText.match(/[\u202a-\u202e\u2066-\u2069\0\u2028]/)")
    assert left is None
    boxes = page.locator("#detail .prose").evaluate_all(
        "nodes => nodes.every(node => getComputedStyle(node).unicodeBidi === 'isolate')"
    )
    assert boxes


def test_formulas_are_contained_and_their_errors_are_plain_text(
    attacked: Served, opened: Open
) -> None:
    page = opened(attacked)
    page.wait_for_selector(".card.correct .math.failed")
    failed = page.locator(".card.correct .math.failed").all_inner_texts()
    assert r"$\frac$" in failed
    text = page.locator(".card.correct").inner_text()
    assert r"$\href{javascript:alert(8)}{x}$" in text
    assert r"$\def\a{\a\a}\a$" in text
    widest = page.locator(".card.correct .katex *").evaluate_all(
        "nodes => Math.max(...nodes.map(node => node.getBoundingClientRect().height))"
    )
    assert widest < 400
    page.locator(".card.correct .math", has_text="pmb").first.scroll_into_view_if_needed()
    # The styles that KaTeX sets are there, though the policy forbids attributes with styles.
    page.wait_for_selector(".card.correct .katex [style*='text-shadow']", state="attached")
    assert page.locator(".card.correct .math", has_text="reversed").locator(".katex").count() == 0


def test_a_text_of_a_million_characters_is_cut_and_comes_in_pieces(
    attacked: Served, opened: Open
) -> None:
    page = opened(attacked)
    card = page.locator(".card.attempt").nth(2)
    card.scroll_into_view_if_needed()
    assert "characters left out" in card.inner_text()
    assert card.locator("mark.answer").count() == 1
    assert len(card.inner_text()) < 10_000
    card.locator(".all").click()
    page.wait_for_function(
        "() => { const card = document.querySelectorAll('.card.attempt')[2];"
        " return !card.querySelector('.all') && card.textContent.length > 990000; }"
    )
    assert card.locator("mark.answer").count() == 1
    assert card.locator("b").count() == 0
