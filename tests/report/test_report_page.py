"""The page needs nothing else, and no text in it is anything but text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from test_report import answers, make

from cotgen.report import write_report

CHROMIUM = Path("/usr/bin/chromium")
VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}
NAME = "h" * 80
EVIL = [
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "</style><style>body{display:none}</style>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "' onmouseover='document.title=1",
    "</bdi></td></table></pre><h1>owned</h1>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe \u2066x \u0000\u001b[31m \ufeff \u200b",
    "<svg onload=document.title='owned'>",
    "<!-- -->]]><![CDATA[",
    "javascript:document.title='owned'",
]


class Reader(HTMLParser):
    """Reads a page strictly: every tag is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on a run in which every text is an attack."""
    rows: list[dict[str, Any]] = [
        {
            "id": f"{evil}",
            "question": f"{evil} What is {n}?",
            "answer": str(n),
            "level": evil,
            "source": evil,
            "attempts": [f"{evil} {text} {evil}" for text in answers(n, n + 1, n, n + 2)],
        }
        for n, evil in enumerate(EVIL)
    ]
    rows.append(rows[0] | {"id": "long", "question": "x" * 1_000_000, "level": "y" * 1_000_000})
    folder = tmp_path_factory.mktemp("hostile")
    run = make(folder, NAME, rows)
    lines = [{"id": "p", "filter": evil, "reason": evil} for evil in EVIL]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "filtered.jsonl").write_text(text, encoding="utf-8")
    path = run / "verdicts.jsonl"
    verdicts = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for n, verdict in enumerate(verdicts):
        verdict |= {"reason": EVIL[n % len(EVIL)], "method": EVIL[n % len(EVIL)] * 99}
    text = "".join(json.dumps(verdict) + "\n" for verdict in verdicts)
    path.write_text(text, encoding="utf-8")
    return write_report([run, run]).page.parent


@pytest.fixture(scope="module", params=["report.html", f"report-with-{NAME}.html"])
def page(hostile: Path, request: pytest.FixtureRequest) -> Path:
    """The page of one run, and of two."""
    path = hostile / str(request.param)
    if not path.exists():
        write_report([hostile])
    return path


def test_the_page_parses_and_holds_no_text_as_markup(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    reader = Reader(text)
    tags = [tag for tag, _ in reader.tags]
    assert (tags.count("script"), tags.count("style"), tags.count("h1")) == (1, 1, 1)
    assert {"img", "iframe", "object", "link", "form"}.isdisjoint(tags)
    for _, attributes in reader.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    shown = "".join(reader.text)
    assert "<script>document.title='owned'</script>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u0000\u001b\ufeff\u200b]", text)
    assert "\\u202egnp.exe" in shown


def test_the_page_asks_for_nothing_from_anywhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    reader = Reader(text)
    for tag, attributes in reader.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), (tag, value)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    policy = next(a["content"] for t, a in reader.tags if a.get("http-equiv"))
    assert policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_plot_says_in_words_what_it_shows_or_stands_in_a_table(page: Path) -> None:
    for tag, attributes in Reader(page.read_text(encoding="utf-8")).tags:
        if tag == "svg" and "plot" in (attributes.get("class") or ""):
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there")
    from playwright import sync_api as api

    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [1200, 375])
def test_in_a_browser_no_foreign_script_runs_and_nothing_is_fetched(
    page: Path, browser: Any, width: int
) -> None:
    size = {"width": width, "height": 800}
    opened = browser.new_page(viewport=size, reduced_motion="reduce")
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(page.as_uri())
    opened.locator(".plot .bar[data-tip]").first.scroll_into_view_if_needed()
    opened.wait_for_timeout(100)
    opened.hover(".plot .bar[data-tip]")
    assert opened.title().endswith("cotgen report")
    assert opened.is_visible(".tip")
    assert opened.inner_text(".tip")
    assert said == []
    assert asked == [page.as_uri()]
    # Nothing makes the page wider than the screen.
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.evaluate("getComputedStyle(document.body).display") == "block"
    opened.close()
